"""Which file a gateway's spool is in: one replica, one file.

Two gateways that forward what is in one file forward it twice. So each replica holds a lock on its own: the first one on the file that the
settings name, the next one on that name with "-2", and so on. The lock ends with the process, however that ends.
"""

import errno
import fcntl
import os
from pathlib import Path
from typing import Final

from tocsin.clock import Clock
from tocsin.config import ConfigError
from tocsin.database import Database, DatabaseUnavailable
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

MOST_REPLICAS: Final = 64
"""Files that are tried; as many gateways may share one folder."""


class SpoolTaken(ConfigError):
    """Every spool beside the one of the settings is another gateway's."""

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
        return [place for place in range(1, MOST_REPLICAS + 1) if place != self.place and self._at(place).exists()]

    def at(self, place: int) -> "SpoolFile":
        """The file of another replica, to be opened when that is gone."""
        return SpoolFile(path=self._path, clock=self._clock, place=place)

    async def start(self) -> None:
        """Takes the first file that nobody has, and opens it.

        Raises:
            ConfigError: the folder cannot be used.
            SpoolTaken: other gateways have every file.
        """
        if self._database is not None:
            return
        self._take()
        database = Database(url=f"sqlite:///{self._at(self.place)}", clock=self._clock, schema="gateway", migrations="gateway")
        try:
            await database.start()
        except BaseException:
            self._release()
            raise
        self._database = database

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
        file = self._at(self.place)
        for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
            file.with_name(name).unlink(missing_ok=True)

    def _at(self, place: int) -> Path:
        return self._path if place == 1 else self._path.with_name(f"{self._path.stem}-{place}{self._path.suffix}")

    def _take(self) -> None:
        for place in (self._wanted,) if self._wanted else range(1, MOST_REPLICAS + 1):
            if (lock := self._locked(self._at(place))) is not None:
                self._lock, self.place = lock, place
                if place > 1 and not self._wanted:
                    _log.info("spool file chosen", file=str(self._at(place)))
                return
        raise SpoolTaken([f"TOCSIN_GATEWAY_SPOOL_FILE: every spool file next to {self._path} is in use by another gateway"])

    def _locked(self, file: Path) -> int | None:
        """The lock on a file's neighbour; None when another process has it. SQLite has locks of its own on the file itself."""
        beside = file.with_name(f"{file.name}.lock")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError([f"TOCSIN_GATEWAY_SPOOL_FILE: {beside} cannot be opened: {error.strerror}"]) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return None
            raise ConfigError([f"TOCSIN_GATEWAY_SPOOL_FILE: {beside} cannot be locked: {error.strerror}"]) from error
        return lock

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        self.place = 0
        if lock is not None:
            os.close(lock)
