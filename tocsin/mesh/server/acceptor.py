"""A server of gRPC whose loop of acceptance a caller cannot end.

grpc.aio (1.85) takes calls of every method that was not registered in one loop, and decodes their paths there: one request whose
``:path`` is not UTF-8 raises UnicodeDecodeError in it, and the whole server shuts down. Here every method is registered, so that its path
is known without looking at what a caller sent, and each has a loop of its own; a call that comes by none of them is UNIMPLEMENTED,
whatever its path. One loop a method costs less than grpc.aio's one for all, which waits anew for every method with every call.

gRPC's core hands out as many calls as were asked for, and keeps the others, in the order of their coming and unseen by the process. A loop
that asks for one at a time gets one in each turn of the event loop: under load calls wait in the core for seconds, the critical ones behind
the others of their method, while the process believes that it has next to nothing to do. So a method asks for more as soon as all that it
asked for have come. Each call passes a gate first, which may refuse it for the price of one batch: no message is read, no handler made, and
no task. The message of one that passes is asked for at once, so that it is there when the call's own task begins.

This leans on names within grpcio. Where they are not what they are in the versions that it was tried with, `LACKS` says so, and the server
of grpc.aio takes the calls, with its fault; tests/integration/mesh/test_hostile_peers.py tells if that happens with the version that is
locked.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, cast

import grpc

from tocsin.mesh.inner_names import CYTHON, lacking, module
from tocsin.mesh.poller import unblock_poller
from tocsin.mesh.server.first_step import Started, Steps
from tocsin.mesh.server.judged import judged, log_no_noise
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Refusal(NamedTuple):
    """What the caller of a refused call is told.

    Attributes:
        code: number of the status.
        message: what happened.
        trailing: the trailing metadata.
    """

    code: int
    message: str
    trailing: tuple[tuple[str, str | bytes], ...]


Gate: TypeAlias = Callable[[Any], Refusal | None]
"""Is asked about each call with gRPC's state of it; None: it is served."""
_MOST_ASKED: Final = 32
"""Calls of one method that are asked for at a time."""
_AT_ONCE_SECONDS: Final = 0.002

_FINISHES: Final = ("rpc_state", "unary_handler", "request", "servicer_context", "response_serializer", "loop")
LACKS: str = lacking(
    (
        (CYTHON, "_handle_rpc", ("method_name", "method_resolver", "interceptors", "rpc_state", "loop", "concurrency_exceeded")),
        (CYTHON, "_schedule_rpc_coro", ("rpc_coro", "rpc_state", "loop", "method_name")),
        (CYTHON, "execute_batch", ("grpc_call_wrapper", "operations", "loop")),
        (CYTHON, "_receive_message", ("grpc_call_wrapper", "loop")),
        (CYTHON, "_finish_handler_with_unary_response", _FINISHES),
        *((CYTHON, f"{name}Operation", None) for name in ("SendInitialMetadata", "SendStatusFromServer", "ReceiveCloseOnServer")),
        *((CYTHON, name, None) for name in ("_MethodResolver", "_ServicerContext", "_RequestCallError", "ExecuteBatchError")),
        (CYTHON, "AioServer.add_registered_method_handlers", ("self", "method_handlers")),
        (CYTHON, "AioServer._make_request_call_future", ("self", "method_bytes")),
        (CYTHON, "AioServer._request_registered_call", ("self", "method")),
        *((CYTHON, f"AioServer.{name}", ("self",)) for name in ("_request_call", "start")),
        (CYTHON, "AioServer.shutdown", ("self", "grace")),
    )
)
"""What this grpcio has otherwise than those that servers were tried with; empty if nothing."""
if LACKS:
    _log.warning("grpcio has no loops of acceptance", version=grpc.__version__, lacks=LACKS)

_grpc: Any = module(CYTHON)
_AioServer: type[Any] = getattr(_grpc, "AioServer", object)


class _Server(Protocol):
    """Takes calls."""

    unknown: int
    """How many came for methods that it does not have."""

    def add_registered_method_handlers(self, handlers: dict[str, RpcHandler]) -> None:
        """Adds handlers by path."""
        ...

    def add_insecure_port(self, address: bytes) -> int:
        """The port; 0 if the address cannot be bound."""
        ...

    def add_secure_port(self, address: bytes, credentials: grpc.ServerCredentials) -> int:
        """Likewise."""
        ...

    async def start(self) -> None:
        """Begins."""
        ...

    async def shutdown(self, grace: float | None) -> None:
        """Ends."""
        ...

    async def wait_for_termination(self, timeout: float | None) -> bool:
        """Whether it was still there after ``timeout`` seconds."""
        ...


class _Acceptor(_AioServer):
    """Takes calls, each method in a loop of its own."""

    def __init__(self, *, options: Sequence[tuple[str, Any]], gates: Mapping[str, Gate]) -> None:
        self._loop_of_calls = asyncio.get_running_loop()
        unblock_poller()
        super().__init__(self._loop_of_calls, None, (), (), tuple(options), None)  # pyright: ignore[reportUnknownMemberType] - of Any
        self._gates = gates
        self._known: dict[str, RpcHandler] = {}
        self._calls: set[Steps] = set()
        self.unknown = 0

    def add_registered_method_handlers(self, handlers: dict[str, RpcHandler]) -> None:
        """Adds handlers by path."""
        self._known.update(handlers)
        super().add_registered_method_handlers(handlers)  # pyright: ignore[reportUnknownMemberType] - likewise

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Task[None]":
        """Asked for once for each method, and again when its loop has ended by an error of gRPC's own kind."""
        return self._loop_of_calls.create_task(self._accept(method))

    async def _accept(self, method: bytes | None) -> None:
        name = "unknown" if method is None else method.decode()
        request = self._request_call if method is None else partial(self._request_registered_call, method)
        handler = self._known.get(name)
        unary = None if handler is None or handler.request_streaming or handler.response_streaming else handler
        taken = _Taken(name, request, _grpc._MethodResolver([], self._known), self._gates.get(name), unary)  # noqa: SLF001 - see the head of the file
        await self._take(taken)

    async def _take(self, taken: "_Taken") -> None:
        while True:
            state = await taken.request()
            if len(taken.came) < _MOST_ASKED and taken.all_came():
                self._ask_for_more(taken)
            self.unknown += taken.name == "unknown"
            self._begin(taken, state)

    def _ask_for_more(self, taken: "_Taken") -> None:
        for _ in range(len(taken.helpers) + 1):
            helper = self._loop_of_calls.create_task(self._help(taken))
            taken.helpers.add(helper)
            helper.add_done_callback(taken.helpers.discard)
        taken.came = deque(taken.came, maxlen=len(taken.helpers) + 1)

    async def _help(self, taken: "_Taken") -> None:
        with suppress(_grpc._RequestCallError):  # noqa: SLF001 - the server stops, which the method's own loop is told as well
            await self._take(taken)

    def _begin(self, taken: "_Taken", state: Any) -> None:
        loop = self._loop_of_calls
        refusal = None if taken.gate is None else taken.gate(state)
        if refusal is not None:
            Steps(_refuse(state, refusal, loop), running=self._calls)
            return
        if taken.unary is None:
            call = _grpc._handle_rpc(taken.name, taken.resolver, (), state, loop, False)  # noqa: SLF001 - likewise
        else:
            call = _answer(taken.unary, state, Started(_grpc._receive_message(state, loop)), loop)  # noqa: SLF001 - likewise
        Steps(_grpc._schedule_rpc_coro(call, state, loop, taken.name), running=self._calls)  # noqa: SLF001 - likewise


class _PlainServer:
    """Takes calls as grpc.aio does, all methods in one loop."""

    def __init__(self, *, options: Sequence[tuple[str, Any]]) -> None:
        self._known: dict[str, RpcHandler] = {}
        self._server = grpc.aio.server(handlers=(_Lookup(self),), options=tuple(options))
        self.unknown = 0

    def find(self, method: str) -> "RpcHandler | None":
        """The handler of a call."""
        found = self._known.get(method)
        self.unknown += found is None
        return found

    def add_registered_method_handlers(self, handlers: dict[str, RpcHandler]) -> None:
        self._known.update(handlers)

    def add_insecure_port(self, address: bytes) -> int:
        return self._server.add_insecure_port(address.decode())

    def add_secure_port(self, address: bytes, credentials: grpc.ServerCredentials) -> int:
        return self._server.add_secure_port(address.decode(), credentials)

    async def start(self) -> None:
        await self._server.start()

    async def shutdown(self, grace: float | None) -> None:
        await self._server.stop(grace)

    async def wait_for_termination(self, timeout: float | None) -> bool:
        return bool(await self._server.wait_for_termination(timeout))


class _Lookup(grpc.GenericRpcHandler):
    """Asks a server for handlers."""

    def __init__(self, server: _PlainServer) -> None:
        self._server = server

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "RpcHandler | None":
        return self._server.find(handler_call_details.method)


async def _refuse(state: Any, refusal: Refusal, loop: asyncio.AbstractEventLoop) -> None:
    operations = (
        _grpc.SendInitialMetadataOperation((), 0),
        _grpc.SendStatusFromServerOperation(refusal.trailing, refusal.code, refusal.message, 0),
        _grpc.ReceiveCloseOnServerOperation(0),
    )
    with suppress(_grpc.ExecuteBatchError):  # its caller has gone
        await _grpc.execute_batch(state, operations, loop)


async def _answer(handler: RpcHandler, state: Any, message: Started, loop: asyncio.AbstractEventLoop) -> None:
    """What gRPC does with a call of one message and one answer, but that the message has been asked for."""
    raw = await message
    if raw is None:
        return  # the caller has gone
    request = raw if handler.request_deserializer is None else handler.request_deserializer(raw)
    context = _grpc._ServicerContext(state, None, None, loop)  # noqa: SLF001 - see the head of the file
    finish = _grpc._finish_handler_with_unary_response  # noqa: SLF001 - likewise
    await finish(state, handler.unary_unary, request, context, handler.response_serializer, loop)


def context_of(state: Any) -> "grpc.aio.ServicerContext[Any, Any]":
    """What is told of a call whose handler has not been made: by gRPC, or by the carrier that it came on."""
    context: grpc.aio.ServicerContext[Any, Any]
    if isinstance(state, grpc.aio.ServicerContext):
        context = cast("Any", state)
        return context
    context = _grpc._ServicerContext(state, None, None, asyncio.get_running_loop())  # noqa: SLF001
    return context


@dataclass(slots=True)
class _Taken:
    """What is known of one method while its calls are taken; ``came`` is when the newest came, one for each that is asked for."""

    name: str
    request: Callable[[], Awaitable[Any]]
    resolver: Any
    gate: Gate | None
    unary: "RpcHandler | None"
    """The handler, if a call has one message and one answer."""
    helpers: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    came: deque[float] = field(default_factory=lambda: deque[float](maxlen=1))

    def all_came(self) -> bool:
        """A call came; whether as many as were asked for have come at once, so that others may wait."""
        now = time.monotonic()
        self.came.append(now)
        return len(self.came) == self.came.maxlen and now - self.came[0] < _AT_ONCE_SECONDS


class AcceptingServer(grpc.aio.Server):
    """What ``grpc.aio.server`` gives, for registered methods alone."""

    def __init__(self, *, options: Sequence[tuple[str, Any]], gates: Mapping[str, Gate] | None = None) -> None:
        """Listens nowhere yet.

        Args:
            options: gRPC's channel arguments.
            gates: by path, what is asked about each call.
        """
        log_no_noise()
        self._acceptor: _Server = _PlainServer(options=options) if LACKS else _Acceptor(options=options, gates=gates or {})

    @property
    def unknown(self) -> int:
        """How many calls came for methods that it does not have."""
        return self._acceptor.unknown

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Any) -> None:
        """Ignored: generated code adds the same handlers by `add_registered_method_handlers`."""

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, RpcHandler]) -> None:
        """Adds the handlers of one service, by the method's name; they read messages themselves."""
        self.add_handlers({f"/{service_name}/{method}": judged(handler) for method, handler in method_handlers.items()})

    def add_handlers(self, handlers: Mapping[str, RpcHandler]) -> None:
        """Adds handlers by full path."""
        self._acceptor.add_registered_method_handlers(dict(handlers))

    def add_insecure_port(self, address: str) -> int:
        """Listens in plaintext; returns the port.

        Raises:
            RuntimeError: the address cannot be bound.
        """
        return _bound(address, self._acceptor.add_insecure_port(address.encode()))

    def add_secure_port(self, address: str, server_credentials: grpc.ServerCredentials) -> int:
        """Listens with TLS; returns the port.

        Raises:
            RuntimeError: the address cannot be bound.
        """
        return _bound(address, self._acceptor.add_secure_port(address.encode(), server_credentials))

    async def start(self) -> None:
        """Begins to take calls."""
        await self._acceptor.start()

    async def stop(self, grace: float | None) -> None:
        """Takes no more calls, and ends those under way after ``grace`` seconds."""
        await self._acceptor.shutdown(grace)

    async def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Returns when the server has stopped, or True after ``timeout`` seconds."""
        return bool(await self._acceptor.wait_for_termination(timeout))


def _bound(address: str, port: int) -> int:
    if not port:
        msg = f"cannot bind {address}"
        raise RuntimeError(msg)
    return port
