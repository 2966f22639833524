"""Rules walk due times. They are functions of the trigger alone: the same question has the same answer in every process, at any time."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from scheduler_svc.recurrence.specs import (
    END_OF_TIME,
    At,
    Cron,
    Daily,
    Event,
    Every,
    Gap,
    Heartbeat,
    Label,
    Micros,
    Occurrence,
    Overlap,
    Recurrence,
    Threshold,
)
from scheduler_svc.recurrence.trigger import Trigger
from scheduler_svc.recurrence.zones import end_of_gap, instants, zone
from tocsin.clock import from_micros, to_micros

_DAY: Final = timedelta(days=1)
# Local and UTC dates differ by a day at most, and a change of the date line shifts a local time by another one.
_DAYS_AROUND: Final = 2
# No zone has ever left out a local time for longer; the bound keeps a walk finite whatever tzdata says.
_MOST_DAYS: Final = 400


class Rule(Protocol):
    """The due times of a trigger within its start and end; its count is for whoever counts."""

    def next_after(self, instant: Micros) -> Occurrence | None:
        """The first due time after ``instant``, exclusive; None when there is none before the year 10000."""
        ...

    def between(self, start: Micros, end: Micros) -> Iterator[Occurrence]:
        """Every due time from ``start``, inclusive, to ``end``, exclusive, in order."""
        found = self.next_after(start - 1)
        while found is not None and found.due < end:
            yield found
            found = self.next_after(found.due)


class AtRule(Rule):
    """One instant."""

    def __init__(self, instant: Micros) -> None:
        self._instant = instant

    def next_after(self, instant: Micros) -> Occurrence | None:
        """See `Rule`."""
        return Occurrence(self._instant) if instant < self._instant else None


class SignalRule(Rule):
    """No due time of its own: something from outside lets the alarm fire."""

    def next_after(self, instant: Micros) -> Occurrence | None:
        """See `Rule`."""
        return None


class EveryRule(Rule):
    """The anchor and each interval after it."""

    def __init__(self, *, interval: Micros, anchor: Micros) -> None:
        self._interval = interval
        self._anchor = anchor

    def next_after(self, instant: Micros) -> Occurrence | None:
        """See `Rule`."""
        if instant < self._anchor:
            return Occurrence(self._anchor)
        due = self._anchor + ((instant - self._anchor) // self._interval + 1) * self._interval
        return Occurrence(due) if due <= END_OF_TIME else None


class DailyRule(Rule):
    """A time of day in a zone."""

    def __init__(self, *, at: time, zone: ZoneInfo, gap: Gap, overlap: Overlap) -> None:
        self._time = at
        self._zone = zone
        self._shift = gap is Gap.SHIFT
        self._both = overlap is Overlap.BOTH

    def next_after(self, instant: Micros) -> Occurrence | None:
        """See `Rule`."""
        try:
            day = from_micros(max(instant, 0)).astimezone(self._zone).date() - _DAYS_AROUND * _DAY
            for _ in range(_MOST_DAYS):
                found = self._first_after(instant, datetime.combine(day, self._time))
                if found is not None:
                    return found
                day += _DAY
        except OverflowError:
            pass  # the calendar ends with the year 9999
        return None

    def _first_after(self, instant: Micros, wall: datetime) -> Occurrence | None:
        return next((found for found in self._on(wall) if found.due > instant), None)

    def _on(self, wall: datetime) -> tuple[Occurrence, ...]:
        """The occurrences that the local time ``wall`` means."""
        pair = instants(wall, self._zone)
        if pair is None:
            return (Occurrence(to_micros(end_of_gap(wall, self._zone)), Label.SHIFTED),) if self._shift else ()
        first, second = pair
        if first == second or not self._both:
            return (Occurrence(to_micros(first)),)
        return (Occurrence(to_micros(first)), Occurrence(to_micros(second), Label.REPEATED))


class Bounded(Rule):
    """Another rule between a start, inclusive, and an end, exclusive."""

    def __init__(self, rule: Rule, *, start: Micros | None, end: Micros | None) -> None:
        self._rule = rule
        self._start = start
        self._end = END_OF_TIME + 1 if end is None else end

    def next_after(self, instant: Micros) -> Occurrence | None:
        """See `Rule`."""
        after = instant if self._start is None else max(instant, self._start - 1)
        found = self._rule.next_after(after)
        return found if found is not None and found.due < self._end else None


def rule_of(trigger: Trigger, *, anchor: Micros) -> Rule:
    """The rule of ``trigger``; ``anchor`` is what its intervals count from.

    Raises:
        UnknownZone: the trigger's time zone does not exist.
    """
    spec = trigger.spec
    match spec:
        case At(instant):
            rule: Rule = AtRule(instant)
        case Every(interval):
            rule = EveryRule(interval=interval, anchor=anchor)
        case Daily(at):
            dst = trigger.dst
            gap = dst.gap if dst and dst.gap else Gap.SHIFT
            overlap = dst.overlap if dst and dst.overlap else Overlap.FIRST
            rule = DailyRule(at=at, zone=zone(trigger.time_zone), gap=gap, overlap=overlap)
        case Event() | Threshold() | Heartbeat():
            return SignalRule()
        case Cron() | Recurrence():
            return SignalRule()
    if trigger.start is None and trigger.end is None:
        return rule
    return Bounded(rule, start=trigger.start, end=trigger.end)


def first_due(trigger: Trigger, *, now: Micros) -> Micros | None:
    """The first due time of an alarm that is made, or gets this trigger, at ``now``; None when there is none.

    Only `at` can lie in the past: what a repeating rule would have meant before the alarm was made is nobody's occurrence.
    """
    rule = rule_of(trigger, anchor=anchor_of(trigger, now=now))
    if isinstance(trigger.spec, At):
        after = trigger.spec.instant - 1
    else:
        after = now if trigger.start is None or trigger.start <= now else trigger.start - 1
    found = rule.next_after(after)
    return found.due if found is not None else None


def anchor_of(trigger: Trigger, *, now: Micros) -> Micros:
    """What an interval counts from: the start if there is one, otherwise when the alarm got this trigger."""
    return now if trigger.start is None else trigger.start


class Compiled(NamedTuple):
    """A stored trigger, ready to be asked."""

    trigger: Trigger
    rule: Rule
    limit: int | None


_decoded = lru_cache(maxsize=8192)(Trigger.decode)  # many alarms share a trigger, if not its anchor


def compiled(encoded: str, anchor: Micros, *, seed: str) -> Compiled:
    """The trigger that was stored as ``encoded``, with its rule; ``seed``, the alarm's id, is what its jitter is drawn from."""
    trigger = _decoded(encoded)
    return Compiled(trigger, rule_of(trigger, anchor=anchor), trigger.limit)


def utc_text(micros: Micros) -> str:
    """The instant in RFC 3339, for messages."""
    return from_micros(micros).astimezone(UTC).isoformat().replace("+00:00", "Z")
