"""Connections of the HTTP server: how many there may be, and how long each may take to ask for something.

uvicorn bounds neither. One connection too many is answered and closed before anything of it is read; one whose request has no whole head in
time is closed as well, and so is one that asks for nothing.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.metrics import ConnectionMetrics
from gateway.transcoding.problems import HeadersTooSlow, NoHttpRequest, problem
from tocsin.client_network import client_network
from tocsin.errors import ResourceExhausted, TocsinError, Unavailable


class TooManyConnections(ResourceExhausted):
    """Too many connections from this address."""


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
        self._deadline: asyncio.TimerHandle | None = None
        try:
            self._counted = self.connections_open.enter(self.client[0] if self.client else "")
        except TocsinError as error:
            self._refuse(error)
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Counts no more."""
        self._end_deadline()
        counted, self._counted = self._counted, None
        if counted is not None:
            self.connections_open.leave(counted)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on; the time for a head runs while one is begun and not whole, and most heads come in one piece."""
        super().data_received(data)
        if self._reading_head and self._deadline is None and not self.transport.is_closing():
            self._await_head()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._reading_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The last one of its head."""
        self._reading_head = False
        self._end_deadline()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """The connection goes on under another protocol, which tells of its end."""
        counted, self._counted = self._counted, None
        super().handle_websocket_upgrade()
        if counted is not None:
            _on_lost(self.transport.get_protocol(), lambda: self.connections_open.leave(counted))

    def send_400_response(self, msg: str) -> None:
        """What came is no request."""
        del msg
        self._refuse(NoHttpRequest())

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
        """Answers as everything else does, and closes."""
        refuse(self.transport, error)


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
