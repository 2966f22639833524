"""A server of gRPC whose loop of acceptance a caller cannot end.

grpc.aio (1.85) takes calls of every method that was not registered in one loop, and decodes their paths there: one request whose
``:path`` is not UTF-8 raises UnicodeDecodeError in it, and the whole server shuts down. Here every method is registered, so that its path
is known without looking at what a caller sent, and each has a loop of its own; a call that comes by none of them is UNIMPLEMENTED,
whatever its path. One loop a method costs less than grpc.aio's one for all, which waits anew for every method with every call.

This leans on names within grpcio, which is pinned to one minor version for that; tests/integration/mesh/test_hostile_peers.py tells when
they change.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import grpc
from grpc._cython import cygrpc

RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_grpc: Any = cygrpc  # an extension without types
_AioServer: type[Any] = _grpc.AioServer


class _Acceptor(_AioServer):
    """Takes calls, each method in a loop of its own."""

    def __init__(self, *, options: Sequence[tuple[str, Any]]) -> None:
        self._loop_of_calls = asyncio.get_running_loop()
        super().__init__(self._loop_of_calls, None, (), (), tuple(options), None)  # pyright: ignore[reportUnknownMemberType] - of Any
        self._known: dict[str, RpcHandler] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self.unknown = 0

    def add_registered_method_handlers(self, handlers: dict[str, RpcHandler]) -> None:
        """Adds handlers by path."""
        self._known.update(handlers)
        super().add_registered_method_handlers(handlers)  # pyright: ignore[reportUnknownMemberType] - likewise

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Task[None]":
        """Asked for once for each method, and again when its loop has ended by an error of gRPC's own kind."""
        return self._loop_of_calls.create_task(self._accept(method))

    async def _accept(self, method: bytes | None) -> None:
        resolver = _grpc._MethodResolver([], self._known)  # noqa: SLF001 - see the head of the file
        name = "unknown" if method is None else method.decode()
        request = self._request_call if method is None else partial(self._request_registered_call, method)
        while True:
            state = await request()
            self.unknown += method is None
            self._begin(name, resolver, state)

    def _begin(self, name: str, resolver: Any, state: Any) -> None:
        loop = self._loop_of_calls
        call = _grpc._handle_rpc(name, resolver, (), state, loop, False)  # noqa: SLF001 - likewise
        task = loop.create_task(_grpc._schedule_rpc_coro(call, state, loop, name))  # noqa: SLF001 - likewise
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)


class AcceptingServer(grpc.aio.Server):
    """What ``grpc.aio.server`` gives, for registered methods alone."""

    def __init__(self, *, options: Sequence[tuple[str, Any]]) -> None:
        """Listens nowhere yet.

        Args:
            options: gRPC's channel arguments.
        """
        self._acceptor = _Acceptor(options=options)

    @property
    def unknown(self) -> int:
        """How many calls came for methods that it does not have."""
        return self._acceptor.unknown

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Any) -> None:
        """Ignored: generated code adds the same handlers by `add_registered_method_handlers`."""

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, RpcHandler]) -> None:
        """Adds the handlers of one service, by the method's name."""
        self.add_handlers({f"/{service_name}/{method}": handler for method, handler in method_handlers.items()})

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
