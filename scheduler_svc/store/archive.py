"""The ledger on its way into the archive: implements `tocsin.archive.ports.ArchiveStore`.

What was changed after it was read, such as a dead firing that somebody replays, stays.
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import FiringState, Origin, Outcome, Priority
from scheduler_svc.store.sql import Fields, Statement, array, both, is_sqlite
from scheduler_svc.store.tables import UNFINISHED, archive_parts
from tocsin.archive.columns import ArchivedFiring
from tocsin.archive.ports import ArchiveRows, FinishedRow
from tocsin.archive.store import SqlArchive
from tocsin.clock import DAY
from tocsin.database import Database, DriverConnection
from tocsin.recurrence import Micros

_MOST_SQLITE: Final = 5_000
_MOST_POSTGRESQL: Final = 20_000
"""Firings of one file: on SQLite nobody else writes while they are removed."""
_MOST_BYTES: Final = 32 * 1024 * 1024
_ROW_BYTES: Final = 300

_COLUMNS: Final = (
    "id, tenant, alarm, origin, priority, due_at, fired_at, completed_at, outcome, reason, state, attempts, kind, error, result, context, "
    "failed, traceparent, action, change_no, slot"
)
_BEHIND: Final = f"tenant = $1 AND due_at >= $2 AND (due_at, id) > ($2, $3) AND state NOT IN {UNFINISHED}"
_NEXT_TENANT: Final = both("SELECT tenant FROM firings WHERE tenant > $1 ORDER BY tenant LIMIT 1")
_SIZES: Final = both(
    f"SELECT due_at, id, {_ROW_BYTES} + length(action) + coalesce(length(result), 0) + coalesce(length(context), 0) "
    f"FROM firings WHERE {_BEHIND} AND due_at < $4 ORDER BY due_at, id LIMIT $5"
)
_ROWS: Final = both(f"SELECT {_COLUMNS} FROM firings WHERE {_BEHIND} AND due_at <= $4 AND (due_at, id) <= ($4, $5) ORDER BY due_at, id")
_REMOVE: Final = Statement(
    sqlite=f"DELETE FROM firings WHERE id = ?1 AND due_at = ?2 AND change_no = ?3 AND state NOT IN {UNFINISHED}",
    postgresql=(
        "DELETE FROM firings AS f USING unnest($1::text::text[], $2::text::bigint[], $3::text::bigint[]) AS w(id, due_at, change_no) "
        "WHERE f.id = w.id AND f.due_at = w.due_at AND f.change_no = w.change_no AND f.due_at BETWEEN $4 AND $5 "
        f"AND f.state NOT IN {UNFINISHED}"
    ),
)
_FORGET_IDS: Final = Statement(
    sqlite="DELETE FROM firing_ids WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql="DELETE FROM firing_ids WHERE id = ANY($1::text[])",
)


class SqlArchiveStore(SqlArchive):
    """The ledger, and the notes of files."""

    def __init__(self, database: Database, *, most: int = 0, most_bytes: int = _MOST_BYTES) -> None:
        """Takes the database; ``most`` and ``most_bytes`` bound a file, by what suits the database unless given."""
        super().__init__(database, archive_parts)
        self._most = most or (_MOST_SQLITE if database.dialect == "sqlite" else _MOST_POSTGRESQL)
        self._most_bytes = most_bytes

    async def next_tenant(self, *, after: str) -> str | None:
        async with self._database.read() as connection:
            found = await _NEXT_TENANT.rows(connection, after)
        return found[0][0] if found else None

    async def finished(self, tenant: str, *, after: tuple[Micros, str], before: Micros) -> ArchiveRows:
        async with self._database.read() as connection:
            last = _last_of(await _SIZES.rows(connection, tenant, *after, before, self._most), self._most_bytes)
            if last is None:
                return ArchiveRows()
            found = await _ROWS.rows(connection, tenant, *after, *last)
        finished = [FinishedRow(row[0], row[5], row[19], int(bool(row[20]))) for row in found]
        return ArchiveRows(finished=finished, rows=await asyncio.to_thread(lambda: [_archived(row) for row in found]))

    async def remove(self, connection: AsyncConnection, rows: Sequence[FinishedRow]) -> int:
        """Removes those firings that are what they were, and the ids of those that were made beside the rule of their alarm."""
        removed = await _remove(connection, rows)
        await _FORGET_IDS.run(connection, [row.id for row in rows if row.detail])
        return removed


async def _remove(connection: DriverConnection, finished: Sequence[FinishedRow]) -> int:
    rows = [(row.id, row.time, row.change) for row in finished]
    if is_sqlite(connection):
        return await _REMOVE.many(connection, rows)
    ids, dues, changes = map(list, zip(*rows, strict=True))
    values = (array(ids), array(dues), array(changes), min(dues), max(dues))
    return (await connection.exec_driver_sql(_REMOVE.of(connection), values)).rowcount


def _last_of(sizes: Sequence[Fields], most_bytes: int) -> tuple[Micros, str] | None:
    """The place (due time, id) of the last firing that belongs to the file of the first: of the same day (UTC), and not too much."""
    last: tuple[Micros, str] | None = None
    total = 0
    for due, identity, size in sizes:
        total += size
        if last is not None and (total > most_bytes or due // DAY != last[0] // DAY):
            break
        last = (due, identity)
    return last


def _archived(row: Fields) -> ArchivedFiring:
    identity, tenant, alarm, origin, priority, due, fired, completed, outcome, reason, state, *rest = row
    attempts, kind, error, result, context, failed, traceparent, action, change, _ = rest
    return ArchivedFiring(
        id=identity,
        tenant=tenant,
        alarm=alarm,
        origin=_name(Origin, origin),
        priority=_name(Priority, priority),
        due_time=due,
        fire_time=fired,
        complete_time=completed,
        outcome=_name(Outcome, outcome),
        reason=reason,
        state=_name(FiringState, state),
        attempts=attempts,
        kind=kind,
        error=error,
        result=_json_of(result),
        context=_json_of(context),
        failed=failed or None,
        traceparent=traceparent,
        action=bytes(action),
        change=change,
    )


def _name(words: type[IntEnum], number: int) -> str:
    """The word for a number; what this version does not know stays a number."""
    return next((word.name for word in words if word == number), str(number))


def _json_of(stored: Any) -> str | None:
    """A stored Struct as JSON; what cannot be read is kept as it is."""
    if not stored:
        return None
    data = bytes(stored)
    try:
        return json_format.MessageToJson(Struct.FromString(data), indent=None, ensure_ascii=False)
    except (DecodeError, json_format.Error, RecursionError):
        return json.dumps({"unreadable": base64.b64encode(data).decode()})
