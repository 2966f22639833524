"""Addresses that get nothing."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, delete, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import AddressEffect
from mailer_svc.domain.people import Suppression, SuppressionReason, comparable_address
from mailer_svc.ports.people import AddressKey, SuppressionQuery
from mailer_svc.store.people_tables import suppressions
from tocsin.database import Database, storable, upsert
from tocsin.stored import known

_KEY = ("tenant", "channel", "address", "category")
_SAYS = ("reason", "source", "detail", "until")
_PUT = upsert(suppressions, keys=_KEY, update=_SAYS)
_MAX_TEXT = 500


class SqlSuppressions:
    """Keeps suppressions on PostgreSQL or SQLite; every query is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def add(self, added: Collection[Suppression]) -> None:
        """Adds suppressions; one that is there for the same address and category gets the new reason, source, detail and end."""
        if added:
            async with self._database.transaction() as connection:
                await add_suppressions(connection, added)

    async def put(self, suppression: Suppression) -> Suppression:
        """Adds one as `add` does; returns it as it is stored then."""
        async with self._database.transaction() as connection:
            row = (await connection.execute(_PUT.values(_values(suppression)).returning(*suppressions.c))).one()
        return read_suppression(row)

    async def get(self, *, tenant: str, id: str) -> Suppression | None:  # noqa: A002 - the word of the contract
        """One suppression."""
        query = select(suppressions).where(suppressions.c.tenant == tenant, suppressions.c.id == id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return read_suppression(row) if row is not None else None

    async def page(self, query: SuppressionQuery, *, after: str, limit: int) -> list[Suppression]:
        """Suppressions by id, those behind the id ``after``."""
        conditions: list[Any] = [suppressions.c.tenant == query.tenant, suppressions.c.id > after]
        conditions += [suppressions.c[name] == value for name, value in query.equal]
        conditions += [suppressions.c[name] != value for name, value in query.unequal]
        statement = select(suppressions).where(*conditions).order_by(suppressions.c.id).limit(limit)
        async with self._database.read() as connection:
            return [read_suppression(row) for row in await connection.execute(statement)]

    async def delete(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Removes one. False: there was none."""
        async with self._database.transaction() as connection:
            removed = await connection.execute(delete(suppressions).where(suppressions.c.tenant == tenant, suppressions.c.id == id))
        return removed.rowcount > 0

    async def existing(self, keys: Collection[tuple[str, str, str, str]]) -> Sequence[Suppression]:
        """Those of these (tenant, channel, address, category) that are there."""
        query = select(suppressions).where(tuple_(*(suppressions.c[name] for name in _KEY)).in_(list(keys)))
        async with self._database.read() as connection:
            return [read_suppression(row) for row in await connection.execute(query)]


async def add_suppressions(connection: AsyncConnection, added: Collection[Suppression]) -> None:
    """As `SqlSuppressions.add`, in the current transaction."""
    # In one order, so that two who add the same ones never wait for each other.
    rows = sorted((_values(item) for item in added), key=lambda row: [row[name] for name in _KEY])
    if rows:
        await connection.execute(_PUT, rows)


async def lift_suppressions(connection: AsyncConnection, keys: Collection[AddressKey], effect: AddressEffect) -> None:
    """Ends the suppressions of addresses that ``effect`` lifts, in the current transaction; see `AddressEffect`."""
    named = [key for key in sorted(keys) if all(storable(part) == part for part in key)]
    if named and effect.lifts:
        of = tuple_(suppressions.c.tenant, suppressions.c.channel, suppressions.c.address).in_(named)
        over = suppressions.c.reason.in_([int(reason) for reason in effect.lifts])
        ends = true() if effect.lifts_lasting else suppressions.c.until.is_not(None)
        await connection.execute(delete(suppressions).where(of, suppressions.c.category == "", over, ends))


def _values(item: Suppression) -> dict[str, Any]:
    return {
        "tenant": item.tenant,
        "channel": item.channel,
        "address": comparable_address(item.channel, item.address),
        "category": item.category,
        "id": item.id,
        "reason": int(item.reason),
        "source": storable(item.source)[:_MAX_TEXT],
        "detail": storable(item.detail)[:_MAX_TEXT],
        "until": item.until,
        "created": item.created,
    }


def read_suppression(row: Row[Any]) -> Suppression:
    """A suppression as it is stored."""
    return Suppression(
        tenant=row.tenant,
        id=row.id,
        channel=row.channel,
        address=row.address,
        category=row.category,
        reason=known(SuppressionReason, row.reason),
        source=row.source,
        detail=row.detail,
        until=row.until,
        created=row.created,
    )
