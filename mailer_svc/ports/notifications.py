"""What notifications need: where they are kept, and who may make their deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mailer_svc.domain import DeliveryCount, Notification, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationQuery:
    """Which notifications of a tenant to list; each pair is a field and a value that it has, or has not."""

    tenant: str
    equal: tuple[tuple[str, str | int], ...] = ()
    unequal: tuple[tuple[str, str | int], ...] = ()


class NotificationStore(Protocol):
    """Keeps notifications; new ones come by the `Journal`."""

    async def get(self, *, tenant: str, id: str) -> Notification | None:  # noqa: A002 - the word of the contract
        """One notification."""
        ...

    async def counts(self, *, tenant: str, id: str) -> Sequence[DeliveryCount]:  # noqa: A002 - as above
        """How many deliveries it has, by state and reason."""
        ...

    async def page(self, query: NotificationQuery, *, before: tuple[int, str] | None, limit: int) -> list[Notification]:
        """Notifications, the newest first; those older than ``before`` (created, id)."""
        ...

    async def cancel(self, *, tenant: str, id: str, now: int) -> bool:  # noqa: A002 - as above
        """Cancels one that is PENDING. False: it is not."""
        ...


class NotificationClaim(NamedTuple):
    """What was claimed, and how many were found that cannot be read and are FAILED now."""

    notifications: list[Notification]
    unreadable: int = 0


class NotificationQueue(Protocol):
    """The notifications whose deliveries are to be made. Times in microseconds since the epoch."""

    async def claim_due(self, *, owner: str, priority: Priority, limit: int, now: int, lease: int) -> NotificationClaim:
        """Takes up to ``limit`` due notifications for ``owner`` until ``now + lease``, the longest due first.

        One that cannot be read is FAILED, with the reason in its detail.
        """
        ...

    async def due_priorities(self, *, now: int) -> Sequence[Priority]:
        """The priorities at which something is due."""
        ...

    async def release(self, *, owner: str, ids: Sequence[str], due: int) -> None:
        """Gives back claims under which nothing was made, to be taken again at ``due``."""
        ...

    async def end_other_claims(self, *, owner: str, now: int) -> None:
        """At start, when no other process can be at work on this database: ends the claims of every other owner."""
        ...
