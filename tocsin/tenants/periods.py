"""Counts what tenants use of a quota in a period: a minute, or a day. Exact over all replicas, and over kills."""

from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS: Final = ("tenant", "name", "period")


class Spent(NamedTuple):
    """What somebody got of a quota: ``granted`` of what he wanted, when ``before`` was used."""

    granted: int
    before: int

    @property
    def after(self) -> int:
        """How much is used now."""
        return self.before + self.granted


class QuotaPeriods:
    """The table of a service in which it counts. A period is a number that grows, such as minutes since 1970."""

    def __init__(self, metadata: MetaData) -> None:
        """Adds the table ``quota_periods``."""
        self._table = Table(
            "quota_periods",
            metadata,
            Column("tenant", Text, primary_key=True),
            Column("name", Text, primary_key=True, comment="The quota."),
            Column("period", BigInteger, primary_key=True),
            Column("used", BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )

    async def spend(self, connection: AsyncConnection, tenant: str, name: str, *, period: int, wanted: int, limit: int) -> Spent:
        """Uses as much of ``wanted`` as there is; whoever spends for the same tenant waits until the transaction ends."""
        table = self._table
        first = insert(table).values(tenant=tenant, name=name, period=period, used=wanted)
        more = first.on_conflict_do_update(index_elements=_COLUMNS, set_={"used": table.c.used + first.excluded.used})
        before = (await connection.execute(more.returning(table.c.used))).scalar_one() - wanted
        granted = max(0, min(wanted, limit - before))
        if granted < wanted:
            await self.give_back(connection, tenant, name, period=period, count=wanted - granted)
        if not before:
            earlier = (table.c.tenant == tenant) & (table.c.name == name) & (table.c.period < period - 1)
            await connection.execute(delete(table).where(earlier))
        return Spent(granted, before)

    async def give_back(self, connection: AsyncConnection, tenant: str, name: str, *, period: int, count: int) -> None:
        """Uses so much less."""
        await connection.execute(update(self._table).where(*self._of(tenant, name, period)).values(used=self._table.c.used - count))

    async def used(self, connection: AsyncConnection, tenant: str, name: str, *, period: int) -> int:
        """How much is used."""
        found = await connection.execute(select(self._table.c.used).where(*self._of(tenant, name, period)))
        return found.scalar_one_or_none() or 0

    def _of(self, tenant: str, name: str, period: int) -> tuple[Any, ...]:
        columns = self._table.c
        return columns.tenant == tenant, columns.name == name, columns.period == period
