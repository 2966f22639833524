"""What an audit reads: the implementation of `scheduler_svc.service.audit.AuditStore`."""

from collections.abc import Sequence
from typing import Final

from scheduler_svc.domain import Outcome
from scheduler_svc.service.audit import LedgerRow, RuleInForce
from scheduler_svc.store.sql import Statement, both
from tocsin.database import Database
from tocsin.recurrence import Micros
from tocsin.stored import known

_ALARMS: Final = both("SELECT id FROM alarms WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3")
_GONE: Final = both("SELECT DISTINCT alarm FROM alarm_rules WHERE tenant = $1 AND alarm > $2 AND until >= $3 ORDER BY alarm LIMIT $4")
_RULES: Final = Statement(
    sqlite=(
        "SELECT id, rule_since, trigger_rule, anchor_at, next_fire_at, 0, state = 1, coalesce(skip_before, 0) FROM alarms "
        "WHERE id IN (SELECT value FROM json_each(?2)) AND tenant = ?1 ORDER BY id"
    ),
    postgresql=(
        "SELECT id, rule_since, trigger_rule, anchor_at, next_fire_at, false, state = 1, coalesce(skip_before, 0) FROM alarms "
        "WHERE id = ANY($2::text[]) AND tenant = $1 ORDER BY id"
    ),
)
_ENDED: Final = Statement(
    sqlite=(
        "SELECT alarm, since, trigger_rule, anchor_at, next_fire_at, 1, 0, 0 FROM alarm_rules "
        "WHERE alarm IN (SELECT value FROM json_each(?2)) AND tenant = ?1 AND until >= ?3 ORDER BY alarm, since"
    ),
    postgresql=(
        "SELECT alarm, since, trigger_rule, anchor_at, next_fire_at, true, false, 0 FROM alarm_rules "
        "WHERE alarm = ANY($2::text[]) AND tenant = $1 AND until >= $3 ORDER BY alarm, since"
    ),
)
_ROWS: Final = Statement(
    sqlite=(
        "SELECT alarm, due_at, id, origin, outcome FROM firings WHERE alarm IN (SELECT value FROM json_each(?2)) AND tenant = ?1 "
        "AND due_at >= ?3 AND due_at < ?4 AND slot = '' AND origin IN (0, 3) "
        "AND (alarm, due_at) > (?5, ?6) ORDER BY alarm, due_at LIMIT ?7"
    ),
    postgresql=(
        "SELECT alarm, due_at, id, origin, outcome FROM firings WHERE alarm = ANY($2::text[]) AND tenant = $1 "
        "AND due_at >= $3 AND due_at < $4 AND slot = '' AND origin IN (0, 3) "
        "AND (alarm, due_at) > ($5::text, $6::bigint) ORDER BY alarm, due_at LIMIT $7"
    ),
)
_EDGE: Final = both(
    "SELECT due_at, id FROM firings WHERE tenant = $1 AND due_at >= $2 AND due_at < $3 AND (due_at, id) > ($2, $4) "
    "ORDER BY due_at, id LIMIT 1 OFFSET $5"
)
_STRAYS: Final = both(
    "SELECT alarm, due_at, id, origin, outcome FROM firings AS f WHERE tenant = $1 AND due_at >= $2 AND due_at <= $4 "
    "AND (due_at, id) > ($2, $3) AND (due_at, id) <= ($4, $5) AND slot = '' AND origin IN (0, 3) AND alarm <> '' "
    "AND NOT EXISTS (SELECT 1 FROM alarms AS a WHERE a.id = f.alarm AND a.tenant = f.tenant) "
    "AND NOT EXISTS (SELECT 1 FROM alarm_rules AS r WHERE r.alarm = f.alarm AND r.tenant = f.tenant) ORDER BY due_at, id"
)
_FACTS: Final = both("SELECT name, value FROM facts WHERE name IN ('history', 'tzdata/changed')")
_LAST_ID: Final = "~"  # sorts behind every id


class SqlAuditStore:
    """What an audit reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def alarms_after(self, tenant: str, *, after: str, since: Micros, most: int) -> list[str]:
        """See `scheduler_svc.service.audit.AuditStore`."""
        async with self._database.read() as connection:
            here = await _ALARMS.rows(connection, tenant, after, most)
            gone = await _GONE.rows(connection, tenant, after, since, most)
        return sorted({row[0] for row in (*here, *gone)})[:most]

    async def rules(self, tenant: str, alarms: Sequence[str], *, since: Micros) -> list[RuleInForce]:
        """See `scheduler_svc.service.audit.AuditStore`."""
        async with self._database.read() as connection:
            # In this order: a rule that ends in between is seen twice, which does no harm, and not never.
            rows = [*await _RULES.rows(connection, tenant, list(alarms)), *await _ENDED.rows(connection, tenant, list(alarms), since)]
        return [
            RuleInForce(alarm, begun, trigger, anchor, due, bool(ended), bool(fires), resumed)
            for alarm, begun, trigger, anchor, due, ended, fires, resumed in rows
        ]

    async def rows(
        self, tenant: str, alarms: Sequence[str], *, start: Micros, end: Micros, after: tuple[str, Micros], most: int
    ) -> list[LedgerRow]:
        """See `scheduler_svc.service.audit.AuditStore`."""
        async with self._database.read() as connection:
            rows = await _ROWS.rows(connection, tenant, list(alarms), start, end, *after, most)
        return [_ledger_row(*row) for row in rows]

    async def strays(
        self, tenant: str, *, start: Micros, end: Micros, after: tuple[Micros, str], most: int
    ) -> tuple[list[LedgerRow], tuple[Micros, str] | None]:
        """See `scheduler_svc.service.audit.AuditStore`."""
        due, firing = max(after, (start, ""))
        async with self._database.read() as connection:
            edge = await _EDGE.rows(connection, tenant, due, end, firing, most - 1)
            following = (edge[0][0], edge[0][1]) if edge else None
            rows = await _STRAYS.rows(connection, tenant, due, firing, *(following or (end - 1, _LAST_ID)))
        return [_ledger_row(*row) for row in rows], following

    async def facts(self) -> dict[str, Micros]:
        """See `scheduler_svc.service.audit.AuditStore`."""
        async with self._database.read() as connection:
            return {name: int(value) for name, value in await _FACTS.rows(connection)}


def _ledger_row(alarm: str, due: Micros, firing: str, origin: int, outcome: int) -> LedgerRow:
    return LedgerRow(alarm, due, firing, origin, known(Outcome, outcome))
