"""The deliveries that wait for a sender, taken by claims that end by themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import WAITING, Content, Job, Lane, State
from mailer_svc.store.bulk import BulkInsert, Row
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.tables import contents, deliveries, events
from tocsin.database import Database

_WAITING = [int(state) for state in WAITING]
_JOB = (
    deliveries.c.id,
    deliveries.c.epoch,
    deliveries.c.tenant,
    deliveries.c.lane,
    deliveries.c.recipient,
    deliveries.c.subject,
    deliveries.c.message_id,
    deliveries.c.attempts,
    deliveries.c.deferrals,
    deliveries.c.created,
    deliveries.c.resend,
    deliveries.c.traceparent,
)
_VANISHED = "the sender stopped after the message was handed over and before the answer"
_AGAIN = f"outcome unknown, sent again as its resend policy says: {_VANISHED}"


class SqlDeliveryQueue:
    """Claims on PostgreSQL or SQLite. A claim is an owner, an end and a number that grows with each claim of the row."""

    def __init__(self, *, database: Database, order: ChangeOrder) -> None:
        self._database = database
        self._order = order
        self._events = BulkInsert(events, sqlite=database.dialect == "sqlite")
        self._claim = _claim()

    async def claim_due(self, *, owner: str, lane: Lane, limit: int, now: int, lease: int) -> list[Job]:
        """Takes up to ``limit`` due deliveries for ``owner`` until ``now + lease``, the longest due first."""
        values = {"claimant": owner, "claim_lane": int(lane), "most": limit, "now": now, "until": now + lease}
        async with self._database.transaction() as connection:
            claimed = (await connection.execute(self._claim, values)).all()
        return sorted(map(_job, claimed), key=lambda job: job.created)

    async def renew(self, *, owner: str, ids: Sequence[str], until: int) -> None:
        """Prolongs the claims of ``owner`` that still stand."""
        async with self._database.transaction() as connection:
            await connection.execute(update(deliveries).where(_owned(owner, ids)).values(due=until))

    async def release(self, *, owner: str, ids: Sequence[str], now: int) -> None:
        """Gives back claims that were not tried."""
        unmarked = deliveries.c.state.in_(_WAITING)
        async with self._database.transaction() as connection:
            await connection.execute(update(deliveries).where(_owned(owner, ids), unmarked).values(due=now, owner=""))

    async def take_over_from_the_dead(self, *, owner: str, now: int) -> None:
        """Ends the claims of every other owner at once; only for a database that no other process uses.

        What waits for a later attempt has no owner and keeps its time.
        """
        claimed = and_(deliveries.c.due.is_not(None), deliveries.c.owner.not_in(["", owner]))
        async with self._database.transaction() as connection:
            await connection.execute(update(deliveries).where(claimed).values(due=now))

    async def expire_handed_over(self, *, now: int, wait: int, limit: int) -> int:
        """Ends deliveries whose sender vanished after the point of no return; those that may be sent again wait until ``now + wait``."""
        async with self._database.transaction() as connection:
            query = (
                select(deliveries.c.id, deliveries.c.tenant, deliveries.c.attempts, deliveries.c.resend)
                .where(deliveries.c.due <= now, deliveries.c.state == int(State.SENDING))
                .order_by(deliveries.c.due)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            found = (await connection.execute(query)).all()
            if found:
                await self._expire(connection, found, now=now, wait=wait)
        return len(found)

    async def _expire(self, connection: AsyncConnection, found: Sequence[Any], *, now: int, wait: int) -> None:
        change = await self._order.begin(connection)
        entries: list[Row] = []
        for resend in (False, True):
            rows = [row for row in found if row.resend == resend]
            state = State.RETRYING if resend else State.OUTCOME_UNKNOWN
            following, detail = (now + wait, _AGAIN) if resend else (None, _VANISHED)
            if rows:
                changed = update(deliveries).where(deliveries.c.id.in_([row.id for row in rows]))
                await connection.execute(
                    changed.values(
                        state=int(state), attempts=deliveries.c.attempts + 1, updated=now, next_attempt=following, due=following, owner=""
                    )
                )
            entries += [
                (change, len(entries) + number, row.id, row.tenant, now, int(state), row.attempts + 1, following, "", 0, detail)
                for number, row in enumerate(rows)
            ]
        await self._events.insert(connection, entries)

    async def due_lanes(self, *, now: int) -> list[Lane]:
        """The lanes in which something is due, the most urgent first."""
        waiting = and_(deliveries.c.due <= now, deliveries.c.state.in_(_WAITING))
        query = select(*(select(deliveries.c.id).where(deliveries.c.lane == int(lane), waiting).exists() for lane in Lane))
        async with self._database.read() as connection:
            found = (await connection.execute(query)).one()
        return [lane for lane, due in zip(Lane, found, strict=True) if due]

    async def depths(self) -> Mapping[Lane, int]:
        """How many deliveries wait or are under way, by lane."""
        query = select(deliveries.c.lane, func.count()).where(deliveries.c.due.is_not(None)).group_by(deliveries.c.lane)
        async with self._database.read() as connection:
            counted = {Lane(lane): int(count) for lane, count in await connection.execute(query)}
        return {lane: counted.get(lane, 0) for lane in Lane}


def _claim() -> Any:
    due = (
        select(deliveries.c.id)
        .where(
            deliveries.c.lane == bindparam("claim_lane"),
            deliveries.c.due <= bindparam("now"),
            deliveries.c.state.in_([literal_column(str(state)) for state in _WAITING]),
        )
        .order_by(deliveries.c.due)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        .cte("due_now")
    )
    return (
        update(deliveries)
        .where(deliveries.c.id.in_(select(due.c.id)))
        .values(epoch=deliveries.c.epoch + 1, owner=bindparam("claimant"), due=bindparam("until"))
        .returning(*_JOB, _body(contents.c.text), _body(contents.c.html))
    )


def _owned(owner: str, ids: Sequence[str]) -> Any:
    return and_(deliveries.c.id.in_(ids), deliveries.c.owner == owner, deliveries.c.due.is_not(None))


def _body(column: Any) -> Any:
    """A column of the row's content, in the same statement: a second one would have to name every row again."""
    found = select(column).where(contents.c.delivery == deliveries.c.id).correlate(deliveries).scalar_subquery()
    return func.coalesce(found, "").label(column.name)


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        epoch=row.epoch,
        tenant=row.tenant,
        lane=Lane(row.lane),
        to=row.recipient,
        content=Content(row.subject, row.text, row.html),
        message_id=row.message_id,
        attempts=row.attempts,
        deferrals=row.deferrals,
        created=row.created,
        resend=row.resend,
        traceparent=row.traceparent,
    )
