"""What audits, forecasts and replans read of rules and due times."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from scheduler_svc.domain import Outcome
from scheduler_svc.ports.shards import Held
from tocsin.recurrence import Micros


class RuleInForce(NamedTuple):
    """A rule that an alarm has, or had.

    Attributes:
        alarm: whose it is.
        since: from when on; it means no due time before, except an `at` that was in the past already.
        trigger: the trigger, as stored.
        anchor: what its intervals count from.
        next: the first due time that is not in the ledger; None: every one is.
        ended: whether the alarm has another trigger now, or is gone.
        fires: whether it is fired: it is neither over nor paused.
        resumed: until when it was paused; 0: never.
    """

    alarm: str
    since: Micros
    trigger: str
    anchor: Micros
    next: Micros | None
    ended: bool
    fires: bool
    resumed: Micros = 0


class LedgerRow(NamedTuple):
    """A row of the ledger that stands for a due time."""

    alarm: str
    due: Micros
    firing: str
    origin: int
    outcome: Outcome | int


class AuditStore(Protocol):
    """The rules of alarms, old and new, and the rows of the ledger that stand for their due times."""

    async def alarms_after(self, tenant: str, *, after: str, since: Micros, most: int) -> list[str]:
        """The next alarms in order of their ids: those that are there, and those with a rule that ended at ``since`` or later."""
        ...

    async def rules(self, tenant: str, alarms: Sequence[str], *, since: Micros) -> list[RuleInForce]:
        """The rules of the alarms, and those that ended at ``since`` or later."""
        ...

    async def rows(
        self, tenant: str, alarms: Sequence[str], *, start: Micros, end: Micros, after: tuple[str, Micros], most: int
    ) -> list[LedgerRow]:
        """The rows of the alarms that stand for due times from ``start`` to before ``end``, in order, behind (alarm, due)."""
        ...

    async def strays(
        self, tenant: str, *, start: Micros, end: Micros, after: tuple[Micros, str], most: int
    ) -> tuple[list[LedgerRow], tuple[Micros, str] | None]:
        """Of the next ``most`` rows behind (due, id) those of an alarm that nobody knows, and where to go on; None: that was all."""
        ...

    async def facts(self) -> dict[str, Micros]:
        """Instants that an audit must know: "history", before which rules were not kept, and "tzdata/changed"."""
        ...


class Group(NamedTuple):
    """Alarms that fire in the same minutes.

    Attributes:
        trigger: the trigger, as stored; empty for those that fire once, at an instant.
        anchor: what the intervals of one of them count from.
        seed: the id of one of them.
        due: the first due time of one of them that is not in the ledger.
        ordinal: how many due times are in the ledger, as far as their number is limited.
        alarms: how many they are.
        last: the greatest id of theirs.
    """

    trigger: str
    anchor: Micros
    seed: str
    due: Micros
    ordinal: int
    alarms: int
    last: str


class ForecastStore(Protocol):
    """Alarms in groups that fire in the same minutes."""

    async def groups(self, tenant: str, *, after: str, until: Micros, most: int) -> list[Group]:
        """The next ``most`` active alarms in order of their ids that the calendar makes due before ``until``, in groups."""
        ...


class ReplanCandidate(NamedTuple):
    """An alarm that a zone has a say in.

    Attributes:
        id: the alarm.
        tenant: whose it is.
        shard: the one that it belongs to.
        priority: the queue of its firings.
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
