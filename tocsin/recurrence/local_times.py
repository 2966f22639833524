"""From local times to instants: here our policy for changes of the clocks decides, whatever made the local times.

A wall time is a number of seconds since 1970-01-01T00:00 of a zone's own clock. A pattern knows only those; `LocalTimeRule` walks the
stretches of a zone that have one offset, in which wall times and instants have one order: nothing is missed, doubled or out of order.
"""

from collections.abc import Iterator
from typing import Final

from tocsin.clock import SECOND
from tocsin.recurrence.offsets import FIRST_SECOND, LAST_SECOND, Offsets, Stretch
from tocsin.recurrence.patterns import Pattern
from tocsin.recurrence.rule import Rule
from tocsin.recurrence.specs import Gap, Label, Micros, Occurrence, Overlap

DAY: Final = 86_400
# No zone has ever put its clocks back by more: two days after a change nothing repeats any more.
_CALM: Final = 2 * DAY
_MOST_TOLD: Final = 1000
"""Of the wall times that one gap leaves out, which for a rule of every second are 3,600."""


class LocalTimeRule(Rule):
    """A pattern in a zone."""

    def __init__(self, *, pattern: Pattern, offsets: Offsets, gap: Gap | None, overlap: Overlap) -> None:
        """Takes the pattern and the policy.

        Args:
            pattern: the wall times.
            offsets: the zone.
            gap: what becomes of a wall time that does not exist; None: it is not made up for, as nobody expects of a period.
            overlap: which instants a wall time means that exists twice.
        """
        self._pattern = pattern
        self._offsets = offsets
        self._gap = gap
        self._both = overlap is Overlap.BOTH

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The first occurrence that fires after ``instant``; walks the zone's stretches from there."""
        return next(self._walk(instant // SECOND + 1, told=False), None)

    def between(self, start: Micros, end: Micros) -> Iterator[Occurrence]:
        """Walks the stretches once for the whole range, instead of once for each due time."""
        for found in self._walk((start - 1) // SECOND + 1, told=False):
            if found.due >= end:
                return
            yield found

    def shown_after(self, instant: Micros) -> Iterator[Occurrence]:
        """Also the local times that a gap skips or swallows, up to 1,000 for each gap."""
        return self._walk(instant // SECOND + 1, told=True)

    def _walk(self, second: int, *, told: bool) -> Iterator[Occurrence]:
        """Every occurrence from ``second`` on; those that do not fire only if they are to be ``told``."""
        at = max(second, FIRST_SECOND)
        while at <= LAST_SECOND:
            stretch = self._offsets.at(at)
            start, offset, before = stretch.start, stretch.offset, stretch.before
            end = min(stretch.end, LAST_SECOND + 1)
            if offset > before and self._gap is Gap.OFFSET and at < start + offset - before:
                until = min(end, start + offset - before)
                yield from self._moved(stretch, at, until, told=told)
                at = until
                continue
            if at == start and offset > before:
                yield from self._in_gap(stretch, told=told)
            wall = self._pattern.next_at(at + offset)
            seen = start + before
            if wall is not None and wall < seen and not self._both:
                wall = self._pattern.next_at(seen)
            while wall is not None and wall - offset < end:
                at = wall - offset + 1
                yield Occurrence((at - 1) * SECOND, Label.REPEATED if wall < seen else Label.PLAIN, wall)
                wall = self._pattern.next_at(wall + 1)
            if end - at <= _CALM:
                at = end  # what the end of this stretch had may come again in the next one
            elif wall is None:
                return
            else:
                at = max(end, wall - _CALM)

    def _in_gap(self, stretch: Stretch, *, told: bool) -> Iterator[Occurrence]:
        """What becomes of the wall times that the beginning of a stretch leaves out."""
        if self._gap is not Gap.SHIFT and not told:
            return
        first, end = stretch.start + stretch.before, stretch.start + stretch.offset
        wall = self._pattern.next_at(first)
        if wall is None or wall >= end:
            return
        label = Label.SKIPPED if self._gap is Gap.SKIP else Label.SWALLOWED
        if self._gap is Gap.SHIFT and self._pattern.next_at(end) != end:
            yield Occurrence(stretch.start * SECOND, Label.SHIFTED, wall)
            wall = self._pattern.next_at(wall + 1) if told else None
        left = _MOST_TOLD if told else 0
        while left and wall is not None and wall < end:
            yield Occurrence(stretch.start * SECOND, label, wall)
            wall = self._pattern.next_at(wall + 1)
            left -= 1

    def _moved(self, stretch: Stretch, at: int, until: int, *, told: bool) -> Iterator[Occurrence]:
        """The occurrences from ``at`` to before ``until``, when those that the gap leaves out come later by its length."""
        plain, left_out = self._pattern.next_at(at + stretch.offset), self._pattern.next_at(at + stretch.before)
        while True:
            here = until if plain is None else plain - stretch.offset
            moved = until if left_out is None else left_out - stretch.before
            if min(here, moved) >= until:
                return
            if left_out is not None and moved <= here:
                if moved < here:
                    yield Occurrence(moved * SECOND, Label.SHIFTED, left_out)
                elif told:
                    yield Occurrence(moved * SECOND, Label.SWALLOWED, left_out)
                left_out = self._pattern.next_at(left_out + 1)
            elif plain is not None:
                yield Occurrence(here * SECOND, Label.PLAIN, plain)
                plain = self._pattern.next_at(plain + 1)
