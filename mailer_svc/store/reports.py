"""Ends of deliveries that the scheduler is to be told: noted in the transaction that makes them, forgotten when they are told."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import DeliveryState, PendingReport
from mailer_svc.store.tables import deliveries, events, reports
from tocsin.database import Database, insert_ignore

_KNOWN = {int(state): state for state in DeliveryState}


async def note(connection: AsyncConnection, ids: Sequence[str], change: int) -> None:
    """Notes that the current transaction ended these deliveries otherwise than the scheduler takes for granted; firings are its own."""
    if ids:
        own = select(deliveries.c.id, literal(change)).where(deliveries.c.id.in_(ids), deliveries.c.firing != "")
        await connection.execute(insert_ignore(reports).from_select(["delivery", "change"], own))


class SqlReports:
    """What is to be told."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def pending(self, *, limit: int) -> list[PendingReport]:
        """Up to ``limit`` deliveries as they are now, in the order of what happened to them."""
        async with self._database.read() as connection:
            rows = (await connection.execute(_pending(), {"most": limit})).all()
        return [_report(row) for row in rows]

    async def reported(self, reported: Sequence[PendingReport]) -> None:
        """Remove reports that the scheduler has; what happened since stays."""
        keys = [(report.delivery, report.change) for report in reported]
        async with self._database.transaction() as connection:
            await connection.execute(delete(reports).where(tuple_(reports.c.delivery, reports.c.change).in_(keys)))


@cache  # built once: it is asked each second
def _pending() -> Select[*tuple[Any, ...]]:
    """What is to be told, with the latest reason of each delivery."""
    why = (
        select(events.c.detail)
        .where(events.c.delivery == deliveries.c.id)
        .order_by(events.c.change.desc(), events.c.number.desc())
        .limit(1)
        .correlate(deliveries)
        .scalar_subquery()
    )
    return (
        select(
            reports.c.delivery,
            reports.c.change,
            deliveries.c.tenant,
            deliveries.c.firing,
            deliveries.c.channel,
            deliveries.c.recipient,
            deliveries.c.state,
            deliveries.c.attempts,
            why.label("detail"),
        )
        .join_from(reports, deliveries, deliveries.c.id == reports.c.delivery, isouter=True)
        .order_by(reports.c.change, reports.c.delivery)
        .limit(bindparam("most"))
    )


def _report(row: Row[Any]) -> PendingReport:
    return PendingReport(
        delivery=row.delivery,
        change=row.change,
        tenant=row.tenant or "",
        firing=row.firing or "",
        channel=row.channel or "",
        to=row.recipient or "",
        state=_KNOWN.get(row.state, DeliveryState.DEAD),
        attempts=int(row.attempts or 0),
        reason=row.detail or "",
    )
