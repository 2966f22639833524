"""Every public RPC at ``/{package.Service}/{Method}``, for the clients of Connect and of gRPC-Web: no route, query or body rule is needed.

The messages are those of the contract, as at the gRPC edge; JSON is read and written as REST does.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import cached_property
from typing import Final, TypeAlias

from gateway.http.base64_text import TextReader
from gateway.http.compression import GZIP, compress, decompress, is_compressed, is_worth
from gateway.http.connect import ConnectStream, ConnectUnary, check_version, query_message
from gateway.http.endpoints import BodyRule
from gateway.http.envelopes import COMPRESSED, EnvelopeReader
from gateway.http.exchange import Exchange
from gateway.http.grpc_web import GrpcWeb
from gateway.http.headers import media_type, takes_gzip
from gateway.idempotency import IdempotentCalls, KeyedCall, refuse_key
from gateway.open_streams import OpenStreams
from gateway.ports import Backend, Stream
from gateway.transcoding.binding import Incoming, RequestBinder
from gateway.transcoding.contract import Contract, Rpc
from gateway.transcoding.problems import BodyTooSlow, Problem, ProblemDetails, UnsupportedMediaType, problem
from gateway.transcoding.rendering import JSON_TYPE
from gateway.transcoding.template import parse
from tocsin.errors import InvalidInput, TocsinError
from tocsin.mesh.policy import MethodPolicy

Dialect: TypeAlias = ConnectStream | GrpcWeb

_UNARY: Final = {
    found.media_type: found
    for found in (ConnectUnary(media_type=b"application/json", is_json=True), ConnectUnary(media_type=b"application/proto", is_json=False))
}
_CONNECT_STREAMS: Final = {
    found.media_type: found
    for found in (
        ConnectStream(media_type=b"application/connect+json", is_json=True),
        ConnectStream(media_type=b"application/connect+proto", is_json=False),
    )
}
_GRPC_WEB: Final = {
    found.media_type: found
    for found in (
        GrpcWeb(media_type=b"application/grpc-web"),
        GrpcWeb(media_type=b"application/grpc-web+proto"),
        GrpcWeb(media_type=b"application/grpc-web+json", is_json=True),
        GrpcWeb(media_type=b"application/grpc-web-text", is_text=True),
        GrpcWeb(media_type=b"application/grpc-web-text+proto", is_text=True),
    )
}
_GET: Final = _UNARY[JSON_TYPE.encode()]
# What is longer is converted in a thread, so that others need not wait for it.
_AT_ONCE: Final = 8 * 1024
_MESSAGES_AT_ONCE: Final = 50

Convert: TypeAlias = Callable[[bytes], bytes]


class WebRpcEndpoint:
    """One RPC of any kind."""

    def __init__(
        self, *, rpc: Rpc, contract: Contract, backend: Backend, rule: BodyRule, keys: IdempotentCalls, open_streams: OpenStreams, most: int
    ) -> None:
        """Makes the endpoint.

        Args:
            rpc: what is called.
            contract: where its types are.
            backend: where calls go.
            rule: how bodies are read.
            keys: answers unary requests that are sent again.
            open_streams: ends the streams when the server stops.
            most: bytes that a message may have, if the policy of the RPC does not say fewer.
        """
        self._rpc = rpc
        self._contract = contract
        self._backend = backend
        self._rule = rule
        self._keys = keys
        self._open = open_streams
        self._most = min(most, rpc.policy.max_request_bytes)
        self.template = rpc.path
        self.policy: MethodPolicy | None = rpc.policy
        self.scope = rpc.policy.scope
        self.public = rpc.policy.public
        self.timeout = rpc.policy.timeout
        streams = rpc.descriptor.client_streaming or rpc.descriptor.server_streaming
        self._unary = {} if streams else _UNARY
        self._dialects: dict[bytes, Dialect] = {**(_CONNECT_STREAMS if streams else {}), **_GRPC_WEB}

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods that it takes: a unary RPC without side effects may be a GET."""
        return ("GET", "POST") if self._unary and self._rpc.policy.side_effect_free else ("POST",)

    def problem(self, exchange: Exchange) -> Problem:
        """How its errors are shown: in the protocol of the request."""
        found = self._unary_of(exchange) or self._dialect_of(exchange)
        return self._not_understood if found is None else found.problem

    async def serve(self, exchange: Exchange) -> None:
        """Reads, calls, answers.

        Raises:
            TocsinError: the call failed.
        """
        if (unary := self._unary_of(exchange)) is not None:
            await self._serve_unary(exchange, unary)
        elif (dialect := self._dialect_of(exchange)) is not None:
            await self._serve_enveloped(exchange, dialect)
        else:
            raise UnsupportedMediaType(f"The body must be one of {', '.join(self._types)}.")

    # -- what the request speaks -----------------------------------------------------------------------------------------------

    def _unary_of(self, exchange: Exchange) -> ConnectUnary | None:
        if exchange.method == "GET":
            return _GET
        return self._unary.get(media_type(exchange.headers.get(b"content-type", b"")))

    def _dialect_of(self, exchange: Exchange) -> Dialect | None:
        return self._dialects.get(media_type(exchange.headers.get(b"content-type", b"")))

    @property
    def _types(self) -> list[str]:
        return [name.decode() for name in (*self._unary, *self._dialects)]

    def _not_understood(self, error: TocsinError, trace_id: str) -> ProblemDetails:
        found = problem(error, trace_id)
        headers = (*found.headers, (b"accept-post", ", ".join(self._types).encode()))
        return ProblemDetails(status=found.status, headers=headers, body=found.body)

    # -- messages --------------------------------------------------------------------------------------------------------------

    @cached_property
    def _binder(self) -> RequestBinder:
        """Reads requests in JSON; compiled for the first of them."""
        request = self._rpc.descriptor.input_type
        return RequestBinder(contract=self._contract, request=request, template=parse("/"), http_method="POST", body="*", raw=False)

    async def _read(self, data: bytes, *, is_json: bool, compressed: bool, request_id: str = "") -> bytes:
        """The wire bytes of a message of the request."""
        if compressed:
            data = decompress(data, most=self._most)
        if not is_json:
            return data
        return await _convert(lambda text: self._binder.bind(Incoming(variables={}, body=text, request_id=request_id)), data)

    async def _show(self, wire: bytes, *, is_json: bool) -> bytes:
        """A message of the answer."""
        return await _convert(self._contract.codec(self._rpc.descriptor.output_type).to_json, wire) if is_json else wire

    # -- unary RPCs as plain HTTP ----------------------------------------------------------------------------------------------

    async def _serve_unary(self, exchange: Exchange, unary: ConnectUnary) -> None:
        headers = exchange.headers
        check_version(headers)
        if exchange.method == "GET":
            asked = query_message(exchange.query_string)
            data, coding, unary = asked.data, asked.coding, next(item for item in _UNARY.values() if item.is_json == asked.is_json)
        else:
            data, coding = await exchange.body(timeout=self._rule.timeout_seconds, most=self._most), headers.get(b"content-encoding")
        keyed = self._keyed(exchange, data)
        request_id = keyed.request_id if keyed else ""
        request = await self._read(data, is_json=unary.is_json, compressed=is_compressed(coding), request_id=request_id)
        exchange.watch()
        wire = await self._keys.answer(keyed, request, self._backend.unary(self._rpc.path))
        answer = await self._show(wire, is_json=unary.is_json)
        head = [(b"content-type", unary.media_type), (b"cache-control", b"no-store"), (b"vary", b"accept-encoding")]
        if takes_gzip(headers) and is_worth(answer):
            head.append((b"content-encoding", GZIP))
            answer = await _convert(compress, answer)
        await exchange.send(200, head, answer)

    def _keyed(self, exchange: Exchange, payload: bytes) -> KeyedCall | None:
        """The call of a request with an Idempotency-Key."""
        policy = self._rpc.policy
        raw = None if policy.side_effect_free else exchange.headers.get(b"idempotency-key")
        return KeyedCall.wanted(raw, principal=exchange.principal, policy=policy, payload=(payload,), tell=exchange.add_header)

    # -- enveloped messages ----------------------------------------------------------------------------------------------------

    async def _serve_enveloped(self, exchange: Exchange, dialect: Dialect) -> None:
        if isinstance(dialect, ConnectStream):
            check_version(exchange.headers)
        path, kind = self._rpc.path, self._rpc.descriptor
        keyed = self._keyed(exchange, b"")
        if keyed and not self._unary:
            refuse_key(exchange.headers.get(b"idempotency-key"))
        gzip = dialect.takes_gzip(exchange.headers)
        requests = self._requests(exchange, dialect, asyncio.current_task(), request_id=keyed.request_id if keyed else "")
        if kind.client_streaming and kind.server_streaming:
            await self._answer_all(exchange, dialect, self._backend.both_streams(path)(requests), gzip=gzip)
        elif kind.server_streaming:
            await self._answer_all(exchange, dialect, self._backend.server_stream(path)(await self._only(requests)), gzip=gzip)
        else:
            call = self._backend.client_stream(path)(requests) if kind.client_streaming else self._one(keyed, requests)
            answer = await self._framed(await call, dialect, gzip=gzip)
            await exchange.send(200, dialect.head(gzip=gzip), answer + dialect.end())

    async def _one(self, keyed: KeyedCall | None, requests: AsyncGenerator[bytes]) -> bytes:
        """The answer of a unary RPC."""
        request = await self._only(requests)
        return await self._keys.answer(keyed.of_payload(request) if keyed else None, request, self._backend.unary(self._rpc.path))

    async def _answer_all(self, exchange: Exchange, dialect: Dialect, stream: Stream, *, gzip: bool) -> None:
        async with aclosing(self._open.through(stream)) as messages:
            # A quiet stream has no message for minutes, and its client has to know that it was accepted.
            exchange.late_error = dialect.end
            await exchange.begin(200, [*dialect.head(gzip=gzip), (b"x-accel-buffering", b"no")])
            async for message in messages:
                await exchange.write(await self._framed(message, dialect, gzip=gzip))
        await exchange.write(dialect.end())
        await exchange.end()

    async def _framed(self, wire: bytes, dialect: Dialect, *, gzip: bool) -> bytes:
        data = await self._show(wire, is_json=dialect.is_json)
        compressed = gzip and is_worth(data)
        return dialect.message(await _convert(compress, data) if compressed else data, compressed=compressed)

    async def _only(self, requests: AsyncGenerator[bytes]) -> bytes:
        """The one message of a request whose kind has one.

        Raises:
            InvalidInput: it has none, or several.
            BodyTooSlow: it did not arrive in time.
        """
        found: bytes | None = None
        try:
            async with asyncio.timeout(self._rule.timeout_seconds), aclosing(requests):
                async for message in requests:
                    if found is not None:
                        raise InvalidInput("The request has more than one message.")
                    found = message
        except TimeoutError as error:
            raise BodyTooSlow from error
        if found is None:
            raise InvalidInput("The request has no message.")
        return found

    async def _requests(
        self, exchange: Exchange, dialect: Dialect, task: "asyncio.Task[None] | None", *, request_id: str
    ) -> AsyncGenerator[bytes]:
        """The messages of the request; when the body has come to its end, a client that leaves cancels ``task``."""
        can_be_compressed = is_compressed(exchange.headers.get(dialect.coding_header))
        reader, text = EnvelopeReader(most=self._most), TextReader() if dialect.is_text else None
        count = 0
        async for piece in exchange.chunks():
            for flags, data in reader.feed(text.feed(piece) if text else piece):
                yield await self._opened(flags, data, dialect, can_be_compressed=can_be_compressed, request_id=request_id)
                if (count := count + 1) % _MESSAGES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        if text is not None:
            for flags, data in reader.feed(text.end()):
                yield await self._opened(flags, data, dialect, can_be_compressed=can_be_compressed, request_id=request_id)
        reader.end()
        exchange.watch(task)

    async def _opened(self, flags: int, data: bytes, dialect: Dialect, *, can_be_compressed: bool, request_id: str) -> bytes:
        compressed = bool(flags & COMPRESSED)
        if compressed and not can_be_compressed:
            raise InvalidInput(f"A message is compressed, but the header {dialect.coding_header.decode()} does not say how.")
        return await self._read(data, is_json=dialect.is_json, compressed=compressed, request_id=request_id)


async def _convert(convert: Convert, data: bytes) -> bytes:
    """What ``convert`` makes of ``data``; if that is long, in a thread."""
    return convert(data) if len(data) <= _AT_ONCE else await asyncio.to_thread(convert, data)
