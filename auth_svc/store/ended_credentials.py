"""Sessions and API keys that have ended: triggers of the database note them (migration 0015)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, tuple_

from auth_svc.domain import EndedCredential
from auth_svc.store.log_tables import ended_credentials
from auth_svc.store.rows import Queries
from auth_svc.store.tables import tenant_book
from tocsin.clock import to_micros
from tocsin.stored import instant

_TABLE: Final = ended_credentials.c


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

    async def purge_ended_credentials(self, before: datetime) -> int:
        """Forgets old ones."""
        async with self._database.transaction() as connection:
            return (await connection.execute(delete(ended_credentials).where(_TABLE.used_at < to_micros(before)))).rowcount
