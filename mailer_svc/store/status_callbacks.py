"""Status callbacks: made from the order of all changes, so that no write of a delivery knows of them."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, and_, bindparam, case, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import DeliveryState, person_name
from mailer_svc.ports.status_callbacks import ClaimBounds, StatusCallback
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.people_tables import followers, notifications, status_callbacks
from mailer_svc.store.tables import deliveries, events
from tocsin.database import Database, insert_ignore
from tocsin.stored import NOT_READABLE, instant

_NAME: Final = "status_callbacks"
_WANTED = notifications.c.status_url != ""
_ORDER = (status_callbacks.c.due, status_callbacks.c.change, status_callbacks.c.number)
_DUE = (status_callbacks.c.id, status_callbacks.c.tenant, status_callbacks.c.url, *_ORDER)
_GLANCE: Final = select(followers.c.change, exists(select(notifications.c.id).where(_WANTED))).where(followers.c.name == _NAME)
_ANY_DUE: Final = select(exists(select(status_callbacks.c.id).where(status_callbacks.c.due <= bindparam("now"))))


class SqlStatusCallbackStore:
    """Callbacks on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database, order: ChangeOrder) -> None:
        self._database = database
        self._order = order

    async def gather(self, *, now: int, limit: int) -> int:
        """Take up changes since the last call, and make callbacks of those that somebody wants."""
        if not await self._anything_new():
            return 0
        async with self._database.transaction() as connection:
            place = await self._place(connection)
            if place is None:
                return 0  # another replica is at it
            horizon = await self._order.horizon(connection)
            if not await connection.scalar(select(exists().where(_WANTED))):
                if place[0] < horizon - 1:
                    await _remember(connection, (horizon - 1, 2**31 - 1))
                return 0
            rows = (await connection.execute(_changes(place, horizon, limit))).all()
            callbacks = [_callback(row, now) for row in rows if row.status_url]
            if callbacks:
                await connection.execute(insert_ignore(status_callbacks), callbacks)
            if rows:
                await _remember(connection, (rows[-1].change, rows[-1].number))
        return len(rows)

    async def _anything_new(self) -> bool:
        """Whether somebody wants callbacks, or changes that nobody wants were made; mostly not, so it takes no turn to write."""
        async with self._database.read() as connection:
            row = (await connection.execute(_GLANCE)).first()
            return row is None or bool(row[1]) or row[0] < await self._order.horizon(connection) - 1

    async def _place(self, connection: AsyncConnection) -> tuple[int, int] | None:
        """How far changes were read; None: somebody else has it. The first time, what has happened before is nobody's."""
        query = select(followers.c.change, followers.c.number).where(followers.c.name == _NAME)
        row = (await connection.execute(query.with_for_update(skip_locked=True))).first()
        if row is not None:
            return row.change, row.number
        start = (await self._order.horizon(connection) - 1, 2**31 - 1)
        await connection.execute(insert_ignore(followers).values(name=_NAME, change=start[0], number=start[1]))
        return None

    async def claim(
        self, *, now: int, until: int, bounds: ClaimBounds, under_way: Sequence[StatusCallback] = ()
    ) -> Sequence[StatusCallback]:
        """Take those that are due, of each tenant in turn, as many as the bounds leave beside those under way."""
        async with self._database.read() as connection:
            if not await connection.scalar(_ANY_DUE, {"now": now}):
                return []
        place = func.row_number().over(partition_by=(status_callbacks.c.tenant, status_callbacks.c.url), order_by=_ORDER)
        due = select(*_DUE, place.label("place")).where(status_callbacks.c.due <= now).subquery()
        of_url = Counter((callback.tenant, callback.url) for callback in under_way)
        each = _left(bounds.each, [(and_(due.c.tenant == key[0], due.c.url == key[1]), taken) for key, taken in of_url.items()])
        turn = func.row_number().over(partition_by=due.c.tenant, order_by=(due.c.due, due.c.change, due.c.number))
        ranked = select(due.c.id, due.c.tenant, due.c.due, turn.label("turn")).where(due.c.place <= each).subquery()
        of_tenant = Counter(callback.tenant for callback in under_way)
        share = _left(bounds.share, [(ranked.c.tenant == tenant, taken) for tenant, taken in of_tenant.items()])
        chosen = select(ranked.c.id).where(ranked.c.turn <= share).order_by(ranked.c.turn, ranked.c.due).limit(bounds.limit)
        query = select(status_callbacks).where(status_callbacks.c.id.in_(chosen), status_callbacks.c.due <= now).order_by(*_ORDER)
        async with self._database.transaction() as connection:
            rows = (await connection.execute(query.with_for_update(skip_locked=True))).all()
            taken = [row.id for row in rows]
            if taken:
                await connection.execute(update(status_callbacks).where(status_callbacks.c.id.in_(taken)).values(due=until))
        return [StatusCallback(id=row.id, tenant=row.tenant, url=row.url, body=row.body, attempts=row.attempts) for row in rows]

    async def remove(self, ids: Sequence[str]) -> None:
        """Forget callbacks."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(status_callbacks).where(status_callbacks.c.id.in_(ids)))

    async def put_off(self, callback: StatusCallback, *, due: int) -> None:
        """Let one be tried again, and nothing else go to its URL before that."""
        own = status_callbacks.c.id == callback.id
        attempts = case((own, callback.attempts + 1), else_=status_callbacks.c.attempts)
        same = and_(status_callbacks.c.tenant == callback.tenant, status_callbacks.c.url == callback.url, status_callbacks.c.due < due)
        held = or_(own, same)
        async with self._database.transaction() as connection:
            await connection.execute(update(status_callbacks).where(held).values(due=due, attempts=attempts))

    async def silence(self, *, tenant: str, url: str) -> None:
        """Tell this URL of the tenant nothing more."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(status_callbacks).where(status_callbacks.c.tenant == tenant, status_callbacks.c.url == url))
            asked = and_(notifications.c.tenant == tenant, notifications.c.status_url == url)
            await connection.execute(update(notifications).where(asked).values(status_url=""))


def _left(most: int, taken: Sequence[tuple[ColumnElement[bool], int]]) -> Any:
    """How many more there may be: ``most``, less what is taken where a condition holds."""
    return case(*((condition, most - number) for condition, number in taken), else_=most) if taken else most


def _changes(place: tuple[int, int], horizon: int, limit: int) -> Any:
    """Changes after a place that nothing can still come before, with the URL that wants to know, if any."""
    return (
        select(
            events.c.change,
            events.c.number,
            events.c.delivery,
            events.c.tenant,
            events.c.at,
            events.c.state,
            events.c.detail,
            events.c.provider,
            events.c.code,
            deliveries.c.channel,
            deliveries.c.recipient,
            deliveries.c.recipient_id,
            deliveries.c.reason,
            notifications.c.id.label("notification"),
            notifications.c.metadata.label("given"),
            func.coalesce(notifications.c.status_url, "").label("status_url"),
        )
        .join_from(events, deliveries, deliveries.c.id == events.c.delivery, isouter=True)
        .join(
            notifications,
            and_(notifications.c.tenant == deliveries.c.tenant, notifications.c.id == deliveries.c.notification, _WANTED),
            isouter=True,
        )
        .where(tuple_(events.c.change, events.c.number) > place, events.c.change < horizon)
        .order_by(events.c.change, events.c.number)
        .limit(limit)
    )


async def _remember(connection: AsyncConnection, place: tuple[int, int]) -> None:
    await connection.execute(update(followers).where(followers.c.name == _NAME).values(change=place[0], number=place[1]))


def _given(text: str) -> object:
    """The caller's metadata; none if they cannot be read."""
    try:
        return msgspec.json.decode(text) if text else {}
    except NOT_READABLE:
        return {}


def _callback(row: Row[Any], now: int) -> dict[str, Any]:
    """A row of ``status_callbacks``: the event of Standard Webhooks (type, timestamp, data)."""
    try:
        state = DeliveryState(row.state).name
    except ValueError:
        state = str(row.state)
    data = {
        "notification": f"notifications/{row.notification}",
        "delivery": f"deliveries/{row.delivery}",
        "state": state,
        "reason": row.reason,
        "detail": row.detail,
        "channel": row.channel,
        "to": row.recipient,
        "recipient": person_name(row.recipient_id),
        "provider": row.provider,
        "code": row.code,
        "metadata": _given(row.given),
    }
    body = {"type": "delivery.changed", "timestamp": f"{instant(row.at):%Y-%m-%dT%H:%M:%S.%fZ}", "data": data}
    identity = hashlib.blake2b(f"{row.delivery}\0{row.change}\0{row.number}".encode(), digest_size=16).hexdigest()
    return {
        "id": f"msg_{identity}",
        "tenant": row.tenant,
        "url": row.status_url,
        "body": msgspec.json.encode(body).decode(),
        "attempts": 0,
        "due": now,
        "change": row.change,
        "number": row.number,
    }
