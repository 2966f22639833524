"""Alarms by the hundred: the implementation of `scheduler_svc.ports.ImportStore`."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Alarm
from scheduler_svc.ports import Candidate, Put, Reviser
from scheduler_svc.recurrence import Micros
from scheduler_svc.signals import HeartbeatKeyTaken
from scheduler_svc.store.alarm_rows import COLUMNS, LABEL_COLUMNS, alarm_of, insert_labels, label_rows, row_of, where
from scheduler_svc.store.history import keep_rules
from scheduler_svc.store.signals import insert_signals, replace_signal, with_signals
from scheduler_svc.store.sql import Statement, column_type
from scheduler_svc.store.tables import alarm_labels, alarms
from tocsin.database import Database, copy_rows
from tocsin.errors import Aborted, TocsinError
from tocsin.listing import Condition

_NAMED: Final = "alarms/"
_ROWS_AT_ONCE: Final = 100
_FIXED: Final = frozenset({"id", "tenant", "shard", "created_at", "traceparent"})
_CHANGED: Final = tuple(name for name in COLUMNS if name not in _FIXED)
_FIELDS: Final = ", ".join(f"a.{name}" for name in COLUMNS)
_BY_KEY: Final = Statement(
    sqlite=(
        f"SELECT {_FIELDS} FROM json_each(?2) AS w CROSS JOIN alarms a ON a.tenant = ?1 AND a.key = w.value AND a.key <> ''"  # noqa: S608  constants
    ),
    postgresql=f"SELECT {_FIELDS} FROM alarms a WHERE a.tenant = $1 AND a.key = ANY($2::text[]) AND a.key <> '' ORDER BY a.id",  # noqa: S608  constants
)
_BY_ID: Final = Statement(
    sqlite=f"SELECT {_FIELDS} FROM json_each(?2) AS w CROSS JOIN alarms a ON a.id = w.value AND a.tenant = ?1 AND a.key = ''",  # noqa: S608  constants
    postgresql=f"SELECT {_FIELDS} FROM alarms a WHERE a.tenant = $1 AND a.id = ANY($2::text[]) AND a.key = '' ORDER BY a.id",  # noqa: S608  constants
)
# Found alarms stay as they were read until the transaction ends; SQLite has one writer anyway.
_LOCKED: Final = {found: Statement(sqlite=found.sqlite, postgresql=f"{found.postgresql} FOR NO KEY UPDATE") for found in (_BY_KEY, _BY_ID)}
_UPDATE: Final = Statement(
    sqlite=f"UPDATE alarms SET {', '.join(f'{name} = ?' for name in _CHANGED)} WHERE id = ?",  # noqa: S608  constants
    postgresql=(
        f"UPDATE alarms SET {', '.join(f'{name} = v.{name}' for name in _CHANGED)} FROM unnest("  # noqa: S608  constants
        + ", ".join(f"${number}::{column_type(alarms, name)}[]" for number, name in enumerate((*_CHANGED, "id"), 1))
        + f") AS v({', '.join(_CHANGED)}, id) WHERE alarms.id = v.id"
    ),
)
_DROP_LABELS: Final = Statement(
    sqlite="DELETE FROM alarm_labels WHERE alarm IN (SELECT value FROM json_each(?1))",
    postgresql="DELETE FROM alarm_labels WHERE alarm = ANY($1::text[])",
)


class SqlImportStore:
    """Writes batches of alarms, and reads them in order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, tenant: str, batch: Sequence[Candidate], *, revise: Reviser, now: Micros, dry: bool) -> Sequence[Put | TocsinError]:
        """See `scheduler_svc.ports.ImportStore`."""
        if dry:
            async with self._database.read() as connection:
                known = await _known(connection, tenant, batch, locked=False)
            return _Sorted(batch, known, revise).results
        try:
            async with self._database.transaction() as connection:
                found = _Sorted(batch, await _known(connection, tenant, batch, locked=True), revise)
                await _insert(connection, found)
                await _change(connection, found, now=now)
        except IntegrityError as error:
            raise Aborted("Somebody else made an alarm of the same key at the same time.") from error
        return found.results

    async def page_up(self, tenant: str, *, conditions: Sequence[Condition], after: str, size: int) -> list[Alarm]:
        """See `scheduler_svc.ports.ImportStore`."""
        query = select(alarms).where(alarms.c.tenant == tenant, alarms.c.id > after, *(where(tenant, item) for item in conditions))
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(alarms.c.id).limit(size))
            return await with_signals(connection, [alarm_of(row) for row in rows])


class _Sorted:
    """A batch, by what is to be done about each alarm of it."""

    def __init__(self, batch: Sequence[Candidate], known: Mapping[str, Alarm], revise: Reviser) -> None:
        self.results: list[Put | TocsinError] = []
        self.created: list[tuple[int, Alarm]] = []
        self.changed: list[tuple[int, Alarm, Alarm, bool]] = []
        for index, candidate in enumerate(batch):
            stored = known.get(candidate.alarm.key)
            self.results.append(self._new(index, candidate) if stored is None else self._old(index, candidate, stored, revise))

    def _new(self, index: int, candidate: Candidate) -> Put | TocsinError:
        if candidate.refusal is not None:
            return candidate.refusal
        self.created.append((index, candidate.alarm))
        return Put(candidate.alarm, created=True)

    def _old(self, index: int, candidate: Candidate, stored: Alarm, revise: Reviser) -> Put | TocsinError:
        try:
            found = revise(stored, candidate)
        except TocsinError as error:
            return error
        if found is None:
            return Put(None, created=False)
        self.changed.append((index, stored, *found))
        return Put(found[0], created=False)


async def _known(connection: AsyncConnection, tenant: str, batch: Sequence[Candidate], *, locked: bool) -> dict[str, Alarm]:
    """The alarms that are there, by the keys of the batch."""
    keys = [candidate.alarm.key for candidate in batch]
    rows = list(await (_LOCKED[_BY_KEY] if locked else _BY_KEY).rows(connection, tenant, keys))
    ids = [key.removeprefix(_NAMED) for key in keys if key.startswith(_NAMED)]
    if ids:
        rows += await (_LOCKED[_BY_ID] if locked else _BY_ID).rows(connection, tenant, ids)
    found = await with_signals(connection, [alarm_of(cast("Row[Any]", row)) for row in rows])
    return {alarm.key or f"{_NAMED}{alarm.id}": alarm for alarm in reversed(found)}


async def _insert(connection: AsyncConnection, found: _Sorted) -> None:
    """Writes new alarms; heartbeats whose key another one has are refused."""
    refused = await insert_signals(connection, [alarm for _, alarm in found.created if alarm.signal is not None])
    if refused:
        for index, alarm in found.created:
            if alarm.id in refused:
                found.results[index] = HeartbeatKeyTaken()
        found.created = [item for item in found.created if item[1].id not in refused]
    made = [alarm for _, alarm in found.created]
    rows: list[Sequence[Any]] = []
    rules: dict[int, str] = {}
    for number, alarm in enumerate(made, 1):
        rule = rules.get(id(alarm.trigger))
        if rule is None:
            rule = rules[id(alarm.trigger)] = alarm.trigger.encode()
        rows.append(row_of(alarm, rule=rule))
        if number % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)  # whoever waits for an alarm must not wait for this
    await copy_rows(connection, alarms, COLUMNS, rows)
    await copy_rows(connection, alarm_labels, LABEL_COLUMNS, label_rows(made))


async def _change(connection: AsyncConnection, found: _Sorted, *, now: Micros) -> None:
    """Writes alarms that were there and are different now."""
    begun = [(stored.id, stored.version) for _, stored, _, reschedule in found.changed if reschedule]
    await keep_rules(connection, begun, until=now)
    for item in [item for item in found.changed if item[3] and not (item[1].trigger.calendar and item[2].trigger.calendar)]:
        index, _, alarm, _ = item
        if not await _replaced(connection, alarm):
            found.results[index] = HeartbeatKeyTaken()
            found.changed.remove(item)
    if not found.changed:
        return
    named = [dict(zip(COLUMNS, row_of(alarm), strict=True)) for _, _, alarm, _ in found.changed]
    await _UPDATE.many(connection, [[*(row[name] for name in _CHANGED), row["id"]] for row in named])
    relabelled = [alarm for _, stored, alarm, _ in found.changed if stored.labels != alarm.labels]
    if relabelled:
        await _DROP_LABELS.run(connection, [alarm.id for alarm in relabelled])
        await insert_labels(connection, relabelled)


async def _replaced(connection: AsyncConnection, alarm: Alarm) -> bool:
    """Lets an alarm wait for something else; whether it may."""
    savepoint = await connection.begin_nested()
    if await replace_signal(connection, alarm):
        await savepoint.commit()
        return True
    await savepoint.rollback()
    return False
