"""What alerts do to the incident that groups them. Pure."""

import json
from collections.abc import Mapping
from hashlib import blake2s
from typing import Final

import msgspec

from scheduler_svc.domain.alert_groups import AlertGroup, AlertState, IncidentAlert
from scheduler_svc.domain.incident_words import By, EventKind, Happened
from scheduler_svc.domain.incidents import Incident, IncidentChange, counted_again, resolved
from scheduler_svc.domain.routes import IncidentRoute
from tocsin.recurrence import Micros

_LONGEST_KEY: Final = 255
_dump: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode


def group_of(route: IncidentRoute, labels: Mapping[str, str]) -> AlertGroup:
    """The group of alerts with these labels, without any yet."""
    return AlertGroup(
        by={label: labels.get(label, "") for label in route.group_by},
        wait=route.wait,
        interval=route.interval,
        repeat=route.repeat,
        repeat_acknowledged=route.repeat_acknowledged,
    )


def group_key(route: IncidentRoute, labels: Mapping[str, str]) -> str:
    """The key of that group's incident: made of the route and the values, which a hash stands for when they are long."""
    values = _dump({label: labels.get(label, "") for label in route.group_by})
    key = f"incidentRoutes/{route.id}{values}"
    return key if len(key) <= _LONGEST_KEY and key.isprintable() else f"incidentRoutes/{route.id}#{blake2s(values.encode()).hexdigest()}"


def alert_of(draft: Incident, group: Incident) -> IncidentAlert:
    """The alert that a trigger is for a group."""
    return IncidentAlert(
        incident=group.id,
        tenant=draft.tenant,
        key=draft.key,
        title=draft.title,
        description=draft.description,
        severity=draft.severity,
        labels=draft.labels,
        url=draft.url,
        source=draft.source,
        created=draft.created,
        triggered=draft.triggered,
    )


def first_alert(incident: Incident, alert: IncidentAlert, by: By, at: Micros) -> IncidentChange:
    """The alert with which a group was opened."""
    group = incident.group
    if group is None:
        return IncidentChange(incident)
    joined = msgspec.structs.replace(incident, group=_with_one_more(group, alert, at))
    return IncidentChange(joined, (Happened(EventKind.ALERT_OPENED, at, by._replace(note=alert.key)),))


def joined(
    incident: Incident, known: IncidentAlert | None, alert: IncidentAlert, by: By, at: Micros
) -> tuple[IncidentChange, IncidentAlert]:
    """A trigger of an alert: it joins, or is open again, or counts; what becomes of the incident and of the alert.

    Args:
        incident: the group, which is not over.
        known: the alert as it is in the group; None: it is new there.
        alert: as the trigger says.
        by: who or what triggers it.
        at: when.
    """
    group = incident.group
    if group is None:
        return IncidentChange(incident), alert
    if known is not None:
        alert = msgspec.structs.replace(alert, count=known.count + 1, created=known.created, triggered=max(known.triggered, at))
    if known is not None and known.state is AlertState.OPEN:
        group, kind = group.moved(known.severity, alert.severity), EventKind.TRIGGERED
    else:
        group, kind = _with_one_more(group, alert, at, again=known is not None), EventKind.ALERT_OPENED
    return _grouped(counted_again(incident, at), group, alert, Happened(kind, at, by._replace(note=alert.key))), alert


def left(incident: Incident, alert: IncidentAlert, by: By, at: Micros) -> tuple[IncidentChange, IncidentAlert]:
    """The end of an alert, and of the incident with the last one; no effect on an alert that is over."""
    group = incident.group
    if group is None or alert.state is not AlertState.OPEN:
        return IncidentChange(incident), alert
    over = msgspec.structs.replace(alert, state=AlertState.RESOLVED, resolved=at)
    happened = Happened(EventKind.ALERT_RESOLVED, at, by._replace(note=alert.key))
    change = _grouped(incident, group.moved(alert.severity, None), None, happened)
    if change.incident.group is not None and not change.incident.group.open_alerts:
        change = change.then(lambda one: resolved(one, by, at))
    return change, over


def _with_one_more(group: AlertGroup, alert: IncidentAlert, at: Micros, *, again: bool = False) -> AlertGroup:
    counted = msgspec.structs.replace(group, total=group.total + (not again))
    return counted.moved(None, alert.severity).with_news(alert.title, at)


def _grouped(incident: Incident, group: AlertGroup, alert: IncidentAlert | None, happened: Happened) -> IncidentChange:
    """The incident with another state of its group: as bad as the worst open alert, and with the labels that all have in common."""
    labels = incident.labels
    if alert is not None and alert.labels != labels:
        labels = {name: value for name, value in labels.items() if alert.labels.get(name) == value}
    changed = msgspec.structs.replace(
        incident,
        group=group,
        severity=group.worst or incident.severity,
        labels=labels,
        updated=happened.at,
        version=incident.version + 1,
    )
    return IncidentChange(changed, (happened,))
