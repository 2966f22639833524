"""A TCP proxy that makes bad fault: what networks do to connections, between any two processes, changeable while they live."""

import asyncio
import random
import socket
import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

_CHUNK_BYTES: Final = 65_536
_HELD_CHUNKS: Final = 64
# SO_LINGER, on, for no time: the socket is closed by RST instead of FIN (socket(7)).
_LINGER: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFault:
    """What happens to bytes on their way; the same in both directions.

    Attributes:
        latency: seconds added to each way.
        jitter: up to so many more seconds, drawn for each piece; the order stays.
        rate: bytes a second at most, for each connection and direction.
        piece: bytes that are passed on at a time; 1 sends them one by one.
        blackhole: nothing passes and nothing is closed, as behind a cable that was pulled; what was held passes afterwards, as TCP would
            repeat it.
        cut_after: a connection is reset when it has passed so many bytes, both ways together.
    """

    latency: float = 0.0
    jitter: float = 0.0
    rate: float | None = None
    piece: int = _CHUNK_BYTES
    blackhole: bool = False
    cut_after: int | None = None


FAIR: Final = NetworkFault()


class Proxy:
    """Listens, and passes each connection on to one target.

    Attributes:
        connections: how many there were.
        hurt: connections that were reset, cut or half closed.
        held: pieces that met a blackhole.
        passed: bytes that were passed on.
    """

    def __init__(self, *, target_port: int, target_host: str = "127.0.0.1", port: int = 0, fault: NetworkFault = FAIR) -> None:
        """Listens on nothing yet.

        Args:
            target_port: where connections go; they are closed if nobody listens there.
            target_host: likewise.
            port: to listen on, at 127.0.0.1; 0: any free one.
            fault: at first.
        """
        self.port = port
        self.connections = 0
        self.hurt = 0
        self.held = 0
        self.passed = 0
        self._target = (target_host, target_port)
        self._weather = fault
        self._changed = asyncio.Event()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """``host:port`` for clients; real once started."""
        return f"127.0.0.1:{self.port}"

    @property
    def fault(self) -> NetworkFault:
        """What happens now; an assignment holds at once, for connections that stand as well."""
        return self._weather

    @fault.setter
    def fault(self, fault: NetworkFault) -> None:
        self._weather = fault
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    @property
    def live(self) -> int:
        """Connections that stand."""
        return len(self._links)

    async def start(self) -> None:
        """Listens; ``port`` is real from now on, and stays the same after a stop."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=_CHUNK_BYTES)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Listens no more, so that new connections are refused, until the next start; those that stand stay."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def stop(self) -> None:
        """Listens no more and resets every connection."""
        await self.refuse()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> "Proxy":
        """Starts."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops."""
        await self.stop()

    def reset(self) -> int:
        """Resets (RST) every connection that stands, towards both ends; how many."""
        links = tuple(self._links)
        for link in links:
            link.reset()
        self.hurt += len(links)
        return len(links)

    def half_close(self) -> int:
        """Ends (FIN) every connection that stands towards the client alone, which may go on sending; how many."""
        links = tuple(self._links)
        for link in links:
            link.half_close()
        self.hurt += len(links)
        return len(links)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this in a task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=_CHUNK_BYTES)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, far_writer)
        self._links.add(link)
        try:
            await asyncio.gather(self._pump(link, reader, far_writer), self._pump(link, far_reader, writer))
        except OSError:
            pass  # one end went away without a word; the other one learns it below
        except asyncio.CancelledError:
            pass  # the proxy stops; nobody else cancels this task
        finally:
            self._links.discard(link)
            link.reset()

    async def _pump(self, link: "_Link", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes one direction on until its end."""
        way = _Direction()
        reading = asyncio.ensure_future(self._read(way, reader))
        try:
            while (piece := await way.next()) is not None:
                due, data = piece
                await self._hold(due)
                for part in _parts(data, self._weather.piece):
                    await self._send(link, writer, part)
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, way: "_Direction", reader: asyncio.StreamReader) -> None:
        loop, last = asyncio.get_running_loop(), 0.0
        try:
            while data := await reader.read(_CHUNK_BYTES):
                fault = self._weather
                last = max(last, loop.time() + fault.latency + random.uniform(0.0, fault.jitter))  # noqa: S311 - no secret
                await way.put((last, data))
        except OSError:
            way.fail()
        else:
            way.end()

    async def _hold(self, due: float) -> None:
        """Waits for the piece's time, and while there is a blackhole."""
        delay = due - asyncio.get_running_loop().time()
        if delay > 0:
            await asyncio.sleep(delay)
        self.held += self._weather.blackhole
        while self._weather.blackhole:
            await self._changed.wait()

    async def _send(self, link: "_Link", writer: asyncio.StreamWriter, part: bytes) -> None:
        if self._weather.rate is not None:
            await asyncio.sleep(len(part) / self._weather.rate)
        limit = self._weather.cut_after
        if limit is not None and link.passed + len(part) > limit:
            part = part[: max(0, limit - link.passed)]
        if link.ended is not writer:
            writer.write(part)
            await writer.drain()
        link.passed += len(part)
        self.passed += len(part)
        if limit is not None and link.passed >= limit:
            self.hurt += 1
            link.reset()
            raise ConnectionResetError


class _Link:
    """The two connections of one client."""

    def __init__(self, client: asyncio.StreamWriter, target: asyncio.StreamWriter) -> None:
        self.passed = 0
        self.ended: asyncio.StreamWriter | None = None
        self._client = client
        self._target = target

    def reset(self) -> None:
        for writer in (self._client, self._target):
            if not writer.transport.is_closing():
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            writer.transport.abort()

    def half_close(self) -> None:
        self.ended = self._client
        if not self._client.is_closing():
            self._client.write_eof()


class _Direction:
    """What is under way in one direction; bounded, so that a slow receiver slows the sender down."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._over = self._failed = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, piece: tuple[float, bytes]) -> None:
        self._pieces.append(piece)
        self._news.set()
        while len(self._pieces) >= _HELD_CHUNKS:
            self._room.clear()
            await self._room.wait()

    async def next(self) -> tuple[float, bytes] | None:
        while not self._pieces:
            if self._failed:
                raise ConnectionResetError
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        self._room.set()
        return self._pieces.popleft()

    def end(self) -> None:
        self._over = True
        self._news.set()

    def fail(self) -> None:
        self._failed = True
        self._news.set()


def _parts(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]
