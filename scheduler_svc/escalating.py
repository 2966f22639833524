"""Steps of escalations, and what people hear of an incident afterwards, as rows of the ledger: firings of the action `notify`."""

from collections.abc import Mapping
from typing import Final

from scheduler_svc.contexts import packed
from scheduler_svc.domain import Action, Firing, FiringState, Origin, Outcome, Priority, fired_outcome, requested_firing_id
from scheduler_svc.domain.alert_groups import counted
from scheduler_svc.domain.incident_words import EventKind, IncidentState, StatusUpdate, StepFiring
from scheduler_svc.domain.incidents import Incident
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import from_micros
from tocsin.recurrence import Micros

_INCIDENT: Final = "templates/tocsin.incident"
_LONGEST_MESSAGE: Final = 2000
_PEOPLE: Final = ("users/", "recipients/", "apiKeys/", "serviceAccounts/")
_NO_ACTION: Final = Action("", b"")


def firing_of_slot(incident: Incident, slot: str) -> str:
    """Id of the firing of a step or an update: the same whoever computes it."""
    return requested_firing_id(incident.tenant, incident.id, slot)


def firing_of(incident: Incident, told: StepFiring | StatusUpdate, *, firing: str, shard: int, now: Micros) -> Firing:
    """The row of what people are told, which has the id ``firing``: a step of an incident, or what became of it."""
    if isinstance(told, StepFiring):
        return _step(incident, told, firing=firing, shard=shard, now=now)
    return _update(incident, told, firing=firing, shard=shard, now=now)


def _step(incident: Incident, taken: StepFiring, *, firing: str, shard: int, now: Micros) -> Firing:
    """One that was left out is in the ledger as skipped, with its reason."""
    answered = f"incidents/{incident.id}"
    variables = _facts(incident, "triggered")
    notify = alarm_pb2.Notify(
        recipients=taken.step.targets, channels=taken.step.channels, template=_INCIDENT, variables=variables, incident=answered
    )
    return _row(
        incident,
        firing,
        due=taken.due,
        skipped=taken.skipped,
        notify=notify,
        priority=incident.severity.priority,
        context={**_about(incident), "step": taken.number + 1},
        shard=shard,
        now=now,
    )


def _update(incident: Incident, update: StatusUpdate, *, firing: str, shard: int, now: Micros) -> Firing:
    """What everybody who was told hears.

    That somebody has it, or that it is over, is mail of everyday priority, whatever the incident's, and needs no answer. What is new in a
    group is as urgent as the group, and may be answered unless somebody has done so.
    """
    fresh = update.kind is EventKind.UPDATE_SENT
    about = _about(incident)
    if update.kind is EventKind.RESOLVED:
        variables = _resolution(incident)
        about |= {"state": update.kind.name, "resolvedBy": update.by if incident.resolved_by.startswith(_PEOPLE) else ""}
    elif fresh:
        variables = _facts(incident, update.said, news=update.text)
    else:
        variables = _facts(incident, f"acknowledged by {update.by}")
        about |= {"state": update.kind.name, "acknowledgedBy": update.by}
    asking = fresh and incident.state is IncidentState.TRIGGERED
    notify = alarm_pb2.Notify(
        recipients=(f"incidents/{incident.id}",),
        template="templates/tocsin.resolved" if update.kind is EventKind.RESOLVED else _INCIDENT,
        variables=variables,
        incident=f"incidents/{incident.id}" if asking else "",
    )
    return _row(
        incident,
        firing,
        due=update.at,
        skipped=update.skipped,
        notify=notify,
        priority=incident.severity.priority if fresh else Priority.NORMAL,
        context=about,
        shard=shard,
        now=now,
    )


def _row(
    incident: Incident,
    firing: str,
    *,
    due: Micros,
    skipped: str,
    notify: alarm_pb2.Notify,
    priority: Priority,
    context: Mapping[str, object],
    shard: int,
    now: Micros,
) -> Firing:
    outcome, reason = (Outcome.SKIPPED, skipped) if skipped else fired_outcome(due=due, now=now)
    action = _NO_ACTION if skipped else Action("notify", alarm_pb2.Action(notify=notify).SerializeToString(deterministic=True))
    return Firing(
        id=firing,
        tenant=incident.tenant,
        alarm="",
        shard=shard,
        origin=Origin.ESCALATION,
        due=due,
        fired=None if skipped else max(now, due),  # an answer can come while the transaction is on its way
        outcome=outcome,
        reason=reason,
        state=FiringState.CLOSED if skipped else FiringState.PENDING,
        ready=None if skipped else now,
        completed=now if skipped else None,
        priority=priority,
        action=action,
        context=packed({"incident": dict(context)}),
    )


def _facts(incident: Incident, status: str, *, news: str = "") -> Mapping[str, str]:
    """The variables of tocsin.incident that have a value."""
    values = {
        "title": incident.title,
        "message": "\n\n".join(part for part in (news or incident.description[:_LONGEST_MESSAGE], _group(incident)) if part),
        "status": status,
        "severity": incident.severity.name.lower(),
        "time": _minute(incident.created),
        "url": incident.url,
    }
    return {name: value for name, value in values.items() if value}


def _group(incident: Incident) -> str:
    """How many alerts the incident groups, and by what, such as "3 alerts of cluster=a, 2 of them open"."""
    group = incident.group
    if group is None or group.total < 2:
        return ""
    shared = ", ".join(f"{name}={value}" for name, value in group.by.items() if value)
    return f"{counted(group.total)}{f' of {shared}' if shared else ''}, {group.open_alerts} of them open"[:_LONGEST_MESSAGE]


def _resolution(incident: Incident) -> Mapping[str, str]:
    """The variables of tocsin.resolved that have a value."""
    ended = incident.resolved or incident.updated
    values = {
        "title": incident.title,
        "source": incident.source,
        "duration": _length(ended - incident.created),
        "time": _minute(ended),
        "url": incident.url,
    }
    return {name: value for name, value in values.items() if value}


def _minute(instant: Micros) -> str:
    """The time as people read it, such as "2026-11-29 10:15 UTC"."""
    return f"{from_micros(instant):%Y-%m-%d %H:%M} UTC"


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
