"""What a call with one answer returns: gRPC's ``Call``, whose attempts are the mesh's.

Awaiting it at once, as nearly every caller does, runs it in the caller's own task. A call that nobody has awaited by the next turn of the
event loop runs in a task of its own, as all of grpc.aio's do.
"""

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Final, Protocol

import grpc

from tocsin.errors import TocsinError
from tocsin.mesh.client.called_tap import MethodTap
from tocsin.mesh.client.request_stream import RequestPipe
from tocsin.mesh.client.rpc_error import RpcFailure, as_rpc_error, kept

DoneCallback = Any
CANCELLED_HERE: Final = "Locally cancelled by application!"
_OK: Final = grpc.StatusCode.OK  # what is looked up in a class of enumeration is dear
_FINISHED: Final = "RPC already finished."


class UnaryRunner(Protocol):
    """Makes the attempts of a call."""

    async def run(self, call: "UnaryCall") -> Any:
        """The answer; tells ``call`` of each attempt.

        Raises:
            TocsinError: how the call failed.
        """
        ...

    def deadline(self, timeout: float | None) -> float:
        """When a call has to be over, on the event loop's clock.

        Raises:
            DeadlineExceeded: the served call leaves too little.
        """
        ...

    @property
    def ended(self) -> Callable[[grpc.StatusCode, float], None]:
        """Is told of each call that is over: its code, its seconds."""
        ...

    @property
    def tap(self) -> MethodTap | None:
        """Likewise, where somebody may look at the calls from here."""
        ...


class UnaryCall:
    """One call with one answer. Awaiting it gives the answer, or raises how it failed, as often as one likes."""

    # What most calls never need is of the class: a call is made for each request of a busy service.
    deadline: float | None = None
    """When it has to be over, on the event loop's clock; None before it began."""
    attempts = 0
    """How many began."""
    wire: Any = None
    """gRPC's own call: that of the attempt that decided, or of the last one so far."""
    _task: asyncio.Task[Any] | None = None
    _ended = False
    _cancelled = False
    _value: Any = None
    _error: Exception | None = None
    _callbacks: list[DoneCallback] | None = None
    _waiters: list[asyncio.Future[None]] | None = None

    def __init__(self, runner: UnaryRunner, request: Any, timeout: float | None, metadata: Any, options: dict[str, Any]) -> None:
        """Begins with the next turn of the event loop, or as soon as it is awaited.

        Args:
            runner: makes the attempts.
            request: the message, or the source of messages.
            timeout: seconds that the caller allows; None for what is declared.
            metadata: of the caller.
            options: of gRPC.
        """
        self.request = request
        self.timeout = timeout
        self.metadata = metadata
        self.options = options
        self._runner = runner
        self.loop = loop = asyncio.get_running_loop()
        self._started = loop.time()
        self._beginning = loop.call_soon(self._begin)

    def __await__(self) -> Generator[Any, None, Any]:
        """Waits for the answer.

        Raises:
            TocsinError: how the call failed; an ``AioRpcError`` as well.
            asyncio.CancelledError: it was cancelled.
        """
        if self._task is not None or self._ended:
            return (yield from self._outcome().__await__())
        self._task = asyncio.current_task()
        try:
            value = yield from self._runner.run(self).__await__()
        except BaseException as error:
            if self._cancelled and self._task is not None:
                self._task.uncancel()  # it was the call that was cancelled, not the task
                raise asyncio.CancelledError from None
            self._fail(error)
            raise
        return self._succeed(value)

    def cancel(self) -> bool:
        """Ends the call; whoever awaits it gets CancelledError. Returns False if it was over."""
        if self._ended:
            return False
        self._cancelled = True
        if self.wire is not None:
            self.wire.cancel()
        if self._task is not None:
            self._task.cancel()
        self._end(grpc.StatusCode.CANCELLED)
        return True

    def cancelled(self) -> bool:
        """Whether it was cancelled on this side."""
        return self._cancelled

    def done(self) -> bool:
        """Whether it is over."""
        return self._ended

    def time_remaining(self) -> float | None:
        """Seconds until the deadline; a call of the mesh always has one."""
        deadline = self.deadline
        if deadline is None:
            try:
                deadline = self._runner.deadline(self.timeout)
            except TocsinError:
                return 0.0
        return max(0.0, deadline - self.loop.time())

    def add_done_callback(self, callback: DoneCallback) -> None:
        """Calls ``callback`` with this call when it is over; at once if it is."""
        if self._ended:
            callback(self)
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """What the server sent before its answer, when that has come, as grpc.aio has it; empty when nothing came."""
        await self._until_end()
        return grpc.aio.Metadata() if self.wire is None else await self.wire.initial_metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        """What the server sent with its status; empty when nothing came."""
        await self._until_end()
        if isinstance(self._error, RpcFailure):
            return self._error.trailing_metadata() or grpc.aio.Metadata()
        return grpc.aio.Metadata() if self._cancelled or self.wire is None else await self.wire.trailing_metadata()

    async def code(self) -> grpc.StatusCode:
        """The code that it ended with."""
        await self._until_end()
        if isinstance(self._error, RpcFailure):
            return self._error.code()
        return grpc.StatusCode.CANCELLED if self._cancelled or self._error is not None else grpc.StatusCode.OK

    async def details(self) -> str:
        """What was said with the code."""
        await self._until_end()
        if isinstance(self._error, RpcFailure):
            return self._error.details() or ""
        return CANCELLED_HERE if self._cancelled or self._error is not None else await self.wire.details()

    async def debug_error_string(self) -> str:
        """What gRPC knows of a failure, for whoever looks for its cause."""
        await self._until_end()
        return (self._error.debug_error_string() or "") if isinstance(self._error, RpcFailure) else ""

    async def wait_for_connection(self) -> None:
        """Returns when the answer has come; like grpc.aio's, which has no earlier sign.

        Raises:
            TocsinError: how the call failed.
        """
        await self._outcome()

    def _begin(self) -> None:
        if self._task is None and not self._ended:
            self._task = self.loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            value = await self._runner.run(self)
        except BaseException as error:  # noqa: BLE001 - kept for whoever awaits the call
            self._fail(error)
        else:
            self._succeed(value)

    def _succeed(self, value: Any) -> Any:
        if self._cancelled:
            raise asyncio.CancelledError
        self._value = value
        self._end(_OK)
        return value

    def _fail(self, error: BaseException) -> None:
        if self._ended:
            return
        if isinstance(error, Exception):
            self._error = found = kept(as_rpc_error(error))
            self._end(found.code() if isinstance(found, RpcFailure) else grpc.StatusCode.UNKNOWN)
        else:
            self._cancelled = True
            self._end(grpc.StatusCode.CANCELLED)

    def _end(self, code: grpc.StatusCode) -> None:
        self._ended = True
        runner, seconds = self._runner, self.loop.time() - self._started
        runner.ended(code, seconds)
        if runner.tap is not None and runner.tap.listened:
            runner.tap.unary(code, seconds, self._error, self.request, self._value)
        self._beginning.cancel()  # or a loop that is kept busy would hold every call that is over
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_result(None)
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            try:
                callback(self)
            except Exception as error:  # noqa: BLE001 - the call has ended, whatever its listeners do
                self.loop.call_exception_handler({"message": "a callback of a call failed", "exception": error})

    async def _outcome(self) -> Any:
        try:
            await self._until_end()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self._error is not None:
            raise kept(self._error)
        if self._cancelled:
            raise asyncio.CancelledError
        return self._value

    async def _until_end(self) -> None:
        if self._ended:
            return
        waiter = self.loop.create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        await waiter


class StreamUnaryCall(UnaryCall):
    """One call with a stream of requests and one answer; without an iterator they are written one by one."""

    def __init__(self, runner: UnaryRunner, request: Any, timeout: float | None, metadata: Any, options: dict[str, Any]) -> None:
        self._pipe = RequestPipe() if request is None else None
        self._dialled = asyncio.Event()
        super().__init__(runner, self._pipe or request, timeout, metadata, options)

    def dialled(self, wire: Any) -> None:
        """An attempt is on its way."""
        self.wire = wire
        self._dialled.set()

    async def wait_for_connection(self) -> None:
        """Returns when the call is on its way; its requests may all be written after that.

        Raises:
            TocsinError: it has failed by then.
        """
        await self._dialled.wait()
        while not self._ended:
            wire = self.wire
            try:
                return await wire.wait_for_connection()
            except grpc.aio.AioRpcError:
                if wire is self.wire and not self._ended:  # it becomes the error of the call, or another attempt is made
                    self._dialled.clear()
                    await self._dialled.wait()
        if self._error is not None:
            raise kept(self._error)
        return None

    async def write(self, request: Any) -> None:
        """Sends one request; waits while the far end takes no more.

        Raises:
            TocsinError: the call has failed.
            asyncio.InvalidStateError: it is over, or `done_writing` was called.
            grpc.aio.UsageError: the requests come from an iterator.
        """
        pipe = self._written()
        if self._ended:
            if self._error is not None:
                raise kept(self._error)
            raise asyncio.InvalidStateError(_FINISHED)
        try:
            if not await pipe.put(request):
                await self._outcome()
        except asyncio.CancelledError:
            self.cancel()
            raise

    async def done_writing(self) -> None:
        """Tells the far end that no more requests come; may be called again.

        Raises:
            grpc.aio.UsageError: the requests come from an iterator.
        """
        self._written().close()

    def _written(self) -> RequestPipe:
        if self._pipe is None:
            raise grpc.aio.UsageError("The requests of this call come from an iterator.")
        return self._pipe

    def _end(self, code: grpc.StatusCode) -> None:
        if self._pipe is not None:
            self._pipe.end()
        super()._end(code)
        self._dialled.set()


# Registered, not inherited: making an object of a class that was derived from abstract ones costs more.
grpc.aio.UnaryUnaryCall.register(UnaryCall)
grpc.aio.StreamUnaryCall.register(StreamUnaryCall)
