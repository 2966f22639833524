"""What reading and reporting need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mailer_svc.domain import Delivery, InboxMessage, PendingReport, TimelineEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryQuery:
    """Which deliveries of a tenant to list; None: any. Each pair is a list of values that a field has to have, all of them."""

    tenant: str
    equal: tuple[tuple[str, str | int], ...] = ()
    unequal: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of all changes: the transaction that made the change, and the place within it."""

    transaction: int
    number: int


@dataclass(frozen=True, slots=True)
class DeliveryChange:
    """One change, with the delivery as it was right after."""

    position: Position
    delivery: Delivery
    entry: TimelineEntry


@dataclass(frozen=True, slots=True)
class DeliveryStateCount:
    """Deliveries of one state (its number) and channel; ``first``: when the first of them was accepted."""

    state: int
    channel: str
    deliveries: int
    first: int


class DeliveryReader(Protocol):
    """Looks deliveries up."""

    async def get(self, *, tenant: str, id: str) -> Delivery | None:  # noqa: A002 - the word of the contract
        """One delivery with its timeline."""
        ...

    async def page(self, query: DeliveryQuery, *, before: tuple[int, str] | None, limit: int) -> list[Delivery]:
        """Deliveries, the newest first, without timelines; those older than ``before`` (created, id)."""
        ...

    async def summary(self, *, tenant: str, since: int, most: int) -> Sequence[DeliveryStateCount]:
        """Counts the ``most`` newest that were accepted since then."""
        ...

    async def end_of_changes(self) -> Position:
        """The place after all changes so far."""
        ...

    async def changes(self, *, tenant: str, after: Position, firing: str, limit: int) -> list[DeliveryChange]:
        """Changes after a place, in order; of one firing unless it is empty. A change is shown when none before it can still appear."""
        ...


class InboxReader(Protocol):
    """Looks into the inbox."""

    async def get(self, *, tenant: str, id: str) -> InboxMessage | None:  # noqa: A002 - the word of the contract
        """One message."""
        ...

    async def page(self, *, tenant: str, before: tuple[int, str] | None, limit: int) -> list[InboxMessage]:
        """Messages, the newest first; those older than ``before`` (received, id)."""
        ...


class Reports(Protocol):
    """Ends of deliveries that are to be told."""

    async def pending(self, *, limit: int) -> list[PendingReport]:
        """Up to ``limit`` deliveries as they are now, in the order of what happened to them."""
        ...

    async def reported(self, reported: Sequence[PendingReport]) -> None:
        """Remove reports that the scheduler has; what happened since stays."""
        ...


class Scheduler(Protocol):
    """Who asked for the messages."""

    async def report(self, reports: Sequence[PendingReport]) -> None:
        """Tells it; saying it twice is the same as once.

        Raises:
            TocsinError: it does not know.
        """
        ...
