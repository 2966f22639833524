"""Shards and their leases: the implementation of `scheduler_svc.ports.ShardStore`."""

from typing import Final

from scheduler_svc.ports import Held
from scheduler_svc.recurrence import Micros
from scheduler_svc.store.sql import Statement, both, is_sqlite
from tocsin.database import Database

# The lock conflicts with that of a firing transaction: a takeover waits for those that run. It also waits for another takeover, and
# then sees that the shard is not free any more.
_FREE: Final = Statement(
    sqlite="SELECT shard FROM shards WHERE (owner = '' OR lease_until <= ?1 OR ?2) AND owner <> ?3",
    postgresql=("SELECT shard FROM shards WHERE (owner = '' OR lease_until <= $1 OR $2) AND owner <> $3 ORDER BY shard FOR UPDATE"),
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
_RENEW: Final = both("UPDATE shards SET lease_until = $2 WHERE owner = $1 RETURNING shard, epoch")
_RELEASE: Final = both("UPDATE shards SET owner = '', lease_until = 0 WHERE owner = $1")


class SqlShardStore:
    """Who owns which shard."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, owner: str, *, now: Micros, until: Micros, steal: bool) -> Held:
        """See `scheduler_svc.ports.ShardStore`."""
        async with self._database.transaction() as connection:
            free = await _FREE.rows(connection, now, int(steal) if is_sqlite(connection) else steal, owner)
            if not free:
                return {}
            taken = await _TAKE.rows(connection, owner, until, [row[0] for row in free])
        return {row[0]: row[1] for row in taken}

    async def renew(self, owner: str, *, until: Micros) -> Held:
        """See `scheduler_svc.ports.ShardStore`."""
        async with self._database.transaction() as connection:
            rows = await _RENEW.rows(connection, owner, until)
        return {row[0]: row[1] for row in rows}

    async def release(self, owner: str) -> None:
        """See `scheduler_svc.ports.ShardStore`."""
        async with self._database.transaction() as connection:
            await _RELEASE.run(connection, owner)
