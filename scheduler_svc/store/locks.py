"""Proofs of being the one who may write.

One process uses a SQLite database, proven by a file lock. On PostgreSQL a replica that died is known by the lock of its session, and a
transaction that writes firings of a shard proves that its replica owns the shard.
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from sqlalchemy import exc
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.ports import Held
from scheduler_svc.store.sql import Statement
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.errors import FailedPrecondition, TocsinError, Unavailable
from tocsin.telemetry import get_logger

_TRIES: Final = 50
_PAUSE_SECONDS: Final = 0.1


class DatabaseInUse(FailedPrecondition):
    """Another scheduler uses this database."""


class ProcessLock:
    """Held as long as the process lives: the kernel releases it however the process ends.

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
        """Releases it; may be called twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


_log = get_logger(__name__)

_BEAT_SECONDS: Final = 2.0
_TAKE: Final = "SELECT pg_backend_pid(), pg_try_advisory_lock($1)"
_BACKEND: Final = "SELECT pg_backend_pid()"


class SessionLock:
    """An advisory lock on a connection of its own, held from the first `beat` to `stop`; a component.

    Implements `scheduler_svc.ports.Liveness` on PostgreSQL.

    The kernel closes the connection of a process that dies, and the server then frees the lock; that of a process that is merely stopped
    stays open. None is held where a lock excludes nobody: each replica would take the others for dead, and a lease has to tell. Behind a
    pooler that gives each transaction another session, such as pgbouncer's transaction mode, the lock would mean
    nothing: that is noticed, and then none is held any more.
    """

    def __init__(self, *, database: Database, excludes: Callable[[], bool], owner: str) -> None:
        """Connects to nothing yet.

        Args:
            database: for this lock alone, with one connection and no breaker.
            excludes: whether a lock excludes others, as the start of the database found out.
            owner: identity of this start of the process, which the key is made from.
        """
        self._database = database
        self._excludes = excludes
        self._key = int.from_bytes(hashlib.blake2b(owner.encode(), digest_size=8).digest(), signed=True)
        self._held = AsyncExitStack()
        self._connection: AsyncConnection | None = None
        self._backend = 0
        self._pooled = False

    async def start(self) -> None:
        """Nothing yet: `beat` takes the lock, so that a database without a connection to spare does not hold up the start."""

    async def stop(self) -> None:
        """Releases the lock; may be called twice."""
        await self._drop()
        await self._database.stop()

    async def beat(self) -> int | None:
        """Takes the lock, or makes sure of it, within two seconds."""
        if self._pooled or not self._excludes():
            return None
        try:
            async with asyncio.timeout(_BEAT_SECONDS):
                if self._connection is None:
                    return await self._take()
                if (await self._connection.exec_driver_sql(_BACKEND)).scalar_one() == self._backend:
                    return self._key
        except (TocsinError, exc.SQLAlchemyError, OSError) as error:
            _log.info("advisory lock lost", error=str(error))
        else:
            _log.warning("pooler in front of the database: shards of a dead replica wait for its lease")
            self._pooled = True
        await self._drop()
        return None

    async def _take(self) -> int | None:
        await self._database.start()
        connection = await self._held.enter_async_context(self._database.read())
        row: Any = (await connection.exec_driver_sql(_TAKE, (self._key,))).one()
        if not row[1]:  # somebody just looks, or the server has not noticed the end of our last connection
            await self._drop()
            return None
        self._connection, self._backend = connection, row[0]
        return self._key

    async def _drop(self) -> None:
        held, self._held, self._connection = self._held, AsyncExitStack(), None
        connection_lost = (TocsinError, exc.SQLAlchemyError, OSError)
        try:
            await held.aclose()
        except connection_lost:  # it is gone all the same
            return


# A takeover locks the row FOR UPDATE and so waits for this transaction; a renewal does not.
_FENCE: Final = Statement(
    sqlite="SELECT shard, epoch FROM shards WHERE owner = ?1 AND shard IN (SELECT value FROM json_each(?2))",
    postgresql="SELECT shard, epoch FROM shards WHERE owner = $1 AND shard = ANY($2::text::smallint[]) ORDER BY shard FOR KEY SHARE",
)


async def owned(connection: AsyncConnection, *, owner: str, held: Held, wanted: Collection[int]) -> set[int]:
    """Those of the wanted shards that ``owner`` still owns under the epochs it holds; they stay so until the transaction ends."""
    rows = await _FENCE.rows(connection, owner, sorted(wanted))
    return {shard for shard, epoch in rows if held.get(shard) == epoch}


def no_shard() -> Unavailable:
    """What a client is told when this replica owns no shard, or not the one that it needs, any more."""
    return Unavailable("No shard is held by this replica now.", retry_after=1.0)
