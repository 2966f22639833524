"""An incident as its timeline tells it, event by event: what people did to it, and what that means for what comes next. Pure."""

from collections.abc import Sequence

from scheduler_svc.domain.incidents import POLICY, Incident
from scheduler_svc.ports.incident_audit import RecordedEvent, StepRow
from scheduler_svc.service.audit.facts import Difference, Followed, TimelineUnreadable, facts_of
from scheduler_svc.service.audit.groups import ALONE, GroupNews
from scheduler_svc.service.audit.parts import AuditFinding, FindingKind
from tocsin.recurrence import Micros


class ReplayedIncident:
    """Where an incident stands after some of its events, and what was wrong with them.

    Attributes:
        right: ids of firings that had to be.
        findings: what is wrong.
    """

    def __init__(self, incident: Incident, plans: Sequence[Followed]) -> None:
        """Begins before the first event; see `scheduler_svc.service.audit.timelines.Replay`."""
        self.right: list[StepRow] = []
        self.findings: list[Difference] = []
        self._incident = incident
        self._plans = list(plans)
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
        self._news = GroupNews(incident.group or ALONE)
        self._late_news: str = ""
        self._told = False
        self._owes: RecordedEvent | None = None

    def _joined(self, event: RecordedEvent) -> None:
        """An alert of a group: the first one opens it, each further one is a trigger."""
        if not self._news.joined(event.note, event.at):
            self._triggered(event)

    def _left(self, event: RecordedEvent) -> None:
        self._news.left(event.note)

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
        self._number, self._held, self._loose, self._late_news = 0, "", False, ""
        self._due = at if self._followed.plan.steps else None

    def _again(self, event: RecordedEvent) -> None:
        self._answered = self._snoozed = None
        self._round += 1
        self._restart(event.at)

    def _stop(self) -> None:
        self._due, self._held, self._loose = None, "", False

    def _freed(self, event: RecordedEvent) -> None:
        """What held back the next step, or a message of the group alone, does so no more: the step that it held back is due."""
        self._late_news = ""
        if self._held:
            self._held, self._due = "", event.at

    @property
    def _length(self) -> int:
        plan = self._followed.plan
        return len(plan.steps) + len(plan.steps) * plan.repeat

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
