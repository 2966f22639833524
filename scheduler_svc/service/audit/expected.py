"""The due times that a rule means while it is in force: from the rule alone, whatever the engine made of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from scheduler_svc.ports import RuleInForce
from scheduler_svc.service.cooperative import CooperativeYield
from tocsin.recurrence import Compiled, Micros, begins_after, compiled


@dataclass(frozen=True, slots=True)
class ExpectedRows:
    """A rule, read: the first due time that it means, and how many there are at most."""

    rule: RuleInForce
    compiled: Compiled
    first: Micros | None

    @staticmethod
    def of(rule: RuleInForce) -> "ExpectedRows":
        """Compiles the stored trigger."""
        made = compiled(rule.trigger, rule.anchor, seed=rule.alarm)
        found = made.rule.first_after(begins_after(made.trigger, since=rule.since))
        return ExpectedRows(rule, made, None if found is None else found.due)

    def after(self, due: Micros) -> Micros | None:
        """The due time after ``due`` by the rule alone."""
        found = self.compiled.rule.next_after(due)
        return None if found is None else found.due

    async def enter(self, start: Micros, checkpoint: CooperativeYield) -> tuple[Micros | None, int]:
        """The first due time from ``start`` on, and how many are left with it; -1: without end.

        Those before are counted one by one when their number is limited: nothing else knows which one is the last.
        """
        due, left = self.first, -1 if self.compiled.limit is None else self.compiled.limit
        if left < 0:
            return (due if due is None or due >= start else self.after(start - 1)), left
        while due is not None and due < start and left:
            due, left = self.after(due), left - 1
            await checkpoint()
        return due, left

    def walk(self, due: Micros | None, left: int, end: Micros, overdue: Micros) -> Iterator[tuple[Micros, bool]]:
        """The due times before ``end``, each with whether it must have its row by now."""
        upto = self.rule.next
        if self.rule.ended and upto is not None:
            end = min(end, upto)  # a change that came first wins: what was not fired then is not expected any more
        may_wait = not self.rule.fires or max(self.rule.since, self.rule.resumed) >= overdue
        while due is not None and due < end and left:
            yield due, upto is None or due < upto or (due < overdue and not may_wait)
            due, left = self.after(due), left - 1

    def rows_at_most(self, start: Micros, end: Micros) -> int:
        """About how many due times lie within the period."""
        limit = self.compiled.limit
        if self.first is None or limit == 1:
            return 1
        following = self.after(self.first)
        about = 1 if following is None else max(0, end - max(start, self.first)) // max(1, following - self.first) + 1
        return about if limit is None else min(limit, about)

    def means(self, due: Micros) -> bool:
        """Whether the rule would have expected ``due``, had it been in force: a backfill may fire it."""
        return self.after(due - 1) == due
