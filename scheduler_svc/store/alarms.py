"""Alarms: the implementation of `scheduler_svc.ports.AlarmStore`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import (
    REQUESTED,
    Action,
    Alarm,
    AlarmNotFound,
    AlarmState,
    Priority,
    RequestedAlarmDeleted,
    RequestIdReused,
    RetryPolicy,
)
from scheduler_svc.ports import NewAlarm
from scheduler_svc.recurrence import Micros, Trigger
from scheduler_svc.store.sql import Statement, insert
from scheduler_svc.store.tables import alarm_labels, alarms, requests
from tocsin.database import Database
from tocsin.errors import TocsinError
from tocsin.listing import Condition

_COLUMNS: Final = tuple(column.name for column in alarms.c)
_INSERT: Final = insert(alarms, _COLUMNS)
_INSERT_LABELS: Final = insert(alarm_labels, ("tenant", "name", "value", "alarm"))
_INSERT_REQUESTS: Final = insert(requests, ("tenant", "request_id", "digest", "alarm", "created_at"), ignore=True)
_FIND_REQUESTS: Final = Statement(
    sqlite=(
        "SELECT r.tenant, r.request_id, r.digest, r.alarm FROM json_each(?1) t JOIN json_each(?2) i ON i.key = t.key "
        "JOIN requests r ON r.tenant = t.value AND r.request_id = i.value"
    ),
    postgresql=(
        "SELECT r.tenant, r.request_id, r.digest, r.alarm FROM unnest($1::text[], $2::text[]) AS w(tenant, request_id) "
        "JOIN requests r ON r.tenant = w.tenant AND r.request_id = w.request_id"
    ),
)

_Key = tuple[str, str]


class SqlAlarmStore:
    """Alarms of all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, batch: Sequence[NewAlarm]) -> Sequence[Alarm | TocsinError]:
        """See `scheduler_svc.ports.AlarmStore`."""
        async with self._database.transaction() as connection:
            made = await self._claim(connection, [new for new in batch if new.request_id])
            first = {(new.alarm.tenant, new.request_id): new for new in reversed(batch) if new.request_id}
            fresh = [new for new in batch if not new.request_id]
            fresh += [new for key, new in first.items() if made[key] == (new.digest, new.alarm.id)]
            await _INSERT.many(connection, [_row(new.alarm) for new in fresh])
            await _insert_labels(connection, [new.alarm for new in fresh])
            known = {new.alarm.id: new.alarm for new in fresh}
            earlier = [alarm_id for _, alarm_id in made.values() if alarm_id not in known]
            known |= {alarm.id: alarm for alarm in await _by_ids(connection, earlier)}
        return [_answer(new, made, known) for new in batch]

    @staticmethod
    async def _claim(connection: AsyncConnection, wanted: Sequence[NewAlarm]) -> dict[_Key, tuple[str, str]]:
        """Remembers the requests; the digest and the alarm that each one stands for, which an earlier request may have decided."""
        if not wanted:
            return {}
        first = {(new.alarm.tenant, new.request_id): new for new in reversed(wanted)}
        rows = [(*key, new.digest, new.alarm.id, new.alarm.created) for key, new in sorted(first.items())]
        if await _INSERT_REQUESTS.many(connection, rows) == len(rows):
            return {key: (new.digest, new.alarm.id) for key, new in first.items()}
        tenants, ids = ([key[part] for key in first] for part in (0, 1))
        found = await _FIND_REQUESTS.rows(connection, tenants, ids)
        return {(tenant, request_id): (digest, alarm) for tenant, request_id, digest, alarm in found}

    async def get(self, tenant: str, alarm_id: str) -> Alarm:
        """See `scheduler_svc.ports.AlarmStore`."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(alarms).where(alarms.c.id == alarm_id, alarms.c.tenant == tenant))).one_or_none()
        if row is None:
            raise AlarmNotFound
        return _alarm(row)

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int) -> list[Alarm]:
        """See `scheduler_svc.ports.AlarmStore`."""
        query: Select[Any] = select(alarms).where(alarms.c.tenant == tenant, *(_where(tenant, condition) for condition in conditions))
        if before is not None:
            query = query.where(alarms.c.id < before)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(alarms.c.id.desc()).limit(size))
            return [_alarm(row) for row in rows]

    async def update(self, alarm: Alarm, *, reschedule: bool) -> Alarm | None:
        """See `scheduler_svc.ports.AlarmStore`."""
        values = dict(zip(_COLUMNS, _row(alarm), strict=True))
        kept = {"id", "tenant", "shard", "created_at", "traceparent", *(() if reschedule else _SCHEDULE)}
        async with self._database.transaction() as connection:
            changed = await _change(
                connection,
                alarm.tenant,
                alarm.id,
                alarms.c.version == alarm.version - 1,
                **{name: value for name, value in values.items() if name not in kept},
            )
            if changed is not None:
                await connection.execute(delete(alarm_labels).where(alarm_labels.c.alarm == alarm.id))
                await _insert_labels(connection, [alarm])
        return changed

    async def pause(self, tenant: str, alarm_id: str, *, now: Micros) -> Alarm | None:
        """See `scheduler_svc.ports.AlarmStore`."""
        async with self._database.transaction() as connection:
            return await _change(
                connection,
                tenant,
                alarm_id,
                alarms.c.state == AlarmState.ACTIVE,
                state=AlarmState.PAUSED,
                pause_reason=REQUESTED,
                updated_at=now,
                version=alarms.c.version + 1,
            )

    async def resume(self, tenant: str, alarm_id: str, *, now: Micros) -> Alarm | None:
        """See `scheduler_svc.ports.AlarmStore`."""
        async with self._database.transaction() as connection:
            return await _change(
                connection,
                tenant,
                alarm_id,
                alarms.c.state == AlarmState.PAUSED,
                state=AlarmState.ACTIVE,
                skip_before=now,
                pause_reason="",
                failures=0,
                updated_at=now,
                version=alarms.c.version + 1,
            )

    async def delete(self, tenant: str, alarm_id: str, *, version: int | None) -> bool:
        """See `scheduler_svc.ports.AlarmStore`."""
        query = delete(alarms).where(alarms.c.id == alarm_id, alarms.c.tenant == tenant)
        if version is not None:
            query = query.where(alarms.c.version == version)
        async with self._database.transaction() as connection:
            removed = (await connection.execute(query)).rowcount > 0
            if removed:
                await connection.execute(delete(alarm_labels).where(alarm_labels.c.alarm == alarm_id))
        return removed


_SCHEDULE: Final = ("state", "next_fire_at", "ordinal", "skip_before", "anchor_at", "rule_since", "failures", "pause_reason")


async def _change(
    connection: AsyncConnection, tenant: str, alarm_id: str, condition: ColumnElement[bool], **values: object
) -> Alarm | None:
    """The alarm after a conditional change; None when the condition did not hold."""
    query = update(alarms).where(alarms.c.id == alarm_id, alarms.c.tenant == tenant, condition).values(**values).returning(alarms)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _alarm(row)


async def _by_ids(connection: AsyncConnection, ids: Sequence[str]) -> list[Alarm]:
    if not ids:
        return []
    return [_alarm(row) for row in await connection.execute(select(alarms).where(alarms.c.id.in_(ids)))]


async def _insert_labels(connection: AsyncConnection, made: Sequence[Alarm]) -> None:
    await _INSERT_LABELS.many(connection, [(alarm.tenant, name, value, alarm.id) for alarm in made for name, value in alarm.labels.items()])


def _answer(new: NewAlarm, made: Mapping[_Key, tuple[str, str]], known: Mapping[str, Alarm]) -> Alarm | TocsinError:
    if not new.request_id:
        return known[new.alarm.id]
    digest, alarm_id = made[new.alarm.tenant, new.request_id]
    if digest != new.digest:
        return RequestIdReused()
    return known.get(alarm_id) or RequestedAlarmDeleted()


def _where(tenant: str, condition: Condition) -> ColumnElement[bool]:
    """A condition of a filter as SQL."""
    if condition.field == "labels":
        return exists().where(
            and_(
                alarm_labels.c.tenant == tenant,
                alarm_labels.c.name == condition.key,
                alarm_labels.c.value == condition.value,
                alarm_labels.c.alarm == alarms.c.id,
            )
        )
    column: ColumnElement[Any] = alarms.c[condition.field]
    value: object = condition.value
    if condition.field == "state":
        value = AlarmState[str(value)]
    elif condition.field == "priority":
        value = Priority[str(value)]
    return column == value if condition.operator == "=" else column != value


def _row(alarm: Alarm) -> tuple[Any, ...]:
    """The values of `_COLUMNS`."""
    return (
        alarm.id,
        alarm.tenant,
        alarm.shard,
        int(alarm.state),
        int(alarm.priority),
        alarm.due,
        alarm.ordinal,
        alarm.skip_before,
        alarm.anchor,
        alarm.trigger.encode(),
        alarm.action.kind,
        alarm.action.body,
        "" if alarm.retry is None else alarm.retry.encode(),
        alarm.display_name,
        json.dumps(dict(alarm.labels), ensure_ascii=False, separators=(",", ":")) if alarm.labels else "",
        alarm.traceparent,
        alarm.version,
        alarm.created,
        alarm.updated,
        alarm.key,
        alarm.auto_pause_after,
        alarm.failures,
        alarm.pause_reason,
        alarm.rule_since,
    )


def _alarm(row: Row[Any]) -> Alarm:
    return Alarm(
        id=row.id,
        tenant=row.tenant,
        shard=row.shard,
        state=AlarmState(row.state),
        priority=Priority(row.priority),
        due=row.next_fire_at,
        ordinal=row.ordinal,
        skip_before=row.skip_before,
        anchor=row.anchor_at,
        trigger=Trigger.decode(row.trigger_rule),
        action=Action(row.kind, row.action),
        retry=RetryPolicy.decode(row.retry) if row.retry else None,
        display_name=row.display_name,
        labels=json.loads(row.labels) if row.labels else {},
        traceparent=row.traceparent,
        version=row.version,
        created=row.created_at,
        updated=row.updated_at,
        key=row.key,
        auto_pause_after=row.auto_pause_after,
        failures=row.failures,
        pause_reason=row.pause_reason,
        rule_since=row.rule_since,
    )
