"""Streaming RPCs over WebSocket (RFC 6455), at the paths that they have over REST: a JSON message in each text frame, both ways at once."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import aclosing
from typing import Any, Final

from gateway.http.endpoints import BodyRule, RpcEndpoint, bound
from gateway.http.exchange import Disconnected, Exchange, HeaderList, Receive, Scope, Send
from gateway.open_streams import GatewayStopping, OpenStreams
from gateway.ports import Backend
from gateway.transcoding.binding import Incoming
from gateway.transcoding.problems import BodyTooSlow, HeadersInvalid, http_status, members
from gateway.transcoding.routes import Route
from tocsin.errors import InvalidInput, MessageTooLarge, TocsinError
from tocsin.mesh.policy import MethodKind
from tocsin.mesh.status import code_of
from tocsin.protojson.codec import dump_json

SUBPROTOCOL: Final = "tocsin.v1"
_BEARER: Final = "bearer."
_SWITCHED: Final = 101
_NORMAL, _TOO_BIG, _OURS, _RESTART, _LATER = 1000, 1009, 1011, 1012, 1013
_PRIVATE: Final = 4000
_RAW_TYPES: Final = {str: "application/x-ndjson", bytes: "application/octet-stream"}
_HTTP: Final = {
    "http.response.start": "websocket.http.response.start",
    "http.response.body": "websocket.http.response.body",
}


class SocketExchange(Exchange):
    """A WebSocket: its handshake is a request like any other, and refused as one; once accepted, a write is a text frame."""

    __slots__ = ("_close", "_offered", "_raw_send")

    def __init__(self, *, scope: Scope, receive: Receive, send: Send, max_body: int, address: str) -> None:
        """Makes the exchange of an ASGI request of type "websocket"."""

        async def told(message: MutableMapping[str, Any]) -> None:
            await self._tell({**message, "type": _HTTP[message["type"]]})

        async def received() -> MutableMapping[str, Any]:
            message = await receive()
            return {"type": "http.disconnect"} if message["type"] == "websocket.disconnect" else message

        super().__init__(scope={**scope, "method": "GET"}, receive=received, send=told, max_body=max_body, address=address)
        self._offered: list[str] = scope["subprotocols"]
        self._raw_send = send
        self._close = (_NORMAL, "")

    def read_headers(self, raw: HeaderList) -> None:
        """Reads the headers; a token among the subprotocols is an Authorization header, which browsers cannot send.

        Raises:
            HeadersInvalid: a header is malformed, or the token stands without a subprotocol that can be chosen.
        """
        super().read_headers(raw)
        tokens = [item.removeprefix(_BEARER) for item in self._offered if item.startswith(_BEARER)]
        if self._offered and SUBPROTOCOL not in self._offered:
            raise HeadersInvalid.at("sec-websocket-protocol", f"must offer {SUBPROTOCOL}")
        if tokens and (len(tokens) > 1 or b"authorization" in self.headers):
            raise HeadersInvalid.at("authorization", "given twice")
        if tokens:
            self.headers[b"authorization"] = f"Bearer {tokens[0]}".encode("latin-1", "replace")

    async def accept(self) -> None:
        """Ends the handshake.

        Raises:
            Disconnected: the client left.
        """
        await self._receive()  # websocket.connect, which is there from the beginning
        self.sent, self.status, self.late_error = True, _SWITCHED, self._error
        chosen = SUBPROTOCOL if self._offered else None
        await self._tell({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-trace-id", self._trace_id)]})

    async def message(self) -> str | bytes:
        """What a client sends in one message.

        Raises:
            Disconnected: it left.
        """
        found = await self._receive()
        if found["type"] == "http.disconnect":
            self._gone = True
            raise Disconnected
        text = found.get("text")
        return text if text is not None else found["bytes"]

    async def write(self, chunk: bytes) -> None:
        """Sends JSON in a text frame; waits while the client does not take it.

        Raises:
            Disconnected: it left.
        """
        await self._tell({"type": "websocket.send", "text": chunk.decode()})

    async def write_raw(self, chunk: bytes) -> None:
        """The same with bytes, in a binary frame."""
        await self._tell({"type": "websocket.send", "bytes": chunk})

    async def end(self) -> None:
        """Closes."""
        code, reason = self._close
        await self._tell({"type": "websocket.close", "code": code, "reason": reason})

    @property
    def _trace_id(self) -> bytes:
        return dict(self._common).get(b"x-trace-id", b"")

    def _error(self, error: TocsinError, trace_id: str) -> bytes:
        self._close = (close_code(error), code_of(error).name)
        return dump_json({"error": members(error, trace_id=trace_id)})

    async def _tell(self, message: MutableMapping[str, Any]) -> None:
        try:
            await self._raw_send(message)
        except OSError as error:  # as ASGI says it
            self._gone = True
            raise Disconnected from error


def close_code(error: TocsinError) -> int:
    """The close code of a socket that failed: 4000 and the HTTP status of what the client can mend, else one of RFC 6455, 7.4.1."""
    if isinstance(error, GatewayStopping):
        return _RESTART
    if error.error_reason == MessageTooLarge.reason:
        return _TOO_BIG
    status = http_status(error)
    return {500: _OURS, 501: _OURS, 503: _LATER}.get(status, _PRIVATE + status)


class WebSocketEndpoint(RpcEndpoint):
    """An RPC that streams, either way or both.

    A text frame is a message of the request; an empty one ends them. Where the contract says google.api.HttpBody, a frame is a piece of the
    body. An RPC with one request takes it from path and query, and from a first frame where it has a body.
    """

    def __init__(self, *, route: Route, backend: Backend, rule: BodyRule, open_streams: OpenStreams) -> None:
        """Makes the endpoint of ``route``."""
        super().__init__(route=route, rule=rule)
        self._backend = backend
        self._open = open_streams
        self._most = route.rpc.policy.max_request_bytes

    async def serve(self, exchange: Exchange) -> None:
        """Accepts, calls, passes on.

        Raises:
            TocsinError: the call failed.
        """
        if not isinstance(exchange, SocketExchange):
            raise TypeError(exchange)
        try:
            await exchange.accept()
            await self._call(exchange)
        except InvalidInput as error:
            raise self._route.binder.as_written(error) from error
        await exchange.end()

    async def _call(self, exchange: SocketExchange) -> None:
        kind, path = self._route.rpc.policy.kind, self._route.rpc.path
        if kind is MethodKind.UNARY_STREAM:
            request = await self._only(exchange)
            exchange.watch()
            await self._show(exchange, self._backend.server_stream(path)(request))
            return
        requests = self._requests(exchange, asyncio.current_task())
        if kind is MethodKind.STREAM_STREAM:
            await self._show(exchange, self._backend.both_streams(path)(requests))
        else:
            await self._answer(exchange, await self._backend.client_stream(path)(requests))

    async def _show(self, exchange: SocketExchange, stream: Any) -> None:
        async with aclosing(self._open.through(stream)) as messages:
            async for message in messages:
                for element in self._route.renderer.elements(message):
                    await exchange.write(element)

    async def _answer(self, exchange: SocketExchange, wire: bytes) -> None:
        reply = self._route.renderer.render(wire)
        await (exchange.write_raw if self._route.renderer.raw else exchange.write)(reply.data)

    async def _only(self, exchange: SocketExchange) -> bytes:
        body = b""
        if self._route.binder.takes_body:
            try:
                async with asyncio.timeout(self._rule.timeout_seconds):
                    body = self._checked(await exchange.message())
            except TimeoutError as error:
                raise BodyTooSlow from error
        return await self._bound(exchange, "", body, exchange.query_string)

    async def _requests(self, exchange: SocketExchange, task: "asyncio.Task[Any] | None") -> AsyncGenerator[bytes]:
        """The messages of the request; behind them, a client that leaves cancels ``task``."""
        raw = self._route.binder.raw_body
        if raw and exchange.query_string:
            yield await self._bound(exchange, "", b"", exchange.query_string)
        number = 0
        while found := await exchange.message():
            number += 1
            try:
                body = self._checked(found)
                yield await self._bound(exchange, found, body, b"" if raw else exchange.query_string)
            except InvalidInput as error:
                error.message = f"message {number}: {error.message}"
                error.metadata["message"] = str(number)
                raise
        exchange.watch(task)

    def _checked(self, found: str | bytes) -> bytes:
        if isinstance(found, bytes) and not self._route.binder.raw_body:
            raise InvalidInput("A message must be JSON in a text frame.")
        body = found if isinstance(found, bytes) else found.encode()
        if len(body) > self._most:
            raise MessageTooLarge(f"A message is larger than {self._most:,} bytes.", metadata={"most_bytes": str(self._most)})
        return body

    async def _bound(self, exchange: SocketExchange, found: str | bytes, body: bytes, query: bytes) -> bytes:
        return await bound(
            self._route,
            Incoming(
                variables=exchange.variables,
                query_string=query,
                body=body,
                content_type=_RAW_TYPES[type(found)] if self._route.binder.raw_body else "",
                address=exchange.address,
            ),
        )
