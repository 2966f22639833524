"""The server's end of carriers: each call that rides passes the gate and the handler of its method, as one that came by itself (ADR 0061).

A carrier belongs to its connection: what it sends that is no call ends it, and with it the calls that ride, and costs nobody else.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from tocsin.api.mesh.v1 import carrier_pb2 as pb
from tocsin.errors import InvalidInput, TocsinError
from tocsin.mesh import status
from tocsin.mesh.carried import (
    BATCH_BYTES,
    CARRY,
    MARK,
    MOST_CALLS,
    MOST_CANCELLED,
    MOST_REQUEST_BYTES,
    MOST_UNDER_WAY,
    PART_BYTES,
    flattened,
    paired,
)
from tocsin.mesh.server.acceptor import AcceptingServer, Gate, Refusal
from tocsin.mesh.server.call_facts import Context
from tocsin.mesh.server.carried_context import CarriedContext, CarrierPeer, Header
from tocsin.mesh.server.stream_writer import StreamWriter
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

Serve: TypeAlias = Callable[[bytes, Any], Awaitable[bytes]]

_MOST_SERVED: Final = 2 * MOST_UNDER_WAY
"""Calls that are under way before a carrier is read on: some of a client's may have been given up, and not have ended."""
_MOST_WAITING_BYTES: Final = 4 * 1024 * 1024
"""Bytes of answers that wait to be written before it is read on."""
_MOST_OF_A_CONNECTION: Final = 4
"""Carriers of one connection: the second is that of a client which moves on."""
_INTERNAL: Final = grpc.StatusCode.INTERNAL.value[0]


class CarrierBroken(InvalidInput):
    """What came on a carrier is none of its messages."""


@dataclass(frozen=True, slots=True)
class CarriedService:
    """A method whose calls ride: what stands before its handler, and the handler with all that is around it."""

    gate: Gate | None
    serve: Serve


class Carriers:
    """The carriers of one server."""

    def __init__(self, methods: Mapping[str, CarriedService], *, stall_seconds: float, age_seconds: float) -> None:
        """Takes what may be called.

        Args:
            methods: by path.
            stall_seconds: a carrier whose peer reads nothing for so long is ended.
            age_seconds: a carrier takes no more calls then, so that they reach the connection that its peer dials anew; 0: never.
        """
        self._methods = methods
        self._stall_seconds = stall_seconds
        self._age_seconds = age_seconds
        self._open: dict[str, set[_ServedCarrier]] = {}
        self._draining = False
        self.refusing = False
        """Whether calls that come are not begun any more."""

    def add_to(self, server: AcceptingServer) -> None:
        """Serves from ``server``, which begins; where no calls ride, it has no carriers."""
        self._draining = self.refusing = False
        if self._methods:
            server.add_handlers({CARRY: grpc.stream_stream_rpc_method_handler(self.carry)})

    def find(self, path: str) -> CarriedService | None:
        """A method; None when its calls do not ride, or not any more."""
        return None if self.refusing else self._methods.get(path)

    def drain(self) -> None:
        """Asks every peer to let no more calls ride."""
        self._draining = True
        for each in self._all():
            each.drain()

    def stop(self) -> None:
        """Begins no more calls; each carrier ends as soon as those under way have."""
        self._draining = self.refusing = True
        for each in self._all():
            each.stop()

    def _all(self) -> "list[_ServedCarrier]":
        return [each for carriers in self._open.values() for each in carriers]

    async def carry(self, _: object, context: Context) -> None:
        """Serves one carrier: the handler of the stream."""
        address = context.peer()
        others = self._open.get(address, ())
        if self._draining or len(others) >= _MOST_OF_A_CONNECTION:
            code = grpc.StatusCode.UNAVAILABLE if self._draining else grpc.StatusCode.RESOURCE_EXHAUSTED
            await context.abort(code, "This server takes no more carriers.")
        carrier = _ServedCarrier(self, context, stall_seconds=self._stall_seconds)
        self._open.setdefault(address, set()).add(carrier)
        age = asyncio.get_running_loop().call_later(self._age_seconds, carrier.drain) if self._age_seconds else None
        try:
            await context.send_initial_metadata((MARK,))
            error = await carrier.run()
        finally:
            if age is not None:
                age.cancel()
            carriers = self._open[address]
            carriers.discard(carrier)
            if not carriers:
                del self._open[address]
        if error is not None:
            await context.abort(status.code_of(error), error.message)


class _ServedCarrier:
    """One of them."""

    def __init__(self, carriers: Carriers, context: Context, *, stall_seconds: float) -> None:
        self._carriers = carriers
        self._context = context
        self._stall_seconds = stall_seconds
        self._loop = asyncio.get_running_loop()
        agent = tuple(Header(key, value) for key, value in context.invocation_metadata() or () if key == "user-agent")
        identities: Any = context.peer_identities()
        self._peer = CarrierPeer(context.peer(), context.auth_context(), identities, context.peer_identity_key(), agent)
        self._last = 0
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._answers: deque[pb.CarriedAnswer] = deque()
        self._long: deque[_LongAnswer] = deque()
        self._waiting_bytes = 0
        self._tell_draining = self._told_draining = False
        self._finishing = False
        self._wake: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def drain(self) -> None:
        """Asks the peer to let no more calls ride."""
        self._tell_draining = True
        self._wake_writer()

    def stop(self) -> None:
        """Ends as soon as no call is under way and every answer is written."""
        self._tell_draining = self._finishing = True
        self._wake_writer()

    async def run(self) -> TocsinError | None:
        """Serves until the peer has no more calls, or the carrier is stopped; returns what the peer did wrong, if it did."""
        reader, writer = self._loop.create_task(self._read()), self._loop.create_task(self._write())
        try:
            # The writer ends when all is answered; the reader when there is no more to come.
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            if not writer.done() and reader.exception() is None:
                await writer
            for ended in (reader, writer):
                if ended.done():
                    ended.result()
        except TocsinError as error:
            return error
        finally:
            calls = tuple(self._calls.values())
            for task in (reader, writer, *calls):
                task.cancel()
            await asyncio.gather(reader, writer, *calls, return_exceptions=True)
        return None

    async def _read(self) -> None:
        eof: Any = grpc.aio.EOF
        while (raw := await self._context.read()) is not eof:
            self._take(raw)
            while len(self._calls) >= _MOST_SERVED or self._waiting_bytes >= _MOST_WAITING_BYTES:
                self._room = self._loop.create_future()
                await self._room
        self._finishing = True
        self._wake_writer()

    def _take(self, raw: bytes) -> None:
        try:
            message = pb.CarriedCalls.FromString(raw)
        except DecodeError:
            raise CarrierBroken("What came is no message of a carrier.") from None
        if len(message.calls) > MOST_CALLS or len(message.cancelled) > MOST_CANCELLED:
            raise CarrierBroken("A message has more calls than it may.")
        for number in message.cancelled:
            if (task := self._calls.get(number)) is not None:
                task.cancel()
        now = self._loop.time()
        for call in message.calls:
            self._begin(call, now)

    def _begin(self, call: pb.CarriedCall, now: float) -> None:
        number, timeout, request = call.id, call.timeout, call.request
        if number <= self._last:
            raise CarrierBroken("The number of a call is not greater than that of the one before.")
        if not timeout > 0 or math.isinf(timeout) or len(request) > MOST_REQUEST_BYTES:
            raise CarrierBroken("A call has no time, or a request that may not ride.")
        self._last = number
        try:
            metadata = paired(call.metadata)
        except ValueError as error:
            raise CarrierBroken(str(error)) from error
        method = self._carriers.find(call.method)
        if method is None:
            self._answer(pb.CarriedAnswer(id=number, refused=True))
            return
        headers = (*starmap(Header, metadata), *self._peer.headers)
        context = CarriedContext(number=number, peer=self._peer, metadata=headers, deadline=now + timeout, loop=self._loop)
        refusal = None if method.gate is None else method.gate(context)
        if refusal is not None:
            self._answer(_refused(number, refusal))
            return
        self._calls[number] = task = self._loop.create_task(self._serve(method.serve, request, context))
        timer = self._loop.call_at(now + timeout, task.cancel)
        task.add_done_callback(lambda _: self._ended(number, timer, context))

    def _ended(self, number: int, timer: asyncio.TimerHandle, context: CarriedContext) -> None:
        timer.cancel()
        del self._calls[number]
        context.ended()
        if self._room is not None:
            self._make_room()
        if self._finishing:
            self._wake_writer()

    async def _serve(self, serve: Serve, request: bytes, context: CarriedContext) -> None:
        response = b""
        try:
            response = await serve(request, context)
            if context.aborted:
                _log.error("abort was suppressed", number=context.number)
        except grpc.aio.AbortError:
            response = b""
        except asyncio.CancelledError:
            return  # nobody waits for the answer
        except Exception as error:  # noqa: BLE001 - as grpc.aio: a status, whatever happens
            _log.error("unexpected error of a call that rides", exc_info=error)
            context.set_code(grpc.StatusCode.UNKNOWN)
            context.set_details(f"Unexpected {type(error)}")
        try:
            self._answer_with(context, response)
        except Exception as error:  # noqa: BLE001 - what a handler set is no metadata, or no text
            _log.error("an answer cannot be written", exc_info=error)
            self._answer(pb.CarriedAnswer(id=context.number, code=_INTERNAL, details="The answer cannot be written."))

    def _answer_with(self, context: CarriedContext, response: bytes) -> None:
        code = context.status
        answer = pb.CarriedAnswer(id=context.number, code=code)
        if details := context.details():
            answer.details = details
        if context.initial:
            answer.initial_metadata.extend(flattened(context.initial))
        if trailing := context.trailing_metadata():
            answer.trailing_metadata.extend(flattened(trailing))
        if code:
            self._answer(answer)
        elif len(response) <= PART_BYTES:
            answer.response = response
            self._answer(answer, len(response))
        else:
            self._long.append(_LongAnswer(answer, response))
            self._waiting_bytes += len(response)
            self._wake_writer()

    def _answer(self, answer: pb.CarriedAnswer, size: int = 0) -> None:
        self._answers.append(answer)
        self._waiting_bytes += size
        self._wake_writer()

    async def _write(self) -> None:
        async with StreamWriter(self._context, stall_seconds=self._stall_seconds) as writer:
            await self._write_to(writer)

    async def _write_to(self, writer: StreamWriter) -> None:
        while True:
            if self._answers or self._long or self._tell_draining > self._told_draining:
                await writer.write(self._batch().SerializeToString())
                if self._room is not None:
                    self._make_room()
            elif self._finishing and not self._calls:
                return
            else:
                self._wake = self._loop.create_future()
                await self._wake

    def _batch(self) -> pb.CarriedAnswers:
        message = pb.CarriedAnswers(draining=self._tell_draining)
        self._told_draining = self._tell_draining
        found: list[pb.CarriedAnswer] = []
        size = 0
        while self._answers and size < BATCH_BYTES:
            answer = self._answers.popleft()
            found.append(answer)
            size += len(answer.response)
        while self._long and size < BATCH_BYTES:
            long = self._long.popleft()
            part = long.next()
            found.append(part)
            size += len(part.response)
            if part.continued:
                self._long.append(long)
        self._waiting_bytes -= size
        message.answers.extend(found)
        return message

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _wake_writer(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class _LongAnswer:
    """An answer that goes in parts."""

    __slots__ = ("_answer", "_from", "_response")

    def __init__(self, answer: pb.CarriedAnswer, response: bytes) -> None:
        self._answer = answer
        self._response = response
        self._from = 0

    def next(self) -> pb.CarriedAnswer:
        """The next part; the last one has the status."""
        part = self._response[self._from : self._from + PART_BYTES]
        self._from += len(part)
        if self._from < len(self._response):
            return pb.CarriedAnswer(id=self._answer.id, response=part, continued=True)
        self._answer.response = part
        return self._answer


def _refused(number: int, refusal: Refusal) -> pb.CarriedAnswer:
    return pb.CarriedAnswer(id=number, code=refusal.code, details=refusal.message, trailing_metadata=flattened(refusal.trailing))
