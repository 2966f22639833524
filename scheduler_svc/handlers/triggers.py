"""TriggerService."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import grpc

from scheduler_svc.contexts import plain
from scheduler_svc.handlers.caller import caller
from scheduler_svc.handlers.pings import PingRpcs
from scheduler_svc.handlers.screening import EventScreen
from scheduler_svc.handlers.stored import show
from scheduler_svc.handlers.times import micros_of, set_instant
from scheduler_svc.service.alarms import Alarms, Caller
from scheduler_svc.service.ping_keys import PingKeys
from scheduler_svc.service.signals import EventDraft, ReadingDraft, Triggers
from scheduler_svc.triggers import EventAnswer, InboundKind, Logged, ReadingAnswer
from tocsin.api.scheduler.v1 import trigger_service_pb2, trigger_service_pb2_grpc
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.listing import FilterField, FilterKind, parse_filter
from tocsin.pages import Listing, list_page
from tocsin.readings import check_reading
from tocsin.stored import int32

_ABREAST: Final = 1000
_FILTER: Final = {
    "kind": FilterField(kind=FilterKind.CHOICE, choices=tuple(kind.name for kind in InboundKind)),
    "topic": FilterField(),
    "source": FilterField(),
    "id": FilterField(),
}

Context = grpc.aio.ServicerContext[Any, Any]
Request = TypeVar("Request")
Answer = TypeVar("Answer")


class TriggerHandlers(PingRpcs, trigger_service_pb2_grpc.TriggerServiceServicer):
    """Takes what happens outside."""

    def __init__(
        self, *, triggers: Triggers, keys: PingKeys, alarms: Alarms, screen: EventScreen, clock: Clock, active: Callable[[str], bool]
    ) -> None:
        """Takes what it stands on; ``active`` says whether a tenant may work."""
        super().__init__(triggers=triggers, keys=keys, alarms=alarms, active=active)
        self._screen = screen
        self._clock = clock

    async def PublishEvent(
        self, request: trigger_service_pb2.PublishEventRequest, context: Context
    ) -> trigger_service_pb2.PublishEventResponse:
        """Logs an event and fires the alarms that wait for it; the first of them are answered."""
        answer = await self._triggers.publish(caller(), _event_of(await self._screen.screen(request.event)))
        return trigger_service_pb2.PublishEventResponse(
            id=answer.id,
            firings=[f"firings/{firing}" for firing in answer.firings],
            matched=answer.matched,
            duplicate=answer.duplicate,
        )

    async def StreamEvents(
        self, request_iterator: AsyncIterator[trigger_service_pb2.StreamEventsRequest], context: Context
    ) -> trigger_service_pb2.StreamEventsResponse:
        """Publishes events one after the other."""
        response, who = trigger_service_pb2.StreamEventsResponse(), caller()

        async def publish(request: trigger_service_pb2.StreamEventsRequest) -> EventAnswer:
            return await self._triggers.publish(who, _event_of(await self._screen.screen(request.event)))

        async for answer in _in_order(request_iterator, publish):
            response.accepted += 1
            response.duplicates += answer.duplicate
            response.matched += 0 if answer.duplicate else answer.matched
        return response

    async def RecordReading(
        self, request: trigger_service_pb2.RecordReadingRequest, context: Context
    ) -> trigger_service_pb2.RecordReadingResponse:
        """Logs a reading; answers the alarms that it raised, resolved, or left pending."""
        answer = await self._record(caller(), request.reading)
        return trigger_service_pb2.RecordReadingResponse(
            raised=[f"alarms/{alarm}" for alarm in answer.raised],
            resolved=[f"alarms/{alarm}" for alarm in answer.resolved],
            pending=[f"alarms/{alarm}" for alarm in answer.pending],
            counted=answer.counted,
            duplicate=answer.duplicate,
        )

    async def _record(self, who: Caller, reading: trigger_service_pb2.Reading) -> ReadingAnswer:
        check_reading(reading, now=self._clock.micros())
        return await self._triggers.record(who, _reading_of(reading))

    async def GetReading(self, request: trigger_service_pb2.GetReadingRequest, context: Context) -> trigger_service_pb2.Reading:
        """Reads the latest reading of a metric."""
        found = await self._triggers.latest(caller(), request.metric)
        message = trigger_service_pb2.Reading(metric=request.metric, value=found.value)
        set_instant(message.time, found.measured)
        return message

    async def StreamReadings(
        self, request_iterator: AsyncIterator[trigger_service_pb2.StreamReadingsRequest], context: Context
    ) -> trigger_service_pb2.StreamReadingsResponse:
        """Records readings one after the other."""
        response, who = trigger_service_pb2.StreamReadingsResponse(), caller()

        async def record(request: trigger_service_pb2.StreamReadingsRequest) -> ReadingAnswer:
            return await self._record(who, request.reading)

        async for answer in _in_order(request_iterator, record):
            response.accepted += 1
            response.stale += not (answer.counted or answer.duplicate)
            response.duplicates += answer.duplicate
        return response

    async def GetTriggerStats(
        self, request: trigger_service_pb2.GetTriggerStatsRequest, context: Context
    ) -> trigger_service_pb2.TriggerStats:
        """Counts what came and what it triggered since the tenant began."""
        counts = await self._triggers.counts(caller())
        return trigger_service_pb2.TriggerStats(
            events=counts.events,
            event_firings=counts.event_firings,
            readings=counts.readings,
            pings=counts.pings,
            raised=counts.raised,
            resolved=counts.resolved,
            topics=counts.topics,
            listening=counts.listening,
        )

    async def ListTriggerLogs(
        self, request: trigger_service_pb2.ListTriggerLogsRequest, context: Context
    ) -> trigger_service_pb2.ListTriggerLogsResponse:
        """Lists what came, the newest first."""
        who = caller()
        conditions = parse_filter(request.filter, fields=_FILTER)

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Logged], None]:
            return await self._triggers.page(who, conditions=conditions, before=behind[0] if behind else None, size=most), None

        listing = Listing(f"logs/{who.tenant}/{request.filter}", (str,))
        logs, more = await list_page(request, listing, read=read, show=_log_message, place=lambda entry: (entry.log,))
        return trigger_service_pb2.ListTriggerLogsResponse(logs=logs, next_page_token=more)


async def _in_order(requests: AsyncIterator[Request], take: Callable[[Request], Awaitable[Answer]]) -> AsyncIterator[Answer]:
    """Answers in the order of the requests, of which a thousand are under way at most: so that they share transactions.

    A request that is refused ends the stream, after those before it are committed; the error names its number, from 1.
    """
    under_way: asyncio.Queue[asyncio.Future[Answer] | None] = asyncio.Queue(_ABREAST)

    async def read() -> None:
        try:
            async for request in requests:
                await under_way.put(asyncio.ensure_future(take(request)))
        finally:
            await under_way.put(None)

    reader = asyncio.ensure_future(read())
    number = 0
    try:
        while (answer := await under_way.get()) is not None:
            number += 1
            yield await answer
        number += 1  # one that breaks a rule of the contract comes no further than the reader
        await reader
    except InvalidInput as error:
        raise InvalidInput(f"item {number}: {error.message}", violations=error.violations, reason=error.error_reason) from None
    finally:
        _abandon(reader)
        while not under_way.empty():
            if (left := under_way.get_nowait()) is not None:
                _abandon(left)


def _abandon(task: "asyncio.Future[Any]") -> None:
    """Nobody waits for it any more, nor for how it failed."""
    task.cancel()
    task.add_done_callback(lambda done: None if done.cancelled() else done.exception())


def _event_of(message: trigger_service_pb2.PublishedEvent) -> EventDraft:
    return EventDraft(
        id=message.id,
        topic=message.topic,
        source=message.source,
        happened=micros_of(message.time, field="event.time") if message.HasField("time") else None,
        data=plain(message.data),
        body=message.data.SerializeToString(deterministic=True),
    )


def _reading_of(message: trigger_service_pb2.Reading) -> ReadingDraft:
    return ReadingDraft(
        metric=message.metric,
        value=message.value,
        id=message.id,
        source=message.source,
        measured=micros_of(message.time, field="reading.time") if message.HasField("time") else None,
    )


def _log_message(entry: Logged) -> trigger_service_pb2.TriggerLog:
    message = trigger_service_pb2.TriggerLog(
        id=entry.id,
        kind=trigger_service_pb2.TriggerLog.Kind.ValueType(int32(entry.kind)),
        topic=entry.topic,
        source=entry.source,
        matched=int32(entry.matched),
    )
    set_instant(message.time, entry.happened)
    set_instant(message.receive_time, entry.received)
    if entry.body and not show(message.data, entry.body):
        message.ClearField("data")
        message.damaged.append("data")
    return message
