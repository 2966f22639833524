"""Keys, roles, invitations and service accounts on each database."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

from auth_svc.domain import (
    OWNER,
    ApiKey,
    Role,
    Tenant,
    User,
)
from auth_svc.store import AuthStore
from tocsin.clock import Clock
from tocsin.database import Database

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
SOON = NOW + timedelta(days=7)


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncGenerator[AuthStore]:
    """An empty store."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    yield AuthStore(database=database)
    await database.stop()


def _user(tenant: str, email: str, role: Role = OWNER) -> User:
    return User(id=str(ULID()), tenant=tenant, email=email, display_name="Ann", role=role, created=NOW)


async def _acme(store: AuthStore, email: str = "ann@example.com") -> User:
    """The owner of a new tenant."""
    tenant = Tenant(id=str(ULID()), display_name="Acme", time_zone="UTC", operator=False, created=NOW)
    owner = _user(tenant.id, email)
    await store.add_tenant(tenant, owner, "hash")
    return owner


def _key(tenant: str, owner: str, expires: datetime | None = None) -> ApiKey:
    return ApiKey(
        id=str(ULID()),
        tenant=tenant,
        owner=owner,
        maker=owner,
        display_name="ci",
        scopes=frozenset({"alarms:read", "alarms:write"}),
        prefix="tk_1",
        created=NOW,
        expires=expires,
    )


@pytest.mark.parametrize("expires", [None, LATER], ids=["never", "later"])
async def test_key_is_found_by_its_digest(store: AuthStore, expires: datetime | None) -> None:
    """With its tenant and what its owner is; once removed, it is found no more."""
    ann = await _acme(store)
    key = _key(ann.tenant, ann.name, expires)
    await store.add_key(key, digest="d" * 64)
    found = await store.find_key("d" * 64, now=NOW)
    assert found is not None
    assert (found.key, found.tenant.id, found.role, found.active, found.ends) == (key, ann.tenant, OWNER, True, expires)
    assert await store.get_key(ann.tenant, key.id) == key
    assert await store.list_keys(ann.tenant, owner="", after="", limit=1) == [key]
    await store.remove_key(ann.tenant, key.id)
    assert await store.find_key("d" * 64, now=NOW) is None
