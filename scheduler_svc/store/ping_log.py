"""The pings of each heartbeat that are kept: the last hundred."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.store.ping_tables import pings
from scheduler_svc.store.sql import Fields, both, insert
from scheduler_svc.triggers import KeptPing, Pinged, PingKind
from tocsin.database import Database, storable
from tocsin.recurrence import Micros
from tocsin.stored import known

PINGS_KEPT: Final = 100
"""How many of a heartbeat are kept."""

_INSERT: Final = insert(pings, [column.name for column in pings.columns], ignore=True)
_PRUNE: Final = both(
    f"DELETE FROM pings WHERE alarm = $1 AND id <= (SELECT id FROM pings WHERE alarm = $1 ORDER BY id DESC LIMIT 1 OFFSET {PINGS_KEPT})"
)
_FORGET: Final = both(
    "DELETE FROM pings WHERE (alarm, id) IN (SELECT alarm, id FROM pings WHERE received_at < $1 ORDER BY received_at LIMIT $2)"
)


def kept_row(alarm: str, tenant: str, ping: Pinged, duration: Micros | None) -> Fields:
    """The row of a ping; ``duration`` is that of the run that it ended."""
    return (
        *(alarm, ping.log, tenant, int(ping.kind), ping.received, ping.sent, ping.exit_status, ping.run, duration),
        *(storable(ping.method), storable(ping.agent), storable(ping.address), ping.body, ping.size or len(ping.body)),
    )


async def keep_pings(connection: AsyncConnection, rows: Sequence[Fields]) -> None:
    """Keeps pings, and forgets those that came a hundred pings of their heartbeat ago."""
    await _INSERT.many(connection, rows)
    for alarm in sorted({row[0] for row in rows}):
        await _PRUNE.run(connection, alarm)


async def forget_pings(connection: AsyncConnection, *, before: Micros, most: int) -> int:
    """Removes some of those that came before an instant; how many."""
    return await _FORGET.run(connection, before, most)


class SqlPingLog:
    """Reads them: implements `scheduler_svc.ports.status.PingLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, tenant: str, alarm: str, *, before: str, size: int) -> Sequence[KeptPing]:
        query = select(pings).where(pings.c.tenant == tenant, pings.c.alarm == alarm)
        if before:
            query = query.where(pings.c.id < before)
        async with self._database.read() as connection:
            return [_kept(row) for row in await connection.execute(query.order_by(pings.c.id.desc()).limit(size))]

    async def get(self, tenant: str, alarm: str, ping: str) -> KeptPing | None:
        query = select(pings).where(pings.c.tenant == tenant, pings.c.alarm == alarm, pings.c.id == ping)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _kept(row)


def _kept(row: Any) -> KeptPing:
    return KeptPing(
        log=row.id,
        kind=known(PingKind, row.kind),
        received=row.received_at,
        sent=row.sent_at,
        exit_status=row.exit_status,
        run=row.run_id,
        duration=row.duration,
        method=row.method,
        agent=row.agent,
        address=row.address,
        body=row.body,
        size=row.size,
    )
