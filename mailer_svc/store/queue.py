"""The deliveries of one channel that wait for a sender, taken by claims that end by themselves."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, func, literal, literal_column, select, text, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import WAITING, DeliveryState, Priority, SendJob
from mailer_svc.domain.people import CategoryKind
from mailer_svc.ports import AWAY, Claim
from mailer_svc.store.bulk import BulkInsert, Row
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.contents import read_content
from mailer_svc.store.endings import SqlDeliveryEndings
from mailer_svc.store.people_tables import categories, recipients
from mailer_svc.store.reports import note
from mailer_svc.store.tables import contents, deliveries, events
from tocsin.database import Database
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_WAITING = [int(state) for state in WAITING]
_OF_CHANNEL = deliveries.c.channel == bindparam("of_channel")
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
    deliveries.c.since,
    deliveries.c.resend,
    deliveries.c.traceparent,
    deliveries.c.recipient_id,
    deliveries.c.category,
    deliveries.c.notification,
)
_VANISHED = "the sender stopped after the message was handed over and before the answer"
_AGAIN = f"outcome unknown, sent again as its resend policy says: {_VANISHED}"


class SqlDeliveryQueue:
    """Claims on PostgreSQL or SQLite. A claim is an owner, an end and a number that grows with each claim of the row.

    Every query is of one channel, so that a channel with much to do never holds another.
    """

    def __init__(self, *, channel: str, database: Database, order: ChangeOrder) -> None:
        self.channel = channel
        self.force_end = SqlDeliveryEndings(database=database, order=order).force_end
        self._database = database
        self._order = order
        self._own = deliveries.c.channel == channel
        self._events = BulkInsert(events, sqlite=database.dialect == "sqlite")

    async def claim_due(self, *, owner: str, priority: Priority, limit: int, now: int, lease: int, fresh: bool = False) -> Claim:
        """Takes up to ``limit`` due deliveries for ``owner`` until ``now + lease``, the longest due first."""
        values = {"claimant": owner, "claim_priority": int(priority), "most": limit, "now": now, "until": now + lease}
        values |= {"of_channel": self.channel}
        try:
            return Claim(await self._take(_claim_due(fresh=fresh), values, urgent=priority is Priority.CRITICAL))
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - a row that cannot be read is found and ended; the others are taken
            _log.error("deliveries not readable, taken one by one", exc_info=error)
        async with self._database.read() as connection:
            ids = list((await connection.execute(_due_ids(fresh=fresh), values)).scalars())
        jobs, unreadable = list[SendJob](), 0
        for identity in ids:
            try:
                jobs += await self._take(_claim_one(), {"one": identity, **values})
            except AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - see above
                unreadable += 1
                await self.force_end(
                    identity, state=DeliveryState.DEAD, now=now, detail=f"its row cannot be read: {type(error).__name__}: {error}"
                )
        return Claim(jobs, unreadable)

    async def _take(self, statement: Any, values: Mapping[str, Any], *, urgent: bool = False) -> list[SendJob]:
        async with self._database.transaction(urgent=urgent) as connection:
            claimed = (await connection.execute(statement, values)).all()
            return sorted(map(_job, claimed), key=lambda job: job.created)

    async def renew(self, *, owner: str, ids: Sequence[str], until: int) -> None:
        """Prolongs the claims of ``owner`` that still stand."""
        async with self._database.transaction() as connection:
            await connection.execute(update(deliveries).where(self._owned(owner, ids)).values(due=until))

    async def release(self, *, owner: str, ids: Sequence[str], now: int) -> None:
        """Gives back claims that were not tried."""
        unmarked = deliveries.c.state.in_(_WAITING)
        async with self._database.transaction() as connection:
            await connection.execute(update(deliveries).where(self._owned(owner, ids), unmarked).values(due=now, owner=""))

    async def hold(self, *, owner: str, ids: Sequence[str], now: int, until: int) -> None:
        """Gives back claims that may not be tried before ``until``; the time does not count against their expiry."""
        held = {"due": until, "owner": "", "since": deliveries.c.since + (until - now)}
        unmarked = deliveries.c.state.in_(_WAITING)
        async with self._database.transaction() as connection:
            await connection.execute(update(deliveries).where(self._owned(owner, ids), unmarked).values(held))

    async def end_other_claims(self, *, owner: str, now: int) -> None:
        """Ends the claims of every other owner at once; only for a database that no other process uses.

        What waits for a later attempt has no owner and keeps its time.
        """
        claimed = and_(self._own, deliveries.c.due.is_not(None), deliveries.c.owner.not_in(["", owner]))
        async with self._database.transaction() as connection:
            await connection.execute(update(deliveries).where(claimed).values(due=now))

    async def expire_handed_over(self, *, now: int, wait: int, limit: int) -> int:
        """Ends deliveries whose sender vanished after the point of no return; those that may be sent again wait until ``now + wait``."""
        vanished = and_(self._own, deliveries.c.due <= now, deliveries.c.state == int(DeliveryState.SENDING))
        try:
            return await self._expire_some(vanished, now=now, wait=wait, limit=limit)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - as in `claim_due`
            _log.error("deliveries not readable, ended one by one", exc_info=error)
        async with self._database.read() as connection:
            ids = list((await connection.execute(select(deliveries.c.id).where(vanished).limit(limit))).scalars())
        for identity in ids:
            try:
                await self._expire_some(and_(vanished, deliveries.c.id == identity), now=now, wait=wait, limit=1)
            except AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - as in `claim_due`
                await self.force_end(
                    identity, state=DeliveryState.OUTCOME_UNKNOWN, now=now, detail=f"{_VANISHED}; its row cannot be read: {error}"
                )
        return len(ids)

    async def _expire_some(self, vanished: ColumnElement[bool], *, now: int, wait: int, limit: int) -> int:
        async with self._database.transaction() as connection:
            await self._order.take_turn(connection)
            query = (
                select(deliveries.c.id, deliveries.c.tenant, deliveries.c.attempts, deliveries.c.resend)
                .where(vanished)
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
            state = DeliveryState.RETRYING if resend else DeliveryState.OUTCOME_UNKNOWN
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
        await note(connection, [row.id for row in found if not row.resend], change)

    async def due_priorities(self, *, now: int, fresh: bool = False) -> list[Priority]:
        """The priorities at which something is due, the most urgent first; with ``fresh`` something that was never attempted."""
        async with self._database.read() as connection:
            found = (await connection.execute(_priorities(fresh=fresh), {"now": now, "of_channel": self.channel})).one()
        return [priority for priority, due in zip(Priority, found, strict=True) if due]

    async def depths(self) -> Mapping[Priority, int]:
        """How many deliveries wait or are under way, by priority."""
        query = select(deliveries.c.lane, func.count()).where(self._own, deliveries.c.due.is_not(None)).group_by(deliveries.c.lane)
        async with self._database.read() as connection:
            counted = {int(priority): int(count) for priority, count in await connection.execute(query)}
        return {priority: counted.get(priority, 0) for priority in Priority}

    def _owned(self, owner: str, ids: Sequence[str]) -> ColumnElement[bool]:
        return and_(self._own, deliveries.c.id.in_(ids), deliveries.c.owner == owner, deliveries.c.due.is_not(None))


class SqlQueueHeads:
    """`mailer_svc.ports.QueueHeads`: one statement for all channels, for health asks each second."""

    def __init__(self, *, channels: Sequence[str], database: Database) -> None:
        self._database = database
        every = union_all(*(_head(channel, priority) for channel in channels for priority in Priority))
        # As text: to look up how so many parts were compiled before takes longer than to ask them.
        self._query = text(str(every.compile(compile_kwargs={"literal_binds": True})))

    async def heads(self) -> Mapping[str, int]:
        """When the delivery was or is due that comes first, by channel."""
        found: dict[str, int] = {}
        async with self._database.read() as connection:
            for channel, due in await connection.execute(self._query):
                if isinstance(due, int):
                    found[channel] = min(due, found.get(channel, due))
        return found


def _head(channel: str, priority: Priority) -> Select[*tuple[Any, ...]]:
    waiting = and_(deliveries.c.channel == channel, deliveries.c.lane == int(priority), deliveries.c.state.in_(_WAITING))
    return select(literal(channel), func.min(deliveries.c.due)).where(waiting)


# Built once, and not by each channel: to build a statement takes milliseconds.
@cache
def _priorities(*, fresh: bool) -> Select[*tuple[Any, ...]]:
    """For each priority of a channel whether something is due."""
    states = deliveries.c.state.in_([literal_column(str(state)) for state in _WAITING])
    waiting = and_(_OF_CHANNEL, deliveries.c.due <= bindparam("now"), states, *_only(fresh=fresh))
    return select(*(select(deliveries.c.id).where(deliveries.c.lane == int(priority), waiting).exists() for priority in Priority))


def _due_ids(*, fresh: bool) -> Select[Any]:
    return (
        select(deliveries.c.id)
        .where(
            _OF_CHANNEL,
            deliveries.c.lane == bindparam("claim_priority"),
            deliveries.c.due <= bindparam("now"),
            deliveries.c.state.in_([literal_column(str(state)) for state in _WAITING]),
            *_only(fresh=fresh),
        )
        .order_by(deliveries.c.due)
        .limit(bindparam("most"))
    )


@cache
def _claim_due(*, fresh: bool) -> Any:
    due = _due_ids(fresh=fresh).with_for_update(skip_locked=True).cte("due_now")
    return _claim(deliveries.c.id.in_(select(due.c.id)))


@cache
def _claim_one() -> Any:
    return _claim(_one_due())


def _only(*, fresh: bool) -> tuple[ColumnElement[bool], ...]:
    return (deliveries.c.attempts == 0,) if fresh else ()


def _one_due() -> Any:
    return deliveries.c.id.in_([bindparam("one")]) & (deliveries.c.due <= bindparam("now")) & deliveries.c.state.in_(_WAITING)


def _claim(chosen: Any) -> Any:
    return (
        update(deliveries)
        .where(chosen)
        .values(epoch=deliveries.c.epoch + 1, owner=bindparam("claimant"), due=bindparam("until"))
        .returning(*_JOB, _body(contents.c.text), _body(contents.c.html), _body(contents.c.actions), _name(), _category_kind())
    )


def _body(column: Any) -> Any:
    """A column of the row's content, in the same statement: a second one would have to name every row again."""
    found = select(column).where(contents.c.delivery == deliveries.c.id).correlate(deliveries).scalar_subquery()
    return func.coalesce(found, "").label(column.name)


def _name() -> Any:
    """What the row's recipient is called now; null if it has none."""
    person = (recipients.c.tenant == _of("tenant"), recipients.c.id == _of("recipient_id"), _of("recipient_id") != "")
    return select(recipients.c.display_name).where(*person).scalar_subquery().label("name")


def _category_kind() -> Any:
    """The kind of the row's category as it is now; null if there is none."""
    category = (categories.c.tenant == _of("tenant"), categories.c.id == _of("category"), _of("category") != "")
    return select(categories.c.kind).where(*category).scalar_subquery().label("category_kind")


def _of(column: str) -> ColumnElement[str]:
    """A column of the row that is claimed. SQLAlchemy leaves the table's name out in a RETURNING of SQLite: "tenant" is the inner one's."""
    return literal_column(f"deliveries.{column}", Text)


def _job(row: Any) -> SendJob:
    return SendJob(
        id=row.id,
        epoch=row.epoch,
        tenant=row.tenant,
        priority=Priority(row.lane),
        to=row.recipient,
        content=read_content(row),
        message_id=row.message_id,
        attempts=int(row.attempts),
        deferrals=int(row.deferrals),
        created=int(row.created),
        since=int(row.since or row.created),
        resend=bool(row.resend),
        traceparent=row.traceparent,
        recipient_id=row.recipient_id,
        category=row.category,
        notification=row.notification,
        recipient_name=row.name or "",
        may_leave=bool(row.category) and row.category_kind != CategoryKind.MANDATORY,
    )
