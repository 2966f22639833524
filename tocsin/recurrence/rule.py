"""What every rule can be asked."""

from collections.abc import Iterator
from typing import Protocol

from tocsin.recurrence.specs import Micros, Occurrence


class Rule(Protocol):
    """The due times of a trigger within its start and end; its count is for whoever counts.

    A function of the trigger alone: the same question has the same answer in every process, at any time. Every answer costs a bounded
    number of steps, whatever the rule is.
    """

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The first due time after ``instant``, exclusive; None when there is none before the year 10000, nor within 400 years."""
        ...

    def between(self, start: Micros, end: Micros) -> Iterator[Occurrence]:
        """Every due time from ``start``, inclusive, to ``end``, exclusive, in order."""
        found = self.next_after(start - 1)
        while found is not None and found.due < end:
            yield found
            found = self.next_after(found.due)

    def shown_after(self, instant: Micros) -> Iterator[Occurrence]:
        """Every occurrence after ``instant``, also those that are skipped or excluded: for a person who wants to see them."""
        found = self.next_after(instant)
        while found is not None:
            yield found
            found = self.next_after(found.due)

    def first_after(self, instant: Micros) -> Occurrence | None:
        """The first due time whose time by the rule, before any delay, lies after ``instant``."""
        return self.next_after(instant)
