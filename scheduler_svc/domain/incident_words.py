"""The words of incidents: where one stands, how bad it is, what happens to it, and what comes of that. Pure."""

from collections import Counter
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

from scheduler_svc.domain.escalation import EscalationPlan, EscalationStep
from tocsin.priority import Priority
from tocsin.recurrence import Micros


class IncidentState(IntEnum):
    """Where an incident stands; the numbers are stored, and are those of the contract."""

    TRIGGERED = 1
    ACKNOWLEDGED = 2
    RESOLVED = 3


class IncidentSeverity(IntEnum):
    """How bad it is; the numbers are stored, and are those of the contract."""

    CRITICAL = 1
    ERROR = 2
    WARNING = 3
    INFO = 4

    @property
    def priority(self) -> Priority:
        """Of what people are told."""
        return _PRIORITIES.get(self, Priority.NORMAL)

    @classmethod
    def of(cls, priority: Priority) -> "IncidentSeverity":
        """That of an alarm's incident."""
        return _SEVERITIES[priority]


_PRIORITIES: Final = {IncidentSeverity.CRITICAL: Priority.CRITICAL, IncidentSeverity.INFO: Priority.BULK}
_SEVERITIES: Final = {
    Priority.CRITICAL: IncidentSeverity.CRITICAL,
    Priority.NORMAL: IncidentSeverity.ERROR,
    Priority.BULK: IncidentSeverity.INFO,
}


class AlertEvent(IntEnum):
    """What an alert says of an incident; the numbers are those of the contract."""

    TRIGGER = 1
    ACKNOWLEDGE = 2
    RESOLVE = 3


class EventKind(IntEnum):
    """What happened to an incident; the numbers are stored, and are those of the contract."""

    TRIGGERED = 1
    STEP = 2
    STEP_SKIPPED = 3
    EXHAUSTED = 4
    ACKNOWLEDGED = 5
    UNACKNOWLEDGED = 6
    RESOLVED = 7
    SNOOZED = 8
    UNSNOOZED = 9
    REASSIGNED = 10
    NOTED = 11
    MERGED = 12
    UPDATE_SENT = 13
    ALERT_OPENED = 14
    ALERT_RESOLVED = 15
    RELEASED = 16


class By(NamedTuple):
    """Who does something to an incident, how that came, and what is said about it; ``called`` is what people call the actor."""

    actor: str
    via: str = ""
    note: str = ""
    called: str = ""

    @property
    def told_as(self) -> str:
        """As those hear of the actor who were told: by the name; by the id of one without a name."""
        return self.called or self.actor.rpartition("/")[2] or self.actor


class EventFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an event says beside its timeline entry, so that the steps of the incident can be computed again later.

    Attributes:
        until: of SNOOZED: until when.
        plan: of REASSIGNED: what the incident followed until then.
        policy: likewise: id of its policy; empty without one.
        turn: likewise: whose turn it was.
    """

    until: Micros | None = None
    plan: EscalationPlan | None = None
    policy: str = ""
    turn: int = 0


class Happened(NamedTuple):
    """An event of an incident: an entry of its timeline."""

    kind: EventKind
    at: Micros
    by: By
    step: int = 0
    slot: str = ""
    facts: EventFacts | None = None


class IncidentTally:
    """What has happened to incidents, counted for metrics.

    Attributes:
        opened: by severity.
        acknowledged: how long each of those was waited for.
        resolved: how many.
        steps: by the reason why they were left out or held back; those that were taken have none.
    """

    __slots__ = ("acknowledged", "opened", "resolved", "steps")

    def __init__(self) -> None:
        self.opened = Counter[IncidentSeverity]()
        self.acknowledged: list[Micros] = []
        self.resolved = 0
        self.steps = Counter[str]()

    def add(self, happened: "Happened", *, severity: IncidentSeverity, created: Micros, first: bool) -> None:
        """Counts an event of an incident; ``first`` is the one with which it began."""
        match happened.kind:
            case EventKind.TRIGGERED if first:
                self.opened[severity] += 1
            case EventKind.ACKNOWLEDGED:
                self.acknowledged.append(happened.at - created)
            case EventKind.RESOLVED:
                self.resolved += 1
            case EventKind.STEP:
                self.steps[""] += 1
            case EventKind.STEP_SKIPPED:
                self.steps[happened.by.note] += 1
            case _:
                pass


class StepFiring(NamedTuple):
    """A step that was taken, or left out for a reason: its row in the ledger.

    Attributes:
        slot: what makes it one of a kind within its incident.
        step: what is done.
        number: which step it is, through all repetitions.
        due: when it was due.
        skipped: why it was left out; empty: it was taken.
    """

    slot: str
    step: EscalationStep
    number: int
    due: Micros
    skipped: str = ""


class StatusUpdate(NamedTuple):
    """What everybody who was told hears: that somebody has it, that it is over, or what is new in the group.

    Attributes:
        slot: what makes it one of a kind within its incident.
        kind: what has happened; UPDATE_SENT for what is new in a group.
        at: when it was due.
        said: how it stands, of a group.
        text: more about that.
        skipped: why nobody hears it; empty: everybody does.
        by: who has it, or who ended it, as people are called.
    """

    slot: str
    kind: EventKind
    at: Micros
    said: str = ""
    text: str = ""
    skipped: str = ""
    by: str = ""


class Hold(NamedTuple):
    """What keeps steps back: its resource name, the reason, and until when at the latest."""

    by: str
    reason: str
    until: Micros
