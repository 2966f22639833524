"""Accounts, sessions and keys on each database."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ulid import ULID

from auth_svc.domain import (
    OPERATOR,
    OWNER,
    ApiKey,
    ApiKeyNotFound,
    ClientFacts,
    EmailTaken,
    InvalidCredentials,
    LastOwner,
    Role,
    ServiceAccount,
    Session,
    Tenant,
    TenantNotFound,
    TenantTerms,
    User,
    UsernameTaken,
    UserNotFound,
    sign_in_key,
)
from auth_svc.ports import Installation, RefreshRefusal, Refused, Rotated
from auth_svc.store import AuthStore
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.listing import FilterField, FilterKind, parse_filter
from tocsin.tenants import TenantState

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
STATES = {"state": FilterField(kind=FilterKind.CHOICE, choices=tuple(state.value for state in TenantState))}
LATER = NOW + timedelta(days=30)
CONTINUED: Any = {"idle": LATER - NOW, "longest": timedelta(days=90), "client": ClientFacts()}


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncGenerator[AuthStore]:
    """An empty store."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    yield AuthStore(database=database)
    await database.stop()


def _tenant(name: str = "Acme") -> Tenant:
    return Tenant(id=str(ULID()), display_name=name, time_zone="UTC", operator=False, created=NOW)


def _user(tenant: Tenant, email: str, role: Role = OWNER) -> User:
    return User(id=str(ULID()), tenant=tenant.id, email=email, display_name="Ann", role=role, created=NOW)


def _key(user: User, expires: datetime | None = None) -> ApiKey:
    scopes = frozenset({"alarms:read", "alarms:write"})
    return ApiKey(
        id=str(ULID()),
        tenant=user.tenant,
        owner=user.name,
        maker=user.name,
        display_name="ci",
        scopes=scopes,
        prefix="tk_12345",
        created=NOW,
        expires=expires,
    )


def _session(user: User) -> Session:
    return Session(id=str(ULID()), tenant=user.tenant, user=user.id, scopes=frozenset({"alarms:read"}), created=NOW)


async def _acme(store: AuthStore, email: str = "ann@example.com") -> tuple[Tenant, User]:
    tenant = _tenant()
    admin = _user(tenant, email)
    await store.add_tenant(tenant, admin, "hash")
    return tenant, admin


async def _opened(store: AuthStore, user: User, token: str = "a" * 64) -> Session:
    session = _session(user)
    await store.open_session(session, token=token, expires=LATER)
    return session


async def test_account_is_found_as_it_was_stored(store: AuthStore) -> None:
    """Everything that signing in needs comes back exact, by the key of the address."""
    tenant, admin = await _acme(store, "Ann@example.com")
    account = await store.find_account(sign_in_key("aNN@EXAMPLE.com"))
    assert account is not None
    assert account.user == admin
    assert account.password_hash == "hash"
    assert account.tenant.id == tenant.id
    assert await store.find_account("bob@example.com") is None


async def test_first_tenant_is_the_operators(store: AuthStore) -> None:
    """The first tenant of all runs the platform; later ones do not."""
    assert not await store.installed()
    first, _ = await _acme(store)
    second, _ = await _acme(store, "bob@example.com")
    assert await store.installed()
    assert (await store.get_tenant(first.id)).operator
    assert not (await store.get_tenant(second.id)).operator


async def test_address_is_unique_whatever_its_case(store: AuthStore) -> None:
    """The second one leaves nothing behind, neither tenant nor user."""
    tenant, _ = await _acme(store)
    other = _tenant("Other")
    with pytest.raises(EmailTaken):
        await store.add_tenant(other, _user(other, "ANN@example.com"), "hash")
    with pytest.raises(TenantNotFound):
        await store.get_tenant(other.id)
    with pytest.raises(EmailTaken):
        await store.add_user(_user(tenant, "Ann@Example.com"), "hash")


async def test_username_is_unique_whatever_its_case(store: AuthStore) -> None:
    """With an address or without; either one finds its account, and each refusal says which of the two is in use."""
    tenant, _ = await _acme(store)
    alone = replace(_user(tenant, ""), username="Bob")
    both = replace(_user(tenant, "carl@example.com"), username="carl")
    for user in (alone, both):
        await store.add_user(user, "hash")
    for key, user in (("bob", alone), ("carl", both), ("carl@example.com", both)):
        account = await store.find_account(key)
        assert account is not None
        assert account.user == user
    for email, username, error in (
        ("", "BOB", UsernameTaken),
        ("new@example.com", "CARL", UsernameTaken),
        ("Carl@example.com", "x", EmailTaken),
    ):
        with pytest.raises(error):
            await store.add_user(replace(_user(tenant, email), username=username), "hash")
    assert await store.find_account("") is None


async def test_one_of_many_registrations_wins(store: AuthStore) -> None:
    """Eight at the same moment with one address make one account."""
    tenants = [_tenant(str(number)) for number in range(8)]
    results = await asyncio.gather(
        *(store.add_tenant(tenant, _user(tenant, "ann@example.com"), "hash") for tenant in tenants), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, EmailTaken) for result in results) == 7


async def test_password_hash_is_replaced_once(store: AuthStore) -> None:
    """A rehash does not overwrite a hash that changed meanwhile."""
    _, admin = await _acme(store)
    await store.replace_password_hash(admin.id, old="hash", new="better")
    await store.replace_password_hash(admin.id, old="hash", new="stale")
    account = await store.find_account("ann@example.com")
    assert account is not None
    assert account.password_hash == "better"


async def test_tenant_changes_what_is_given(store: AuthStore) -> None:
    """Fields that are not given stay."""
    tenant, _ = await _acme(store)
    assert (await store.change_tenant(tenant.id, display_name=None, time_zone="Asia/Tokyo")).time_zone == "Asia/Tokyo"
    changed = await store.change_tenant(tenant.id, display_name="New", time_zone=None)
    assert (changed.display_name, changed.time_zone, changed.created) == ("New", "Asia/Tokyo", NOW)
    assert await store.change_tenant(tenant.id, display_name=None, time_zone=None) == changed
    with pytest.raises(TenantNotFound):
        await store.change_tenant("nobody", display_name="x", time_zone=None)


async def test_users_are_listed_in_pages(store: AuthStore) -> None:
    """In the order of their ids, after the cursor, of one tenant alone."""
    tenant, admin = await _acme(store)
    await _acme(store, "other@example.com")
    more = [_user(tenant, f"m{number}@example.com", OPERATOR) for number in range(3)]
    for user in more:
        await store.add_user(user, "hash")
    everyone = sorted([admin, *more], key=lambda user: user.id)
    assert await store.list_users(tenant.id, after="", limit=10) == everyone
    assert await store.list_users(tenant.id, after=everyone[1].id, limit=1) == everyone[2:3]


async def test_tenants_do_not_see_each_other(store: AuthStore) -> None:
    """Another tenant's user or key can be neither read, listed nor removed."""
    tenant, admin = await _acme(store)
    other, _ = await _acme(store, "eve@example.com")
    key = _key(admin)
    await store.add_key(key, digest="d" * 64)
    with pytest.raises(UserNotFound):
        await store.get_user(other.id, admin.id)
    with pytest.raises(UserNotFound):
        await store.remove_user(other.id, admin.id, owners=True)
    with pytest.raises(ApiKeyNotFound):
        await store.get_key(other.id, key.id)
    with pytest.raises(ApiKeyNotFound):
        await store.remove_key(other.id, key.id)
    assert await store.list_keys(other.id, owner="", after="", limit=10) == []
    assert await store.get_user(tenant.id, admin.id) == admin


async def test_last_owner_stays(store: AuthStore) -> None:
    """Others do not count; with a second owner the first may go."""
    tenant, admin = await _acme(store)
    await store.add_user(_user(tenant, "m@example.com", OPERATOR), "hash")
    with pytest.raises(LastOwner):
        await store.remove_user(tenant.id, admin.id, owners=True)
    await store.add_user(_user(tenant, "b@example.com"), "hash")
    assert await store.remove_user(tenant.id, admin.id, owners=True) == admin
    with pytest.raises(UserNotFound):
        await store.remove_user(tenant.id, admin.id, owners=True)


async def test_owners_who_remove_each_other_leave_one(store: AuthStore) -> None:
    """At the same moment, again and again: somebody always stays."""
    for number in range(5):
        tenant, one = await _acme(store, f"one{number}@example.com")
        other = _user(tenant, f"other{number}@example.com")
        await store.add_user(other, "hash")
        removals = (store.remove_user(tenant.id, user.id, owners=True) for user in (one, other))
        results = await asyncio.gather(*removals, return_exceptions=True)
        assert sum(isinstance(result, LastOwner) for result in results) == 1
        assert len(await store.list_users(tenant.id, after="", limit=10)) == 1


async def test_refresh_token_is_spent_and_succeeded(store: AuthStore) -> None:
    """Each token works once; its successor continues the session with all that a token needs."""
    tenant, admin = await _acme(store)
    session = await _opened(store, admin)
    result = await store.rotate(old="a" * 64, new="b" * 64, now=NOW, **CONTINUED)
    assert isinstance(result, Rotated)
    assert (result.session, result.user, result.tenant.id) == (session, admin, tenant.id)
    assert isinstance(await store.rotate(old="b" * 64, new="c" * 64, now=NOW, **CONTINUED), Rotated)


async def test_second_use_ends_the_family(store: AuthStore) -> None:
    """Whoever presents a spent token ends the session for the holder of its successor as well; other sessions live."""
    _, admin = await _acme(store)
    session = await _opened(store, admin)
    await _opened(store, admin, "z" * 64)
    await store.rotate(old="a" * 64, new="b" * 64, now=NOW, **CONTINUED)
    assert await store.rotate(old="a" * 64, new="x" * 64, now=NOW, **CONTINUED) == Refused(
        why=RefreshRefusal.REUSED, session=replace(session, last_used=NOW)
    )
    assert await store.rotate(old="b" * 64, new="x" * 64, now=NOW, **CONTINUED) == Refused(why=RefreshRefusal.UNKNOWN, session=None)
    assert isinstance(await store.rotate(old="z" * 64, new="y" * 64, now=NOW, **CONTINUED), Rotated)


async def test_concurrent_use_of_one_token_ends_the_family(store: AuthStore) -> None:
    """Two at the same moment: one is served, the other is reuse, and nothing of the session is left."""
    _, admin = await _acme(store)
    await _opened(store, admin)
    results = await asyncio.gather(*(store.rotate(old="a" * 64, new=new * 64, now=NOW, **CONTINUED) for new in "bc"))
    assert sum(isinstance(result, Rotated) for result in results) == 1
    assert [result.why for result in results if isinstance(result, Refused)] == [RefreshRefusal.REUSED]
    for token in "bc":
        assert isinstance(await store.rotate(old=token * 64, new="x" * 64, now=NOW, **CONTINUED), Refused)


async def test_expired_token_is_refused(store: AuthStore) -> None:
    """At its time, and without ending anything."""
    _, admin = await _acme(store)
    session = await _opened(store, admin)
    assert await store.rotate(old="a" * 64, new="b" * 64, now=LATER, **CONTINUED) == Refused(why=RefreshRefusal.EXPIRED, session=session)
    assert await store.rotate(old="n" * 64, new="b" * 64, now=NOW, **CONTINUED) == Refused(why=RefreshRefusal.UNKNOWN, session=None)


async def test_session_is_closed_by_any_of_its_tokens(store: AuthStore) -> None:
    """A spent one does as well; the second time there is nothing to close."""
    _, admin = await _acme(store)
    session = await _opened(store, admin)
    await store.rotate(old="a" * 64, new="b" * 64, now=NOW, **CONTINUED)
    assert await store.close_session("a" * 64) == replace(session, last_used=NOW)
    assert await store.close_session("b" * 64) is None


async def test_removed_user_has_no_sessions(store: AuthStore) -> None:
    """They go with the user, and no new one can be opened."""
    tenant, admin = await _acme(store)
    await store.add_user(_user(tenant, "b@example.com"), "hash")
    await _opened(store, admin)
    await store.remove_user(tenant.id, admin.id, owners=True)
    assert isinstance(await store.rotate(old="a" * 64, new="b" * 64, now=NOW, **CONTINUED), Refused)
    with pytest.raises(InvalidCredentials):
        await store.open_session(_session(admin), token="c" * 64, expires=LATER)


async def test_purge_deletes_what_is_over(store: AuthStore) -> None:
    """Sessions whose last token has expired go; those with a living one stay."""
    _, admin = await _acme(store)
    await _opened(store, admin)
    living = _session(admin)
    await store.open_session(living, token="l" * 64, expires=LATER + timedelta(seconds=1))
    assert await store.purge(NOW) == 0
    assert await store.purge(LATER) == 1
    assert await store.close_session("a" * 64) is None
    assert await store.close_session("l" * 64) == living


def _installation() -> Installation:
    tenant = _tenant("default")
    programs = ServiceAccount(
        id=str(ULID()), tenant=tenant.id, display_name="development", description="", role=OWNER, maker="", created=NOW
    )
    admin = _user(tenant, "admin@example.com")
    return Installation(
        tenant=tenant,
        admin=admin,
        password_hash="hash",
        service_account=programs,
        key=replace(_key(admin), owner=programs.name),
        key_digest="k" * 64,
    )


async def test_one_of_many_installs(store: AuthStore) -> None:
    """Of eight at the same moment one writes its files; the others store nothing."""
    written: list[int] = []

    async def install(number: int) -> bool:
        async def write() -> None:
            written.append(number)

        return await store.install(_installation(), before_commit=write)

    results = await asyncio.gather(*map(install, range(8)))
    assert sum(results) == 1
    assert written == [results.index(True)]
    account = await store.find_account("admin@example.com")
    assert account is not None
    assert account.tenant.operator
    assert len(await store.list_users(account.tenant.id, after="", limit=10)) == 1


async def test_failed_files_leave_nothing(store: AuthStore) -> None:
    """When the files cannot be written, neither tenant nor key exists, and the next attempt may install."""

    async def fail() -> None:
        raise OSError("no space")

    async def succeed() -> None:
        pass

    with pytest.raises(OSError, match="no space"):
        await store.install(_installation(), before_commit=fail)
    assert not await store.installed()
    assert await store.find_key("k" * 64, now=NOW) is None
    assert await store.install(_installation(), before_commit=succeed)


async def test_nothing_is_installed_beside_a_tenant(store: AuthStore) -> None:
    """Somebody registered first: no administrator appears by itself."""
    await _acme(store)

    async def never() -> None:
        raise AssertionError

    assert not await store.install(_installation(), before_commit=never)
    assert await store.find_account("admin@example.com") is None


async def test_terms_of_tenants(store: AuthStore) -> None:
    """Each change makes the version greater; what is as the rule again is forgotten; pages go by id."""
    tenants = [(await _acme(store, f"u{number}@example.com"))[0] for number in range(3)]
    ids = sorted(tenant.id for tenant in tenants)
    first = await store.book_version()
    suspended = await store.set_state(ids[0], state=TenantState.SUSPENDED, reason="abuse", now=NOW)
    assert suspended.terms == TenantTerms(state=TenantState.SUSPENDED, reason="abuse")
    bounded = await store.set_quotas(ids[0], {"alarms": 0, "storage_bytes": None}, now=NOW)
    assert bounded.terms == TenantTerms(state=TenantState.SUSPENDED, reason="abuse", quotas={"alarms": 0})
    await store.set_quotas(ids[2], {"fires_per_minute": 10**12}, now=NOW)
    version, page = await store.settled_tenants(after="", limit=1)
    assert (version, [each.id for each in page]) == (first + 3, ids[:1])
    assert [each.id for each in (await store.settled_tenants(after=ids[0], limit=2))[1]] == ids[2:]
    assert (await store.get_tenant(ids[0])).terms == bounded.terms
    listed = await store.list_tenants(conditions=parse_filter('state!="SUSPENDED"', fields=STATES), after="", limit=5)
    assert [each.id for each in listed] == ids[1:]
    await store.set_state(ids[0], state=TenantState.ACTIVE, reason="", now=NOW)
    assert (await store.set_quotas(ids[0], {"alarms": None}, now=NOW)).terms == TenantTerms()
    assert [each.id for each in (await store.settled_tenants(after="", limit=5))[1]] == ids[2:]
    for change in (
        store.set_quotas("nobody", {"alarms": 1}, now=NOW),
        store.set_state("nobody", state=TenantState.ACTIVE, reason="", now=NOW),
    ):
        with pytest.raises(TenantNotFound):
            await change
