"""Names of users, service accounts and API keys."""

from collections.abc import Mapping, Set

from sqlalchemy import ColumnElement, String, Table, case, literal, select

from auth_svc.store.rows import Queries
from auth_svc.store.tables import api_keys, service_accounts, users


class NameQueries(Queries):
    """`auth_svc.ports.NameStore`."""

    async def names_of(self, tenant: str, resources: Set[str], *, addresses: bool) -> Mapping[str, str]:
        """Names by resource name."""
        name = users.c.email if addresses else literal("", String)
        person = case((users.c.display_name != "", users.c.display_name), (users.c.username != "", users.c.username), else_=name)
        kinds: dict[str, tuple[Table, ColumnElement[str]]] = {
            "users": (users, person),
            "serviceAccounts": (service_accounts, service_accounts.c.display_name),
            "apiKeys": (api_keys, api_keys.c.display_name),
        }
        found: dict[str, str] = {}
        async with self._database.read() as connection:
            for kind, (table, shown) in kinds.items():
                ids = [identity for before, _, identity in (resource.partition("/") for resource in resources) if before == kind]
                if ids:
                    query = select(table.c.id, shown).where(table.c.tenant_id == tenant, table.c.id.in_(ids))
                    found |= {f"{kind}/{identity}": text for identity, text in await connection.execute(query)}
        return found
