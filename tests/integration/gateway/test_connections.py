"""How many connections the HTTP server takes, and for how long it waits for a request."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.integration.gateway.support import Rig
from tocsin.clock import SystemClock
from tocsin.testing.waiting import eventually

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


class Raw:
    """One connection, read and written by the byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer; (0, b"") when the connection is closed without one."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, b""
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(head.split()[1]), await self.reader.readexactly(length)

    async def ended(self) -> bool:
        """Whether the server has closed it without a further word; waits until it has."""
        with contextlib.suppress(ConnectionError):
            if await self.reader.read():
                return False
        await self.close()
        return True

    async def ask(self, data: bytes = HEALTH) -> int:
        """The status of the answer to ``data``."""
        self.writer.write(data)
        return (await self.answer())[0]

    async def close(self) -> None:
        """Ends it."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def connect(rig: Rig) -> Raw:
    """A new connection."""
    return Raw(*await asyncio.open_connection("127.0.0.1", int(rig.url.rpartition(":")[2])))


@contextlib.asynccontextmanager
async def running(folder: Path, **settings: object) -> AsyncGenerator[Rig]:
    """A gateway with these settings."""
    rig = Rig(folder=folder, clock=SystemClock())
    try:
        await rig.start(**settings)
        yield rig
    finally:
        await rig.stop()


@pytest.mark.parametrize(
    ("settings", "status", "reason"),
    [
        ({"http_address_connections": 3}, 429, "TOO_MANY_CONNECTIONS"),
        ({"http_connections": 3}, 503, "NO_CONNECTION_LEFT"),
        ({"http_connections": 3, "trusted_proxies": ("127.0.0.1",)}, 503, "NO_CONNECTION_LEFT"),
    ],
)
async def test_one_connection_too_many_is_told_so(tmp_path: Path, settings: dict[str, object], status: int, reason: str) -> None:
    """It is answered and closed before it asks; those that are open go on, and a place that is given back is taken by the next."""
    async with running(tmp_path, **settings) as rig:
        taken = [await connect(rig) for _ in range(3)]
        assert [await each.ask() for each in taken] == [200, 200, 200]
        refused = [await connect(rig) for _ in range(20)]
        for each in refused:
            found, body = await each.answer()
            assert (found, json.loads(body)["details"][0]["reason"]) == (status, reason)
            assert await each.ended()
        assert [await each.ask() for each in taken] == [200, 200, 200]
        await taken.pop().close()

        async def admitted() -> bool:
            again = await connect(rig)
            if await again.ask() == 200:
                taken.append(again)
                return True
            await again.close()
            return False

        await eventually(admitted, what="the place that was given back")
        for each in taken:
            await each.close()


async def test_a_proxy_brings_the_connections_of_many(tmp_path: Path) -> None:
    """The bound for one address is not for one that is named as a proxy."""
    async with running(tmp_path, http_address_connections=1, trusted_proxies=("127.0.0.0/8",)) as rig:
        many = [await connect(rig) for _ in range(5)]
        assert [await each.ask() for each in many] == [200] * 5
        for each in many:
            await each.close()


@pytest.mark.parametrize(
    ("before", "begun"),
    [(b"", b""), (b"", b"GET /hea"), (b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "), (HEALTH, b"GET /he"), (HEALTH, HEALTH[:-2])],
    ids=["silent", "a line", "a header", "a further line", "a further head"],
)
async def test_a_head_that_does_not_come_is_not_waited_for(tmp_path: Path, before: bytes, begun: bytes) -> None:
    """Half a request is answered 408 and closed, however often a byte comes; silence as well (RFC 9110, 15.5.9)."""
    async with running(tmp_path, http_head_seconds=1.0) as rig:
        slow, quick = await connect(rig), await connect(rig)
        if before:
            assert await slow.ask(before) == 200
        slow.writer.write(begun)
        dripping = asyncio.create_task(_drip(slow.writer)) if begun else None
        status, body = await slow.answer()
        assert (status, json.loads(body)["details"][0]["reason"]) == (408, "HEADERS_TOO_SLOW")
        assert await slow.ended()
        if dripping is not None:
            dripping.cancel()
        await quick.close()


async def test_what_is_no_request_is_answered_as_everything_is(tmp_path: Path) -> None:
    """By a problem document, though no request was ever made of it."""
    async with running(tmp_path) as rig:
        broken = await connect(rig)
        broken.writer.write(b"HELO example.com\r\n\r\n")
        status, body = await broken.answer()
        assert (status, json.loads(body)["details"][0]["reason"]) == (400, "NO_HTTP_REQUEST")
        assert await broken.ended()


async def test_an_idle_connection_between_requests_is_no_slow_one(tmp_path: Path) -> None:
    """It has the keep-alive time, not the time of a head, and its next request is served."""
    async with running(tmp_path, http_head_seconds=2.0) as rig:
        kept = await connect(rig)
        assert await kept.ask() == 200
        await asyncio.sleep(3)  # longer than a head may take
        assert await kept.ask() == 200
        await kept.close()


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"a")
        await asyncio.sleep(0.02)
