"""What a summary of the ledger counts."""

from collections.abc import Sequence

from sqlalchemy import case, func, select

from scheduler_svc.ports.summaries import FiringCount
from scheduler_svc.store.tables import firings
from tocsin.database import Database
from tocsin.recurrence import Micros


class SqlFiringCounts:
    """Counts firings: implements `scheduler_svc.ports.summaries.FiringCounts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(
        self, tenant: str, *, alarm: str, since: Micros, until: Micros, edges: Sequence[Micros], most: int
    ) -> Sequence[FiringCount]:
        wanted = [firings.c.tenant == tenant, firings.c.due_at >= since, firings.c.due_at <= until]
        if alarm:
            wanted.append(firings.c.alarm == alarm)
        late = (firings.c.fired_at - firings.c.due_at).label("late")
        latest = (
            select(firings.c.outcome, late, firings.c.due_at)
            .where(*wanted)
            .order_by(firings.c.due_at.desc(), firings.c.id.desc())
            .limit(most)
            .subquery()
        )
        step = case((latest.c.late.is_(None), -1), *((latest.c.late <= edge, place) for place, edge in enumerate(edges)), else_=len(edges))
        query = select(latest.c.outcome, step.label("step"), func.count(), func.min(latest.c.due_at)).group_by("outcome", "step")
        async with self._database.read() as connection:
            return [FiringCount(*row) for row in await connection.execute(query)]
