"""Storing what comes in: one transaction for all batches that wait, with the inbox's mails sent inside of it."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import DeliveryState, NewDelivery
from mailer_svc.store.bulk import BulkInsert, Row
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.contents import stored_actions
from mailer_svc.store.tables import contents, deliveries, events, inbox_messages
from tocsin.clock import Clock
from tocsin.database import Database


class AcceptanceLog:
    """Stores new deliveries; one that is stored already stays as it is."""

    def __init__(self, *, database: Database, clock: Clock, order: ChangeOrder) -> None:
        self._database = database
        self._clock = clock
        self._order = order
        sqlite = database.dialect == "sqlite"
        self._deliveries = BulkInsert(deliveries, sqlite=sqlite)
        self._events = BulkInsert(events, sqlite=sqlite)
        self._inbox = BulkInsert(inbox_messages, sqlite=sqlite)
        self._contents = BulkInsert(contents, sqlite=sqlite)

    async def store(self, batches: Sequence[Sequence[NewDelivery]]) -> list[set[str]]:
        """Stores all ``batches`` in one transaction; gives the ids that were new, batch by batch."""
        unique = {delivery.id: delivery for batch in batches for delivery in batch}
        if not unique:
            return [set() for _ in batches]
        now = self._clock.micros()
        # In the order of the ids, so that two replicas never wait for each other's rows.
        rows = [_delivery_row(unique[key], now) for key in sorted(unique)]
        async with self._database.transaction() as connection:
            fresh = await self._deliveries.insert_new(connection, rows)
            if fresh:
                await self._store_rest(connection, [unique[key] for key in unique if key in fresh], now)
        return [_claim(batch, fresh) for batch in batches]

    async def _store_rest(self, connection: AsyncConnection, fresh: Sequence[NewDelivery], now: int) -> None:
        change = await self._order.begin(connection)
        await self._events.insert(connection, [_event_row(delivery, change, number, now) for number, delivery in enumerate(fresh)])
        inbox = [_inbox_row(delivery, now) for delivery in fresh if delivery.kept]
        if inbox:
            await self._inbox.insert(connection, inbox)
        bodies = [(item.id, item.content.text, item.content.html, stored_actions(item.content)) for item in fresh if not item.kept]
        if bodies:
            await self._contents.insert(connection, bodies)


def _claim(batch: Sequence[NewDelivery], fresh: set[str]) -> set[str]:
    """The new ids of ``batch``, taken out of ``fresh`` so that each counts once."""
    own = {delivery.id for delivery in batch} & fresh
    fresh -= own
    return own


def _delivery_row(item: NewDelivery, now: int) -> Row:
    """A row of ``deliveries``; a kept message is sent by being stored."""
    sent = item.kept
    identity = (item.id, item.tenant, item.firing, item.alarm, item.channel, item.to, item.content.subject, int(item.priority))
    state = (int(DeliveryState.SENT if sent else DeliveryState.ACCEPTED), int(sent), 0)  # state, attempts, deferrals
    times = (now, now, None, None if sent else now)  # created, updated, next_attempt, due
    claim = ("", 0, 0)  # owner, epoch, since
    whom = (item.recipient_id, item.category, item.notification)
    gates = ("", None, "", "")  # reason, hold_until, digest, reference
    return (*identity, *state, item.message_id, item.resend, item.traceparent, *times, *claim, *whom, *gates)


def _event_row(item: NewDelivery, change: int, number: int, now: int) -> Row:
    """A row of ``events``; see `_delivery_row`."""
    if item.kept:
        return (change, number, item.id, item.tenant, now, int(DeliveryState.SENT), 1, None, item.channel, 0, "")
    return (change, number, item.id, item.tenant, now, int(DeliveryState.ACCEPTED), 0, None, "", 0, "")


def _inbox_row(item: NewDelivery, now: int) -> Row:
    content = item.content
    return (item.id, item.tenant, item.to, content.subject, content.text, content.html, item.message_id, now)
