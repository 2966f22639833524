"""What a forecast reads."""

from typing import Final

from scheduler_svc.ports import Group
from scheduler_svc.store.history import OF_CALENDAR
from scheduler_svc.store.sql import both
from scheduler_svc.store.tables import ACTIVE
from tocsin.clock import MINUTE
from tocsin.database import Database
from tocsin.recurrence import Micros

# A text of a client's may look like a count; then its group is only smaller than it could be.
_GROUPS: Final = both(
    "SELECT rule, min(anchor_at), min(id), min(next_fire_at), number, count(*), max(id) FROM ("
    f"SELECT id, anchor_at, next_fire_at, next_fire_at / {MINUTE} AS minute, "
    "CASE WHEN trigger_rule LIKE '{\"at\":%' THEN '' ELSE trigger_rule END AS rule, "
    "CASE WHEN trigger_rule LIKE '%\"count\":%' THEN ordinal ELSE 0 END AS number "
    f"FROM alarms WHERE tenant = $1 AND id > $2 AND state = {ACTIVE} AND next_fire_at < $3 AND {OF_CALENDAR} ORDER BY id LIMIT $4"
    ") AS page GROUP BY rule, minute, number"
)


class SqlForecastStore:
    """What a forecast reads: implements `scheduler_svc.ports.ForecastStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def groups(self, tenant: str, *, after: str, until: Micros, most: int) -> list[Group]:
        async with self._database.read() as connection:
            return [Group(*row) for row in await _GROUPS.rows(connection, tenant, after, until, most)]
