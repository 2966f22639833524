"""Where a rule stands around an instant, though a rule answers only forwards."""

from typing import Final

from tocsin.recurrence.rule import Rule
from tocsin.recurrence.specs import Micros, Occurrence

_NEAR_STEPS: Final = 4


def around(rule: Rule, low: Micros, high: Micros) -> tuple[Occurrence | None, Occurrence | None]:
    """The last time of ``rule`` after ``low`` and up to ``high``, and the first one after ``high``.

    By a few steps; else by a guess, for most rules are regular, and a few steps more; else by halving what lies between.
    """
    last, following, gap = _stepped(rule, None, low, high)
    if last is None or not gap:
        return last, following
    near = rule.next_after(max(last.due, high - 2 * gap))
    if near is None or near.due > high:
        return _halved(rule, last, high)
    last, following, gap = _stepped(rule, near, near.due, high)
    return _halved(rule, last or near, high) if gap else (last, following)


def _stepped(rule: Rule, last: Occurrence | None, low: Micros, high: Micros) -> tuple[Occurrence | None, Occurrence | None, Micros]:
    """The last time up to ``high``, the one after it, and 0; or, when they are too many steps away, some time and the gap before it."""
    gap = 0
    for _ in range(_NEAR_STEPS):
        found = rule.next_after(low)
        if found is None or found.due > high:
            return last, found, 0
        gap = found.due - low
        last, low = found, found.due
    return last, None, gap


def _halved(rule: Rule, last: Occurrence, high: Micros) -> tuple[Occurrence, Occurrence | None]:
    bound = high
    while last.due < bound:
        middle = (last.due + bound) // 2
        found = rule.next_after(middle)
        if found is not None and found.due <= bound:
            last = found
        else:
            bound = middle
    return last, rule.next_after(high)
