"""IncidentService."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

import grpc

from scheduler_svc.domain.alert_groups import IncidentAlert as StoredAlert
from scheduler_svc.domain.incident_words import AlertEvent, By, IncidentSeverity, IncidentState
from scheduler_svc.domain.incidents import Incident as StoredIncident
from scheduler_svc.handlers.incident_messages import alert_message, event_message, incident_message
from scheduler_svc.handlers.times import length_of, micros_of
from scheduler_svc.ports.incidents import IncidentEvent
from scheduler_svc.service.incidents import AlertDraft, Answerer, IncidentCursor, IncidentDraft, Incidents
from tocsin.api.scheduler.v1 import incident_service_pb2 as pb
from tocsin.api.scheduler.v1 import incident_service_pb2_grpc as rpc
from tocsin.errors import Aborted, DeadlineExceeded, InvalidInput, ResourceExhausted, TocsinError, Unavailable
from tocsin.listing import FilterField, FilterKind, PageToken, parse_filter
from tocsin.mesh.context import principal
from tocsin.pages import BatchSizer, Listing, list_page

Context = grpc.aio.ServicerContext[Any, Any]

_LATER: Final = (Unavailable, Aborted, DeadlineExceeded, ResourceExhausted)
"""Errors after which the same may go well."""

_COLLECTION: Final = "incidents/"
_POLICIES: Final = "escalationPolicies/"
_SEVERITIES: Final[Mapping[int, IncidentSeverity]] = {int(severity): severity for severity in IncidentSeverity}
_FILTER: Final = {
    "state": FilterField(kind=FilterKind.CHOICE, choices=tuple(state.name for state in IncidentState)),
    "severity": FilterField(kind=FilterKind.CHOICE, choices=tuple(severity.name for severity in IncidentSeverity)),
    "escalation_policy": FilterField(operators=("=",)),
    "source": FilterField(operators=("=",)),
    "dedup_key": FilterField(operators=("=",)),
    "create_time": FilterField(kind=FilterKind.TIME),
}


class IncidentHandlers(rpc.IncidentServiceServicer):
    """Opens incidents of the caller's tenant, and takes the answers to them."""

    def __init__(self, *, incidents: Incidents) -> None:
        self._incidents = incidents

    async def TriggerIncident(self, request: pb.TriggerIncidentRequest, context: Context) -> pb.Incident:
        """Opens an incident, or counts one more trigger."""
        return incident_message(await self._incidents.trigger(_who(), _draft(request.incident), request_id=request.request_id))

    async def GetIncident(self, request: pb.GetIncidentRequest, context: Context) -> pb.Incident:
        """Reads an incident."""
        return incident_message(await self._incidents.get(principal().tenant, _id(request.name)))

    async def ListIncidents(self, request: pb.ListIncidentsRequest, context: Context) -> pb.ListIncidentsResponse:
        """Lists incidents, the newest first."""
        tenant = principal().tenant
        conditions = parse_filter(request.filter, fields=_FILTER)

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[StoredIncident], None]:
            before = behind[0] if behind else ""
            return await self._incidents.page(tenant, conditions=conditions, before=before, size=most), None

        listing = Listing(f"incidents/{tenant}/{request.filter}", (str,))
        found, more = await list_page(request, listing, read=read, show=incident_message, place=lambda item: (item.id,))
        return pb.ListIncidentsResponse(incidents=found, next_page_token=more)

    async def WatchIncidents(self, request: pb.WatchIncidentsRequest, context: Context) -> AsyncGenerator[pb.WatchIncidentsResponse]:
        """Streams every event."""
        tenant, wanted = principal().tenant, _id(request.incident)
        query = f"incidents/watch/{tenant}/{wanted}"
        step = BatchSizer()
        watched = self._incidents.watch(tenant, incident=wanted, after=_resumed(request.resume_token, query), most=step.take)
        async for event, incident in watched:
            token = PageToken.encode((event.change, event.incident, event.number), query=query)
            message = pb.WatchIncidentsResponse(event=event_message(event), incident=incident_message(incident), resume_token=token)
            step.saw(message.ByteSize())
            yield message

    async def ListIncidentEvents(self, request: pb.ListIncidentEventsRequest, context: Context) -> pb.ListIncidentEventsResponse:
        """Lists the timeline of an incident."""
        tenant, incident = principal().tenant, _id(request.name)

        async def read(behind: tuple[int] | None, most: int) -> tuple[Sequence[IncidentEvent], None]:
            return await self._incidents.timeline(tenant, incident, after=behind[0] if behind else -1, size=most), None

        listing = Listing(f"incidents/events/{tenant}/{incident}", (int,))
        found, more = await list_page(request, listing, read=read, show=event_message, place=lambda event: (event.number,))
        return pb.ListIncidentEventsResponse(events=found, next_page_token=more)

    async def ListIncidentAlerts(self, request: pb.ListIncidentAlertsRequest, context: Context) -> pb.ListIncidentAlertsResponse:
        """Lists the alerts that an incident groups."""
        tenant, incident = principal().tenant, _id(request.name)

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[StoredAlert], None]:
            return await self._incidents.alerts(tenant, incident, after=behind[0] if behind else "", size=most), None

        listing = Listing(f"incidents/alerts/{tenant}/{incident}", (str,))
        found, more = await list_page(request, listing, read=read, show=alert_message, place=lambda alert: (alert.key,))
        return pb.ListIncidentAlertsResponse(alerts=found, next_page_token=more)

    async def AcknowledgeIncident(self, request: pb.AcknowledgeIncidentRequest, context: Context) -> pb.Incident:
        """Says that somebody has it."""
        return incident_message(await self._incidents.acknowledge(_who(), _id(request.name), note=request.note))

    async def UnacknowledgeIncident(self, request: pb.UnacknowledgeIncidentRequest, context: Context) -> pb.Incident:
        """Gives it back."""
        return incident_message(await self._incidents.unacknowledge(_who(), _id(request.name), note=request.note))

    async def ResolveIncident(self, request: pb.ResolveIncidentRequest, context: Context) -> pb.Incident:
        """Says that it is over."""
        return incident_message(await self._incidents.resolve(_who(), _id(request.name), note=request.note))

    async def SnoozeIncident(self, request: pb.SnoozeIncidentRequest, context: Context) -> pb.Incident:
        """Puts it off."""
        until = micros_of(request.until, field="until") if request.HasField("until") else None
        length = length_of(request.duration) if request.HasField("duration") else None
        return incident_message(await self._incidents.snooze(_who(), _id(request.name), until=until, length=length, note=request.note))

    async def ReassignIncident(self, request: pb.ReassignIncidentRequest, context: Context) -> pb.Incident:
        """Gives it to somebody else."""
        policy = request.escalation_policy.removeprefix(_POLICIES)
        return incident_message(
            await self._incidents.reassign(_who(), _id(request.name), policy=policy, targets=request.targets, note=request.note)
        )

    async def NoteIncident(self, request: pb.NoteIncidentRequest, context: Context) -> pb.Incident:
        """Writes a note into its timeline."""
        noted = await self._incidents.note(_who(), _id(request.name), note=request.note, request_id=request.request_id)
        return incident_message(noted)

    async def MergeIncident(self, request: pb.MergeIncidentRequest, context: Context) -> pb.Incident:
        """Makes it part of another one."""
        return incident_message(await self._incidents.merge(_who(), _id(request.name), into=_id(request.into), note=request.note))

    async def AnswerIncident(self, request: pb.AnswerIncidentRequest, context: Context) -> pb.Incident:
        """Takes an answer that came by a link or a reply."""
        who, incident = Answerer(request.tenant, request.actor, request.via), _id(request.name)
        match request.answer:
            case pb.AnswerIncidentRequest.ACKNOWLEDGE:
                return incident_message(await self._incidents.acknowledge(who, incident))
            case pb.AnswerIncidentRequest.RESOLVE:
                return incident_message(await self._incidents.resolve(who, incident))
            case pb.AnswerIncidentRequest.SNOOZE:
                length, identity = length_of(request.snooze), request.message_id
                return incident_message(await self._incidents.snooze(who, incident, until=None, length=length, request_id=identity))
            case pb.AnswerIncidentRequest.NOTE:
                return incident_message(await self._incidents.note(who, incident, note=request.note, request_id=request.message_id))
            case _:
                return incident_message(await self._incidents.get(request.tenant, incident))

    async def CheckIncidents(self, request: pb.CheckIncidentsRequest, context: Context) -> pb.CheckIncidentsResponse:
        """Tells which of some incidents still wait for an answer, and of which people are being told."""
        asked = [(one.tenant, _id(one.name)) for one in request.incidents]
        return pb.CheckIncidentsResponse(waiting=await self._incidents.waiting(asked), telling=await self._incidents.telling(asked))

    async def TriggerIncidents(self, request: pb.TriggerIncidentsRequest, context: Context) -> pb.TriggerIncidentsResponse:
        """Opens incidents, or resolves them, for firings."""
        answers = await self._incidents.trigger_all([_alert(one) for one in request.triggered])
        return pb.TriggerIncidentsResponse(answers=map(_answer, answers))


def _alert(one: pb.TriggerIncidentsRequest.Triggered) -> tuple[str, AlertDraft, By]:
    source = f"alarms/{one.alarm}" if one.alarm else f"firings/{one.firing}"
    draft = _draft(one.incident, key=one.incident.dedup_key or source, source=source)
    event = AlertEvent.RESOLVE if one.resolved else AlertEvent.TRIGGER
    return one.tenant, AlertDraft(draft, event, f"firings/{one.firing}"), By(source, "alarm")


def _answer(answer: StoredIncident | Exception | None) -> pb.TriggerIncidentsResponse.Answer:
    if isinstance(answer, TocsinError):
        return pb.TriggerIncidentsResponse.Answer(reason=answer.error_reason, message=answer.message, retryable=isinstance(answer, _LATER))
    if isinstance(answer, Exception):
        raise answer
    return pb.TriggerIncidentsResponse.Answer(incident=f"{_COLLECTION}{answer.id}" if answer else "")


def _who() -> Answerer:
    who = principal()
    return Answerer(who.tenant, who.subject, called=who.called)


def _id(name: str) -> str:
    return name.removeprefix(_COLLECTION)


def _draft(message: pb.Incident, *, key: str = "", source: str = "") -> IncidentDraft:
    return IncidentDraft(
        title=message.title,
        description=message.description,
        key=key or message.dedup_key,
        severity=_SEVERITIES.get(message.severity, IncidentSeverity.ERROR),
        policy=message.escalation_policy.removeprefix(_POLICIES),
        labels=dict(message.labels),
        url=message.url,
        source=source,
    )


def _resumed(token: str, query: str) -> IncidentCursor | None:
    try:
        cursor = PageToken.decode(token, query=query, shape=(int, str, int))
    except InvalidInput:
        raise InvalidInput.at("resumeToken", "is not a resume token of this watch") from None
    return (cursor[0], cursor[1], cursor[2]) if cursor else None
