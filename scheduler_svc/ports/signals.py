"""What comes from outside, and the alarms that wait for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from scheduler_svc.domain import Firing
from scheduler_svc.domain.fire_quotas import FireAllowance
from scheduler_svc.ports.alarms import Moved
from scheduler_svc.ports.shards import Held
from scheduler_svc.triggers import (
    EventAnswer,
    LatestReading,
    Logged,
    Measured,
    Outage,
    PingAnswer,
    Pinged,
    Published,
    ReadingAnswer,
    TriggerCounts,
)
from tocsin.errors import TocsinError
from tocsin.listing import Condition
from tocsin.recurrence import Micros
from tocsin.tenants import serves_all

Answer = TypeVar("Answer")


@dataclass(slots=True, kw_only=True)
class Caused(Generic[Answer]):
    """What a transaction about things from outside did.

    Attributes:
        answers: one for each of the first items; the others did not fit, and come in another transaction.
        firings: what it fired, or skipped.
        moved: alarms whose due time is another one now.
        unfinished: the entries in the log, by the place of the answer, of events that fired more alarms than one transaction may.
    """

    answers: list[Answer | TocsinError]
    firings: list[Firing] = field(default_factory=list[Firing])
    moved: list[Moved] = field(default_factory=list[Moved])
    unfinished: dict[int, str] = field(default_factory=dict[int, str])


class SignalStore(Protocol):
    """What comes from outside, and the alarms that wait for it: one transaction a method."""

    async def publish(
        self, batch: Sequence[Published], *, owner: str, held: Held, now: Micros, most: int, allowed: FireAllowance | None = None
    ) -> Caused[EventAnswer]:
        """Logs events and fires what waits for them, ``most`` firings at most; one that is known does nothing.

        Raises:
            AllowanceShort: they fire more than is ``allowed``, and nobody knows yet whether they may; nothing is done.
        """
        ...

    async def go_on(
        self, log: str, *, owner: str, held: Held, now: Micros, most: int, allowed: FireAllowance | None = None
    ) -> tuple[list[Firing], bool]:
        """Fires the next of those that wait for an unfinished event; whether more are left.

        Raises:
            AllowanceShort: as `publish`.
        """
        ...

    async def unfinished(self, *, before: Micros, most: int) -> list[str]:
        """Entries of unfinished events that came before an instant: whoever took them is gone."""
        ...

    async def record(self, batch: Sequence[Measured], *, owner: str, held: Held, now: Micros) -> Caused[ReadingAnswer]:
        """Logs readings, and raises and resolves what watches their metrics."""
        ...

    async def latest(self, tenant: str, metric: str) -> LatestReading | None:
        """The reading of a metric with the latest time; None without one."""
        ...

    async def ping(
        self, batch: Sequence[Pinged], *, owner: str, held: Held, now: Micros, serves: Callable[[str], bool] = serves_all
    ) -> Caused[PingAnswer]:
        """Logs pings, moves deadlines, and resolves what was raised; heartbeats of tenants that are not served are not found."""
        ...

    async def counts(self, tenant: str) -> TriggerCounts:
        """Counts of what came and what it caused."""
        ...

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int) -> list[Logged]:
        """The newest entries of the log that meet all conditions, with ids below ``before``."""
        ...


class OutageStore(Protocol):
    """When the service could take pings: one transaction a method."""

    async def hear(self, *, now: Micros, tolerance: Micros) -> Outage | None:
        """Says that this replica can take pings now; the last time, longer than ``tolerance``, in which none could."""
        ...
