"""Firings beside the rules of alarms: asked for, replayed into the past, caused from outside. Each id is in the ledger once.

On PostgreSQL the ledger's own key contains the due time, so it cannot tell that a request came again at another instant; a table without
partitions can.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Firing
from scheduler_svc.store.changes import note
from scheduler_svc.store.firing_rows import INSERT_FIRINGS, present, row_of
from scheduler_svc.store.sql import Statement, is_sqlite

_CLAIM: Final = Statement(
    sqlite=(
        "INSERT INTO firing_ids (id, due_at) SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true "
        "ON CONFLICT DO NOTHING RETURNING id"
    ),
    postgresql="INSERT INTO firing_ids (id, due_at) SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT DO NOTHING RETURNING id",
)


async def insert_ad_hoc(connection: AsyncConnection, firings: Iterable[Firing]) -> set[str]:
    """Inserts firings whose origin is not the schedule, and notes it; the ids of those that the ledger did not have.

    `begin_change` comes before. Of several firings with one id the first counts.
    """
    first: dict[str, Firing] = {}
    for firing in firings:
        first.setdefault(firing.id, firing)
    fresh = await _claim(connection, [first[identity] for identity in sorted(first)])
    new = [firing for identity, firing in first.items() if identity in fresh]
    if await INSERT_FIRINGS.many(connection, [row_of(firing) for firing in new]) < len(new):
        # A due time in the past that the rule of the alarm has brought to the ledger before.
        fresh = await present(connection, list(fresh))
        new = [firing for firing in new if firing.id in fresh]
    changed: defaultdict[str, list[str]] = defaultdict(list)
    for firing in new:
        changed[firing.tenant].append(firing.id)
    if new:
        await note(connection, changed, now=max(firing.fired or firing.completed or firing.due for firing in new))
    return fresh


async def _claim(connection: AsyncConnection, firings: Sequence[Firing]) -> set[str]:
    """Keeps the ids, in order, so that two transactions with the same ones cannot wait for each other; those that are new."""
    if not firings:
        return set()
    if is_sqlite(connection):
        rows = await _CLAIM.rows(connection, [(firing.id, firing.due) for firing in firings])
    else:
        rows = await _CLAIM.rows(connection, [firing.id for firing in firings], [firing.due for firing in firings])
    return {row[0] for row in rows}
