"""Storing how sending goes: marks before the point of no return and outcomes after it, many in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Text, and_, case, delete, or_, update

from mailer_svc.domain import WAITING, DeliveryState, SendJob
from mailer_svc.ports import Settlement
from mailer_svc.store.bulk import BulkInsert, Row, Rows
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.reports import note
from mailer_svc.store.tables import contents, deliveries, events
from tocsin.clock import Clock
from tocsin.database import Database, storable

_SENDING = int(DeliveryState.SENDING)
_SETTLED = [int(state) for state in (*WAITING, DeliveryState.SENDING, DeliveryState.OUTCOME_UNKNOWN)]
_COLUMNS = {
    "id": Text,
    "epoch": Integer,
    "state": Integer,
    "attempts": Integer,
    "deferrals": Integer,
    "at": BigInteger,
    "next": BigInteger,
    "reference": Text,
    "address": Text,
}
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
        sqlite = database.dialect == "sqlite"
        self._database = database
        self._clock = clock
        self._order = order
        self._events = BulkInsert(events, sqlite=sqlite)
        self._rows = Rows(_COLUMNS, sqlite=sqlite)
        self._update = _update(self._rows)
        self._sent: list[str] = []

    async def store(self, items: Sequence[Progress]) -> list[bool]:
        """Stores ``items`` in one transaction; False for one whose delivery is no longer its claimant's."""
        now = self._clock.micros()
        # In the order of the ids, so that two replicas do not wait for each other's rows.
        rows = sorted(_row(item, now) for item in items)
        async with self._database.transaction() as connection:
            kept = {(row.id, row.epoch) for row in await connection.execute(self._update, self._rows.bind(rows))}
            good = [item for item in items if _key(item) in kept]
            if good:
                change = await self._order.begin(connection)
                await self._events.insert(connection, [_event_row(item, change, number, now) for number, item in enumerate(good)])
                await note(connection, [item.job.id for item in good if _unexpected(item)], change)
        self._sent += [item.job.id for item in good if isinstance(item, Settlement) and item.step.state is DeliveryState.SENT]
        return [_key(item) in kept for item in items]

    async def forget(self, *, everything: bool = False) -> None:
        """Removes the bodies of mails that were sent, many at a time."""
        if not self._sent or (len(self._sent) < _FORGET_FROM and not everything):
            return
        sent, self._sent = self._sent, []
        async with self._database.transaction() as connection:
            await connection.execute(delete(contents).where(contents.c.delivery.in_(sent)))


def _update(rows: Rows) -> Any:
    """One statement for marks and outcomes: a mark keeps its claim and needs a waiting delivery; a late outcome corrects a guess."""
    new = rows.columns
    marks = new["state"] == _SENDING
    waiting = deliveries.c.state.in_([int(state) for state in WAITING])
    stands: ColumnElement[bool] = or_(and_(marks, waiting), and_(~marks, deliveries.c.state.in_(_SETTLED)))
    return (
        update(deliveries)
        .where(deliveries.c.id == new["id"], deliveries.c.epoch == new["epoch"], stands)
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
        .returning(deliveries.c.id, deliveries.c.epoch)
    )


def _unexpected(item: Progress) -> bool:
    """Whether it is to be told: that a message is sent is taken for granted, unless it was told before that it was not."""
    if isinstance(item, Mark):
        return False
    again = item.job.since != item.job.created
    return item.step.state in (DeliveryState.DEAD, DeliveryState.OUTCOME_UNKNOWN) or (again and item.step.state is DeliveryState.SENT)


def _key(item: Progress) -> tuple[str, int]:
    return item.job.id, item.job.epoch


def _row(item: Progress, now: int) -> Row:
    """A row of `_COLUMNS`."""
    job = item.job
    if isinstance(item, Mark):
        return (job.id, job.epoch, _SENDING, job.attempts, job.deferrals, now, None, "", "")
    step = item.step
    return (
        job.id,
        job.epoch,
        int(step.state),
        step.attempts,
        step.deferrals,
        now,
        _next(item, now),
        storable(step.reference),
        storable(step.new_address),
    )


def _next(item: Settlement, now: int) -> int | None:
    return None if item.step.wait is None else now + round(item.step.wait * 1e6)


def _event_row(item: Progress, change: int, number: int, now: int) -> Row:
    """A row of ``events``."""
    job = item.job
    if isinstance(item, Mark):
        return (change, number, job.id, job.tenant, now, _SENDING, job.attempts + 1, None, item.provider, 0, "")
    step = item.step
    following = _next(item, now)
    said = (item.provider, step.code, storable(step.detail))
    return (change, number, job.id, job.tenant, now, int(step.state), step.attempts, following, *said)
