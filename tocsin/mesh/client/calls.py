"""The multi-callables that generated stubs get: one class per kind of method.

They offer what those of grpc.aio offer, and calls are gRPC's ``Call``; tests/integration/mesh/test_grpc_conformance.py asks both the same.
Errors are those of `tocsin.errors` and gRPC's ``AioRpcError`` in one. ``with_call`` returns the metadata along with the answer.
"""

from contextlib import nullcontext
from typing import Any, Final, NamedTuple

import grpc

from tocsin.errors import TocsinError, Unavailable
from tocsin.mesh.client.direct_call import StreamMethod, readable, sizes
from tocsin.mesh.client.final_status import keep_final_status
from tocsin.mesh.client.method import MINIMUM, Metadata, Pick, Picker, traced
from tocsin.mesh.client.request_stream import Requests
from tocsin.mesh.client.stream_call import Extra, StreamCall
from tocsin.mesh.client.stream_count import StreamCount
from tocsin.mesh.client.unary_call import StreamUnaryCall, UnaryCall
from tocsin.mesh.spans import CARRIED
from tocsin.mesh.status import is_unsent
from tocsin.telemetry import current_traceparent

_NO_SPAN: Final = nullcontext()
_FURTHER: Final = ("credentials", "wait_for_ready", "compression")
"""What grpc.aio takes by place as well, after the metadata of a call with a stream of requests."""


class CallResult(NamedTuple):
    """An answer with the metadata that came with it."""

    value: Any
    initial_metadata: Metadata
    trailing_metadata: Metadata


def _ignored(code: grpc.StatusCode, seconds: float) -> None:
    """The call tells of its end itself."""


class UnaryUnary(grpc.aio.UnaryUnaryMultiCallable[Any, Any]):
    """Calls a method with one request and one answer."""

    def __init__(self, picker: Picker) -> None:
        self._picker = picker
        self._method = picker.shared.method
        self._mirror = picker.mirror
        self.ended = self._method.call_ended
        self.tap = self._method.tap

    def __call__(self, request: Any, *, timeout: float | None = None, metadata: Extra = None, **options: Any) -> Any:
        """A `UnaryCall`, which gives the answer when it is awaited.

        Args:
            request: a message, or bytes when the channel was given no serializer.
            timeout: seconds; more than the declared timeout has no effect.
            metadata: sent along.
            options: of gRPC: ``credentials``, ``wait_for_ready``, ``compression``.

        Raises:
            TocsinError: how the call failed, when it is awaited.
        """
        return UnaryCall(self, request, timeout, metadata, options)

    async def with_call(self, request: Any, *, timeout: float | None = None, metadata: Extra = None, **options: Any) -> CallResult:
        """Like a plain call, and returns the metadata as well."""
        return await _reply(UnaryCall(self, request, timeout, metadata, options))

    def deadline(self, timeout: float | None) -> float:
        """See `Method.deadline`."""
        return self._method.deadline(timeout)

    async def run(self, call: UnaryCall) -> Any:
        """The answer to ``call``, which is told of each attempt."""
        method = self._method
        deadline = call.deadline = method.deadline(call.timeout)
        headers = method.headers(call.metadata)
        trace = method.trace()
        request = call.request
        identity = method.policy.identity
        if identity is not None:
            request = identity.ensured(request)
        if self._mirror is not None and self._mirror.on:
            self._mirror.offer(request, traced(headers, trace), deadline - call.loop.time())
        picker = self._picker
        tried: set[str] = set()  # a set[str]() takes half a microsecond more

        async def attempt() -> Any:
            pick = await picker.pick(tried) if picker.balanced else picker.shared
            return await self._attempt(pick, call, request, deadline, headers, trace)

        try:
            if method.hedger is not None:
                return await method.hedger.run(attempt)
            if picker.balanced:
                return await attempt()
            return await self._attempt(picker.shared, call, request, deadline, headers, trace)
        except TocsinError as error:
            if method.retrier is None or not method.retrier.heals(error):
                if not (picker.balanced and is_unsent(error.__cause__)):
                    raise
                return await attempt()
            first = error
        return await method.retrier.after(first, attempt, lambda: deadline - call.loop.time() - MINIMUM)

    async def _attempt(self, pick: Pick, call: UnaryCall, request: Any, deadline: float, headers: Metadata, trace: str | None) -> Any:
        method, wire = pick
        now = call.loop.time
        span = method.span(trace, call.attempts)
        call.attempts += 1
        with span or _NO_SPAN as recorded:
            started = now()
            timeout = method.attempt_seconds(deadline - started)
            permit = method.admit(timeout)
            sent = traced(headers, trace if span is None else current_traceparent())
            raw: Any = None
            try:
                raw = wire()(request, timeout=timeout, metadata=sent, **call.options)
                call.wire = raw
                value = await raw
            except grpc.aio.AioRpcError as error:
                raise method.failed(permit, error, now() - started, timeout, sent=sizes(raw)) from error
            except BaseException:
                method.abandoned(permit, now() - started, sizes(raw))
                raise
            finally:
                if recorded is not None:
                    recorded.set_attribute(CARRIED, getattr(raw, "carried", False))
            method.succeeded(permit, now() - started, *sizes(raw))
            call.wire = raw  # of two hedged attempts the one that answered first
            return value


class StreamUnary(grpc.aio.StreamUnaryMultiCallable[Any, Any]):
    """Calls a method with a stream of requests and one answer; once they are on their way it is never tried again: they are spent."""

    def __init__(self, picker: Picker) -> None:
        self._picker = picker
        self.ended = picker.shared.method.call_ended
        self.tap = picker.shared.method.tap

    def __call__(
        self, request_iterator: Any = None, timeout: float | None = None, metadata: Extra = None, *further: Any, **options: Any
    ) -> Any:
        """A `StreamUnaryCall`, which sends what ``request_iterator`` yields; an error of the iterator is raised where it is awaited.

        Without ``request_iterator`` the requests are written with ``write`` and ended with ``done_writing``.
        """
        return StreamUnaryCall(self, request_iterator, timeout, metadata, _named(further, options))

    async def with_call(self, request_iterator: Any, *, timeout: float | None = None, metadata: Extra = None, **options: Any) -> CallResult:
        """Like a plain call, and returns the metadata as well."""
        return await _reply(StreamUnaryCall(self, request_iterator, timeout, metadata, options))

    def deadline(self, timeout: float | None) -> float:
        """See `Method.deadline`."""
        return self._picker.shared.method.deadline(timeout)

    async def run(self, call: Any) -> Any:
        """The answer to ``call``, which is told of each attempt."""
        picker, source = self._picker, Requests(call.request)
        tried: set[str] = set()
        method = picker.shared.method
        deadline = call.deadline = method.deadline(call.timeout)
        headers = method.headers(call.metadata)
        while True:
            pick = await picker.pick(tried) if picker.balanced else picker.shared
            try:
                return await self._attempt(pick, call, source, deadline, headers)
            except Unavailable as error:
                if pick is picker.shared or not is_unsent(error.__cause__) or not source.repeatable:
                    raise

    async def _attempt(self, pick: Pick, call: StreamUnaryCall, source: Requests, deadline: float, headers: Metadata) -> Any:
        method, wire = pick
        started = call.loop.time()
        permit = method.admit(deadline - started)
        dial: StreamMethod = wire()
        source.serialize = dial.serialize
        count = StreamCount(whole=_ignored, clock=call.loop.time)
        sent = traced(headers, count.attempt(method, method.trace(), sizes_known=dial.direct))
        try:
            raw = keep_final_status(dial.call(aiter(source), timeout=deadline - started, metadata=sent, **call.options))
            call.dialled(raw)
            answer = await raw
            value = answer if dial.deserialize is None else readable(dial.deserialize, answer)
        except grpc.aio.AioRpcError as error:
            found = method.failed(permit, error, call.loop.time() - started, deadline - started)
            count.sent = source.sent
            count.attempt_ended(error.code(), found)
            raise found from error
        except BaseException:
            method.abandoned(permit)
            count.sent = source.sent
            count.attempt_ended(grpc.StatusCode.CANCELLED)
            source.reraise()
            raise
        method.succeeded(permit, call.loop.time() - started, stream=True)
        count.sent, count.received = source.sent, len(answer) if dial.direct else 0
        count.attempt_ended(grpc.StatusCode.OK)
        return value


class UnaryStream(grpc.aio.UnaryStreamMultiCallable[Any, Any]):
    """Calls a method with one request and a stream of answers; tried again until the first answer came, if it is idempotent."""

    def __init__(self, picker: Picker) -> None:
        self._picker = picker

    def __call__(self, request: Any, *, timeout: float | None = None, metadata: Extra = None, **options: Any) -> Any:
        """A `StreamCall`; nothing is sent before its first read."""
        return StreamCall(self._picker, request, timeout, metadata, options, retry=True)


class StreamStream(grpc.aio.StreamStreamMultiCallable[Any, Any]):
    """Calls a method with streams both ways; never tried again."""

    def __init__(self, picker: Picker) -> None:
        self._picker = picker

    def __call__(
        self, request_iterator: Any = None, timeout: float | None = None, metadata: Extra = None, *further: Any, **options: Any
    ) -> Any:
        """A `StreamCall`; nothing is sent before its first read or write.

        Without ``request_iterator`` the requests are written with ``write`` and ended with ``done_writing``.
        """
        source = None if request_iterator is None else Requests(request_iterator)
        return StreamCall(self._picker, source, timeout, metadata, _named(further, options), retry=False)


async def _reply(call: UnaryCall) -> CallResult:
    value = await call
    return CallResult(value, tuple(await call.initial_metadata()), tuple(await call.trailing_metadata()))


def _named(further: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The options of a call, by name."""
    return {**dict(zip(_FURTHER, further, strict=False)), **options} if further else options
