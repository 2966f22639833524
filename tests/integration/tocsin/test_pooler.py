"""A pooler in front of PostgreSQL is found at the start, and refused with words, before anything is written."""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.engine import URL, make_url

from tocsin.clock import SystemClock
from tocsin.database import ConnectionLimits, Database
from tocsin.database.errors import PoolerFound

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One message of the protocol (PostgreSQL, 55.7): its type, and the whole of it."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


class Pooler:
    """Speaks PostgreSQL's protocol as PgBouncer does in transaction mode: each transaction gets a session of a few.

    ``strict`` refuses settings at the start of a session; otherwise they are dropped, unless it ``keeps`` those that are looked at.
    ``turns`` gives each transaction the session that rested longest, otherwise the one used last.
    """

    def __init__(self, server: URL, *, sessions: int = 1, strict: bool = False, keeps: bool = False, turns: bool = False) -> None:
        self._server, self._sessions = server, sessions
        self._strict, self._keeps, self._turns = strict, keeps, turns
        self._idle: deque[Streams] = deque()
        self._freed = asyncio.Condition()
        self._greeting = b""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        """The URL through it."""
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        for _ in range(self._sessions):
            self._idle.append(await self._session())
        host, port = listener.sockets[0].getsockname()
        try:
            yield self._server.set(host=host, port=port).render_as_string(hide_password=False).replace("postgresql+asyncpg", "postgresql")
        finally:
            listener.close()
            for _, writer in self._idle:
                writer.close()

    async def _session(self) -> Streams:
        reader, writer = await asyncio.open_connection(self._server.host, self._server.port)
        words = ["user", self._server.username or "", "database", self._server.database or ""]
        if self._keeps:
            words += ["application_name", "tocsin", "search_path", "mine"]
        body = struct.pack("!I", 196608) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
        writer.write(struct.pack("!I", len(body) + 4) + body)
        self._greeting, kind = b"", b""
        while kind != b"Z":
            kind, whole = await message(reader)
            self._greeting += whole
        return reader, writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            size = struct.unpack("!I", await reader.readexactly(4))[0]
            start = await reader.readexactly(size - 4)
            if start[:4] == struct.pack("!I", 80877103):  # SSLRequest
                writer.write(b"N")
                size = struct.unpack("!I", await reader.readexactly(4))[0]
                start = await reader.readexactly(size - 4)
            if self._strict and b"jit\0" in start:
                fields = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: jit\0\0"
                writer.write(b"E" + struct.pack("!I", len(fields) + 4) + fields)
                return
            writer.write(self._greeting)
            while await self._transaction(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone
        finally:
            writer.close()

    async def _transaction(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await message(reader)
        if first[0] == b"X":
            return False
        async with self._freed:
            await self._freed.wait_for(lambda: self._idle)
            session = self._idle.popleft() if self._turns else self._idle.pop()
        try:
            await self._relay(first, (reader, writer), session)
        finally:
            async with self._freed:
                self._idle.append(session)
                self._freed.notify()
        return True

    async def _relay(self, first: tuple[bytes, bytes], client: Streams, session: Streams) -> None:
        kind, whole = first
        while True:
            session[1].write(whole)
            if kind in (b"S", b"Q", b"H"):  # whoever flushes waits for an answer, too: of a statement that is described
                done = {b"H": (b"T", b"n", b"E")}.get(kind, (b"Z",))
                answer = b""
                while answer not in done:
                    answer, whole = await message(session[0])
                    client[1].write(whole)
                if answer == b"Z" and whole.endswith(b"I"):
                    return
            kind, whole = await message(client[0])


POOLERS: dict[str, dict[str, Any]] = {
    "refuses settings": {"strict": True},
    "drops settings": {},
    "one session": {"keeps": True},
    "two sessions, the one used last": {"keeps": True, "sessions": 2},
    "two sessions in turns": {"keeps": True, "sessions": 2, "turns": True},
    "three sessions in turns": {"keeps": True, "sessions": 3, "turns": True},
}


@pytest.mark.parametrize(("kind", "connections"), [*((kind, 10) for kind in POOLERS), ("drops settings", 1), ("two sessions in turns", 1)])
async def test_a_pooler_is_refused_at_the_start(postgres_url: str, kind: str, connections: int) -> None:
    """However many sessions it has and however it deals them out; the reason names what stands there."""
    pooler = Pooler(make_url(postgres_url), **POOLERS[kind])
    async with pooler.running() as url:
        database = Database(
            url=url, clock=SystemClock(), schema="mine", limits=ConnectionLimits(pool_size=connections), migrations="mailer_svc"
        )
        with pytest.raises(PoolerFound, match="pooler"):
            await asyncio.wait_for(database.start(), timeout=60)
        await database.stop()
    direct = Database(url=postgres_url, clock=SystemClock())
    await direct.start()
    async with direct.read() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'mine'")).scalar_one() == 0
    await direct.stop()


async def test_a_server_without_a_pooler_is_none(postgres_url: str) -> None:
    """Two connections of ours have two sessions."""
    for connections in (1, 2):
        database = Database(url=postgres_url, clock=SystemClock(), limits=ConnectionLimits(pool_size=connections))
        await database.start()
        await database.stop()
