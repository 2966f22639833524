"""Alarms that are paused because they came due while their tenant was suspended."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, case, func, literal_column, select, update

from scheduler_svc.domain import TENANT_SUSPENDED, Alarm, AlarmState
from scheduler_svc.store.mapping import alarm_of
from scheduler_svc.store.signals import resume_signal
from scheduler_svc.store.tables import SUSPENDED, alarms
from tocsin.database import Database
from tocsin.recurrence import Micros

_PAUSED: Final[ColumnElement[bool]] = literal_column(SUSPENDED)


class SqlSuspensions:
    """Implements `scheduler_svc.ports.suspensions.SuspensionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def paused_tenant(self, *, after: str) -> str | None:
        query = select(func.min(alarms.c.tenant)).where(_PAUSED, alarms.c.tenant > after)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one()

    async def release(self, tenant: str, *, now: Micros, most: int) -> Sequence[Alarm]:
        chosen = select(alarms.c.id).where(_PAUSED, alarms.c.tenant == tenant).order_by(alarms.c.id).limit(most)
        waited = case((alarms.c.next_fire_at <= now, TENANT_SUSPENDED), else_="")
        change = (
            update(alarms)
            .where(alarms.c.id.in_(chosen.with_for_update(skip_locked=True)), _PAUSED)
            .values(state=AlarmState.ACTIVE, pause_reason=waited, updated_at=now, version=alarms.c.version + 1)
            .returning(alarms)
        )
        async with self._database.transaction() as connection:
            released = [alarm_of(row) for row in await connection.execute(change)]
            # One that waits for something from outside heard nothing meanwhile: it waits anew, and is not late.
            waiting = {alarm.id for alarm in released if not alarm.trigger.calendar}
            if waiting:
                await connection.execute(update(alarms).where(alarms.c.id.in_(waiting)).values(pause_reason=""))
            return [await resume_signal(connection, alarm, now=now) if alarm.id in waiting else alarm for alarm in released]
