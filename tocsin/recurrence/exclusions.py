"""Due times that are left out: local days, local times, and instants."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from tocsin.clock import SECOND, to_micros
from tocsin.errors import InvalidInput
from tocsin.recurrence.days import day_of
from tocsin.recurrence.intervals import Cover
from tocsin.recurrence.offsets import Offsets
from tocsin.recurrence.patterns import Pattern
from tocsin.recurrence.specs import END_OF_TIME, Micros, Occurrence

_DAY: Final = 86_400
MOST: Final = 10_000
EXCLUDED_TIME: Final = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})(?:[Tt](?P<time>\d{2}:\d{2}(?::\d{2})?)(?P<rest>\.\d{1,9})?(?P<zone>[Zz]|[+-]\d{2}:\d{2})?)?"
)
"""A date, a local time, or an instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludedTimes:
    """What is left out: days since 1970, wall times in seconds, instants."""

    days: frozenset[int] = field(default_factory=frozenset[int])
    wall_times: frozenset[int] = field(default_factory=frozenset[int])
    instants: frozenset[Micros] = field(default_factory=frozenset[Micros])

    def __bool__(self) -> bool:
        return bool(self.days or self.wall_times or self.instants)

    def __or__(self, other: "ExcludedTimes") -> "ExcludedTimes":
        return ExcludedTimes(
            days=self.days | other.days, wall_times=self.wall_times | other.wall_times, instants=self.instants | other.instants
        )


def read_exclusions(entries: Sequence[str]) -> ExcludedTimes:
    """What the entries of a trigger's excludeDates leave out.

    Raises:
        InvalidInput: one is neither a date, a local time nor an instant, or there are too many.
    """
    if len(entries) > MOST:
        raise InvalidInput.at("trigger.excludeDates", f"{len(entries)} entries; {MOST} is the most")
    days: set[int] = set()
    wall_times: set[int] = set()
    instants: set[Micros] = set()
    for number, entry in enumerate(entries):
        found = EXCLUDED_TIME.fullmatch(entry)
        try:
            if found is None:
                raise ValueError(entry)
            if found["time"] is None:
                days.add(day_of(date.fromisoformat(entry)))
            elif found["zone"] is None and found["rest"] is None:
                wall_times.add(wall_of(datetime.fromisoformat(entry)))
            else:
                instants.add(instant_of(found))
        except ValueError:
            form = 'a date "2026-12-25", a local time "2026-12-25T09:00:00" or an instant "2026-12-25T09:00:00Z"'
            raise InvalidInput.at(f"trigger.excludeDates[{number}]", f"{entry!r} is not {form}") from None
    return ExcludedTimes(days=frozenset(days), wall_times=frozenset(wall_times), instants=frozenset(instants))


def instant_of(found: re.Match[str]) -> Micros:
    """The instant that a match of `EXCLUDED_TIME` means.

    Raises:
        ValueError: it does not exist, or has no zone.
    """
    if found["zone"] is None:
        raise ValueError(found.string)
    whole = datetime.fromisoformat(f"{found['date']}T{found['time']}{found['zone'].upper()}")
    return to_micros(whole) + int((found["rest"] or ".0")[1:].ljust(6, "0")[:6])


def wall_of(naive: datetime) -> int:
    """The wall time of a local time, in whole seconds."""
    return day_of(naive.date()) * _DAY + naive.hour * 3600 + naive.minute * 60 + naive.second


class Exclusions:
    """What is left out, in a zone."""

    def __init__(
        self,
        times: ExcludedTimes,
        offsets: Offsets,
        *,
        patterns: Sequence[Pattern] = (),
        covers: Sequence[Cover] = (),
        only: Sequence[Cover] = (),
    ) -> None:
        """Takes what is left out.

        Args:
            times: days, wall times, instants.
            offsets: the zone of days and wall times.
            patterns: wall times that are left out.
            covers: all within one of them is left out.
            only: all outside of any of them is left out.
        """
        self._times = times
        self._offsets = offsets
        self._ends = _run_ends(times.days)
        self._patterns = patterns
        self._covers = covers
        self._only = only

    def passed(self, found: Occurrence) -> Micros | None:
        """None unless ``found`` is left out; otherwise an instant until which all is."""
        for cover in self._covers:
            end = cover.end_at(found.due)
            if end is not None:
                return end - 1
        for cover in self._only:
            begin = cover.next_start(found.due)
            if begin != found.due:
                return END_OF_TIME if begin is None else begin - 1
        return self._passed_time(found)

    def _passed_time(self, found: Occurrence) -> Micros | None:
        times = self._times
        if found.due in times.instants:
            return found.due
        if not (times.days or times.wall_times or self._patterns):
            return None
        wall = self._offsets.local(found.due // SECOND) if found.wall is None else found.wall
        end = self._ends.get(wall // _DAY)
        if end is not None:
            return max(found.due, self._offsets.instant(end * _DAY) * SECOND - 1)
        if wall in times.wall_times or any(pattern.next_at(wall) == wall for pattern in self._patterns):
            return found.due
        return None


def _run_ends(days: Iterable[int]) -> dict[int, int]:
    """For each of the days the first one after it that is not among them."""
    ends: dict[int, int] = {}
    for day in sorted(days, reverse=True):
        ends[day] = ends.get(day + 1, day + 1)
    return ends
