"""The fence: a transaction that writes firings of a shard proves that its replica owns the shard."""

from collections.abc import Collection
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.ports import Held
from scheduler_svc.store.sql import Statement

# A takeover locks the row FOR UPDATE and so waits for this transaction; a renewal does not.
_FENCE: Final = Statement(
    sqlite="SELECT shard, epoch FROM shards WHERE owner = ?1 AND shard IN (SELECT value FROM json_each(?2))",
    postgresql="SELECT shard, epoch FROM shards WHERE owner = $1 AND shard = ANY($2::smallint[]) ORDER BY shard FOR KEY SHARE",
)


async def owned(connection: AsyncConnection, *, owner: str, held: Held, wanted: Collection[int]) -> set[int]:
    """Those of the wanted shards that ``owner`` still owns under the epochs it holds; they stay so until the transaction ends."""
    rows = await _FENCE.rows(connection, owner, sorted(wanted))
    return {shard for shard, epoch in rows if held.get(shard) == epoch}
