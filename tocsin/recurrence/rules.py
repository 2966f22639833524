"""From triggers to rules."""

from collections import OrderedDict
from functools import lru_cache, partial
from typing import Final, NamedTuple

from tocsin.errors import InvalidInput
from tocsin.recurrence.calendars import calendar_cover
from tocsin.recurrence.errors import within
from tocsin.recurrence.exclusions import Exclusions, read_exclusions
from tocsin.recurrence.intervals import Cover
from tocsin.recurrence.making import cover_of, made_of
from tocsin.recurrence.offsets import offsets
from tocsin.recurrence.rule import Rule
from tocsin.recurrence.specs import At, Cron, Every, Micros, OnCalendar, Recurrence
from tocsin.recurrence.steps import asked
from tocsin.recurrence.trigger import Trigger
from tocsin.recurrence.wrappers import Bounded, Delayed, Excluding, Questioned, ShiftedRule

_LONG_TEXT: Final = 4096


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
        self._made = made_of(trigger.spec, time_zone=trigger.time_zone, dst=trigger.dst)
        self._exclusions = _exclusions(trigger) if trigger.excludes and trigger.calendar else None
        self._bounded = trigger.excludes or isinstance(trigger.spec, Cron | OnCalendar | Recurrence)
        own = self._made.anchored or self._made.seeded
        self._shared = None if own else self.undelayed(0, "")

    def rule(self, *, anchor: Micros, seed: str) -> Rule:
        """The rule of an alarm that has this trigger."""
        trigger = self.trigger
        rule = self._shared
        if rule is None:
            plain = isinstance(trigger.spec, Every)
            rule = self.undelayed(anchor, seed) if plain else _own_rule(self, anchor, seed if self._made.seeded else "")
        if not trigger.jitter and not trigger.spread_offset:
            return rule
        delayed = Delayed(rule, offset=trigger.spread_offset, jitter=trigger.jitter, seed=seed, end=trigger.end)
        return Questioned(delayed) if self._bounded else delayed

    def undelayed(self, anchor: Micros, seed: str) -> Rule:
        """The rule of an alarm before any delay; reading a COUNT from an anchor on costs steps."""
        trigger, moved = self.trigger, self.trigger.offset
        make = partial(self._made.make, anchor, seed)
        rule = asked(make) if self._bounded else make()
        if trigger.start is not None or trigger.end is not None:
            start = None if trigger.start is None else trigger.start - moved
            rule = Bounded(rule, start=start, end=None if trigger.end is None else trigger.end - trigger.spread_offset - moved)
        if self._exclusions is not None:
            rule = Excluding(rule, self._exclusions)
        if moved:
            rule = ShiftedRule(rule, moved)
        return Questioned(rule) if self._bounded else rule


def _exclusions(trigger: Trigger) -> Exclusions:
    """What a trigger leaves out: times, windows, and what shared calendars say."""
    key = trigger.time_zone
    covers: list[Cover] = []
    for number, window in enumerate(trigger.windows):
        try:
            covers.append(cover_of(window, window.time_zone or key))
        except InvalidInput as error:
            raise within(error, f"trigger.excludeWindows[{number}]") from None
    only: list[Cover] = []
    for use in trigger.calendars:
        (only if use.only else covers).append(calendar_cover(use.says, time_zone=key))
    return Exclusions(read_exclusions(trigger.exclude), offsets(key), covers=covers, only=only)


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


def first_due(trigger: Trigger, *, now: Micros, seed: str = "", anchor: Micros | None = None) -> Micros | None:
    """The first due time of an alarm that is made, or gets this trigger, at ``now``; None when there is none.

    It counts from ``anchor`` if that is given. Only `at` can lie in the past: what a repeating rule would have meant before the alarm was
    made is nobody's occurrence.

    Raises:
        InvalidInput: the rule is not valid, or its time zone does not exist.
    """
    match trigger:
        case Trigger(spec=At(instant), start=None, end=None, exclude=(), windows=(), calendars=(), offset=0, jitter=0, spread_offset=0):
            return instant  # what an import may hold a million of
        case _:
            pass
    rule = rule_of(trigger, anchor=anchor_of(trigger, now=now) if anchor is None else anchor, seed=seed)
    found = rule.first_after(begins_after(trigger, since=now))
    return found.due if found is not None else None


def begins_after(trigger: Trigger, *, since: Micros) -> Micros:
    """The instant behind which the first due time lies, of an alarm that has the trigger ``since`` then; asked of `Rule.first_after`."""
    if isinstance(trigger.spec, At):
        return trigger.spec.instant + trigger.offset - 1
    return since if trigger.start is None or trigger.start <= since else trigger.start - 1


def is_own(trigger: Trigger) -> bool:
    """Whether each alarm of the trigger has due times of its own, beside any jitter: they depend on when it was made, or on its id."""
    made = made_of(trigger.spec, time_zone=trigger.time_zone, dst=trigger.dst)
    return made.seeded or (made.anchored and trigger.start is None)


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
def _own_rule(recipe: Recipe, anchor: Micros, seed: str) -> Rule:
    """A recurrence without DTSTART begins with its alarm, and a hash is one of its id: each has its own."""
    return recipe.undelayed(anchor, seed)


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
