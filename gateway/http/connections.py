"""Connections of the HTTP server: how many there may be, and how long each may take to ask for something.

uvicorn bounds neither. One connection too many is answered and closed before anything of it is read; one whose request has no whole head in
time is closed as well, and so is one that asks for nothing.

Answers come in the order of their requests, a refusal too (RFC 9112, 9.3.2): a proxy gives each to whom it is for by that alone.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.metrics import ConnectionMetrics
from gateway.transcoding.problems import HeadersInvalid, HeadersTooSlow, NoHttpRequest, problem
from tocsin.client_network import client_network
from tocsin.errors import ResourceExhausted, TocsinError, Unavailable

_MOST_WAITING: Final = 100


class TooManyConnections(ResourceExhausted):
    """Too many connections from this address."""


class TooManyWaiting(ResourceExhausted):
    """Too many requests wait on this connection for the answer to one before them."""


class NoConnectionLeft(Unavailable):
    """This gateway has as many connections as it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRule:
    """How many connections there may be, and how long each may take.

    Attributes:
        most: in all.
        of_one_address: from one client (IPv6: one /64).
        head_seconds: from the begin of a connection, or of a further request, to the end of the request's head.
        exempt: whether an address is a proxy that brings many clients.
    """

    most: int
    of_one_address: int
    head_seconds: float
    exempt: Callable[[str], bool]


class Connections:
    """The connections that are open."""

    def __init__(self, *, rule: ConnectionRule, metrics: ConnectionMetrics) -> None:
        """None is open.

        Args:
            rule: the bounds.
            metrics: told of what is refused.
        """
        self.rule = rule
        self._metrics = metrics
        self._of: Tally[str] = Tally()
        self._open = 0
        metrics.watch(lambda: self._open)

    def enter(self, address: str) -> str:
        """Counts a connection from ``address``; returns the name to `leave` it by.

        Raises:
            TooManyConnections: the address has too many.
            NoConnectionLeft: there are too many in all.
        """
        client = "" if self.rule.exempt(address) else client_network(address)
        if self._open >= self.rule.most:
            self._metrics.refused("all")
            raise NoConnectionLeft(retry_after=1)
        if client and self._of[client] >= self.rule.of_one_address:
            self._metrics.refused("address")
            raise TooManyConnections(retry_after=1, metadata={"limit": str(self.rule.of_one_address)})
        self._open += 1
        if client:
            self._of[client] += 1
        return client

    def leave(self, client: str) -> None:
        """The connection has ended."""
        self._open -= 1
        if client:
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]

    def too_slow(self) -> None:
        """A connection was closed because it did not ask in time."""
        self._metrics.refused("slow")


class BoundedConnection(HttpToolsProtocol):
    """One connection within the bounds of `connections_open`, which a subclass has (`bounded`)."""

    connections_open: ClassVar[Connections]

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Counts, or refuses."""
        super().connection_made(transport)
        self._counted: str | None = None
        self._reading_head = True
        self._reading_body = False
        self._deadline: asyncio.TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None
        self._refusal: TocsinError | None = None
        try:
            self._counted = self.connections_open.enter(self.client[0] if self.client else "")
        except TocsinError as error:
            self._refuse(error)
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Counts no more; whoever answers learns of it, though others wait behind."""
        self._end_deadline()
        counted, self._counted = self._counted, None
        if counted is not None:
            self.connections_open.leave(counted)
        self.pipeline.clear()
        if self._answering is not None:
            _give_up(self._answering)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on; the time for a head runs while one is begun and not whole, and most heads come in one piece."""
        self._unset_keepalive_if_required()
        while data and self._refusal is None:
            data = self._read(data)
        if self._reading_head and self._deadline is None and not self.transport.is_closing():
            self._await_head()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._reading_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The last one of its head; a request waits while one before it is answered."""
        self._reading_head = False
        self._end_deadline()
        if self._is_upgrade():
            self.scope["method"] = self.parser.get_method().decode("ascii")
            return
        if len(self.pipeline) >= _MOST_WAITING:
            self._refuse(TooManyWaiting(metadata={"limit": str(_MOST_WAITING)}))
            raise TooManyWaiting  # and nothing more is read
        is_busy = self._is_busy()
        super().on_headers_complete()
        self._reading_body = True
        if not is_busy:
            self._answering = self.cycle

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._is_upgrade():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        if not self._is_upgrade():
            self._reading_body = False
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Answers the next that waits; behind the last one, what was refused."""
        following = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if following is not None:
            self._answering = following
        elif self._refusal is not None and not self.transport.is_closing():
            refuse(self.transport, self._refusal)

    def handle_websocket_upgrade(self) -> None:
        """The connection goes on under another protocol, which tells of its end."""
        counted, self._counted = self._counted, None
        super().handle_websocket_upgrade()
        if counted is not None:
            _on_lost(self.transport.get_protocol(), lambda: self.connections_open.leave(counted))

    def _is_upgrade(self) -> bool:
        """Whether the parser reads no body of this request, as behind its head another protocol could begin."""
        return bool(self.parser.should_upgrade())

    def _is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self._answering is not None and not self._answering.response_complete

    def _read(self, data: bytes) -> bytes:
        """Reads; what is returned is to be read as well."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as found:
            return self._other_protocol(data[found.args[0] :])
        except httptools.HttpParserError:
            self._refuse(NoHttpRequest())
        return b""

    def _other_protocol(self, rest: bytes) -> bytes:
        """Begins a WebSocket; what asks for anything else, such as HTTP/2, is the request that it would be without (RFC 9110, 7.8).

        Args:
            rest: what came behind the head.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self._refuse(NoHttpRequest())
        elif self._get_upgrade() != b"websocket" or method != b"GET" or version == b"1.0":
            head = [b"%b %b HTTP/%b\r\n" % (method, self.url, version), *_without_upgrade(self.headers), b"\r\n"]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            return b"".join(head) + rest
        elif self._is_busy():
            self._refuse(HeadersInvalid.at("upgrade", "comes before the answer to a request of before"))
        else:
            self.handle_websocket_upgrade()
        return b""

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self.connections_open.rule.head_seconds, self._too_late)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.connections_open.too_slow()
            self._refuse(HeadersTooSlow())

    def _refuse(self, error: TocsinError) -> None:
        """Reads nothing more, answers as everything else does, behind the answers that are due, and closes."""
        if self._refusal is not None or self.transport.is_closing():
            return
        self._refusal = error
        broken = self.cycle if self._reading_body else None
        if broken is not None and broken is self._answering:  # its own body cannot be read
            is_begun = broken.response_started
            _give_up(broken)
            if is_begun:
                self.transport.close()
            else:
                refuse(self.transport, error)
            return
        if self.pipeline and self.pipeline[0][0] is broken:
            self.pipeline.popleft()
        if not self._is_busy():
            refuse(self.transport, error)


def _give_up(cycle: RequestResponseCycle) -> None:
    """Nobody waits for this answer any more: what it says is not written, and it is told so as of a client that left."""
    cycle.disconnected = True
    cycle.message_event.set()


def _without_upgrade(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The lines of a head that asks for no other protocol."""
    for name, value in headers:
        if name == b"connection":
            kept = [option for option in value.split(b",") if option.strip().lower() != b"upgrade"]
            yield b"connection: %b\r\n" % b",".join(kept)
        elif name != b"upgrade":
            yield b"%b: %b\r\n" % (name, value)


def refuse(transport: asyncio.Transport, error: TocsinError) -> None:
    """Answers with a problem document, and closes."""
    found = problem(error)
    head = [*found.headers, (b"content-length", str(len(found.body)).encode()), (b"connection", b"close")]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in head)
    transport.write(STATUS_LINE[found.status] + lines + b"\r\n" + found.body)
    transport.close()


def bounded(connections: Connections) -> type[BoundedConnection]:
    """The protocol of connections within the bounds of ``connections``; uvicorn makes one for each."""
    return type("BoundedConnection", (BoundedConnection,), {"connections_open": connections})


def _on_lost(protocol: Any, tell: Callable[[], None]) -> None:
    """Has ``tell`` called once ``protocol`` has lost its connection."""
    lost = protocol.connection_lost

    def connection_lost(exc: Exception | None) -> None:
        tell()
        lost(exc)

    protocol.connection_lost = connection_lost
