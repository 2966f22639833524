"""Incidents, their events and their alerts as clients see them."""

from typing import Final
from urllib.parse import quote

from scheduler_svc.domain.alert_groups import IncidentAlert as StoredAlert
from scheduler_svc.domain.incident_words import EventKind
from scheduler_svc.domain.incidents import Incident as StoredIncident
from scheduler_svc.handlers.times import set_instant
from scheduler_svc.ports.incidents import IncidentEvent
from tocsin.api.scheduler.v1 import incident_service_pb2 as pb
from tocsin.stored import int32

_COLLECTION: Final = "incidents/"
_POLICIES: Final = "escalationPolicies/"


def incident_message(incident: StoredIncident) -> pb.Incident:
    """The incident as clients see it."""
    message = pb.Incident(
        name=f"{_COLLECTION}{incident.id}",
        title=incident.title,
        description=incident.description,
        dedup_key=incident.key,
        severity=pb.Incident.Severity.ValueType(int32(incident.severity)),
        escalation_policy=f"{_POLICIES}{incident.policy}" if incident.policy else "",
        labels=incident.labels,
        url=incident.url,
        source=incident.source,
        state=pb.Incident.State.ValueType(int32(incident.state)),
        trigger_count=int32(incident.count),
        acknowledged_by=incident.acknowledged_by,
        resolved_by=incident.resolved_by,
        merged_into=f"{_COLLECTION}{incident.merged_into}" if incident.merged_into else "",
        next_step=int32(incident.step),
        etag=incident.etag,
        route=f"incidentRoutes/{incident.route}" if incident.route else "",
        held_by=incident.held_by,
        alert_count=int32(incident.group.total) if incident.group else 0,
        open_alert_count=int32(incident.group.open_alerts) if incident.group else 0,
        damaged=[] if incident.version else ["title", "description", "labels", "url"],
    )
    set_instant(message.create_time, incident.created)
    set_instant(message.last_trigger_time, incident.triggered)
    set_instant(message.acknowledge_time, incident.acknowledged)
    set_instant(message.resolve_time, incident.resolved)
    set_instant(message.snoozed_until, incident.snoozed_until)
    set_instant(message.next_step_time, incident.step_at)
    set_instant(message.update_time, incident.updated)
    return message


def event_message(event: IncidentEvent) -> pb.IncidentEvent:
    """An event as clients see it."""
    message = pb.IncidentEvent(
        name=f"{_COLLECTION}{event.incident}/events/{event.number}",
        kind=pb.IncidentEvent.Kind.ValueType(int32(event.kind)),
        actor=event.by.actor,
        via=event.by.via,
        text=event.by.note,
        firing=f"firings/{event.firing}" if event.firing else "",
        step=int32(event.step + 1) if event.kind in (EventKind.STEP, EventKind.STEP_SKIPPED) else 0,
    )
    set_instant(message.time, event.at)
    return message


def alert_message(alert: StoredAlert) -> pb.IncidentAlert:
    """An alert of a group as clients see it."""
    message = pb.IncidentAlert(
        name=f"{_COLLECTION}{alert.incident}/alerts/{quote(alert.key, safe='')}",
        dedup_key=alert.key,
        title=alert.title,
        description=alert.description,
        severity=pb.Incident.Severity.ValueType(int32(alert.severity)),
        labels=alert.labels,
        url=alert.url,
        source=alert.source,
        state=pb.IncidentAlert.State.ValueType(int32(alert.state)),
        trigger_count=int32(alert.count),
    )
    set_instant(message.create_time, alert.created)
    set_instant(message.last_trigger_time, alert.triggered)
    set_instant(message.resolve_time, alert.resolved)
    return message
