"""The client's end of a carrier: one stream to one endpoint, on which calls ride (ADR 0061).

A `Carriage` belongs to one connection of gRPC. It opens a stream when a call could ride, and until that stands, or when it takes no more,
calls go by themselves. What was not written when a stream ended goes by itself as well; what was written is lost with the stream, as calls
are with their connection.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final, Protocol

import grpc
from google.protobuf.message import DecodeError

from tocsin.api.mesh.v1 import carrier_pb2 as pb
from tocsin.mesh.carried import BATCH_BYTES, CARRY, MARK, MOST_CALLS, MOST_CANCELLED, MOST_UNDER_WAY
from tocsin.mesh.carried_metrics import CarriedCount
from tocsin.mesh.client.final_status import keep_final_status
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_READY: Final = grpc.ChannelConnectivity.READY
_STANDING: Final = (_READY, grpc.ChannelConnectivity.SHUTDOWN)
"""Of a connection that calls may take: it is there, or another one has taken its place."""
_AGAIN_SECONDS: Final = 1.0
"""After a stream that broke, or did not stand, the next one is opened so much later."""
_UNKNOWN_SECONDS: Final = 60.0
"""Likewise after a server that has no carriers."""
_MOST_QUEUED: Final = 1024 * 1024
"""Bytes of requests that wait to be written; more go by themselves."""
_BROKEN: Final = "The carrier broke."
_BROKE: Final = "The carrier broke: "
"""Begins what is told of a lost call, so that it never reads as gRPC's word that nothing was sent."""


class Rider(Protocol):
    """A call that rides."""

    def answered(self, answer: pb.CarriedAnswer) -> None:
        """An answer to it has come, or a part of one."""
        ...

    def left(self) -> None:
        """Nobody has seen anything of it: it may go by itself."""
        ...

    def lost(self, details: str) -> None:
        """It was written, and its stream is gone."""
        ...

    def dropped(self) -> None:
        """This side has closed the connection."""
        ...


class Carrier:
    """One stream."""

    def __init__(
        self, stream: Any, *, count: CarriedCount, closing: Callable[["Carrier", float], None], closed: Callable[["Carrier"], None]
    ) -> None:
        """Opens the stream; needs a running event loop.

        Args:
            stream: gRPC's call, of bytes.
            count: counts what rides.
            closing: told when it takes no more calls, and after how many seconds the next one may be opened; perhaps again at the end.
            closed: told when it is over.
        """
        self._stream = keep_final_status(stream)
        self.loop = asyncio.get_running_loop()
        self._count = count
        self._closing = closing
        self._closed = closed
        self._failed = False
        self._riders: dict[int, Rider] = {}
        self._queue: dict[int, pb.CarriedCall] = {}
        self._queued_bytes = 0
        self._cancelled: list[int] = []
        self._last = 0
        self._wake: asyncio.Future[None] | None = None
        self._draining = False
        self.stands = False
        """Whether it takes calls."""
        self.told_to_leave = False
        """Whether the server has asked for no more calls: it ends, or the carrier is old."""
        self._task = self.loop.create_task(self._run(), context=Context())

    @property
    def has_room(self) -> bool:
        """Whether it takes one more call."""
        return self.stands and len(self._riders) < MOST_UNDER_WAY and self._queued_bytes < _MOST_QUEUED

    def begin(self, rider: Rider, *, method: str, headers: list[str], timeout: float, request: bytes) -> int:
        """Lets a call ride; returns its number."""
        self._count.carried += 1
        self._last = number = self._last + 1
        self._riders[number] = rider
        self._queue[number] = pb.CarriedCall(id=number, method=method, metadata=headers, timeout=timeout, request=request)
        self._queued_bytes += len(request)
        self._wake_writer()
        return number

    def forget(self, number: int) -> None:
        """Nobody waits for a call any more; the server is told if it has been."""
        if self._riders.pop(number, None) is None:
            return
        frame = self._queue.pop(number, None)
        if frame is None:
            self._cancelled.append(number)
        else:
            self._queued_bytes -= len(frame.request)
        self._wake_writer()

    def drain(self) -> None:
        """Takes no more calls, and ends the stream when those under way have ended."""
        self.stands, self._draining = False, True
        self._wake_writer()

    async def _run(self) -> None:
        writer: asyncio.Task[None] | None = None
        pause, whole, details, dropped = _AGAIN_SECONDS, False, _BROKEN, False
        try:
            if MARK not in tuple(await self._stream.initial_metadata()):
                await self._stream.read()  # raises what the server says of it
                pause = _UNKNOWN_SECONDS
                return
            self.stands = not self._draining
            writer = self.loop.create_task(self._write())
            while (raw := await self._stream.read()) is not grpc.aio.EOF:
                self._take(raw)
            whole, pause = True, 0.0
        except grpc.aio.AioRpcError as error:
            pause = _UNKNOWN_SECONDS if error.code() is grpc.StatusCode.UNIMPLEMENTED else _AGAIN_SECONDS
            details = _BROKE + (error.details() or error.code().name)
        except (DecodeError, ValueError):
            details = "The carrier brought what is no answer."
        except asyncio.CancelledError:
            dropped = not self._failed
        finally:
            self.stands, self._draining = False, True
            if writer is not None:
                writer.cancel()
            self._stream.cancel()
            self._end(whole=whole, details=details, dropped=dropped)
            self._closing(self, pause)
            self._closed(self)

    def _take(self, raw: bytes) -> None:
        message = pb.CarriedAnswers.FromString(raw)
        for answer in message.answers:
            number = answer.id
            rider = self._riders.get(number)
            if rider is None:
                continue  # nobody waits for it any more
            rider.answered(answer)
            if not answer.continued:
                self._riders.pop(number, None)
        if message.draining:
            self.told_to_leave = True
            self.drain()
            self._closing(self, _AGAIN_SECONDS)
        elif self._draining and not self._riders:
            self._wake_writer()

    async def _write(self) -> None:
        try:
            await self._write_all()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # whoever reads is told why
        except Exception as error:  # noqa: BLE001 - nobody waits for this task, and calls must not hang
            _log.error("carrier failed", exc_info=error)
            self._failed = True
            self._stream.cancel()

    async def _write_all(self) -> None:
        stream = self._stream
        while not stream.done():
            if self._queue or self._cancelled:
                await stream.write(self._batch().SerializeToString())
            elif self._draining and not self._riders:
                await stream.done_writing()
                return
            else:
                self._wake = self.loop.create_future()
                await self._wake
                self._wake = None

    def _batch(self) -> pb.CarriedCalls:
        queue = self._queue
        calls: list[pb.CarriedCall] = []
        size = 0
        for frame in queue.values():
            calls.append(frame)
            size += len(frame.request)
            if len(calls) == MOST_CALLS or size >= BATCH_BYTES:
                break
        self._count.messages += bool(calls)
        for frame in calls:
            del queue[frame.id]
        self._queued_bytes -= size
        cancelled, self._cancelled = self._cancelled[:MOST_CANCELLED], self._cancelled[MOST_CANCELLED:]
        return pb.CarriedCalls(calls=calls, cancelled=cancelled)

    def _wake_writer(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _end(self, *, whole: bool, details: str, dropped: bool) -> None:
        """Tells every call that is left. A server that ends a stream in good order has answered whatever it took."""
        riders, self._riders = self._riders, {}
        for number, rider in riders.items():
            if number in self._queue or whole:
                rider.left()
            elif dropped:
                rider.dropped()
            else:
                rider.lost(details)
        self._queue.clear()


class Carriage:
    """The carrier of one connection."""

    def __init__(self, channel: grpc.aio.Channel, *, sole: Callable[[], bool], elsewhere: bool, count: CarriedCount) -> None:
        """Opens nothing.

        Args:
            channel: gRPC's own.
            sole: whether it leads to one endpoint: calls of several would all ride to the one that the stream leads to.
            elsewhere: whether it is that of one replica, beside which there may be others.
            count: counts what rides, and what does not.
        """
        self.count = count
        self._sole = sole
        self._elsewhere = elsewhere
        self._channel = channel
        self._open: Callable[[], Any] = channel.stream_stream(CARRY, None, None)
        self._carrier: Carrier | None = None
        self._carriers: set[Carrier] = set()
        self._not_before = float("-inf")
        self._closed = False

    @property
    def stands(self) -> bool:
        """Whether there is a stream that takes calls."""
        return self._carrier is not None and self._carrier.stands

    def carrier(self) -> Carrier | None:
        """What takes a call now; None when it has to go by itself."""
        carrier = self._carrier
        if carrier is None:
            self._open_soon()
            self.count.opening += 1
            return None
        if not self._sole():
            self.count.shared += 1
            return None
        if not carrier.stands or self._channel.get_state() is not _READY:
            self.count.opening += 1
            return None
        if not carrier.has_room:
            self.count.full += 1
            return None
        return carrier

    def ends(self, carrier: Carrier) -> bool:
        """Whether a call that ``carrier`` left is not to be made on this connection: its server ends.

        gRPC's core (1.85) answers CANCELLED to what crosses its own end (grpc/grpc#24237), and nobody could tell whether it was begun.
        A server that ends reports NOT_SERVING first, so that its connection is not ready; where it is, only the carrier was old.
        """
        return carrier.told_to_leave and (self._elsewhere or self._channel.get_state() not in _STANDING)

    def _open_soon(self) -> None:
        loop = asyncio.get_running_loop()
        if self._closed or loop.time() < self._not_before or not self._sole() or self._channel.get_state() is not _READY:
            return
        self._carrier = Carrier(self._open(), count=self.count, closing=self._closing, closed=self._carriers.discard)
        self._carriers.add(self._carrier)

    def _closing(self, carrier: Carrier, seconds: float) -> None:
        if self._carrier is carrier:
            self._carrier = None
            self._not_before = asyncio.get_running_loop().time() + seconds

    def close(self) -> None:
        """Opens no more; calls under way end where they are."""
        self._closed = True
        for carrier in self._carriers:
            carrier.drain()
