"""The rules that alarms had: without them nobody could tell later which due times a period had to contain."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.store.sql import Statement, both
from tocsin.recurrence import Micros

_INTO: Final = "INSERT INTO alarm_rules (alarm, since, tenant, until, trigger_rule, anchor_at, next_fire_at)"
OF_CALENDAR: Final = " AND ".join(f"trigger_rule NOT LIKE '{{\"{kind}\":%'" for kind in ("event", "threshold", "heartbeat"))
_FIELDS: Final = "id, rule_since, tenant, {until}, trigger_rule, anchor_at, next_fire_at"
# The rows are locked, so that what is kept as the first due time that is not in the ledger stays so until the rule is gone.
_KEEP: Final = Statement(
    sqlite=(
        f"{_INTO} SELECT {_FIELDS.format(until='?2')} FROM alarms WHERE (id, version) IN "  # noqa: S608  constants
        f"(SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND {OF_CALENDAR} ON CONFLICT DO NOTHING RETURNING alarm"
    ),
    postgresql=(
        f"{_INTO} SELECT {_FIELDS.format(until='$3::bigint')} FROM (SELECT alarms.* FROM alarms "  # noqa: S608  constants
        "JOIN unnest($1::text[], $2::bigint[]) AS w(alarm, expected) ON id = w.alarm AND version = w.expected "
        f"WHERE {OF_CALENDAR} ORDER BY id FOR NO KEY UPDATE OF alarms) AS a ON CONFLICT DO NOTHING RETURNING alarm"
    ),
)
_LOCK: Final = Statement(
    sqlite="SELECT version FROM alarms WHERE id = ?1 AND tenant = ?2",
    postgresql="SELECT version FROM alarms WHERE id = $1 AND tenant = $2 FOR UPDATE",
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
    rows = await _LOCK.rows(connection, alarm, tenant)
    return rows[0][0] if rows else None


async def forget_rules(connection: AsyncConnection, *, before: Micros, most: int) -> int:
    """Removes rules that ended before an instant; how many."""
    return await _FORGET.run(connection, before, most)
