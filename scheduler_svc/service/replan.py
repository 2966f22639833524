"""A new time-zone database: which alarms are due at another instant now. The truth is wall time, zone and rule; an instant is a cache."""

from typing import Final

from scheduler_svc.ports import Replan, ReplanCandidate, ReplanStore
from scheduler_svc.service.alarms import Caller
from tocsin.clock import HOUR
from tocsin.recurrence import At, Micros, Rule, begins_after, compiled

_SHIFT: Final[Micros] = 3 * HOUR
_AROUND: Final = (HOUR, _SHIFT, 26 * HOUR)
"""How far before the old due time the new one is looked for; a zone that changes its day of the date line moves by the most."""


class Replans:
    """Reports for the caller's tenant."""

    def __init__(self, *, store: ReplanStore) -> None:
        self._store = store

    async def page(self, caller: Caller, *, before: str | None, size: int) -> list[Replan]:
        """The newest reports with ids below ``before``."""
        return await self._store.page(caller.tenant, before=before, size=size)


def still_due(alarm: ReplanCandidate) -> bool:
    """Whether the due time is one by the rule as it is now."""
    rule = _rule(alarm)
    if alarm.ordinal == 0:
        return _first(alarm, rule) == alarm.due
    found = rule.next_after(alarm.due - 1)
    return found is not None and found.due == alarm.due


def replanned(alarm: ReplanCandidate, last: Micros | None) -> Micros | None:
    """The due time by the rule as it is now, of an alarm that is not `still_due`; None when there is none any more.

    An alarm that was never fired begins as if it were made with these zones. For others it is the due time nearest to the old one, and
    after the ``last`` in the ledger: the same local time, at its new instant, neither twice nor left out.
    """
    rule = _rule(alarm)
    if alarm.ordinal == 0:
        return _first(alarm, rule)
    later = rule.next_after(alarm.due)
    earlier = _before(rule, alarm.due, last)
    if later is None:
        return earlier if earlier is not None and alarm.due - earlier <= _SHIFT else None
    return earlier if earlier is not None and alarm.due - earlier <= later.due - alarm.due else later.due


def _rule(alarm: ReplanCandidate) -> Rule:
    return compiled(alarm.trigger, alarm.anchor, seed=alarm.id).rule


def _first(alarm: ReplanCandidate, rule: Rule) -> Micros | None:
    trigger = compiled(alarm.trigger, alarm.anchor, seed=alarm.id).trigger
    if isinstance(trigger.spec, At):
        return alarm.due
    found = rule.first_after(begins_after(trigger, since=alarm.since))
    return None if found is None else found.due


def _before(rule: Rule, due: Micros, last: Micros | None) -> Micros | None:
    """The latest due time before ``due``, as far as it is near, and after ``last``."""
    for around in _AROUND:
        since = due - around if last is None else max(last, due - around)
        found = [occurrence.due for occurrence in rule.between(since + 1, due)]
        if found:
            return found[-1]
    return None
