"""Incidents: what needs an answer, until somebody gives one. Pure: what happens to an incident is a function of it and of an instant.

Some things come by themselves: the next step, what is new in a group, the end of an acknowledgement or of a snooze, and the end of the
incident. `advance` does all of them that are due, and `Incident.wake` says when it has to be asked again. A step that is taken late,
because nobody was there to take it, moves the ones after it: what a step waits for is an answer of people, who have to be told first.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from scheduler_svc.domain.alert_groups import RESOLVED_IN_WAIT, AlertGroup
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


class Incident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An incident.

    Attributes:
        key: by which the next trigger, or the end, finds it again.
        policy: id of its escalation policy; empty without one.
        plan: what the policy said when it began.
        route: id of the route that gave the policy; empty: none did.
        group: what it knows of the alerts that it groups; None: it is no group.
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
        step_held: whether that has kept a step back already, and not a message of the group alone.
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
    route: str = ""
    group: AlertGroup | None = None
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
    step_held: bool = False
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
        times = (self.snoozed_until, self.step_at, self.message_at, self._ends_itself, self.given_back)
        return min([time for time in times if time is not None], default=None)

    @property
    def message_at(self) -> Micros | None:
        """When those who were told hear what is new in the group."""
        if self.group is None or not self.open or self.snoozed_until is not None:
            return None
        return self.group.due(acknowledged=self.state is IncidentState.ACKNOWLEDGED)

    @property
    def unsaid(self) -> bool:
        """Whether it is a group that still waits for its first step."""
        return self.group is not None and not (self.told or self.held_by or self.step_at is None)

    @property
    def _ends_itself(self) -> Micros | None:
        return self.triggered + self.plan.resolve_after if self.plan.resolve_after else None

    @property
    def given_back(self) -> Micros | None:
        """When its acknowledgement ends, because nothing has come of it."""
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
    """A new incident; its first step is due at once, that of a group after its wait."""
    at = incident.created
    begun = _begin(_remember(incident, at), at)
    return IncidentChange(begun, (Happened(EventKind.TRIGGERED, at, by),))


def triggered_again(incident: Incident, by: By, at: Micros) -> IncidentChange:
    """One more trigger of an incident that is not over: it counts, and begins nothing anew."""
    return IncidentChange(counted_again(incident, at), (Happened(EventKind.TRIGGERED, at, by),))


def counted_again(incident: Incident, at: Micros) -> Incident:
    """The incident with one more trigger."""
    return _with(_remember(incident, at), at, count=incident.count + 1, triggered=max(incident.triggered, at))


def acknowledged(incident: Incident, by: By, at: Micros) -> IncidentChange:
    """Somebody has it; no effect on one that somebody has, or that is over. A snooze ends; a message that is held back stays so."""
    if not incident.open or (incident.state is IncidentState.ACKNOWLEDGED and incident.snoozed_until is None):
        return IncidentChange(incident)
    postponed = incident.group is not None and incident.group.postponed is not None
    kept = _with(
        incident,
        at,
        state=IncidentState.ACKNOWLEDGED,
        acknowledged=at,
        acknowledged_by=by.actor,
        snoozed_until=None,
        step_at=None,
        held_by=incident.held_by if postponed else "",
        step_held=False,
    )
    return _told(kept, EventKind.ACKNOWLEDGED, by, at)


def unacknowledged(incident: Incident, by: By, at: Micros) -> IncidentChange:
    """Given back: its steps begin anew; no effect on one that nobody has."""
    if not incident.open or incident.state is not IncidentState.ACKNOWLEDGED:
        return IncidentChange(incident)
    return IncidentChange(_again(incident, at), (Happened(EventKind.UNACKNOWLEDGED, at, by),))


def resolved(incident: Incident, by: By, at: Micros) -> IncidentChange:
    """It is over; no effect on one that is. A group that still waits says nothing, which the ledger says."""
    if incident.state is IncidentState.RESOLVED:
        return IncidentChange(incident)
    left = _left_out(incident, incident.step_at or at, at, By(POLICY, note=RESOLVED_IN_WAIT)) if incident.unsaid else None
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
    ended = _told(over, EventKind.RESOLVED, by, at)
    return ended if left is None else ended._replace(happened=(*left.happened, *ended.happened), steps=left.steps)


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


def advance(incident: Incident, at: Micros, *, hold: Hold | None = None) -> IncidentChange:
    """Does what is due up to an instant: the end, the end of a snooze or of an acknowledgement, steps, and what is new in a group.

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
    if incident.held_by and (hold is None or hold.by != incident.held_by):
        change = _released(incident, at)
    if incident.snoozed_until is not None:
        if incident.snoozed_until > at:
            return change
        change = IncidentChange(_again(incident, at), (Happened(EventKind.UNSNOOZED, at, By(POLICY)),))
    elif incident.given_back is not None and incident.given_back <= at:
        change = change.then(lambda one: unacknowledged(one, By(POLICY, note="UNACKNOWLEDGE_AFTER"), at))
    return change.then(lambda one: _steps(one, at, hold)).then(lambda one: _message(one, at, hold))


def _released(incident: Incident, at: Micros) -> IncidentChange:
    """What held its steps back does so no more: what it held back is due, and nothing else."""
    group = None if incident.group is None else msgspec.structs.replace(incident.group, postponed=None)
    step_at = at if incident.step_held and incident.step_at is not None else incident.step_at
    freed = _with(incident, at, held_by="", step_held=False, step_at=step_at, group=group)
    return IncidentChange(freed, (Happened(EventKind.RELEASED, at, By(incident.held_by)),))


def _steps(incident: Incident, at: Micros, hold: Hold | None) -> IncidentChange:
    change = IncidentChange(incident)
    while (due := change.incident.step_at) is not None and due <= at:
        if hold is not None:
            return change.then(lambda one, due=due: _held(one, due, at, hold))
        change = change.then(lambda one, due=due: _step(one, due, at))
    return change


def _held(incident: Incident, due: Micros, at: Micros, hold: Hold) -> IncidentChange:
    """The step stays the next one: it is due again when what holds it back is over. Nothing new if that is known."""
    held = _with(incident, at, step_at=max(hold.until, at + 1), held_by=hold.by, step_held=True)
    if incident.held_by == hold.by and incident.step_held:
        return IncidentChange(held)
    return _left_out(incident, due, at, By(hold.by, note=hold.reason))._replace(incident=held)


def _left_out(incident: Incident, due: Micros, at: Micros, by: By) -> IncidentChange:
    """The next step is in the ledger, and is not taken; the incident is as it was."""
    number, slot = incident.step, f"{incident.round}/{incident.step}@{due}"
    firing = StepFiring(slot, incident.plan.step(number, turn=incident.turn), number, due, by.note)
    return IncidentChange(incident, (Happened(EventKind.STEP_SKIPPED, at, by, number, slot),), (firing,))


def _message(incident: Incident, at: Micros, hold: Hold | None) -> IncidentChange:
    """Those who were told hear what is new in the group, in one message; or that is put off."""
    due, group = incident.message_at, incident.group
    if group is None or due is None or due > at:
        return IncidentChange(incident)
    slot = f"alerts/{group.messages}"
    update = StatusUpdate(slot, EventKind.UPDATE_SENT, due, group.says, group.news_text)
    if hold is None:
        heard = msgspec.structs.replace(group.heard(at), messages=group.messages + 1)
        sent = Happened(EventKind.UPDATE_SENT, at, By(POLICY, note=group.says), slot=slot)
        return IncidentChange(_with(incident, at, group=heard), (sent,), (), (update,))
    later = msgspec.structs.replace(group, postponed=max(hold.until, at + 1))
    known = incident.held_by == hold.by
    put_off = _with(incident, at, group=later, held_by=hold.by, step_held=known and incident.step_held)
    if known:
        return IncidentChange(put_off)
    slot = f"{slot}@{due}"
    said = Happened(EventKind.STEP_SKIPPED, at, By(hold.by, note=hold.reason), incident.step, slot)
    return IncidentChange(put_off, (said,), (), (update._replace(slot=slot, skipped=hold.reason),))


def _step(incident: Incident, due: Micros, at: Micros) -> IncidentChange:
    plan, number, slot = incident.plan, incident.step, f"{incident.round}/{incident.step}"
    step = plan.step(number, turn=incident.turn)
    skipped = step.skipped(zone_name=plan.zone, triggers=incident.recent, count=incident.count, at=at)
    taken = due if at - due <= ON_TIME else at
    after = taken if skipped else taken + step.wait
    last = number + 1 >= plan.length
    group = incident.group.heard(at) if incident.group is not None and not (skipped or incident.told) else incident.group
    told = incident.told or not skipped
    moved = _with(incident, at, step=number + 1, step_at=None if last else after, told=told, held_by="", group=group)
    event = Happened(EventKind.STEP_SKIPPED if skipped else EventKind.STEP, at, By(POLICY, note=skipped), number, slot)
    events = (event, Happened(EventKind.EXHAUSTED, at, By(POLICY))) if last else (event,)
    return IncidentChange(moved, events, (StepFiring(slot, step, number, due, skipped),))


def _begin(incident: Incident, at: Micros) -> Incident:
    wait = incident.group.wait if incident.group is not None and not incident.round else 0
    group = None if incident.group is None else msgspec.structs.replace(incident.group, postponed=None)
    return _with(incident, at, step=0, step_at=at + wait if incident.plan.steps else None, held_by="", step_held=False, group=group)


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
    return IncidentChange(incident, (event, sent), (), (StatusUpdate(slot, kind, at, by=by.told_as),))


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
