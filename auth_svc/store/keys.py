"""API keys."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, Text, bindparam, case, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import AccountMail, ApiKey, ApiKeyNotFound, ServiceAccountNotFound, UserNotFound
from auth_svc.ports import HeldKey, KeyUse
from auth_svc.store.account_mails import insert_account_mail
from auth_svc.store.rows import (
    TENANT_COLUMNS,
    TENANTS,
    Queries,
    custom_scopes,
    instant_or_none,
    join_scopes,
    role_of,
    split_scopes,
    tenant_of,
)
from auth_svc.store.tables import api_keys, service_accounts, tenants, users
from tocsin.clock import to_micros
from tocsin.database import read_mapped_page, storable
from tocsin.stored import instant, readable, row_reader

_TABLE: Final = api_keys.c
_KEY_COLUMNS: Final = tuple(column for column in api_keys.columns if column.name not in ("digest", "previous_digest"))
_OWNING_USER: Final = (users.c.id == _TABLE.user_id) & (users.c.tenant_id == _TABLE.tenant_id)
_OWNING_ACCOUNT: Final = (service_accounts.c.id == _TABLE.service_account_id) & (service_accounts.c.tenant_id == _TABLE.tenant_id)
_HELD: Final = select(
    *(column.label(f"k_{column.name}") for column in _KEY_COLUMNS),
    _TABLE.digest.label("k_digest"),
    *TENANT_COLUMNS,
    func.coalesce(users.c.role, service_accounts.c.role).label("role"),
    func.coalesce(custom_scopes(users), custom_scopes(service_accounts)).label("role_scopes"),
    func.coalesce(users.c.id, service_accounts.c.id).label("owner"),
    func.coalesce(users.c.deactivated_at, service_accounts.c.deactivated_at).label("owner_deactivated"),
).select_from(
    TENANTS.join(api_keys, _TABLE.tenant_id == tenants.c.id).outerjoin(users, _OWNING_USER).outerjoin(service_accounts, _OWNING_ACCOUNT)
)
# A stream that goes on says that its key is used, and not from where again.
_PLACE: Final = case((bindparam("place", type_=Text) == "", _TABLE.last_address), else_=bindparam("place", type_=Text))
_USED: Final = (
    update(api_keys)
    .where(_TABLE.id == bindparam("key"), or_(_TABLE.last_used_at.is_(None), _TABLE.last_used_at < bindparam("at")))
    .values(last_used_at=bindparam("at"), last_address=_PLACE)
)


class _NotNow(Exception):
    """Rolls a transaction back."""


class KeyQueries(Queries):
    """`auth_svc.ports.KeyStore`."""

    async def add_key(self, key: ApiKey, *, digest: str) -> None:
        """Stores a key, while whose it is stays."""
        async with self._database.transaction() as connection:
            await _lock_owner(connection, key)
            await connection.execute(insert(api_keys).values(key_values(key, digest)))

    async def find_key(self, digest: str, *, now: datetime) -> HeldKey | None:
        """The key of a secret."""
        earlier = (_TABLE.previous_digest == digest) & (_TABLE.previous_expires_at > to_micros(now))
        row = await self._held(_HELD.where(or_(_TABLE.digest == digest, earlier)))
        return None if row is None else _held_of(row, previous=row["k_digest"] != digest)

    async def held_key(self, tenant: str, key: str) -> HeldKey:
        """One key of a tenant, and what it can do."""
        row = await self._held(_HELD.where(_TABLE.tenant_id == tenant, _TABLE.id == key))
        if row is None:
            raise ApiKeyNotFound
        return _held_of(row)

    async def held_keys(self, keys: Collection[str]) -> Sequence[HeldKey]:
        """Keys of any tenant."""
        async with self._database.read() as connection:
            return readable((await connection.execute(_HELD.where(_TABLE.id.in_(keys)))).mappings(), _held_of)

    async def _held(self, query: Select[Any]) -> RowMapping | None:
        async with self._database.read() as connection:
            return (await connection.execute(query)).mappings().first()

    async def get_key(self, tenant: str, key: str) -> ApiKey:
        """One key of a tenant."""
        async with self._database.read() as connection:
            return await _key(connection, tenant, key)

    async def list_keys(self, tenant: str, *, owner: str, after: str, limit: int) -> Sequence[ApiKey]:
        """Keys of a tenant in the order of their ids, which is that of their making."""
        query = select(*_KEY_COLUMNS).where(_TABLE.tenant_id == tenant, _TABLE.id > after).order_by(_TABLE.id)
        if owner:
            query = query.where(_is_of(owner))
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, _key_of, limit=limit)

    async def rotate_key(
        self, key: ApiKey, *, digest: str, prefix: str, overlap_ends: datetime, expires: datetime | None, warned: int | None
    ) -> ApiKey:
        """Gives a key another secret."""
        # Two that rotate at once: the one that comes second knows neither of the secrets, and is told so.
        change = (
            update(api_keys)
            .where(_TABLE.tenant_id == key.tenant, _TABLE.id == key.id, _TABLE.prefix == key.prefix)
            .values(
                previous_digest=_TABLE.digest,
                previous_expires_at=to_micros(overlap_ends),
                digest=digest,
                prefix=prefix,
                expires_at=None if expires is None else to_micros(expires),
                warned_days=warned,
            )
            .returning(_TABLE.id)
        )
        async with self._database.transaction() as connection:
            if (await connection.execute(change)).first() is None:
                raise ApiKeyNotFound
            return await _key(connection, key.tenant, key.id)

    async def note_uses(self, uses: Mapping[str, KeyUse]) -> None:
        """Stores when keys were used."""
        # In one order: two replicas that store the uses of the same keys wait for one another.
        rows = [{"key": key, "at": to_micros(use.time), "place": storable(use.address)} for key, use in sorted(uses.items())]
        if rows:
            async with self._database.transaction() as connection:
                await connection.execute(_USED, rows)

    async def expiring_keys(self, *, now: datetime, before: datetime, after: str, limit: int) -> Sequence[HeldKey]:
        """Keys that end soon."""
        query = _HELD.where(_TABLE.expires_at > to_micros(now), _TABLE.expires_at <= to_micros(before), _TABLE.id > after).order_by(
            _TABLE.id
        )
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, _held_of, limit=limit)

    async def warn_of_key(self, key: ApiKey, *, days: int, mails: Collection[AccountMail]) -> bool:
        """Says that a warning was given."""
        fresh = or_(_TABLE.warned_days.is_(None), _TABLE.warned_days > days)
        change = update(api_keys).where(_TABLE.id == key.id, fresh).values(warned_days=days).returning(_TABLE.id)
        try:
            async with self._database.transaction() as connection:
                for mail in mails:
                    if not await insert_account_mail(connection, mail):
                        raise _NotNow
                if (await connection.execute(change)).first() is None:
                    raise _NotNow
        except _NotNow:
            return False
        return True

    async def remove_key(self, tenant: str, key: str) -> None:
        """Removes a key."""
        statement = delete(api_keys).where(_TABLE.tenant_id == tenant, _TABLE.id == key).returning(_TABLE.id)
        async with self._database.transaction() as connection:
            if (await connection.execute(statement)).first() is None:
                raise ApiKeyNotFound


def key_values(key: ApiKey, digest: str) -> dict[str, object]:
    """The row of a key."""
    kind, _, owner = key.owner.partition("/")
    return {
        "id": key.id,
        "tenant_id": key.tenant,
        "user_id": owner if kind == "users" else None,
        "service_account_id": owner if kind == "serviceAccounts" else None,
        "maker": key.maker,
        "display_name": key.display_name,
        "scopes": join_scopes(key.scopes),
        "prefix": key.prefix,
        "digest": digest,
        "created_at": to_micros(key.created),
        "expires_at": None if key.expires is None else to_micros(key.expires),
        "warned_days": key.warned,
    }


def _is_of(owner: str) -> ColumnElement[bool]:
    kind, _, identity = owner.partition("/")
    return (_TABLE.user_id if kind == "users" else _TABLE.service_account_id) == identity


async def _lock_owner(connection: AsyncConnection, key: ApiKey) -> None:
    """Whose key it is stays there until the caller's transaction ends."""
    kind, _, identity = key.owner.partition("/")
    holder, missing = (users, UserNotFound) if kind == "users" else (service_accounts, ServiceAccountNotFound)
    there = select(holder.c.id).where(holder.c.id == identity, holder.c.tenant_id == key.tenant, holder.c.deactivated_at.is_(None))
    if (await connection.execute(there.with_for_update())).first() is None:
        raise missing


async def _key(connection: AsyncConnection, tenant: str, key: str) -> ApiKey:
    row = (await connection.execute(select(*_KEY_COLUMNS).where(_TABLE.tenant_id == tenant, _TABLE.id == key))).mappings().first()
    if row is None:
        raise ApiKeyNotFound
    return _key_of(row)


@row_reader(lambda row: f"apiKeys/{row['k_id']}")
def _held_of(row: RowMapping, *, previous: bool = False) -> HeldKey:
    key = _key_of({column.name: row[f"k_{column.name}"] for column in _KEY_COLUMNS})
    ends = [end for end in (key.expires, key.previous_expires if previous else None) if end is not None]
    return HeldKey(
        key=key,
        tenant=tenant_of(row),
        role=role_of(row["role"] or "", row["role_scopes"]),
        active=row["owner"] is not None and row["owner_deactivated"] is None,
        ends=min(ends, default=None),
    )


@row_reader(lambda row: f"apiKeys/{row['id']}")
def _key_of(row: RowMapping | Mapping[str, Any]) -> ApiKey:
    account = row["service_account_id"]
    return ApiKey(
        id=row["id"],
        tenant=row["tenant_id"],
        owner=f"serviceAccounts/{account}" if account else f"users/{row['user_id']}",
        maker=row["maker"],
        display_name=row["display_name"],
        scopes=split_scopes(row["scopes"]),
        prefix=row["prefix"],
        created=instant(row["created_at"]),
        expires=instant_or_none(row["expires_at"]),
        previous_expires=instant_or_none(row["previous_expires_at"]),
        last_used=instant_or_none(row["last_used_at"]),
        last_address=row["last_address"],
        warned=row["warned_days"],
    )
