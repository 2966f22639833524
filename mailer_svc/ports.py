"""What the use cases need from the outside, by intent."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mailer_svc.domain import (
    Content,
    Delivery,
    DeliveryPriority,
    DeliveryState,
    InboxMessage,
    NewDelivery,
    NextStep,
    PendingReport,
    SendJob,
    SendOutcome,
    Template,
    TemplateUse,
    TimelineEntry,
    Variables,
)
from tocsin.errors import Aborted, DeadlineExceeded, Unavailable

AWAY = (Unavailable, Aborted, DeadlineExceeded)
"""What says that something else does not work now, and nothing of what it was asked for."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What an attempt at ``job`` came to, to be stored."""

    job: SendJob
    step: NextStep
    provider: str


class Journal(Protocol):
    """Writes that many share one transaction; each returns when it is durable."""

    async def accept(self, deliveries: Sequence[NewDelivery]) -> set[str]:
        """Stores what is new among ``deliveries``; those of the inbox are sent by that. Returns the ids that were new.

        Raises:
            Unavailable: nothing of this batch is stored.
        """
        ...

    async def known(self, ids: Collection[str]) -> set[str]:
        """Those of the deliveries that are stored.

        Raises:
            Unavailable: nobody can know.
        """
        ...

    async def hand_over(self, job: SendJob, provider: str) -> bool:
        """Marks that the point of no return is reached. False: the claim is no longer ours, and the message must not be sent.

        Raises:
            Unavailable: nobody knows whether the mark is stored; the message must not be sent.
        """
        ...

    async def settle(self, settlement: Settlement) -> bool:
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
    """The deliveries that wait for a sender. Times in microseconds since the epoch."""

    async def claim_due(self, *, owner: str, priority: DeliveryPriority, limit: int, now: int, lease: int, fresh: bool = False) -> Claim:
        """Takes up to ``limit`` due deliveries for ``owner`` until ``now + lease``, the longest due first.

        One that cannot be read is ended as DEAD, with the reason in its timeline. With ``fresh`` only those that were never attempted.
        """
        ...

    async def force_end(self, identity: str, *, state: DeliveryState, now: int, detail: str) -> None:
        """Ends a delivery as ``state``, one of `FINAL`, whatever its row holds."""
        ...

    async def retry(self, query: DeliveryQuery, *, now: int, limit: int) -> list[str]:
        """Lets deliveries be attempted again that are DEAD or OUTCOME_UNKNOWN and match, the oldest first; returns their ids."""
        ...

    async def renew(self, *, owner: str, ids: Sequence[str], until: int) -> None:
        """Prolongs the claims of ``owner`` that still stand."""
        ...

    async def release(self, *, owner: str, ids: Sequence[str], now: int) -> None:
        """Gives back claims that were not tried."""
        ...

    async def end_other_claims(self, *, owner: str, now: int) -> None:
        """At start, when no other process can be at work on this database: ends the claims of every other owner."""
        ...

    async def expire_handed_over(self, *, now: int, wait: int, limit: int) -> int:
        """Ends deliveries whose sender vanished after the point of no return: outcome unknown, or another attempt after ``wait``.

        Returns how many there were.
        """
        ...

    async def due_priorities(self, *, now: int, fresh: bool = False) -> list[DeliveryPriority]:
        """The priorities at which something is due, the most urgent first; with ``fresh`` something that was never attempted."""
        ...

    async def depths(self) -> Mapping[DeliveryPriority, int]:
        """How many deliveries wait or are under way, by priority."""
        ...

    async def head(self) -> int | None:
        """When the delivery was or is due that comes first; None when none waits."""
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


class DeliveryReader(Protocol):
    """Looks deliveries up."""

    async def get(self, *, tenant: str, id: str) -> Delivery | None:  # noqa: A002 - the word of the contract
        """One delivery with its timeline."""
        ...

    async def page(self, query: DeliveryQuery, *, before: tuple[int, str] | None, limit: int) -> list[Delivery]:
        """Deliveries, the newest first, without timelines; those older than ``before`` (created, id)."""
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


class TemplateStore(Protocol):
    """Keeps templates; versions never change."""

    async def create(self, template: Template) -> None:
        """Stores version 1.

        Raises:
            AlreadyExists: the code is in use.
        """
        ...

    async def add_version(self, template: Template) -> Template:
        """Stores ``template`` as the next version and makes it the current one; returns it with its number.

        Raises:
            TemplateNotFound: there is no template of this code.
        """
        ...

    async def get(self, *, tenant: str, code: str, version: int) -> Template | None:
        """One version; 0: the current one."""
        ...

    async def current(self, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """The uid of the current version of each (tenant, code) that exists."""
        ...

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Template]:
        """Current versions, by code; those after the code ``after``."""
        ...

    async def delete(self, *, tenant: str, code: str) -> bool:
        """Removes all versions. False: there was none."""
        ...


class Uses(NamedTuple):
    """Alarms by their resource names, not all of them if there are ``more``."""

    alarms: Sequence[str]
    more: bool


class AlarmUses(Protocol):
    """Knows which alarms use a template."""

    async def breaking(self, *, tenant: str, code: str, required: Sequence[str]) -> Uses:
        """Alarms that use the template and do not give all ``required`` variables; every one that uses it if none is required.

        Raises:
            TocsinError: they could not be asked for.
        """
        ...


class Cleaner(Protocol):
    """Removes what was kept long enough."""

    async def clean(self, *, inbox_before: int, deliveries_before: int, limit: int) -> int:
        """Removes up to ``limit`` rows of each kind that are older than the instants (microseconds). Returns how many."""
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
        """Lets go of every connection."""
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

    def attempted(self, provider: str, result: str, seconds: float) -> None:
        """An attempt took ``seconds`` and ended with ``result``."""
        ...

    def depth(self, priority: DeliveryPriority, count: int) -> None:
        """``count`` deliveries of ``priority`` wait or are under way."""
        ...


class Renderer(Protocol):
    """Fills in templates."""

    async def compile(self, tenant: str, content: Content) -> Variables:
        """The variables of a template that is to be saved.

        Raises:
            InvalidInput: it is not a template, or larger than one may be; the line is named.
            Unavailable: not now.
        """
        ...

    async def variables(self, tenant: str, uid: str, content: Content) -> Variables:
        """The variables of a template that was saved, known as ``uid``.

        Raises:
            InvalidInput: it is an old one, of a language that is no more.
            Unavailable: not now.
        """
        ...

    def render_fast(self, uid: str, use: TemplateUse) -> Content | None:
        """What the template known as ``uid`` says, if that takes next to no time; otherwise None.

        Raises:
            InvalidInput: a variable that it requires is missing, or the result is too large.
        """
        ...

    async def render(self, tenant: str, uid: str, content: Content, use: TemplateUse) -> Content:
        """What the template ``content``, known as ``uid``, says.

        Raises:
            InvalidInput: a variable that it requires is missing, the result is too large, or to render it takes more than it may.
            Unavailable: not now.
        """
        ...
