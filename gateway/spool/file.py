"""Which file a gateway's spool is in: one replica, one file.

Two gateways that forward what is in one file forward it twice. So each replica holds a lock on its own: the first one on the file that the
settings name, the next one on that name with "-2", and so on. The lock ends with the process, however that ends.

A gateway that was rolled back leaves the file of a newer version as it is and takes the next one, so that it serves: what waits there is
forwarded by a gateway of that version, or once `tocsin migrate gateway --to` has taken the file back.
"""

import os
from pathlib import Path
from typing import Final

from tocsin.clock import Clock
from tocsin.config import ConfigError
from tocsin.database import Database, DatabaseUnavailable, SchemaTooNew
from tocsin.spool_files import lock_of, lock_spool, spool_at, spools_beside
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

MOST_REPLICAS: Final = 64
"""Files that are tried; as many gateways may share one folder."""


class SpoolTaken(ConfigError):
    """Every spool beside the one of the settings is another gateway's, or of a newer version."""

    reason = ConfigError.reason


class SpoolFile:
    """The file of one replica, locked while it is open; a component.

    Attributes:
        place: 1 for the file that the settings name; 0 while none is open.
    """

    def __init__(self, *, path: Path, clock: Clock, place: int = 0) -> None:
        """Opens nothing yet.

        Args:
            path: the file of the first replica.
            clock: paces the waiting for a disk that is away.
            place: which file to open; 0 means the first one that nobody has.
        """
        self._path = path
        self._clock = clock
        self._wanted = place
        self._lock: int | None = None
        self._database: Database | None = None
        self.place = 0

    @property
    def database(self) -> Database:
        """The database in the file.

        Raises:
            DatabaseUnavailable: it is not open.
        """
        if self._database is None:
            raise DatabaseUnavailable("The spool is not open: the gateway is starting or stopping.")
        return self._database

    def others(self) -> list[int]:
        """The places of the other files that exist."""
        return [place for place in spools_beside(self._path) if place != self.place]

    def at(self, place: int) -> "SpoolFile":
        """The file of another replica, to be opened when that is gone."""
        return SpoolFile(path=self._path, clock=self._clock, place=place)

    async def start(self) -> None:
        """Takes the first file that nobody has and that is of no newer version, and opens it.

        Raises:
            ConfigError: the folder cannot be used.
            SpoolTaken: other gateways have every file.
            SchemaTooNew: the one file that was asked for is of a newer version.
        """
        if self._database is not None:
            return
        for place in (self._wanted,) if self._wanted else range(1, MOST_REPLICAS + 1):
            if self._take(place) and await self._open():
                return
        raise SpoolTaken([f"TOCSIN_GATEWAY_SPOOL_FILE: every spool file next to {self._path} is another gateway's or a newer version's"])

    async def _open(self) -> bool:
        """Opens the file that is locked; false, and the lock is released, where it is of a newer version and another one will do."""
        file = spool_at(self._path, self.place)
        database = Database(url=f"sqlite:///{file}", clock=self._clock, schema="gateway", migrations="gateway")
        try:
            await database.start()
        except SchemaTooNew as error:
            self._release()
            if self._wanted:
                raise
            _log.error("spool left to a newer version", file=str(file), error=error.message)
            return False
        except BaseException:
            self._release()
            raise
        self._database = database
        if self.place > 1 and not self._wanted:
            _log.info("spool file chosen", file=str(file))
        return True

    async def stop(self) -> None:
        """Close the file and release its lock; may be called twice."""
        database, self._database = self._database, None
        if database is not None:
            await database.stop()
        self._release()

    async def discard(self) -> None:
        """Closes the file and removes it; the lock, which stays until `stop`, keeps a starting gateway away from it meanwhile."""
        database, self._database = self._database, None
        if database is not None:
            await database.stop()
        file = spool_at(self._path, self.place)
        for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
            file.with_name(name).unlink(missing_ok=True)

    def _take(self, place: int) -> bool:
        """Locks a file; false when another process has it."""
        file = spool_at(self._path, place)
        try:
            lock = lock_spool(file)
        except OSError as error:
            raise ConfigError([f"TOCSIN_GATEWAY_SPOOL_FILE: {lock_of(file)} cannot be locked: {error.strerror}"]) from error
        if lock is not None:
            self._lock, self.place = lock, place
        return lock is not None

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        self.place = 0
        if lock is not None:
            os.close(lock)
