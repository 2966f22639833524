"""Whoever had something before there were roles has it after, on each database."""

from sqlalchemy import text

from auth_svc.domain import ADMIN, EVERY_SCOPE, OPERATOR, OWNER, VIEWER, Role
from auth_svc.store import AuthStore
from tocsin.clock import SystemClock, to_micros
from tocsin.database import Database, downgrade, migrate

BEFORE = "0007"
PEOPLE = {"U1": ("T1", "MEMBER"), "U2": ("T1", "ADMIN"), "U3": ("T1", "ADMIN"), "U4": ("T2", "ADMIN")}
KEYS = {"K1": ("T1", "alarms:read users:write"), "K2": ("T1", EVERY_SCOPE)}


async def test_upgrade_keeps_what_people_and_keys_have(database_url: str) -> None:
    """The oldest administrator owns its tenant, others stay, members are operators; keys carry what they carried. And back again."""
    clock = SystemClock()
    await migrate(url=database_url, schema="auth_svc", package="auth_svc")
    await downgrade(url=database_url, schema="auth_svc", package="auth_svc", revision=BEFORE)
    database = Database(url=database_url, schema="auth_svc", clock=clock)
    await database.start()
    now = to_micros(clock.now())
    async with database.transaction() as connection:
        for tenant in ("T1", "T2"):
            values = {"id": tenant, "now": now}
            await connection.execute(
                text("INSERT INTO tenants (id, display_name, time_zone, created_at) VALUES (:id, 'n', 'UTC', :now)"), values
            )
        for user, (tenant, role) in PEOPLE.items():
            values = {"id": user, "tenant": tenant, "role": role, "email": f"{user}@example.com", "now": now}
            await connection.execute(
                text(
                    "INSERT INTO users (id, tenant_id, email, email_key, display_name, role, password_hash, created_at) "
                    "VALUES (:id, :tenant, :email, :email, '', :role, 'h', :now)"
                ),
                values,
            )
        for key, (tenant, scopes) in KEYS.items():
            values = {"id": key, "tenant": tenant, "scopes": scopes, "digest": key * 32, "now": now}
            await connection.execute(
                text(
                    "INSERT INTO api_keys (id, tenant_id, display_name, scopes, prefix, digest, created_at) "
                    "VALUES (:id, :tenant, 'k', :scopes, 'tk_', :digest, :now)"
                ),
                values,
            )
    await database.stop()
    await migrate(url=database_url, schema="auth_svc", package="auth_svc")
    await database.start()
    store = AuthStore(database=database)
    found: dict[str, Role] = {user: (await store.get_user(tenant, user)).role for user, (tenant, _) in PEOPLE.items()}
    assert found == {"U1": OPERATOR, "U2": OWNER, "U3": ADMIN, "U4": OWNER}
    for key, (tenant, scopes) in KEYS.items():
        held = await store.find_key(key * 32, now=clock.now())
        assert held is not None
        assert (held.key.scopes, held.role, held.active) == (frozenset(scopes.split()), OWNER, True)
        assert held.key.owner == f"serviceAccounts/{tenant}"
    assert [account.id for account in await store.list_service_accounts("T2", after="", limit=9)] == []
    await store.change_user("T1", "U1", display_name=None, role=VIEWER, locale=None, owners=True)
    await database.stop()
    await downgrade(url=database_url, schema="auth_svc", package="auth_svc", revision=BEFORE)
    await database.start()
    async with database.read() as connection:
        rows = (await connection.execute(text("SELECT id, role FROM users ORDER BY id"))).all()
    await database.stop()
    assert [tuple(row) for row in rows] == [("U1", "MEMBER"), ("U2", "ADMIN"), ("U3", "ADMIN"), ("U4", "ADMIN")]
