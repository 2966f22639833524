"""The gRPC edge: takes any public RPC of any service as bytes, knows the caller, forwards."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote

import grpc
from opentelemetry.trace import SpanKind

from gateway.idempotency import HEADER as IDEMPOTENCY_KEY
from gateway.idempotency import IdempotentCalls, KeyedCall, refuse_key
from gateway.ingress import Ingress
from gateway.metrics import EdgeMetrics
from gateway.open_streams import OpenStreams
from gateway.passage import Headers, Passage, enter_passage
from gateway.ports import Backend
from gateway.transcoding.contract import Rpc
from gateway.transcoding.problems import HeadersInvalid
from tocsin.errors import Internal, MessageTooLarge, TocsinError
from tocsin.mesh.context import Call, CallOrigin, enter, user_agent
from tocsin.mesh.policy import MethodKind, MethodPolicy
from tocsin.mesh.server import write_all
from tocsin.mesh.spans import rpc_span
from tocsin.mesh.status import code_of, trailing_metadata
from tocsin.mesh.tokens import Principal
from tocsin.telemetry import BAGGAGE, TRACESTATE, carry_along, context_header, current_traceparent, extract, get_logger, trace_id_of

_log = get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]

_TWICE: Final = "authorization, once more"
"""Among the metadata of a call: there are two, of which another reader might believe the other."""


class EdgeBackend(Backend, Protocol):
    """Forwards calls of all four kinds."""

    def client_stream(self, path: str) -> Any:
        """The caller of an RPC whose requests stream."""
        ...

    def both_streams(self, path: str) -> Any:
        """The caller of an RPC that streams both ways."""
        ...


class EdgeHandlers:
    """Handlers of every public RPC, made once."""

    def __init__(
        self,
        *,
        stall_seconds: float,
        ingress: Ingress,
        keys: IdempotentCalls,
    ) -> None:
        """Makes none yet: see `serve`.

        Args:
            stall_seconds: how long a reader may take nothing.
            ingress: authentication, limits and records.
            keys: answers calls that are sent again.
        """
        self._stall_seconds = stall_seconds
        self._ingress = ingress
        self._keys = keys
        self._clock = ingress.clock
        self._telemetry = ingress.telemetry
        self._metrics = EdgeMetrics(ingress.telemetry.registry)
        self._open = OpenStreams()
        self._passes: Mapping[str, frozenset[str]] = {}
        self._handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def serve(self, rpcs: Sequence[Rpc], *, backend: EdgeBackend, passes: Mapping[str, frozenset[str]]) -> None:
        """Makes the handlers of these RPCs, and drops those that there were.

        Args:
            rpcs: what is served.
            backend: where calls go.
            passes: metadata that is passed on to services outside of the mesh, by path.
        """
        self._passes = passes
        self._handlers = {rpc.path: self._handler(rpc.policy, backend) for rpc in rpcs}

    @property
    def all(self) -> "Mapping[str, grpc.RpcMethodHandler[Any, Any]]":
        """The handlers by path."""
        return self._handlers

    def end_streams(self) -> None:
        """Ends every stream with UNAVAILABLE, so that its client goes elsewhere."""
        self._open.end()

    def resume(self) -> None:
        """Takes streams again after `end_streams`."""
        self._open.resume()

    def _handler(self, policy: MethodPolicy, backend: EdgeBackend) -> "grpc.RpcMethodHandler[Any, Any]":
        path = policy.path
        match policy.kind:
            case MethodKind.UNARY_UNARY:
                return grpc.unary_unary_rpc_method_handler(self._one(policy, backend.unary(path)))
            case MethodKind.STREAM_UNARY:
                return grpc.stream_unary_rpc_method_handler(self._one(policy, backend.client_stream(path)))
            case MethodKind.UNARY_STREAM:
                return grpc.unary_stream_rpc_method_handler(self._many(policy, backend.server_stream(path)))
            case MethodKind.STREAM_STREAM:
                return grpc.stream_stream_rpc_method_handler(self._many(policy, backend.both_streams(path)))

    def _one(self, policy: MethodPolicy, call: Any) -> Any:
        """The handler of a kind with one answer."""

        async def handle(request: Any, context: Context) -> bytes:
            async with _EdgeCall(self, policy, context) as served:
                await self._authorize(policy, context, served)
                async with self._admit(policy, served):
                    answer = await self._answered(policy, served, call, _bounded(policy, request))
                context.set_trailing_metadata(tuple(served.told))
                return answer
            raise AssertionError("an error ends the call")

        return handle

    async def _answered(self, policy: MethodPolicy, served: "_EdgeCall", call: Any, request: Any) -> bytes:
        """The answer of a call; of one with an idempotency-key, that of the first one."""
        raw = None if policy.side_effect_free else served.metadata.get(IDEMPOTENCY_KEY)
        if raw is None or policy.kind is not MethodKind.UNARY_UNARY:
            refuse_key(raw)
            return await call(request)
        keyed = KeyedCall.wanted(raw, principal=served.principal, policy=policy, payload=(request,), tell=served.tell)
        return await self._keys.answer(keyed, request, call)

    def _many(self, policy: MethodPolicy, call: Any) -> Any:
        """The handler of a kind whose answers stream."""

        async def handle(request: Any, context: Context) -> None:
            async with _EdgeCall(self, policy, context) as served:
                await self._authorize(policy, context, served)
                if not policy.side_effect_free:
                    refuse_key(served.metadata.get(IDEMPOTENCY_KEY))
                async with self._admit(policy, served):
                    await forward(request, context, served.told)

        async def forward(request: Any, context: Context, told: Sequence[tuple[str, str]]) -> None:
            # As the services do: a quiet stream has no message for minutes, and its client has to know that it was accepted.
            async with aclosing(self._open.through(call(_bounded(policy, request)))) as messages:
                await context.send_initial_metadata(tuple(told))
                sent = len(told)
                await write_all(messages, context, stall_seconds=self._stall_seconds)
                context.set_trailing_metadata(tuple(told[sent:]))  # a service outside of the mesh may have said more

        return handle

    def _admit(self, policy: MethodPolicy, served: "_EdgeCall") -> AbstractAsyncContextManager[None]:
        authorization = served.metadata.get("authorization")
        return self._ingress.admit(policy, served.principal, authorization=authorization, address=served.address, tell=served.tell)

    async def _authorize(self, policy: MethodPolicy, context: Context, served: "_EdgeCall") -> None:
        """Knows the caller and sets the deadline.

        Raises:
            TocsinError: the call may not be made.
        """
        if _TWICE in served.metadata:
            raise HeadersInvalid.at("authorization", "given twice")
        principal = served.principal = await self._ingress.authorize(
            served.metadata.get("authorization"),
            public=policy.public,
            scope=policy.scope,
            place=policy.path,
            address=served.address,
            user_agent=user_agent(served.metadata.get("user-agent", b"")),
            tell=served.tell,
        )
        remaining = cast("float | None", context.time_remaining())
        own = self._ingress.timeout(policy)
        timeout = own if remaining is None else min(own, remaining)
        authorization = f"Bearer {principal.token}" if principal else None
        deadline = asyncio.get_running_loop().time() + timeout
        client = CallOrigin(served.address, user_agent(served.metadata.get("user-agent", b"")))
        enter(Call(principal=principal, authorization=authorization, deadline=deadline, forwarded=client))
        if (names := self._passes.get(policy.path)) is not None:
            sent = tuple((key, value) for key, value in context.invocation_metadata() or () if key in names)
            enter_passage(Passage(sent, served.pass_back))

    def begin(self, policy: MethodPolicy, metadata: Mapping[str, bytes]) -> Any:
        """The span of one RPC."""
        given = metadata.get("traceparent")
        parent = extract([("traceparent", given)]) if given is not None else None
        names = (BAGGAGE,) if parent is None else (TRACESTATE, BAGGAGE)
        carry_along(tuple(pair for name in names for pair in context_header(name, metadata.get(name, b""))))
        parent = parent or self._telemetry.root()
        return rpc_span(self._telemetry, policy.path, kind=SpanKind.SERVER, traceparent=parent)

    def client(self, context: Context) -> str:
        """The address of the client."""
        return self._ingress.proxies.client(_address(context.peer()), context.invocation_metadata() or ())

    def now(self) -> float:
        """Seconds on the clock that measures durations."""
        return self._clock.monotonic()

    def record(self, policy: MethodPolicy, code: str, seconds: float, *, principal: Principal | None, address: str) -> None:
        """Counts and logs one RPC."""
        self._metrics.observe(policy.path, code, seconds)
        self._ingress.access_log.write(
            "rpc", method=policy.method, route=policy.path, status=code, seconds=seconds, principal=principal, address=address
        )


def _bounded(policy: MethodPolicy, request: Any) -> Any:
    """``request``, or the stream of them, no message of which is larger than the contract allows.

    Raises:
        MessageTooLarge: the request is; of a stream, where the message is read.
    """
    if isinstance(request, bytes):
        if len(request) > policy.max_request_bytes:
            raise MessageTooLarge(
                f"The request is larger than {policy.max_request_bytes:,} bytes.", metadata={"most_bytes": str(policy.max_request_bytes)}
            )
        return request
    return _each_bounded(policy, request)


async def _each_bounded(policy: MethodPolicy, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for request in requests:
        yield _bounded(policy, request)


class _EdgeCall:
    """One RPC being served: its span, its record, and its errors as statuses."""

    def __init__(self, edge: EdgeHandlers, policy: MethodPolicy, context: Context) -> None:
        self._edge = edge
        self._policy = policy
        self._context = context
        self._started = edge.now()
        self.metadata = _metadata(context)
        self.address = edge.client(context)
        self.principal: Principal | None = None
        self.told: list[tuple[str, str]] = []
        self._span = edge.begin(policy, self.metadata)

    def tell(self, name: bytes, value: bytes) -> None:
        """Sends a field of the answer as metadata."""
        self.told.append((name.decode(), value.decode()))

    def pass_back(self, headers: Headers) -> None:
        """Sends what a service outside of the mesh said beside its answer."""
        self.told.extend((name, str(value)) for name, value in headers)

    async def __aenter__(self) -> "_EdgeCall":
        self._span.__enter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: Any) -> None:
        code = "OK"
        try:
            if isinstance(error, Exception):
                found = error if isinstance(error, TocsinError) else Internal()
                if found is not error:
                    _log.error("rpc failed", exc_info=error)
                status = code_of(found)
                code = status.name
                trace = current_traceparent()
                trailers = trailing_metadata(found, trace_id=trace_id_of(trace) if trace else None)
                await self._context.abort(status, found.message, (*self.told, *trailers))
            elif error is not None:
                code = "CANCELLED"
        finally:
            self._edge.record(self._policy, code, self._edge.now() - self._started, principal=self.principal, address=self.address)
            self._span.__exit__(kind, error, traceback)


def _address(peer: str) -> str:
    """The client's IP address, of gRPC's name for it: ``ipv4:192.0.2.1:55000`` or ``ipv6:%5B2001:db8::1%5D:55000``; else empty."""
    family, _, place = unquote(peer).partition(":")
    return place.rpartition(":")[0].strip("[]") if family in ("ipv4", "ipv6") else ""


def _metadata(context: Context) -> dict[str, bytes]:
    """The metadata that the edge reads; nothing else of what a client sends goes any further."""
    found: dict[str, bytes] = {}
    for key, value in context.invocation_metadata() or ():
        if key in ("authorization", IDEMPOTENCY_KEY, "traceparent", TRACESTATE, BAGGAGE, "user-agent"):
            if key == "authorization" and key in found:
                key = _TWICE
            found[key] = value.encode("latin-1", "replace") if isinstance(value, str) else bytes(value)
    return found
