"""The client of the mailer: one Deliver stream to each replica, shared by all jobs."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

from processor_svc.domain import DeliveryAck, Message
from processor_svc.streams import ReplicaStreams
from tocsin.api.mailer.v1 import delivery_service_pb2, delivery_service_pb2_grpc
from tocsin.clock import Clock
from tocsin.errors import DeadlineExceeded, Unavailable
from tocsin.mesh.client import Mesh
from tocsin.pages import PAGE_BYTES

MAILER: Final = "mailer_svc"
_RESTART_SECONDS: Final = 2.0
_CONNECT_SECONDS: Final = 0.5


def reconnect_grace(gone: float) -> float:
    """Seconds that a job waits for a mailer when none has been connected for ``gone`` seconds.

    A restart takes about two seconds. A job that waits so long is sent as soon as it is over; releasing it and receiving it again would
    cost the machine what the mailer needs to start. After that a job fails fast and makes room for others.
    """
    return max(_CONNECT_SECONDS, _RESTART_SECONDS - gone)


class MailerStreams:
    """Sends messages to the connected mailers, round robin; a component."""

    def __init__(self, *, mesh: Mesh, clock: Clock, batch_size: int, timeout_seconds: float) -> None:
        self._mesh = mesh
        self._batch_size = batch_size
        self._timeout = timeout_seconds
        self._clock = clock
        self._gone_since = clock.monotonic()
        self._fleet = ReplicaStreams(
            name=MAILER,
            endpoints=lambda: mesh.endpoints(MAILER),
            session=self._session,
            connected=lambda endpoint: mesh.channel(MAILER, endpoint=endpoint).connected(),
            clock=clock,
        )
        self._streams: deque[_MailerStream] = deque()
        self._some = asyncio.Event()

    async def start(self) -> None:
        """Starts to connect."""
        await self._fleet.start()

    async def stop(self) -> None:
        """Ends every stream; messages that are not acknowledged fail."""
        await self._fleet.stop()

    async def deliver(self, messages: Sequence[Message]) -> Sequence[DeliveryAck]:
        """Sends messages; returns an acknowledgement for each, in order, once they are stored.

        Raises:
            Unavailable: no mailer is connected, or the stream broke before all were acknowledged.
            DeadlineExceeded: the mailer did not acknowledge in time.
        """
        stream = await self._pick()
        answers = [stream.hand_over(message) for message in messages]
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.gather(*answers)
        except TimeoutError:
            raise DeadlineExceeded(f"The mailer did not store the message within {self._timeout:g} s.") from None

    async def _pick(self) -> "_MailerStream":
        if not self._streams:
            try:
                async with asyncio.timeout(reconnect_grace(self._clock.monotonic() - self._gone_since)):
                    await self._some.wait()
            except TimeoutError:
                raise Unavailable("No mailer can be reached.") from None
        self._streams.rotate(-1)
        return self._streams[0]

    async def _session(self, endpoint: str) -> None:
        stub = delivery_service_pb2_grpc.DeliveryServiceStub(self._mesh.channel(MAILER, endpoint=endpoint))
        stream = _MailerStream(batch_size=self._batch_size)
        call = stub.Deliver(stream.requests())
        try:
            # The mailer greets a new stream with an empty batch: from then on it takes messages.
            async for response in call:
                if stream not in self._streams and not response.drain:
                    self._streams.append(stream)
                    self._some.set()
                stream.settle(response.acks)
                if response.drain:
                    self._retire(stream)
                    stream.end()
        finally:
            self._retire(stream)
            stream.fail()
            call.cancel()

    def _retire(self, stream: "_MailerStream") -> None:
        if stream not in self._streams:
            return
        self._streams.remove(stream)
        if not self._streams:
            self._some.clear()
            self._gone_since = self._clock.monotonic()


class _MailerStream:
    """One stream: messages to send, and messages to be acknowledged."""

    def __init__(self, *, batch_size: int) -> None:
        self._batch_size = batch_size
        self._keys = itertools.count(1)
        self._queue: deque[tuple[str, delivery_service_pb2.OutgoingMessage]] = deque()
        self._due: dict[int, asyncio.Future[DeliveryAck]] = {}
        self._wake = asyncio.Event()
        self._ended = False

    def hand_over(self, message: Message) -> asyncio.Future[DeliveryAck]:
        """Queues a message; the future gets its acknowledgement."""
        key = next(self._keys)
        answer = self._due[key] = asyncio.get_running_loop().create_future()
        self._queue.append((message.context if message.template else "", _to_proto(key, message)))
        self._wake.set()
        return answer

    def settle(self, acks: Sequence[delivery_service_pb2.DeliverAck]) -> None:
        """Completes the futures of acknowledged messages."""
        for ack in acks:
            answer = self._due.pop(ack.key, None)
            if answer is not None and not answer.done():
                answer.set_result(_answer(ack))

    def end(self) -> None:
        """Sends what is queued and closes this side."""
        self._ended = True
        self._wake.set()

    def fail(self) -> None:
        """Fails every message that is not acknowledged: the stream is gone."""
        self.end()
        for answer in self._due.values():
            if not answer.done():
                answer.set_exception(Unavailable("The stream to the mailer broke."))
                answer.exception()  # the job may be gone: not to be logged as never retrieved
        self._due.clear()

    async def requests(self) -> AsyncIterator[delivery_service_pb2.DeliverRequest]:
        """The batches of queued messages."""
        while True:
            while self._queue:
                yield self._batch()
            if self._ended:
                return
            await self._wake.wait()
            self._wake.clear()

    def _batch(self) -> delivery_service_pb2.DeliverRequest:
        """The next batch, within the size limit of a message; a context that several messages share is in it once."""
        numbers: dict[str, int] = {"": 0}
        request = delivery_service_pb2.DeliverRequest()
        size = 0
        while self._queue and len(request.messages) < self._batch_size:
            context, message = self._queue[0]
            size += message.ByteSize() + (0 if context in numbers else 4 * len(context))
            if request.messages and size > PAGE_BYTES:
                break
            self._queue.popleft()
            if context not in numbers:
                request.contexts.append(context)
                numbers[context] = len(request.contexts)
            if context:
                message.template.context_number = numbers[context]
            request.messages.append(message)
        return request


def _answer(ack: delivery_service_pb2.DeliverAck) -> DeliveryAck:
    return DeliveryAck(
        delivery=ack.delivery, notification=ack.notification, reason=ack.reason, message=ack.message, retryable=ack.retryable
    )


def _to_proto(key: int, message: Message) -> delivery_service_pb2.OutgoingMessage:
    out = delivery_service_pb2.OutgoingMessage(
        key=key,
        tenant=message.tenant,
        firing=message.firing,
        alarm=message.alarm,
        to=message.to,
        channel=message.channel,
        lane=message.priority,
        traceparent=message.traceparent,
        category=message.category,
        incident=message.incident,
        dedup_key=message.dedup_key,
        event=delivery_service_pb2.MessageEvent.Value(f"MESSAGE_EVENT_{message.event or 'UNSPECIFIED'}"),
        urgent=message.urgent,
        recipients=message.recipients,
        channels=message.channels,
    )
    if message.template:
        out.template.template = message.template
        out.template.variables.update(message.variables)
    else:
        out.inline.subject, out.inline.text, out.inline.html = message.subject, message.text, message.html
    return out
