"""What sending needs: the journal, a queue for each channel, and providers."""

from asyncio import Future
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mailer_svc.domain import Advance, DeliveryState, NewDelivery, NextStep, Notification, Priority, SendJob, SendOutcome
from mailer_svc.ports.reading import DeliveryQuery
from tocsin.errors import Aborted, DeadlineExceeded, Unavailable

AWAY = (Unavailable, Aborted, DeadlineExceeded)
"""What says that something else does not work now, and nothing of what it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What an attempt at ``job`` came to, to be stored."""

    job: SendJob
    step: NextStep
    provider: str


class Journal(Protocol):
    """Writes that many share one transaction; each returns when it is durable."""

    async def announce(self, notifications: Sequence[Notification]) -> set[str]:
        """Stores what is new among ``notifications``. Returns the ids that were new.

        Raises:
            Unavailable: nothing of this batch is stored.
        """
        ...

    async def accept(self, deliveries: Sequence[NewDelivery], steps: Sequence[Advance] = ()) -> Mapping[str, NewDelivery]:
        """Stores what is new among ``deliveries``; those of the inbox are sent by that. Returns the new ones by id, as they are.

        With them ``steps`` of the notifications that they are of are stored. Where the claim that a step was made under stands no more, it
        is left out with its deliveries.

        Raises:
            Unavailable: nothing of this batch is stored.
        """
        ...

    async def known(self, ids: Collection[str]) -> set[str]:
        """Those of the deliveries and notifications that are stored.

        Raises:
            Unavailable: nobody can know.
        """
        ...

    def hand_over(self, job: SendJob, provider: str) -> Future[bool]:
        """Marks that the point of no return is reached. False: the claim is no longer ours, and the message must not be sent.

        Raises:
            Unavailable: nobody knows whether the mark is stored; the message must not be sent.
        """
        ...

    def settle(self, settlement: Settlement) -> Future[bool]:
        """Stores how an attempt ended. False: somebody else has the delivery by now.

        Raises:
            Unavailable: it is not stored.
        """
        ...


class Claim(NamedTuple):
    """What was claimed, and how many deliveries were found that cannot be read and are DEAD now."""

    jobs: list[SendJob]
    unreadable: int = 0


class DeliveryQueue(Protocol):
    """The deliveries of one channel that wait for a sender. Times in microseconds since the epoch."""

    @property
    def channel(self) -> str:
        """The name of the channel."""
        ...

    async def claim_due(self, *, owner: str, priority: Priority, limit: int, now: int, lease: int, fresh: bool = False) -> Claim:
        """Takes up to ``limit`` due deliveries for ``owner`` until ``now + lease``, the longest due first.

        One that cannot be read is ended as DEAD, with the reason in its timeline. With ``fresh`` only those that were never attempted.
        """
        ...

    async def force_end(self, identity: str, *, state: DeliveryState, now: int, detail: str) -> None:
        """End a delivery as ``state``, one of `FINAL`, whatever its row holds."""
        ...

    async def renew(self, *, owner: str, ids: Sequence[str], until: int) -> None:
        """Prolongs the claims of ``owner`` that still stand."""
        ...

    async def release(self, *, owner: str, ids: Sequence[str], now: int) -> None:
        """Gives back claims that were not tried."""
        ...

    async def hold(self, *, owner: str, ids: Sequence[str], now: int, until: int) -> None:
        """Gives back claims that may not be tried before ``until``; the time does not count against their expiry."""
        ...

    async def end_other_claims(self, *, owner: str, now: int) -> None:
        """At start, when no other process can be at work on this database: ends the claims of every other owner."""
        ...

    async def expire_handed_over(self, *, now: int, wait: int, limit: int) -> int:
        """Ends deliveries whose sender vanished after the point of no return: outcome unknown, or another attempt after ``wait``.

        Returns how many there were.
        """
        ...

    async def due_priorities(self, *, now: int, fresh: bool = False) -> list[Priority]:
        """The priorities at which something is due, the most urgent first; with ``fresh`` something that was never attempted."""
        ...

    async def depths(self) -> Mapping[Priority, int]:
        """How many deliveries wait or are under way, by priority."""
        ...


class QueueHeads(Protocol):
    """What waits longest, in all channels at a time."""

    async def heads(self) -> Mapping[str, int]:
        """When the delivery was or is due that comes first, by channel; nothing for those where none waits."""
        ...


class DeliveryEndings(Protocol):
    """Ends deliveries that nobody attempts, and takes ends back. Times in microseconds since the epoch."""

    async def retry(self, query: DeliveryQuery, *, channels: Collection[str], now: int, limit: int) -> list[str]:
        """Let deliveries of ``channels`` be attempted again that are DEAD or OUTCOME_UNKNOWN and match, the oldest first.

        Returns their ids.
        """
        ...

    async def expire_unclaimed(self, *, channels: Collection[str], before: int, now: int, limit: int) -> int:
        """End deliveries that wait since ``before`` for a sender of another channel than ``channels``; returns how many there were."""
        ...


class Provider(Protocol):
    """A far end that takes messages."""

    @property
    def name(self) -> str:
        """Its name in timelines and metrics."""
        ...

    @property
    def capacity(self) -> int:
        """Messages that it takes at once."""
        ...

    def takes(self, address: str, /) -> bool:
        """Whether it can deliver to an address of its channel."""
        ...

    def pause(self) -> float:
        """Seconds in which an attempt makes no sense; 0: it may be tried now."""
        ...

    def probing(self) -> bool:
        """Whether it has failed and is not known to work again: an attempt is a probe, for which a message is best that is new."""
        ...

    def fault(self) -> str:
        """What is wrong with it, for an operator; empty while it works."""
        ...

    async def send(self, job: SendJob, *, hand_over: Callable[[], Awaitable[bool]]) -> SendOutcome:
        """Attempts one message; never raises for what the far end does.

        Args:
            job: the message.
            hand_over: awaited right before the point of no return, after which the far end may have the message without our knowing.
                False, or an `Unavailable`: the message is not sent.
        """
        ...

    async def start(self) -> None:
        """Gets ready; connects to nothing yet."""
        ...

    async def stop(self) -> None:
        """Close every connection."""
        ...


class ProviderLanes(Protocol):
    """Who sends for whom in one channel."""

    @property
    def capacity(self) -> int:
        """Messages that may be under way at once."""
        ...

    def of(self, tenant: str, address: str) -> Sequence[Provider]:
        """Who sends for a tenant to an address, the preferred one first."""
        ...

    def shared(self) -> Sequence[Provider]:
        """The providers of the installation."""
        ...

    def everybody(self) -> Sequence[Provider]:
        """Every provider, whomever it sends for."""
        ...

    async def start(self) -> None:
        """Gets every provider ready; connects to nothing yet."""
        ...

    async def stop(self) -> None:
        """Close every connection."""
        ...


class ChangeHints(Protocol):
    """Wake-ups that may get lost."""

    async def publish(self, topic: str, payload: bytes = b"") -> None:
        """Wakes the subscribers of ``topic``."""
        ...

    def subscribe(self, topic: str, *, poll_seconds: float | None = None) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The wake-ups of ``topic`` from now on, and one whenever ``poll_seconds`` have passed."""
        ...


class Meter(Protocol):
    """Counts what happens."""

    def accepted(self, channel: str, count: int) -> None:
        """``count`` new deliveries were stored."""
        ...

    def refused(self, reason: str) -> None:
        """A message was refused."""
        ...

    def settled(self, channel: str, state: DeliveryState, count: int = 1) -> None:
        """An attempt made ``count`` deliveries ``state``."""
        ...

    def suppressed(self, reason: str, count: int) -> None:
        """``count`` deliveries were suppressed for a reason."""
        ...

    def held(self, reason: str, count: int) -> None:
        """``count`` deliveries were held for a reason."""
        ...

    def digest_closed(self, channel: str, members: int) -> None:
        """A digest of so many messages was closed."""
        ...

    def attempted(self, provider: str, result: str, seconds: float) -> None:
        """An attempt took ``seconds`` and ended with ``result``."""
        ...

    def watch_connections(self, size: Callable[[], float]) -> None:
        """``size`` tells how many connections to SMTP servers are open."""
        ...

    def depth(self, channel: str, priority: Priority, count: int) -> None:
        """``count`` deliveries of a channel and ``priority`` wait or are under way."""
        ...
