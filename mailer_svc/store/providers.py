"""Providers that tenants configure; their secrets are sealed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain.providers import ProviderRecord, TooManyProviders
from mailer_svc.ports.providers import Fingerprint, UnreadableProvider
from mailer_svc.store.people_tables import providers
from tocsin.database import Database
from tocsin.sealing import SealBroken, Sealer
from tocsin.stored import NOT_READABLE

_OBJECT = msgspec.json.Decoder(dict[str, Any])
_SECRETS = msgspec.json.Decoder(dict[str, str])
_PART = 2**31 - 1
_LANE = (providers.c.channel, providers.c.position, providers.c.id)


class SqlProviderStore:
    """Providers on PostgreSQL or SQLite. The positions of a lane are 1, 2, 3 and so on."""

    def __init__(self, *, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def add(self, record: ProviderRecord, *, most: int) -> ProviderRecord:
        """Store one at its position, or at the end of its lane; return it with its position."""
        async with self._database.transaction() as connection:
            found = await self._lane(connection, record)
            count = await connection.scalar(select(func.count()).select_from(providers).where(providers.c.tenant == record.tenant))
            if (count or 0) >= most:
                raise TooManyProviders(f"The tenant has {most} providers, as many as one may have")
            await connection.execute(insert(providers).values(self._row(record)))
            return replace(record, position=await _place(connection, found, record))

    async def get(self, *, tenant: str, id: str) -> ProviderRecord | None:  # noqa: A002 - the word of the contract
        """One provider."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(providers).where(providers.c.id == id, providers.c.tenant == tenant))).first()
        return self._record(row) if row is not None else None

    async def find(self, *, id: str) -> ProviderRecord | None:  # noqa: A002 - the word of the contract
        """The provider of any tenant."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(providers).where(providers.c.id == id, providers.c.enabled))).first()
        return self._record(row) if row is not None else None

    async def replace(self, record: ProviderRecord) -> ProviderRecord | None:
        """Store what it is now, and move it to its position; None: it is gone."""
        own = (providers.c.id == record.id, providers.c.tenant == record.tenant)
        async with self._database.transaction() as connection:
            found = await self._lane(connection, record)
            changed = await connection.execute(update(providers).where(*own).values(self._row(record)))
            if not changed.rowcount:
                return None
            return replace(record, position=await _place(connection, [one for one in found if one != record.id], record))

    async def delete(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Remove one. False: there was none."""
        async with self._database.transaction() as connection:
            gone = await connection.execute(delete(providers).where(providers.c.id == id, providers.c.tenant == tenant))
        return bool(gone.rowcount)

    async def of_tenant(self, *, tenant: str) -> Sequence[ProviderRecord | UnreadableProvider]:
        """All providers of a tenant, by channel and position."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(providers).where(providers.c.tenant == tenant).order_by(*_LANE))).all()
        return [self._readable(row) for row in rows]

    async def everything(self) -> Sequence[ProviderRecord | UnreadableProvider]:
        """The providers of every tenant that are enabled, by channel and position."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(providers).where(providers.c.enabled).order_by(*_LANE))).all()
        return [self._readable(row) for row in rows]

    async def fingerprint(self) -> Fingerprint:
        """Changes whenever a provider does."""
        # A sum, for one that goes and one that comes may leave the number and the newest time as they were; of parts that no sum overflows.
        times = func.coalesce(func.sum(providers.c.updated % _PART), 0)
        async with self._database.read() as connection:
            row = (await connection.execute(select(func.count(), times).select_from(providers))).one()
        return Fingerprint(int(row[0]), int(row[1]))

    async def _lane(self, connection: AsyncConnection, record: ProviderRecord) -> list[str]:
        """The ids of the record's lane in order; nobody else moves them until the end of the transaction."""
        query = (
            select(providers.c.id)
            .where(providers.c.tenant == record.tenant, providers.c.channel == record.channel)
            .order_by(providers.c.position, providers.c.id)
            .with_for_update()
        )
        return list((await connection.execute(query)).scalars())

    def _row(self, record: ProviderRecord) -> dict[str, Any]:
        secrets = msgspec.json.encode(record.secrets).decode()
        return {
            "id": record.id,
            "tenant": record.tenant,
            "channel": record.channel,
            "kind": record.kind,
            "display_name": record.display_name,
            "position": record.position,
            "enabled": record.enabled,
            "config": msgspec.json.encode(record.config).decode(),
            "secrets": self._sealer.seal(secrets, owner=_owner(record.tenant, record.id)),
            "created": record.created,
            "updated": record.updated,
        }

    def _readable(self, row: Row[Any]) -> ProviderRecord | UnreadableProvider:
        try:
            return self._record(row)
        except SealBroken as error:
            return UnreadableProvider(id=row.id, tenant=row.tenant, channel=row.channel or "", kind=row.kind or "", problem=str(error))

    def _record(self, row: Row[Any]) -> ProviderRecord:
        try:
            config = _OBJECT.decode(row.config)
            if not (isinstance(row.channel, str) and isinstance(row.kind, str)):
                raise TypeError("it has no channel or no kind")
            secrets = _SECRETS.decode(self._sealer.open(row.secrets, owner=_owner(row.tenant, row.id)))
        except NOT_READABLE as error:
            raise SealBroken(f"The provider cannot be read: {error}") from None
        return ProviderRecord(
            id=row.id,
            tenant=row.tenant,
            channel=row.channel,
            kind=row.kind,
            display_name=row.display_name,
            position=row.position,
            enabled=bool(row.enabled),
            config=config,
            secrets=secrets,
            created=row.created,
            updated=row.updated,
        )


def _owner(tenant: str, identity: str) -> str:
    return f"{tenant}/providers/{identity}"


async def _place(connection: AsyncConnection, others: Sequence[str], record: ProviderRecord) -> int:
    """Number the lane anew with the record at its position; return the position that it has now."""
    index = min(record.position - 1, len(others)) if record.position else len(others)
    lane = [*others[:index], record.id, *others[index:]]
    for number, identity in enumerate(lane, start=1):
        await connection.execute(update(providers).where(providers.c.id == identity).values(position=number))
    return index + 1
