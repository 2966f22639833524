"""Recurrence sets (RFC 5545, section 3.8.5): DTSTART, RRULE, RDATE and EXDATE together, and what moves single times of them.

What the standard leaves open, or what we do otherwise, is decided here. Several RRULE are joined, and so are several EXRULE, which are no
longer in the standard (RFC 2445, section 4.8.5.2). DTSTART is the first due time, even when the rule does not mean it, and COUNT counts
it. Without DTSTART the rule begins when the alarm does, and only what it means counts. COUNT counts due times, before EXDATE takes away:
what a gap swallows does not count, what an overlap repeats counts twice. Of a period in RDATE the beginning is a due time, and a date in
RDATE has the time of DTSTART. A date in EXDATE takes the whole day away, a date in UNTIL ends after it.
"""

from dataclasses import dataclass, replace

from tocsin.clock import SECOND
from tocsin.errors import InvalidInput
from tocsin.recurrence.exclusions import ExcludedTimes
from tocsin.recurrence.ical.counting import last_second
from tocsin.recurrence.ical.lines import FIELD
from tocsin.recurrence.ical.parts import Frequency, RuleParts
from tocsin.recurrence.ical.rule_patterns import rule_pattern
from tocsin.recurrence.ical.values import EventLength, Moment
from tocsin.recurrence.offsets import Offsets, offsets
from tocsin.recurrence.patterns import DAY, AnyOf, Listed, Pattern, Remembered, TooMany, Within
from tocsin.recurrence.specs import DstPolicy, Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrenceSet:
    """What the text of a recurrence says.

    Attributes:
        start: DTSTART.
        rules: the RRULE.
        added: the RDATE.
        excluded: the EXDATE.
        excluded_rules: the EXRULE.
        replaced: the times that have an event of their own (RECURRENCE-ID), or are cancelled.
        moved: when those are instead, and how long they last.
        later: times from which on all are moved (RANGE=THISANDFUTURE), and where to, in order; None: they are cancelled.
        length: how long an event lasts; None: it has no length.
    """

    start: Moment | None
    rules: tuple[RuleParts, ...] = ()
    added: tuple[Moment, ...] = ()
    excluded: tuple[Moment, ...] = ()
    excluded_rules: tuple[RuleParts, ...] = ()
    replaced: tuple[Moment, ...] = ()
    moved: tuple[tuple[Moment, EventLength | None], ...] = ()
    later: tuple[tuple[Moment, Moment | None], ...] = ()
    length: EventLength | None = None

    @property
    def zone(self) -> str | None:
        """The zone that it names; None leaves it to the trigger."""
        return None if self.start is None else self.start.zone

    @property
    def anchored(self) -> bool:
        """Whether it needs to be told when it begins."""
        return self.start is None and bool(self.rules)

    @property
    def periodic(self) -> bool:
        """Whether a rule is a period rather than a time of day."""
        return any(rule.frequency >= Frequency.HOURLY for rule in self.rules)

    @property
    def ends(self) -> bool:
        """Whether a rule has an end of its own."""
        return any(rule.count is not None or rule.until is not None for rule in self.rules)

    @property
    def single(self) -> bool:
        """Whether it is one local time, and nothing else."""
        return self.start is not None and not (self.rules or self.added or self.moved or self.later or self.replaced)

    def patterns(self, local: Offsets, *, begin: int, policy: DstPolicy) -> tuple[Pattern, list[tuple[Pattern, int]]]:
        """Its wall times in a zone, and beside them those of rules that end at an instant, in seconds, rather than at a wall time.

        Args:
            local: the zone.
            begin: the wall time of the beginning when it has none of its own.
            policy: what becomes of wall times that do not exist, or exist twice.

        Raises:
            BadRule: a rule ends before it begins, or its COUNT is beyond counting.
        """
        first = begin if self.start is None else self.start.wall
        wall_times = {self._wall_of(moment) for moment in self.added if self._is_local(moment, local)}
        meant = self.start is None
        patterns, ended = list[Pattern](), list[tuple[Pattern, int]]()
        for rule in self.rules:
            bounded = self._bounded(rule, first, local)
            if bounded is None:
                continue
            meant = meant or bounded.next_at(first) == first
            count = self._count(rule, bounded, first)
            wall, last = bounded.last, None
            if count is not None and wall is not None:
                last = last_second(bounded.pattern, first=first, count=count, last=wall, local=local, policy=policy)
            if last is None:
                patterns.append(bounded)
            else:
                ended.append((Within(bounded.pattern, first=first, last=None), last))
        if not meant:
            wall_times.add(first)  # DTSTART is the first due time all the same
        return (AnyOf([Listed(sorted(wall_times)), *patterns]) if wall_times or len(patterns) != 1 else patterns[0]), ended

    def check_parts(self, local: Offsets, *, begin: int) -> None:
        """Checks that each of several rules means a time; a single one is refused with what all triggers are refused with.

        Raises:
            BadRule: one means none.
        """
        first = begin if self.start is None else self.start.wall
        for rule in self.rules if len(self.rules) > 1 else ():
            pattern = self._bounded(rule, first, local)
            if pattern is None or pattern.next_at(first) is None:
                raise rule.word.refused("this rule means no time that exists")

    def instants(self, local: Offsets) -> list[Micros]:
        """Due times beside the wall times: those of RDATE in another zone than its own."""
        return sorted({_instant(moment) for moment in self.added if not self._is_local(moment, local)})

    def excluded_patterns(self, local: Offsets, *, begin: int) -> list[Pattern]:
        """The wall times that EXRULE takes away."""
        first = begin if self.start is None else self.start.wall
        found = (self._bounded(rule, first, local) for rule in self.excluded_rules)
        return [pattern for pattern in found if pattern is not None]

    def wall_in(self, local: Offsets, moment: Moment) -> int:
        """The wall time of a moment in this zone; of a date, with the time of DTSTART."""
        if not self._is_local(moment, local):
            return local.local(_instant(moment) // SECOND)
        return self._wall_of(moment)

    def exclusions(self, local: Offsets) -> ExcludedTimes:
        """What EXDATE takes away, and what is moved elsewhere."""
        taken = (*self.excluded, *self.replaced)
        dates = frozenset(moment.day for moment in taken if moment.dated)
        times = [moment for moment in taken if not moment.dated]
        return ExcludedTimes(
            days=dates,
            wall_times=frozenset(moment.wall for moment in times if self._is_local(moment, local)),
            instants=frozenset(_instant(moment) for moment in times if not self._is_local(moment, local)),
        )

    def _is_local(self, moment: Moment, local: Offsets) -> bool:
        return moment.zone is None or moment.zone == local.key

    def _wall_of(self, added: Moment) -> int:
        return added.wall + self.start.wall % DAY if added.dated and self.start is not None else added.wall

    def _bounded(self, rule: RuleParts, first: int, local: Offsets) -> Within | None:
        """The wall times of a rule, to its end."""
        found = rule_pattern(self._on_dates(rule), first=first, implied=self.start is None)
        if found is None:
            return None
        pattern = Within(Remembered(found), first=first, last=None)
        if rule.until is not None:
            return pattern.to(self._last(rule, rule.until, first, local))
        count = self._count(rule, pattern, first)
        if count == 0:
            return None
        try:
            return pattern.to(None if count is None else pattern.pattern.nth_from(first, count))
        except TooMany:
            raise rule.word.refused(f"COUNT={rule.count} is beyond counting for this rule; give UNTIL instead") from None

    def _count(self, rule: RuleParts, pattern: Within, first: int) -> int | None:
        """How many times of a rule there are; DTSTART, if the rule does not mean it, is the first one, beside them."""
        if rule.count is None:
            return None
        return rule.count - (self.start is not None and pattern.pattern.next_at(first) != first)

    def _on_dates(self, rule: RuleParts) -> RuleParts:
        """With a date as DTSTART the parts for times MUST be ignored (section 3.3.10)."""
        return replace(rule, hours=(), minutes=(), seconds=()) if self.start is not None and self.start.dated else rule

    def _last(self, rule: RuleParts, until: Moment, first: int, local: Offsets) -> int:
        wall = until.wall + (DAY - 1 if until.dated else 0)
        if until.zone is not None and local.key != until.zone:
            stretch = local.at(until.wall)
            wall = until.wall + stretch.offset
            if wall < stretch.start + stretch.before:
                wall = stretch.start + stretch.before - 1  # an overlap: all that came the first time lies before
        if wall < first and self.start is not None:
            raise until.word.refused("UNTIL lies before DTSTART")
        return wall


def _instant(moment: Moment) -> Micros:
    if moment.zone is None:
        raise InvalidInput.at(FIELD, "a floating time has no instant")
    return offsets(moment.zone).instant(moment.wall) * SECOND
