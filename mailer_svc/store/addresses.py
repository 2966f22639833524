"""Addresses of recipients, and what becomes of them."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, and_, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain.people import AddressState, Suppression
from mailer_svc.ports.people import AddressKey
from mailer_svc.store.people_tables import addresses
from mailer_svc.store.suppressions import add_suppressions
from tocsin.database import Database, storable

_MAX_REASON = 500
_RETIRE = (
    update(addresses)
    .where(
        addresses.c.tenant == bindparam("of_tenant"),
        addresses.c.channel == bindparam("of_channel"),
        addresses.c.value == bindparam("of_value"),
        addresses.c.state != int(AddressState.RETIRED),
    )
    .values(state=int(AddressState.RETIRED), reason=bindparam("because"), updated=bindparam("at"))
)


async def retire_addresses(connection: AsyncConnection, reasons: Mapping[AddressKey, str], *, now: int) -> None:
    """As `SqlAddressRetirement.retire`, in the current transaction."""
    rows = [
        {"of_tenant": key.tenant, "of_channel": key.channel, "of_value": key.address, "because": storable(why)[:_MAX_REASON], "at": now}
        for key, why in sorted(reasons.items())
        if all(storable(part) == part for part in key)
    ]
    if rows:
        await connection.execute(_RETIRE, rows)


class SqlAddressRetirement:
    """Ends addresses that no longer work, or whose owners want nothing."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def retire(self, reasons: Mapping[AddressKey, str], *, now: int) -> None:
        """Addresses that are gone, with the reason; nothing is changed where nobody has such an address."""
        if reasons:
            async with self._database.transaction() as connection:
                await retire_addresses(connection, reasons, now=now)

    async def replace(self, key: AddressKey, new: str, *, now: int) -> None:
        """An address is another one now; where the tenant has that already, the old one is gone."""
        if not all(storable(part) == part for part in (*key, new)):
            return
        async with self._database.transaction() as connection:
            taken = (await connection.execute(select(addresses.c.id).where(_is(key._replace(address=new))))).first() is not None
            if not taken:
                await connection.execute(update(addresses).where(_is(key)).values(value=new, updated=now))
        if taken:
            await self.retire({key: "replaced by another address"}, now=now)

    async def suppress(self, suppression: Suppression) -> None:
        """An address gets nothing any more."""
        if all(storable(part) == part for part in (suppression.tenant, suppression.channel, suppression.address)):
            async with self._database.transaction() as connection:
                await add_suppressions(connection, [suppression])


def _is(key: AddressKey) -> ColumnElement[bool]:
    return and_(addresses.c.tenant == key.tenant, addresses.c.channel == key.channel, addresses.c.value == key.address)
