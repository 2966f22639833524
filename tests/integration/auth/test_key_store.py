"""API keys on each database."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from ulid import ULID

from auth_svc.domain import (
    OPERATOR,
    OWNER,
    VIEWER,
    AccountMailKind,
    ApiKeyNotFound,
    ServiceAccountNotFound,
    UserNotFound,
)
from auth_svc.ports import KeyUse
from auth_svc.store import AuthStore
from tests.integration.auth.members import LATER, NOW, SOON, acme, invitation_of, key_of, mail_of, service_account, user_of
from tocsin.clock import Clock
from tocsin.database import Database


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncGenerator[AuthStore]:
    """An empty store."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    yield AuthStore(database=database)
    await database.stop()


@pytest.mark.parametrize("expires", [None, LATER], ids=["never", "later"])
async def test_key_is_found_by_its_digest(store: AuthStore, expires: datetime | None) -> None:
    """With its tenant and what its owner is; once removed, it is found no more."""
    ann = await acme(store)
    key = key_of(ann.tenant, ann.name, expires)
    await store.add_key(key, digest="d" * 64)
    found = await store.find_key("d" * 64, now=NOW)
    assert found is not None
    assert (found.key, found.tenant.id, found.role, found.active, found.ends) == (key, ann.tenant, OWNER, True, expires)
    assert await store.get_key(ann.tenant, key.id) == key
    assert await store.list_keys(ann.tenant, owner="", after="", limit=1) == [key]
    await store.remove_key(ann.tenant, key.id)
    assert await store.find_key("d" * 64, now=NOW) is None


async def test_key_ends_with_its_owner(store: AuthStore) -> None:
    """Of a user and of a service account alike; deactivated, it is known and not active; nobody adds a key to who is gone."""
    ann = await acme(store)
    programs = service_account(ann.tenant)
    await store.add_service_account(programs)
    bob = user_of(ann.tenant, "bob@example.com", VIEWER)
    await store.add_user(bob, "hash")
    await store.add_key(key_of(ann.tenant, bob.name), digest="b" * 64)
    await store.add_key(key_of(ann.tenant, programs.name), digest="p" * 64)
    assert [each.owner for each in await store.list_keys(ann.tenant, owner=programs.name, after="", limit=9)] == [programs.name]
    await store.deactivate_user(ann.tenant, bob.id, owners=False, now=NOW)
    await store.set_service_account_active(ann.tenant, programs.id, deactivated=NOW)
    for digest, role in (("b" * 64, VIEWER), ("p" * 64, OPERATOR)):
        found = await store.find_key(digest, now=NOW)
        assert found is not None
        assert (found.active, found.role) == (False, role)
    with pytest.raises(UserNotFound):
        await store.add_key(key_of(ann.tenant, bob.name), digest="c" * 64)
    with pytest.raises(ServiceAccountNotFound):
        await store.add_key(key_of(ann.tenant, programs.name), digest="c" * 64)
    await store.remove_user(ann.tenant, bob.id, owners=False)
    assert len(await store.remove_service_account(ann.tenant, programs.id)) == 1
    assert await store.list_keys(ann.tenant, owner="", after="", limit=9) == []
    with pytest.raises(ServiceAccountNotFound):
        await store.remove_service_account(ann.tenant, programs.id)


async def test_rotated_key_has_two_secrets_for_a_while(store: AuthStore) -> None:
    """The one of before until its time, the one before that no more; of two who rotate at once one is told so."""
    ann = await acme(store)
    key = key_of(ann.tenant, ann.name, LATER)
    await store.add_key(key, digest="1" * 64)
    more: Any = {"overlap_ends": SOON, "expires": LATER, "warned": None}
    rotated = await store.rotate_key(key, digest="2" * 64, prefix="tk_2", **more)
    assert (rotated.prefix, rotated.previous_expires) == ("tk_2", SOON)
    with pytest.raises(ApiKeyNotFound):
        await store.rotate_key(key, digest="x" * 64, prefix="tk_x", **more)
    for digest, ends in (("1" * 64, SOON), ("2" * 64, LATER)):
        found = await store.find_key(digest, now=NOW)
        assert found is not None
        assert (found.key.id, found.ends) == (key.id, ends)
    assert await store.find_key("1" * 64, now=SOON) is None
    await store.rotate_key(rotated, digest="3" * 64, prefix="tk_3", **more)
    assert await store.find_key("1" * 64, now=NOW) is None
    assert await store.find_key("2" * 64, now=NOW) is not None


async def test_uses_are_stored_together_and_never_go_back(store: AuthStore) -> None:
    """Many in one transaction; a late one of another replica changes nothing, and a key that is gone is none."""
    ann = await acme(store)
    keys = [key_of(ann.tenant, ann.name) for _ in range(3)]
    for number, key in enumerate(keys):
        await store.add_key(key, digest=f"{number}" * 64)
    await store.note_uses({key.id: KeyUse(time=LATER, address="198.51.100.7") for key in keys} | {"gone": KeyUse(time=NOW, address="")})
    await store.note_uses({keys[0].id: KeyUse(time=NOW, address="203.0.113.9")})
    await store.note_uses({key.id: KeyUse(time=LATER + timedelta(seconds=1), address="") for key in keys})
    await store.note_uses({})
    listed = await store.list_keys(ann.tenant, owner="", after="", limit=9)
    assert {(key.last_used, key.last_address) for key in listed} == {(LATER + timedelta(seconds=1), "198.51.100.7")}


async def test_warning_is_given_once(store: AuthStore) -> None:
    """And not when its mail finds no room, so that it is given later."""
    ann = await acme(store)
    key = key_of(ann.tenant, ann.name, SOON)
    await store.add_key(key, digest="1" * 64)
    assert [each.key for each in await store.expiring_keys(now=NOW, before=SOON, after="", limit=9)] == [key]
    assert await store.expiring_keys(now=SOON, before=LATER, after="", limit=9) == []
    mail = replace(mail_of(invitation_of(ann.tenant)[0]), kind=AccountMailKind.KEY_EXPIRY)
    assert await store.warn_of_key(key, days=7, mails=[mail])
    assert not await store.warn_of_key(key, days=7, mails=[replace(mail, id=str(ULID()))])
    assert not await store.warn_of_key(key, days=1, mails=[replace(mail, id=str(ULID())) for _ in range(5)])
    assert (await store.get_key(ann.tenant, key.id)).warned == 7
    assert await store.warn_of_key(key, days=1, mails=[])
