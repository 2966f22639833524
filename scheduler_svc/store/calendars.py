"""Calendars that triggers share, and the alarms that use them."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from msgspec import structs
from sqlalchemy import Row, delete, insert, select, text, update

from scheduler_svc.domain import (
    Alarm,
    AlarmState,
    CalendarChanged,
    CalendarExists,
    CalendarNotFound,
    Refreshed,
    SharedCalendar,
    decode_says,
    encode_says,
)
from scheduler_svc.store.history import keep_rules
from scheduler_svc.store.mapping import alarm_of
from scheduler_svc.store.tables import USING_CALENDARS, alarms, calendars
from tocsin.database import ConstraintBroken, Database
from tocsin.recurrence import CalendarText, Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_USING: Final = text(USING_CALENDARS)


class SqlCalendarStore:
    """Calendars of all tenants: implements `scheduler_svc.ports.CalendarStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, calendar: SharedCalendar) -> None:
        values = {"tenant": calendar.tenant, "id": calendar.id, "created_at": calendar.created, **_changeable(calendar)}
        try:
            async with self._database.transaction() as connection:
                await connection.execute(insert(calendars).values(values))
        except ConstraintBroken as error:
            raise CalendarExists(f"calendars/{calendar.id} exists already") from error

    async def page(self, tenant: str, *, after: str, size: int) -> list[SharedCalendar]:
        query = select(calendars).where(calendars.c.tenant == tenant, calendars.c.id > after).order_by(calendars.c.id).limit(size)
        async with self._database.read() as connection:
            return [_calendar_of(row) for row in await connection.execute(query)]

    async def by_ids(self, tenant: str, ids: Collection[str]) -> dict[str, SharedCalendar]:
        query = select(calendars).where(calendars.c.tenant == tenant, calendars.c.id.in_(sorted(ids)))
        async with self._database.read() as connection:
            return {row.id: _calendar_of(row) for row in await connection.execute(query)}

    async def revise(self, tenant: str, calendar: str, revise: Callable[[SharedCalendar], SharedCalendar]) -> SharedCalendar:
        async with self._database.transaction() as connection:
            row = (await connection.execute(select(calendars).where(*_one(tenant, calendar)).with_for_update())).one_or_none()
            if row is None:
                raise CalendarNotFound
            revised = revise(_calendar_of(row))
            await connection.execute(update(calendars).where(*_one(tenant, calendar)).values(_changeable(revised)))
        return revised

    async def delete(self, tenant: str, calendar: str, *, version: int | None) -> None:
        async with self._database.transaction() as connection:
            row = (await connection.execute(select(calendars.c.version).where(*_one(tenant, calendar)).with_for_update())).one_or_none()
            if row is None:
                raise CalendarNotFound
            if version not in (None, row.version):
                raise CalendarChanged
            await connection.execute(delete(calendars).where(*_one(tenant, calendar)))

    async def using(self, tenant: str, *, after: str, size: int) -> list[Alarm]:
        query = select(alarms).where(alarms.c.tenant == tenant, alarms.c.id > after, _USING).order_by(alarms.c.id).limit(size)
        async with self._database.read() as connection:
            return [alarm_of(row) for row in await connection.execute(query)]

    async def changed_since(self, instant: Micros) -> Sequence[str]:
        query = select(calendars.c.tenant).where(calendars.c.updated_at >= instant).distinct().order_by(calendars.c.tenant)
        async with self._database.read() as connection:
            return [row.tenant for row in await connection.execute(query)]

    async def refresh(self, batch: Sequence[Refreshed], *, now: Micros) -> list[Alarm]:
        done: list[Alarm] = []
        async with self._database.transaction() as connection:
            wanted = {one.alarm.id: one for one in batch}
            columns = alarms.c.id, alarms.c.version, alarms.c.next_fire_at, alarms.c.ordinal, alarms.c.state
            query = select(*columns).where(alarms.c.id.in_(sorted(wanted))).order_by(alarms.c.id).with_for_update()
            rows = (await connection.execute(query)).all()
            same = [wanted[row.id] for row in rows if tuple(row)[1:] == _read_as(wanted[row.id].alarm)]
            for one in same:
                await keep_rules(connection, [(one.alarm.id, one.alarm.version)], until=one.since)
                after = _after(one, now=now)
                await connection.execute(update(alarms).where(alarms.c.id == after.id).values(_schedule(after)))
                done.append(after)
        return done


def _read_as(alarm: Alarm) -> tuple[int, Micros | None, int, int]:
    return alarm.version, alarm.due, alarm.ordinal, int(alarm.state)


def _after(one: Refreshed, *, now: Micros) -> Alarm:
    alarm = one.alarm
    return structs.replace(
        alarm,
        trigger=one.trigger,
        due=one.due,
        ordinal=0,
        rule_since=one.since,
        version=alarm.version + 1,
        updated=now,
        state=AlarmState.COMPLETED if one.due is None else alarm.state,
    )


def _schedule(alarm: Alarm) -> dict[str, Any]:
    return {
        "trigger_rule": alarm.trigger.encode(),
        "next_fire_at": alarm.due,
        "ordinal": alarm.ordinal,
        "rule_since": alarm.rule_since,
        "version": alarm.version,
        "updated_at": alarm.updated,
        "state": int(alarm.state),
    }


def _one(tenant: str, calendar: str) -> tuple[Any, Any]:
    return calendars.c.tenant == tenant, calendars.c.id == calendar


def _changeable(calendar: SharedCalendar) -> dict[str, Any]:
    return {
        "display_name": calendar.display_name,
        "says": encode_says(calendar.says),
        "version": calendar.version,
        "updated_at": calendar.updated,
    }


def _calendar_of(row: Row[Any]) -> SharedCalendar:
    """The calendar in a row; one that nobody can read says nothing."""
    try:
        says = decode_says(row.says)
    except Exception as error:  # noqa: BLE001  whatever somebody stored costs this row only
        _log.warning("calendar cannot be read", calendar=row.id, error=str(error))
        says = CalendarText()
    return SharedCalendar(
        tenant=row.tenant,
        id=row.id,
        display_name=row.display_name,
        says=says,
        version=row.version,
        created=row.created_at,
        updated=row.updated_at,
    )
