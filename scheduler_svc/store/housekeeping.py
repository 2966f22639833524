"""Housekeeping: old rows go, and partitions for what is to come are made."""

from collections.abc import Mapping
from typing import Final

from ulid import ULID

from scheduler_svc.domain import AlarmState, Origin
from scheduler_svc.domain.incident_words import IncidentSeverity, IncidentState
from scheduler_svc.store.changes import forget_changes, settle_numbering
from scheduler_svc.store.history import forget_rules
from scheduler_svc.store.incident_tables import NOT_RESOLVED
from scheduler_svc.store.partitions import drop_before, is_partitioned, make_ahead, month_of
from scheduler_svc.store.ping_log import forget_pings
from scheduler_svc.store.sql import Statement, both, counts
from scheduler_svc.store.tables import UNFINISHED, one_of
from tocsin.database import Database
from tocsin.recurrence import Micros

# Ids of occurrences begin with their due time, so the primary key finds the oldest; the others have a table of their own.
_FORGET: Final = both(
    "DELETE FROM firings WHERE due_at < $2 AND id IN (SELECT id FROM firings WHERE id < $1 AND due_at < $2 AND origin = "
    f"{Origin.SCHEDULE:d} AND state NOT IN {UNFINISHED} "
    "ORDER BY id LIMIT $3)"
)
_AD_HOC: Final = both(
    "SELECT i.id FROM firing_ids AS i LEFT JOIN firings AS f ON f.id = i.id AND f.due_at = i.due_at "
    f"WHERE i.due_at < $1 AND (f.id IS NULL OR f.state NOT IN {UNFINISHED}) ORDER BY i.due_at LIMIT $2"
)
_FORGET_AD_HOC: Final = Statement(
    sqlite="DELETE FROM firings WHERE due_at < ?1 AND id IN (SELECT value FROM json_each(?2))",
    postgresql="DELETE FROM firings WHERE due_at < $1 AND id = ANY($2::text[])",
)
_FORGET_IDS: Final = Statement(
    sqlite="DELETE FROM firing_ids WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql="DELETE FROM firing_ids WHERE id = ANY($1::text[])",
)
_FORGET_REQUESTS: Final = both(
    "DELETE FROM requests WHERE (tenant, request_id) IN "
    "(SELECT tenant, request_id FROM requests WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
)
_FORGET_REPLANS: Final = both("DELETE FROM replans WHERE id IN (SELECT id FROM replans WHERE id < $1 ORDER BY id LIMIT $2)")
_FORGET_INBOUND: Final = both(
    "DELETE FROM inbound WHERE id IN (SELECT id FROM inbound WHERE id < $1 AND received_at < $2 AND rest IS NULL ORDER BY id LIMIT $3)"
)
_FORGET_INCIDENTS: Final = both(
    "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE updated_at < $1 "
    f"AND state = {IncidentState.RESOLVED:d} ORDER BY updated_at LIMIT $2) RETURNING id"
)
_FORGET_SILENCES: Final = both("DELETE FROM silences WHERE id IN (SELECT id FROM silences WHERE end_at < $1 ORDER BY end_at LIMIT $2)")
_FORGET_INCIDENT_EVENTS: Final = Statement(
    sqlite="DELETE FROM incident_events WHERE incident IN (SELECT value FROM json_each(?1))",
    postgresql="DELETE FROM incident_events WHERE incident = ANY($1::text[])",
)
_FORGET_INCIDENT_ALERTS: Final = Statement(
    sqlite="DELETE FROM incident_alerts WHERE incident IN (SELECT value FROM json_each(?1))",
    postgresql="DELETE FROM incident_alerts WHERE incident = ANY($1::text[])",
)
# A topic is counted for ever, but not however many there are.
_FORGET_TOPICS: Final = both(
    "DELETE FROM tenant_counts WHERE (tenant, name) IN (SELECT tenant, name FROM (SELECT tenant, name, "
    "row_number() OVER (PARTITION BY tenant ORDER BY value DESC, name) AS place FROM tenant_counts "
    "WHERE name >= 'topic:' AND name < 'topic;') AS ranked WHERE place > $1)"
)
_MOST_TOPICS: Final = 1000
_OVER: Final = both("SELECT alarm FROM signals WHERE until <= $1 ORDER BY until LIMIT $2")
_NOT_COMPLETED: Final = one_of((AlarmState.ACTIVE, AlarmState.PAUSED))
_COMPLETE: Final = Statement(
    sqlite=(
        f"UPDATE alarms SET state = {AlarmState.COMPLETED:d}, next_fire_at = NULL WHERE id IN (SELECT value FROM "
        f"json_each(?1)) AND state IN {_NOT_COMPLETED}"
    ),
    postgresql=(
        f"UPDATE alarms SET state = {AlarmState.COMPLETED:d}, next_fire_at = NULL "
        f"WHERE id IN (SELECT id FROM alarms WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE) AND state IN {_NOT_COMPLETED}"
    ),
)
_COMPLETED: Final = Statement(
    sqlite="UPDATE signals SET until = NULL WHERE alarm IN (SELECT value FROM json_each(?1))",
    postgresql="UPDATE signals SET until = NULL WHERE alarm = ANY($1::text[])",
)
_COUNT: Final = both("SELECT state, count(*) FROM alarms GROUP BY state")
_COUNT_INCIDENTS: Final = both(f"SELECT severity, count(*) FROM incidents WHERE {NOT_RESOLVED} GROUP BY severity")
_TRANSACTIONS: Final = "SELECT pg_current_xact_id()::text::bigint"
_SEEN: Final = both("SELECT value FROM counters WHERE name = 'transactions'")
_SEE: Final = both("UPDATE counters SET value = $1 WHERE name = 'transactions'")
_SHIFT: Final = both("UPDATE counters SET value = value + $1 WHERE name = 'change'")
_MARGIN: Final = 1 << 32


class SqlHousekeepingStore:
    """Housekeeping, in small steps: implements `scheduler_svc.ports.HousekeepingStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._partitioned: bool | None = None

    async def _in_partitions(self) -> bool:
        if self._partitioned is None:
            self._partitioned = await is_partitioned(self._database)
        return self._partitioned

    async def forget_firings(self, *, before: Micros, most: int) -> int:
        async with self._database.transaction() as connection:
            gone = await _FORGET.run(connection, _oldest_id(before), before, most)
            ad_hoc = [row[0] for row in await _AD_HOC.rows(connection, before, most)]
            if ad_hoc:
                await _FORGET_AD_HOC.run(connection, before, ad_hoc)
                await _FORGET_IDS.run(connection, ad_hoc)
            return gone + len(ad_hoc)

    async def forget_changes(self, *, before: Micros, most: int) -> int:
        async with self._database.transaction() as connection:
            return await forget_changes(connection, before=before, most=most)

    async def make_room(self, *, now: Micros) -> None:
        if await self._in_partitions():
            await make_ahead(self._database, now=now)

    async def forget_months(self, *, before: Micros, emptied: bool = False) -> Micros:
        if not await self._in_partitions():
            return before
        await drop_before(self._database, before=before, emptied=emptied)
        return month_of(before).first

    async def forget_pings(self, *, before: Micros, most: int) -> int:
        async with self._database.transaction() as connection:
            return await forget_pings(connection, before=before, most=most)

    async def forget_requests(self, *, before: Micros, most: int) -> int:
        async with self._database.transaction() as connection:
            return await _FORGET_REQUESTS.run(connection, before, most)

    async def forget_rules(self, *, before: Micros, most: int) -> int:
        async with self._database.transaction() as connection:
            return await forget_rules(connection, before=before, most=most)

    async def forget_replans(self, *, before: Micros, most: int) -> int:
        async with self._database.transaction() as connection:
            return await _FORGET_REPLANS.run(connection, str(ULID.from_bytes(max(before // 1000, 0).to_bytes(6) + bytes(10))), most)

    async def forget_silences(self, *, before: Micros, most: int) -> int:
        async with self._database.transaction() as connection:
            return await _FORGET_SILENCES.run(connection, before, most)

    async def forget_incidents(self, *, before: Micros, most: int) -> int:
        async with self._database.transaction() as connection:
            gone = [row[0] for row in await _FORGET_INCIDENTS.rows(connection, before, most)]
            if gone:
                await _FORGET_INCIDENT_EVENTS.run(connection, gone)
                await _FORGET_INCIDENT_ALERTS.run(connection, gone)
            return len(gone)

    async def forget_inbound(self, *, before: Micros, most: int) -> int:
        async with self._database.transaction() as connection:
            gone = await _FORGET_INBOUND.run(connection, _oldest_id(before), before, most)
            if gone < most:
                await _FORGET_TOPICS.run(connection, _MOST_TOPICS)
            return gone

    async def complete_listeners(self, *, now: Micros, most: int) -> int:
        async with self._database.transaction() as connection:
            over = [row[0] for row in await _OVER.rows(connection, now, most)]
            if over:
                await _COMPLETE.run(connection, over)
                await _COMPLETED.run(connection, over)
            return len(over)

    async def settle(self) -> None:
        if self._database.dialect == "sqlite":
            return
        async with self._database.transaction() as connection:
            await settle_numbering(connection)
            if counts(connection):
                return
        await self._database.require_transaction_ids()
        async with self._database.transaction() as connection:
            current: int = (await connection.exec_driver_sql(_TRANSACTIONS)).scalar_one()
            seen: int = (await _SEEN.rows(connection))[0][0]
            if current < seen:
                await _SHIFT.run(connection, seen - current + _MARGIN)
            await _SEE.run(connection, current)

    async def count_alarms(self) -> Mapping[str, int]:
        async with self._database.read() as connection:
            rows = await _COUNT.rows(connection)
        counts = dict.fromkeys((state.name for state in AlarmState), 0)
        # A state that this version does not know is counted by its number.
        names = {int(state): state.name for state in AlarmState}
        return counts | {names.get(state, str(state)): count for state, count in rows}

    async def count_incidents(self) -> Mapping[str, int]:
        async with self._database.read() as connection:
            rows = await _COUNT_INCIDENTS.rows(connection)
        names = {int(severity): severity.name for severity in IncidentSeverity}
        return dict.fromkeys(names.values(), 0) | {names.get(severity, str(severity)): count for severity, count in rows}


def _oldest_id(instant: Micros) -> str:
    """The smallest id that is made at that instant: ids begin with their time."""
    return str(ULID.from_bytes(max(instant // 1000, 0).to_bytes(6) + bytes(10)))
