"""How what was due lately went."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from scheduler_svc.ports.summaries import FiringCounts
from scheduler_svc.service.alarms import Caller
from tocsin.clock import MINUTE, SECOND, Clock
from tocsin.recurrence import Micros

MOST_COUNTED: Final = 20_000
"""So many rows cost a database some ten milliseconds, however many there are."""

_MS: Final = SECOND // 1000
EDGES: Final = (10 * _MS, 30 * _MS, 100 * _MS, 300 * _MS, SECOND, 5 * SECOND, MINUTE, 10 * MINUTE)
"""Ends of the steps of lateness: up to a second it is on time."""

_DAY_MINUTES: Final = 1440


class FiringSummary(NamedTuple):
    """What was due from ``since`` to ``until``: by outcome (its number), and what fired by the step of `EDGES`; the last is later."""

    since: Micros
    until: Micros
    partial: bool
    outcomes: Mapping[int, int]
    lateness: Sequence[int]


class FiringSummaries:
    """Of the caller's tenant."""

    def __init__(self, *, counts: FiringCounts, clock: Clock) -> None:
        self._counts = counts
        self._clock = clock

    async def summary(self, caller: Caller, *, alarm: str, minutes: int) -> FiringSummary:
        """Counts the last ``minutes`` (0: a day), of one alarm unless it is empty."""
        until = self._clock.micros()
        since = until - (minutes or _DAY_MINUTES) * MINUTE
        found = await self._counts.count(caller.tenant, alarm=alarm, since=since, until=until, edges=EDGES, most=MOST_COUNTED)
        outcomes = Counter[int]()
        lateness = [0] * (len(EDGES) + 1)
        for each in found:
            outcomes[each.outcome] += each.firings
            if each.step >= 0:
                lateness[each.step] += each.firings
        partial = outcomes.total() >= MOST_COUNTED
        start = min(each.first for each in found) if partial else since
        return FiringSummary(start, until, partial, dict(sorted(outcomes.items())), lateness)
