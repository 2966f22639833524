"""When the service could take pings, as all of its replicas know it."""

from typing import Final

from scheduler_svc.store.sql import Statement, both
from scheduler_svc.triggers import Outage
from tocsin.database import Database
from tocsin.recurrence import Micros

_HEARD: Final = "heard"
_OUTAGE: Final = "deaf"
_READ: Final = Statement(
    sqlite="SELECT name, value FROM facts WHERE name IN ('heard', 'deaf')",
    postgresql="SELECT name, value FROM facts WHERE name IN ('heard', 'deaf') ORDER BY name FOR UPDATE",
)
_WRITE: Final = both("INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")


class SqlOutages:
    """Keeps the last instant at which some replica could take pings, and the last time in which none could."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hear(self, *, now: Micros, tolerance: Micros) -> Outage | None:
        """See `scheduler_svc.engine.outages.OutageStore`."""
        async with self._database.transaction() as connection:
            facts = {row[0]: row[1] for row in await _READ.rows(connection)}
            heard = int(facts[_HEARD]) if _HEARD in facts else now
            outage = Outage(*map(int, facts[_OUTAGE].split("/"))) if _OUTAGE in facts else None
            if now - heard > tolerance:
                outage = Outage(heard, now)
                await _WRITE.run(connection, _OUTAGE, f"{outage.begin}/{outage.end}")
            await _WRITE.run(connection, _HEARD, str(max(now, heard)))
        return outage
