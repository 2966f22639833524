"""An attempt at a unary call, made in the task of its caller.

grpc.aio (1.85) gives each call a task of its own and wraps its metadata twice, which costs a tenth of a whole call. The mesh awaits an
attempt where it makes it, and needs neither. Requests and answers are bytes here, so that their sizes are known; an answer that cannot be
read is an error (grpc.aio's answer is None then). Calls with interceptors or options take grpc.aio's own way.

This leans on names within grpcio, which is pinned to one minor version for that; tests/integration/mesh/test_grpc_conformance.py tells
when they change.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Final, TypeAlias

import grpc
from grpc._cython import cygrpc
from grpc.aio import _call

from tocsin.mesh.policy import MethodKind

_grpc: Any = cygrpc  # an extension without types
_aio: Any = _call
_Call: Any = _aio.Call
_error: Any = _aio._create_rpc_error  # noqa: SLF001 - see the head of the file
_LOCALLY: Final = "Locally cancelled by application!"
_UNREADABLE: Final = "Exception deserializing response!"


Sizes: TypeAlias = tuple[int, int]
"""Bytes of the messages that a call sent and received."""
NO_SIZES: Final = (-1, -1)
"""They are not known."""


def direct(channel: grpc.aio.Channel, kind: MethodKind, path: str, serialize: Any, deserialize: Any) -> Any:
    """What makes attempts at a method on a connection: a callable for calls with one request and one answer, else a `StreamMethod`.

    Args:
        channel: the connection.
        kind: which sides stream.
        path: of the method.
        serialize: of requests; None where they are bytes.
        deserialize: of answers, likewise.
    """
    # As generated stubs do: a registered method is looked up once, not with every call.
    options: dict[str, Any] = {"_registered_method": True}
    make: Any = partial(getattr(channel, kind.value), path, **options)
    multi = make(serialize, deserialize)
    seen = bool(multi._interceptors)  # noqa: SLF001 - they are to see messages
    if kind is MethodKind.UNARY_UNARY:
        return multi if seen else DirectMethod(multi, serialize, deserialize)
    return StreamMethod(multi) if seen else StreamMethod(make(None, None), serialize, deserialize, direct=True)


def readable(deserialize: Callable[[bytes], Any], answer: bytes) -> Any:
    """The message that ``answer`` is.

    Raises:
        grpc.aio.AioRpcError: INTERNAL: it is none.
    """
    try:
        return deserialize(answer)
    except Exception as error:
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, details=_UNREADABLE) from error


def sizes(call: Any) -> Sizes:
    """The bytes of an attempt, as far as they are known."""
    return (call.sent, call.received) if call.__class__ is DirectCall else NO_SIZES


class StreamMethod:
    """Makes attempts at a method with streams on one connection.

    Attributes:
        call: the multi-callable; of bytes if ``direct``.
        serialize: of requests, before they are given to it; None for none.
        deserialize: of answers, likewise.
        direct: whether what comes and goes is bytes.
    """

    __slots__ = ("call", "deserialize", "direct", "serialize")

    def __init__(self, call: Any, serialize: Any = None, deserialize: Any = None, *, direct: bool = False) -> None:
        self.call = call
        self.serialize = serialize
        self.deserialize = deserialize
        self.direct = direct


class DirectMethod:
    """Makes attempts at one method on one connection: a callable like that of the connection's channel."""

    __slots__ = ("_calls", "_channel", "_deserialize", "_handle", "_multi", "_path", "_serialize")

    def __init__(self, multi: Any, serialize: Any, deserialize: Any) -> None:
        """Takes gRPC's own.

        Args:
            multi: the multi-callable, which has no interceptors.
            serialize: of requests; None where they are bytes.
            deserialize: of answers, likewise.
        """
        self._multi = multi
        self._channel = multi._channel  # noqa: SLF001
        self._calls = multi._python_channel._active_calls  # noqa: SLF001 - that a channel waits for as it closes
        self._handle = multi._registered_call_handle  # noqa: SLF001
        self._path = multi._method  # noqa: SLF001
        self._serialize = serialize
        self._deserialize = deserialize

    def __call__(self, request: Any, *, timeout: float, metadata: tuple[tuple[str, str | bytes], ...], **options: Any) -> Any:
        """One attempt, which begins as it is awaited."""
        if options:
            return self._multi(request, timeout=timeout, metadata=metadata, **options)
        serialize = self._serialize
        data = request if serialize is None else serialize(request)
        core = self._channel.call(self._path, time.time() + timeout, None, None, self._handle)
        return DirectCall(core, data, metadata, self._deserialize, self._calls)


class DirectCall:
    """One attempt: what a caller may ask of a call of grpc.aio. Awaiting it, once, makes the attempt.

    Attributes:
        sent: bytes of the request.
        received: bytes of the answer, as soon as there is one.
    """

    __slots__ = ("__weakref__", "_calls", "_cython_call", "_data", "_deserialize", "_metadata", "received", "sent")

    def __init__(self, core: Any, data: bytes, metadata: tuple[Any, ...], deserialize: Any, calls: Any) -> None:
        self._cython_call = core
        self._data = data
        self._metadata = metadata
        self._deserialize = deserialize
        self._calls = calls
        self.sent = len(data)
        self.received = 0

    def __await__(self) -> Generator[Any, None, Any]:
        """The answer.

        Raises:
            grpc.aio.AioRpcError: the attempt failed.
            asyncio.CancelledError: it was cancelled here.
        """
        core = self._cython_call
        calls = self._calls
        calls.add(self)
        batch: Generator[Any, None, bytes | None] = core.unary_unary(self._data, self._metadata, _grpc.build_census_context()).__await__()
        try:
            answer = yield from batch
        except asyncio.CancelledError:
            self.cancel()
            raise
        finally:
            calls.discard(self)
        if answer is None or not core.is_ok():
            if core.is_locally_cancelled():
                raise asyncio.CancelledError
            raise _error(core._initial_metadata, core._status)  # noqa: SLF001
        self.received = len(answer)
        return answer if self._deserialize is None else readable(self._deserialize, answer)

    def cancel(self) -> bool:
        """Ends the attempt. Returns False if it was over."""
        core = self._cython_call
        if core.done():
            return False
        core.cancel(_LOCALLY)
        return True

    def done(self) -> bool:
        """Whether it is over."""
        return bool(self._cython_call.done())

    # Of grpc.aio's own, which ask the core of the call alone.
    cancelled = _Call.cancelled
    initial_metadata = _Call.initial_metadata
    trailing_metadata = _Call.trailing_metadata
    code = _Call.code
    details = _Call.details
    debug_error_string = _Call.debug_error_string
