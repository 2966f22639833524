"""Deliveries that are ended without an attempt, and ends that are taken back."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, case, insert, literal, select, update

from mailer_svc.domain import WAITING, DeliveryState, printable
from mailer_svc.ports import DeliveryQuery
from mailer_svc.store.bulk import BulkInsert
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.deliveries import matching
from mailer_svc.store.reports import note
from mailer_svc.store.tables import deliveries, events
from tocsin.database import Database

_DETAIL = 500
_ASKED = "somebody asked for another attempt"
_ORPHANED = "expired: no mailer sends by the channel"
_ENDED = (DeliveryState.DEAD, DeliveryState.OUTCOME_UNKNOWN)


class SqlDeliveryEndings:
    """Ends on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database, order: ChangeOrder) -> None:
        self._database = database
        self._order = order
        self._events = BulkInsert(events, sqlite=database.dialect == "sqlite")

    async def force_end(self, identity: str, *, state: DeliveryState, now: int, detail: str) -> None:
        """End a delivery as ``state`` whatever its row holds; nothing of it is read."""
        texts = {"provider": "", "detail": printable(detail)[:_DETAIL]}
        async with self._database.transaction() as connection:
            numbers = {"change": await self._order.begin(connection), "number": 0, "at": now, "state": int(state), "attempts": 0, "code": 0}
            await connection.execute(update(deliveries).where(deliveries.c.id == identity).values(_ended(state, now)))
            fixed = {name: literal(value) for name, value in (*numbers.items(), *texts.items())}
            copied = {"delivery": deliveries.c.id, "tenant": deliveries.c.tenant, **fixed}
            row = select(*copied.values()).where(deliveries.c.id == identity)
            await connection.execute(insert(events).from_select(list(copied), row))
            await note(connection, [identity], numbers["change"])

    async def retry(self, query: DeliveryQuery, *, channels: Collection[str], now: int, limit: int) -> list[str]:
        """Let deliveries that ended without success be attempted again, the oldest first; a claim that still stands loses its right."""
        ended = deliveries.c.state.in_([int(state) for state in _ENDED])
        wanted = (
            select(deliveries.c.id, deliveries.c.tenant, deliveries.c.attempts)
            .where(ended, deliveries.c.channel.in_(channels), *matching(query))
            .order_by(deliveries.c.created, deliveries.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        state = int(DeliveryState.RETRYING)
        again = {"state": state, "deferrals": 0, "next_attempt": now, "due": now, "since": now, "updated": now, "owner": ""}
        async with self._database.transaction() as connection:
            await self._order.take_turn(connection)
            found = (await connection.execute(wanted)).all()
            if found:
                change = await self._order.begin(connection)
                chosen = deliveries.c.id.in_([row.id for row in found])
                await connection.execute(update(deliveries).where(chosen).values(again | {"epoch": deliveries.c.epoch + 1}))
                rows = [
                    (change, number, row.id, row.tenant, now, state, row.attempts, now, "", 0, _ASKED) for number, row in enumerate(found)
                ]
                await self._events.insert(connection, rows)
                await note(connection, [row.id for row in found], change)
        return [row.id for row in found]

    async def expire_unclaimed(self, *, channels: Collection[str], before: int, now: int, limit: int) -> int:
        """End deliveries that wait since ``before`` for a sender of another channel than ``channels``.

        Each is DEAD, or OUTCOME_UNKNOWN if its sender vanished after the point of no return.
        """
        since = case((deliveries.c.since > 0, deliveries.c.since), else_=deliveries.c.created)
        orphaned = and_(deliveries.c.due <= now, deliveries.c.channel.not_in(channels), since < before)
        ended = 0
        async with self._database.transaction() as connection:
            change = await self._order.begin(connection)
            for states, end in ((WAITING, DeliveryState.DEAD), ((DeliveryState.SENDING,), DeliveryState.OUTCOME_UNKNOWN)):
                query = (
                    select(deliveries.c.id, deliveries.c.tenant, deliveries.c.attempts, deliveries.c.channel)
                    .where(orphaned, deliveries.c.state.in_([int(state) for state in states]))
                    .limit(limit)
                    .with_for_update(skip_locked=True)
                )
                found = (await connection.execute(query)).all()
                chosen = deliveries.c.id.in_([row.id for row in found])
                await connection.execute(update(deliveries).where(chosen).values(_ended(end, now)))
                rows = [
                    (change, number, row.id, row.tenant, now, int(end), row.attempts, None, "", 0, f"{_ORPHANED} {row.channel!r}")
                    for number, row in enumerate(found, ended)
                ]
                if rows:
                    await self._events.insert(connection, rows)
                await note(connection, [row.id for row in found], change)
                ended += len(found)
        return ended


def _ended(state: DeliveryState, now: int) -> dict[str, Any]:
    """The columns of a delivery that nobody has a claim on any more."""
    nothing = {"next_attempt": None, "due": None, "owner": "", "reason": "", "hold_until": None}
    return {"state": int(state), "updated": now, "epoch": deliveries.c.epoch + 1, **nothing}
