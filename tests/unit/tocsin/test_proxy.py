"""The proxy of the chaos tests: each kind of bad fault is what it says."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tocsin.testing.proxy import FAIR, NetworkFault, Proxy
from tocsin.testing.waiting import eventually

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Far:
    """A server that answers each line with itself, and remembers how its connections ended."""

    def __init__(self) -> None:
        self.seen = b""
        self.ends: list[str] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                self.seen += data
                writer.write(data)
            self.ends.append("FIN")
        except ConnectionResetError:
            self.ends.append("RST")
        writer.close()


@pytest.fixture
async def far() -> AsyncGenerator[Far]:
    """Stopped at the end."""
    server = Far()
    yield server
    await server.stop()


@pytest.fixture
async def proxy(far: Far) -> AsyncGenerator[Proxy]:
    """In front of it."""
    async with Proxy(target_port=await far.start()) as made:
        yield made


async def connect(proxy: Proxy) -> Streams:
    """A client's connection through the proxy."""
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def echo(streams: Streams, data: bytes) -> float:
    """Sends and gets it back; the seconds that it took."""
    reader, writer = streams
    begun = asyncio.get_running_loop().time()
    writer.write(data)
    assert await asyncio.wait_for(reader.readexactly(len(data)), 60) == data
    return asyncio.get_running_loop().time() - begun


async def test_fair_weather_changes_nothing(proxy: Proxy, far: Far) -> None:
    """Bytes arrive in order, in both directions, and the end of one side reaches the other."""
    data = bytes(range(256)) * 4096
    reader, writer = streams = await connect(proxy)
    await echo(streams, data)
    writer.write_eof()
    assert await reader.read() == b""
    await eventually(lambda: proxy.live == 0)
    assert (far.seen == data, far.ends, proxy.passed, proxy.hurt) == (True, ["FIN"], 2 * len(data), 0)
    writer.close()


async def test_latency_and_jitter_delay_and_keep_the_order(proxy: Proxy, far: Far) -> None:
    """Each way takes at least so long; a live connection feels the change."""
    streams = await connect(proxy)
    await echo(streams, b"warm")
    proxy.fault = NetworkFault(latency=0.05, jitter=0.02)
    assert await echo(streams, b"slow") >= 0.1
    for number in range(20):
        streams[1].write(b"%02d" % number)
        await asyncio.sleep(0)
    expected = b"".join(b"%02d" % number for number in range(20))
    assert await asyncio.wait_for(streams[0].readexactly(40), 60) == expected
    streams[1].close()


async def test_a_blackhole_holds_everything_and_lets_it_go_afterwards(proxy: Proxy, far: Far) -> None:
    """Nothing arrives, nothing is closed; when it is over what was held passes."""
    streams = await connect(proxy)
    await echo(streams, b"warm")
    proxy.fault = NetworkFault(blackhole=True)
    streams[1].write(b"held")
    await eventually(lambda: proxy.held > 0)
    assert (far.seen, proxy.live) == (b"warm", 1)
    proxy.fault = FAIR
    assert await asyncio.wait_for(streams[0].readexactly(4), 60) == b"held"
    streams[1].close()


async def test_a_reset_reaches_both_ends(proxy: Proxy, far: Far) -> None:
    """Both see RST, not an orderly end; new connections work."""
    streams = await connect(proxy)
    await echo(streams, b"warm")
    assert proxy.reset() == 1
    with pytest.raises(ConnectionResetError):
        await streams[0].readexactly(1)
    await eventually(lambda: far.ends == ["RST"])
    again = await connect(proxy)
    await echo(again, b"again")
    again[1].close()


async def test_a_half_close_ends_one_direction_alone(proxy: Proxy, far: Far) -> None:
    """The client reads the end, and what it sends still arrives."""
    streams = await connect(proxy)
    await echo(streams, b"warm")
    assert proxy.half_close() == 1
    assert await streams[0].read() == b""
    streams[1].write(b"more")
    await eventually(lambda: far.seen == b"warmmore")
    streams[1].close()


async def test_slow_bytes_and_bandwidth(proxy: Proxy, far: Far) -> None:
    """A rate is a bound; a piece of one byte arrives byte by byte."""
    streams = await connect(proxy)
    proxy.fault = NetworkFault(rate=2000, piece=1)
    assert await echo(streams, b"x" * 50) >= 50 / 2000
    proxy.fault = NetworkFault(rate=1_000_000)
    assert await echo(streams, b"x" * 50_000) >= 0.1
    streams[1].close()


async def test_a_connection_is_cut_after_so_many_bytes(proxy: Proxy, far: Far) -> None:
    """Exactly so many pass; the next connection has as many again."""
    proxy.fault = NetworkFault(cut_after=10)
    for _ in range(2):
        far.seen = b""
        streams = await connect(proxy)
        streams[1].write(b"0123456789abc")
        with pytest.raises(ConnectionResetError):
            await streams[0].readexactly(13)
        assert far.seen in (b"", b"0123456789")
    assert proxy.hurt == 2


async def test_refused_connections(proxy: Proxy, far: Far) -> None:
    """Nobody listens until the next start, on the same port; connections that stand stay."""
    streams = await connect(proxy)
    await echo(streams, b"warm")
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await connect(proxy)
    await echo(streams, b"still")
    await proxy.start()
    again = await connect(proxy)
    await echo(again, b"again")
    again[1].close()
    streams[1].close()


async def test_a_target_that_is_away_closes_the_connection(far: Far) -> None:
    """As a connection to a host behind a router without that host would end."""
    port = await far.start()
    await far.stop()
    async with Proxy(target_port=port) as proxy:
        reader, writer = await connect(proxy)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
