"""The multi-callables that generated stubs get: one class per kind of method.

They offer what generated asynchronous stubs offer, with two differences: a unary call is a coroutine (``with_call`` returns the metadata
along with the answer), and errors are those of `tocsin.errors`. A stream begins with the first read or write, not when it is made.
"""

import asyncio
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, Final, NamedTuple

import grpc

from tocsin.errors import DeadlineExceeded, Unavailable
from tocsin.mesh.breaker import Permit
from tocsin.mesh.client.final_status import keep_final_status
from tocsin.mesh.client.method import MINIMUM, Metadata, Pick, Picker
from tocsin.mesh.client.request_stream import Requests
from tocsin.mesh.retry import retryable
from tocsin.mesh.status import is_unsent
from tocsin.telemetry import TRACEPARENT, current_traceparent

_NO_SPAN: Final = nullcontext()

Extra = Iterable[tuple[str, str | bytes]] | None


class CallResult(NamedTuple):
    """An answer with the metadata that came with it."""

    value: Any
    initial_metadata: Metadata
    trailing_metadata: Metadata


def _now() -> float:
    return asyncio.get_running_loop().time()


class UnaryUnary(grpc.aio.UnaryUnaryMultiCallable[Any, Any]):
    """Calls a method with one request and one answer."""

    def __init__(self, picker: Picker) -> None:
        self._picker = picker
        self._method = picker.shared.method

    def __call__(self, request: Any, *, timeout: float | None = None, metadata: Extra = None, **options: Any) -> Any:
        """A coroutine that returns the answer.

        Args:
            request: a message, or bytes when the channel was given no serializer.
            timeout: seconds; more than the declared timeout has no effect.
            metadata: sent along.
            options: of gRPC: ``wait_for_ready``, ``compression``.

        Raises:
            TocsinError: how the call failed.
        """
        return self._call(request, timeout, metadata, options, None)

    async def with_call(self, request: Any, *, timeout: float | None = None, metadata: Extra = None, **options: Any) -> CallResult:
        """Like a plain call, and returns the metadata as well."""
        seen: list[Any] = []
        value = await self._call(request, timeout, metadata, options, seen)
        return await _reply(value, seen[-1])

    async def _call(self, request: Any, timeout: float | None, metadata: Extra, options: dict[str, Any], seen: list[Any] | None) -> Any:
        method = self._method
        deadline = method.deadline(timeout)
        headers = method.headers(metadata)
        trace = method.trace()
        identity = method.policy.identity
        if identity is not None:
            request = identity.ensured(request)
        picker, tried = self._picker, set[str]()

        async def attempt() -> Any:
            pick = await picker.pick(tried) if picker.balanced else picker.shared
            return await self._attempt(pick, request, deadline, headers, trace, options, seen)

        try:
            if method.hedger is not None:
                return await method.hedger.run(attempt)
            if picker.balanced:
                return await attempt()
            return await self._attempt(picker.shared, request, deadline, headers, trace, options, seen)
        except Unavailable as error:
            if method.retrier is None or not retryable(error):
                if not (picker.balanced and is_unsent(error.__cause__)):
                    raise
                return await attempt()
            first = error
        return await method.retrier.after(first, attempt, lambda: deadline - _now() - MINIMUM)

    async def _attempt(
        self,
        pick: Pick,
        request: Any,
        deadline: float,
        headers: Metadata,
        trace: str | None,
        options: dict[str, Any],
        seen: list[Any] | None,
    ) -> Any:
        method, wire = pick
        span = method.span(trace)
        with span or _NO_SPAN:
            started = _now()
            timeout = deadline - started
            permit = method.admit(timeout)
            sent = _traced(headers, trace if span is None else current_traceparent())
            try:
                call = wire()(request, timeout=timeout, metadata=sent, **options)
                if seen is not None:
                    seen.append(call)
                value = await call
            except grpc.aio.AioRpcError as error:
                raise method.failed(permit, error, _now() - started, timeout) from error
            except BaseException:
                method.abandoned(permit, _now() - started)
                raise
            method.succeeded(permit, _now() - started)
            return value


class StreamUnary(grpc.aio.StreamUnaryMultiCallable[Any, Any]):
    """Calls a method with a stream of requests and one answer; once they are on their way it is never tried again: they are spent."""

    def __init__(self, picker: Picker) -> None:
        self._picker = picker

    def __call__(self, request_iterator: Any = None, timeout: float | None = None, metadata: Extra = None, *_: Any, **options: Any) -> Any:
        """A coroutine that sends what ``request_iterator`` yields and returns the answer; an error of the iterator is raised here."""
        return self._call(request_iterator, timeout, metadata, options, [])

    async def with_call(self, request_iterator: Any, *, timeout: float | None = None, metadata: Extra = None, **options: Any) -> CallResult:
        """Like a plain call, and returns the metadata as well."""
        seen: list[Any] = []
        value = await self._call(request_iterator, timeout, metadata, options, seen)
        return await _reply(value, seen[-1])

    async def _call(self, requests: Any, timeout: float | None, metadata: Extra, options: dict[str, Any], seen: list[Any]) -> Any:
        picker, tried, source = self._picker, set[str](), Requests(requests)
        method = picker.shared.method
        deadline, headers = method.deadline(timeout), method.headers(metadata)
        while True:
            pick = await picker.pick(tried) if picker.balanced else picker.shared
            try:
                return await self._attempt(pick, source, deadline, headers, options, seen)
            except Unavailable as error:
                if pick is picker.shared or not is_unsent(error.__cause__) or not source.repeatable:
                    raise

    async def _attempt(
        self, pick: Pick, source: Requests, deadline: float, headers: Metadata, options: dict[str, Any], seen: list[Any]
    ) -> Any:
        method, wire = pick
        trace, started = method.trace(), _now()
        permit = method.admit(deadline - started)
        try:
            call = keep_final_status(wire()(aiter(source), timeout=deadline - started, metadata=_traced(headers, trace), **options))
            seen.append(call)
            value = await call
        except grpc.aio.AioRpcError as error:
            raise method.failed(permit, error, _now() - started, deadline - started) from error
        except BaseException:
            method.abandoned(permit)
            source.reraise()
            raise
        method.succeeded(permit, _now() - started, stream=True)
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

    def __call__(self, request_iterator: Any = None, timeout: float | None = None, metadata: Extra = None, *_: Any, **options: Any) -> Any:
        """A `StreamCall`; nothing is sent before its first read or write.

        Without ``request_iterator`` the requests are written with ``write`` and ended with ``done_writing``.
        """
        source = None if request_iterator is None else Requests(request_iterator)
        return StreamCall(self._picker, source, timeout, metadata, options, retry=False)


class StreamCall:
    """One call whose answers are a stream: an asynchronous iterator, with gRPC's other methods of such a call."""

    __slots__ = (
        "_answered",
        "_beginning",
        "_call",
        "_cancelled",
        "_deadline",
        "_headers",
        "_method",
        "_options",
        "_permit",
        "_picker",
        "_retrier",
        "_source",
        "_started",
        "_stream_accepted",
        "_timeout",
        "_trace",
        "_tried",
    )

    def __init__(
        self, picker: Picker, source: Any, timeout: float | None, metadata: Extra, options: dict[str, Any], *, retry: bool
    ) -> None:
        method = picker.shared.method
        self._picker = picker
        self._method = method
        self._retrier = method.retrier if retry else None
        self._source = source
        self._options = options
        self._deadline = method.deadline(timeout)
        self._headers = method.headers(metadata)
        self._trace = method.trace()
        self._tried: set[str] = set()
        self._call: Any = None
        self._beginning = asyncio.Lock()
        self._permit: Permit | None = None
        self._stream_accepted = self._answered = False
        self._cancelled = False
        self._started = self._timeout = 0.0

    def __aiter__(self) -> "StreamCall":
        return self

    async def __anext__(self) -> Any:
        message = await self.read()
        if message is grpc.aio.EOF:
            raise StopAsyncIteration
        return message

    async def read(self) -> Any:
        """The next answer; ``grpc.aio.EOF`` at the end.

        Raises:
            TocsinError: how the stream failed.
        """
        if self._call is not None:
            return await self._read()
        retrier = self._retrier
        try:
            await self._begun()
            return await self._read()
        except Unavailable as error:
            if retrier is None or not retryable(error):
                raise
            first = error
        return await retrier.after(first, self._again, lambda: self._deadline - _now() - MINIMUM)

    async def write(self, request: Any) -> None:
        """Sends one request; waits while the far end takes no more.

        Raises:
            TocsinError: the stream has failed.
        """
        call = await self._begun()
        try:
            await call.write(request)
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        except asyncio.InvalidStateError:
            if call.done():
                await self._read()  # tells how it ended
            raise

    async def done_writing(self) -> None:
        """Tells the far end that no more requests come."""
        await (await self._begun()).done_writing()

    def cancel(self) -> bool:
        """Ends the call; a read under way raises CancelledError. Returns False if it was over."""
        self._cancelled = True
        self._abandon()
        return bool(self._call.cancel()) if self._call is not None else True

    def done(self) -> bool:
        """Whether the call is over."""
        return self._cancelled or (self._call is not None and bool(self._call.done()))

    async def initial_metadata(self) -> Metadata:
        """The metadata that came before the first answer; begins the call if need be."""
        return tuple(await (await self._begun()).initial_metadata())

    async def trailing_metadata(self) -> Metadata:
        """The metadata that came after the last answer; empty when the call never began."""
        return () if self._call is None else tuple(await self._call.trailing_metadata())

    async def _again(self) -> Any:
        await self._open()
        return await self._read()

    async def _begun(self) -> Any:
        """The call, which the first read or write begins; both may come at once."""
        if self._call is None:
            async with self._beginning:
                if self._call is None:
                    await self._open()
        return self._call

    async def _open(self) -> None:
        picker = self._picker
        self._method, dial = await picker.pick(self._tried) if picker.balanced else picker.shared
        if self._cancelled:
            raise asyncio.CancelledError
        self._started = _now()
        self._timeout = self._deadline - self._started
        if self._timeout <= 0:
            raise DeadlineExceeded
        self._permit = self._method.admit(self._timeout)
        self._stream_accepted = self._answered = False
        metadata = _traced(self._headers, self._trace)
        wire = dial()
        if isinstance(self._source, Requests):
            self._call = keep_final_status(wire(aiter(self._source), timeout=self._timeout, metadata=metadata, **self._options))
        elif self._source is None:
            self._call = keep_final_status(wire(timeout=self._timeout, metadata=metadata, **self._options))
        else:
            self._call = wire(self._source, timeout=self._timeout, metadata=metadata, **self._options)

    async def _read(self) -> Any:
        call = self._call
        try:
            if not self._stream_accepted:
                # A server sends its initial metadata as soon as it has accepted the call; the first message may take minutes.
                await call.initial_metadata()
                if not call.done():
                    self._stream_accepted, self._permit = True, self._method.stream_accepted(self._permit)
            message = await call.read()
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        except BaseException:
            self._abandon()
            if isinstance(self._source, Requests):
                self._source.reraise()
            raise
        if not self._answered:
            self._answered = True
            self._method.succeeded(self._permit, _now() - self._started, stream=True)
        return message

    def _failed(self, error: grpc.aio.AioRpcError) -> Exception:
        # With the permit gone, a second report of the same end would count nothing twice.
        permit, self._permit = self._permit, None
        return self._method.failed(permit, error, _now() - self._started, self._timeout, stream_accepted=self._stream_accepted)

    def _abandon(self) -> None:
        permit, self._permit = self._permit, None
        self._method.abandoned(permit)


def _traced(headers: Metadata, trace: str | None) -> Metadata:
    return headers if trace is None else (*headers, (TRACEPARENT, trace))


async def _reply(value: Any, call: Any) -> CallResult:
    return CallResult(value, tuple(await call.initial_metadata()), tuple(await call.trailing_metadata()))
