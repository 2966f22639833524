"""Storing how sending goes: marks before the point of no return and outcomes after it, many in one transaction.

On PostgreSQL that transaction is one statement, and so one round trip; on SQLite it is done in the database's thread, with one wait.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    delete,
    insert,
    literal_column,
    or_,
    select,
    true,
    update,
)

from mailer_svc.domain import WAITING, DeliveryState, SendJob
from mailer_svc.ports import Settlement
from mailer_svc.store.bulk import Row, Rows
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.tables import changes, contents, deliveries, events, reports
from tocsin.clock import Clock
from tocsin.database import Database, DriverStatement, insert_ignore, storable

_SENDING = int(DeliveryState.SENDING)
_SETTLED = [int(state) for state in (*WAITING, DeliveryState.SENDING, DeliveryState.OUTCOME_UNKNOWN)]
_COLUMNS = {
    "id": Text,
    "epoch": Integer,
    "place": Integer,
    "state": Integer,
    "attempts": Integer,
    "deferrals": Integer,
    "at": BigInteger,
    "next": BigInteger,
    "reference": Text,
    "address": Text,
    "tenant": Text,
    "told_attempts": Integer,
    "provider": Text,
    "code": Integer,
    "detail": Text,
    "unexpected": Boolean,
}
_EVENT = ("place", "id", "tenant", "at", "state", "told_attempts", "next", "provider", "code", "detail")
"""What of them the columns of ``events`` are behind the first."""
_FORGET_FROM = 500


@dataclass(frozen=True, slots=True)
class Mark:
    """The point of no return of one job."""

    job: SendJob
    provider: str


Progress = Mark | Settlement


class ProgressLog:
    """Stores marks and outcomes, if the claim that they come from is still the newest."""

    def __init__(self, *, database: Database, clock: Clock, order: ChangeOrder) -> None:
        self._database = database
        self._clock = clock
        self._write = _OnSqlite(database, order) if database.dialect == "sqlite" else _OnPostgres(database, order)
        self._bodies = Rows({"delivery": Text}, sqlite=database.dialect == "sqlite")
        self._forget = delete(contents).where(contents.c.delivery.in_(select(self._bodies.columns["delivery"])))
        self._sent: list[str] = []

    async def store(self, items: Sequence[Progress]) -> list[bool]:
        """Stores ``items`` in one transaction; False for one whose delivery is no longer its claimant's."""
        now = self._clock.micros()
        # In the order of the ids, so that two replicas do not wait for each other's rows.
        rows = sorted(_row(item, place, now) for place, item in enumerate(items))
        kept = await self._write(rows, urgent=any(item.job.urgent for item in items))
        self._sent += [
            item.job.id
            for place, item in enumerate(items)
            if isinstance(item, Settlement) and item.step.state is DeliveryState.SENT and place in kept
        ]
        return [place in kept for place in range(len(items))]

    async def forget(self, *, everything: bool = False) -> None:
        """Removes the bodies of mails that were sent, many at a time."""
        if not self._sent or (len(self._sent) < _FORGET_FROM and not everything):
            return
        sent, self._sent = self._sent, []
        async with self._database.statement() as connection:
            await connection.execute(self._forget, self._bodies.bind([(identity,) for identity in sent]))


class _OnPostgres:
    """All in one statement: what follows the update builds on what it gives, for a row may have changed while the update waited for it."""

    def __init__(self, database: Database, order: ChangeOrder) -> None:
        self._database, self._order = database, order
        self._rows = rows = Rows(_COLUMNS, sqlite=False)
        kept = _update(rows).returning(*_event(rows), rows.columns["unexpected"], deliveries.c.firing).cte("kept")
        change = order.of_statement
        entries = select(change, *list(kept.c)[: len(_EVENT)]).join_from(kept, changes, true())
        logged = insert(events).from_select(list(events.c), entries).cte("logged")
        ended = select(kept.c.id, change).join_from(kept, changes, true()).where(kept.c.unexpected, kept.c.firing != "")
        noted = insert_ignore(reports).from_select(list(reports.c), ended).cte("noted")
        self._statement = select(kept.c.place).add_cte(logged, noted)

    async def __call__(self, rows: Sequence[Row], *, urgent: bool) -> set[int]:
        """Stores rows; the places of those that were kept."""
        del urgent  # nobody waits for another here
        if self._order.counts:
            async with self._database.transaction() as connection:
                await self._order.begin(connection)
                return set(await connection.scalars(self._statement, self._rows.bind(rows)))
        async with self._database.statement() as connection:
            return set(await connection.scalars(self._statement, self._rows.bind(rows)))


class _OnSqlite:
    """One writes at a time, so what stands at the first statement stands at the last."""

    def __init__(self, database: Database, order: ChangeOrder) -> None:
        self._database, self._order = database, order
        self._rows = rows = Rows(_COLUMNS, sqlite=True)
        change = bindparam("change", type_=BigInteger)
        stands = rows.columns["id"].table, and_(*_stands(rows))
        logged = insert(events).from_select(list(events.c), select(change, *_event(rows)).join_from(deliveries, *stands))
        told = rows.columns["unexpected"], deliveries.c.firing != ""
        ended = select(deliveries.c.id, change).join_from(deliveries, *stands).where(*told)
        self._log = DriverStatement(logged.returning(events.c.number))
        self._note = DriverStatement(insert_ignore(reports).from_select(list(reports.c), ended))
        self._update = DriverStatement(_update(rows))

    async def __call__(self, rows: Sequence[Row], *, urgent: bool) -> set[int]:
        """Stores rows; the places of those that were kept."""
        return await self._database.in_thread(partial(self._store, rows), urgent=urgent)

    def _store(self, rows: Sequence[Row], driver: sqlite3.Connection) -> set[int]:
        given = {**self._rows.bind(rows), "change": self._order.begin_in_thread(driver)}
        kept = {place for (place,) in self._log.run(driver, given)}
        self._note.run(driver, given)
        self._update.run(driver, given)
        return kept


def _stands(rows: Rows) -> Sequence[ColumnElement[bool]]:
    """Whether a row's claim stands: a mark needs a waiting delivery; a late outcome corrects a guess."""
    new = rows.columns
    marks = new["state"] == _SENDING
    waiting, settled = (deliveries.c.state.in_([literal_column(str(int(state))) for state in states]) for states in (WAITING, _SETTLED))
    return (deliveries.c.id == new["id"], deliveries.c.epoch == new["epoch"], or_(and_(marks, waiting), and_(~marks, settled)))


def _update(rows: Rows) -> Any:
    """One statement for marks and outcomes: a mark keeps its claim."""
    new = rows.columns
    marks = new["state"] == _SENDING
    return (
        update(deliveries)
        .where(*_stands(rows))
        .values(
            state=new["state"],
            attempts=new["attempts"],
            deferrals=new["deferrals"],
            updated=new["at"],
            next_attempt=new["next"],
            due=case((marks, deliveries.c.due), else_=new["next"]),
            owner=case((marks, deliveries.c.owner), else_=""),
            reference=case((new["reference"] == "", deliveries.c.reference), else_=new["reference"]),
            recipient=case((new["address"] == "", deliveries.c.recipient), else_=new["address"]),
        )
    )


def _event(rows: Rows) -> Sequence[ColumnElement[Any]]:
    """The columns of ``events`` behind the first."""
    return [rows.columns[name] for name in _EVENT]


def _unexpected(item: Settlement) -> bool:
    """Whether it is to be told: that a message is sent is taken for granted, unless it was told before that it was not."""
    again = item.job.since != item.job.created
    return item.step.state in (DeliveryState.DEAD, DeliveryState.OUTCOME_UNKNOWN) or (again and item.step.state is DeliveryState.SENT)


def _row(item: Progress, place: int, now: int) -> Row:
    """A row of `_COLUMNS`."""
    job = item.job
    if isinstance(item, Mark):
        same = (job.id, job.epoch, place, _SENDING, job.attempts, job.deferrals, now, None, "", "")
        return (*same, job.tenant, job.attempts + 1, item.provider, 0, "", False)
    step = item.step
    following = None if step.wait is None else now + round(step.wait * 1e6)
    new = (job.id, job.epoch, place, int(step.state), step.attempts, step.deferrals, now, following)
    said = (storable(step.reference), storable(step.new_address))
    return (*new, *said, job.tenant, step.attempts, item.provider, step.code, storable(step.detail), _unexpected(item))
