"""A new time-zone database: which alarms are due at another instant now. The truth is wall time, zone and rule; an instant is a cache."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from scheduler_svc.ports import Held
from scheduler_svc.service.alarms import Caller
from tocsin.clock import HOUR
from tocsin.recurrence import At, Micros, Rule, compiled

_SHIFT: Final[Micros] = 3 * HOUR
_AROUND: Final = (HOUR, _SHIFT, 26 * HOUR)
"""How far before the old due time the new one is looked for; a zone that changes its day of the date line moves by the most."""


class ReplanCandidate(NamedTuple):
    """An alarm that a zone has a say in.

    Attributes:
        id: the alarm.
        tenant: whose it is.
        shard: the one that it belongs to.
        priority: lane of its firings.
        active: whether it fires; otherwise it is paused.
        trigger: the trigger, as stored.
        anchor: what its intervals count from.
        since: when it got its trigger.
        due: its due time, by the version before.
        ordinal: how many due times are in the ledger.
    """

    id: str
    tenant: str
    shard: int
    priority: int
    active: bool
    trigger: str
    anchor: Micros
    since: Micros
    due: Micros
    ordinal: int


class Move(NamedTuple):
    """An alarm that is due at another instant; None: never again."""

    alarm: ReplanCandidate
    due: Micros | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replan:
    """The report of a move."""

    id: str
    alarm: str
    time: Micros
    tzdata_before: str
    tzdata_after: str
    due_before: Micros | None
    due_after: Micros | None


class ReplanStore(Protocol):
    """What a replan reads and writes."""

    async def versions(self, shards: Collection[int]) -> Mapping[int, str]:
        """The version that each shard was computed with; a shard that nobody has computed yet is missing."""
        ...

    async def candidates(self, shards: Collection[int], *, after: str, most: int) -> list[ReplanCandidate]:
        """The next alarms of the shards in order of their ids that have a due time and depend on a zone."""
        ...

    async def last_due(self, alarms: Sequence[ReplanCandidate]) -> Mapping[str, Micros]:
        """The last due time of each alarm that is in the ledger."""
        ...

    async def move(self, moves: Sequence[Move], *, owner: str, held: Held, now: Micros, before: str, after: str) -> list[Move]:
        """Moves the alarms that are as they were, in one transaction, fenced by the epochs of their shards; those that moved."""
        ...

    async def settle(self, shards: Collection[int], *, owner: str, held: Held, now: Micros, version: str) -> None:
        """Notes that the shards are computed with the version, as far as they are still owned."""
        ...

    async def meet(self, owner: str, *, version: str) -> Collection[str]:
        """Notes the version of a replica; the versions of those that live.

        When one of an older version is gone, what it may have left is to be computed anew.
        """
        ...

    async def page(self, tenant: str, *, before: str | None, size: int) -> list[Replan]:
        """The newest reports with ids below ``before``."""
        ...


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
    after = alarm.since if trigger.start is None or trigger.start <= alarm.since else trigger.start - 1
    found = rule.first_after(after)
    return None if found is None else found.due


def _before(rule: Rule, due: Micros, last: Micros | None) -> Micros | None:
    """The latest due time before ``due``, as far as it is near, and after ``last``."""
    for around in _AROUND:
        since = due - around if last is None else max(last, due - around)
        found = [occurrence.due for occurrence in rule.between(since + 1, due)]
        if found:
            return found[-1]
    return None
