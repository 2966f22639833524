"""Deliveries that wait until a time, taken by claims that end by themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import BigInteger, ColumnElement, Integer, Select, Text, bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import DeliveryState, GateReason, GateRuling, NewDelivery, Priority
from mailer_svc.ports import AWAY, HeldClaim, HeldDelivery
from mailer_svc.store.accepting import inbox_row
from mailer_svc.store.bulk import BulkInsert, Row, Rows
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.contents import read_content
from mailer_svc.store.endings import SqlDeliveryEndings
from mailer_svc.store.gates import ClosingGates
from mailer_svc.store.people_tables import notifications
from mailer_svc.store.quotas import MessageQuotas
from mailer_svc.store.tables import contents, deliveries, events, inbox_messages
from tocsin.database import Database, storable
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_HELD = int(DeliveryState.HELD)
_ROW = {
    "id": Text,
    "epoch": Integer,
    "state": Integer,
    "attempts": Integer,
    "reason": Text,
    "hold_until": BigInteger,
    "digest": Text,
    "due": BigInteger,
    "at": BigInteger,
}
_READ = (*(column for column in deliveries.c if column.name != "recipient"), deliveries.c.recipient.label("to"))


class SqlHeldDeliveries:
    """Claims on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database, order: ChangeOrder, quotas: MessageQuotas | None = None) -> None:
        self._quotas = quotas
        sqlite = database.dialect == "sqlite"
        self._database = database
        self._order = order
        self._force_end = SqlDeliveryEndings(database=database, order=order).force_end
        self._events = BulkInsert(events, sqlite=sqlite)
        self._inbox = BulkInsert(inbox_messages, sqlite=sqlite)
        self._gates = ClosingGates(sqlite=sqlite)
        self._rows = Rows(_ROW, sqlite=sqlite)
        self._update = _update(self._rows)
        due = _due_ids().with_for_update(skip_locked=True).cte("due_now")
        self._any_due = select(exists(select(deliveries.c.id).where(*_due())))
        self._claim = _claim(deliveries.c.id.in_(select(due.c.id)))
        self._claim_one = _claim((deliveries.c.id == bindparam("one")) & (deliveries.c.hold_until <= bindparam("now")))

    async def claim_due(self, *, limit: int, now: int, lease: int) -> HeldClaim:
        """Takes up to ``limit`` whose time has come, until ``now + lease``; one that cannot be read is ended as DEAD."""
        values = {"most": limit, "now": now, "until": now + lease}
        async with self._database.read() as connection:  # asked each second, and mostly in vain: no turn of those who write is taken
            if not await connection.scalar(self._any_due, {"now": now}):
                return HeldClaim([])
        try:
            return HeldClaim(await self._take(self._claim, values))
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - a row that cannot be read is found and ended; the others are taken
            _log.error("held deliveries not readable, taken one by one", exc_info=error)
        async with self._database.read() as connection:
            ids = list((await connection.execute(_due_ids(), values)).scalars())
        held, unreadable = list[HeldDelivery](), 0
        for identity in ids:
            try:
                held += await self._take(self._claim_one, {"one": identity, **values})
            except AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - see above
                unreadable += 1
                why = f"its row cannot be read: {type(error).__name__}: {error}"
                await self._force_end(identity, state=DeliveryState.DEAD, now=now, detail=why)
        return HeldClaim(held, unreadable)

    async def _take(self, statement: Any, values: Mapping[str, Any]) -> list[HeldDelivery]:
        async with self._database.transaction() as connection:
            claimed = (await connection.execute(statement, values)).all()
            # Of several that end together a cap lets the most urgent and the oldest through.
            return [_held(row) for row in sorted(claimed, key=lambda row: (row.lane, row.created, row.id))]

    async def release(self, items: Sequence[tuple[HeldDelivery, GateRuling]], *, now: int) -> list[NewDelivery]:
        """Does what the gates say now, in one transaction; returns those whose claim still stood, as they are then."""
        ruled = {item.delivery.id: replace(item.delivery, ruling=ruling) for item, ruling in items}
        epochs = {item.delivery.id: item.epoch for item, _ in items}
        async with self._database.transaction() as connection:
            await self._order.take_turn(connection)
            left = [delivery for delivery in ruled.values() if delivery.ruling.open]
            if left:
                rulings = await self._gates.rule(connection, left, now)
                ruled |= {key: replace(ruled[key], ruling=ruling) for key, ruling in rulings.items()}
            if self._quotas is not None and self._quotas.bound(ruled.values()):
                # Of a claim that stands no more somebody else decides; so few are they that to count them twice is no matter.
                again = {item.delivery.id for item, _ in items if item.reason == GateReason.MESSAGE_QUOTA}
                over = await self._quotas.rule(connection, list(ruled.values()), now=now, again=again)
                ruled |= {key: replace(ruled[key], ruling=ruling) for key, ruling in over.items()}
            rows = [_row(ruled[key], epochs[key], now) for key in sorted(ruled)]
            kept = set((await connection.execute(self._update, self._rows.bind(rows))).scalars()) if rows else set[str]()
            stored = [ruled[key] for key in sorted(kept)]
            if stored:
                await self._store_rest(connection, stored, now)
        return stored

    async def _store_rest(self, connection: AsyncConnection, stored: Sequence[NewDelivery], now: int) -> None:
        change = await self._order.begin(connection)
        await self._events.insert(connection, [_event_row(item, change, number, now) for number, item in enumerate(stored)])
        inbox = [inbox_row(item, now) for item in stored if item.delivered]
        if inbox:
            await self._inbox.insert(connection, inbox)
        gone = [item.id for item in stored if item.delivered or item.ruling.state is DeliveryState.SUPPRESSED]
        if gone:
            await connection.execute(delete(contents).where(contents.c.delivery.in_(gone)))
        await self._gates.members(connection, [(item.ruling.digest, item.id) for item in stored if item.ruling.digest], now)


def _due() -> tuple[ColumnElement[bool], ...]:
    return deliveries.c.hold_until <= bindparam("now"), deliveries.c.state == _HELD


def _due_ids() -> Select[Any]:
    return select(deliveries.c.id).where(*_due()).order_by(deliveries.c.hold_until).limit(bindparam("most"))


def _claim(chosen: Any) -> Any:
    columns: Any = (*_READ, _incident(), *(_body(column) for column in (contents.c.text, contents.c.html, contents.c.actions)))
    claimed: dict[str, Any] = {"epoch": deliveries.c.epoch + 1, "hold_until": bindparam("until")}
    statement: Any = update(deliveries).where(chosen, deliveries.c.state == _HELD).values(**claimed)
    return statement.returning(*columns)


def _body(column: Any) -> Any:
    found = select(column).where(contents.c.delivery == deliveries.c.id).correlate(deliveries).scalar_subquery()
    return func.coalesce(found, "").label(column.name)


def _incident() -> Any:
    found = select(notifications.c.incident).where(notifications.c.id == deliveries.c.notification).correlate(deliveries).scalar_subquery()
    return func.coalesce(found, "").label("incident")


def _update(rows: Rows) -> Any:
    new = rows.columns
    return (
        update(deliveries)
        .where(deliveries.c.id == new["id"], deliveries.c.epoch == new["epoch"], deliveries.c.state == _HELD)
        .values(
            state=new["state"],
            attempts=new["attempts"],
            reason=new["reason"],
            hold_until=new["hold_until"],
            digest=new["digest"],
            due=new["due"],
            since=new["at"],
            updated=new["at"],
        )
        .returning(deliveries.c.id)
    )


def _row(item: NewDelivery, epoch: int, now: int) -> Row:
    """A row of `_ROW`."""
    ruling = item.ruling
    state = int(DeliveryState.SENT if item.delivered else ruling.state)
    due = now if ruling.state is DeliveryState.ACCEPTED and not item.kept else None
    return (item.id, epoch, state, int(item.delivered), ruling.reason, ruling.hold_until, ruling.digest, due, now)


def _event_row(item: NewDelivery, change: int, number: int, now: int) -> Row:
    """A row of ``events``."""
    state, provider = (DeliveryState.SENT, item.channel) if item.delivered else (item.ruling.state, "")
    return (change, number, item.id, item.tenant, now, int(state), int(item.delivered), None, provider, 0, storable(item.ruling.detail))


def _held(row: Any) -> HeldDelivery:
    delivery = NewDelivery(
        id=row.id,
        tenant=row.tenant,
        firing=row.firing,
        alarm=row.alarm,
        channel=row.channel,
        to=row.to,
        priority=Priority(row.lane),
        content=read_content(row),
        message_id=row.message_id,
        resend=bool(row.resend),
        traceparent=row.traceparent,
        recipient_id=row.recipient_id,
        category=row.category,
        notification=row.notification,
        unbounded=bool(row.incident),
    )
    return HeldDelivery(epoch=int(row.epoch), delivery=delivery, incident=row.incident, reason=row.reason)
