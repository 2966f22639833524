"""API keys."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, delete, insert, select

from auth_svc.domain import ApiKey, ApiKeyNotFound, Tenant
from auth_svc.store.tables import TENANT_COLUMNS, TENANTS, Queries, api_keys, join_scopes, split_scopes, tenant_of, tenants
from tocsin.clock import to_micros
from tocsin.stored import instant

_KEY_COLUMNS = (
    api_keys.c.id,
    api_keys.c.tenant_id,
    api_keys.c.display_name,
    api_keys.c.scopes,
    api_keys.c.prefix,
    api_keys.c.created_at,
    api_keys.c.expires_at,
)


class KeyQueries(Queries):
    """`auth_svc.ports.KeyStore`."""

    async def add_key(self, key: ApiKey, *, digest: str) -> None:
        """Stores a key."""
        async with self._database.transaction() as connection:
            await connection.execute(insert(api_keys).values(key_values(key, digest)))

    async def find_key(self, digest: str) -> tuple[ApiKey, Tenant] | None:
        """The key of a secret."""
        query = (
            select(*_KEY_COLUMNS, *TENANT_COLUMNS)
            .select_from(TENANTS.join(api_keys, api_keys.c.tenant_id == tenants.c.id))
            .where(api_keys.c.digest == digest)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else (_key_of(row), tenant_of(row))

    async def get_key(self, tenant: str, key: str) -> ApiKey:
        """One key of a tenant."""
        query = select(*_KEY_COLUMNS).where(api_keys.c.tenant_id == tenant, api_keys.c.id == key)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise ApiKeyNotFound
        return _key_of(row)

    async def list_keys(self, tenant: str, *, after: str, limit: int) -> Sequence[ApiKey]:
        """Keys of a tenant in the order of their ids, which is that of their making."""
        query = select(*_KEY_COLUMNS).where(api_keys.c.tenant_id == tenant, api_keys.c.id > after).order_by(api_keys.c.id).limit(limit)
        async with self._database.read() as connection:
            return [_key_of(row) for row in (await connection.execute(query)).mappings()]

    async def remove_key(self, tenant: str, key: str) -> None:
        """Removes a key."""
        statement = delete(api_keys).where(api_keys.c.tenant_id == tenant, api_keys.c.id == key).returning(api_keys.c.id)
        async with self._database.transaction() as connection:
            if (await connection.execute(statement)).first() is None:
                raise ApiKeyNotFound


def key_values(key: ApiKey, digest: str) -> dict[str, object]:
    """The row of a key."""
    return {
        "id": key.id,
        "tenant_id": key.tenant,
        "display_name": key.display_name,
        "scopes": join_scopes(key.scopes),
        "prefix": key.prefix,
        "digest": digest,
        "created_at": to_micros(key.created),
        "expires_at": None if key.expires is None else to_micros(key.expires),
    }


def _key_of(row: RowMapping) -> ApiKey:
    return ApiKey(
        id=row["id"],
        tenant=row["tenant_id"],
        display_name=row["display_name"],
        scopes=split_scopes(row["scopes"]),
        prefix=row["prefix"],
        created=instant(row["created_at"]),
        expires=None if row["expires_at"] is None else instant(row["expires_at"]),
    )
