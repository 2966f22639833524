"""A lock that the database fires of when this process dies: the implementation of `scheduler_svc.shards.Liveness` on PostgreSQL."""

import asyncio
import hashlib
from contextlib import AsyncExitStack
from typing import Any, Final

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.database import Database
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_SECONDS: Final = 2.0
_LOCK: Final = "SELECT pg_backend_pid(), pg_try_advisory_lock($1)"
_BACKEND: Final = "SELECT pg_backend_pid()"


class SessionLock:
    """An advisory lock on a connection of its own, held from the first `beat` to `stop`; a component.

    The kernel closes the connection of a process that dies, and the server then frees the lock; that of a process that is merely stopped
    stays open. Behind a pooler that gives each transaction another session, such as pgbouncer's transaction mode, the lock would mean
    nothing: that is noticed, and then none is held any more.
    """

    def __init__(self, *, database: Database, owner: str) -> None:
        """Connects to nothing yet.

        Args:
            database: for this lock alone, with one connection and no breaker.
            owner: identity of this start of the process, which the key is made from.
        """
        self._database = database
        self._key = int.from_bytes(hashlib.blake2b(owner.encode(), digest_size=8).digest(), signed=True)
        self._held = AsyncExitStack()
        self._connection: AsyncConnection | None = None
        self._backend = 0
        self._pooled = False

    async def start(self) -> None:
        """Nothing yet: `beat` takes the lock, so that a database without a connection to spare does not hold up the start."""

    async def stop(self) -> None:
        """Fires of the lock; may be called twice."""
        await self._drop()
        await self._database.stop()

    async def beat(self) -> int | None:
        """See `scheduler_svc.shards.Liveness`. Takes the lock, or makes sure of it; within two seconds."""
        if self._pooled:
            return None
        try:
            async with asyncio.timeout(_SECONDS):
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
        row: Any = (await connection.exec_driver_sql(_LOCK, (self._key,))).one()
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
