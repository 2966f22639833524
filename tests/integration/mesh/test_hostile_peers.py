"""Peers that mean harm, or know no better: each gets the right code or is cut off, the memory stays, and the next caller is served."""

import asyncio
import contextlib
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hyperframe.frame import GoAwayFrame

from tests.integration.mesh.raw import RawPeer, literal
from tests.integration.mesh.support import Note, path

ROOT = Path(__file__).resolve().parents[3]
MEBIBYTE = 1 << 20
# What one attack may cost the server, the slack of its allocator included.
GROWTH = 32 * MEBIBYTE
Codes = grpc.StatusCode


class Served:
    """The process under attack."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.integration.mesh.served", str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.pki = folder / "pki"

    def peak(self) -> int:
        """The most memory that it ever had, in bytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    def sockets(self) -> int:
        """The open connections."""
        count = 0
        for file in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since the folder was read
                count += str(file.readlink()).startswith("socket:")
        return count

    def channel(self, *options: tuple[str, int]) -> grpc.aio.Channel:
        """A bare channel with the certificate of "front"."""
        files = [(self.pki / name).read_bytes() for name in ("ca.pem", "front-key.pem", "front.pem")]
        own: Any = [("grpc.ssl_target_name_override", "echo_svc"), *options]
        return grpc.aio.secure_channel(self.address, grpc.ssl_channel_credentials(*files), options=own)

    def peer(self) -> RawPeer:
        """A peer that writes its own frames."""
        return RawPeer(address=self.address, pki=self.pki)

    def close(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """One process for all attacks: each begins where the last one left it."""
    made = Served(tmp_path_factory.mktemp("served"))
    yield made
    made.close()
    assert made.process.returncode == 0, "it drained and ended in good order after all of them"


@pytest.fixture(autouse=True)
async def survives(served: Served) -> AsyncGenerator[None]:
    """After each attack: the next caller is served, and the memory has not grown by more than a little."""
    before = served.peak()
    yield
    async with served.channel() as channel:
        assert await channel.unary_unary(path("Greet"))(Note(text="next").SerializeToString(), timeout=60) == b"\n\x04next"
    assert served.process.poll() is None
    assert served.peak() - before < GROWTH


async def code_of(call: Any) -> grpc.StatusCode:
    """How a call ended."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return Codes.OK


def nested(depth: int) -> bytes:
    """A note within a note within a note: each is field 4 of the next."""
    inner = b""
    for _ in range(depth):
        size, number = b"", len(inner)
        while number > 127:
            size += bytes((number & 127 | 128,))
            number >>= 7
        inner = b"\x22" + size + bytes((number,)) + inner
    return inner


@pytest.mark.parametrize(("depth", "code"), [(50, Codes.OK), (1_000, Codes.INVALID_ARGUMENT), (10_000, Codes.INVALID_ARGUMENT)])
async def test_deeply_nested_messages(served: Served, depth: int, code: grpc.StatusCode) -> None:
    """Beyond protobuf's limit of 100 a message is none, however small it is; below it, its rules are checked to the bottom."""
    async with served.channel() as channel:
        assert await code_of(channel.unary_unary(path("Greet"))(nested(depth), timeout=60)) is code


@pytest.mark.parametrize("size", [5 * MEBIBYTE, 64 * MEBIBYTE])
async def test_oversized_messages(served: Served, size: int) -> None:
    """Refused by the length that they announce, before they are there."""
    async with served.channel(("grpc.max_send_message_length", -1)) as channel:
        assert await code_of(channel.unary_unary(path("Greet"))(bytes(size), timeout=60)) is Codes.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compression_bombs(served: Served, compression: grpc.Compression) -> None:
    """64 MiB of zeros take 64 KiB on the wire: unpacking stops at the limit."""
    async with served.channel(("grpc.max_send_message_length", -1)) as channel:
        greet = channel.unary_unary(path("Greet"))
        assert await code_of(greet(bytes(64 * MEBIBYTE), timeout=60, compression=compression)) is Codes.RESOURCE_EXHAUSTED
        assert await code_of(greet(Note(text="a" * 90_000).SerializeToString(), timeout=60, compression=compression)) is Codes.OK


async def test_metadata_floods(served: Served) -> None:
    """Much in one header, or in many: refused, and never seen by a handler."""
    floods = [[("x-flood", "a" * 60_000)], [(f"x-flood-{number}", "a" * 40) for number in range(1000)]]
    async with served.channel(("grpc.max_metadata_size", MEBIBYTE), ("grpc.absolute_max_metadata_size", MEBIBYTE)) as channel:
        for metadata in floods * 2:
            call = channel.unary_unary(path("Greet"))(b"", metadata=metadata, timeout=60)
            assert await code_of(call) is Codes.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("length", [40, 16_000])
async def test_headers_without_an_end(served: Served, length: int) -> None:
    """CONTINUATION frames without an end (CVE-2024-27316), 16 MB of them: the connection ends, or what is too much is dropped."""
    async with served.peer() as peer:
        await peer.send(peer.begin(1, "Greet", end_headers=False))
        frame = peer.continuation(1, literal(b"x-flood", b"a" * length) * (16_000 // length))
        for _ in range(50):
            if not await peer.send(*[frame] * 20):
                break


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (":path", b"/\x80"),
        (":path", b"/tocsin.test.v1.EchoService/Greet\xff"),
        (":path", b"/\0"),
        (":path", b""),
        (":authority", b"\xff"),
        (":method", b"\xff"),
        (":scheme", b"\xff"),
        ("content-type", b"application/grpc+\xff"),
        ("te", b"\xff"),
        ("grpc-timeout", b"\xff"),
        ("grpc-timeout", b"99999999999999H"),
        ("grpc-encoding", b"\xff"),
        ("authorization", b"Bearer \xff\xfe"),
        ("traceparent", b"\xff" * 55),
        ("x-\x80", b"a"),
        ("x-flood-bin", b"\xff\xfe"),
    ],
)
async def test_headers_that_are_no_text(served: Served, name: str, value: bytes) -> None:
    """A path that is not UTF-8 ends a server of grpc.aio for good; ours answers, or drops the stream, and goes on."""
    async with served.peer() as peer:
        await peer.send(peer.begin_with(1, "Greet", name.encode("latin-1"), value), peer.message(1, b""))
        await peer.read(lambda frame: frame.stream_id == 1, patience=0.1)


@pytest.mark.parametrize(
    "method",
    ["/tocsin.test.v1.EchoService/Missing", "/tocsin.test.v1.MissingService/Say", "/", "/x", "/tocsin.test.v1.EchoService/Say/Say"],
)
async def test_unknown_methods(served: Served, method: str) -> None:
    """UNIMPLEMENTED, and nothing is remembered of the name."""
    async with served.channel() as channel:
        assert await code_of(channel.unary_unary(method)(b"", timeout=60)) is Codes.UNIMPLEMENTED


async def test_a_thousand_unknown_methods_leave_no_trace(served: Served) -> None:
    """Metrics have no label for each of them."""
    async with served.channel() as channel:
        calls = [channel.unary_unary(f"/tocsin.test.v1.EchoService/Missing{number}")(b"", timeout=60) for number in range(1000)]
        assert Counter([await code_of(call) for call in calls]) == {Codes.UNIMPLEMENTED: 1000}


async def test_missing_deadlines(served: Served) -> None:
    """A call without a deadline ends at the declared timeout of its method, two seconds; fifty of them do at once."""
    async with served.channel() as channel:
        wait = Note(text="wait").SerializeToString()
        codes = await asyncio.gather(*(code_of(channel.unary_unary(path("Hurry"))(wait)) for _ in range(50)))
        assert set(codes) == {Codes.DEADLINE_EXCEEDED}


async def test_garbage_tokens(served: Served) -> None:
    """A thousand different ones, from nothing to what the metadata may hold: UNAUTHENTICATED, and none is remembered."""
    draw = random.Random(7)
    alphabet = "abcXYZ019._-"
    async with served.channel() as channel:
        for number in range(1000):
            length = draw.choice((0, 1, 40, 900)) if number % 50 else 12_000
            token = "".join(draw.choices(alphabet, k=length))
            if number % 3 == 0:
                token = f"eyJhbGciOiJub25lIn0.{token}."  # "alg": "none"
            call = channel.unary_unary(path("Say"))(b"", metadata=[("authorization", f"Bearer {token}")], timeout=60)
            assert await code_of(call) is Codes.UNAUTHENTICATED


async def test_a_peer_that_never_reads(served: Served) -> None:
    """Fifty endless streams to a peer that takes nothing: the handlers wait for room, and what is buffered is a few frames each."""
    async with served.peer() as peer:
        message = Note(number=1_000_000).SerializeToString()
        for number in range(50):
            stream = 1 + 2 * number
            assert await peer.send(peer.begin(stream, "Watch"), peer.message(stream, message), patience=60)
        before = served.peak()
        await asyncio.sleep(0.5)  # time to fill whatever can be filled; nothing is waited for
        assert served.peak() - before < GROWTH / 2


async def test_streams_that_are_opened_and_reset_by_the_thousand(served: Served) -> None:
    """The rapid reset (CVE-2023-44487): 5,000 calls, each cancelled in the packet that begins it."""
    async with served.peer() as peer:
        sent = 0
        for first in range(1, 10_000, 200):
            streams = range(first, first + 200, 2)
            if not await peer.send(*(frame for stream in streams for frame in (peer.begin(stream, "Watch"), peer.reset(stream)))):
                break
            sent += len(streams)
        assert sent >= 1000 or peer.cut


async def test_more_streams_than_a_connection_may_have(served: Served) -> None:
    """What is beyond the limit of 1,000 is refused; what was let in goes on."""
    async with served.peer() as peer:
        frames = [peer.begin(1 + 2 * number, "Chat") for number in range(1500)]
        await peer.send(*frames)
        refused = await peer.read(lambda frame: frame.type == 0x03 and frame.stream_id > 2001, patience=60)
        assert refused or peer.cut


async def test_pings_without_pause(served: Served) -> None:
    """Whoever pings without pause is told to calm down, and the connection ends (RFC 9113, ENHANCE_YOUR_CALM)."""
    async with served.peer() as peer:
        for _ in range(1000):
            if not await peer.send(*(peer.ping() for _ in range(100))):
                break
        frames = await peer.goodbye()
        ends = [frame.error_code for frame in frames if isinstance(frame, GoAwayFrame)]
        assert peer.cut
        assert 11 in ends or not frames


async def test_settings_without_pause(served: Served) -> None:
    """Each wants an acknowledgement that is never read (CVE-2019-9515): no more than so many wait to be sent."""
    async with served.peer() as peer:
        frames = [peer.settings()] * 500
        for _ in range(200):
            if not await peer.send(*frames):
                break
        # A hundred thousand: whether the server hangs up or reads them all, it must not keep their answers.


async def test_connections_that_say_nothing(served: Served) -> None:
    """Three hundred of them, in plaintext and silent, again and again, beside handshakes: none of them keeps anybody out."""
    host, _, port = served.address.rpartition(":")
    for _ in range(4):
        writers = [(await asyncio.open_connection(host, int(port)))[1] for _ in range(300)]
        try:
            channels = [served.channel() for _ in range(8)]
            codes = await asyncio.gather(*(code_of(channel.unary_unary(path("Greet"))(b"", timeout=60)) for channel in channels))
            assert set(codes) == {Codes.OK}
            assert served.sockets() >= 300
            await asyncio.gather(*(channel.close() for channel in channels))
        finally:
            for writer in writers:
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 4096, b"\0" * 100_000])
async def test_other_protocols(served: Served, first: bytes) -> None:
    """Whatever is no TLS handshake is hung up on."""
    host, _, port = served.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with contextlib.suppress(ConnectionError):
        writer.write(first)
        await writer.drain()
        with contextlib.suppress(OSError):  # it has hung up already
            writer.write_eof()
        await asyncio.wait_for(reader.read(), 60)
    writer.transport.abort()


async def test_garbage_within_the_protocol(served: Served) -> None:
    """After a good handshake: frames of random bytes, from fifty peers."""
    draw = random.Random(11)
    for _ in range(50):
        async with served.peer() as peer:
            await peer.send(peer.begin(1, "Greet"))
            await peer.write(draw.randbytes(4000))
            await peer.goodbye()
            assert peer.cut
