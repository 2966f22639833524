"""What is due, and what became of it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from scheduler_svc.domain import Action, DeliveryReport, FailedAttempt, Firing, Outcome, QueuedFiring, Succeeded
from scheduler_svc.domain.planning import Plan
from scheduler_svc.ports.shards import Held
from tocsin.errors import TocsinError
from tocsin.listing import Condition
from tocsin.recurrence import Micros


class Due(NamedTuple):
    """An alarm whose time has come, as the firing transaction reads it.

    ``busy``: of one whose due times are skipped while it runs (overlap SKIP), that a firing by its rule is not over.
    ``waited_for``: why it could not be fired until now; empty: nothing kept it.
    """

    id: str
    tenant: str
    shard: int
    priority: int
    due: Micros
    ordinal: int
    skip_before: Micros | None
    trigger: str
    anchor: Micros
    action: Action
    retry: str
    traceparent: str
    version: int = 1
    auto_pause_after: int = 0
    waited_for: str = ""
    busy: bool = False


Planner: TypeAlias = Callable[[Due, int], Plan]
"""Plans an alarm within a number of rows."""


class Pending(NamedTuple):
    """An alarm that is due at a known time; without a tenant it is that of an alarm that is known."""

    id: str
    due: Micros
    priority: int
    shard: int = -1
    tenant: str = ""


@dataclass(slots=True)
class Fired:
    """What a firing transaction did.

    Attributes:
        queued_firings: the firings that were fired.
        next: alarms with their next due time.
        lost: shards that this replica does not own any more.
        outcomes: ledger rows by outcome.
        tenants: whose ledger changed.
        cancelled: firings that it gave up.
    """

    queued_firings: list[QueuedFiring] = field(default_factory=list[QueuedFiring])
    next: list[Pending] = field(default_factory=list[Pending])
    lost: set[int] = field(default_factory=set[int])
    outcomes: Counter[Outcome] = field(default_factory=Counter[Outcome])
    cancelled: list[str] = field(default_factory=list[str])
    tenants: set[str] = field(default_factory=set[str])


class DueStore(Protocol):
    """What the engine reads and writes."""

    async def due(
        self,
        shards: Collection[int],
        *,
        after: tuple[Micros, str],
        until: Micros,
        most: int,
        urgent: bool = False,
        without: Sequence[str] = (),
    ) -> list[Pending]:
        """Active alarms of the shards due up to ``until``, the earliest first, behind the cursor (due, id).

        With ``urgent`` critical ones alone; never those of the tenants in ``without``.
        """
        ...

    async def fire(self, batch: Sequence[tuple[str, Micros]], *, owner: str, held: Held, now: Micros, most: int, planner: Planner) -> Fired:
        """Fires the alarms that are still due at that very time, in one transaction, fenced by the epochs of their shards.

        Several may run at once, with different alarms. An alarm that somebody changed between the reading and the writing is left alone
        and comes again in `Fired.next`, as the store has it now.
        """
        ...

    async def oldest_overdue(self, shards: Collection[int], *, now: Micros) -> Micros | None:
        """The earliest due time up to ``now`` that is not in the ledger yet."""
        ...


class Paused(NamedTuple):
    """An alarm that paused itself after too many failures in a row."""

    alarm: str
    shard: int
    priority: int


class Ledger(Protocol):
    """Firings of all tenants."""

    async def get(self, tenant: str, firing_id: str) -> Firing:
        """The firing.

        Raises:
            FiringNotFound: the tenant has none of that id.
        """
        ...

    async def page(
        self, tenant: str, *, conditions: Sequence[Condition], before: tuple[Micros, str] | None, size: int, adhoc: bool = False
    ) -> list[Firing]:
        """The firings that meet all conditions, the latest due first, behind the cursor (due, id)."""
        ...

    async def enqueue(self, batch: Sequence[Firing], *, owner: str, held: Held) -> Sequence[Firing | TocsinError]:
        """Adds firings that are due now, in one transaction; one that exists already is answered as it is."""
        ...

    async def replay(self, tenant: str, firing_id: str, *, now: Micros, shard: int, owner: str, held: Held) -> Firing | None:
        """Fires a dead firing once more, in that shard; None when it was not dead.

        Fenced by the shard's epoch: whoever takes the shard over reads it after this, and so finds the firing.

        Raises:
            Unavailable: ``owner`` does not own the shard any more.
        """
        ...

    async def cancel(self, tenant: str, firing_id: str, *, now: Micros) -> Firing | None:
        """Ends an ad-hoc firing that is not over, `CANCELLED`; None when there is none.

        A result of it that comes later changes it no more, unless it succeeded after all.
        """
        ...

    async def record(
        self,
        *,
        done: Mapping[str, Succeeded],
        failed_attempts: Iterable[FailedAttempt],
        now: Micros,
        queued_firings: Mapping[str, QueuedFiring] | None = None,
        ended: Mapping[str, Micros] | None = None,
    ) -> Sequence[Paused]:
        """Keeps results, in one transaction; a firing that is over stays as it is.

        The same transaction counts failures in a row for alarms that pause themselves.

        Args:
            done: what has succeeded, by firing.
            failed_attempts: what has not.
            now: when.
            queued_firings: those of the firings that are in memory; what is known of a firing need not be looked for.
            ended: when the work was over, by firing; ``now`` unless it is known.

        Returns:
            The alarms that paused themselves.
        """
        ...

    async def heads(self, shards: Collection[int], *, alarms: Collection[str]) -> list[QueuedFiring]:
        """Of each alarm whose firings wait for one another, the unfinished one that was due first, if it is in one of the shards."""
        ...

    async def waiting(
        self,
        shards: Collection[int],
        *,
        priority: int,
        after: tuple[Micros, str],
        until: Micros,
        most: int,
        without: Sequence[str] = (),
    ) -> list[QueuedFiring]:
        """Unfinished firings of the shards that are ready up to ``until``, behind the cursor (ready, id); not those of some tenants."""
        ...

    async def now_at(self) -> tuple[int, str]:
        """The cursor behind every change that is settled now."""
        ...

    async def changes(self, tenant: str, *, alarm: str, after: tuple[int, str], most: int) -> list[Firing]:
        """Settled changes behind the cursor (change, id), in order; a change that is settled later never sorts before one that was."""
        ...


class ReportStore(Protocol):
    """The rows of firings."""

    async def apply(self, reports: Sequence[DeliveryReport], *, now: Micros) -> dict[str, Firing]:
        """Writes what is new into the firings, and tells who watches them; returns those that are known, by id."""
        ...
