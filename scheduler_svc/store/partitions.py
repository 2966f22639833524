"""The ledger's partitions on PostgreSQL: one a month (UTC), and a default one, so that no row is ever without a place.

Only what is due now is written, so months to come are empty when they are made. What is due long ago, such as a backfill, or at a time
that no partition was made for, is in the default partition; its old rows are deleted in steps, like those of a database without any.

Locks (https://www.postgresql.org/docs/current/sql-altertable.html): attaching takes SHARE UPDATE EXCLUSIVE on the ledger, which stops
nobody, and ACCESS EXCLUSIVE on the default partition for as long as it is searched for rows that belong to the new one. CREATE TABLE ...
PARTITION OF would lock all of the ledger. DETACH ... CONCURRENTLY is refused beside a default partition, so an old month is emptied first,
under a lock of its own, and then dropped, when there is nothing left to do but to forget it. Every wait for a lock is short: who waits
for one makes others wait behind it. What did not succeed is tried again in the next round.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.store.tables import UNFINISHED
from tocsin.clock import from_micros, to_micros
from tocsin.database import Database
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_AHEAD: Final = 3
_NAME: Final = re.compile(r"firings_(\d{4})_(\d{2})")
_CHILDREN: Final = (
    "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'firings'::regclass ORDER BY 1"
)
_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.firings', 0))"
_PARTITIONED: Final = "SELECT relkind = 'p' FROM pg_class WHERE oid = 'firings'::regclass"
_MAKE_ROW: Final = "INSERT INTO counters (name, value) VALUES ('partitions', 0) ON CONFLICT DO NOTHING"
_ALONE_BY_ROW: Final = "SELECT true FROM counters WHERE name = 'partitions' FOR UPDATE SKIP LOCKED"
_UNFINISHED: Final = f"state IN {UNFINISHED}"
_ANY: Final = "true"
_LIMITS: Final = ("SET LOCAL lock_timeout = '300ms'", "SET LOCAL statement_timeout = '5s'")


class Month(NamedTuple):
    """A month, and the partition of what is due in it: from ``first``, inclusive, to ``end``, exclusive."""

    partition: str
    first: Micros
    end: Micros


def month_of(instant: Micros) -> Month:
    """The month of an instant."""
    first = from_micros(instant).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Month(f"firings_{first:%Y_%m}", to_micros(first), to_micros(_next(first)))


def _next(first: datetime) -> datetime:
    return (first + timedelta(days=32)).replace(day=1)


async def is_partitioned(database: Database) -> bool:
    """Whether the ledger was made in partitions, as it is unless the first start was told to do without them."""
    if database.dialect == "sqlite":
        return False
    async with database.read() as connection:
        return bool((await connection.exec_driver_sql(_PARTITIONED)).scalar_one())


async def make_ahead(database: Database, *, now: Micros) -> None:
    """Makes the partitions of this month and of those to come, as far as they are missing."""
    await _prepare(database)
    months = [month_of(now)]
    for _ in range(_AHEAD - 1):
        months.append(month_of(months[-1].end))
    async with database.read() as connection:
        there = await _partitions(connection)
    for month in months:
        if month.partition not in there:
            async with database.transaction() as connection:
                if await _alone(database, connection) and month.partition not in await _partitions(connection):
                    await _make(connection, month)


async def _make(connection: AsyncConnection, month: Month) -> None:
    bounds = f"due_at >= {month.first} AND due_at < {month.end}"
    if (await connection.exec_driver_sql(f"SELECT 1 FROM firings_default WHERE {bounds} LIMIT 1")).first() is not None:
        # Nothing is wrong with them there, and moving them would hold up whoever works on them.
        _log.warning("month stays in the default partition", partition=month.partition)
        return
    await connection.exec_driver_sql(f"CREATE TABLE {month.partition} (LIKE firings INCLUDING ALL)")
    await connection.exec_driver_sql(
        f"ALTER TABLE firings ATTACH PARTITION {month.partition} FOR VALUES FROM ({month.first}) TO ({month.end})"
    )


async def drop_before(database: Database, *, before: Micros, emptied: bool = False) -> int:
    """Drops the partitions whose last due time is before an instant and in which everything is finished; how many.

    With ``emptied`` those alone in which nothing is left: what was finished is taken out by somebody else.
    """
    async with database.read() as connection:
        old = [month for month in map(_month, await _partitions(connection)) if month is not None and month.end <= before]
    if old:
        await _prepare(database)
    dropped = 0
    for month in old:
        if await _empty(database, month, _ANY if emptied else _UNFINISHED):
            async with database.transaction() as connection:
                if await _alone(database, connection):
                    await connection.exec_driver_sql(f"DROP TABLE IF EXISTS {month.partition}")
                    dropped += 1
    return dropped


async def _empty(database: Database, month: Month, kept: str) -> bool:
    """Empties the partition, unless it has a row that is to be kept; whether it is empty now."""
    async with database.transaction() as connection:
        if not await _alone(database, connection) or month.partition not in await _partitions(connection):
            return False
        # A replay of a dead firing would make it unfinished; nobody can do that between the look and the end.
        await connection.exec_driver_sql(f"LOCK TABLE ONLY {month.partition} IN ACCESS EXCLUSIVE MODE")
        found = await connection.exec_driver_sql(f"SELECT 1 FROM {month.partition} WHERE {kept} LIMIT 1")
        if found.first() is not None:
            return False
        await connection.exec_driver_sql(f"TRUNCATE ONLY {month.partition}")
    return True


async def _prepare(database: Database) -> None:
    """Makes the row that `_alone` locks where advisory locks exclude nobody."""
    if not database.advisory_locks:
        async with database.transaction() as connection:
            await connection.exec_driver_sql(_MAKE_ROW)


async def _alone(database: Database, connection: AsyncConnection) -> bool:
    """Whether no other replica does this now; and from here on no statement of the transaction waits for long."""
    if not (await connection.exec_driver_sql(_ALONE if database.advisory_locks else _ALONE_BY_ROW)).scalar():
        return False
    for limit in _LIMITS:
        await connection.exec_driver_sql(limit)
    return True


async def _partitions(connection: AsyncConnection) -> Sequence[str]:
    return (await connection.exec_driver_sql(_CHILDREN)).scalars().all()


def _month(partition: str) -> Month | None:
    found = _NAME.fullmatch(partition)
    if found is None:
        return None
    return month_of(to_micros(from_micros(0).replace(year=int(found[1]), month=int(found[2]))))
