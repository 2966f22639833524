"""Rules made of rules: bounds, exclusions, delays."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from heapq import merge
from typing import Final

from tocsin.clock import HOUR, SECOND
from tocsin.recurrence.exclusions import Exclusions
from tocsin.recurrence.offsets import Offsets
from tocsin.recurrence.rule import Rule
from tocsin.recurrence.search import around
from tocsin.recurrence.specs import END_OF_TIME, Label, Micros, Occurrence
from tocsin.recurrence.steps import asked, spend

_MILLISECOND: Final = 1000
_CLOCKS: Final[Micros] = 26 * HOUR
"""No two changes of the clocks together make more."""


class AnyOfRules(Rule):
    """The due times of several rules, each once."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The earliest of what the rules answer; None when none of them has any."""
        found = [occurrence for rule in self._rules if (occurrence := rule.next_after(instant)) is not None]
        return min(found, key=_due, default=None)

    def shown_after(self, instant: Micros) -> Iterator[Occurrence]:
        """The occurrences of all rules, merged in order; of those that fire at the same instant, the first alone."""
        latest = None
        for found in merge(*(rule.shown_after(instant) for rule in self._rules), key=_due):
            if found.due != latest or not found.label.fires:
                yield found
            latest = found.due if found.label.fires else latest


class Questioned(Rule):
    """Another rule, each of whose answers costs a bounded number of steps.

    Raises:
        TooCostly: by any question, when that is not enough.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The answer of the rule, bounded as one question."""
        return asked(partial(self._rule.next_after, instant))

    def first_after(self, instant: Micros) -> Occurrence | None:
        """The answer of the rule, bounded as one question."""
        return asked(partial(self._rule.first_after, instant))

    def between(self, start: Micros, end: Micros) -> Iterator[Occurrence]:
        """The answers of the rule; each occurrence is bounded as a question of its own."""
        return _each_a_question(self._rule.between(start, end))

    def shown_after(self, instant: Micros) -> Iterator[Occurrence]:
        """The answers of the rule; each occurrence is bounded as a question of its own."""
        return _each_a_question(self._rule.shown_after(instant))


class Bounded(Rule):
    """Another rule between a start, inclusive, and an end, exclusive."""

    def __init__(self, rule: Rule, *, start: Micros | None, end: Micros | None) -> None:
        self._rule = rule
        self._start = start
        self._end = END_OF_TIME + 1 if end is None else end

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The rule's first due time after ``instant`` and within the bounds."""
        found = self._rule.next_after(self._from(instant))
        return found if found is not None and found.due < self._end else None

    def between(self, start: Micros, end: Micros) -> Iterator[Occurrence]:
        """The rule's due times in the part of the range that lies within the bounds."""
        return self._rule.between(self._from(start - 1) + 1, min(end, self._end))

    def shown_after(self, instant: Micros) -> Iterator[Occurrence]:
        """The rule's occurrences from the start of the bounds on; ends with the first at or after their end."""
        for found in self._rule.shown_after(self._from(instant)):
            if found.due >= self._end:
                return
            yield found

    def _from(self, instant: Micros) -> Micros:
        return instant if self._start is None else max(instant, self._start - 1)


class Excluding(Rule):
    """Another rule without some of its due times."""

    def __init__(self, rule: Rule, exclusions: Exclusions) -> None:
        self._rule = rule
        self._exclusions = exclusions

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The rule's first due time after ``instant`` that is not excluded.

        Each turn passes an exclusion, or all days in a row that are excluded: there are no more turns than exclusions, but for those
        that a change of the clocks repeats.
        """
        start = instant + 1
        while True:
            for found in self._rule.between(start, END_OF_TIME + 1):
                spend(1)
                after = self._exclusions.passed(found)
                if after is None:
                    return found
                if after > found.due:
                    start = after + 1
                    break
            else:
                return None

    def shown_after(self, instant: Micros) -> Iterator[Occurrence]:
        """The rule's occurrences; those that are excluded bear the label `Label.EXCLUDED`."""
        for found in self._rule.shown_after(instant):
            excluded = found.label.fires and self._exclusions.passed(found) is not None
            yield found._replace(label=Label.EXCLUDED) if excluded else found


class ShiftedRule(Rule):
    """Another rule, each of whose times is earlier or later by the same time that passes, whatever the clocks do in it.

    The local time of an occurrence stays that of the rule: by it the occurrence is known.
    """

    def __init__(self, rule: Rule, by: Micros) -> None:
        self._rule = rule
        self._by = by

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The first time that lies after ``instant`` where it is moved to."""
        found = self._rule.next_after(instant - self._by)
        return None if found is None or not self._fits(found) else found._replace(due=found.due + self._by)

    def between(self, start: Micros, end: Micros) -> Iterator[Occurrence]:
        """The times of the rule in the range that is moved the other way."""
        for found in self._rule.between(start - self._by, end - self._by):
            yield found._replace(due=found.due + self._by)

    def shown_after(self, instant: Micros) -> Iterator[Occurrence]:
        """The rule's occurrences, each moved."""
        for found in self._rule.shown_after(instant - self._by):
            if not self._fits(found):
                return
            yield found._replace(due=found.due + self._by)

    def _fits(self, found: Occurrence) -> bool:
        return found.due + self._by <= END_OF_TIME


class Rescheduled(Rule):
    """Another rule, each of whose times is earlier or later by the same local time."""

    def __init__(self, rule: Rule, *, by: int, offsets: Offsets) -> None:
        """Takes the rule, the local time in seconds, and the zone."""
        self._rule = rule
        self._by = by
        self._offsets = offsets

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The first time after ``instant``; begins to look a little before it would be if no clock changed."""
        found = self._rule.next_after(instant - self._by * SECOND - _CLOCKS)
        while found is not None:
            spend(1)
            moved = self._moved(found)
            if moved.due > instant:
                return moved
            found = self._rule.next_after(found.due)
        return None

    def _moved(self, found: Occurrence) -> Occurrence:
        wall = self._offsets.local(found.due // SECOND) if found.wall is None else found.wall
        return Occurrence(self._offsets.instant(wall + self._by) * SECOND, found.label, wall + self._by)


class Delayed(Rule):
    """Another rule whose due times come later: all by the same offset, and each by a jitter of its own that keeps their order."""

    def __init__(self, rule: Rule, *, offset: Micros, jitter: Micros, seed: str, end: Micros | None) -> None:
        """Takes the rule and its delay.

        Args:
            rule: the times before the delay; with the offset they lie before ``end``.
            offset: what is added to all.
            jitter: less than this is added to each, and less than what lies between it and the next one, or ``end``.
            seed: what the jitter is drawn from, together with the time before the delay.
            end: no due time at or after it.
        """
        self._rule = rule
        self._offset = offset
        self._jitter = jitter
        self._seed = seed
        self._end = END_OF_TIME if end is None else end

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The first due time, after its delay, that lies after ``instant``."""
        before = instant - self._offset
        if not self._jitter:
            return self._delayed(self._rule.next_after(before))
        # Only the last time up to the one asked for can have been moved beyond it: each stays before the next.
        last, following = around(self._rule, before - self._jitter, before)
        if last is not None:
            found = self._moved(last, following)
            if found is not None and found.due > instant:
                return found
        return self._delayed(following)

    def first_after(self, instant: Micros) -> Occurrence | None:
        """What the rule finds after ``instant`` by its times before the delay, with its delay."""
        return self._delayed(self._rule.first_after(instant))

    def shown_after(self, instant: Micros) -> Iterator[Occurrence]:
        """The rule's occurrences after their delays, in order; those that do not fire get the offset, and no jitter."""
        before, waiting = instant - self._offset, None
        last = around(self._rule, before - self._jitter, before)[0] if self._jitter else None
        for found in self._rule.shown_after(before if last is None else last.due - 1):
            silent = None if found.label.fires else found._replace(due=found.due + self._offset)
            if waiting is not None and (silent is None or silent.due >= waiting.due):
                yield waiting
                waiting = None
            if silent is None:
                moved = self._delayed(found)
                waiting = moved if moved is not None and moved.due > instant else None
            elif silent.due > instant:
                yield silent
        if waiting is not None:
            yield waiting

    def _delayed(self, found: Occurrence | None) -> Occurrence | None:
        if found is None:
            return None
        return self._moved(found, self._rule.next_after(found.due) if self._jitter else None)

    def _moved(self, found: Occurrence, following: Occurrence | None) -> Occurrence | None:
        """A time of the rule with its delay, when the time ``following`` it is known."""
        due = found.due + self._offset
        room = min(self._jitter, self._end - due)
        if room > 1:
            due += jitter_of(self._seed, found.due, room if following is None else min(room, following.due - found.due))
        return found._replace(due=due) if due <= END_OF_TIME else None


def _each_a_question(found: Iterator[Occurrence]) -> Iterator[Occurrence]:
    question = partial(next, found, None)
    while (occurrence := asked(question)) is not None:
        yield occurrence


def _due(occurrence: Occurrence) -> Micros:
    return occurrence.due


def jitter_of(seed: str, due: Micros, room: Micros) -> Micros:
    """The part of ``room`` by which the occurrence of ``seed`` at ``due`` moves later: evenly spread, the same whoever computes it.

    Less than ``room``, and in whole milliseconds if there is a choice.
    """
    digest = hashlib.blake2b(f"{seed}@{due}".encode(), digest_size=8, person=b"jitter").digest()
    drawn = int.from_bytes(digest)
    return drawn % (room // _MILLISECOND) * _MILLISECOND if room >= 2 * _MILLISECOND else drawn % room
