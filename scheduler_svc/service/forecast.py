"""The forecast: how many fires each minute of the next day will bring, and where an alarm that may move has room.

Alarms that share a rule and are due in the same minute are counted as one, so a million daily alarms cost no more than their rules. What
fires rarely is counted exactly; a rule that fires very often is walked for a while, and then each further minute in which it fires counts
as much as the last one that was walked.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from scheduler_svc.ports import ForecastStore, Group
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.cooperative import CooperativeYield
from tocsin.clock import MINUTE, SECOND, Clock
from tocsin.errors import InvalidInput
from tocsin.recurrence import END_OF_TIME, Every, Micros, Rule, TooCostly, Trigger, anchor_of, compiled, rule_of, spent
from tocsin.stored import NOT_READABLE
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

DAY: Final = 1440
"""Minutes of a day."""

_SLACK: Final = 15
_LONGEST_AHEAD: Final[Micros] = 366 * DAY * MINUTE
_FRESH_SECONDS: Final = 60.0
_CHEAP_SECONDS: Final = 0.05
_REST: Final = 20
"""A forecast is computed again when so many times has passed what it took: however many alarms there are, its part of the load is small."""
_TENANTS: Final = 1000
_PAGE: Final = 20_000
_WALKED: Final = 3000
_WEIGHED: Final = 2000
_MOST_STEPS: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Planned fires: (beginning of the minute, fires), in order, without those in which nothing fires."""

    computed: Micros
    minutes: Sequence[tuple[Micros, int]]

    @property
    def total(self) -> int:
        """Fires in all."""
        return sum(fires for _, fires in self.minutes)

    @property
    def busiest(self) -> tuple[Micros, int] | None:
        """The minute with the most fires, the first of several; None when there is none."""
        return max(self.minutes, key=lambda minute: (minute[1], -minute[0]), default=None)


@dataclass(slots=True)
class Load:
    """Fires by minute, from ``base`` on."""

    base: Micros
    counts: list[int] = field(repr=False)
    computed: Micros = 0
    ended: float = 0.0
    cost: float = 0.0
    stale: bool = False

    @property
    def end(self) -> Micros:
        """The first instant behind it."""
        return self.base + len(self.counts) * MINUTE

    def at(self, instant: Micros) -> int:
        """Fires in the minute of an instant; 0 outside."""
        return self.counts[(instant - self.base) // MINUTE] if self.base <= instant < self.end else 0

    def add(self, instant: Micros, fires: int = 1) -> None:
        """Counts fires in the minute of an instant, unless it lies outside."""
        if self.base <= instant < self.end:
            self.counts[(instant - self.base) // MINUTE] += fires


class Forecasts:
    """Forecasts by tenant, kept for a while."""

    def __init__(self, *, store: ForecastStore, clock: Clock) -> None:
        """Takes where the alarms are, and the source of time."""
        self._store = store
        self._clock = clock
        self._loads: OrderedDict[str, Load] = OrderedDict()

    async def forecast(self, caller: Caller, *, start: Micros | None, minutes: int) -> Forecast:
        """The planned fires of the tenant.

        Args:
            caller: whose they are.
            start: lies in the first minute; None: now.
            minutes: how many; 0 means a day.

        Raises:
            InvalidInput: the minute is over, or lies too far ahead.
        """
        now = self._clock.micros()
        first = _minute(now if start is None else start)
        if first < _minute(now):
            raise InvalidInput.at("startTime", "must not be in the past; the ledger lists what has fired")
        if first > now + _LONGEST_AHEAD:
            raise InvalidInput.at("startTime", "must be within a year from now")
        wanted = minutes or DAY
        if first + wanted * MINUTE <= _minute(now) + DAY * MINUTE:
            load = await self._load(caller.tenant, changes_count=True)
        else:
            load = await self._compute(caller.tenant, first, wanted)
        steps = range(first, first + wanted * MINUTE, MINUTE)
        return Forecast(computed=load.computed, minutes=[(at, fires) for at in steps if (fires := load.at(at))])

    def changed(self, tenant: str) -> None:
        """Alarms of the tenant are not what they were."""
        load = self._loads.get(tenant)
        if load is not None:
            load.stale = True

    async def placing(self, tenant: str) -> "Placing":
        """What chooses offsets for alarms of the tenant."""
        return Placing(await self._load(tenant, changes_count=False))

    async def _load(self, tenant: str, *, changes_count: bool) -> Load:
        """The fires of the next day; from memory if it is not too old. ``changes_count``: nor changed since."""
        load = self._loads.get(tenant)
        if load is None or self._worn(load, changes_count=changes_count):
            load = await self._compute(tenant, _minute(self._clock.micros()), DAY + _SLACK)
            self._loads[tenant] = load
            while len(self._loads) > _TENANTS:
                self._loads.popitem(last=False)
        self._loads.move_to_end(tenant)
        return load

    def _worn(self, load: Load, *, changes_count: bool) -> bool:
        age, rest = self._clock.monotonic() - load.ended, _REST * load.cost
        if _minute(self._clock.micros()) + DAY * MINUTE > load.end:
            return True
        if load.stale and changes_count:
            return load.cost < _CHEAP_SECONDS or age > rest
        return age > max(_FRESH_SECONDS, rest)

    async def _compute(self, tenant: str, base: Micros, minutes: int) -> Load:
        load, begun = Load(base, [0] * minutes, self._clock.micros()), self._clock.monotonic()
        checkpoint, after = CooperativeYield(self._clock), ""
        while groups := await self._store.groups(tenant, after=after, until=load.end, most=_PAGE):
            for group in groups:
                try:
                    for at, fires in fires_of(group, load.base, load.end):
                        load.add(at, fires * group.alarms)
                        await checkpoint()
                except TooCostly:
                    pass  # it fires once more, if at all, and is paused then
                except (InvalidInput, *NOT_READABLE) as error:  # its zone is gone, or nobody can say when it fires
                    _log.warning("alarms left out of the forecast", tenant=tenant, alarm=group.last, error=type(error).__name__)
                await checkpoint()
            after = max(group.last for group in groups)
            if sum(group.alarms for group in groups) < _PAGE:
                break
        load.ended = self._clock.monotonic()
        load.cost = load.ended - begun
        return load


def fires_of(group: Group, start: Micros, end: Micros) -> Iterator[tuple[Micros, int]]:
    """When one alarm of the group fires within [start, end): an instant, and how often in its minute from there on."""
    if not group.trigger:
        if start <= group.due < end:
            yield group.due, 1
        return
    trigger, rule, limit = compiled(group.trigger, group.anchor, seed=group.seed)
    left = END_OF_TIME if limit is None else limit - group.ordinal
    if isinstance(trigger.spec, Every) and not trigger.exclude and not trigger.jitter:
        end = end if trigger.end is None else min(end, trigger.end)
        yield from _regular(group.due, trigger.spec.interval, left, start, end)
    else:
        yield from _walked(rule, group.due, left, start, end)


def _regular(first: Micros, interval: Micros, left: int, start: Micros, end: Micros) -> Iterator[tuple[Micros, int]]:
    """Fires at one interval: minute by minute if it is short, one by one if it is long."""
    number = max(0, -(-(start - first) // interval))
    while number < left and (at := first + number * interval) < end:
        following = max(number + 1, -(-(min(_minute(at) + MINUTE, end) - first) // interval))
        yield at, min(following, left) - number
        number = following


def _walked(rule: Rule, first: Micros, left: int, start: Micros, end: Micros) -> Iterator[tuple[Micros, int]]:
    """Fires of any rule: one by one for a while, then a minute at a time."""
    begin, minute, in_minute = first, 0, 0
    if first < start:
        found = rule.next_after(start - 1)
        if found is None:
            return
        begin = found.due
    for walked, occurrence in enumerate(rule.between(begin, end)):
        if walked == left:
            return
        at = _minute(occurrence.due)
        if at != minute and walked >= _WALKED:
            yield from _estimated(rule, at, end, in_minute, left - walked)
            return
        minute, in_minute = at, in_minute + 1 if at == minute else 1
        yield occurrence.due, 1


def _estimated(rule: Rule, start: Micros, end: Micros, rate: int, left: int) -> Iterator[tuple[Micros, int]]:
    found = rule.next_after(start - 1)
    while found is not None and found.due < end and left > 0:
        yield found.due, min(rate, left)
        left -= rate
        found = rule.next_after(_minute(found.due) + MINUTE - 1)


class Placing:
    """Chooses offsets: where a day's load is least, and counts what it has placed at once, so that many in a row become flat."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def __call__(self, trigger: Trigger, *, now: Micros, seed: str) -> Trigger:
        """The trigger with an offset within its spread; the same load and seed give the same one.

        Raises:
            InvalidInput: the rule is not valid.
        """
        trigger = replace(trigger, spread_offset=0)
        if not trigger.spread or not trigger.calendar:
            return trigger
        plain = replace(trigger, jitter=0)
        due_times = self._due_times(plain, now)
        if not due_times:
            return trigger
        room = trigger.spread if trigger.end is None else max(0, min(trigger.spread, trigger.end - 1 - due_times[0]))
        slots, drawn = max(1, -(-room // MINUTE)), int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8, person=b"spread").digest())
        weighed = due_times[: max(1, _WEIGHED // slots)]
        best = min(range(slots), key=lambda slot: (*self._weight(weighed, slot * MINUTE), (slot - drawn) % slots))
        # Within the minute each alarm has a second of its own.
        seconds = min(MINUTE, room - best * MINUTE) // SECOND
        offset = best * MINUTE + (drawn // slots % seconds * SECOND if seconds > 0 else 0)
        for due in due_times:
            self._load.add(due + offset)
        return replace(trigger, spread_offset=offset)

    def _due_times(self, trigger: Trigger, now: Micros) -> list[Micros]:
        """The due times of the load's day, without any offset; at least one if there is any."""
        rule = rule_of(trigger, anchor=anchor_of(trigger, now=now))
        after = now if trigger.start is None else max(now, trigger.start - 1)
        begun, found, due_times = spent(), rule.next_after(after), list[Micros]()
        while found is not None and len(due_times) < _WEIGHED and (not due_times or found.due < self._load.end):
            if spent() - begun > _MOST_STEPS:
                break  # it is costly to look further; what was found is weighed
            due_times.append(found.due)
            found = rule.next_after(found.due)
        return due_times

    def _weight(self, due_times: Sequence[Micros], offset: Micros) -> tuple[int, int]:
        loads = [self._load.at(due + offset) for due in due_times]
        return max(loads), sum(loads)


def _minute(instant: Micros) -> Micros:
    return instant // MINUTE * MINUTE
