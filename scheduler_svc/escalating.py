"""Steps of escalations, and what people hear of an incident afterwards, as rows of the ledger: firings of the action `notify`."""

from collections.abc import Mapping
from typing import Final

from scheduler_svc.contexts import packed, rfc3339
from scheduler_svc.domain import Action, Firing, FiringState, Origin, Outcome, Priority, fired_outcome, requested_firing_id
from scheduler_svc.domain.incident_words import EventKind, IncidentState, StatusUpdate, StepFiring
from scheduler_svc.domain.incidents import Incident
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.recurrence import Micros

_TEMPLATES: Final = {EventKind.ACKNOWLEDGED: "templates/tocsin.incident", EventKind.RESOLVED: "templates/tocsin.resolved"}
_LONGEST_MESSAGE: Final = 2000
_NO_ACTION: Final = Action("", b"")


def firing_of_slot(incident: Incident, slot: str) -> str:
    """Id of the firing of a step or an update: the same whoever computes it."""
    return requested_firing_id(incident.tenant, incident.id, slot)


def step_firing(incident: Incident, taken: StepFiring, *, shard: int, now: Micros) -> Firing:
    """The row of a step; one that was left out is in the ledger as skipped, with its reason."""
    going = not taken.skipped
    outcome, reason = fired_outcome(due=taken.due, now=now) if going else (Outcome.SKIPPED, taken.skipped)
    action = _notify(incident, "templates/tocsin.incident", targets=taken.step.targets, channels=taken.step.channels, status="triggered")
    return Firing(
        id=firing_of_slot(incident, taken.slot),
        tenant=incident.tenant,
        alarm="",
        shard=shard,
        origin=Origin.ESCALATION,
        due=taken.due,
        fired=now if going else None,
        outcome=outcome,
        reason=reason,
        state=FiringState.PENDING if going else FiringState.CLOSED,
        ready=now if going else None,
        completed=None if going else now,
        priority=incident.severity.priority,
        action=action if going else _NO_ACTION,
        context=packed({"incident": {**_about(incident), "step": taken.number + 1}}),
    )


def update_firing(incident: Incident, update: StatusUpdate, *, shard: int, now: Micros) -> Firing:
    """The row of what everybody who was told hears: mail of everyday priority, whatever the incident's."""
    status = f"acknowledged by {_name(incident.acknowledged_by)}" if update.kind is EventKind.ACKNOWLEDGED else "resolved"
    return Firing(
        id=firing_of_slot(incident, update.slot),
        tenant=incident.tenant,
        alarm="",
        shard=shard,
        origin=Origin.ESCALATION,
        due=update.at,
        fired=now,
        outcome=Outcome.FIRED,
        state=FiringState.PENDING,
        ready=now,
        priority=Priority.NORMAL,
        action=_notify(incident, _TEMPLATES[update.kind], targets=(f"incidents/{incident.id}",), channels=(), status=status),
        context=packed({"incident": {**_about(incident), "state": update.kind.name}}),
    )


def _notify(incident: Incident, template: str, *, targets: tuple[str, ...], channels: tuple[str, ...], status: str) -> Action:
    variables = _resolution(incident) if template == _TEMPLATES[EventKind.RESOLVED] else _facts(incident, status)
    told = targets == (f"incidents/{incident.id}",)
    notify = alarm_pb2.Notify(
        recipients=targets,
        channels=channels,
        template=template,
        variables={name: value for name, value in variables.items() if value},
        incident="" if told else f"incidents/{incident.id}",  # what is said afterwards needs no answer
    )
    return Action("notify", alarm_pb2.Action(notify=notify).SerializeToString(deterministic=True))


def _facts(incident: Incident, status: str) -> Mapping[str, str]:
    """The variables of tocsin.incident."""
    return {
        "title": incident.title,
        "message": incident.description[:_LONGEST_MESSAGE],
        "status": status,
        "severity": incident.severity.name.lower(),
        "time": rfc3339(incident.created),
        "url": incident.url,
    }


def _resolution(incident: Incident) -> Mapping[str, str]:
    """The variables of tocsin.resolved."""
    ended = incident.resolved or incident.updated
    return {
        "title": incident.title,
        "source": incident.source,
        "duration": _length(ended - incident.created),
        "time": rfc3339(ended),
        "url": incident.url,
    }


def _length(micros: Micros) -> str:
    seconds = micros // 1_000_000
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def _about(incident: Incident) -> dict[str, object]:
    """What the firing carries, and so what a template may use."""
    return {
        "name": f"incidents/{incident.id}",
        "title": incident.title,
        "severity": incident.severity.name,
        "state": IncidentState(incident.state).name,
        "dedupKey": incident.key,
        "labels": dict(incident.labels),
    }


def _name(actor: str) -> str:
    return actor.rpartition("/")[2] or actor
