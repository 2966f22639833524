"""Request bodies as streams of messages: a line of JSON each (NDJSON), or the raw pieces of a body of any type."""

import asyncio
from collections.abc import AsyncGenerator

from gateway.http.endpoints import BodyRule, RpcEndpoint, bound
from gateway.http.exchange import Exchange
from gateway.http.headers import is_plain
from gateway.http.streams import EventStream, LastEncoded, StreamRule, frames_of
from gateway.idempotency import refuse_key
from gateway.open_streams import OpenStreams
from gateway.ports import Backend
from gateway.transcoding.incoming import Incoming
from gateway.transcoding.problems import UnsupportedMediaType
from gateway.transcoding.routes import Route
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, MessageTooLarge
from tocsin.protojson.lines import Line, LineReader

_LINES = frozenset({b"application/x-ndjson", b"application/jsonl", b"application/jsonlines", b"application/x-jsonlines"})
_LINES_AT_ONCE = 50


class UploadEndpoint(RpcEndpoint):
    """An RPC whose requests are a stream, with one answer or a stream of them.

    The body is never held as a whole: what the service does not take, the client cannot send. There is no limit to its length, only to that
    of a line; it may take as long as the call may.
    """

    def __init__(
        self,
        *,
        route: Route,
        backend: Backend,
        rule: BodyRule,
        clock: Clock,
        streams: StreamRule,
        open_streams: OpenStreams,
        max_line_bytes: int,
    ) -> None:
        """Makes the endpoint of ``route``; ``open_streams`` ends its streams of answers when the server stops."""
        super().__init__(route=route, rule=rule)
        self._backend = backend
        self._clock = clock
        self._streams = streams
        self._open_streams = open_streams
        self._max_line = min(max_line_bytes, route.rpc.policy.max_request_bytes)

    async def serve(self, exchange: Exchange) -> None:
        """Converts and sends what comes, and shows what is answered."""
        refuse_key(exchange.headers.get(b"idempotency-key"))
        self._check_type(exchange)
        requests = self._requests(exchange, asyncio.current_task())
        try:
            if self._route.streams:
                await self._show(exchange, requests)
            else:
                await self._answer(exchange, requests)
        except InvalidInput as error:
            raise self._route.binder.as_written(error) from error

    def _check_type(self, exchange: Exchange) -> None:
        if not is_plain(exchange.headers):
            raise UnsupportedMediaType("A compressed body is not supported.")
        media = exchange.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if not self._route.binder.raw_body and media not in _LINES:
            raise UnsupportedMediaType("The body must be application/x-ndjson: one JSON object per line.")

    async def _answer(self, exchange: Exchange, requests: AsyncGenerator[bytes]) -> None:
        answer = await self._backend.client_stream(self._route.rpc.path)(requests)
        reply = self._route.renderer.render(answer)
        headers = ((b"content-type", reply.content_type.encode("latin-1", "replace")), (b"cache-control", b"no-store"))
        await exchange.send(reply.status, headers, reply.data)

    async def _show(self, exchange: Exchange, requests: AsyncGenerator[bytes]) -> None:
        stream = EventStream(
            exchange=exchange,
            renderer=self._route.renderer,
            frames=frames_of(exchange.headers.get(b"accept"), self._route),
            encoded=LastEncoded(),
            clock=self._clock,
            rule=self._streams,
            open_streams=self._open_streams,
        )
        await stream.run(self._backend.both_streams(self._route.rpc.path)(requests))

    async def _requests(self, exchange: Exchange, task: "asyncio.Task[None] | None") -> AsyncGenerator[bytes]:
        """The request messages; when the body has come to its end, a client that leaves cancels ``task``."""
        messages = self._pieces(exchange) if self._route.binder.raw_body else self._lines(exchange)
        async for message in messages:
            yield message
        exchange.watch(task)

    async def _pieces(self, exchange: Exchange) -> AsyncGenerator[bytes]:
        binder = self._route.binder
        content_type = exchange.headers.get(b"content-type", b"").decode("latin-1")
        if exchange.query_string:
            yield binder.bind(Incoming(variables=exchange.variables, query_string=exchange.query_string))
        async for piece in exchange.chunks():
            yield binder.bind(Incoming(variables=exchange.variables, body=piece, content_type=content_type))

    async def _lines(self, exchange: Exchange) -> AsyncGenerator[bytes]:
        reader = LineReader(most=self._max_line)
        async for piece in exchange.chunks():
            for number, line in enumerate(reader.feed(piece), 1):
                if (message := await self._message(exchange, line)) is not None:
                    yield message
                if number % _LINES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        for line in reader.end():
            if (message := await self._message(exchange, line)) is not None:
                yield message

    async def _message(self, exchange: Exchange, line: Line) -> bytes | None:
        """The message of a line; None of an empty one.

        Raises:
            InvalidInput: the line is not one; the error names its number.
        """
        if line.problem:
            raise MessageTooLarge(f"Line {line.number} {line.problem}.", metadata={"line": str(line.number)})
        if not line.text.strip():
            return None
        try:
            return await bound(self._route, Incoming(variables=exchange.variables, query_string=exchange.query_string, body=line.text))
        except InvalidInput as error:
            error.message = f"line {line.number}: {error.message}"
            error.metadata["line"] = str(line.number)
            raise
