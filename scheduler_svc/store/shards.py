"""Shards, their leases, and the replicas that share them.

No statement here waits for a transaction of another replica, which may be frozen: rows that it has locked are left for the next time, and
the server ends a transaction that stands still for as long as a lease (`tocsin.database.Database`).
"""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.ports import Held, Replica, ShardOwner
from scheduler_svc.store.sql import Statement, both, is_sqlite
from scheduler_svc.store.tables import UNFINISHED
from tocsin.clock import DAY, SECOND, Clock
from tocsin.database import Database
from tocsin.priority import Priority
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_NOW: Final = Statement(
    sqlite=f"SELECT CAST((julianday('now') - 2440587.5) * {DAY} AS INTEGER)",
    postgresql=f"SELECT (extract(epoch FROM clock_timestamp()) * {SECOND})::bigint",
)
_REGISTER: Final = both(
    "INSERT INTO replicas (owner, address, started_at, lease_until, lock_key) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (owner) DO UPDATE SET lease_until = excluded.lease_until, lock_key = excluded.lock_key"
)
_RENEW: Final = both("UPDATE shards SET lease_until = $2 WHERE owner = $1 RETURNING shard, epoch")
# The lock of a replica is held on a connection of its own; whoever can share it sees that the connection has ended.
_REPLICAS: Final = Statement(
    sqlite="SELECT owner, address, started_at, lease_until, 0 FROM replicas ORDER BY owner",
    postgresql=(
        "SELECT owner, address, started_at, lease_until, coalesce(pg_try_advisory_xact_lock_shared(lock_key), false) "
        "FROM replicas ORDER BY owner"
    ),
)
# Where locks exclude nobody, or there are none, a lease alone tells who is gone.
_REPLICAS_BY_LEASE: Final = both("SELECT owner, address, started_at, lease_until, false FROM replicas ORDER BY owner")
_BURY: Final = Statement(
    sqlite=(
        "DELETE FROM replicas WHERE owner <> ?2 AND (lease_until <= ?1 OR (owner, lease_until) IN "
        "(SELECT o.value, u.value FROM json_each(?3) AS o JOIN json_each(?4) AS u ON o.key = u.key)) RETURNING owner"
    ),
    postgresql=(
        "DELETE FROM replicas WHERE owner IN (SELECT owner FROM replicas WHERE owner <> $2 AND (lease_until <= $1 OR (owner, lease_until) "
        "IN (SELECT * FROM unnest($3::text[], $4::bigint[]))) FOR UPDATE SKIP LOCKED) RETURNING owner"
    ),
)
_FREE: Final = Statement(
    sqlite="UPDATE shards SET owner = '', lease_until = 0 WHERE owner IN (SELECT value FROM json_each(?1))",
    postgresql=(
        "UPDATE shards SET owner = '', lease_until = 0 WHERE shard IN "
        "(SELECT shard FROM shards WHERE owner = ANY($1::text[]) FOR NO KEY UPDATE SKIP LOCKED)"
    ),
)
# The lock conflicts with that of a firing transaction, so that a takeover comes after it.
_FIND: Final = Statement(
    sqlite="SELECT shard FROM shards WHERE (owner = '' OR lease_until <= ?1 OR ?2) AND owner <> ?3 ORDER BY shard LIMIT ?4",
    postgresql=(
        "SELECT shard FROM shards WHERE (owner = '' OR lease_until <= $1 OR $2) AND owner <> $3 ORDER BY shard LIMIT $4 "
        "FOR UPDATE SKIP LOCKED"
    ),
)
_TAKE: Final = Statement(
    sqlite=(
        "UPDATE shards SET owner = ?1, epoch = epoch + 1, lease_until = ?2 WHERE shard IN (SELECT value FROM json_each(?3)) "
        "RETURNING shard, epoch"
    ),
    postgresql=(
        "UPDATE shards SET owner = $1, epoch = epoch + 1, lease_until = $2 WHERE shard = ANY($3::smallint[]) RETURNING shard, epoch"
    ),
)
_UNKNOWN: Final = " OR ".join(
    (
        f"priority < {min(Priority):d}",
        f"priority > {max(Priority):d}",
        *(f"(priority > {one:d} AND priority < {other:d})" for one, other in pairwise(sorted(Priority))),
    )
)
# As `tocsin.priority.nearest`, once for all that wait: they are read by their priorities, and nobody reads one that no version knows.
_MEND: Final = Statement(
    sqlite=(
        f"UPDATE firings SET priority = {Priority.NORMAL:d} WHERE state IN {UNFINISHED} AND ({_UNKNOWN}) "
        "AND shard IN (SELECT value FROM json_each(?1)) RETURNING id"
    ),
    postgresql=(
        f"UPDATE firings SET priority = {Priority.NORMAL:d} WHERE (id, due_at) IN (SELECT id, due_at FROM firings "
        f"WHERE state IN {UNFINISHED} AND ({_UNKNOWN}) AND shard = ANY($1::smallint[]) FOR UPDATE SKIP LOCKED) RETURNING id"
    ),
)
_GIVE_BACK: Final = Statement(
    sqlite="UPDATE shards SET owner = '', lease_until = 0 WHERE owner = ?1 AND shard IN (SELECT value FROM json_each(?2))",
    postgresql="UPDATE shards SET owner = '', lease_until = 0 WHERE owner = $1 AND shard = ANY($2::smallint[])",
)
_RELEASE: Final = both("UPDATE shards SET owner = '', lease_until = 0 WHERE owner = $1")
_LEAVE: Final = both("DELETE FROM replicas WHERE owner = $1")
_OWNERS: Final = both("SELECT shard, owner, epoch, lease_until FROM shards ORDER BY shard")


class SqlShardStore:
    """Who owns which shard, and who takes part: implements `scheduler_svc.ports.ShardStore`."""

    def __init__(self, database: Database, *, clock: Clock | None = None) -> None:
        """Works on ``database``.

        Args:
            database: where the leases are.
            clock: decides when a lease is over; None: the clock of the database, which is the same for all replicas.
        """
        self._database = database
        self._clock = clock

    async def renew(self, owner: str, *, lease: Micros, address: str = "", lock: int | None = None) -> Held:
        async with self._database.transaction() as connection:
            now = await self._now(connection)
            await _REGISTER.run(connection, owner, address, now, now + lease, lock)
            rows = await _RENEW.rows(connection, owner, now + lease)
        return {row[0]: row[1] for row in rows}

    async def acquire(self, owner: str, *, lease: Micros, most: int, dead: Mapping[str, Micros], steal: bool) -> Held:
        async with self._database.transaction() as connection:
            now = await self._now(connection)
            buried = await _BURY.rows(connection, now, owner, list(dead), list(dead.values()))
            if buried:
                await _FREE.run(connection, [row[0] for row in buried])
            free = await _FIND.rows(connection, now, int(steal) if is_sqlite(connection) else steal, owner, most)
            if not free:
                return {}
            taken = await _TAKE.rows(connection, owner, now + lease, [row[0] for row in free])
            if mended := await _MEND.rows(connection, [row[0] for row in taken]):
                _log.warning("firings of unknown priority wait as normal ones", firings=len(mended), first=str(mended[0][0])[:40])
        return {row[0]: row[1] for row in taken}

    async def give_back(self, owner: str, shards: Collection[int]) -> None:
        async with self._database.transaction() as connection:
            await _GIVE_BACK.run(connection, owner, sorted(shards))

    async def release(self, owner: str) -> None:
        async with self._database.transaction() as connection:
            await _LEAVE.run(connection, owner)
            await _RELEASE.run(connection, owner)

    async def replicas(self) -> list[Replica]:
        async with self._database.read() as connection:
            now = await self._now(connection)
            rows = await (_REPLICAS if self._by_locks else _REPLICAS_BY_LEASE).rows(connection)
        return [Replica(owner, address, started, until, until > now, bool(gone)) for owner, address, started, until, gone in rows]

    @property
    def _by_locks(self) -> bool:
        return self._database.dialect == "sqlite" or self._database.advisory_locks

    async def time(self) -> Micros:
        async with self._database.read() as connection:
            return await self._now(connection)

    async def owners(self) -> list[ShardOwner]:
        async with self._database.read() as connection:
            rows = await _OWNERS.rows(connection)
        return [ShardOwner(*row) for row in rows]

    async def _now(self, connection: AsyncConnection) -> Micros:
        if self._clock is not None:
            return self._clock.micros()
        return (await _NOW.rows(connection))[0][0]
