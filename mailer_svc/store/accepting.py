"""Storing what comes in: one transaction for all batches that wait. In it the inbox is filled, caps are counted and digests joined."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import Advance, DeliveryState, GateRuling, NewDelivery, Priority
from mailer_svc.store.bulk import BulkInsert, Row
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.contents import stored_extras
from mailer_svc.store.gates import ClosingGates
from mailer_svc.store.notifications import NotificationLog
from mailer_svc.store.quotas import MessageQuotas
from mailer_svc.store.reports import note
from mailer_svc.store.tables import contents, deliveries, events, inbox_messages
from tocsin.clock import Clock
from tocsin.database import Database, storable

_WITHOUT_CONTENT = (DeliveryState.SUPPRESSED, DeliveryState.DEAD)

New = Mapping[str, NewDelivery]
"""Deliveries as they were stored, by id."""


class AcceptanceBatch(NamedTuple):
    """Deliveries, and steps of the notifications that they are of: all are stored, or none."""

    deliveries: Sequence[NewDelivery]
    steps: Sequence[Advance]

    @property
    def urgent(self) -> bool:
        """Whether anything critical is in it."""
        return any(item.priority is Priority.CRITICAL for item in self.deliveries)


class AcceptanceLog:
    """Stores new deliveries; one that is stored already stays as it is."""

    def __init__(self, *, database: Database, clock: Clock, order: ChangeOrder, quotas: MessageQuotas | None = None) -> None:
        self._quotas = quotas
        self._database = database
        self._clock = clock
        self._order = order
        sqlite = database.dialect == "sqlite"
        self._deliveries = BulkInsert(deliveries, sqlite=sqlite)
        self._events = BulkInsert(events, sqlite=sqlite)
        self._inbox = BulkInsert(inbox_messages, sqlite=sqlite)
        self._contents = BulkInsert(contents, sqlite=sqlite)
        self._gates = ClosingGates(sqlite=sqlite)
        self._notifications = NotificationLog(sqlite=sqlite)

    async def store(self, batches: Sequence[AcceptanceBatch]) -> list[New]:
        """Stores all ``batches`` in one transaction; gives what was new, batch by batch."""
        if not any(batch.deliveries or batch.steps for batch in batches):
            return [{} for _ in batches]
        now = self._clock.micros()
        async with self._database.transaction(urgent=any(batch.urgent for batch in batches)) as connection:
            await self._order.take_turn(connection)
            lost = await self._advance(connection, batches, now)
            unique = {item.id: item for batch in batches for item in batch.deliveries if not lost or item.notification not in lost}
            fresh = await self.insert(connection, unique, now) if unique else {}
        return [{key: fresh.pop(key) for key in [item.id for item in batch.deliveries] if key in fresh} for batch in batches]

    async def _advance(self, connection: AsyncConnection, batches: Sequence[AcceptanceBatch], now: int) -> set[str]:
        """Stores how far notifications have come; returns those whose claim stands no more, whose deliveries somebody else makes."""
        steps = [step for batch in batches for step in batch.steps]
        if not steps:
            return set()
        return {step.id for step in steps} - await self._notifications.advance(connection, steps, now)

    async def insert(self, connection: AsyncConnection, unique: Mapping[str, NewDelivery], now: int) -> dict[str, NewDelivery]:
        """Stores deliveries within a transaction; returns those that were new, as they were stored."""
        unique, stored = await self._ruled(connection, unique, now)
        # In the order of the ids, so that two replicas never wait for each other's rows.
        keys = await self._deliveries.insert_new(connection, [_delivery_row(unique[key], now) for key in sorted(unique)], known=stored)
        fresh = {key: item for key, item in unique.items() if key in keys}
        if fresh:
            await self._store_rest(connection, list(fresh.values()), now)
        return fresh

    async def _ruled(
        self, connection: AsyncConnection, unique: Mapping[str, NewDelivery], now: int
    ) -> tuple[Mapping[str, NewDelivery], set[str] | None]:
        """The deliveries with their final rulings; one that is stored already is neither counted nor joins a digest.

        With the ids of those that are stored already, if that was asked.
        """
        bound = self._quotas is not None and self._quotas.bound(unique.values())
        if not bound and not any(item.ruling.open for item in unique.values()):
            return unique, None
        stored = await self._deliveries.known(connection, unique)
        left = [item for key, item in unique.items() if item.ruling.open and key not in stored]
        rulings = await self._gates.rule(connection, left, now) if left else {}
        ruled = {key: _ruled_by(item, rulings.get(key, item.ruling)) for key, item in unique.items()}
        if bound and self._quotas is not None:
            going = [item for key, item in ruled.items() if key not in stored]
            over = await self._quotas.rule(connection, going, now=now)
            ruled |= {key: replace(ruled[key], ruling=ruling) for key, ruling in over.items()}
        return ruled, stored

    async def _store_rest(self, connection: AsyncConnection, fresh: Sequence[NewDelivery], now: int) -> None:
        change = await self._order.begin(connection)
        await self._events.insert(connection, [_event_row(delivery, change, number, now) for number, delivery in enumerate(fresh)])
        inbox = [inbox_row(delivery, now) for delivery in fresh if delivery.delivered]
        if inbox:
            await self._inbox.insert(connection, inbox)
        bodies = [
            (item.id, item.content.text, item.content.html, stored_extras(item.content))
            for item in fresh
            if not item.delivered and item.ruling.state not in _WITHOUT_CONTENT
        ]
        if bodies:
            await self._contents.insert(connection, bodies)
        await self._gates.members(connection, [(item.ruling.digest, item.id) for item in fresh if item.ruling.digest], now)
        await note(connection, [item.id for item in fresh if item.ruling.state is DeliveryState.DEAD], change)


def _ruled_by(item: NewDelivery, ruling: GateRuling) -> NewDelivery:
    """The delivery with what the transaction ruled, and with what an earlier gate said where that says nothing itself."""
    if ruling is item.ruling:
        return item
    return replace(item, ruling=ruling if ruling.detail else replace(ruling, detail=item.ruling.detail))


def _delivery_row(item: NewDelivery, now: int) -> Row:
    """A row of ``deliveries``; a kept message is sent by being stored."""
    ruling = item.ruling
    waits = ruling.state is DeliveryState.ACCEPTED and not item.kept
    identity = (item.id, item.tenant, item.firing, item.alarm, item.channel, item.to, item.content.subject, int(item.priority))
    state = (int(DeliveryState.SENT if item.delivered else ruling.state), int(item.delivered), 0)  # state, attempts, deferrals
    times = (now, now, None, now if waits else None)  # created, updated, next_attempt, due
    claim = ("", 0, 0)  # owner, epoch, since
    whom = (item.recipient_id, item.category, item.notification)
    gates = (ruling.reason, ruling.hold_until, ruling.digest, "")  # reason, hold_until, digest, reference
    return (*identity, *state, item.message_id, item.resend, item.traceparent, *times, *claim, *whom, *gates)


def _event_row(item: NewDelivery, change: int, number: int, now: int) -> Row:
    """A row of ``events``; see `_delivery_row`."""
    detail = storable(item.ruling.detail)
    if item.delivered:
        return (change, number, item.id, item.tenant, now, int(DeliveryState.SENT), 1, None, item.channel, 0, detail)
    return (change, number, item.id, item.tenant, now, int(item.ruling.state), 0, None, "", 0, detail)


def inbox_row(item: NewDelivery, now: int) -> Row:
    """A row of ``inbox_messages``."""
    content = item.content
    return (item.id, item.tenant, item.to, content.subject, content.text, content.html, item.message_id, now)
