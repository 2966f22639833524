"""From triggers to rules."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Final, NamedTuple

from tocsin.clock import SECOND
from tocsin.errors import InvalidInput
from tocsin.recurrence.cron import cron_pattern
from tocsin.recurrence.exclusions import Exclusions, read_exclusions
from tocsin.recurrence.ical import RecurrenceSet, read_recurrence
from tocsin.recurrence.local_times import LocalTimeRule
from tocsin.recurrence.offsets import offsets
from tocsin.recurrence.patterns import EveryDay, Listed, Pattern
from tocsin.recurrence.rule import Rule
from tocsin.recurrence.specs import (
    END_OF_TIME,
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
    Occurrence,
    Overlap,
    Recurrence,
    Threshold,
)
from tocsin.recurrence.steps import asked
from tocsin.recurrence.trigger import Trigger
from tocsin.recurrence.wrappers import AnyOfRules, Bounded, Delayed, Excluding, Questioned

_LONG_TEXT: Final = 4096


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


class Recipe:
    """A trigger, read: what is left is the anchor and the seed, which each alarm has of its own.

    Many alarms share a trigger, and a rule that needs neither is one rule for all of them.
    """

    def __init__(self, trigger: Trigger) -> None:
        """Reads the trigger.

        Raises:
            InvalidInput: it is not valid.
        """
        self.trigger = trigger
        self._anchored = isinstance(trigger.spec, Every)
        self._excluded = read_exclusions(trigger.exclude)
        self._make = self._maker()
        self._bounded = bool(trigger.exclude) or isinstance(trigger.spec, Cron | Recurrence)
        self._shared = None if self._anchored else self.undelayed(0)

    def rule(self, *, anchor: Micros, seed: str) -> Rule:
        """The rule of an alarm that has this trigger."""
        trigger = self.trigger
        rule = self._shared or (self.undelayed(anchor) if isinstance(trigger.spec, Every) else _anchored_rule(self, anchor))
        if not trigger.jitter and not trigger.spread_offset:
            return rule
        delayed = Delayed(rule, offset=trigger.spread_offset, jitter=trigger.jitter, seed=seed, end=trigger.end)
        return Questioned(delayed) if self._bounded else delayed

    def undelayed(self, anchor: Micros) -> Rule:
        """The rule from an anchor, before any delay; reading a COUNT from there on costs steps."""
        trigger = self.trigger
        rule = asked(partial(self._make, anchor)) if self._bounded else self._make(anchor)
        if trigger.start is not None or trigger.end is not None:
            rule = Bounded(rule, start=trigger.start, end=None if trigger.end is None else trigger.end - trigger.spread_offset)
        if self._excluded and trigger.calendar:
            rule = Excluding(rule, Exclusions(self._excluded, offsets(trigger.time_zone)))
        return Questioned(rule) if self._bounded else rule

    def _maker(self) -> Callable[[Micros], Rule]:
        """What makes the rule alone, from an anchor."""
        spec = self.trigger.spec
        match spec:
            case At(instant):
                return lambda _: AtRule(instant)
            case AtLocal():
                local = Listed([spec.wall])
                return lambda _: self._on_walls(local, self._policy(periodic=False))
            case Every(interval):
                return lambda anchor: EveryRule(interval=interval, anchor=anchor)
            case Daily(at):
                pattern = EveryDay(at.hour * 3600 + at.minute * 60 + at.second)
                return lambda _: self._on_walls(pattern, self._policy(periodic=False))
            case Cron(expression):
                cron, periodic = cron_pattern(expression)
                return lambda _: self._on_walls(cron, self._policy(periodic=periodic))
            case Recurrence(text):
                return self._recurring(read_recurrence(text))
            case Event() | Threshold() | Heartbeat():
                return lambda _: SignalRule()

    def _recurring(self, found: RecurrenceSet) -> Callable[[Micros], Rule]:
        local = offsets(self.trigger.time_zone)
        if found.zone is not None and found.zone != local.key:
            raise InvalidInput.at("trigger.timeZone", f"{local.key} is not the zone of DTSTART, {found.zone}; leave one of them out")
        self._anchored = found.anchored
        self._excluded |= found.exclusions(local)
        instants = found.instants(local)

        def made(anchor: Micros) -> Rule:
            begin = local.begin(anchor // SECOND)
            policy = self._policy(periodic=found.periodic)
            pattern, ended = found.patterns(local, begin=begin, policy=policy)
            rules: list[Rule] = [self._on_walls(pattern, policy)]
            rules += [Bounded(self._on_walls(rest, policy), start=None, end=last * SECOND + 1) for rest, last in ended]
            rules += [ListedRule(instants)] if instants else []
            return AnyOfRules(rules) if len(rules) > 1 else rules[0]

        return made

    def _policy(self, *, periodic: bool) -> DstPolicy:
        """The policy of the trigger. Unless it says so, a period neither stops in an overlap nor makes up for a gap."""
        dst = self.trigger.dst
        gap = dst.gap if dst and dst.gap else None if periodic else Gap.SHIFT
        overlap = dst.overlap if dst and dst.overlap else Overlap.BOTH if periodic else Overlap.FIRST
        return DstPolicy(gap=gap, overlap=overlap)

    def _on_walls(self, pattern: Pattern, policy: DstPolicy) -> LocalTimeRule:
        """The pattern in the trigger's zone."""
        return LocalTimeRule(
            pattern=pattern, offsets=offsets(self.trigger.time_zone), gap=policy.gap, overlap=policy.overlap or Overlap.FIRST
        )


def rule_of(trigger: Trigger, *, anchor: Micros, seed: str = "") -> Rule:
    """The rule of ``trigger``.

    Args:
        trigger: the trigger.
        anchor: what its intervals count from.
        seed: what its jitter is drawn from: the alarm's id.

    Raises:
        InvalidInput: the rule is not valid, or its time zone does not exist.
    """
    return Recipe(trigger).rule(anchor=anchor, seed=seed)


def first_due(trigger: Trigger, *, now: Micros, seed: str = "") -> Micros | None:
    """The first due time of an alarm that is made, or gets this trigger, at ``now``; None when there is none.

    Only `at` can lie in the past: what a repeating rule would have meant before the alarm was made is nobody's occurrence.

    Raises:
        InvalidInput: the rule is not valid, or its time zone does not exist.
    """
    match trigger:
        case Trigger(spec=At(instant), start=None, end=None, exclude=(), jitter=0, spread_offset=0):
            return instant  # what an import may hold a million of
        case _:
            pass
    rule = rule_of(trigger, anchor=anchor_of(trigger, now=now), seed=seed)
    if isinstance(trigger.spec, At):
        after = trigger.spec.instant - 1
    else:
        after = now if trigger.start is None or trigger.start <= now else trigger.start - 1
    found = rule.first_after(after)
    return found.due if found is not None else None


def anchor_of(trigger: Trigger, *, now: Micros) -> Micros:
    """What an interval counts from: the start if there is one, otherwise when the alarm got this trigger."""
    return now if trigger.start is None else trigger.start


class Compiled(NamedTuple):
    """A stored trigger, ready to be asked."""

    trigger: Trigger
    rule: Rule
    limit: int | None


def compiled(encoded: str, anchor: Micros, *, seed: str) -> Compiled:
    """The trigger that was stored as ``encoded``, with its rule; ``seed``, the alarm's id, is what its jitter is drawn from.

    Raises:
        TooCostly: reading it takes too many steps; it was stored when nobody counted them.
    """
    recipe = _short_recipe(encoded) if len(encoded) <= _LONG_TEXT else _LONG_RECIPES.get(encoded)
    return Compiled(recipe.trigger, recipe.rule(anchor=anchor, seed=seed), recipe.trigger.limit)


def _recipe(encoded: str) -> Recipe:
    return Recipe(Trigger.decode(encoded))


_short_recipe = lru_cache(maxsize=8192)(_recipe)


@lru_cache(maxsize=2048)
def _anchored_rule(recipe: Recipe, anchor: Micros) -> Rule:
    """A recurrence without DTSTART begins with its alarm: each has its own."""
    return recipe.undelayed(anchor)


class _LongRecipes:
    """The long triggers that were asked for last, bounded by their length in all: one of ten thousand exclusions takes megabytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._length = 0
        self._kept = OrderedDict[str, Recipe]()

    def get(self, encoded: str) -> Recipe:
        """The recipe of a stored trigger."""
        found = self._kept.get(encoded)
        if found is None:
            found = self._kept[encoded] = _recipe(encoded)
            self._length += len(encoded)
            while self._length > self._most and len(self._kept) > 1:
                self._length -= len(self._kept.popitem(last=False)[0])
        self._kept.move_to_end(encoded)
        return found


_LONG_RECIPES: Final = _LongRecipes(8_000_000)
