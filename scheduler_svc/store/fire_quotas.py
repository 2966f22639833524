"""Fires of a minute by tenant, and the alarms that wait for the next one."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, func, literal_column, select, update

from scheduler_svc.domain import Alarm, AlarmState
from scheduler_svc.domain.fire_quotas import FIRES_PER_MINUTE
from scheduler_svc.store.mapping import alarm_of
from scheduler_svc.store.tables import OVER_QUOTA, alarms, quota_periods
from tocsin.database import Database
from tocsin.recurrence import Micros
from tocsin.tenants.periods import Spent

_WAITING: Final[ColumnElement[bool]] = literal_column(OVER_QUOTA)


class SqlFireQuotas:
    """Implements `scheduler_svc.ports.fire_quotas.FireQuotaStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spend(self, wanted: Mapping[str, tuple[int, int]], *, minute: int) -> Mapping[str, Spent]:
        async with self._database.transaction() as connection:
            return {
                tenant: await quota_periods.spend(connection, tenant, FIRES_PER_MINUTE, period=minute, wanted=count, limit=limit)
                for tenant, (count, limit) in sorted(wanted.items())
            }

    async def used(self, tenant: str, *, minute: int) -> int:
        async with self._database.read() as connection:
            return await quota_periods.used(connection, tenant, FIRES_PER_MINUTE, period=minute)

    async def waiting(self, shards: Collection[int]) -> Mapping[str, int]:
        query = select(alarms.c.tenant, func.count()).where(_WAITING, alarms.c.shard.in_(shards)).group_by(alarms.c.tenant)
        async with self._database.read() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def release(self, tenant: str, shards: Collection[int], *, now: Micros, most: int) -> Sequence[Alarm]:
        mine = (_WAITING, alarms.c.tenant == tenant, alarms.c.shard.in_(shards))
        chosen = select(alarms.c.id).where(*mine).order_by(alarms.c.next_fire_at, alarms.c.id).limit(most)
        change = (
            update(alarms)
            .where(alarms.c.id.in_(chosen.with_for_update(skip_locked=True)), _WAITING)
            .values(state=AlarmState.ACTIVE, updated_at=now, version=alarms.c.version + 1)
            .returning(alarms)
        )
        async with self._database.transaction() as connection:
            return [alarm_of(row) for row in await connection.execute(change)]
