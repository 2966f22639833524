"""A peer that speaks HTTP/2 itself, as badly as a test wants."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from hpack import Encoder
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame

from tests.integration.mesh.support import path

_PATIENCE_SECONDS = 2.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def request_headers(method: str, *extra: tuple[str, str]) -> list[tuple[str, str]]:
    """Those of a gRPC call to EchoService."""
    return [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path(method)),
        (":authority", "echo_svc"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *extra,
    ]


def client_context(pki: Path, service: str = "front") -> ssl.SSLContext:
    """TLS with the certificate of ``service``."""
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    context.load_cert_chain(pki / f"{service}.pem", pki / f"{service}-key.pem")
    context.set_alpn_protocols(["h2"])
    return context


def literal(name: bytes, value: bytes) -> bytes:
    """A header that is remembered nowhere (RFC 7541, section 6.2.2), of any bytes."""
    return b"\0" + _length(len(name)) + name + _length(len(value)) + value


def _length(number: int) -> bytes:
    if number < 127:
        return bytes((number,))
    number -= 127
    digits = [127]
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes((*digits, number))


class RawPeer:
    """One connection; frames go out as they are given, and nothing is read unless asked for."""

    def __init__(self, *, address: str, pki: Path | None) -> None:
        """Connects to nothing yet; without ``pki`` it will be in plaintext."""
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._pki = pki
        self._encoder = Encoder()
        self.cut = False

    async def __aenter__(self) -> "RawPeer":
        tls: dict[str, Any] = {} if self._pki is None else {"ssl": client_context(self._pki), "server_hostname": "echo_svc"}
        self._reader, self._writer = await asyncio.open_connection(*self._address, limit=1024, **tls)
        self._writer.write(PREFACE + SettingsFrame(0).serialize())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.transport.abort()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()

    def begin(self, stream: int, method: str, *extra: tuple[str, str], end_headers: bool = True) -> Frame:
        """The frame that begins a call."""
        frame = HeadersFrame(stream, data=self._encoder.encode(request_headers(method, *extra)))
        if end_headers:
            frame.flags.add("END_HEADERS")
        return frame

    def begin_with(self, stream: int, method: str, name: bytes, value: bytes) -> Frame:
        """The same with one header of any bytes, in place of the usual one if there is one of the name."""
        headers = {key.encode(): text.encode() for key, text in request_headers(method)} | {name: value}
        frame = HeadersFrame(stream, data=b"".join(literal(*each) for each in headers.items()))
        frame.flags.add("END_HEADERS")
        return frame

    def reset(self, stream: int) -> Frame:
        """The frame that cancels it."""
        return RstStreamFrame(stream, error_code=8)

    def ping(self) -> Frame:
        """A ping that wants an answer."""
        return PingFrame(0, opaque_data=b"tocsin!!")

    def settings(self) -> Frame:
        """Settings that want an acknowledgement."""
        return SettingsFrame(0)

    def message(self, stream: int, data: bytes) -> Frame:
        """One message, the last one of the call."""
        frame = DataFrame(stream, data=b"\0" + len(data).to_bytes(4, "big") + data)
        frame.flags.add("END_STREAM")
        return frame

    def continuation(self, stream: int, data: bytes) -> Frame:
        """More headers, and no end of them."""
        return ContinuationFrame(stream, data=data)

    async def send(self, *frames: Frame, patience: float = _PATIENCE_SECONDS) -> bool:
        """Sends frames; False once the server has ended the connection, or takes nothing more for so many seconds."""
        return await self.write(b"".join(frame.serialize() for frame in frames), patience)

    async def write(self, data: bytes, patience: float = _PATIENCE_SECONDS) -> bool:
        """Sends bytes, likewise."""
        try:
            self._writer.write(data)
            await asyncio.wait_for(self._writer.drain(), patience)
        except (OSError, ssl.SSLError, TimeoutError):
            self.cut = True
        return not self.cut

    async def read(self, wanted: Callable[[Frame], bool], patience: float = _PATIENCE_SECONDS) -> Frame | None:
        """The first frame that is ``wanted``; None when the server ends the connection before, or is silent."""
        data = b""
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            while part := await asyncio.wait_for(self._reader.read(65536), patience):
                data += part
                if found := next((frame for frame in parse(data) if wanted(frame)), None):
                    return found
            self.cut = True
        return None

    async def goodbye(self) -> list[Frame]:
        """Everything that the server sends until it hangs up.

        Raises:
            TimeoutError: it does not.
        """
        data = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while part := await asyncio.wait_for(self._reader.read(65536), 60):
                data += part
        self.cut = True
        return parse(data)


def parse(data: bytes) -> list[Frame]:
    """The frames in ``data``; one that is cut short at its end is left out."""
    frames, view = list[Frame](), memoryview(data)
    while len(view) >= 9:
        frame, length = Frame.parse_frame_header(view[:9])
        if len(view) < 9 + length:
            break
        frame.parse_body(view[9 : 9 + length])
        frames.append(frame)
        view = view[9 + length :]
    return frames
