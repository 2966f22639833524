"""An upload whose answers come while it is under way: HTTP/1.1 in both directions at once, which httpx2 does not do."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlsplit

import h11

from tocsin import __name__ as _agent
from tocsin.client import authorization
from tocsin.errors import Internal, TocsinError, Unavailable
from tocsin.problems import problem_error

_CONNECT_SECONDS: Final = 10.0
_MOST_HEAD: Final = 64 * 1024
_READ: Final = 64 * 1024


@dataclass(slots=True, kw_only=True)
class Upload:
    """One POST with a streamed body.

    Attributes:
        url: the gateway.
        target: path and query.
        api_key: sent along unless None.
        verify: what is trusted to be the gateway; those whom the system trusts unless given.
        content_type: of the body.
        body: its pieces.
        sent: called with the length of each piece when it is on its way.
    """

    url: str
    target: str
    api_key: str | None
    content_type: str
    body: Iterable[bytes]
    sent: Callable[[int], None]
    verify: ssl.SSLContext | bool = True
    _connection: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD), init=False
    )

    async def answers(self) -> AsyncGenerator[dict[str, Any]]:
        """The lines of the answer, as they come.

        Raises:
            TocsinError: what the gateway answered; Unavailable when the connection failed.
        """
        try:
            async with self._open() as (reader, writer):
                sending = asyncio.create_task(self._send(writer))
                try:
                    async for line in self._receive(reader):
                        yield line
                finally:
                    sending.cancel()
                    with suppress(asyncio.CancelledError, OSError, h11.ProtocolError):
                        await sending
        except (OSError, TimeoutError, h11.ProtocolError, asyncio.IncompleteReadError) as error:
            raise Unavailable(f"the connection to {self.url} failed: {error or type(error).__name__}") from error

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        async with asyncio.timeout(_CONNECT_SECONDS):
            context = self.verify if isinstance(self.verify, ssl.SSLContext) else ssl.create_default_context() if secure else None
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context if secure else None)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        headers = [
            ("host", urlsplit(self.url).netloc.rpartition("@")[2]),
            ("user-agent", _agent),
            ("content-type", self.content_type),
            ("accept", "application/x-ndjson"),
            ("transfer-encoding", "chunked"),
            *([("authorization", authorization(self.api_key))] if self.api_key else []),
        ]
        target = urlsplit(self.url).path.rstrip("/") + self.target
        writer.write(self._connection.send(h11.Request(method="POST", target=target, headers=headers)) or b"")
        for piece in self.body:
            writer.write(self._connection.send(h11.Data(data=piece)) or b"")
            await writer.drain()
            self.sent(len(piece))
        writer.write(self._connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()

    async def _receive(self, reader: asyncio.StreamReader) -> AsyncGenerator[dict[str, Any]]:
        status, rest = 0, b""
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._connection.receive_data(await reader.read(_READ))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                *lines, rest = (rest + bytes(event.data)).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield _checked(line, status)
            elif isinstance(event, h11.EndOfMessage):
                if status >= 400 or rest.strip():
                    yield _checked(rest, status)
                return
            elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                raise ConnectionResetError("the answer is incomplete")


def _checked(line: bytes, status: int) -> dict[str, Any]:
    """The object of a line of the answer.

    Raises:
        TocsinError: it is an error.
    """
    try:
        value: Any = json.loads(line or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _of_status(status)
    members = cast("dict[str, Any]", value)
    if status >= 400:
        raise problem_error(members) if "code" in members else _of_status(status)
    if "error" in members:
        raise problem_error(members["error"])
    return members


def _of_status(status: int) -> TocsinError:
    """The error for an answer that is no problem document, such as that of a proxy in between."""
    words = f"unexpected answer from the gateway, status {status}"
    return Unavailable(words) if status in (0, 408, 429, 502, 503, 504) else Internal(words)
