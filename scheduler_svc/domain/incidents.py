"""Incidents: what needs an answer, until somebody gives one. Pure: what happens to an incident is a function of it and of an instant.

Three things can come by themselves: the next step, the end of an acknowledgement or of a snooze, and the end of the incident. `advance`
does all of them that are due, and `Incident.wake` says when it has to be asked again. A step that is taken late, because nobody was there
to take it, moves the ones after it: what a step waits for is an answer of people, who have to be told first.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from scheduler_svc.domain.escalation import EscalationPlan
from scheduler_svc.domain.firings import ON_TIME
from scheduler_svc.domain.incident_words import (
    By,
    EventFacts,
    EventKind,
    Happened,
    Hold,
    IncidentSeverity,
    IncidentState,
    StatusUpdate,
    StepFiring,
)
from tocsin.errors import FailedPrecondition, NotFound
from tocsin.recurrence import Micros

POLICY: Final = "policy"
"""Actor of what the policy says."""

NO_PLAN: Final = EscalationPlan()
"""Of an incident that nobody is told about."""

_REMEMBERED: Final = 10_000


class IncidentNotFound(NotFound):
    """There is no such incident."""


class IncidentOver(FailedPrecondition):
    """The incident is resolved, or part of another one."""


class Incident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An incident.

    Attributes:
        key: by which the next trigger, or the end, finds it again.
        policy: id of its escalation policy; empty without one.
        plan: what the policy said when it began.
        source: "alarms/…", "integrations/…", or empty for a client.
        turn: which of the incidents of its policy it is, for those that take turns.
        count: how often it was triggered.
        recent: the last times of that, as many as the plan needs.
        acknowledged: since when somebody has it; None: nobody has.
        merged_into: id of the incident that it is part of.
        step: number of the step that comes next, through all repetitions.
        step_at: when it is due; None: none is.
        round: how often the steps have begun anew.
        told: whether anybody was told.
        held_by: what holds its steps back, such as "silences/…"; empty: nothing does.
    """

    id: str
    tenant: str
    shard: int
    key: str
    title: str
    description: str = ""
    severity: IncidentSeverity = IncidentSeverity.ERROR
    policy: str = ""
    plan: EscalationPlan = NO_PLAN
    labels: dict[str, str] = {}
    url: str = ""
    source: str = ""
    turn: int = 0
    state: IncidentState = IncidentState.TRIGGERED
    count: int = 1
    recent: tuple[Micros, ...] = ()
    created: Micros
    triggered: Micros
    acknowledged: Micros | None = None
    acknowledged_by: str = ""
    resolved: Micros | None = None
    resolved_by: str = ""
    snoozed_until: Micros | None = None
    merged_into: str = ""
    step: int = 0
    step_at: Micros | None = None
    round: int = 0
    told: bool = False
    held_by: str = ""
    updated: Micros = 0
    version: int = 1

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return str(self.version)

    @property
    def open(self) -> bool:
        """Whether it is not over, and nobody else's part."""
        return self.state is not IncidentState.RESOLVED and not self.merged_into

    @property
    def waiting(self) -> bool:
        """Whether it waits for an answer now."""
        return self.open and self.state is IncidentState.TRIGGERED and self.snoozed_until is None

    @property
    def wake(self) -> Micros | None:
        """When something is due by itself; None: nothing will be."""
        if not self.open:
            return None
        times = (self.snoozed_until, self.step_at, self._ends_itself, self._given_back)
        return min((time for time in times if time is not None), default=None)

    @property
    def _ends_itself(self) -> Micros | None:
        return self.triggered + self.plan.resolve_after if self.plan.resolve_after else None

    @property
    def _given_back(self) -> Micros | None:
        after = self.plan.unacknowledge_after
        return self.acknowledged + after if after and self.acknowledged is not None and self.snoozed_until is None else None


class IncidentChange(NamedTuple):
    """What an incident becomes, and what comes of it."""

    incident: Incident
    happened: tuple[Happened, ...] = ()
    steps: tuple[StepFiring, ...] = ()
    updates: tuple[StatusUpdate, ...] = ()

    def then(self, act: "Callable[[Incident], IncidentChange]") -> "IncidentChange":
        """This change, and another one after it."""
        after = act(self.incident)
        return IncidentChange(after.incident, self.happened + after.happened, self.steps + after.steps, self.updates + after.updates)


def opened(incident: Incident, by: By) -> IncidentChange:
    """A new incident; its first step is due at once."""
    at = incident.created
    begun = _begin(_remember(incident, at), at)
    return IncidentChange(begun, (Happened(EventKind.TRIGGERED, at, by),))


def triggered_again(incident: Incident, by: By, at: Micros) -> IncidentChange:
    """One more trigger of an incident that is not over: it counts, and begins nothing anew."""
    counted = _with(_remember(incident, at), at, count=incident.count + 1, triggered=max(incident.triggered, at))
    return IncidentChange(counted, (Happened(EventKind.TRIGGERED, at, by),))


def acknowledged(incident: Incident, by: By, at: Micros) -> IncidentChange:
    """Somebody has it; no effect on one that somebody has, or that is over. A snooze ends."""
    if not incident.open or (incident.state is IncidentState.ACKNOWLEDGED and incident.snoozed_until is None):
        return IncidentChange(incident)
    kept = _with(
        incident,
        at,
        state=IncidentState.ACKNOWLEDGED,
        acknowledged=at,
        acknowledged_by=by.actor,
        snoozed_until=None,
        step_at=None,
        held_by="",
    )
    return _told(kept, EventKind.ACKNOWLEDGED, by, at)


def unacknowledged(incident: Incident, by: By, at: Micros) -> IncidentChange:
    """Given back: its steps begin anew; no effect on one that nobody has."""
    if not incident.open or incident.state is not IncidentState.ACKNOWLEDGED:
        return IncidentChange(incident)
    return IncidentChange(_again(incident, at), (Happened(EventKind.UNACKNOWLEDGED, at, by),))


def resolved(incident: Incident, by: By, at: Micros) -> IncidentChange:
    """It is over; no effect on one that is."""
    if incident.state is IncidentState.RESOLVED:
        return IncidentChange(incident)
    over = _with(
        incident,
        at,
        state=IncidentState.RESOLVED,
        resolved=at,
        resolved_by=by.actor,
        snoozed_until=None,
        step_at=None,
        held_by="",
    )
    return _told(over, EventKind.RESOLVED, by, at)


def snoozed(incident: Incident, by: By, at: Micros, *, until: Micros) -> IncidentChange:
    """Put off until a time, of which somebody has thought: nobody is told before it is over.

    Raises:
        IncidentOver: it is over.
    """
    _require_open(incident)
    if incident.snoozed_until == until:
        return IncidentChange(incident)
    event = Happened(EventKind.SNOOZED, at, by, facts=EventFacts(until=until))
    return IncidentChange(_with(incident, at, snoozed_until=until, step_at=None, held_by=""), (event,))


def reassigned(incident: Incident, by: By, at: Micros, *, policy: str, plan: EscalationPlan, turn: int = 0) -> IncidentChange:
    """It goes to another policy, from the first step on.

    Raises:
        IncidentOver: it is over.
    """
    _require_open(incident)
    begun = _again(msgspec.structs.replace(incident, policy=policy, plan=plan, turn=turn), at)
    before = EventFacts(plan=incident.plan, policy=incident.policy, turn=incident.turn)
    return IncidentChange(begun, (Happened(EventKind.REASSIGNED, at, by, facts=before),))


def noted(incident: Incident, by: By, at: Micros) -> IncidentChange:
    """Somebody writes something into its timeline, also when it is over."""
    return IncidentChange(_with(incident, at), (Happened(EventKind.NOTED, at, by),))


def merged(incident: Incident, by: By, at: Micros, *, into: str) -> IncidentChange:
    """It becomes part of another one, and takes no further step; no effect if it is part of that already.

    Raises:
        IncidentOver: it is over, or part of yet another one.
    """
    if incident.merged_into == into:
        return IncidentChange(incident)
    _require_open(incident)
    part = _with(incident, at, merged_into=into, step_at=None, snoozed_until=None, held_by="")
    return IncidentChange(part, (Happened(EventKind.MERGED, at, by),))


def released(incident: Incident, at: Micros) -> IncidentChange:
    """What held its steps back is over, or may be: the next one is due, and is held back again if anything still does."""
    if not incident.held_by or not incident.open:
        return IncidentChange(incident)
    return IncidentChange(_with(incident, at, step_at=at))


def advance(incident: Incident, at: Micros, *, hold: Hold | None = None) -> IncidentChange:
    """Does what is due up to an instant: the end, the end of a snooze or of an acknowledgement, and steps.

    Args:
        incident: as it is.
        at: the instant.
        hold: what keeps its steps back now.
    """
    change = IncidentChange(incident)
    if not incident.open:
        return change
    ends = incident.triggered + incident.plan.resolve_after
    if incident.plan.resolve_after and ends <= at:
        return resolved(incident, By(POLICY, note="RESOLVE_AFTER"), at)
    if incident.snoozed_until is not None:
        if incident.snoozed_until > at:
            return change
        change = IncidentChange(_again(incident, at), (Happened(EventKind.UNSNOOZED, at, By(POLICY)),))
    elif incident.acknowledged is not None and incident.plan.unacknowledge_after:
        if incident.acknowledged + incident.plan.unacknowledge_after > at:
            return change
        change = unacknowledged(incident, By(POLICY, note="UNACKNOWLEDGE_AFTER"), at)
    return change.then(lambda begun: _steps(begun, at, hold))


def _steps(incident: Incident, at: Micros, hold: Hold | None) -> IncidentChange:
    change = IncidentChange(incident)
    while (due := change.incident.step_at) is not None and due <= at:
        if hold is not None:
            return change.then(lambda one, due=due: _held(one, due, at, hold))
        change = change.then(lambda one, due=due: _step(one, due, at))
    return change


def _held(incident: Incident, due: Micros, at: Micros, hold: Hold) -> IncidentChange:
    """The step stays the next one: it is due again when what holds it back is over. Nothing new if that is known."""
    later = hold.until if hold.until is None or hold.until > at else at + 1
    if incident.held_by == hold.by:
        return IncidentChange(_with(incident, at, step_at=later))
    number, slot = incident.step, f"{incident.round}/{incident.step}@{due}"
    step = incident.plan.step(number, turn=incident.turn)
    firing = StepFiring(slot, step, number, due, hold.reason)
    event = Happened(EventKind.STEP_SKIPPED, at, By(hold.by, note=hold.reason), number, slot)
    return IncidentChange(_with(incident, at, step_at=later, held_by=hold.by), (event,), (firing,))


def _step(incident: Incident, due: Micros, at: Micros) -> IncidentChange:
    plan, number, slot = incident.plan, incident.step, f"{incident.round}/{incident.step}"
    step = plan.step(number, turn=incident.turn)
    skipped = step.skipped(zone_name=plan.zone, triggers=incident.recent, count=incident.count, at=at)
    taken = due if at - due <= ON_TIME else at
    after = taken if skipped else taken + step.wait
    last = number + 1 >= plan.length
    event = Happened(EventKind.STEP_SKIPPED if skipped else EventKind.STEP, at, By(POLICY, note=skipped), number, slot)
    if not last:
        moved = _with(incident, at, step=number + 1, step_at=after, told=incident.told or not skipped, held_by="")
        return IncidentChange(moved, (event,), (StepFiring(slot, step, number, due, skipped),))
    moved = _with(incident, at, step=number + 1, step_at=None, told=incident.told or not skipped, held_by="")
    return IncidentChange(moved, (event, Happened(EventKind.EXHAUSTED, at, By(POLICY))), (StepFiring(slot, step, number, due, skipped),))


def _begin(incident: Incident, at: Micros) -> Incident:
    return _with(incident, at, step=0, step_at=at if incident.plan.steps else None, held_by="")


def _again(incident: Incident, at: Micros) -> Incident:
    """Triggered, and its steps from the first one on."""
    fresh = msgspec.structs.replace(
        incident, state=IncidentState.TRIGGERED, acknowledged=None, acknowledged_by="", snoozed_until=None, round=incident.round + 1
    )
    return _begin(fresh, at)


def _told(incident: Incident, kind: EventKind, by: By, at: Micros) -> IncidentChange:
    """Everybody who was told hears of it."""
    event = Happened(kind, at, by)
    if not incident.told:
        return IncidentChange(incident, (event,))
    slot = f"{incident.version}/{kind.name}"
    sent = Happened(EventKind.UPDATE_SENT, at, By(POLICY), slot=slot)
    return IncidentChange(incident, (event, sent), (), (StatusUpdate(slot, kind, at),))


def _remember(incident: Incident, at: Micros) -> Incident:
    kept = min(incident.plan.longest_memory, _REMEMBERED)
    return msgspec.structs.replace(incident, recent=(*incident.recent, at)[-kept:]) if kept else incident


def _with(incident: Incident, at: Micros, **values: object) -> Incident:
    return msgspec.structs.replace(incident, updated=at, version=incident.version + 1, **values)


def _require_open(incident: Incident) -> None:
    if not incident.open:
        raise IncidentOver(
            f"It is part of incidents/{incident.merged_into}." if incident.merged_into else "The incident is resolved; trigger a new one."
        )
