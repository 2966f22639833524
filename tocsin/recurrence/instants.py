"""Rules of instants, without a calendar."""

from bisect import bisect_right
from collections.abc import Sequence

from tocsin.recurrence.rule import Rule
from tocsin.recurrence.specs import END_OF_TIME, Micros, Occurrence


class AtRule(Rule):
    """One instant."""

    def __init__(self, instant: Micros) -> None:
        self._instant = instant

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The instant itself, before it has come; then None."""
        return Occurrence(self._instant) if instant < self._instant else None


class ListedRule(Rule):
    """Instants that are given one by one, in order."""

    def __init__(self, instants: Sequence[Micros]) -> None:
        self._instants = instants

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The first one listed after ``instant``, found by bisection."""
        index = bisect_right(self._instants, instant)
        return Occurrence(self._instants[index]) if index < len(self._instants) else None


class SignalRule(Rule):
    """No due time of its own: something from outside lets the alarm fire."""

    def next_after(self, instant: Micros) -> Occurrence | None:
        """Always None."""
        return None


class EveryRule(Rule):
    """The anchor and each interval after it."""

    def __init__(self, *, interval: Micros, anchor: Micros) -> None:
        self._interval = interval
        self._anchor = anchor

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The anchor, before it has come; then the next multiple of the interval, computed in one step."""
        if instant < self._anchor:
            return Occurrence(self._anchor)
        due = self._anchor + ((instant - self._anchor) // self._interval + 1) * self._interval
        return Occurrence(due) if due <= END_OF_TIME else None
