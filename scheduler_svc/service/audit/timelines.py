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
from scheduler_svc.service.audit.facts import Difference, Followed, TimelineUnreadable, within
from scheduler_svc.service.audit.holders import INCIDENTS, SILENCES, Holders
from scheduler_svc.service.audit.parts import FindingKind
from scheduler_svc.service.audit.replayed import ReplayedIncident
from tocsin.clock import SECOND
from tocsin.recurrence import Micros

SKEW: Final[Micros] = 60 * SECOND
"""By how much the clocks of two replicas, and the beginning of a silence and its commit, may differ."""
_HOLDERS: Final = (SILENCES, INCIDENTS)


class Replay(ReplayedIncident):
    """Goes through the timeline of one incident; `take` each event in order, then `end`."""

    def __init__(
        self,
        incident: Incident,
        plans: Sequence[Followed],
        *,
        holders: Holders,
        rows: Callable[[RecordedEvent], StepRow | None],
        skew: Micros = SKEW,
    ) -> None:
        """Begins before the first event.

        Args:
            incident: of which what nobody changes is read: id, tenant, key, labels, severity, source.
            plans: what it followed; see `followed`.
            holders: the silences of its tenant, and what else holds back steps.
            rows: the row of the ledger that an event names; None: there is none.
            skew: by how much clocks may differ.
        """
        super().__init__(incident, plans)
        self._skew = skew
        self._holders = holders
        self._rows = rows

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
            EventKind.ALERT_RESOLVED: self._left,
            EventKind.RELEASED: self._freed,
        }

    # -- what comes by itself -------------------------------------------------------------------------------------------------------

    def _step(self, event: RecordedEvent) -> None:
        if event.actor != POLICY and not event.actor.startswith(_HOLDERS):
            msg = f"{event.actor} holds back a step, which an audit does not know"
            raise TimelineUnreadable(msg)
        row = self._rows(event)
        if row is not None and self._is_message(event, f"@{row.due}"):  # it is held back, and comes later
            self._late_news = event.actor
            self._message(event, row, self._unheld(event))
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
        if not skipped:
            self._news.told(event.at)
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
        early = row.due > event.at and event.note != RESOLVED_IN_WAIT  # the first step of a group that is over is none that was taken
        return f"it was taken at {event.at}, before it was due" if early else ""

    def _left_out(self, event: RecordedEvent) -> str:
        """Why a step should not have been left out; empty: it should."""
        if event.note == RESOLVED_IN_WAIT:
            return "" if self._incident.group is not None and not self._told else "it is no group that waits"
        if event.actor == POLICY:
            meant = self._skipped(event.at)
            return "" if meant == event.note else f"it was left out as {event.note!r}, and {meant or 'nothing'!r} was meant"
        return self._unheld(event)

    def _unheld(self, event: RecordedEvent) -> str:
        """Why something should not have been held back; empty: it should. Which dependencies there were then nobody knows any more."""
        if event.note == DEPENDENCY:
            open_then = event.actor.startswith(INCIDENTS) and self._holders.could(event.actor, event.at, skew=self._skew)
            return "" if open_then else f"{event.actor} was not open then"
        times = self._holders.silences.get(event.actor.removeprefix(SILENCES))
        return "" if times is not None and self._may_hold(times, event.at) else f"{event.actor} did not hold it back then"

    def _let_go(self, event: RecordedEvent) -> str:
        """Why a step should not have been taken; empty: it should."""
        meant = self._skipped(event.at)
        if meant:
            return f"{meant} forbade it"
        for times in self._holders.silences.values():
            if times.silence.created + self._skew < event.at and self._must_hold(times, event.at):
                return f"silences/{times.silence.id} forbade it"
        return ""

    def _may_hold(self, times: SilenceTimes, at: Micros) -> bool:
        """Whether a silence held at an instant by some clock; nobody knows what a group said of itself then."""
        if not self._fits(times):
            return False
        begin = times.next_start(at - self._skew)
        return times.until(at - self._skew) is not None or (begin is not None and begin <= at + self._skew)

    def _must_hold(self, times: SilenceTimes, at: Micros) -> bool:
        """Whether it held then by every clock; of a group nobody knows."""
        until = times.until(at - self._skew)
        return self._incident.group is None and self._fits(times) and until is not None and until > at + self._skew

    def _fits(self, times: SilenceTimes) -> bool:
        return self._incident.group is not None or times.matchers.fit(words(self._as_it_was))

    def _update(self, event: RecordedEvent) -> None:
        """Those who were told hear of an answer, or that it is over; never of anything else, and never twice."""
        row, owed = self._rows(event), self._owes
        self._owes = None
        if owed is None and self._is_message(event) and not self._over and not self._merged and self._snoozed is None:
            told = f"it told {event.note!r}, and {self._news.says!r} was meant" if event.note != self._news.says else ""
            self._message(event, row, told)
            self._news.sent(event.at)
            return
        if owed is None:
            self._against(FindingKind.UNEXPECTED, event, row, "nobody had to hear of anything")
        elif row is None:
            self.findings.append(self._missing(event.at, f"the ledger has no row of the message that tells of {owed.kind.name}"))
        else:
            self.right.append(row)

    def _message(self, event: RecordedEvent, row: StepRow | None, wrong: str) -> None:
        """A message that tells what is new in the group is sent or held back: it had to be, and then; ``wrong`` says why not."""
        due = self._news.due(answered=self._answered is not None)
        if row is None:
            self.findings.append(self._missing(event.at, "the ledger has no row of the message that tells what is new in the group"))
        elif due is None or wrong:
            self._against(FindingKind.UNEXPECTED, event, row, wrong or "nothing was new in the group")
        elif row.due != due or event.at < due:
            self._against(FindingKind.WRONG_TIME, event, row, f"what is new in the group was due at {due}")
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
            due.append((self._holders.free_at(self._held, self._held_at, until), f"{self._held} holds it back no more"))
        elif self._due is not None:
            due.append((self._due, "the step was not taken"))
        news = self._news.due(answered=self._answered is not None)
        if news is not None and self._snoozed is None and not (self._held or self._late_news):
            due.append((news, "those who were told did not hear what is new in the group"))
        return late + [self._missing(at, said) for at, said in due if at < until]

    # -- what it says of itself ---------------------------------------------------------------------------------------------------

    @property
    def _as_it_was(self) -> Incident:
        return msgspec.structs.replace(self._incident, policy=self._followed.policy)

    def _plan_step(self) -> EscalationStep:
        return self._followed.plan.steps[self._number % len(self._followed.plan.steps)]

    def _is_message(self, event: RecordedEvent, behind: str = "") -> bool:
        """Whether an event is the next message that tells what is new in a group."""
        if self._incident.group is None:
            return False
        return event.firing == requested_firing_id(self._incident.tenant, self._incident.id, f"alerts/{self._news.messages}{behind}")

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
