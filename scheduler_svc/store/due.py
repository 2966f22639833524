"""The firing transaction and what feeds it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.ports import Due, Fired, Held, Pending, Planner
from scheduler_svc.store.firing import Batch, read_due
from scheduler_svc.store.locks import owned
from scheduler_svc.store.sql import Statement, begin_change, join_by_index, not_of
from scheduler_svc.store.tables import ACTIVE, CRITICAL
from scheduler_svc.store.triggered import TriggeredFirings, trigger_signals
from tocsin.database import ConstraintBroken, Database
from tocsin.recurrence import Micros

_EVERYBODY: Final = Statement(sqlite="", postgresql="")
_OTHERS: Final = not_of(6)


def _due(condition: str, without: Statement = _EVERYBODY) -> Statement:
    """What is due, in order. The condition is literal, so that a partial index is seen to fit."""
    fields = "SELECT id, next_fire_at, priority, shard, tenant FROM alarms WHERE"
    return Statement(
        sqlite=(
            f"{fields} {condition} AND next_fire_at <= ?1 AND (next_fire_at, id) > (?2, ?3) "
            f"AND shard IN (SELECT value FROM json_each(?4)) {without.sqlite} ORDER BY next_fire_at, id LIMIT ?5"
        ),
        postgresql=(
            f"{fields} {condition} AND next_fire_at <= $1 AND (next_fire_at, id) > ($2::bigint, $3::text) "
            f"AND shard = ANY($4::smallint[]) {without.postgresql} ORDER BY next_fire_at, id LIMIT $5"
        ),
    )


_ACTIVE: Final = f"state = {ACTIVE}"
_DUE: Final = {False: _due(_ACTIVE), True: _due(CRITICAL)}
_DUE_OF_OTHERS: Final = {False: _due(_ACTIVE, _OTHERS), True: _due(CRITICAL, _OTHERS)}
_OLDEST: Final = Statement(
    sqlite=(
        f"SELECT next_fire_at FROM alarms WHERE state = {ACTIVE} AND next_fire_at <= ?1 AND shard IN (SELECT value FROM json_each(?2)) "
        "ORDER BY next_fire_at, id LIMIT 1"
    ),
    postgresql=(
        f"SELECT next_fire_at FROM alarms WHERE state = {ACTIVE} AND next_fire_at <= $1 AND shard = ANY($2::smallint[]) "
        "ORDER BY next_fire_at, id LIMIT 1"
    ),
)
# So few are looked up by index anyway; the round trip would cost more than it can save.
_FEW: Final = 50


class SqlDueStore:
    """Alarms by due time, and their firing: implements `scheduler_svc.ports.DueStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(
        self,
        shards: Collection[int],
        *,
        after: tuple[Micros, str],
        until: Micros,
        most: int,
        urgent: bool = False,
        without: Sequence[str] = (),
    ) -> list[Pending]:
        values = (until, *after, sorted(shards), most)
        async with self._database.read() as connection:
            if without:
                rows = await _DUE_OF_OTHERS[urgent].rows(connection, *values, list(without))
            else:
                rows = await _DUE[urgent].rows(connection, *values)
        return list(map(Pending._make, rows))

    async def oldest_overdue(self, shards: Collection[int], *, now: Micros) -> Micros | None:
        async with self._database.read() as connection:
            rows = await _OLDEST.rows(connection, now, sorted(shards))
        return rows[0][0] if rows else None

    async def fire(self, batch: Sequence[tuple[str, Micros]], *, owner: str, held: Held, now: Micros, most: int, planner: Planner) -> Fired:
        planned = partial(_planned, batch=dict(batch), now=now, most=most, planner=planner)
        if self._database.dialect == "sqlite":
            async with self._database.transaction() as connection:
                alarms = await read_due(connection, batch)
                return await _write(connection, planned(alarms), alarms, owner=owner, held=held, now=now, retry=True)
        async with self._database.read() as connection:
            alarms = await read_due(connection, batch)
        if not alarms:
            return Fired()
        try:
            async with self._database.transaction() as connection:
                return await _write(connection, planned(alarms), alarms, owner=owner, held=held, now=now, retry=False)
        except ConstraintBroken:
            async with self._database.transaction() as connection:
                return await _write(connection, planned(alarms), alarms, owner=owner, held=held, now=now, retry=True)


def _planned(alarms: Iterable[Due], *, batch: Mapping[str, Micros], now: Micros, most: int, planner: Planner) -> Batch:
    work = Batch(now=now, most=most, planner=planner)
    for alarm in alarms:
        work.take(alarm, batch[alarm.id])
    return work


async def _write(
    connection: AsyncConnection, work: Batch, alarms: Sequence[Due], *, owner: str, held: Held, now: Micros, retry: bool
) -> Fired:
    wanted = {alarm.shard for alarm in alarms}
    lost = wanted - await owned(connection, owner=owner, held=held, wanted=wanted)
    if lost:
        work.fired.lost = lost
        work.leave_out({alarm.id for alarm in alarms if alarm.shard in lost})
    await begin_change(connection)
    await work.lock_signals(connection)
    if len(alarms) > _FEW:
        await join_by_index(connection)
    await work.write(connection, retry=retry)
    if work.raised:
        triggered = TriggeredFirings(owner=owner, held=held, now=now)
        await trigger_signals(connection, triggered, work.raised)
        await triggered.write(connection)
        work.add_raised(triggered.firings)
    return work.fired
