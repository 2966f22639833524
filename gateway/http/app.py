"""The ASGI application: finds the route, knows the caller, answers, and tells what it did.

Order: route and CORS, then who calls, then what it may, then how often, then the body, then the call.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from opentelemetry.trace import SpanKind, StatusCode

from gateway.credentials import SessionEnded
from gateway.http.cors import Cors
from gateway.http.endpoints import Endpoint
from gateway.http.exchange import Disconnected, Exchange, Receive, Scope, Send
from gateway.http.headers import requested_timeout
from gateway.http.websocket import SocketExchange
from gateway.ingress import Ingress
from gateway.metrics import HttpMetrics
from gateway.stream_tokens import shown_token
from gateway.transcoding.problems import HeadersInvalid, http_status, problem
from gateway.transcoding.router import MethodNotAllowed, RouteNotFound, Router
from tocsin.errors import Internal, TocsinError
from tocsin.mesh.context import Call, CallOrigin, enter, user_agent
from tocsin.mesh.policy import MethodKind
from tocsin.telemetry import (
    BAGGAGE,
    TRACESTATE,
    carry_along,
    context_header,
    current_traceparent,
    extract,
    get_logger,
    new_traceparent,
    trace_id_of,
)

_log = get_logger(__name__)


class CookieSessions(Protocol):
    """Sessions of browsers, as `gateway.sessions` has them."""

    def credential(self, exchange: Exchange, *, safe: bool) -> bytes | None:
        """What stands in the place of the Authorization header of a request that has none; None without a session.

        Raises:
            TocsinError: the session is not taken of this request.
        """
        ...

    def clear(self, exchange: Exchange) -> None:
        """Removes the cookie by the answer."""
        ...


_CLIENT_GONE = 499
_FAILED = 400
_FAULT = 500
_UNMATCHED = "(none)"


class HttpApp:
    """The gateway as an ASGI application."""

    def __init__(
        self,
        *,
        routes: Router[Endpoint],
        sockets: Router[Endpoint],
        cors: Cors,
        max_body_bytes: int,
        ingress: Ingress,
        sessions: CookieSessions,
    ) -> None:
        """Makes the application.

        Args:
            routes: what there is.
            sockets: what there is for WebSockets.
            cors: which browsers may read the answers.
            max_body_bytes: most bytes of a request body.
            ingress: authentication, limits and records.
            sessions: those of browsers.
        """
        self._sessions = sessions
        self._routes = routes
        self._sockets = sockets
        self._cors = cors
        self._max_body = max_body_bytes
        self._ingress = ingress
        self._clock = ingress.clock
        self._telemetry = ingress.telemetry
        self._metrics = HttpMetrics(ingress.telemetry.registry)

    def serve(self, routes: Router[Endpoint], sockets: Router[Endpoint]) -> None:
        """Serves other routes from the next request on."""
        self._routes, self._sockets = routes, sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request (ASGI 3)."""
        if scope["type"] not in _EXCHANGES:
            return
        started = self._clock.monotonic()
        address = self._ingress.proxies.client((scope.get("client") or ("",))[0], scope["headers"])
        exchange = _EXCHANGES[scope["type"]](scope=scope, receive=receive, send=send, max_body=self._max_body, address=address)
        endpoint, refusal = self._find(exchange, scope["headers"])
        template = endpoint.template if endpoint else _UNMATCHED
        attributes = {"http.request.method": exchange.method, "http.route": template}
        name = f"{exchange.method} {template}"
        with self._telemetry.span(name, kind=SpanKind.SERVER, traceparent=self._trace(exchange), attributes=attributes) as span:
            trace_id = trace_id_of(current_traceparent() or new_traceparent())
            exchange.add_header(b"x-trace-id", trace_id.encode())
            try:
                await self._answer(exchange, endpoint, refusal, trace_id)
            finally:
                self._record(exchange, scope.get("method", "GET"), template, self._clock.monotonic() - started)
                span.set_attribute("http.response.status_code", exchange.status)
                if exchange.status >= _FAULT:
                    span.set_status(StatusCode.ERROR)

    def _find(self, exchange: Exchange, raw: Sequence[tuple[bytes, bytes]]) -> tuple[Endpoint | None, TocsinError | None]:
        try:
            exchange.read_headers(raw)
            is_socket = isinstance(exchange, SocketExchange)
            if is_socket:
                self._cors.check_socket(exchange)
            match = (self._sockets if is_socket else self._routes).match(exchange.method, exchange.path)
        except TocsinError as error:
            return None, error
        except Exception as error:  # noqa: BLE001 - as in `_answer`, but there is no answer yet
            _log.error("request not read", exc_info=error)
            return None, Internal()
        exchange.variables = dict(match.variables)
        return match.target, None

    def _trace(self, exchange: Exchange) -> str | None:
        """The client's trace, or a new one; one that is recorded begins with the span."""
        given = exchange.headers.get(b"traceparent")
        found = extract([("traceparent", given)]) if given is not None else None
        names = (BAGGAGE,) if found is None else (TRACESTATE, BAGGAGE)
        carry_along(tuple(pair for name in names for pair in context_header(name, exchange.headers.get(name.encode(), b""))))
        return found or self._telemetry.root()

    async def _answer(self, exchange: Exchange, endpoint: Endpoint | None, refusal: TocsinError | None, trace_id: str) -> None:
        try:
            self._cors.mark(exchange)
            if exchange.method == "OPTIONS":
                await self._options(exchange)
            elif endpoint is None:
                raise _with_derived_methods(refusal or RouteNotFound())
            else:
                await self._serve(exchange, endpoint)
        except TocsinError as error:
            await self._fail(exchange, error, trace_id, endpoint)
        except Disconnected:
            exchange.status = _CLIENT_GONE
        except asyncio.CancelledError:
            if not exchange.is_gone():
                raise
            exchange.status = _CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - the last frame of a request: the client learns nothing but that it failed
            _log.error("request failed", exc_info=error)
            await self._fail(exchange, Internal(), trace_id, endpoint)
        finally:
            exchange.unwatch()

    async def _serve(self, exchange: Exchange, endpoint: Endpoint) -> None:
        try:
            await self._serve_as(exchange, endpoint, await self._authorization(exchange, endpoint))
        except SessionEnded:
            if not exchange.sent:
                self._sessions.clear(exchange)
            raise

    async def _serve_as(self, exchange: Exchange, endpoint: Endpoint, authorization: bytes | None) -> None:
        principal = exchange.principal = await self._ingress.authorize(
            authorization,
            public=endpoint.public,
            scope=endpoint.scope,
            place=f"{exchange.method} {endpoint.template}",
            address=exchange.address,
            user_agent=user_agent(exchange.headers.get(b"user-agent", b"")),
            tell=exchange.add_header,
        )
        wanted = requested_timeout(exchange.headers)
        own = endpoint.timeout if endpoint.policy is None else self._ingress.timeout(endpoint.policy)
        exchange.hurried = wanted is not None and wanted < own
        timeout = own if wanted is None else min(wanted, own)
        enter(
            Call(
                principal=principal,
                authorization=f"Bearer {principal.token}" if principal else None,
                deadline=asyncio.get_running_loop().time() + timeout,
                forwarded=CallOrigin(exchange.address, user_agent(exchange.headers.get(b"user-agent", b""))),
            )
        )
        admitted = self._ingress.admit(
            endpoint.policy, principal, authorization=authorization, address=exchange.address, tell=exchange.add_header
        )
        async with admitted:
            await endpoint.serve(exchange)

    async def _authorization(self, exchange: Exchange, endpoint: Endpoint) -> bytes | None:
        """The header; for a stream, the one that the token in its URL stands for (RFC 6750, 2: not both); or what the cookie does."""
        header = exchange.headers.get(b"authorization")
        unary = endpoint.policy is None or endpoint.policy.kind is MethodKind.UNARY_UNARY
        if exchange.method == "GET" and not unary:
            header = await self._of_stream_token(exchange, endpoint, header)
        if header is None and not endpoint.public:
            return self._sessions.credential(exchange, safe=exchange.method == "GET" and unary)
        return header

    async def _of_stream_token(self, exchange: Exchange, endpoint: Endpoint, header: bytes | None) -> bytes | None:
        token, exchange.query_string = shown_token(exchange.query_string)
        if token is None:
            return header
        if header is not None:
            raise HeadersInvalid.at("authorization", "given beside access_token")
        place = f"{exchange.method} {endpoint.template}"
        return await self._ingress.open_stream(token, path=exchange.path, place=place, address=exchange.address, tell=exchange.add_header)

    async def _options(self, exchange: Exchange) -> None:
        """Tells what a path takes, before anybody is asked who they are (RFC 9110, 9.3.7; Fetch, 3.2)."""
        allowed = _derived(self._routes.allowed(exchange.path))
        if not allowed:
            raise RouteNotFound
        headers = [(b"allow", ", ".join(allowed).encode()), *self._cors.preflight(exchange, allowed)]
        await exchange.send(204, headers, b"")

    async def _fail(self, exchange: Exchange, error: TocsinError, trace_id: str, endpoint: Endpoint | None) -> None:
        if exchange.sent:
            await self._fail_late(exchange, error, trace_id)
            return
        try:
            found = (endpoint.problem(exchange) if endpoint else problem)(error, trace_id)
        except Exception as broken:  # noqa: BLE001 - an error that cannot be shown is shown as one
            _log.error("error not shown", exc_info=broken)
            found = problem(Internal(), trace_id)
        await exchange.send(found.status, found.headers, found.body)
        if found.status < _FAILED:
            exchange.status = http_status(error)  # gRPC-Web says in its trailers what went wrong

    async def _fail_late(self, exchange: Exchange, error: TocsinError, trace_id: str) -> None:
        """Tells of an error when the head is out and says that all is well: as the stream does, or by a body that is cut off."""
        if exchange.late_error is None:
            _log.error("response cut off", error=error.message)
            return
        exchange.status = http_status(error)
        with contextlib.suppress(Disconnected):
            await exchange.write(exchange.late_error(error, trace_id))
            await exchange.end()

    def _record(self, exchange: Exchange, method: str, template: str, seconds: float) -> None:
        self._metrics.observe(method if method in _KNOWN_METHODS else "OTHER", template, exchange.status, seconds)
        self._ingress.access_log.write(
            "request",
            method=method[:16],
            route=template,
            status=exchange.status,
            seconds=seconds,
            principal=exchange.principal,
            address=exchange.address,
        )


_EXCHANGES: Final[Mapping[str, type[Exchange]]] = {"http": Exchange, "websocket": SocketExchange}
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _derived(allowed: frozenset[str]) -> list[str]:
    """``allowed`` with the methods that come along: HEAD with GET, and OPTIONS with any."""
    if not allowed:
        return []
    return sorted({*allowed, *(("HEAD",) if "GET" in allowed else ()), "OPTIONS"})


def _with_derived_methods(error: TocsinError) -> TocsinError:
    return MethodNotAllowed(_derived(frozenset(error.allowed))) if isinstance(error, MethodNotAllowed) else error
