"""The ledger on its way into the archive: implements `scheduler_svc.ports.archive`.

A firing leaves by a transaction that removes exactly the versions that its file has, or nothing: what was changed after it was read, such
as a dead firing that somebody replays, is not in the file as it is now.
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from datetime import date
from enum import IntEnum
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

from scheduler_svc.domain import FiringState, Origin, Outcome, Priority
from scheduler_svc.ports.archive import ArchivePart, ArchiveRows, FinishedFiring
from scheduler_svc.store.sql import Fields, Statement, array, both, is_sqlite
from scheduler_svc.store.tables import UNFINISHED
from tocsin.clock import DAY
from tocsin.database import Database, DriverConnection
from tocsin.ledger_archive.columns import ArchivedFiring
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
_PARTS: Final = both("SELECT id, tenant, day, committed FROM archive_parts ORDER BY id")
_RESERVE: Final = both("INSERT INTO archive_parts (id, tenant, day, committed) VALUES ($1, $2, $3, false)")
_COMMIT: Final = both("UPDATE archive_parts SET committed = true WHERE id = $1 AND NOT committed")
_FORGET: Final = both("DELETE FROM archive_parts WHERE id = $1 AND committed = $2")
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


class _Changed(Exception):
    """A firing is not what the file has any more."""


class SqlArchiveStore:
    """The ledger, and the notes of files: implements `scheduler_svc.ports.archive.ArchiveStore`."""

    def __init__(self, database: Database, *, most: int = 0, most_bytes: int = _MOST_BYTES) -> None:
        """Takes the database; ``most`` and ``most_bytes`` bound a file, by what suits the database unless given."""
        self._database = database
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
        firings = [FinishedFiring(row[0], row[5], row[19], bool(row[20])) for row in found]
        return ArchiveRows(firings=firings, rows=await asyncio.to_thread(lambda: [_archived(row) for row in found]))

    async def parts(self) -> Sequence[ArchivePart]:
        async with self._database.read() as connection:
            rows = await _PARTS.rows(connection)
        return [
            ArchivePart(id=identity, tenant=tenant, day=date.fromisoformat(day), committed=bool(committed))
            for identity, tenant, day, committed in rows
        ]

    async def reserve(self, part: ArchivePart) -> None:
        async with self._database.transaction() as connection:
            await _RESERVE.run(connection, part.id, part.tenant, part.day.isoformat())

    async def commit(self, part: ArchivePart, firings: Sequence[FinishedFiring]) -> bool:
        try:
            async with self._database.transaction() as connection:
                if await _COMMIT.run(connection, part.id) != 1:
                    return False
                if await _remove(connection, firings) != len(firings):
                    raise _Changed
                await _FORGET_IDS.run(connection, [firing.id for firing in firings if firing.beside])
        except _Changed:
            return False
        return True

    async def forget(self, part: ArchivePart) -> bool:
        async with self._database.transaction() as connection:
            return await _FORGET.run(connection, part.id, part.committed) == 1


async def _remove(connection: DriverConnection, firings: Sequence[FinishedFiring]) -> int:
    rows = [(firing.id, firing.due, firing.change) for firing in firings]
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
