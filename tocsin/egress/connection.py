"""One connection for HTTP/1.1 and one request at a time: bytes go out as they are, and an answer comes back within bounds.

What is an answer is for llhttp to say, in its strict mode (httptools); here is what may be kept of it, and what ends a connection.
"""

import asyncio
import select
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import httptools

from tocsin.egress.urls import HttpUrl

_HEAD_BYTES: Final = 100 * 1024
_SWITCHED: Final = 101


class HttpOrigin(NamedTuple):
    """Whom a connection is with (RFC 6454): what goes elsewhere never takes it."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: HttpUrl) -> "HttpOrigin":
        """The origin of a URL."""
        return cls(url.scheme, url.host, url.port)


class ReceivedAnswer(NamedTuple):
    """An answer as it came: names of headers in lower case; ``whole`` unless the body was longer than was asked for.

    ``certificate`` is the far end's, as `ssl.SSLSocket.getpeercert` shows it; empty without TLS.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool
    certificate: Mapping[str, Any]


class BrokenAnswer(Exception):
    """What came is not an answer, or not a whole one; the words hold nothing of it."""


class HttpConnection(asyncio.Protocol):
    """A connection; asyncio and the parser call it."""

    def __init__(self, origin: HttpOrigin) -> None:
        """Is not connected yet."""
        self.origin = origin
        self.idle_since = 0.0
        self._open = False
        self._answer: asyncio.Future[ReceivedAnswer] | None = None

    @property
    def usable(self) -> bool:
        """Whether it stands, and nothing came that was not asked for."""
        return self._open and not self._transport.is_closing()

    @property
    def ended_while_kept(self) -> bool:
        """Whether it had served an earlier request, and has ended without a byte of an answer to the last one."""
        return self.idle_since > 0 and not self._open and self._came == 0

    def quiet(self) -> bool:
        """Whether it is usable, and nothing waits to be read: what an idle connection has to say is that it ends."""
        return self.usable and not self._poll.poll(0)

    def close(self) -> None:
        """End it at once."""
        self._open = False
        self._transport.abort()

    async def exchange(self, request: bytes, *, most: int, bodiless: bool) -> ReceivedAnswer:
        """Sends a request and gives its answer.

        Args:
            request: its bytes.
            most: bytes of the answer's body that are read.
            bodiless: its answer has no body whatever its headers say (HEAD).

        Raises:
            BrokenAnswer: no answer came, or no whole one.
            OSError: the connection was lost.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._most, self._bodiless = most, bodiless
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._status = self._came = self._head = 0
        self._in_body = self._complete = self._keep = False
        self._transport.write(request)
        try:
            return await self._answer
        except BaseException:
            self.close()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio: it stands."""
        self._transport = cast("asyncio.Transport", transport)
        self._certificate: Mapping[str, Any] = transport.get_extra_info("peercert") or {}
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio: it has ended; so has an answer whose length is nowhere told (RFC 9112, 6.3)."""
        self._open = False
        if self._answer is None or self._answer.done():
            return
        if exc is None and self._in_body and not {"content-length", "transfer-encoding"} & self._headers.keys():
            self._finish()
        else:
            lost = BrokenAnswer("the connection was closed before a whole answer came")
            self._answer.set_exception(exc if isinstance(exc, OSError) else lost)

    def data_received(self, data: bytes) -> None:
        """Of asyncio: a piece of an answer; what nobody asked for ends the connection."""
        if self._answer is None or self._answer.done():
            self.close()
            return
        self._came += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._keep = False
        except httptools.HttpParserError:
            self._keep = False
            if not self._complete:
                self._answer.set_exception(BrokenAnswer("what came is not HTTP"))
                return
        overhead = self._came - len(self._body)
        if self._head > _HEAD_BYTES or (not self._in_body and overhead > _HEAD_BYTES):
            self._answer.set_exception(BrokenAnswer("its headers are too long"))
        elif self._complete:
            self._finish()
        elif len(self._body) > self._most or overhead > _HEAD_BYTES + self._most:  # the latter: chunks that are hardly anything else
            self._finish(whole=False)

    def on_header(self, name: bytes, value: bytes | None) -> None:
        """Of the parser: a header, or one that follows the body, which nobody needs."""
        if not self._in_body:
            value = value or b""
            self._head += len(name) + len(value)
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Of the parser: the body follows, unless this only says that an answer will come (RFC 9110, 15.2)."""
        self._status = self._parser.get_status_code()
        self._in_body = self._status >= 200 or self._status == _SWITCHED
        self._complete = self._status == _SWITCHED or (self._bodiless and self._in_body)

    def on_body(self, data: bytes) -> None:
        """Of the parser: a piece of the body."""
        self._body += data

    def on_message_begin(self) -> None:
        """Of the parser: an answer begins; what follows a whole one belongs to nothing, and the parser stops there."""
        if self._complete:
            raise BrokenAnswer("a second answer came")

    def on_message_complete(self) -> None:
        """Of the parser: the end of an answer, or of what only says that it will come."""
        if self._in_body:
            self._keep = not self._complete and self._parser.should_keep_alive()
            self._complete = True
        else:
            self._headers.clear()

    def _finish(self, *, whole: bool = True) -> None:
        """Gives the answer; the connection stays open if it is at its end, and so is the request."""
        if not self._keep or self._transport.get_write_buffer_size():
            self.close()
        if self._answer is not None:
            body, most = self._body, self._most
            whole = whole and len(body) <= most
            self._answer.set_result(ReceivedAnswer(self._status, self._headers, bytes(body[:most]), whole, self._certificate))
