"""What became of the messages of firings, written into their rows."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import select, text, update

from scheduler_svc.domain import DeliveryEnd, DeliveryReport, FailedDelivery, Firing
from scheduler_svc.store.changes import note
from scheduler_svc.store.mapping import firing_of
from scheduler_svc.store.sql import CHANGE, begin_change
from scheduler_svc.store.tables import firings
from tocsin.database import Database, storable
from tocsin.recurrence import Micros

_MOST: Final = 2000
_REASON: Final = 200


class SqlDeliveryReports:
    """Implements `scheduler_svc.ports.ReportStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def apply(self, reports: Sequence[DeliveryReport], *, now: Micros) -> dict[str, Firing]:
        """Writes what is new into the firings, and tells who watches them; returns those that are known, by id."""
        wanted: defaultdict[str, list[DeliveryReport]] = defaultdict(list)
        for report in reports:
            wanted[report.firing].append(report)
        changed: defaultdict[str, list[str]] = defaultdict(list)
        async with self._database.transaction() as connection:
            await begin_change(connection)
            query = select(firings).where(firings.c.id.in_(sorted(wanted))).order_by(firings.c.id).with_for_update()
            found = {row.id: firing_of(row) for row in await connection.execute(query)}
            for firing in found.values():
                failed = _merged(firing, wanted[firing.id])
                if failed == firing.failed:
                    continue
                stored = json.dumps({name: [int(item.state), item.reason] for name, item in failed.items()}) if failed else None
                row = update(firings).where(firings.c.id == firing.id, firings.c.due_at == firing.due)
                await connection.execute(row.values(failed=stored, change_no=text(CHANGE.of(connection))))
                changed[firing.tenant].append(firing.id)
            if changed:
                await note(connection, changed, now=now)
        return found


def _merged(firing: Firing, reports: Sequence[DeliveryReport]) -> dict[str, FailedDelivery]:
    """The messages that went wrong after ``reports`` of the firing's tenant; nobody else's count."""
    failed = dict(firing.failed)
    for report in reports:
        if report.tenant != firing.tenant:
            continue
        if report.state is DeliveryEnd.ACCEPTED:
            failed.pop(report.delivery, None)
        elif report.delivery in failed or len(failed) < _MOST:
            failed[report.delivery] = FailedDelivery(report.state, storable(report.reason)[:_REASON])
    return failed
