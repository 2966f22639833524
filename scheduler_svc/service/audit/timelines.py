"""What an incident's steps had to be: from what its policy said and from what happened to it, whatever the engine made of that. Pure.

It shares no code with `scheduler_svc.domain.incidents`, which it judges. What people did to an incident is taken as its timeline says;
what came by itself is computed: which step was next, when it was due, and whether anything forbade it. What it does not know it does not
pass: a timeline with an event of a kind that this version cannot judge is unreadable.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Final

import msgspec

from scheduler_svc.domain import ON_TIME, Outcome, requested_firing_id
from scheduler_svc.domain.alert_groups import RESOLVED_IN_WAIT
from scheduler_svc.domain.dependencies import DEPENDENCY
from scheduler_svc.domain.escalation import OUTSIDE_HOURS, TOO_FEW_OCCURRENCES, EscalationStep
from scheduler_svc.domain.incident_words import EventKind
from scheduler_svc.domain.incidents import POLICY, Incident
from scheduler_svc.domain.rules import words
from scheduler_svc.domain.silences import SilenceTimes
from scheduler_svc.ports.incident_audit import RecordedEvent, StepRow
from scheduler_svc.service.audit.facts import SILENCES, Difference, Followed, TimelineUnreadable, facts_of, when_free, within
from scheduler_svc.service.audit.parts import AuditFinding, FindingKind
from tocsin.clock import SECOND
from tocsin.recurrence import Micros

SKEW: Final[Micros] = 60 * SECOND
"""By how much the clocks of two replicas, and the beginning of a silence and its commit, may differ."""
_HOLDERS: Final = (SILENCES, "incidents/")


class Replay:
    """Goes through the timeline of one incident; `take` each event in order, then `end`.

    Attributes:
        right: ids of firings that had to be.
        findings: what is wrong.
    """

    def __init__(
        self,
        incident: Incident,
        plans: Sequence[Followed],
        *,
        silences: Mapping[str, SilenceTimes],
        rows: Callable[[RecordedEvent], StepRow | None],
        skew: Micros = SKEW,
    ) -> None:
        """Begins before the first event.

        Args:
            incident: of which what nobody changes is read: id, tenant, key, labels, severity, source.
            plans: what it followed; see `followed`.
            silences: of its tenant, by id.
            rows: the row of the ledger that an event names; None: there is none.
            skew: by how much clocks may differ.
        """
        self._skew = skew
        self.right: list[StepRow] = []
        self.findings: list[Difference] = []
        self._incident = incident
        self._plans = list(plans)
        self._silences = silences
        self._rows = rows
        self._followed = self._plans.pop(0)
        self._begun = False
        self._over = False
        self._merged = False
        self._answered: Micros | None = None
        self._snoozed: Micros | None = None
        self._count = 0
        self._recent: tuple[Micros, ...] = ()
        self._last = 0
        self._round = 0
        self._number = 0
        self._due: Micros | None = None
        self._loose = False
        self._held = ""
        self._held_at: Micros = 0
        self._alerts = 0
        self._messages = 0
        self._told = False
        self._owes: RecordedEvent | None = None

    def take(self, event: RecordedEvent) -> None:
        """The next event.

        Raises:
            TimelineUnreadable: this version does not know what it means.
        """
        if self._owes is not None and event.kind is not EventKind.UPDATE_SENT:
            self.findings.append(self._untold(self._owes))
            self._owes = None
        act = self._acts.get(event.kind)
        if act is None:
            msg = f"an event of the kind {event.kind!r} is none that an audit knows"
            raise TimelineUnreadable(msg)
        act(event)

    @cached_property
    def _acts(self) -> Mapping[EventKind, Callable[[RecordedEvent], None]]:
        return {
            EventKind.TRIGGERED: self._triggered,
            EventKind.STEP: self._step,
            EventKind.STEP_SKIPPED: self._step,
            EventKind.EXHAUSTED: self._noted,
            EventKind.ACKNOWLEDGED: self._acknowledged,
            EventKind.UNACKNOWLEDGED: self._unacknowledged,
            EventKind.RESOLVED: self._resolved,
            EventKind.SNOOZED: self._put_off,
            EventKind.UNSNOOZED: self._put_off_no_more,
            EventKind.REASSIGNED: self._reassigned,
            EventKind.NOTED: self._noted,
            EventKind.MERGED: self._merged_away,
            EventKind.UPDATE_SENT: self._update,
            EventKind.ALERT_OPENED: self._joined,
            EventKind.ALERT_RESOLVED: self._noted,
            EventKind.RELEASED: self._freed,
        }

    # -- what somebody does ---------------------------------------------------------------------------------------------------------

    def _joined(self, event: RecordedEvent) -> None:
        """An alert of a group: the first one opens it, each further one is a trigger."""
        self._alerts += 1
        if self._alerts > 1:
            self._triggered(event)

    def _triggered(self, event: RecordedEvent) -> None:
        memory = max((step.occurrences for step in self._followed.plan.steps if step.window), default=0)
        self._count, self._last = self._count + 1, max(self._last, event.at)
        self._recent = (*self._recent, event.at)[-memory:] if memory else self._recent
        if not self._begun:
            self._begun = True
            group = self._incident.group
            self._restart(event.at + (0 if group is None else group.wait))

    def _acknowledged(self, event: RecordedEvent) -> None:
        self._answered, self._snoozed = event.at, None
        self._stop()
        self._owes = event if self._told else None

    def _unacknowledged(self, event: RecordedEvent) -> None:
        after = self._followed.plan.unacknowledge_after
        due = (self._answered or 0) + after
        if event.actor == POLICY and (self._answered is None or not after or event.at < due):
            self._wrong(FindingKind.WRONG_TIME, event.at, f"it was given back by its policy at {event.at}, and {due} was meant")
        self._again(event)

    def _resolved(self, event: RecordedEvent) -> None:
        after = self._followed.plan.resolve_after
        alone = event.actor == POLICY and not self._merged  # a part ends with what it is part of
        if alone and (not after or event.at < self._last + after):
            self._wrong(FindingKind.WRONG_TIME, event.at, "its policy resolved it before its time")
        self._over, self._snoozed = True, None
        self._stop()
        self._owes = event if self._told else None

    def _put_off(self, event: RecordedEvent) -> None:
        self._snoozed = facts_of(event).until
        if self._snoozed is None:
            msg = "a snooze does not say until when"
            raise TimelineUnreadable(msg)
        self._stop()

    def _put_off_no_more(self, event: RecordedEvent) -> None:
        if self._snoozed is None or event.at < self._snoozed:
            self._wrong(FindingKind.WRONG_TIME, event.at, f"its snooze ended at {event.at}, and {self._snoozed} was meant")
        self._again(event)

    def _reassigned(self, event: RecordedEvent) -> None:
        if not self._plans:
            msg = "it was reassigned once more than is known"
            raise TimelineUnreadable(msg)
        self._followed = self._plans.pop(0)
        self._again(event)

    def _merged_away(self, event: RecordedEvent) -> None:
        del event
        self._merged, self._snoozed = True, None
        self._stop()

    def _noted(self, event: RecordedEvent) -> None:
        """Changes nothing."""

    def _restart(self, at: Micros) -> None:
        self._number, self._held, self._loose = 0, "", False
        self._due = at if self._followed.plan.steps else None

    def _again(self, event: RecordedEvent) -> None:
        self._answered = self._snoozed = None
        self._round += 1
        self._restart(event.at)

    def _stop(self) -> None:
        self._due, self._held, self._loose = None, "", False

    def _freed(self, event: RecordedEvent) -> None:
        """What held back the next step, or a message of the group alone, does so no more: the step that it held back is due."""
        if self._held:
            self._held, self._due = "", event.at

    # -- what comes by itself -------------------------------------------------------------------------------------------------------

    def _step(self, event: RecordedEvent) -> None:
        if event.actor != POLICY and not event.actor.startswith(_HOLDERS):
            msg = f"{event.actor} holds back a step, which an audit does not know"
            raise TimelineUnreadable(msg)
        row = self._rows(event)
        if row is not None and self._is_message(event, f"@{row.due}"):  # it is held back, and comes later
            self.right.append(row)
            return
        forbidden = self._forbidden()
        if forbidden:
            self._against(FindingKind.AFTER_ANSWER, event, row, forbidden)
            return
        if event.step != self._number or self._number >= self._length or (self._due is None and not self._held):
            self._against(FindingKind.UNEXPECTED, event, row, self._next())
            if not self._number < event.step < self._length:
                return
            self._number = event.step
        elif (wrong := self._differs(event, row)) is not None:
            self._against(wrong[0], event, row, wrong[1])
        elif row is not None:
            self.right.append(row)
        self._go_on(event, row)

    def _go_on(self, event: RecordedEvent, row: StepRow | None) -> None:
        """What comes after a step."""
        if event.note == RESOLVED_IN_WAIT and event.actor == POLICY:
            return  # it is over
        if event.actor != POLICY:
            self._held, self._held_at, self._due, self._loose = event.actor, event.at, None, False
            return
        due = row.due if row is not None else self._due if self._due is not None else event.at
        self._loose = row is None and bool(self._held)
        base = due if event.at - due <= ON_TIME else event.at
        skipped = event.kind is EventKind.STEP_SKIPPED
        self._told |= not skipped
        wait = 0 if skipped else self._plan_step().wait
        self._number, self._held = self._number + 1, ""
        self._due = base + wait if self._number < self._length else None

    def _differs(self, event: RecordedEvent, row: StepRow | None) -> tuple[FindingKind, str] | None:
        """What is wrong with a step that is the next one, if anything is."""
        if row is None:
            return (FindingKind.MISSING, "the ledger has no row of the step that the timeline names")
        late = self._mistimed(event, row)
        if late:
            return (FindingKind.WRONG_TIME, late)
        slot = f"{self._round}/{self._number}"
        alone = event.actor == POLICY and event.note != RESOLVED_IN_WAIT
        slot = slot if alone else f"{slot}@{row.due}"
        if event.firing != requested_firing_id(self._incident.tenant, self._incident.id, slot):
            return (FindingKind.UNEXPECTED, f"it is not the row of the step {self._round}/{self._number}")
        meant = self._left_out(event) if event.kind is EventKind.STEP_SKIPPED else self._let_go(event)
        if meant:
            return (FindingKind.UNEXPECTED, meant)
        skipped = event.kind is EventKind.STEP_SKIPPED
        if (row.outcome is Outcome.SKIPPED) is not skipped or (skipped and row.reason != event.note):
            said = f"the ledger says {row.outcome!r} {row.reason!r}, and the timeline {event.kind.name} {event.note!r}"
            return (FindingKind.UNEXPECTED, said)
        return None

    def _mistimed(self, event: RecordedEvent, row: StepRow) -> str:
        if self._due is None:
            return "" if row.due <= event.at else f"it was taken at {event.at}, before it was due"
        off = abs(row.due - self._due)
        if off > (ON_TIME if self._loose else 0):
            return f"{self._due} was meant"
        return "" if row.due <= event.at else f"it was taken at {event.at}, before it was due"

    def _left_out(self, event: RecordedEvent) -> str:
        """Why a step should not have been left out; empty: it should."""
        if event.note == RESOLVED_IN_WAIT:
            return "" if self._incident.group is not None and not self._told else "it is no group that waits"
        if event.note == DEPENDENCY:
            return ""  # which dependencies there were at that time nobody knows any more
        if event.actor == POLICY:
            meant = self._skipped(event.at)
            return "" if meant == event.note else f"it was left out as {event.note!r}, and {meant or 'nothing'!r} was meant"
        times = self._silences.get(event.actor.removeprefix(SILENCES))
        if times is None or not any(self._holds(times, event.at)):
            return f"{event.actor} did not hold it back then"
        return ""

    def _let_go(self, event: RecordedEvent) -> str:
        """Why a step should not have been taken; empty: it should."""
        meant = self._skipped(event.at)
        if meant:
            return f"{meant} forbade it"
        for times in self._silences.values():
            if times.silence.created + self._skew < event.at and self._incident.group is None and all(self._holds(times, event.at)):
                return f"silences/{times.silence.id} forbade it"
        return ""

    def _holds(self, times: SilenceTimes, at: Micros) -> list[bool]:
        """Whether a silence held a little before an instant, then, and a little after; nobody knows what a group said of itself then."""
        if self._incident.group is None and not times.matchers.fit(words(self._as_it_was)):
            return [False]
        return [times.until(moment) is not None for moment in (at - self._skew, at, at + self._skew)]

    def _update(self, event: RecordedEvent) -> None:
        """Those who were told hear of an answer, or that it is over; never of anything else, and never twice."""
        row, owed = self._rows(event), self._owes
        self._owes = None
        if owed is None and self._is_message(event) and not self._over and not self._merged and self._snoozed is None:
            self._messages += 1
            if row is None:
                self.findings.append(self._missing(event.at, "the ledger has no row of the message that tells what is new in the group"))
            else:
                self.right.append(row)
            return
        if owed is None:
            self._against(FindingKind.UNEXPECTED, event, row, "nobody had to hear of anything")
        elif row is None:
            self.findings.append(self._missing(event.at, f"the ledger has no row of the message that tells of {owed.kind.name}"))
        else:
            self.right.append(row)

    def end(self, until: Micros) -> list[Difference]:
        """After the last event: what was due before ``until`` and has not happened."""
        late = [] if self._owes is None else [self._untold(self._owes)]
        if self._over or self._merged or not self._begun:
            return late
        plan, due = self._followed.plan, list[tuple[Micros, str]]()
        if plan.resolve_after:
            due.append((self._last + plan.resolve_after, "its policy should have resolved it"))
        if self._snoozed is not None:
            due.append((self._snoozed, "its snooze is over"))
        elif self._answered is not None and plan.unacknowledge_after:
            due.append((self._answered + plan.unacknowledge_after, "its policy should have given it back"))
        elif self._held:
            due.append((when_free(self._silences, self._held, self._held_at, until), f"{self._held} holds it back no more"))
        elif self._due is not None:
            due.append((self._due, "the step was not taken"))
        return late + [self._missing(at, said) for at, said in due if at < until]

    # -- what it says of itself ---------------------------------------------------------------------------------------------------

    @property
    def _length(self) -> int:
        plan = self._followed.plan
        return len(plan.steps) + len(plan.steps) * plan.repeat

    @property
    def _as_it_was(self) -> Incident:
        return msgspec.structs.replace(self._incident, policy=self._followed.policy)

    def _plan_step(self) -> EscalationStep:
        return self._followed.plan.steps[self._number % len(self._followed.plan.steps)]

    def _is_message(self, event: RecordedEvent, behind: str = "") -> bool:
        """Whether an event is the next message that tells what is new in a group."""
        if self._incident.group is None:
            return False
        return event.firing == requested_firing_id(self._incident.tenant, self._incident.id, f"alerts/{self._messages}{behind}")

    def _forbidden(self) -> str:
        if self._over:
            return "it was resolved"
        if self._merged:
            return "it was part of another incident"
        if self._snoozed is not None:
            return "it was put off"
        return "it was acknowledged" if self._answered is not None else ""

    def _next(self) -> str:
        return f"step {self._number + 1} was the next one" if self._number < self._length else "all steps had been taken"

    def _skipped(self, at: Micros) -> str:
        """Why the next step does not count at an instant; empty: it does."""
        step = self._plan_step()
        if step.hours and not within(step.hours, self._followed.plan.zone, at):
            return OUTSIDE_HOURS
        times = sum(trigger > at - step.window for trigger in self._recent) if step.window else self._count
        return TOO_FEW_OCCURRENCES if times < step.occurrences else ""

    def _against(self, kind: FindingKind, event: RecordedEvent, row: StepRow | None, said: str) -> None:
        due = row.due if row is not None else self._due if self._due is not None else event.at
        self.findings.append(self._finding(kind, due, event.step + 1, said, row))

    def _missing(self, due: Micros, said: str) -> Difference:
        return self._finding(FindingKind.MISSING, due, self._number + 1, said)

    def _untold(self, owed: RecordedEvent) -> Difference:
        return self._finding(FindingKind.MISSING, owed.at, 0, f"nobody was told of {owed.kind.name}")

    def _wrong(self, kind: FindingKind, due: Micros, said: str) -> None:
        self.findings.append(self._finding(kind, due, 0, said))

    def _finding(self, kind: FindingKind, due: Micros, step: int, said: str, row: StepRow | None = None) -> Difference:
        firing = "" if row is None else row.firing
        return Difference(
            AuditFinding(kind=kind, alarm="", due=due, firing=firing, incident=self._incident.id, step=step, detail=said), row
        )
