"""Failures in a row: alarms that pause themselves when too many of their firings have failed for good."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import AUTO_PAUSE, AlarmState, FiringState
from scheduler_svc.ports import Paused
from scheduler_svc.store.sql import CHANGE, Statement
from scheduler_svc.store.tables import alarms
from tocsin.recurrence import Micros

_ENDED: Final = Statement(
    sqlite=(
        "SELECT alarm, state FROM firings WHERE id IN (SELECT value FROM json_each(?1)) AND due_at BETWEEN ?2 AND ?3 "  # noqa: S608  constants
        f"AND (flags & 2) = 2 AND state IN (3, 4) AND change_no = {CHANGE.sqlite}"
    ),
    postgresql=(
        "SELECT alarm, state FROM firings WHERE id = ANY($1::text[]) AND due_at BETWEEN $2 AND $3 "  # noqa: S608  constants
        f"AND (flags & 2) = 2 AND state IN (3, 4) AND change_no = {CHANGE.postgresql}"
    ),
)
# Locks in the same order as every other transaction, before anything is changed in another one.
_LOCK: Final = Statement(
    sqlite="SELECT id FROM alarms WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT id FROM alarms WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE",
)
_FINE: Final = Statement(
    sqlite="UPDATE alarms SET failures = 0 WHERE id IN (SELECT value FROM json_each(?1)) AND failures > 0",
    postgresql="UPDATE alarms SET failures = 0 WHERE id = ANY($1::text[]) AND failures > 0",
)
_FAILED: Final = Statement(
    sqlite="UPDATE alarms SET failures = failures + ?2 WHERE id = ?1",
    postgresql=(
        "UPDATE alarms SET failures = failures + v.more FROM unnest($1::text[], $2::integer[]) AS v(alarm, more) WHERE alarms.id = v.alarm"
    ),
)


async def count_failures(connection: AsyncConnection, firings: Sequence[str], *, dues: Mapping[str, Micros], now: Micros) -> list[Paused]:
    """Counts those of the firings that the current transaction has brought to an end; the alarms that it has paused for it.

    A success begins the count anew. Of what ended in one transaction the successes count first: an alarm is rather paused too early than
    never.
    """
    times = [dues[firing] for firing in firings]
    ended = await _ENDED.rows(connection, list(firings), min(times), max(times))
    fine = sorted({alarm for alarm, state in ended if state == FiringState.SUCCEEDED})
    failed = Counter(alarm for alarm, state in ended if state == FiringState.DEAD)
    if ended:
        await _LOCK.rows(connection, sorted({*fine, *failed}))
        await _FINE.run(connection, fine)
        await _FAILED.many(connection, sorted(failed.items()))
    return await _pause(connection, list(failed), now) if failed else []


async def _pause(connection: AsyncConnection, suspects: Sequence[str], now: Micros) -> list[Paused]:
    query = (
        update(alarms)
        .where(
            alarms.c.id.in_(suspects),
            alarms.c.state == AlarmState.ACTIVE,
            alarms.c.auto_pause_after > 0,
            alarms.c.failures >= alarms.c.auto_pause_after,
        )
        .values(state=AlarmState.PAUSED, pause_reason=AUTO_PAUSE, updated_at=now, version=alarms.c.version + 1)
        .returning(alarms.c.id, alarms.c.shard, alarms.c.priority)
    )
    return [Paused(*row) for row in await connection.execute(query)]
