"""How many connections the gRPC edge takes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import grpc
import pytest

from tests.integration.gateway.support import Rig
from tests.integration.gateway.test_connections import Raw, running
from tocsin.testing.waiting import eventually

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""What a client of HTTP/2 says first (RFC 9113, 3.4)."""


async def connected(rig: Rig) -> Raw | None:
    """A new connection that the edge speaks on; None if it closes it."""
    made = Raw(*await asyncio.open_connection("127.0.0.1", int(rig.running.address.rpartition(":")[2])))
    made.writer.write(PREFACE)
    with contextlib.suppress(ConnectionError):
        if await made.reader.read(9):
            return made
    await made.close()
    return None


@contextlib.asynccontextmanager
async def connections(rig: Rig, count: int) -> AsyncGenerator[list[Raw | None]]:
    """So many of them, one after the other."""
    made = [await connected(rig) for _ in range(count)]
    yield made
    for each in made:
        if each is not None:
            await each.close()


async def served(rig: Rig) -> bool:
    """Whether a client is."""
    async with grpc.aio.insecure_channel(rig.running.address) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        with contextlib.suppress(grpc.aio.AioRpcError):
            await check(b"", timeout=5)
            return True
    return False


async def test_one_too_many_in_all_is_closed(tmp_path: Path) -> None:
    """Those that are open go on, and a place that becomes free is taken."""
    async with running(tmp_path, grpc_connections=3) as rig:
        async with connections(rig, 5) as made:
            assert [each is not None for each in made] == [True, True, True, False, False]
        await eventually(lambda: served(rig), what="a free place")


async def test_an_address_that_has_too_many_loses_the_newest(tmp_path: Path) -> None:
    """The oldest of it stay, whether they make calls or not, and others are not disturbed."""
    async with running(tmp_path, grpc_address_connections=3) as rig, connections(rig, 3) as old:
        await asyncio.sleep(0)
        kept = [each for each in old if each is not None]
        gauge = "tocsin_gateway_grpc_connections"
        await eventually(lambda: rig.registry.get_sample_value(gauge) == 3, what="a look")
        async with connections(rig, 4) as new:
            for each in new:
                assert each is None or await closed(each)
            for each in kept:
                each.writer.write(bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + b"are-open")  # PING
                assert b"are-open" in await answered(each)
        assert (rig.registry.get_sample_value("tocsin_gateway_grpc_connections_refused_total") or 0) >= 4


async def closed(each: Raw) -> bool:
    """Whether the edge has ended it; waits until it has."""
    with contextlib.suppress(ConnectionError):
        while await each.reader.read(1000):
            pass
    return True


async def answered(each: Raw) -> bytes:
    """What comes until the answer to a PING."""
    found = b""
    while b"are-open" not in found:
        found += await each.reader.read(1000)
    return found


async def test_named_proxies_bring_many(tmp_path: Path) -> None:
    """For them the bound of one address does not stand."""
    async with running(tmp_path, grpc_address_connections=1, trusted_proxies=("127.0.0.0/8",)) as rig, connections(rig, 4):
        await eventually(lambda: rig.registry.get_sample_value("tocsin_gateway_grpc_connections") == 4, what="a look")
        assert not rig.registry.get_sample_value("tocsin_gateway_grpc_connections_refused_total")


@pytest.mark.parametrize("seconds", [1.0])
async def test_a_connection_without_a_call_is_closed(tmp_path: Path, seconds: float) -> None:
    """It takes a place."""
    async with running(tmp_path, grpc_idle_seconds=seconds) as rig, connections(rig, 1) as [made]:
        assert made is not None
        assert await closed(made)
