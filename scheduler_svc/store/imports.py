"""Alarms by the hundred."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, cast

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Alarm, AlarmState
from scheduler_svc.ports import Imported, ImportedAlarm, Reviser
from scheduler_svc.store.history import keep_rules
from scheduler_svc.store.mapping import (
    ALARM_COLUMNS,
    LABEL_COLUMNS,
    SPEC_COLUMNS,
    alarm_of,
    alarm_row,
    drop_labels,
    insert_labels,
    label_rows,
    where,
)
from scheduler_svc.store.quotas import AlarmQuotas, AlarmsAdmitted, give_back
from scheduler_svc.store.signals import insert_signals, replace_signal, with_signals
from scheduler_svc.store.sql import Fields, Statement, column_type, join_by_index
from scheduler_svc.store.tables import alarm_labels, alarms
from scheduler_svc.triggers import HeartbeatKeyTaken
from tocsin.database import ConstraintBroken, Database, copy_rows
from tocsin.errors import Aborted, TocsinError
from tocsin.listing import Condition
from tocsin.recurrence import Micros

_NAMED: Final = "alarms/"
_ROWS_AT_ONCE: Final = 500
_FIXED: Final = frozenset({"id", "tenant", "shard", "created_at", "traceparent"})
_CHANGED: Final = tuple(name for name in ALARM_COLUMNS if name not in _FIXED)
_FIELDS: Final = ", ".join(f"a.{name}" for name in ALARM_COLUMNS)
_SAID: Final = tuple(name for name in SPEC_COLUMNS if name != "key")
"""What a line says about the alarm that has its key, as it is stored."""

_said_of: Final = itemgetter(*(ALARM_COLUMNS.index(name) for name in _SAID))


def _by_key(fields: str) -> Statement:
    return Statement(
        sqlite=(f"SELECT {fields} FROM json_each(?2) AS w CROSS JOIN alarms a ON a.tenant = ?1 AND a.key = w.value AND a.key <> ''"),
        postgresql=f"SELECT {fields} FROM alarms a WHERE a.tenant = $1 AND a.key = ANY($2::text[]) AND a.key <> '' ORDER BY a.id",
    )


def _by_id(fields: str) -> Statement:
    return Statement(
        sqlite=f"SELECT {fields} FROM json_each(?2) AS w CROSS JOIN alarms a ON a.id = w.value AND a.tenant = ?1 AND a.key = ''",
        postgresql=f"SELECT {fields} FROM alarms a WHERE a.tenant = $1 AND a.id = ANY($2::text[]) AND a.key = '' ORDER BY a.id",
    )


_BY_KEY: Final = _by_key(_FIELDS)
_BY_ID: Final = _by_id(_FIELDS)
_COMPARED: Final = ", ".join(f"a.{name}" for name in ("key", "id", "state", *_SAID))
_COMPARED_BY_KEY: Final = _by_key(_COMPARED)
_COMPARED_BY_ID: Final = _by_id(_COMPARED)
# Found alarms stay as they were read until the transaction ends; SQLite has one writer anyway.
_LOCKED: Final = {found: Statement(sqlite=found.sqlite, postgresql=f"{found.postgresql} FOR NO KEY UPDATE") for found in (_BY_KEY, _BY_ID)}
_UPDATE: Final = Statement(
    sqlite=f"UPDATE alarms SET {', '.join(f'{name} = ?' for name in _CHANGED)} WHERE id = ?",
    postgresql=(
        f"UPDATE alarms SET {', '.join(f'{name} = v.{name}' for name in _CHANGED)} FROM unnest("
        + ", ".join(f"${number}::{column_type(alarms, name)}[]" for number, name in enumerate((*_CHANGED, "id"), 1))
        + f") AS v({', '.join(_CHANGED)}, id) WHERE alarms.id = v.id"
    ),
)


class SqlImportStore:
    """Writes batches of alarms, and reads them in order: implements `scheduler_svc.ports.ImportStore`."""

    def __init__(self, database: Database, quotas: AlarmQuotas | None = None) -> None:
        """Takes the database, and how many alarms tenants may have; any number unless given."""
        self._database = database
        self._quotas = quotas

    async def put(self, tenant: str, batch: Sequence[ImportedAlarm], *, revise: Reviser, now: Micros, dry: bool) -> Sequence[Imported]:
        rows = await _rows(batch)
        if dry:
            async with self._database.read() as connection:
                return (await _sorted(connection, tenant, batch, rows, revise, locked=False)).results
        uses = list[AlarmsAdmitted]()
        try:
            async with self._database.transaction() as connection:
                found = await _sorted(connection, tenant, batch, rows, revise, locked=True)
                if self._quotas is not None:
                    found.refuse(await self._quotas.admit(connection, found.created, lambda item: item[1], uses=uses))
                await _insert(connection, found)
                await _change(connection, found, now=now)
        except ConstraintBroken as error:
            raise Aborted("Somebody else made an alarm of the same key at the same time.") from error
        if self._quotas is not None:
            self._quotas.tell(uses)
        return found.results

    async def page_up(self, tenant: str, *, conditions: Sequence[Condition], after: str, size: int) -> list[Alarm]:
        query = select(alarms).where(alarms.c.tenant == tenant, alarms.c.id > after, *(where(tenant, item) for item in conditions))
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(alarms.c.id).limit(size))
            return await with_signals(connection, [alarm_of(row) for row in rows])


async def _rows(batch: Sequence[ImportedAlarm]) -> list[Fields]:
    """The alarms of a batch as rows of the table."""
    rows: list[Fields] = []
    for first in range(0, len(batch), _ROWS_AT_ONCE):
        rows += [alarm_row(wanted.alarm, rule=wanted.rule) for wanted in batch[first : first + _ROWS_AT_ONCE]]
        await asyncio.sleep(0)  # whoever waits for an alarm must not wait for this
    return rows


async def _sorted(
    connection: AsyncConnection, tenant: str, batch: Sequence[ImportedAlarm], rows: Sequence[Fields], revise: Reviser, *, locked: bool
) -> "_Sorted":
    """Sorts a batch: most alarms are new, or are there and the same; the others are read as a whole, and locked if it is said so."""
    existing = await _existing(connection, tenant, batch)
    if not existing:
        return _Sorted(batch, rows, (), {}, revise)
    same = {wanted.alarm.key for wanted, row in zip(batch, rows, strict=True) if _is_same(wanted, row, existing)}
    changed = existing.keys() - same
    known = await _known(connection, tenant, sorted(changed), locked=locked) if changed else {}
    return _Sorted(batch, rows, same, known, revise)


def _is_same(wanted: ImportedAlarm, row: Fields, existing: Mapping[str, Fields]) -> bool:
    """Whether an alarm is there and is surely what the line says."""
    found = existing.get(wanted.alarm.key)
    if found is None or _said_of(row) != tuple(found[3:]):
        return False
    return wanted.alarm.state is not AlarmState.PAUSED or found[2] != AlarmState.ACTIVE


class _Sorted:
    """A batch, by what is to be done about each alarm of it."""

    def __init__(
        self, batch: Sequence[ImportedAlarm], rows: Sequence[Fields], same: Collection[str], known: Mapping[str, Alarm], revise: Reviser
    ) -> None:
        self.results: list[Imported] = []
        self.created: list[tuple[int, Alarm, Fields]] = []
        self.changed: list[tuple[int, Alarm, Alarm, bool]] = []
        for index, wanted in enumerate(batch):
            key = wanted.alarm.key
            if key in same:
                self.results.append(None)
            elif (stored := known.get(key)) is None:
                self.results.append(self._new(index, wanted, rows[index]))
            else:
                self.results.append(self._old(index, wanted, stored, revise))

    def refuse(self, errors: Mapping[str, TocsinError]) -> None:
        """Gives up new alarms, by their ids."""
        for index, made, _ in self.created:
            if made.id in errors:
                self.results[index] = errors[made.id]
        self.created = [item for item in self.created if item[1].id not in errors]

    def _new(self, index: int, wanted: ImportedAlarm, row: Fields) -> Imported:
        if wanted.refusal is not None:
            return wanted.refusal
        self.created.append((index, wanted.alarm, row))
        return wanted.alarm

    def _old(self, index: int, wanted: ImportedAlarm, stored: Alarm, revise: Reviser) -> Imported:
        try:
            found = revise(stored, wanted)
        except TocsinError as error:
            return error
        if found is None:
            return None
        self.changed.append((index, stored, *found))
        return found[0]


async def _existing(connection: AsyncConnection, tenant: str, batch: Sequence[ImportedAlarm]) -> dict[str, Fields]:
    """What is said about the alarms that are there, by the keys of the batch."""
    keys = [wanted.alarm.key for wanted in batch]
    rows = await _COMPARED_BY_KEY.rows(connection, tenant, keys)
    found = {row[0]: row for row in rows}
    if ids := _ids(keys):
        found = {f"{_NAMED}{row[1]}": row for row in await _COMPARED_BY_ID.rows(connection, tenant, ids)} | found
    return found


async def _known(connection: AsyncConnection, tenant: str, keys: list[str], *, locked: bool) -> dict[str, Alarm]:
    """The alarms of these keys."""
    rows = list(await (_LOCKED[_BY_KEY] if locked else _BY_KEY).rows(connection, tenant, keys))
    if ids := _ids(keys):
        rows += await (_LOCKED[_BY_ID] if locked else _BY_ID).rows(connection, tenant, ids)
    found = await with_signals(connection, [alarm_of(cast("Row[Any]", row)) for row in rows])
    return {alarm.key or f"{_NAMED}{alarm.id}": alarm for alarm in reversed(found)}


def _ids(keys: Sequence[str]) -> list[str]:
    """The ids in those keys that may be names."""
    return [key.removeprefix(_NAMED) for key in keys if key.startswith(_NAMED)]


async def _insert(connection: AsyncConnection, found: _Sorted) -> None:
    """Writes new alarms; heartbeats whose key another one has are refused."""
    refused = await insert_signals(connection, [made for _, made, _ in found.created if made.signal is not None])
    if refused:
        await give_back(connection, [made for _, made, _ in found.created if made.id in refused])
        found.refuse({alarm_id: HeartbeatKeyTaken() for alarm_id in refused})
    await copy_rows(connection, alarms, ALARM_COLUMNS, [row for _, _, row in found.created])
    await copy_rows(connection, alarm_labels, LABEL_COLUMNS, label_rows([made for _, made, _ in found.created]))


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
    relabelled = [(stored, alarm) for _, stored, alarm, _ in found.changed if stored.labels != alarm.labels]
    if relabelled:
        await join_by_index(connection)
        await drop_labels(connection, relabelled[0][0].tenant, [(stored.id, stored.version) for stored, _ in relabelled])
    named = [dict(zip(ALARM_COLUMNS, alarm_row(alarm), strict=True)) for _, _, alarm, _ in found.changed]
    await _UPDATE.many(connection, [[*(row[name] for name in _CHANGED), row["id"]] for row in named])
    await insert_labels(connection, [alarm for _, alarm in relabelled])


async def _replaced(connection: AsyncConnection, alarm: Alarm) -> bool:
    """Lets an alarm wait for something else; whether it may."""
    savepoint = await connection.begin_nested()
    if await replace_signal(connection, alarm):
        await savepoint.commit()
        return True
    await savepoint.rollback()
    return False
