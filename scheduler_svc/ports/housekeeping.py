"""Housekeeping, and those who hear of changes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from scheduler_svc.domain import Alarm, Firing, FiringState
from scheduler_svc.ports.ledger import Fired, Paused
from tocsin.recurrence import Micros


class Moved(NamedTuple):
    """An alarm whose due time was moved from outside; None: it has none now."""

    alarm: str
    shard: int
    priority: int
    due: Micros | None
    tenant: str


class HousekeepingStore(Protocol):
    """Housekeeping, in small steps."""

    async def make_room(self, *, now: Micros) -> None:
        """Prepares the ledger for this month and those to come; without it nothing fails, but old firings are forgotten slowly."""
        ...

    async def forget_months(self, *, before: Micros) -> Micros:
        """Removes whole months of the ledger that are over before an instant and in which everything is finished, at once.

        Returns:
            The instant before which what is left of the ledger is to be forgotten in steps: the rest waits until its month is over.
        """
        ...

    async def forget_firings(self, *, before: Micros, most: int) -> int:
        """Removes finished firings due before an instant; how many."""
        ...

    async def forget_changes(self, *, before: Micros, most: int) -> int:
        """Removes what watchers of firings could go on from that was before an instant; how many entries."""
        ...

    async def forget_requests(self, *, before: Micros, most: int) -> int:
        """Removes remembered requests made before an instant; how many."""
        ...

    async def forget_rules(self, *, before: Micros, most: int) -> int:
        """Removes rules that ended before an instant; how many."""
        ...

    async def forget_replans(self, *, before: Micros, most: int) -> int:
        """Removes the reports of replans before an instant; how many."""
        ...

    async def forget_inbound(self, *, before: Micros, most: int) -> int:
        """Removes entries of the log of what came before an instant, and counts of rare topics; how many entries."""
        ...

    async def complete_listeners(self, *, now: Micros, most: int) -> int:
        """Completes alarms that waited for something from outside until their end; how many."""
        ...

    async def settle(self) -> None:
        """Keeps the order of changes across a restore into another PostgreSQL cluster."""
        ...

    async def count_alarms(self) -> Mapping[str, int]:
        """Alarms by state."""
        ...


class Hints(Protocol):
    """Tells the owner of a shard, here or elsewhere, that something changed; a hint may be lost."""

    async def scheduled(self, alarm: Alarm) -> None:
        """The alarm is new, or has another schedule, or fires no more."""
        ...

    async def scheduled_all(self, alarms: Sequence[Alarm]) -> None:
        """Like `scheduled`, of many; only of those that are due soon must anybody know at once."""
        ...

    async def removed(self, alarm: Alarm) -> None:
        """The alarm is gone."""
        ...

    async def enqueued(self, firing: Firing) -> None:
        """The firing is ready, in a shard of this replica."""
        ...

    async def caused(self, firings: Sequence[Firing], moved: Sequence[Moved]) -> None:
        """These firings are in the ledger, and these alarms are due at another time, by something from outside."""
        ...


class Changes(Protocol):
    """Tells watchers that firings changed."""

    async def changed(self, tenants: Iterable[str]) -> None:
        """Firings of these tenants changed; the telling may get lost."""
        ...


class Notifier(Changes, Protocol):
    """Tells whoever it concerns what results have led to."""

    async def paused(self, alarms: Iterable[Paused]) -> None:
        """These alarms fire no more, for the time being; the telling may get lost."""
        ...


class Observer(Protocol):
    """Sees what the engine and the dispatcher do, for metrics."""

    def fired(self, fired: Fired, *, now: Micros, seconds: float) -> None:
        """A firing transaction committed after ``seconds``."""
        ...

    def recorded(self, states: Mapping[FiringState, int], *, seconds: float) -> None:
        """A batch of results committed after ``seconds``: how many firings came into which state."""
        ...

    def lost(self, count: int) -> None:
        """Deliveries ended without a result."""
        ...
