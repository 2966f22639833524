"""Security alerts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, RowMapping, delete, func, select, tuple_, update

from auth_svc.domain import AlertNotFound, StoredAlert
from auth_svc.store.log_tables import alert_batches, security_alerts
from auth_svc.store.rows import Queries
from auth_svc.store.tables import installation
from tocsin.alerts import Alert, AlertKind, Severity
from tocsin.clock import to_micros
from tocsin.database import insert_ignore, read_mapped_page, upsert
from tocsin.listing import Condition
from tocsin.stored import known, row_reader

_BATCHES_KEPT: Final = timedelta(hours=1)


class AlertQueries(Queries):
    """`auth_svc.ports.AlertStore`."""

    async def add_alerts(self, alerts: Sequence[tuple[str, Alert]], *, batch: str, now: datetime) -> Sequence[StoredAlert]:
        """Stores alerts, or adds to their counts."""
        first_time = insert_ignore(alert_batches).values(id=batch, created_at=to_micros(now)).returning(alert_batches.c.id)
        made: list[StoredAlert] = []
        async with self._database.transaction() as connection:
            if (await connection.execute(first_time)).first() is None:
                return ()
            operator = (await connection.execute(select(installation.c.tenant_id))).scalar_one_or_none() or ""
            for identity, alert in sorted(alerts, key=lambda each: each[0]):  # two replicas take the locks in the same order
                values = _values(identity, alert, operator=operator, updated=to_micros(now))
                row = (await connection.execute(_ADD, values)).mappings().one()
                if row["count"] == alert.count:
                    made.append(alert_of(row))
        return made

    async def get_alert(self, tenant: str, alert: str) -> StoredAlert:
        """One alert of a tenant."""
        query = select(security_alerts).where(security_alerts.c.tenant == tenant, security_alerts.c.id == alert)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise AlertNotFound
        return alert_of(row)

    async def list_alerts(
        self, tenant: str, *, conditions: Sequence[Condition], before: tuple[int, str] | None, limit: int
    ) -> Sequence[StoredAlert]:
        """Alerts of a tenant, the newest first."""
        place = tuple_(security_alerts.c.first_at, security_alerts.c.id)
        query = (
            select(security_alerts)
            .where(security_alerts.c.tenant == tenant, *map(_where, conditions))
            .order_by(security_alerts.c.first_at.desc(), security_alerts.c.id.desc())
        )
        if before is not None:
            query = query.where(place < before)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, alert_of, limit=limit)

    async def changed_alerts(self, tenant: str, *, after: tuple[int, str], limit: int) -> Sequence[StoredAlert]:
        """Alerts of a tenant in the order in which they were last counted."""
        query = (
            select(security_alerts)
            .where(security_alerts.c.tenant == tenant, tuple_(security_alerts.c.updated_at, security_alerts.c.id) > after)
            .order_by(security_alerts.c.updated_at, security_alerts.c.id)
        )
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, alert_of, limit=limit)

    async def unfiled_alerts(self, *, limit: int) -> Sequence[StoredAlert]:
        """Alerts without a file, the oldest first."""
        query = select(security_alerts).where(security_alerts.c.filed == 0).order_by(security_alerts.c.first_at)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, alert_of, limit=limit)

    async def file_alerts(self, alerts: Sequence[str]) -> None:
        """Marks alerts as filed."""
        async with self._database.transaction() as connection:
            await connection.execute(update(security_alerts).where(security_alerts.c.id.in_(alerts)).values(filed=1))

    async def purge_alerts(self, before: datetime, *, limit: int) -> int:
        """Deletes what is too old, and batches that nobody sends again."""
        old = select(security_alerts.c.id).where(security_alerts.c.last_at < to_micros(before)).limit(limit)
        async with self._database.transaction() as connection:
            newest = (await connection.execute(select(func.max(alert_batches.c.created_at)))).scalar_one()
            if newest is not None:
                kept = newest - _BATCHES_KEPT // timedelta(microseconds=1)
                await connection.execute(delete(alert_batches).where(alert_batches.c.created_at < kept))
            return (await connection.execute(delete(security_alerts).where(security_alerts.c.id.in_(old)))).rowcount


_ADD: Final = upsert(security_alerts, keys=("id",), update=("severity", "latest", "last_at", "updated_at"), add=("count",)).returning(
    security_alerts
)


def _values(identity: str, alert: Alert, *, operator: str, updated: int) -> dict[str, object]:
    return {
        "id": identity,
        "tenant": alert.tenant or operator,
        "kind": alert.kind.value,
        "severity": alert.severity.value,
        "subject": alert.subject,
        "place": alert.place,
        "latest": alert.latest,
        "detail": alert.detail,
        "count": alert.count,
        "first_at": alert.first,
        "last_at": alert.last,
        "updated_at": updated,
        "filed": 0,
        "told": 0,
    }


def _where(condition: Condition) -> ColumnElement[bool]:
    if isinstance(condition.value, datetime):
        column, value = security_alerts.c.first_at, to_micros(condition.value)
    else:
        column, value = security_alerts.c[condition.field], condition.value
    return column.op(condition.operator)(value)


@row_reader(lambda row: f"security/alerts/{row['id']}")
def alert_of(row: RowMapping) -> StoredAlert:
    """The alert of a row."""
    alert = Alert(
        kind=known(AlertKind, row["kind"]),
        severity=known(Severity, row["severity"]),
        tenant=row["tenant"],
        subject=row["subject"],
        place=row["place"],
        latest=row["latest"],
        detail=row["detail"],
        count=row["count"],
        first=row["first_at"],
        last=row["last_at"],
    )
    return StoredAlert(id=row["id"], alert=alert, updated=row["updated_at"])
