"""One process on a SQLite database, proven by a file lock."""

import fcntl
import os
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from tocsin.clock import Clock
from tocsin.errors import FailedPrecondition

_TRIES: Final = 50
_PAUSE_SECONDS: Final = 0.1


class DatabaseInUse(FailedPrecondition):
    """Another scheduler uses this database."""


class ProcessLock:
    """Held as long as the process lives: the kernel fires of it however the process ends.

    Whoever holds it knows that every earlier owner of shards in this database is dead, so a restart need not wait for leases to end.
    """

    def __init__(self, *, path: Path, clock: Clock) -> None:
        """Locks nothing yet.

        Args:
            path: the lock file, beside the database.
            clock: paces the waiting for a predecessor that is just ending.
        """
        self._path = path
        self._clock = clock
        self._descriptor: int | None = None

    @classmethod
    def of(cls, url: str, *, clock: Clock) -> "ProcessLock | None":
        """The lock of a SQLite database; None for another, which several processes may share."""
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or not parsed.database:
            return None
        return cls(path=Path(f"{parsed.database}.lock"), clock=clock)

    async def start(self) -> None:
        """Takes the lock.

        Raises:
            DatabaseInUse: another process holds it, and goes on holding it.
        """
        if self._descriptor is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for _ in range(_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await self._clock.sleep(_PAUSE_SECONDS)
            else:
                self._descriptor = descriptor
                return
        os.close(descriptor)
        raise DatabaseInUse(f"Another scheduler uses this database: it holds {self._path}.")

    async def stop(self) -> None:
        """Fires of it; may be called twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
