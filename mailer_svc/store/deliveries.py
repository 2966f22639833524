"""Looking deliveries up, and following their changes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, func, select, tuple_

from mailer_svc.domain import Delivery, DeliveryState, TimelineEntry
from mailer_svc.ports import DeliveryChange, DeliveryQuery, Position
from mailer_svc.ports.incidents import AskedPerson
from mailer_svc.ports.reading import DeliveryStateCount
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.people_tables import notifications
from mailer_svc.store.tables import deliveries, events
from tocsin.database import Database
from tocsin.stored import known

_COLUMNS = {
    "id": deliveries.c.id,
    "firing": deliveries.c.firing,
    "alarm": deliveries.c.alarm,
    "state": deliveries.c.state,
    "to": deliveries.c.recipient,
    "channel": deliveries.c.channel,
    "recipient": deliveries.c.recipient_id,
    "category": deliveries.c.category,
    "notification": deliveries.c.notification,
    "reason": deliveries.c.reason,
}

_SPARSE = ("recipient", "notification")


class SqlDeliveryReader:
    """Reads deliveries; every query is of one tenant."""

    def __init__(self, *, database: Database, order: ChangeOrder) -> None:
        self._database = database
        self._order = order

    async def get(self, *, tenant: str, id: str) -> Delivery | None:  # noqa: A002 - the word of the contract
        """One delivery with its timeline."""
        async with self._database.read(snapshot=True) as connection:
            row = (await connection.execute(select(deliveries).where(deliveries.c.id == id, deliveries.c.tenant == tenant))).first()
            if row is None:
                return None
            history = (
                await connection.execute(
                    select(events).where(events.c.delivery == id).order_by(events.c.at, events.c.change, events.c.number)
                )
            ).all()
        return _delivery(row, _timeline(row, tuple(_entry(event) for event in history)))

    async def asked(self, delivery: str) -> AskedPerson | None:
        """What a delivery asked about an incident; its id is a secret that its recipient was given, so that it is of any tenant."""
        about = notifications.c.id == deliveries.c.notification
        query = (
            select(deliveries, notifications.c.incident)
            .join_from(deliveries, notifications, about & (notifications.c.tenant == deliveries.c.tenant))
            .where(deliveries.c.id == delivery, notifications.c.incident != "", deliveries.c.recipient_id != "")
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        return AskedPerson(row.tenant, row.incident, row.recipient_id, row.channel, row.recipient, int(row.created))

    async def page(self, query: DeliveryQuery, *, before: tuple[int, str] | None, limit: int) -> list[Delivery]:
        """Deliveries, the newest first, without timelines; those older than ``before`` (created, id)."""
        conditions = matching(query)
        if before is not None:
            conditions.append(tuple_(deliveries.c.created, deliveries.c.id) < tuple_(*before))
        statement = select(deliveries).where(and_(*conditions)).order_by(deliveries.c.created.desc(), deliveries.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            return [_delivery(row, ()) for row in await connection.execute(statement)]

    async def summary(self, *, tenant: str, since: int, most: int) -> Sequence[DeliveryStateCount]:
        """Counts the ``most`` newest that were accepted since then."""
        newest = (
            select(deliveries.c.state, deliveries.c.channel, deliveries.c.created)
            .where(deliveries.c.tenant == tenant, deliveries.c.created >= since)
            .order_by(deliveries.c.created.desc(), deliveries.c.id.desc())
            .limit(most)
            .subquery()
        )
        kind = (newest.c.state, newest.c.channel)
        query = select(*kind, func.count(), func.min(newest.c.created)).group_by(*kind).order_by(*kind)
        async with self._database.read() as connection:
            return [DeliveryStateCount(*row) for row in await connection.execute(query)]

    async def end_of_changes(self) -> Position:
        """The place after all changes so far."""
        async with self._database.read() as connection:
            return Position(await self._order.horizon(connection) - 1, 2**31 - 1)

    async def changes(self, *, tenant: str, after: Position, firing: str, limit: int) -> list[DeliveryChange]:
        """Changes after a place, in order; of one firing unless it is empty."""
        async with self._database.read(snapshot=True) as connection:
            conditions: list[Any] = [
                events.c.tenant == tenant,
                events.c.change < await self._order.horizon(connection),
                tuple_(events.c.change, events.c.number) > tuple_(after.transaction, after.number),
            ]
            if firing:
                conditions.append(deliveries.c.firing == firing)
            rows = await connection.execute(
                select(deliveries, *(column.label(f"event_{column.name}") for column in events.c))
                .join_from(events, deliveries, deliveries.c.id == events.c.delivery)
                .where(and_(*conditions))
                .order_by(events.c.change, events.c.number)
                .limit(limit)
            )
            return [_change(row) for row in rows]


def matching(query: DeliveryQuery) -> list[Any]:
    """What a delivery has to meet, as SQL."""
    conditions: list[Any] = [deliveries.c.tenant == query.tenant]
    conditions += [_same(name, value) for name, value in query.equal]
    # Their indexes hold no empty ones, and SQLite does not see that the conditions above leave them out.
    conditions += [_COLUMNS[name] != "" for name, value in query.equal if name in _SPARSE and value]
    conditions += [~_same(name, value) for name, value in query.unequal]
    return conditions


def _same(name: str, value: str | int) -> Any:
    if name == "to":
        return func.lower(deliveries.c.recipient) == str(value).lower()
    return _COLUMNS[name] == value


def _delivery(row: Row[Any], timeline: tuple[TimelineEntry, ...]) -> Delivery:
    return Delivery(
        id=row.id,
        tenant=row.tenant,
        firing=row.firing,
        alarm=row.alarm,
        channel=row.channel,
        to=row.recipient,
        subject=row.subject,
        state=known(DeliveryState, row.state),
        attempts=row.attempts,
        message_id=row.message_id,
        created=row.created,
        updated=row.updated,
        next_attempt=row.next_attempt,
        recipient_id=row.recipient_id,
        category=row.category,
        notification=row.notification,
        reason=row.reason,
        hold_until=row.hold_until,
        digest=row.digest,
        timeline=timeline,
    )


def _timeline(row: Row[Any], entries: tuple[TimelineEntry, ...]) -> tuple[TimelineEntry, ...]:
    """The whole timeline. A kept message is accepted and sent in one change, stored as one row; a reader looks for both."""
    if entries and entries[0].state is not DeliveryState.SENT:
        return entries
    return (TimelineEntry(at=row.created, state=DeliveryState.ACCEPTED), *entries)


def _entry(row: Row[Any]) -> TimelineEntry:
    return TimelineEntry(at=row.at, state=known(DeliveryState, row.state), provider=row.provider, code=row.code, detail=row.detail)


def _change(row: Row[Any]) -> DeliveryChange:
    entry = TimelineEntry(
        at=row.event_at,
        state=known(DeliveryState, row.event_state),
        provider=row.event_provider,
        code=row.event_code,
        detail=row.event_detail,
    )
    delivery = Delivery(
        id=row.id,
        tenant=row.tenant,
        firing=row.firing,
        alarm=row.alarm,
        channel=row.channel,
        to=row.recipient,
        subject=row.subject,
        state=entry.state,
        attempts=row.event_attempts,
        message_id=row.message_id,
        created=row.created,
        updated=entry.at,
        next_attempt=row.event_next_attempt,
        recipient_id=row.recipient_id,
        category=row.category,
        notification=row.notification,
    )
    return DeliveryChange(Position(row.event_change, row.event_number), delivery, entry)
