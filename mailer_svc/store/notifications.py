"""Notifications: rows that are taken by claims that end by themselves, until all their deliveries are made."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Integer, Row, Text, bindparam, case, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import (
    NO_ALERT,
    UNEXPANDED,
    Advance,
    Content,
    DeliveryCount,
    DeliveryState,
    ExpansionCursor,
    MessageAlert,
    Notification,
    NotificationState,
    Priority,
    TemplateUse,
    printable,
)
from mailer_svc.ports import AWAY, NotificationClaim, NotificationQuery
from mailer_svc.store.bulk import BulkInsert, Rows
from mailer_svc.store.people_tables import notifications
from mailer_svc.store.tables import deliveries
from tocsin.database import Database
from tocsin.stored import NOT_READABLE, known
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_DETAIL = 500
_UNEXPANDED = [int(state) for state in UNEXPANDED]
_ADVANCE = {"id": Text, "epoch": Integer, "state": Integer, "cursor": Text, "due": BigInteger, "detail": Text, "at": BigInteger}
_COLUMNS = {
    "state": notifications.c.state,
    "category": notifications.c.category,
    "firing": notifications.c.firing,
    "alarm": notifications.c.alarm,
}


class _Inline(msgspec.Struct, tag="inline", frozen=True, omit_defaults=True):
    subject: str
    text: str
    html: str
    alert: MessageAlert = NO_ALERT


class _Template(msgspec.Struct, tag="template", frozen=True, omit_defaults=True):
    code: str
    variables: dict[str, str]
    context: str
    alert: MessageAlert = NO_ALERT


_CONTENT = msgspec.json.Decoder(_Inline | _Template)
_TEXTS = msgspec.json.Decoder(tuple[str, ...])


class NotificationLog:
    """Writes notifications within a transaction of the journal."""

    def __init__(self, *, sqlite: bool) -> None:
        self._insert = BulkInsert(notifications, sqlite=sqlite)
        self._rows = Rows(_ADVANCE, sqlite=sqlite)
        self._advance = _advance(self._rows)

    async def add(self, connection: AsyncConnection, new: Sequence[Notification]) -> set[str]:
        """Stores those that are not there; returns their ids."""
        return await self._insert.insert_new(connection, [_row(item) for item in sorted(new, key=lambda item: item.id)])

    async def advance(self, connection: AsyncConnection, steps: Sequence[Advance], now: int) -> set[str]:
        """Stores steps; returns the ids of the notifications whose claim still stood."""
        rows = sorted(
            (step.id, step.epoch, int(step.state), str(step.cursor), step.due, printable(step.detail)[:_DETAIL], now) for step in steps
        )
        return set((await connection.execute(self._advance, self._rows.bind(rows))).scalars())


def _advance(rows: Rows) -> Any:
    new = rows.columns
    owner = case((new["due"].is_(None), ""), else_=notifications.c.owner)
    return (
        update(notifications)
        .where(notifications.c.id == new["id"], notifications.c.epoch == new["epoch"], notifications.c.state.in_(_UNEXPANDED))
        .values(state=new["state"], cursor=new["cursor"], due=new["due"], detail=new["detail"], updated=new["at"], owner=owner)
        .returning(notifications.c.id)
    )


class SqlNotificationStore:
    """Reads notifications; every query is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def get(self, *, tenant: str, id: str) -> Notification | None:  # noqa: A002 - the word of the contract
        """One notification."""
        query = select(notifications).where(notifications.c.id == id, notifications.c.tenant == tenant)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _shown(row)

    async def counts(self, *, tenant: str, id: str) -> Sequence[DeliveryCount]:  # noqa: A002 - as above
        """How many deliveries it has, by state and reason."""
        kinds = (deliveries.c.state, deliveries.c.reason)
        # The second condition is the index's own; SQLite does not see that the first implies it.
        own = (deliveries.c.tenant == tenant, deliveries.c.notification == id, deliveries.c.notification != "")
        query = select(*kinds, func.count()).where(*own).group_by(*kinds).order_by(*kinds)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [DeliveryCount(known(DeliveryState, state), reason, count) for state, reason, count in rows]

    async def page(self, query: NotificationQuery, *, before: tuple[int, str] | None, limit: int) -> list[Notification]:
        """Notifications, the newest first; those older than ``before`` (created, id)."""
        conditions: list[Any] = [notifications.c.tenant == query.tenant]
        conditions += [_COLUMNS[name] == value for name, value in query.equal]
        conditions += [_COLUMNS[name] != value for name, value in query.unequal]
        if before is not None:
            conditions.append(tuple_(notifications.c.created, notifications.c.id) < tuple_(*before))
        newest = (notifications.c.created.desc(), notifications.c.id.desc())
        async with self._database.read() as connection:
            rows = await connection.execute(select(notifications).where(*conditions).order_by(*newest).limit(limit))
            return [_shown(row) for row in rows]

    async def cancel(self, *, tenant: str, id: str, now: int) -> bool:  # noqa: A002 - as above
        """Cancels one that is PENDING. False: it is not."""
        pending = (notifications.c.id == id, notifications.c.tenant == tenant, notifications.c.state == int(NotificationState.PENDING))
        async with self._database.transaction() as connection:
            done = await connection.execute(update(notifications).where(*pending).values(_ended(NotificationState.CANCELLED, now)))
        return done.rowcount > 0


class SqlNotificationQueue:
    """Claims on PostgreSQL or SQLite; see `SqlDeliveryQueue`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        due = _due_ids().with_for_update(skip_locked=True).cte("due_now")
        self._claim = _claim(notifications.c.id.in_(select(due.c.id)))
        self._any_due = select(*(select(notifications.c.id).where(*_due(int(priority))).exists() for priority in Priority))
        self._claim_one = _claim((notifications.c.id == bindparam("one")) & (notifications.c.due <= bindparam("now")))

    async def due_priorities(self, *, now: int) -> list[Priority]:
        """The priorities at which something is due."""
        async with self._database.read() as connection:
            found = (await connection.execute(self._any_due, {"now": now})).one()
        return [priority for priority, due in zip(Priority, found, strict=True) if due]

    async def claim_due(self, *, owner: str, priority: Priority, limit: int, now: int, lease: int) -> NotificationClaim:
        """Takes up to ``limit`` due notifications for ``owner`` until ``now + lease``, the longest due first."""
        values = {"claimant": owner, "claim_priority": int(priority), "most": limit, "now": now, "until": now + lease}
        try:
            return NotificationClaim(await self._take(self._claim, values, urgent=priority is Priority.CRITICAL))
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - a row that cannot be read is found and ended; the others are taken
            _log.error("notifications not readable, taken one by one", exc_info=error)
        async with self._database.read() as connection:
            ids = list((await connection.execute(_due_ids(), values)).scalars())
        taken, unreadable = list[Notification](), 0
        for identity in ids:
            try:
                taken += await self._take(self._claim_one, {"one": identity, **values})
            except AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - see above
                unreadable += 1
                await self._fail(identity, now=now, detail=f"its row cannot be read: {type(error).__name__}: {error}")
        return NotificationClaim(taken, unreadable)

    async def _take(self, statement: Any, values: Mapping[str, Any], *, urgent: bool = False) -> list[Notification]:
        async with self._database.transaction(urgent=urgent) as connection:
            claimed = (await connection.execute(statement, values)).all()
            return sorted(map(_notification, claimed), key=lambda item: (item.send_time, item.id))

    async def _fail(self, identity: str, *, now: int, detail: str) -> None:
        ended = {**_ended(NotificationState.FAILED, now), "detail": printable(detail)[:_DETAIL]}
        async with self._database.transaction() as connection:
            await connection.execute(update(notifications).where(notifications.c.id == identity).values(ended))

    async def release(self, *, owner: str, ids: Sequence[str], due: int) -> None:
        """Gives back claims under which nothing was made, to be taken again at ``due``."""
        own = (notifications.c.id.in_(ids), notifications.c.owner == owner, notifications.c.due.is_not(None))
        async with self._database.transaction() as connection:
            await connection.execute(update(notifications).where(*own).values(due=due, owner=""))

    async def end_other_claims(self, *, owner: str, now: int) -> None:
        """Ends the claims of every other owner at once; only for a database that no other process uses."""
        claimed = (notifications.c.due.is_not(None), notifications.c.owner.not_in(["", owner]))
        async with self._database.transaction() as connection:
            await connection.execute(update(notifications).where(*claimed).values(due=now, owner=""))


def _due(lane: Any) -> tuple[ColumnElement[bool], ...]:
    return notifications.c.lane == lane, notifications.c.due <= bindparam("now")


def _due_ids() -> Any:
    return select(notifications.c.id).where(*_due(bindparam("claim_priority"))).order_by(notifications.c.due).limit(bindparam("most"))


def _claim(chosen: Any) -> Any:
    claimed: dict[str, Any] = {"epoch": notifications.c.epoch + 1, "owner": bindparam("claimant"), "due": bindparam("until")}
    return update(notifications).where(chosen).values(state=int(NotificationState.EXPANDING), **claimed).returning(notifications)


def _ended(state: NotificationState, now: int) -> dict[str, Any]:
    return {"state": int(state), "updated": now, "due": None, "owner": "", "epoch": notifications.c.epoch + 1}


def _row(item: Notification) -> tuple[Any, ...]:
    """A row of ``notifications``."""
    identity = (item.id, item.tenant, item.firing, item.alarm, int(item.priority), item.category)
    whom = (json.dumps(item.channels), json.dumps(item.to), json.dumps(item.recipients))
    said = (_stored(item.content, item.alert), item.metadata, item.status_url)
    progress = (int(item.state), "", str(item.cursor), item.send_time, "", 0)  # state, detail, cursor, due, owner, epoch
    times = (item.send_time, item.created, item.updated)
    return (*identity, *whom, *said, *progress, item.resend, item.traceparent, *times, item.incident, item.urgent)


def _stored(content: Content | TemplateUse, alert: MessageAlert) -> str:
    if isinstance(content, Content):
        return msgspec.json.encode(_Inline(content.subject, content.text, content.html, alert)).decode()
    return msgspec.json.encode(_Template(content.code, dict(content.variables), content.context, alert)).decode()


def _content(text: str) -> tuple[Content | TemplateUse, MessageAlert]:
    found = _CONTENT.decode(text)
    if isinstance(found, _Inline):
        return Content(found.subject, found.text, found.html), found.alert
    return TemplateUse(found.code, found.variables, found.context), found.alert


def _notification(row: Row[Any]) -> Notification:
    """The notification of a row.

    Raises:
        ValueError: it cannot be read.
    """
    content, alert = _content(row.content)
    return Notification(
        id=row.id,
        tenant=row.tenant,
        firing=row.firing,
        alarm=row.alarm,
        priority=Priority(row.lane),
        category=row.category,
        channels=_TEXTS.decode(row.channels),
        to=_TEXTS.decode(row.addresses),
        recipients=_TEXTS.decode(row.recipients),
        content=content,
        alert=alert,
        resend=bool(row.resend),
        traceparent=row.traceparent,
        metadata=row.metadata,
        status_url=row.status_url,
        send_time=int(row.send_time),
        state=NotificationState(row.state),
        detail=row.detail,
        cursor=ExpansionCursor.parse(row.cursor),
        epoch=int(row.epoch),
        created=int(row.created),
        updated=int(row.updated),
        incident=row.incident,
        urgent=bool(row.urgent),
    )


def _shown(row: Row[Any]) -> Notification:
    """The notification of a row as far as it can be read: what cannot is left out, for a page has others on it."""
    try:
        return _notification(row)
    except NOT_READABLE:
        return Notification(
            id=row.id,
            tenant=row.tenant,
            firing=row.firing,
            content=Content(""),
            state=known(NotificationState, row.state),
            detail=row.detail,
            send_time=row.send_time,
            created=row.created,
            updated=row.updated,
        )
