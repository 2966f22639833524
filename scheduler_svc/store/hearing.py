"""When the service could take pings, as all of its replicas know it."""

from typing import Final

from scheduler_svc.recurrence import Micros
from scheduler_svc.signals import Deaf
from scheduler_svc.store.sql import Statement, both
from tocsin.database import Database

_HEARD: Final = "heard"
_DEAF: Final = "deaf"
_READ: Final = Statement(
    sqlite="SELECT name, value FROM facts WHERE name IN ('heard', 'deaf')",
    postgresql="SELECT name, value FROM facts WHERE name IN ('heard', 'deaf') ORDER BY name FOR UPDATE",
)
_WRITE: Final = both("INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")


class SqlHearing:
    """Keeps the last instant at which some replica could take pings, and the last time in which none could."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hear(self, *, now: Micros, tolerance: Micros) -> Deaf | None:
        """See `scheduler_svc.hearing.HearingStore`."""
        async with self._database.transaction() as connection:
            facts = {row[0]: row[1] for row in await _READ.rows(connection)}
            heard = int(facts[_HEARD]) if _HEARD in facts else now
            deaf = Deaf(*map(int, facts[_DEAF].split("/"))) if _DEAF in facts else None
            if now - heard > tolerance:
                deaf = Deaf(heard, now)
                await _WRITE.run(connection, _DEAF, f"{deaf.begin}/{deaf.end}")
            await _WRITE.run(connection, _HEARD, str(max(now, heard)))
        return deaf
