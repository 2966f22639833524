"""What a call whose answers are a stream returns: gRPC's ``Call``, whose attempts are the mesh's."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import grpc

from tocsin.errors import DeadlineExceeded, TocsinError
from tocsin.mesh.breaker import Permit
from tocsin.mesh.client.called_tap import StreamTap
from tocsin.mesh.client.direct_call import StreamMethod, readable
from tocsin.mesh.client.final_status import core_of, keep_final_status
from tocsin.mesh.client.method import MINIMUM, Picker, traced
from tocsin.mesh.client.request_stream import Requests
from tocsin.mesh.client.rpc_error import RpcFailure, as_rpc_error, kept
from tocsin.mesh.client.stream_count import StreamCount
from tocsin.mesh.client.unary_call import CANCELLED_HERE, DoneCallback

Extra = Iterable[tuple[str, str | bytes]] | None


def _now() -> float:
    return asyncio.get_running_loop().time()


class StreamCall:
    """One call whose answers are a stream: an asynchronous iterator, with gRPC's other methods of such a call.

    It begins with whatever is first asked of it, not when it is made: a watch that nobody reads costs the server nothing.
    """

    __slots__ = (
        "_answered",
        "_beginning",
        "_call",
        "_callbacks",
        "_cancelled",
        "_core",
        "_count",
        "_deadline",
        "_dialled",
        "_error",
        "_headers",
        "_may_retry",
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
        self._error: Exception | None = None
        try:
            self._deadline = method.deadline(timeout)
        except DeadlineExceeded as error:  # raised by the first read, as every way to fail
            self._deadline, self._error = _now(), kept(as_rpc_error(error))
        self._headers = method.headers(metadata)
        self._trace = trace = method.trace()
        tap = None if method.tap is None else StreamTap(method.tap, trace, one=not (source is None or isinstance(source, Requests)))
        self._count = StreamCount(whole=method.call_ended, clock=asyncio.get_running_loop().time, tap=tap)
        self._tried: set[str] = set()
        self._call: Any = None
        self._dialled: StreamMethod | None = None
        self._core: Any = None  # of an attempt whose first message came
        self._beginning = asyncio.Lock()
        self._permit: Permit | None = None
        self._stream_accepted = self._answered = False
        self._cancelled = self._may_retry = False
        self._callbacks: list[DoneCallback] | None = None
        self._started = self._timeout = 0.0

    def __aiter__(self) -> "StreamCall":
        return self

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        return self._next(iterating=True)

    def read(self) -> Coroutine[Any, Any, Any]:
        """The next answer; ``grpc.aio.EOF`` at the end.

        Raises:
            TocsinError: how the stream failed.
        """
        return self._next(iterating=False)

    async def _next(self, *, iterating: bool) -> Any:
        core = self._core
        if core is not None and self._error is None and not core.done():
            # grpc.aio's own way to a message leads over two more coroutines.
            try:
                raw = await core.receive_serialized_message()
            except asyncio.CancelledError:
                self._given_up()
                raise
            if raw is not grpc.aio.EOF:
                self._count.received += len(raw)
                deserialize = self._dialled.deserialize if self._dialled is not None else None
                return raw if deserialize is None else self._readable(deserialize, raw)
        try:
            message = await (self._begin_reading() if self._call is None else self._read())
        except asyncio.CancelledError:
            self._given_up()  # before anything came, too
            raise
        if iterating and message is grpc.aio.EOF:
            raise StopAsyncIteration
        return message

    async def _begin_reading(self) -> Any:
        self._may_retry = self._retrier is not None
        try:
            return await self._first()
        finally:
            self._may_retry = False
            if self._error is not None:
                self._ended(self._error.code() if isinstance(self._error, RpcFailure) else grpc.StatusCode.UNKNOWN, self._error)
            if self._callbacks and self.done():
                self._tell()

    def _readable(self, deserialize: Any, raw: bytes) -> Any:
        try:
            return readable(deserialize, raw)
        except grpc.aio.AioRpcError as error:
            self._call.cancel()
            raise self._failed(error) from error

    async def _first(self) -> Any:
        retrier = self._retrier
        try:
            await self._begun()
            return await self._read()
        except TocsinError as error:
            if retrier is None or not retrier.heals(error):
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
            await call.write(self._outgoing(request))
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
        if self.done():
            return False
        self._cancelled = True
        self._abandon()
        if self._call is not None:
            self._call.cancel()
        self._tell()
        return True

    def cancelled(self) -> bool:
        """Whether it was cancelled on this side."""
        return self._cancelled

    def done(self) -> bool:
        """Whether the call is over."""
        return self._cancelled or self._error is not None or (self._call is not None and bool(self._call.done()))

    def time_remaining(self) -> float | None:
        """Seconds until the deadline; a call of the mesh always has one."""
        return max(0.0, self._deadline - _now())

    def add_done_callback(self, callback: DoneCallback) -> None:
        """Calls ``callback`` with this call when it is over; at once if it is."""
        if self.done():
            callback(self)
            return
        if self._callbacks is None:
            self._callbacks = []
            if self._call is not None:
                self._call.add_done_callback(self._wire_done)
        self._callbacks.append(callback)

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """The metadata that came before the first answer; empty when nothing came. Begins the call if need be."""
        return await self._call.initial_metadata() if await self._is_begun() else grpc.aio.Metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        """The metadata that came with the status; empty when nothing came."""
        if isinstance(error := await self._end(), RpcFailure):
            return error.trailing_metadata() or grpc.aio.Metadata()
        return grpc.aio.Metadata() if self._call is None else await self._call.trailing_metadata()

    async def code(self) -> grpc.StatusCode:
        """The code that it ended with, when it has ended."""
        if isinstance(error := await self._end(), RpcFailure):
            return error.code()
        return grpc.StatusCode.CANCELLED if self._cancelled or self._call is None else await self._call.code()

    async def details(self) -> str:
        """What was said with the code."""
        if isinstance(error := await self._end(), RpcFailure):
            return error.details() or ""
        return CANCELLED_HERE if self._cancelled or self._call is None else await self._call.details()

    async def debug_error_string(self) -> str:
        """What gRPC knows of a failure, for whoever looks for its cause."""
        return (error.debug_error_string() or "") if isinstance(error := await self._end(), RpcFailure) else ""

    async def wait_for_connection(self) -> None:
        """Returns when the call is on its way.

        Raises:
            TocsinError: it has failed by then.
        """
        call = await self._begun()
        try:
            await call.wait_for_connection()
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error

    async def _is_begun(self) -> bool:
        """Begins the call if need be; False when it could not."""
        if self._call is None and not self.done():
            try:
                await self._begun()
            except TocsinError:
                return False  # kept: the next read raises it
        return self._call is not None

    async def _end(self) -> Exception | None:
        """How the call failed, once it has ended; None when it did not."""
        if self._error is None and await self._is_begun():
            call = self._call
            code = await call.code()
            if code is not grpc.StatusCode.OK and not self._cancelled and self._error is None:
                metadata = await call.initial_metadata(), await call.trailing_metadata()
                self._failed(grpc.aio.AioRpcError(code, *metadata, await call.details()))
        return self._error

    async def _again(self) -> Any:
        await self._open()
        return await self._read()

    async def _begun(self) -> Any:
        """The call, which the first read or write begins; both may come at once."""
        if self._call is None:
            if self._error is not None:
                raise kept(self._error)
            async with self._beginning:
                if self._call is None:
                    await self._open()
        return self._call

    async def _open(self) -> None:
        if self._cancelled:
            raise asyncio.CancelledError
        try:
            await self._dial()
        except TocsinError as error:
            self._error = kept(as_rpc_error(error))
            raise
        if self._callbacks:
            self._call.add_done_callback(self._wire_done)

    async def _dial(self) -> None:
        picker = self._picker
        self._method, dial = await picker.pick(self._tried) if picker.balanced else picker.shared
        if self._cancelled:
            raise asyncio.CancelledError
        self._started = _now()
        self._timeout = self._deadline - self._started
        if self._timeout <= 0:
            raise DeadlineExceeded
        found: StreamMethod = dial()
        self._dialled, self._core = found, None
        count = self._count
        count.sent = count.received = 0
        source = self._source
        one = source is not None and not isinstance(source, Requests)
        if isinstance(source, Requests):
            source.serialize, source = found.serialize, aiter(source)
        elif one:
            source = self._outgoing(source)
        self._permit = self._method.admit(self._timeout)
        trace = count.attempt(self._method, self._trace, sizes_known=found.direct)
        self._stream_accepted = self._answered = False
        self._error = None
        given = () if source is None else (source,)
        call = found.call(*given, timeout=self._timeout, metadata=traced(self._headers, trace), **self._options)
        self._call = call if one else keep_final_status(call)

    async def _read(self) -> Any:
        call = self._call
        if self._error is not None:
            raise kept(self._error)
        try:
            if not self._stream_accepted:
                # A server sends its initial metadata as soon as it has accepted the call; the first message may take minutes.
                await call.initial_metadata()
                if not call.done():
                    self._stream_accepted, self._permit = True, self._method.stream_accepted(self._permit)
            message = await call.read()
            if message is grpc.aio.EOF:
                self._may_retry = False
                self._ended(grpc.StatusCode.OK)
            elif self._dialled is not None and self._dialled.direct:
                self._core = core_of(call)
                self._count.received += len(message)
                message = message if self._dialled.deserialize is None else readable(self._dialled.deserialize, message)
        except grpc.aio.AioRpcError as error:
            if not call.done():
                call.cancel()  # an answer that cannot be read
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
        if self._error is None:
            permit, self._permit = self._permit, None
            found = self._method.failed(permit, error, _now() - self._started, self._timeout, stream_accepted=self._stream_accepted)
            self._error = as_rpc_error(found, error)
            self._ended(error.code(), found)
        return kept(self._error)

    def _outgoing(self, request: Any) -> Any:
        serialize = None if self._dialled is None else self._dialled.serialize
        message = request if serialize is None else serialize(request)
        if message.__class__ is bytes:
            self._count.sent += len(message)
        return message

    def _ended(self, code: grpc.StatusCode, error: BaseException | None = None) -> None:
        """Counts how the call ended, or its attempt if it may be tried again."""
        if isinstance(self._source, Requests):
            self._count.sent = self._source.sent
        if self._may_retry:
            self._count.attempt_ended(code, error)
        else:
            self._count.call_ended(code, error)

    def _given_up(self) -> None:
        """A read was cancelled, and with it the call, as in grpc.aio."""
        if not self.cancel():
            self._abandon()
        if isinstance(self._source, Requests):
            self._source.reraise()

    def _wire_done(self, wire: Any) -> None:
        if not self._may_retry and wire is self._call:
            self._tell()

    def _tell(self) -> None:
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback(self)

    def _abandon(self) -> None:
        permit, self._permit = self._permit, None
        self._method.abandoned(permit)
        self._may_retry = False
        self._ended(grpc.StatusCode.CANCELLED)


# Their own layout is kept: a gateway holds tens of thousands of streams.
grpc.aio.UnaryStreamCall.register(StreamCall)
grpc.aio.StreamStreamCall.register(StreamCall)
