"""Alarms, one by one."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, bindparam, delete, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import (
    REQUESTED,
    Alarm,
    AlarmKeyTaken,
    AlarmNotFound,
    AlarmState,
    RequestedAlarmDeleted,
    RequestIdReused,
)
from scheduler_svc.ports import AlarmHead, Moved, NewAlarm, Page
from scheduler_svc.store.alarm_pages import find_heads, find_page
from scheduler_svc.store.history import keep_rules, lock_versions, locked_version
from scheduler_svc.store.mapping import ALARM_COLUMNS, alarm_of, alarm_of_fields, alarm_row, drop_labels, insert_labels
from scheduler_svc.store.quotas import AlarmQuotas, AlarmsAdmitted, fewer, give_back
from scheduler_svc.store.signals import (
    drop_signal,
    drop_signals,
    insert_signals,
    replace_signal,
    resume_signal,
    resume_signals,
    with_signal,
    with_signals,
)
from scheduler_svc.store.sql import Fields, Statement, both, insert, join_by_index
from scheduler_svc.store.tables import PAUSABLE, VERSION, alarms, requests
from scheduler_svc.triggers import HeartbeatKeyTaken
from tocsin.database import Database, DriverConnection, Lookup
from tocsin.errors import TocsinError
from tocsin.listing import Condition
from tocsin.recurrence import Micros

_INSERT: Final = insert(alarms, ALARM_COLUMNS)
_INSERT_KEYED: Final = insert(alarms, ALARM_COLUMNS, ignore=True)
_THERE: Final = Statement(
    sqlite="SELECT id FROM alarms WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT id FROM alarms WHERE id = ANY($1::text[])",
)
_GET: Final = Lookup(
    select(*(alarms.c[name] for name in ALARM_COLUMNS)).where(alarms.c.id == bindparam("in_id"), alarms.c.tenant == bindparam("in_tenant"))
)
_BY_IDS: Final = Statement(
    sqlite=f"SELECT {', '.join(ALARM_COLUMNS)} FROM alarms WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql=f"SELECT {', '.join(ALARM_COLUMNS)} FROM alarms WHERE id = ANY($1::text[])",
)
_FORGET_REQUEST: Final = both("DELETE FROM requests WHERE tenant = $1 AND request_id = $2")
_INSERT_REQUESTS: Final = insert(requests, ("tenant", "request_id", "digest", "alarm", "created_at"), ignore=True)
_DELETE: Final = Statement(
    sqlite="DELETE FROM alarms WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql="DELETE FROM alarms WHERE id = ANY($1::text[])",
)
_PAUSING: Final = (
    f"UPDATE alarms SET state = {AlarmState.PAUSED:d}, pause_reason = $3, updated_at = $2, version = version + 1 "
    f"WHERE id {{}} AND {PAUSABLE} RETURNING id"
)
_RESUMING: Final = (
    f"UPDATE alarms SET state = {AlarmState.ACTIVE:d}, pause_reason = '', failures = 0, skip_before = $2, updated_at = $2, "
    f"version = version + 1 WHERE id {{}} AND state = {AlarmState.PAUSED:d} RETURNING id, shard, priority, next_fire_at, tenant"
)
_PAUSE_ALL, _RESUME_ALL = (
    Statement(sqlite=change.format("IN (SELECT value FROM json_each($1))").replace("$", "?"), postgresql=change.format("= ANY($1::text[])"))
    for change in (_PAUSING, _RESUMING)
)
_FIND_REQUESTS: Final = Statement(
    sqlite=(
        "SELECT r.tenant, r.request_id, r.digest, r.alarm FROM json_each(?1) w "
        "CROSS JOIN requests r ON r.tenant = w.value ->> 0 AND r.request_id = w.value ->> 1"
    ),
    postgresql=(
        "SELECT r.tenant, r.request_id, r.digest, r.alarm FROM unnest($1::text[], $2::text[]) AS w(tenant, request_id) "
        "JOIN requests r ON r.tenant = w.tenant AND r.request_id = w.request_id"
    ),
)

_Key = tuple[str, str]


class SqlAlarmStore:
    """Alarms of all tenants: implements `scheduler_svc.ports.AlarmStore`."""

    def __init__(self, database: Database, quotas: AlarmQuotas | None = None) -> None:
        """Takes the database, and how many alarms tenants may have; any number unless given."""
        self._database = database
        self._quotas = quotas

    async def create(self, batch: Sequence[NewAlarm]) -> Sequence[Alarm | TocsinError]:
        uses = list[AlarmsAdmitted]()
        answers = await self._database.transact(partial(self._create, batch, uses))
        if self._quotas is not None:
            self._quotas.tell(uses)
        return answers

    async def _create(
        self, batch: Sequence[NewAlarm], uses: list[AlarmsAdmitted], connection: DriverConnection
    ) -> Sequence[Alarm | TocsinError]:
        made = await self._claim(connection, [new for new in batch if new.request_id])
        first = {(new.alarm.tenant, new.request_id): new for new in reversed(batch) if new.request_id}
        fresh = [new for new in batch if not new.request_id]
        fresh += [new for key, new in first.items() if made[key] == (new.digest, new.alarm.id)]
        over = await self._quotas.admit(connection, fresh, lambda new: new.alarm, uses=uses) if self._quotas else {}
        fresh = await _without(connection, fresh, over)
        refused = await insert_signals(connection, [new.alarm for new in fresh])
        fresh = await _without(connection, fresh, refused)
        taken = await _insert(connection, [new.alarm for new in fresh])
        fresh = await _without(connection, fresh, taken)
        await give_back(connection, [new.alarm for new in batch if new.alarm.id in refused | taken])
        await insert_labels(connection, [new.alarm for new in fresh])
        known = {new.alarm.id: new.alarm for new in fresh}
        earlier = [alarm_id for _, alarm_id in made.values() if alarm_id not in known and alarm_id not in refused | taken | over.keys()]
        known |= {alarm.id: alarm for alarm in await _by_ids(connection, earlier)}
        errors: dict[str, TocsinError] = {alarm_id: HeartbeatKeyTaken() for alarm_id in refused}
        errors |= {alarm_id: AlarmKeyTaken() for alarm_id in taken}
        errors |= over
        return [errors.get(new.alarm.id) or _answer(new, made, known) for new in batch]

    @staticmethod
    async def _claim(connection: DriverConnection, wanted: Sequence[NewAlarm]) -> dict[_Key, tuple[str, str]]:
        """Remembers the requests; the digest and the alarm that each one stands for, which an earlier request may have decided."""
        if not wanted:
            return {}
        first = {(new.alarm.tenant, new.request_id): new for new in reversed(wanted)}
        rows = [(*key, new.digest, new.alarm.id, new.alarm.created) for key, new in sorted(first.items())]
        if await _INSERT_REQUESTS.many(connection, rows) == len(rows):
            return {key: (new.digest, new.alarm.id) for key, new in first.items()}
        found = await _FIND_REQUESTS.pairs(connection, first)
        return {(tenant, request_id): (digest, alarm) for tenant, request_id, digest, alarm in found}

    async def requested(self, tenant: str, request_id: str, *, digest: str) -> Alarm | None:
        async with self._database.read() as connection:
            found = await _FIND_REQUESTS.pairs(connection, [(tenant, request_id)])
            if not found:
                return None
            _, _, known, alarm_id = found[0]
            if known != digest:
                raise RequestIdReused
            stored = await _by_ids(connection, [alarm_id])
        if not stored:
            raise RequestedAlarmDeleted
        return stored[0]

    async def get(self, tenant: str, alarm_id: str) -> Alarm:
        found = await self._database.lookup(_GET, {"in_id": alarm_id, "in_tenant": tenant})
        if not found:
            raise AlarmNotFound
        return await with_signal(self._database, alarm_of_fields(found[0]))

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int) -> Page:
        async with self._database.read() as connection:
            page = await find_page(connection, tenant, conditions=conditions, before=before, size=size)
            return page._replace(alarms=await with_signals(connection, page.alarms))

    async def update(self, alarm: Alarm, *, reschedule: bool, turned: bool = False) -> Alarm | None:
        values = dict(zip(ALARM_COLUMNS, alarm_row(alarm), strict=True))
        kept = {"id", "tenant", "shard", "created_at", "traceparent", *(() if reschedule else _SCHEDULE)}
        wanted = literal_column(VERSION.format("alarms")) == alarm.version - 1
        if turned and not reschedule:
            resumed = alarm.state is AlarmState.ACTIVE
            kept -= {*_RESUMED} if resumed else {*_PAUSED}
            wanted &= alarms.c.state == (AlarmState.PAUSED if resumed else AlarmState.ACTIVE)
        async with self._database.transaction() as connection:
            if await _key_taken(connection, alarm):
                raise AlarmKeyTaken
            if reschedule:
                await keep_rules(connection, [(alarm.id, alarm.version - 1)], until=alarm.rule_since)
            await drop_labels(connection, alarm.tenant, [(alarm.id, alarm.version - 1)])
            changed = await _change(
                connection,
                alarm.tenant,
                alarm.id,
                wanted,
                **{name: value for name, value in values.items() if name not in kept},
            )
            if changed is not None:
                await insert_labels(connection, [alarm])
                if reschedule and not await replace_signal(connection, alarm):
                    raise HeartbeatKeyTaken
                if turned and not reschedule and alarm.state is AlarmState.ACTIVE:
                    return await resume_signal(connection, changed, now=alarm.updated)
                changed = (await with_signals(connection, [changed]))[0]
        return changed

    async def pause(self, tenant: str, alarm_id: str, *, now: Micros, reason: str = REQUESTED) -> Alarm | None:
        async with self._database.transaction() as connection:
            paused = await _change(
                connection,
                tenant,
                alarm_id,
                literal_column(PAUSABLE),
                state=AlarmState.PAUSED,
                pause_reason=reason,
                updated_at=now,
                version=alarms.c.version + 1,
            )
            return None if paused is None else (await with_signals(connection, [paused]))[0]

    async def resume(self, tenant: str, alarm_id: str, *, now: Micros) -> Alarm | None:
        async with self._database.transaction() as connection:
            resumed = await _change(
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
            return None if resumed is None else await resume_signal(connection, resumed, now=now)

    async def delete(self, tenant: str, alarm_id: str, *, version: int | None, now: Micros) -> bool:
        async with self._database.transaction() as connection:
            stored = await locked_version(connection, tenant, alarm_id)
            if stored is None or version not in (None, stored):
                return False
            await keep_rules(connection, [(alarm_id, stored)], until=now)
            await drop_labels(connection, tenant, [(alarm_id, stored)])
            await connection.execute(delete(alarms).where(alarms.c.id == alarm_id))
            await drop_signal(connection, alarm_id)
            await fewer(connection, tenant, 1)
        return True

    async def heads(
        self, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int, pausable: bool = False
    ) -> tuple[Sequence[AlarmHead], str | None]:
        async with self._database.read() as connection:
            return await find_heads(connection, tenant, conditions=conditions, before=before, size=size, pausable=pausable)

    async def delete_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: Micros) -> Sequence[AlarmHead]:
        async with self._database.transaction() as connection:
            await join_by_index(connection)
            locked = await lock_versions(connection, tenant, [(alarm.id, alarm.version) for alarm in wanted])
            gone = [alarm for alarm in wanted if alarm.id in locked]
            ended = [(alarm.id, alarm.version) for alarm in gone]
            await keep_rules(connection, ended, until=now)
            await drop_labels(connection, tenant, ended)
            await _DELETE.run(connection, [alarm.id for alarm in gone])
            await drop_signals(connection, [alarm.id for alarm in gone])
            await fewer(connection, tenant, len(gone))
        return gone

    async def pause_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: Micros, reason: str = REQUESTED) -> Sequence[AlarmHead]:
        async with self._database.transaction() as connection:
            paused = {row[0] for row in await _turn_all(connection, _PAUSE_ALL, tenant, wanted, now, reason)}
        return [alarm for alarm in wanted if alarm.id in paused]

    async def resume_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: Micros) -> Sequence[Moved]:
        async with self._database.transaction() as connection:
            found = [Moved._make(row) for row in await _turn_all(connection, _RESUME_ALL, tenant, wanted, now)]
            due = await resume_signals(connection, [alarm.alarm for alarm in found], now=now)
        return [alarm._replace(due=due.get(alarm.alarm, alarm.due)) for alarm in found]


_PAUSED: Final = ("state", "pause_reason")
_RESUMED: Final = (*_PAUSED, "skip_before", "failures")
_SCHEDULE: Final = ("state", "next_fire_at", "ordinal", "skip_before", "anchor_at", "rule_since", "failures", "pause_reason")


async def _change(
    connection: AsyncConnection, tenant: str, alarm_id: str, condition: ColumnElement[bool], **values: object
) -> Alarm | None:
    """The alarm after a conditional change; None when the condition did not hold."""
    query = update(alarms).where(alarms.c.id == alarm_id, alarms.c.tenant == tenant, condition).values(**values).returning(alarms)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else alarm_of(row)


async def _turn_all(
    connection: AsyncConnection, change: Statement, tenant: str, wanted: Sequence[AlarmHead], *values: Micros | str
) -> Sequence[Fields]:
    """What the change returns of those that still have their version. They are locked first, in one order everywhere."""
    await join_by_index(connection)
    locked = await lock_versions(connection, tenant, [(alarm.id, alarm.version) for alarm in wanted])
    return await change.rows(connection, sorted(locked), *values)


async def _by_ids(connection: DriverConnection, ids: Sequence[str]) -> list[Alarm]:
    if not ids:
        return []
    return await with_signals(connection, [alarm_of_fields(row) for row in await _BY_IDS.rows(connection, list(ids))])


async def _insert(connection: DriverConnection, made: Sequence[Alarm]) -> set[str]:
    """Writes the rows of new alarms; the ids of those whose key another alarm of the tenant has, which are not written."""
    await _INSERT.many(connection, [alarm_row(alarm) for alarm in made if not alarm.key])
    keyed = [alarm for alarm in made if alarm.key]
    if await _INSERT_KEYED.many(connection, [alarm_row(alarm) for alarm in keyed]) == len(keyed):
        return set()
    ids = [alarm.id for alarm in keyed]
    taken = set(ids) - {row[0] for row in await _THERE.rows(connection, ids)}
    for alarm_id in taken:
        await drop_signal(connection, alarm_id)
    return taken


async def _key_taken(connection: AsyncConnection, alarm: Alarm) -> bool:
    """Whether another alarm of the tenant has the key."""
    if not alarm.key:
        return False
    others = select(alarms.c.id).where(
        alarms.c.tenant == alarm.tenant, alarms.c.key == alarm.key, alarms.c.key != "", alarms.c.id != alarm.id
    )
    return (await connection.execute(others)).first() is not None


async def _without(connection: DriverConnection, fresh: Sequence[NewAlarm], refused: Collection[str]) -> list[NewAlarm]:
    """Those that were not refused; the others' requests are forgotten, so that they may be made again."""
    for new in fresh:
        if new.alarm.id in refused and new.request_id:
            await _FORGET_REQUEST.run(connection, new.alarm.tenant, new.request_id)
    return [new for new in fresh if new.alarm.id not in refused]


def _answer(new: NewAlarm, made: Mapping[_Key, tuple[str, str]], known: Mapping[str, Alarm]) -> Alarm | TocsinError:
    if not new.request_id:
        return known[new.alarm.id]
    digest, alarm_id = made[new.alarm.tenant, new.request_id]
    if digest != new.digest:
        return RequestIdReused()
    return known.get(alarm_id) or RequestedAlarmDeleted()


_USING: Final = (
    "SELECT id, action FROM alarms WHERE tenant = $1 AND id > $2 AND kind IN ('notify', 'check') AND state <> "
    f"{AlarmState.COMPLETED:d} AND {{}} ORDER BY id LIMIT $4"
)
# No index tells what an action holds, and none is worth what it costs: this is asked when somebody changes or deletes a template.
_NAMING: Final = Statement(
    sqlite=_USING.format("instr(action, $3) > 0").replace("$", "?"), postgresql=_USING.format("position($3::bytea IN action) > 0")
)


class SqlTemplateUses:
    """Looks for the name of a template in actions: implements `scheduler_svc.ports.TemplateUses`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def naming(self, tenant: str, name: str, *, after: str, size: int) -> Sequence[tuple[str, bytes]]:
        async with self._database.read() as connection:
            return [(row[0], bytes(row[1])) for row in await _NAMING.rows(connection, tenant, after, name.encode(), size)]
