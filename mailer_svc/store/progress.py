"""Storing how sending goes: marks before the point of no return and outcomes after it, many in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import WAITING, Job, State
from mailer_svc.ports import Settlement
from mailer_svc.store.bulk import BulkInsert, Row
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.tables import contents, deliveries, events
from tocsin.clock import Clock
from tocsin.database import Database

_MARK = update(deliveries).values(state=int(State.SENDING), next_attempt=None)
_SENT = update(deliveries).values(state=int(State.SENT), attempts=deliveries.c.attempts + 1, next_attempt=None, due=None, owner="")
_SETTLE = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("row"))
    .values(
        state=bindparam("to_state"),
        attempts=bindparam("to_attempts"),
        deferrals=bindparam("to_deferrals"),
        updated=bindparam("at"),
        next_attempt=bindparam("next"),
        due=bindparam("next"),
        owner="",
    )
)
_CLOSED = (State.SENT, State.DEAD)


@dataclass(frozen=True, slots=True)
class Mark:
    """The point of no return of one job."""

    job: Job
    provider: str


Progress = Mark | Settlement


class ProgressLog:
    """Stores marks and outcomes, if the claim that they come from is still the newest."""

    def __init__(self, *, database: Database, clock: Clock, order: ChangeOrder) -> None:
        self._database = database
        self._clock = clock
        self._order = order
        self._events = BulkInsert(events, sqlite=database.dialect == "sqlite")

    async def store(self, items: Sequence[Progress]) -> list[bool]:
        """Stores ``items`` in one transaction; False for one whose delivery is no longer its claimant's."""
        now = self._clock.micros()
        async with self._database.transaction() as connection:
            states = await self._states(connection, {item.job.id for item in items})
            good = [_stands(item, states.get(item.job.id)) for item in items]
            await self._write(connection, [item for item, stands in zip(items, good, strict=True) if stands], now)
        return good

    async def _states(self, connection: AsyncConnection, ids: set[str]) -> dict[str, tuple[int, int]]:
        query = select(deliveries.c.id, deliveries.c.epoch, deliveries.c.state).where(deliveries.c.id.in_(ids)).order_by(deliveries.c.id)
        return {row.id: (row.epoch, row.state) for row in await connection.execute(query.with_for_update())}

    async def _write(self, connection: AsyncConnection, items: Sequence[Progress], now: int) -> None:
        # In the order of the ids, so that two replicas never wait for each other's rows.
        items = sorted(items, key=lambda item: item.job.id)
        marks = [item.job.id for item in items if isinstance(item, Mark)]
        outcomes = [item for item in items if isinstance(item, Settlement)]
        sent = [item.job.id for item in outcomes if item.step.state is State.SENT]
        others = [_settle_row(item, now) for item in outcomes if item.step.state is not State.SENT]
        if marks:
            await connection.execute(_MARK.where(deliveries.c.id.in_(marks)).values(updated=now))
        if sent:
            await connection.execute(_SENT.where(deliveries.c.id.in_(sent)).values(updated=now))
            await connection.execute(delete(contents).where(contents.c.delivery.in_(sent)))
        if others:
            await connection.execute(_SETTLE, others)
        if items:
            change = await self._order.begin(connection)
            await self._events.insert(connection, [_event_row(item, change, number, now) for number, item in enumerate(items)])


def _stands(item: Progress, found: tuple[int, int] | None) -> bool:
    """Whether the row is still as this claim left it. An outcome that comes late corrects a guess, never another outcome."""
    if found is None or found[0] != item.job.epoch:
        return False
    return found[1] in WAITING if isinstance(item, Mark) else found[1] not in _CLOSED


def _next(item: Settlement, now: int) -> int | None:
    return None if item.step.wait is None else now + round(item.step.wait * 1e6)


def _settle_row(item: Settlement, now: int) -> dict[str, Any]:
    return {
        "row": item.job.id,
        "to_state": int(item.step.state),
        "to_attempts": item.step.attempts,
        "to_deferrals": item.step.deferrals,
        "at": now,
        "next": _next(item, now),
    }


def _event_row(item: Progress, change: int, number: int, now: int) -> Row:
    """A row of ``events``."""
    job = item.job
    if isinstance(item, Mark):
        return (change, number, job.id, job.tenant, now, int(State.SENDING), job.attempts + 1, None, item.provider, 0, "")
    step = item.step
    following = _next(item, now)
    return (change, number, job.id, job.tenant, now, int(step.state), step.attempts, following, item.provider, step.code, step.detail)
