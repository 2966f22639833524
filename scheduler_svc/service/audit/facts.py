"""What an audit reads of a timeline beside its columns: what an incident followed for a time, and the hours of steps. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from scheduler_svc.domain.escalation import EscalationPlan, WeeklyHours
from scheduler_svc.domain.incident_words import EventFacts
from scheduler_svc.domain.incidents import Incident
from scheduler_svc.ports.incident_audit import RecordedEvent, StepRow
from scheduler_svc.service.audit.parts import AuditFinding
from tocsin.clock import SECOND
from tocsin.recurrence import Micros, zone
from tocsin.recurrence.errors import UnknownZone
from tocsin.stored import NOT_READABLE

_FACTS: Final = msgspec.json.Decoder(EventFacts)


class Difference(NamedTuple):
    """What is wrong, and the row that is; None: there is none."""

    finding: AuditFinding
    row: StepRow | None


class TimelineUnreadable(Exception):
    """This version cannot judge the timeline."""


class Followed(NamedTuple):
    """What an incident followed for a time: a policy's plan, and whose turn it was."""

    policy: str
    plan: EscalationPlan
    turn: int


def followed(incident: Incident, reassignments: Sequence[RecordedEvent]) -> list[Followed]:
    """What the incident followed from its beginning on, one for each reassignment and one for now.

    Raises:
        TimelineUnreadable: a reassignment does not say it.
    """
    found = list[Followed]()
    for event in reassignments:
        facts = facts_of(event)
        if facts.plan is None:
            msg = "a reassignment does not say what was followed before"
            raise TimelineUnreadable(msg)
        found.append(Followed(facts.policy, facts.plan, facts.turn))
    return [*found, Followed(incident.policy, incident.plan, incident.turn)]


def facts_of(event: RecordedEvent) -> EventFacts:
    """What the event says beside its columns.

    Raises:
        TimelineUnreadable: it is nothing that this version knows.
    """
    if not event.facts:
        return EventFacts()
    try:
        return _FACTS.decode(event.facts)
    except NOT_READABLE as error:
        raise TimelineUnreadable(str(error)) from error


def within(hours: Sequence[WeeklyHours], zone_name: str, at: Micros) -> bool:
    """Whether an instant lies in hours of the week, in wall time: every beginning of the last two days is tried."""
    try:
        wall = datetime.fromtimestamp(at // SECOND, zone(zone_name) if zone_name else UTC).replace(tzinfo=None)
    except UnknownZone:
        wall = datetime.fromtimestamp(at // SECOND, UTC).replace(tzinfo=None)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    for each in hours:
        for day in (midnight - timedelta(days=1), midnight):
            if each.days and day.isoweekday() not in each.days:
                continue
            length = each.end - each.start if each.end > each.start else each.end - each.start + 1440
            begin = day + timedelta(minutes=each.start)
            if begin <= wall < begin + timedelta(minutes=length):
                return True
    return False
