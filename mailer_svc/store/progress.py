"""Storing how sending goes: marks before the point of no return and outcomes after it, many in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import WAITING, Job, State
from mailer_svc.ports import Settlement
from mailer_svc.store.bulk import BulkInsert, Row
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.tables import contents, deliveries, events
from tocsin.clock import Clock
from tocsin.database import Database

_KEYS = tuple_(deliveries.c.id, deliveries.c.epoch)
_WAITING = deliveries.c.state.in_([int(state) for state in WAITING])
# An outcome that comes late corrects a guess, never another outcome.
_OPEN = deliveries.c.state.not_in([int(State.SENT), int(State.DEAD)])
_MARK = update(deliveries).where(_WAITING).values(state=int(State.SENDING), next_attempt=None).returning(deliveries.c.id)
_SENT = (
    update(deliveries)
    .where(_OPEN)
    .values(state=int(State.SENT), attempts=deliveries.c.attempts + 1, next_attempt=None, due=None, owner="")
    .returning(deliveries.c.id)
)
_SETTLE = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("row"), deliveries.c.epoch == bindparam("claim"), _OPEN)
    .values(
        state=bindparam("to_state"),
        attempts=bindparam("to_attempts"),
        deferrals=bindparam("to_deferrals"),
        updated=bindparam("at"),
        next_attempt=bindparam("next"),
        due=bindparam("next"),
        owner="",
    )
    .returning(deliveries.c.id)
)
_FORGET_FROM = 500


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
        self._sent: list[str] = []

    async def store(self, items: Sequence[Progress]) -> list[bool]:
        """Stores ``items`` in one transaction; False for one whose delivery is no longer its claimant's."""
        now = self._clock.micros()
        marks = [item for item in items if isinstance(item, Mark)]
        outcomes = [item for item in items if isinstance(item, Settlement)]
        async with self._database.transaction() as connection:
            marked = await self._update(connection, _MARK, marks, now)
            settled = await self._update(connection, _SENT, [item for item in outcomes if item.step.state is State.SENT], now)
            for item in outcomes:
                if item.step.state is not State.SENT:
                    settled.update((await connection.execute(_SETTLE, _settle_row(item, now))).scalars())
            kept = [item.job.id in (marked if isinstance(item, Mark) else settled) for item in items]
            await self._log(connection, [item for item, good in zip(items, kept, strict=True) if good], now)
        self._sent.extend(item.job.id for item in outcomes if item.step.state is State.SENT and item.job.id in settled)
        return kept

    async def forget(self, *, everything: bool = False) -> None:
        """Removes the bodies of mails that were sent, many at a time."""
        if not self._sent or (len(self._sent) < _FORGET_FROM and not everything):
            return
        sent, self._sent = self._sent, []
        async with self._database.transaction() as connection:
            await connection.execute(delete(contents).where(contents.c.delivery.in_(sent)))

    async def _update(self, connection: AsyncConnection, statement: Any, items: Sequence[Progress], now: int) -> set[str]:
        if not items:
            return set()
        keys = [(item.job.id, item.job.epoch) for item in items]
        return set((await connection.execute(statement.where(_KEYS.in_(keys)).values(updated=now))).scalars())

    async def _log(self, connection: AsyncConnection, items: Sequence[Progress], now: int) -> None:
        if items:
            change = await self._order.begin(connection)
            await self._events.insert(connection, [_event_row(item, change, number, now) for number, item in enumerate(items)])


def _next(item: Settlement, now: int) -> int | None:
    return None if item.step.wait is None else now + round(item.step.wait * 1e6)


def _settle_row(item: Settlement, now: int) -> dict[str, Any]:
    return {
        "row": item.job.id,
        "claim": item.job.epoch,
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
