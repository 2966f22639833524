"""FiringService."""

from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import zip_longest
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

from scheduler_svc import domain
from scheduler_svc.handlers.audit import audit_message
from scheduler_svc.handlers.caller import caller
from scheduler_svc.handlers.convert import alarm_id, firing_id, firing_message
from scheduler_svc.handlers.times import micros_of, set_instant, set_length
from scheduler_svc.service import Audits, Caller, Firings
from scheduler_svc.service.summaries import EDGES, FiringSummaries
from tocsin.api.scheduler.v1 import firing_service_pb2, firing_service_pb2_grpc
from tocsin.errors import InvalidInput
from tocsin.listing import Condition, FilterField, FilterKind, PageToken, parse_filter
from tocsin.pages import BatchSizer, Listing, ListRequest, list_page
from tocsin.stored import int32

_FILTER: Final = {
    "alarm": FilterField(operators=("=",)),
    "state": FilterField(kind=FilterKind.CHOICE, choices=tuple(state.name for state in domain.FiringState)),
    "outcome": FilterField(kind=FilterKind.CHOICE, choices=tuple(outcome.name for outcome in domain.Outcome)),
    "origin": FilterField(kind=FilterKind.CHOICE, choices=tuple(origin.name for origin in domain.Origin)),
    "due_time": FilterField(kind=FilterKind.TIME),
}

Shown = TypeVar("Shown", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]


class FiringHandlers(firing_service_pb2_grpc.FiringServiceServicer):
    """Reads the ledger of the caller's tenant."""

    def __init__(self, *, firings: Firings, audits: Audits, summaries: FiringSummaries) -> None:
        self._firings = firings
        self._audits = audits
        self._summaries = summaries

    async def GetFiring(self, request: firing_service_pb2.GetFiringRequest, context: Context) -> firing_service_pb2.Firing:
        """Reads one firing."""
        return firing_message(await self._firings.get(caller(), firing_id(request.name)))

    async def ListFirings(self, request: firing_service_pb2.ListFiringsRequest, context: Context) -> firing_service_pb2.ListFiringsResponse:
        """Lists firings, the latest due time first."""
        conditions = tuple(_named(condition) for condition in parse_filter(request.filter, fields=_FILTER))
        found, more = await firing_page(request, self._firings, caller(), show=firing_message, query=request.filter, conditions=conditions)
        return firing_service_pb2.ListFiringsResponse(firings=found, next_page_token=more)

    async def SummarizeFirings(
        self, request: firing_service_pb2.SummarizeFiringsRequest, context: Context
    ) -> firing_service_pb2.SummarizeFiringsResponse:
        """Counts what was due lately."""
        found = await self._summaries.summary(caller(), alarm=alarm_id(request.alarm), minutes=request.minutes)
        message = firing_service_pb2.SummarizeFiringsResponse(partial=found.partial)
        set_instant(message.start_time, found.since)
        set_instant(message.compute_time, found.until)
        for outcome, count in found.outcomes.items():
            message.outcomes.add(outcome=firing_service_pb2.Firing.Outcome.ValueType(int32(outcome)), firings=count)
        for edge, count in zip_longest(EDGES, found.lateness):
            step = message.lateness.add(firings=count)
            if edge is not None:
                set_length(step.at_most, edge)
        return message

    async def WatchFirings(
        self, request: firing_service_pb2.WatchFiringsRequest, context: Context
    ) -> AsyncGenerator[firing_service_pb2.WatchFiringsResponse]:
        """Streams every change."""
        who = caller()
        query = f"watch/{who.tenant}"
        after = _resumed(request.resume_token, query)
        step = BatchSizer()
        async for firing in self._firings.watch(who, alarm=alarm_id(request.alarm), after=after, most=step.take):
            message = firing_message(firing)
            step.saw(message.ByteSize() + _hidden(firing))
            token = PageToken.encode((firing.change, firing.id), query=query)
            yield firing_service_pb2.WatchFiringsResponse(firing=message, resume_token=token)

    async def AuditFirings(
        self, request: firing_service_pb2.AuditFiringsRequest, context: Context
    ) -> AsyncGenerator[firing_service_pb2.AuditFiringsResponse]:
        """Compares the rules with the ledger."""
        start = micros_of(request.start_time, field="startTime")
        end = micros_of(request.end_time, field="endTime") if request.HasField("end_time") else None
        incident = request.incident.removeprefix("incidents/")
        async for told in self._audits.audit(caller(), start=start, end=end, alarm=alarm_id(request.alarm), incident=incident):
            yield audit_message(told)

    async def ReplayFiring(self, request: firing_service_pb2.ReplayFiringRequest, context: Context) -> firing_service_pb2.Firing:
        """Fires a dead firing once more."""
        return firing_message(await self._firings.replay(caller(), firing_id(request.name)))


async def firing_page(
    request: ListRequest,
    firings: Firings,
    who: Caller,
    *,
    show: Callable[[domain.Firing], Shown],
    query: str = "",
    conditions: tuple[Condition, ...] = (),
    adhoc: bool = False,
) -> tuple[list[Shown], str]:
    """A page of firings as ``show`` shows them, and the token of the next one."""

    async def read(behind: tuple[int, str] | None, most: int) -> tuple[Sequence[domain.Firing], None]:
        return await firings.page(who, conditions=conditions, before=behind, size=most, adhoc=adhoc), None

    listing = Listing(f"firings/{adhoc}/{who.tenant}/{query}", (int, str))
    return await list_page(request, listing, read=read, show=show, place=lambda firing: (firing.due, firing.id), hidden=_hidden)


def _hidden(firing: domain.Firing) -> int:
    """What a firing does is read with it and not shown."""
    return len(firing.action.body)


def _named(condition: Condition) -> Condition:
    """``alarm="alarms/{id}"`` means the id."""
    if condition.field != "alarm":
        return condition
    return Condition(field="alarm", operator=condition.operator, value=alarm_id(str(condition.value)))


def _resumed(token: str, query: str) -> tuple[int, str] | None:
    try:
        cursor = PageToken.decode(token, query=query, shape=(int, str))
    except InvalidInput:
        raise InvalidInput.at("resumeToken", "is not a resume token of this watch") from None
    return (cursor[0], cursor[1]) if cursor else None
