"""The rules that alarms had, and what an audit reads of them.

Without them nobody could tell later which due times a period had to contain.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Origin, Outcome
from scheduler_svc.ports import LedgerRow, RuleInForce
from scheduler_svc.store.sql import Statement, both
from scheduler_svc.store.tables import ACTIVE, VERSION, one_of
from tocsin.database import Database
from tocsin.recurrence import Micros
from tocsin.stored import known, number

_INTO: Final = "INSERT INTO alarm_rules (alarm, since, tenant, until, trigger_rule, anchor_at, next_fire_at)"
OF_CALENDAR: Final = " AND ".join(f"trigger_rule NOT LIKE '{{\"{kind}\":%'" for kind in ("event", "threshold", "heartbeat"))
_FIELDS: Final = "id, rule_since, tenant, {until}, trigger_rule, anchor_at, next_fire_at"
# The rows are locked, so that what is kept as the first due time that is not in the ledger stays so until the rule is gone.
_KEEP: Final = Statement(
    sqlite=(
        f"{_INTO} SELECT {_FIELDS.format(until='?2')} FROM alarms WHERE (id, {VERSION.format('alarms')}) IN "
        f"(SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND {OF_CALENDAR} ON CONFLICT DO NOTHING RETURNING alarm"
    ),
    postgresql=(
        f"{_INTO} SELECT {_FIELDS.format(until='$3::bigint')} FROM (SELECT alarms.* FROM alarms "
        f"JOIN unnest($1::text[], $2::bigint[]) AS w(alarm, expected) ON id = w.alarm AND {VERSION.format('alarms')} = w.expected "
        f"WHERE {OF_CALENDAR} ORDER BY id FOR NO KEY UPDATE OF alarms) AS a ON CONFLICT DO NOTHING RETURNING alarm"
    ),
)
_LOCKED_VERSION: Final = Statement(
    sqlite=f"SELECT {VERSION.format('alarms')} FROM alarms WHERE id = ?1 AND tenant = ?2",
    postgresql=f"SELECT {VERSION.format('alarms')} FROM alarms WHERE id = $1 AND tenant = $2 FOR UPDATE",
)
_LOCK_ALL: Final = Statement(
    sqlite=(
        "SELECT a.id FROM json_each(?1) AS w CROSS JOIN alarms a "
        f"ON a.id = w.value ->> 0 AND {VERSION.format('a')} = w.value ->> 1 AND a.tenant = ?2"
    ),
    postgresql=(
        "SELECT a.id FROM unnest($1::text[], $2::bigint[]) AS w(id, version) JOIN alarms a "
        f"ON a.id = w.id AND {VERSION.format('a')} = w.version "
        "WHERE a.tenant = $3 ORDER BY a.id FOR UPDATE OF a"
    ),
)
_FORGET: Final = both(
    "DELETE FROM alarm_rules WHERE (alarm, since) IN (SELECT alarm, since FROM alarm_rules WHERE until < $1 ORDER BY until LIMIT $2)"
)


async def keep_rules(connection: AsyncConnection, ended: Sequence[tuple[str, int]], *, until: Micros) -> None:
    """Keeps the rules of the alarms of these (id, version), which end in this transaction, at ``until``.

    To be called before the alarms are changed or removed. An alarm that is not of that version any more is left out, and so is one that
    only something from outside makes due.
    """
    if ended:
        await _KEEP.pairs(connection, ended, until)


async def locked_version(connection: AsyncConnection, tenant: str, alarm: str) -> int | None:
    """The version of the alarm, which stays until the transaction ends; None when there is no such alarm."""
    rows = await _LOCKED_VERSION.rows(connection, alarm, tenant)
    return rows[0][0] if rows else None


async def lock_versions(connection: AsyncConnection, tenant: str, wanted: Sequence[tuple[str, int]]) -> set[str]:
    """Which of a tenant's alarms still have these (id, version); they stay so until the transaction ends."""
    return {row[0] for row in await _LOCK_ALL.pairs(connection, wanted, tenant)}


async def forget_rules(connection: AsyncConnection, *, before: Micros, most: int) -> int:
    """Removes rules that ended before an instant; how many."""
    return await _FORGET.run(connection, before, most)


_RULE_KINDS: Final = (str, int, str, int, int, int, int, int)
_LEDGER_KINDS: Final = (str, int, str, int, int)
_ALARMS: Final = both("SELECT id FROM alarms WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3")
_GONE: Final = both("SELECT DISTINCT alarm FROM alarm_rules WHERE tenant = $1 AND alarm > $2 AND until >= $3 ORDER BY alarm LIMIT $4")
_RULES: Final = Statement(
    sqlite=(
        f"SELECT id, rule_since, trigger_rule, anchor_at, next_fire_at, 0, state = {ACTIVE}, coalesce(skip_before, 0) FROM alarms "
        "WHERE id IN (SELECT value FROM json_each(?2)) AND tenant = ?1 ORDER BY id"
    ),
    postgresql=(
        f"SELECT id, rule_since, trigger_rule, anchor_at, next_fire_at, false, state = {ACTIVE}, coalesce(skip_before, 0) FROM alarms "
        "WHERE id = ANY($2::text[]) AND tenant = $1 ORDER BY id"
    ),
    kinds=_RULE_KINDS,
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
    kinds=_RULE_KINDS,
)
_BY_RULE: Final = one_of((Origin.SCHEDULE, Origin.BACKFILL))
_ROWS: Final = Statement(
    sqlite=(
        "SELECT alarm, due_at, id, origin, outcome FROM firings WHERE alarm IN (SELECT value FROM json_each(?2)) AND tenant = ?1 "
        f"AND due_at >= ?3 AND due_at < ?4 AND slot = '' AND origin IN {_BY_RULE} "
        "AND (alarm, due_at) > (?5, ?6) ORDER BY alarm, due_at LIMIT ?7"
    ),
    postgresql=(
        "SELECT alarm, due_at, id, origin, outcome FROM firings WHERE alarm = ANY($2::text[]) AND tenant = $1 "
        f"AND due_at >= $3 AND due_at < $4 AND slot = '' AND origin IN {_BY_RULE} "
        "AND (alarm, due_at) > ($5::text, $6::bigint) ORDER BY alarm, due_at LIMIT $7"
    ),
    kinds=_LEDGER_KINDS,
)
_EDGE: Final = both(
    "SELECT due_at, id FROM firings WHERE tenant = $1 AND due_at >= $2 AND due_at < $3 AND (due_at, id) > ($2, $4) "
    "ORDER BY due_at, id LIMIT 1 OFFSET $5"
)
_STRAYS: Final = both(
    "SELECT alarm, due_at, id, origin, outcome FROM firings AS f WHERE tenant = $1 AND due_at >= $2 AND due_at <= $4 "
    f"AND (due_at, id) > ($2, $3) AND (due_at, id) <= ($4, $5) AND slot = '' AND origin IN {_BY_RULE} AND alarm <> '' "
    "AND NOT EXISTS (SELECT 1 FROM alarms AS a WHERE a.id = f.alarm AND a.tenant = f.tenant) "
    "AND NOT EXISTS (SELECT 1 FROM alarm_rules AS r WHERE r.alarm = f.alarm AND r.tenant = f.tenant) ORDER BY due_at, id",
    _LEDGER_KINDS,
)
_FACTS: Final = both("SELECT name, value FROM facts WHERE name IN ('history', 'tzdata/changed')")
_LAST_ID: Final = "~"  # sorts behind every id


class SqlAuditStore:
    """What an audit reads: implements `scheduler_svc.ports.AuditStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def alarms_after(self, tenant: str, *, after: str, since: Micros, most: int) -> list[str]:
        async with self._database.read() as connection:
            here = await _ALARMS.rows(connection, tenant, after, most)
            gone = await _GONE.rows(connection, tenant, after, since, most)
        return sorted({row[0] for row in (*here, *gone)})[:most]

    async def rules(self, tenant: str, alarms: Sequence[str], *, since: Micros) -> list[RuleInForce]:
        async with self._database.read() as connection:
            # In this order: a rule that ends in between is seen twice, which does no harm, and not never.
            rows = [*await _RULES.rows(connection, tenant, list(alarms)), *await _ENDED.rows(connection, tenant, list(alarms), since)]
        return [
            RuleInForce(alarm, number(begun), trigger, anchor, due, bool(ended), bool(fires), number(resumed))
            for alarm, begun, trigger, anchor, due, ended, fires, resumed in rows
        ]

    async def rows(
        self, tenant: str, alarms: Sequence[str], *, start: Micros, end: Micros, after: tuple[str, Micros], most: int
    ) -> list[LedgerRow]:
        async with self._database.read() as connection:
            rows = await _ROWS.rows(connection, tenant, list(alarms), start, end, *after, most)
        return [_ledger_row(*row) for row in rows]

    async def strays(
        self, tenant: str, *, start: Micros, end: Micros, after: tuple[Micros, str], most: int
    ) -> tuple[list[LedgerRow], tuple[Micros, str] | None]:
        due, firing = max(after, (start, ""))
        async with self._database.read() as connection:
            edge = await _EDGE.rows(connection, tenant, due, end, firing, most - 1)
            following = (edge[0][0], edge[0][1]) if edge else None
            rows = await _STRAYS.rows(connection, tenant, due, firing, *(following or (end - 1, _LAST_ID)))
        return [_ledger_row(*row) for row in rows], following

    async def facts(self) -> dict[str, Micros]:
        async with self._database.read() as connection:
            return {name: int(value) for name, value in await _FACTS.rows(connection)}


def _ledger_row(alarm: str, due: Micros, firing: str, origin: int, outcome: int) -> LedgerRow:
    return LedgerRow(alarm, due, firing, origin, known(Outcome, outcome))
