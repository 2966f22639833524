"""An attempt at a unary call, made in the task of its caller.

grpc.aio (1.85) gives each call a task of its own and wraps its metadata twice, which costs a tenth of a whole call. The mesh awaits an
attempt where it makes it, and needs neither. Requests and answers are bytes here, so that their sizes are known; an answer that cannot be
read is an error (grpc.aio's answer is None then). Calls with interceptors or options take grpc.aio's own way.

This leans on names within grpcio. Where they are not what they are in the versions that it was tried with, `LACKS` says so, and calls take
grpc.aio's own way, to the same effect; tests/integration/mesh/test_grpc_conformance.py asks both the same questions.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, ClassVar, Final, TypeAlias

import grpc

from tocsin.mesh.inner_names import CALL, CYTHON, lacking, module
from tocsin.mesh.policy import MethodKind
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_OF_A_CALL: Final = ("cancelled", "initial_metadata", "trailing_metadata", "code", "details", "debug_error_string")
LACKS: str = lacking(
    (
        (CYTHON, "build_census_context", ()),
        (CYTHON, "AioChannel.call", ("self", "method", "deadline", "python_call_credentials", "wait_for_ready", "registered_call_handle")),
        (CYTHON, "_AioCall.unary_unary", ("self", "request", "outbound_initial_metadata", "context")),
        (CYTHON, "_AioCall.receive_serialized_message", ("self",)),
        (CYTHON, "_AioCall.cancel", ("self", "details")),
        *((CYTHON, f"_AioCall.{name}", ("self",)) for name in ("done", "is_ok", "is_locally_cancelled")),
        *((CYTHON, f"_AioCall.{name}", None) for name in ("_initial_metadata", "_status")),
        (CALL, "_create_rpc_error", ("initial_metadata", "status")),
        *((CALL, f"Call.{name}", ("self",)) for name in _OF_A_CALL),
    )
)
"""What this grpcio has otherwise than those that calls were tried with; empty if nothing."""
if LACKS:
    _log.warning("grpcio has no direct calls", version=grpc.__version__, lacks=LACKS)

_grpc: Any = module(CYTHON)
_aio: Any = module(CALL)
_Call: Any = getattr(_aio, "Call", None)
_error: Any = getattr(_aio, "_create_rpc_error", None)
_OF_A_METHOD: Final = ("_channel", "_interceptors", "_method", "_python_channel", "_registered_call_handle")
LOCALLY: Final = "Locally cancelled by application!"
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
    seen = bool(getattr(multi, "_interceptors", True))  # they are to see messages
    if kind is not MethodKind.UNARY_UNARY:
        return StreamMethod(multi) if seen else StreamMethod(make(None, None), serialize, deserialize, direct=True)
    if seen:
        return multi
    if LACKS or not all(hasattr(multi, name) for name in _OF_A_METHOD) or not hasattr(channel, "_active_calls"):
        return PlainMethod(make(None, None), serialize, deserialize)
    return DirectMethod(multi, serialize, deserialize)


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
    return (call.sent, call.received) if getattr(call, "sized", False) else NO_SIZES


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

    sized: ClassVar[bool] = True
    """Whether its bytes are known."""

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
        core.cancel(LOCALLY)
        return True

    def done(self) -> bool:
        """Whether it is over."""
        return bool(self._cython_call.done())

    # Of grpc.aio's own, which ask the core of the call alone.
    cancelled, initial_metadata, trailing_metadata, code, details, debug_error_string = (getattr(_Call, name, None) for name in _OF_A_CALL)


class PlainMethod:
    """Makes attempts at one method in grpc.aio's own way: a callable like `DirectMethod`."""

    __slots__ = ("_deserialize", "_multi", "_serialize")

    def __init__(self, multi: Any, serialize: Any, deserialize: Any) -> None:
        """Takes gRPC's own.

        Args:
            multi: the multi-callable, of bytes.
            serialize: of requests; None where they are bytes.
            deserialize: of answers, likewise.
        """
        self._multi = multi
        self._serialize = serialize
        self._deserialize = deserialize

    def __call__(self, request: Any, *, timeout: float, metadata: tuple[tuple[str, str | bytes], ...], **options: Any) -> Any:
        """One attempt, which has begun."""
        data = request if self._serialize is None else self._serialize(request)
        return PlainCall(self._multi(data, timeout=timeout, metadata=metadata, **options), len(data), self._deserialize)


class PlainCall:
    """One attempt in grpc.aio's own way, whose answer is read as `DirectCall` reads it.

    Attributes:
        sent: bytes of the request.
        received: bytes of the answer, as soon as there is one.
    """

    __slots__ = ("__weakref__", "_call", "_deserialize", "received", "sent")

    sized: ClassVar[bool] = True
    """Whether its bytes are known."""

    def __init__(self, call: Any, sent: int, deserialize: Any) -> None:
        self._call = call
        self._deserialize = deserialize
        self.sent = sent
        self.received = 0

    def __await__(self) -> Generator[Any, None, Any]:
        """The answer; raises what a `DirectCall` raises."""
        made: Generator[Any, None, bytes] = self._call.__await__()
        answer = yield from made
        self.received = len(answer)
        return answer if self._deserialize is None else readable(self._deserialize, answer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)
