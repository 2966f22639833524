"""What a route leads to: an RPC with one answer, an RPC with a stream of answers, or a page of the gateway itself."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from gateway.http.conditions import EtagCondition, as_condition
from gateway.http.exchange import Exchange
from gateway.http.headers import (
    AS_A_FRAME,
    AS_A_PAGE,
    NOT_STORED,
    has_etag,
    is_form,
    is_json,
    is_multipart,
    is_plain,
    passed_on,
)
from gateway.http.streams import EventStream, LastEncoded, StreamRule, frames_of
from gateway.idempotency import IdempotentCalls, KeyedCall, Reply, refuse_key
from gateway.open_streams import OpenStreams
from gateway.ports import Backend, Spooler
from gateway.transcoding.etags import etag_number, etag_of
from gateway.transcoding.incoming import Incoming
from gateway.transcoding.problems import Problem, UnsupportedMediaType, problem
from gateway.transcoding.rendering import ResponseBody
from gateway.transcoding.routes import Route
from tocsin.clock import Clock
from tocsin.errors import Aborted, DeadlineExceeded, InvalidInput, Unavailable
from tocsin.mesh.policy import MethodPolicy

# A body of this many bytes is converted in about a millisecond.
_AT_ONCE: Final = 8 * 1024
_OK: Final = 200
_FORM_OR_JSON: Final = "The body must be application/json or application/x-www-form-urlencoded, in UTF-8."


class Endpoint(Protocol):
    """Answers the requests of one route."""

    @property
    def template(self) -> str:
        """The path template; names the route in logs and metrics."""
        ...

    @property
    def scope(self) -> str:
        """Scope that the token must carry; empty if a token is enough."""
        ...

    @property
    def public(self) -> bool:
        """Whether no token is needed."""
        ...

    @property
    def policy(self) -> MethodPolicy | None:
        """That of the RPC; None of a page."""
        ...

    @property
    def timeout(self) -> float:
        """Longest time of one call, in seconds; of an RPC, what the contract says, which rules at run time may change."""
        ...

    def problem(self, exchange: Exchange) -> Problem:
        """How its errors are shown to who sent this request."""
        ...

    async def serve(self, exchange: Exchange) -> None:
        """Answers a request that has passed authentication.

        Raises:
            TocsinError: the answer is an error; nothing has been sent.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRule:
    """How request bodies are read.

    Attributes:
        timeout_seconds: how long a body may take to arrive.
    """

    timeout_seconds: float


async def read_request(exchange: Exchange, route: Route, rule: BodyRule) -> Incoming:
    """The parts of a request that make up its message.

    Raises:
        TocsinError: the body is too large, too slow, or not of a type that the route takes.
    """
    if route.rpc.policy.path_only:
        return Incoming(variables=exchange.variables)  # the server passes over a body that nobody reads
    prefix = route.rpc.door.body_prefix_bytes
    if prefix and not route.binder.takes_body:
        return _incoming(exchange, route)  # as above: whoever cannot help sending a body may have sent one
    most = prefix or route.rpc.policy.max_request_bytes
    body = await exchange.body(timeout=rule.timeout_seconds, most=most, whole=not prefix)
    content_type, binder = exchange.headers.get(b"content-type", b""), route.binder
    form = binder.takes_forms and is_form(content_type)
    multipart = binder.takes_files and is_multipart(content_type)
    if body and binder.takes_body:
        if not is_plain(exchange.headers):
            raise UnsupportedMediaType("A compressed body is not supported.")
        if content_type and not (binder.raw_body or form or multipart or is_json(content_type)):
            raise UnsupportedMediaType(_FORM_OR_JSON if binder.takes_forms else None)
    return _incoming(exchange, route, body=body, is_form=form, is_multipart=multipart)


def _incoming(exchange: Exchange, route: Route, *, body: bytes = b"", is_form: bool = False, is_multipart: bool = False) -> Incoming:
    binder = route.binder
    return Incoming(
        variables=exchange.variables,
        query_string=exchange.query_string,
        body=body,
        content_type=exchange.headers.get(b"content-type", b"").decode("latin-1"),
        last_event_id=exchange.headers.get(b"last-event-id", b"").decode("utf-8", "replace") or None,
        headers=passed_on(exchange.raw_headers, binder.headers) if binder.headers else {},
        is_form=is_form,
        is_multipart=is_multipart,
        accept=exchange.headers.get(b"accept", b"").decode("latin-1"),
        method="HEAD" if exchange.is_head else exchange.method,
        address=exchange.address,
    )


async def bound(route: Route, incoming: Incoming) -> bytes:
    """The message of a request; a large body is converted in a thread, so that others need not wait for it.

    Raises:
        InvalidInput: something in the request does not fit; the error names the field.
    """
    if len(incoming.body) <= _AT_ONCE:
        return route.binder.bind(incoming)
    return await asyncio.to_thread(route.binder.bind, incoming)


class RpcEndpoint:
    """What all kinds of RPC have in common."""

    def __init__(self, *, route: Route, rule: BodyRule) -> None:
        self._route = route
        self._rule = rule
        self.template = route.template.text
        self.policy: MethodPolicy | None = route.rpc.policy
        self.scope = route.rpc.policy.scope
        self.public = route.rpc.policy.public
        self.timeout = route.rpc.policy.timeout

    def problem(self, exchange: Exchange) -> Problem:
        """How its errors are shown."""
        del exchange
        return self._route.problem


class UnaryEndpoint(RpcEndpoint):
    """An RPC with one answer."""

    def __init__(self, *, route: Route, backend: Backend, rule: BodyRule, keys: IdempotentCalls) -> None:
        """Makes the endpoint of ``route``, whose calls go to ``backend``, and those with an Idempotency-Key by way of ``keys``."""
        super().__init__(route=route, rule=rule)
        self._call = backend.unary(route.rpc.path)
        self._keys = keys
        self._condition = EtagCondition(route.rpc.descriptor.input_type, route.body)
        self._etag = 0 if route.renderer.raw or route.response_body else etag_number(route.rpc.descriptor.output_type)
        self._headers = (AS_A_FRAME if route.rpc.door.framed else AS_A_PAGE) if route.renderer.raw else NOT_STORED

    async def serve(self, exchange: Exchange) -> None:
        """Converts, calls, converts back."""
        try:
            condition = b"" if exchange.method == "GET" else self._condition.wire(exchange.headers)
            incoming = await read_request(exchange, self._route, self._rule)
            renderer = self._route.renderer.chosen(incoming)
            keyed = self._keyed(exchange, incoming)
            if keyed is None:
                request = self._ready(await bound(self._route, incoming) + condition)
                exchange.watch()
                status, answer = await self._answer(exchange, request)
            else:
                bind = bound(self._route, replace(incoming, request_id=keyed.request_id))
                request = self._ready(keyed.identified(await bind) + condition)
                exchange.watch()
                status, answer = await self._keys.run(keyed, lambda: self._answer(exchange, request))
        except InvalidInput as error:
            raise self._route.binder.as_written(error) from error
        except Aborted as error:
            raise as_condition(error, exchange.headers) from error
        await self._send(exchange, renderer.render(answer), status=status, tag=etag_of(answer, self._etag))

    def _keyed(self, exchange: Exchange, incoming: Incoming) -> KeyedCall | None:
        """The call of a request with an Idempotency-Key; None without one, and where nobody owns it."""
        raw = None if exchange.method == "GET" else exchange.headers.get(b"idempotency-key")
        payload = (exchange.method.encode(), exchange.path.encode("latin-1"), incoming.query_string, incoming.body)
        policy = self._route.rpc.policy
        return KeyedCall.wanted(raw, principal=exchange.principal, policy=policy, payload=payload, tell=exchange.add_header)

    def _ready(self, request: bytes) -> bytes:
        """The request as it is sent."""
        return request

    async def _answer(self, exchange: Exchange, request: bytes) -> Reply:
        """Calls."""
        del exchange
        return None, await self._call(request)

    async def _send(self, exchange: Exchange, reply: ResponseBody, *, status: int | None = None, tag: str = "") -> None:
        """Sends an answer, or says that the client has it (RFC 9110, 13.1.2); ``status`` replaces its own, ``tag`` is its etag."""
        own = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers = [*own, *(item for item in self._headers if item[0].decode() not in reply.headers)]
        found = reply.status if status is None else status
        etag = reply.headers.get("etag", "")
        if found == _OK and exchange.method == "GET" and etag and has_etag(exchange.headers.get(b"if-none-match"), etag.encode()):
            await exchange.send(304, headers, b"")
            return
        if tag and not etag:
            headers.append((b"etag", tag.encode()))
        await exchange.send(found, [(b"content-type", reply.content_type.encode()), *headers], reply.data)


class SpooledEndpoint(UnaryEndpoint):
    """An RPC that is taken on and answered with 202 when its service is away; behind calls of its caller that wait it waits, too.

    An answer that is late says that the service is away only if it had the time that its policy gives it, not what a client chose.
    """

    def __init__(self, *, route: Route, backend: Backend, rule: BodyRule, keys: IdempotentCalls, spooler: Spooler) -> None:
        """Makes the endpoint of ``route``; ``spooler`` takes on what cannot be forwarded."""
        super().__init__(route=route, backend=backend, rule=rule, keys=keys)
        self._spooler = spooler

    def _ready(self, request: bytes) -> bytes:
        """The request with an identity and a time."""
        return self._spooler.mark(request)

    async def _answer(self, exchange: Exchange, request: bytes) -> Reply:
        """Calls, or keeps."""
        principal, address = exchange.principal, exchange.address
        if not self._spooler.waiting(principal, address):
            try:
                return None, await self._call(request)
            except Unavailable:
                pass  # whether it got there or not: its identity makes a second time harmless
            except DeadlineExceeded:
                if exchange.hurried:
                    raise
        return 202, await self._spooler.keep(request, principal, address)


class StreamEndpoint(RpcEndpoint):
    """An RPC with a stream of answers."""

    def __init__(
        self, *, route: Route, backend: Backend, rule: BodyRule, clock: Clock, streams: StreamRule, open_streams: OpenStreams
    ) -> None:
        """Makes the endpoint of ``route``; ``open_streams`` ends its streams when the server stops."""
        super().__init__(route=route, rule=rule)
        self._call = backend.server_stream(route.rpc.path)
        self._clock = clock
        self._streams = streams
        self._open_streams = open_streams
        self._encoded = LastEncoded()

    async def serve(self, exchange: Exchange) -> None:
        """Converts, calls, and shows what comes."""
        if exchange.method != "GET":
            refuse_key(exchange.headers.get(b"idempotency-key"))
        frames = frames_of(exchange.headers.get(b"accept"), self._route)
        incoming = await read_request(exchange, self._route, self._rule)
        renderer = self._route.renderer.chosen(incoming)
        request = await bound(self._route, incoming)
        if exchange.is_head:
            await exchange.send(200, [(b"content-type", frames.media_type)], b"")
            return
        stream = EventStream(
            exchange=exchange,
            renderer=renderer,
            frames=frames,
            encoded=self._encoded,
            clock=self._clock,
            rule=self._streams,
            open_streams=self._open_streams,
        )
        exchange.watch()
        await stream.run(self._call(request))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer."""

    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...]
    data: bytes


Page = Callable[[Exchange], Awaitable[Answer]]
"""Makes a page of the gateway itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEndpoint:
    """A page of the gateway itself.

    Attributes:
        template: its path template.
        page: makes it.
        public: whether no token is needed.
        scope: scope that the token must carry.
        timeout: longest time that it may take, in seconds.
        policy: none.
    """

    template: str
    page: Page
    public: bool = True
    scope: str = ""
    timeout: float = 10.0
    policy: MethodPolicy | None = None

    def problem(self, exchange: Exchange) -> Problem:
        """How its errors are shown."""
        del exchange
        return problem

    async def serve(self, exchange: Exchange) -> None:
        """Answers with the page."""
        answer = await self.page(exchange)
        await exchange.send(answer.status, answer.headers, answer.data)
