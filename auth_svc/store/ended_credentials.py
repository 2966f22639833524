"""Sessions and API keys that have ended or changed: triggers of the database note them (migrations 0015 and 0016)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import ChangedCredential, EndedCredential
from auth_svc.store.log_tables import changed_credentials, ended_credentials
from auth_svc.store.rows import Queries
from auth_svc.store.tables import tenant_book
from tocsin.clock import DAY, SECOND, to_micros
from tocsin.stored import instant

_TABLE: Final = ended_credentials.c
_CHANGED: Final = changed_credentials.c
_NOW: Final = {
    "sqlite": text(f"SELECT CAST((julianday('now') - 2440587.5) * {DAY} AS INTEGER)"),
    "postgresql": text(f"SELECT (extract(epoch FROM clock_timestamp()) * {SECOND})::bigint"),  # noqa: S608  a constant of ours
}


class EndedCredentialQueries(Queries):
    """`auth_svc.ports.EndedCredentialStore`."""

    async def ended_credentials(self, *, after: tuple[int, str], used: datetime, limit: int) -> tuple[Sequence[EndedCredential], int]:
        """What ended."""
        query = (
            select(ended_credentials)
            .where(tuple_(_TABLE.ended_at, _TABLE.name) > after, _TABLE.used_at >= to_micros(used))
            .order_by(_TABLE.ended_at, _TABLE.name)
            .limit(limit)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
            version = (await connection.execute(select(tenant_book.c.version))).scalar() or 0
        return [EndedCredential(name=row.name, ended=row.ended_at, used=instant(row.used_at)) for row in rows], version

    async def changed_credentials(self, *, after: tuple[int, str], within: timedelta, limit: int) -> Sequence[ChangedCredential]:
        """What changed."""
        async with self._database.read() as connection:
            since = await _before_now(connection, within)
            query = (
                select(changed_credentials)
                .where(tuple_(_CHANGED.changed_at, _CHANGED.name) > after, _CHANGED.changed_at >= since)
                .order_by(_CHANGED.changed_at, _CHANGED.name)
                .limit(limit)
            )
            rows = (await connection.execute(query)).all()
        return [ChangedCredential(name=row.name, changed=row.changed_at) for row in rows]

    async def purge_changed_credentials(self, within: timedelta) -> int:
        """Forgets old ones."""
        async with self._database.transaction() as connection:
            since = await _before_now(connection, within)
            return (await connection.execute(delete(changed_credentials).where(_CHANGED.changed_at < since))).rowcount

    async def purge_ended_credentials(self, before: datetime) -> int:
        """Forgets old ones."""
        async with self._database.transaction() as connection:
            return (await connection.execute(delete(ended_credentials).where(_TABLE.used_at < to_micros(before)))).rowcount


async def _before_now(connection: AsyncConnection, within: timedelta) -> int:
    """So long ago by the clock of the database, which has dated what changed."""
    now: int = (await connection.execute(_NOW[connection.dialect.name])).scalar_one()
    return now - round(within.total_seconds() * SECOND)
