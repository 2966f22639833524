"""From specs to rules, and from windows to what they cover."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from tocsin.clock import MINUTE, SECOND
from tocsin.errors import InvalidInput
from tocsin.recurrence.cron import CronLine, cron_pattern, expression_pattern, read_cron
from tocsin.recurrence.exclusions import Exclusions
from tocsin.recurrence.ical import RecurrenceSet, RecurrenceText, read_recurrence
from tocsin.recurrence.ical.values import EventLength, Moment
from tocsin.recurrence.instants import AtRule, EveryRule, ListedRule, SignalRule
from tocsin.recurrence.intervals import Cover, Elapsed, Intervals, Length, Nominal, UntilTime, Windows
from tocsin.recurrence.local_times import LocalTimeRule
from tocsin.recurrence.offsets import Offsets, offsets
from tocsin.recurrence.on_calendar import read_on_calendar
from tocsin.recurrence.patterns import EveryDay, Listed, Pattern
from tocsin.recurrence.rule import Rule
from tocsin.recurrence.specs import (
    At,
    AtLocal,
    Cron,
    Daily,
    DstPolicy,
    Event,
    Every,
    Gap,
    Heartbeat,
    Micros,
    OnCalendar,
    Overlap,
    Recurrence,
    Spec,
    Threshold,
    TimeWindow,
)
from tocsin.recurrence.wrappers import AnyOfRules, Bounded, Excluding, Rescheduled

_IN_ORDER: Final = DstPolicy(gap=Gap.SHIFT, overlap=Overlap.FIRST)
_WHOLE_SECOND: Final = EventLength(0, 1)


class Made(NamedTuple):
    """What makes the rule of a spec from an anchor and a seed, and whether it needs them."""

    make: Callable[[Micros, str], Rule]
    anchored: bool = False
    seeded: bool = False


def made_of(spec: Spec, *, time_zone: str, dst: DstPolicy | None) -> Made:
    """What makes the rule of a spec.

    Raises:
        InvalidInput: it is not valid.
    """
    match spec:
        case At(instant):
            return _fixed(lambda: AtRule(instant))
        case AtLocal():
            local = Listed([spec.wall])
            return _fixed(lambda: _on_walls(local, offsets(time_zone), policy_of(dst, periodic=False)))
        case Every(interval):
            return Made(partial(_every, interval), anchored=True)
        case Daily(at):
            pattern = EveryDay(at.hour * 3600 + at.minute * 60 + at.second)
            return _fixed(lambda: _on_walls(pattern, offsets(time_zone), policy_of(dst, periodic=False)))
        case Cron(text):
            return _by_cron(text, time_zone, dst)
        case OnCalendar(text):
            read = read_on_calendar(text)
            policy = policy_of(dst, periodic=read.fields.periodic)
            return _fixed(lambda: _on_walls(expression_pattern(read.fields), offsets(read.zone or time_zone), policy))
        case Recurrence(text):
            return _by_recurrence(text, time_zone, dst)
        case Event() | Threshold() | Heartbeat():
            return _fixed(SignalRule)


def _fixed(make: Callable[[], Rule]) -> Made:
    """Of a rule that is the same for every alarm."""

    def made(_anchor: Micros, _seed: str) -> Rule:
        return make()

    return Made(made)


def _every(interval: Micros, anchor: Micros, _seed: str) -> Rule:
    return EveryRule(interval=interval, anchor=anchor)


def policy_of(dst: DstPolicy | None, *, periodic: bool) -> DstPolicy:
    """The policy of a rule. Unless it says so, a period neither stops in an overlap nor makes up for a gap."""
    gap = dst.gap if dst and dst.gap else None if periodic else Gap.SHIFT
    overlap = dst.overlap if dst and dst.overlap else Overlap.BOTH if periodic else Overlap.FIRST
    return DstPolicy(gap=gap, overlap=overlap)


def _on_walls(pattern: Pattern, local: Offsets, policy: DstPolicy) -> LocalTimeRule:
    return LocalTimeRule(pattern=pattern, offsets=local, gap=policy.gap, overlap=policy.overlap or Overlap.FIRST)


def _any_of(rules: Sequence[Rule]) -> Rule:
    return rules[0] if len(rules) == 1 else AnyOfRules(rules)


# -- cron ----------------------------------------------------------------------------------------------------------------------


def _by_cron(text: str, time_zone: str, dst: DstPolicy | None) -> Made:
    lines = read_cron(text)

    def make(anchor: Micros, seed: str) -> Rule:
        return _any_of([_of_line(line, time_zone, dst, anchor, seed) for line in lines])

    return Made(make, anchored=any(line.interval for line in lines), seeded=any(line.hashed for line in lines))


def _of_line(line: CronLine, time_zone: str, dst: DstPolicy | None, anchor: Micros, seed: str) -> Rule:
    if line.interval is not None:
        return EveryRule(interval=line.interval, anchor=anchor)
    pattern, periodic = cron_pattern(line, seed if line.hashed else "")
    return _on_walls(pattern, offsets(line.zone or time_zone), policy_of(dst, periodic=periodic))


# -- iCalendar -----------------------------------------------------------------------------------------------------------------


class _Times(NamedTuple):
    """Some of the times of a recurrence set, how long an event lasts that begins then, and the zone of both."""

    rule: Rule
    length: EventLength | None
    local: Offsets


def _by_recurrence(text: str, time_zone: str, dst: DstPolicy | None) -> Made:
    found = read_recurrence(text)
    if len(found.zones) == 1 and time_zone not in found.zones:
        (named,) = found.zones
        raise InvalidInput.at("trigger.timeZone", f"{time_zone} is not the zone of DTSTART, {named}; leave one of them out")

    def make(anchor: Micros, _: str) -> Rule:
        return _any_of([times.rule for times in _all_times(found, time_zone, dst, anchor)])

    return Made(make, anchored=found.anchored)


def _all_times(found: RecurrenceText, time_zone: str, dst: DstPolicy | None, anchor: Micros) -> list[_Times]:
    """The times of all its sets; single events of one zone and length are one list."""
    lists: dict[tuple[str, EventLength | None], list[int]] = {}
    times: list[_Times] = []
    for one in found.sets:
        if one.single and one.start is not None and not one.excluded and not one.excluded_rules:
            lists.setdefault((one.zone or time_zone, one.length), []).append(one.start.wall)
        else:
            times += _of_set(one, offsets(one.zone or time_zone), dst, anchor)
    policy = policy_of(dst, periodic=False)
    for (key, length), walls in lists.items():
        local = offsets(key)
        times.append(_Times(_on_walls(Listed(sorted(set(walls))), local, policy), length, local))
    return times


def _of_set(found: RecurrenceSet, local: Offsets, dst: DstPolicy | None, anchor: Micros) -> list[_Times]:
    """The times of a recurrence set: those by its rules, and those that were moved by themselves."""
    begin = local.begin(anchor // SECOND)
    policy = policy_of(dst, periodic=found.periodic)
    pattern, ended = found.patterns(local, begin=begin, policy=policy)
    rules: list[Rule] = [_on_walls(pattern, local, policy)]
    rules += [Bounded(_on_walls(rest, local, policy), start=None, end=last * SECOND + 1) for rest, last in ended]
    instants = found.instants(local)
    rules += [ListedRule(instants)] if instants else []
    rule, excluded, patterns = _any_of(rules), found.exclusions(local), found.excluded_patterns(local, begin=begin)
    if excluded or patterns:
        rule = Excluding(rule, Exclusions(excluded, local, patterns=patterns))
    times = [_Times(_rescheduled(rule, found, local), found.length, local)]
    for moment, length in found.moved:
        zone = local if moment.zone is None else offsets(moment.zone)
        times.append(_Times(_on_walls(Listed([moment.wall]), zone, policy), length, zone))
    return times


def _rescheduled(rule: Rule, found: RecurrenceSet, local: Offsets) -> Rule:
    """The rule, with what is moved from some time on (RANGE=THISANDFUTURE)."""
    if not found.later:
        return rule
    breaks = [(found.wall_in(local, identity), None if start is None else found.wall_in(local, start)) for identity, start in found.later]
    edges = [local.instant(wall) * SECOND for wall, _ in breaks]
    rules: list[Rule] = [Bounded(rule, start=None, end=edges[0])]
    for (wall, moved), start, end in zip(breaks, edges, [*edges[1:], None], strict=True):
        if moved is not None:
            rules.append(Rescheduled(Bounded(rule, start=start, end=end), by=moved - wall, offsets=local))
    return AnyOfRules(rules)


# -- windows -------------------------------------------------------------------------------------------------------------------


def cover_of(window: TimeWindow, time_zone: str) -> Cover:
    """What a window covers, in a zone. A rule without a beginning of its own begins in 1970.

    Raises:
        InvalidInput: it is not valid.
    """
    local = offsets(time_zone)
    dst = None if window.length else _IN_ORDER
    if isinstance(window.spec, Recurrence):
        found = read_recurrence(window.spec.text)
        return Windows(
            [
                Intervals(times.rule, _length(window, times.length or _WHOLE_SECOND, times.local))
                for times in _all_times(found, time_zone, dst, 0)
            ]
            + [Intervals(rule, _exact(length, local)) for rule, length in _periods(found, time_zone)]
        )
    if isinstance(window.spec, Cron):
        lines = read_cron(window.spec.expression)
        return Windows([_line_cover(line, window, line.zone or time_zone, dst) for line in lines])
    read = read_on_calendar(window.spec.expression)
    local = offsets(read.zone or time_zone)
    rule = _on_walls(expression_pattern(read.fields), local, policy_of(dst, periodic=read.fields.periodic))
    return Intervals(rule, _length(window, EventLength(0, 1 if read.fields.by_second else 60), local))


def _line_cover(line: CronLine, window: TimeWindow, key: str, dst: DstPolicy | None) -> Cover:
    rule = _of_line(line, key, dst, 0, "")
    by_second = line.interval is None and line.expression("").by_second
    return Intervals(rule, _length(window, EventLength(0, 1 if by_second else MINUTE // SECOND), offsets(key)))


def _length(window: TimeWindow, own: EventLength, local: Offsets) -> Length:
    if window.until is not None:
        return UntilTime(window.until, local)
    return Elapsed(window.length) if window.length else _exact(own, local)


def _exact(length: EventLength, local: Offsets) -> Length:
    return Nominal(days=length.days, time=length.seconds * SECOND, offsets=local) if length.days else Elapsed(length.seconds * SECOND)


def _periods(found: RecurrenceText, time_zone: str) -> list[tuple[Rule, EventLength]]:
    """The periods of RDATE, each with its own length."""
    return [
        (ListedRule([_instant(moment, one.zone or time_zone)]), moment.period)
        for one in found.sets
        for moment in one.added
        if moment.period is not None
    ]


def _instant(moment: Moment, key: str) -> Micros:
    return offsets(moment.zone or key).instant(moment.wall) * SECOND
