"""Housekeeping: the implementation of `scheduler_svc.ports.Upkeep`."""

from collections.abc import Mapping
from typing import Final

from ulid import ULID

from scheduler_svc.domain import AlarmState
from scheduler_svc.recurrence import Micros
from scheduler_svc.store.sql import both, is_sqlite
from tocsin.database import Database

# Ids of occurrences begin with their due time, so the primary key finds the oldest; the others have an index of their own.
_FORGET: Final = (
    both(
        "DELETE FROM firings WHERE id IN (SELECT id FROM firings WHERE id < $1 AND due_at < $2 AND origin = 0 AND state >= 3 "
        "ORDER BY id LIMIT $3)"
    ),
    both(
        "DELETE FROM firings WHERE id IN (SELECT id FROM firings WHERE origin <> 0 AND due_at < $1 AND state >= 3 ORDER BY due_at LIMIT $2)"
    ),
)
_FORGET_REQUESTS: Final = both(
    "DELETE FROM requests WHERE (tenant, request_id) IN "
    "(SELECT tenant, request_id FROM requests WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
)
_COUNT: Final = both("SELECT state, count(*) FROM alarms GROUP BY state")
_TRANSACTIONS: Final = "SELECT pg_current_xact_id()::text::bigint"
_SEEN: Final = both("SELECT value FROM counters WHERE name = 'transactions'")
_SEE: Final = both("UPDATE counters SET value = $1 WHERE name = 'transactions'")
_SHIFT: Final = both("UPDATE counters SET value = value + $1 WHERE name = 'change'")
_MARGIN: Final = 1 << 32


class SqlUpkeep:
    """Housekeeping, in small steps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget_firings(self, *, before: Micros, most: int) -> int:
        """See `scheduler_svc.ports.Upkeep`."""
        bound = str(ULID.from_bytes(max(before // 1000, 0).to_bytes(6) + bytes(10)))
        scheduled, beside = _FORGET
        async with self._database.transaction() as connection:
            gone = await scheduled.run(connection, bound, before, most)
            return gone + await beside.run(connection, before, most)

    async def forget_requests(self, *, before: Micros, most: int) -> int:
        """See `scheduler_svc.ports.Upkeep`."""
        async with self._database.transaction() as connection:
            return await _FORGET_REQUESTS.run(connection, before, most)

    async def settle(self) -> None:
        """See `scheduler_svc.ports.Upkeep`."""
        async with self._database.transaction() as connection:
            if is_sqlite(connection):
                return
            current: int = (await connection.exec_driver_sql(_TRANSACTIONS)).scalar_one()
            seen: int = (await _SEEN.rows(connection))[0][0]
            if current < seen:
                await _SHIFT.run(connection, seen - current + _MARGIN)
            await _SEE.run(connection, current)

    async def count_alarms(self) -> Mapping[str, int]:
        """See `scheduler_svc.ports.Upkeep`."""
        async with self._database.read() as connection:
            rows = await _COUNT.rows(connection)
        counts = dict.fromkeys((state.name for state in AlarmState), 0)
        return counts | {AlarmState(state).name: count for state, count in rows}
