"""Sessions and API keys that have ended or changed: triggers of the database note them (migrations 0015 and 0016)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Text, and_, bindparam, delete, literal_column, select, tuple_

from auth_svc.domain import ChangedCredential, EndedCredential
from auth_svc.store.log_tables import changed_credentials, ended_credentials
from auth_svc.store.rows import Queries
from auth_svc.store.tables import tenant_book
from tocsin.clock import DAY, SECOND, to_micros
from tocsin.stored import instant

_TABLE: Final = ended_credentials.c
_CHANGED: Final = changed_credentials.c
_NOW: Final = {
    "sqlite": literal_column(f"CAST((julianday('now') - 2440587.5) * {DAY} AS INTEGER)", BigInteger),
    "postgresql": literal_column(f"(extract(epoch FROM clock_timestamp()) * {SECOND})::bigint", BigInteger),
}
"""The clock of the database, which has dated what changed."""

# A statement for each, built once: a watch asks several times a second.
_AFTER: Final = (bindparam("after", type_=BigInteger), bindparam("after_name", type_=Text))
_NEW: Final = and_(tuple_(_TABLE.ended_at, _TABLE.name) > tuple_(*_AFTER), _TABLE.used_at >= bindparam("used"))
_ENDED: Final = (
    select(tenant_book.c.version, ended_credentials)
    .select_from(tenant_book.outerjoin(ended_credentials, _NEW))
    .order_by(_TABLE.ended_at, _TABLE.name)
    .limit(bindparam("most"))
)
_CHANGES: Final = {
    dialect: select(changed_credentials)
    .where(tuple_(_CHANGED.changed_at, _CHANGED.name) > tuple_(*_AFTER), _CHANGED.changed_at >= now - bindparam("within"))
    .order_by(_CHANGED.changed_at, _CHANGED.name)
    .limit(bindparam("most"))
    for dialect, now in _NOW.items()
}


class EndedCredentialQueries(Queries):
    """`auth_svc.ports.EndedCredentialStore`."""

    async def ended_credentials(self, *, after: tuple[int, str], used: datetime, limit: int) -> tuple[Sequence[EndedCredential], int]:
        """What ended."""
        values = {"after": after[0], "after_name": after[1], "used": to_micros(used), "most": limit}
        async with self._database.read() as connection:
            rows = (await connection.execute(_ENDED, values)).all()
        version = rows[0].version if rows else 0
        return [EndedCredential(name=row.name, ended=row.ended_at, used=instant(row.used_at)) for row in rows if row.name], version

    async def changed_credentials(self, *, after: tuple[int, str], within: timedelta, limit: int) -> Sequence[ChangedCredential]:
        """What changed."""
        values = {"after": after[0], "after_name": after[1], "within": _micros(within), "most": limit}
        async with self._database.read() as connection:
            rows = (await connection.execute(_CHANGES[connection.dialect.name], values)).all()
        return [ChangedCredential(name=row.name, changed=row.changed_at) for row in rows]

    async def purge_changed_credentials(self, within: timedelta) -> int:
        """Forgets old ones."""
        async with self._database.transaction() as connection:
            old = _CHANGED.changed_at < _NOW[connection.dialect.name] - _micros(within)
            return (await connection.execute(delete(changed_credentials).where(old))).rowcount

    async def purge_ended_credentials(self, before: datetime) -> int:
        """Forgets old ones."""
        async with self._database.transaction() as connection:
            return (await connection.execute(delete(ended_credentials).where(_TABLE.used_at < to_micros(before)))).rowcount


def _micros(span: timedelta) -> int:
    return round(span.total_seconds() * SECOND)
