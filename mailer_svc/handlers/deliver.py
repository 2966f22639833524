"""The Deliver stream: batches in, acknowledgements out, side by side.

One task reads, one per batch stores, the handler writes. What is read and not yet answered is bounded: beyond that nothing is read, so that
HTTP/2's flow control holds the sender back, and neither side waits for the other with its hands full. A message that takes long to render
does not count: how many of these a tenant has is bounded by the renderer, and they keep nobody's messages from being read.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from mailer_svc.domain import NO_ALERT, Ack, Content, MessageAlert, MessageEvent, PeopleSubmission, Submission, TemplateUse
from mailer_svc.handlers.resources import resource
from mailer_svc.service import Accepting
from tocsin.api.mailer.v1 import delivery_service_pb2 as pb

_IN_FLIGHT = 16
_MAX_BATCH = 1000


@dataclass(frozen=True, slots=True)
class _AckBatch:
    """Acknowledgements of a batch; the ``first`` ones make room for another."""

    acks: list[Ack]
    first: bool


@dataclass(slots=True, eq=False)
class _DeliverStream:
    """The state of one stream. ``answers`` gets None when nothing more will come."""

    answers: "asyncio.Queue[_AckBatch | None]" = field(default_factory=asyncio.Queue)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_IN_FLIGHT))
    batches: "set[asyncio.Task[None]]" = field(default_factory=set)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    failure: BaseException | None = None


class DeliverStreams:
    """Serves every Deliver stream of this process, and can tell them all to move on."""

    def __init__(self, *, accepting: Accepting) -> None:
        self._accepting = accepting
        self._streams: set[_DeliverStream] = set()
        self._draining = False

    def drain(self) -> None:
        """Stops reading from every stream; each answers what it has taken, says so, and ends."""
        self._draining = True
        for stream in self._streams:
            stream.draining.set()

    async def serve(self, requests: AsyncIterator[pb.DeliverRequest]) -> AsyncIterator[pb.DeliverResponse]:
        """Serves one stream until the client has finished or the process drains."""
        stream = _DeliverStream()
        self._streams.add(stream)
        if self._draining:
            stream.draining.set()
        reader = asyncio.create_task(self._read(stream, requests))
        try:
            yield pb.DeliverResponse()  # the greeting that the contract promises: from now on messages are taken
            while (answer := await stream.answers.get()) is not None:
                if answer.acks:
                    yield pb.DeliverResponse(acks=[_ack(ack) for ack in answer.acks])
                if answer.first:
                    stream.room.release()
            if stream.failure is not None:
                raise stream.failure
            if stream.draining.is_set():
                yield pb.DeliverResponse(drain=True)
        finally:
            self._streams.discard(stream)
            await _cancel(reader, *stream.batches)

    async def _read(self, stream: _DeliverStream, requests: AsyncIterator[pb.DeliverRequest]) -> None:
        """Reads until the client has finished, the process drains or the stream breaks; then waits for what is under way."""
        drained = asyncio.create_task(stream.draining.wait())
        try:
            while (request := await _next(requests, stream.room, drained)) is not None:
                task = asyncio.create_task(self._accept(stream, request))
                stream.batches.add(task)
                task.add_done_callback(stream.batches.discard)
        except Exception as error:  # noqa: BLE001 - whatever ends the reading ends the stream, where it is raised again
            stream.failure = error
        finally:
            drained.cancel()
        while stream.batches:
            await asyncio.wait(stream.batches)
        stream.answers.put_nowait(None)

    async def _accept(self, stream: _DeliverStream, request: pb.DeliverRequest) -> None:
        try:
            messages = request.messages[:_MAX_BATCH]
            batch = [_submission(message, request.contexts) for message in messages if not message.recipients]
            announced = await self._accepting.announce([_to_people(item, request.contexts) for item in messages if item.recipients])
            if announced:
                stream.answers.put_nowait(_AckBatch(announced, first=False))
            first = True
            async with aclosing(self._accepting.accept(batch)) as answers:
                async for acks in answers:
                    stream.answers.put_nowait(_AckBatch(acks, first))
                    first = False
        except Exception as error:  # noqa: BLE001 - see _read
            stream.failure = error
            stream.draining.set()


async def _next(
    requests: AsyncIterator[pb.DeliverRequest], room: asyncio.Semaphore, drained: "asyncio.Task[bool]"
) -> pb.DeliverRequest | None:
    """The next batch, once there is room for it; None when there is none or the stream drains."""
    reading = asyncio.ensure_future(_read_one(requests, room))
    try:
        await asyncio.wait((reading, drained), return_when=asyncio.FIRST_COMPLETED)
        # What was read has to be answered, also when the drain began at the same moment.
        return await reading if reading.done() else None
    finally:
        await _cancel(reading)


async def _read_one(requests: AsyncIterator[pb.DeliverRequest], room: asyncio.Semaphore) -> pb.DeliverRequest | None:
    await room.acquire()
    return await anext(requests, None)


async def _cancel(*tasks: "asyncio.Task[None] | asyncio.Future[pb.DeliverRequest | None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _submission(message: pb.OutgoingMessage, contexts: Sequence[str]) -> Submission:
    kind = message.WhichOneof("content")
    content: Content | TemplateUse | None = None
    resend = False
    if kind == "inline":
        inline = message.inline
        content, resend = Content(inline.subject, inline.text, inline.html), inline.resend_if_unknown
    elif kind == "template":
        use = message.template
        context = contexts[use.context_number - 1] if 0 < use.context_number <= len(contexts) else ""
        content = TemplateUse(use.template.removeprefix("templates/"), {**use.offered, **use.variables}, context)
    return Submission(
        key=message.key,
        tenant=message.tenant,
        firing=message.firing.removeprefix("firings/"),
        alarm=message.alarm,
        to=message.to,
        channel=message.channel,
        priority=message.lane,
        content=content,
        resend=resend,
        traceparent=message.traceparent,
        category=message.category.removeprefix("categories/"),
        incident=message.incident.removeprefix("incidents/"),
        urgent=message.urgent,
        alert=alert_of(message),
    )


def alert_of(message: Any) -> MessageAlert:
    """The alert that a message of the contract is about."""
    if not (message.dedup_key or message.event):
        return NO_ALERT
    return MessageAlert(message.dedup_key, MessageEvent(message.event or MessageEvent.TRIGGER))


def _to_people(message: pb.OutgoingMessage, contexts: Sequence[str]) -> PeopleSubmission:
    return PeopleSubmission(_submission(message, contexts), tuple(message.recipients), tuple(message.channels))


def _ack(ack: Ack) -> pb.DeliverAck:
    return pb.DeliverAck(
        key=ack.key,
        delivery=resource("deliveries", ack.delivery),
        notification=resource("notifications", ack.notification),
        reason=ack.reason,
        message=ack.message,
        retryable=ack.retryable,
    )
