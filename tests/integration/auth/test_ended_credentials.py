"""What has ended before its access tokens do is told, whoever ends it and by whatever way; on each database."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from auth_svc.domain import ApiKey, RefreshTokenRefused, User
from auth_svc.service import EndedBatch, EndedCredentials, RegistrationRule
from auth_svc.store.log_tables import ended_credentials
from auth_svc.store.tables import sessions, tenant_book, users
from tests.integration.auth.office import HERE, PASSWORD, Office
from tocsin.database import Database
from tocsin.errors import InvalidInput
from tocsin.testing.clock import FakeClock

ACCESS = timedelta(minutes=15)


class Newsroom:
    """An office, and what tells of ended credentials."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.ended = EndedCredentials(store=office.store, scopes=office.authorizer.scopes, clock=office.clock, access=ACCESS)

    async def session(self) -> str:
        """The name of the only session."""
        async with self.office.database.read() as connection:
            return f"sessions/{(await connection.execute(select(sessions.c.id))).scalar_one()}"

    async def told(self, token: str = "") -> EndedBatch:
        """What a watch tells first."""
        async with aclosing(self.ended.watch(token)) as batches:
            return await anext(batches)

    async def names(self, token: str = "") -> list[str]:
        """The names of what a watch tells first."""
        return [each.name for each, _ in (await self.told(token)).credentials]


@pytest.fixture
async def room(database_url: str, clock: FakeClock) -> AsyncGenerator[Newsroom]:
    """One, on each database."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    office = Office(database, clock, registration=RegistrationRule.UNCONFIRMED)
    yield Newsroom(office)
    await office.sender.stop()
    await database.stop()


async def sign_out(office: Office, user: User, token: str) -> None:
    """By the refresh token."""
    await office.open_sessions.sign_out(token)


async def end_all(office: Office, user: User, token: str) -> None:
    """Everywhere."""
    await office.list.end_all(office.caller(user), user.id, keep_current=False)


async def change_password(office: Office, user: User, token: str) -> None:
    """By the password, from somewhere else."""
    await office.accounts.change_password(office.caller(user), current=PASSWORD, new="another battery staple", client=HERE)


async def deactivate(office: Office, user: User, token: str) -> None:
    """By an administrator."""
    await office.store.deactivate_user(user.tenant, user.id, owners=True, now=office.clock.now())


async def remove(office: Office, user: User, token: str) -> None:
    """By an administrator: the database ends the sessions of a user that goes."""
    async with office.database.transaction() as connection:
        await connection.execute(delete(users).where(users.c.id == user.id))


async def steal(office: Office, user: User, token: str) -> None:
    """A spent refresh token is shown again."""
    await office.open_sessions.refresh(token, client=HERE)
    with pytest.raises(RefreshTokenRefused):
        await office.open_sessions.refresh(token, client=HERE)


@pytest.mark.parametrize("end", [sign_out, end_all, change_password, deactivate, remove, steal])
async def test_a_session_that_ends_is_told(room: Newsroom, end: Callable[[Office, User, str], Awaitable[None]]) -> None:
    """With the instant at which its last access token ends by itself: its use is noted a minute late at most."""
    office = room.office
    ann = await office.user()
    if end is deactivate:
        async with office.database.transaction() as connection:  # somebody else is left to own the tenant
            await connection.execute(update(users).where(users.c.id == ann.id).values(role="viewer"))
    token = (await office.sign_in()).refresh_token
    name = await room.session()
    assert await room.names() == []
    await end(office, ann, token)
    [(ended, until)] = (await room.told()).credentials
    assert (ended.name, until - office.clock.now()) == (name, ACCESS + timedelta(minutes=1))


async def test_a_key_that_is_deleted_is_told(room: Newsroom) -> None:
    """By its name."""
    office = room.office
    ann = await office.user()
    key = ApiKey(
        id="k1",
        tenant=ann.tenant,
        owner=ann.name,
        maker="",
        display_name="",
        scopes=frozenset(),
        prefix="",
        created=office.clock.now(),
        expires=None,
    )
    await office.store.add_key(key, digest="d")
    await office.store.remove_key(ann.tenant, "k1")
    assert await room.names() == ["apiKeys/k1"]


async def test_what_gives_no_token_any_more_is_neither_told_nor_kept(room: Newsroom) -> None:
    """A session that nobody has used for longer than an access token is good."""
    office = room.office
    await office.user()
    token = (await office.sign_in()).refresh_token
    await office.clock.advance((ACCESS + timedelta(minutes=2)).total_seconds())
    await office.open_sessions.sign_out(token)
    assert await room.names() == []
    await room.ended.forget()
    async with office.database.read() as connection:
        assert (await connection.execute(select(ended_credentials))).all() == []


async def end(office: Office, name: str, *, at: int) -> None:
    """Notes that ``name`` ended at an instant of the database's clock."""
    values = {"name": name, "ended_at": at, "used_at": office.clock.micros()}
    async with office.database.transaction() as connection:
        await connection.execute(insert(ended_credentials).values(values))


async def test_a_watch_goes_on_where_it_was(room: Newsroom) -> None:
    """From its token: what was missed comes first. What was noted late, because its transaction took long, is told as well."""
    office, second = room.office, 1_000_000
    for number in range(1, 1203):
        await end(office, f"sessions/{number:04}", at=100 * second + number)
    async with aclosing(room.ended.watch("")) as batches:
        found = [await anext(batches) for _ in range(3)]
        assert [len(each.credentials) for each in found] == [500, 500, 202]
        following = asyncio.ensure_future(anext(batches))
        await end(office, "sessions/late", at=99 * second)
        while not following.done():
            await office.clock.advance(0.5)
        assert [each.name for each, _ in (await following).credentials] == ["sessions/late"]
    token = found[-1].token
    await end(office, "sessions/missed", at=200 * second)
    assert await last_name(room, token) == "sessions/missed"
    assert await room.names(str(240 * second)) == []


async def last_name(room: Newsroom, token: str) -> str:
    """The last of what comes at once after a token."""
    async with aclosing(room.ended.watch(token)) as batches:
        while len((found := await anext(batches)).credentials) == 500:
            pass
    return found.credentials[-1][0].name


async def test_a_watch_tells_of_another_book_of_tenants(room: Newsroom) -> None:
    """At once, so that who is suspended is refused as soon."""
    office = room.office
    async with aclosing(room.ended.watch("")) as batches:
        before = (await anext(batches)).tenants_version
        following = asyncio.ensure_future(anext(batches))
        async with office.database.transaction() as connection:
            await connection.execute(update(tenant_book).values(version=tenant_book.c.version + 1))
        while not following.done():
            await office.clock.advance(0.5)
        assert (await following).tenants_version == before + 1


@pytest.mark.parametrize("token", ["x", "-1", "1" * 18, "1.5", " 1", "1\n"], ids=ascii)
async def test_a_token_that_is_none_is_refused(room: Newsroom, token: str) -> None:
    """By its field."""
    with pytest.raises(InvalidInput) as refused:
        await room.told(token)
    assert [violation.field for violation in refused.value.violations] == ["resumeToken"]


async def test_a_session_of_no_time_keeps_no_other_from_its_end(room: Newsroom) -> None:
    """Where somebody took NOT NULL from the column: what is over goes in each round, hers as well as others'."""
    office = room.office
    user = await office.user()
    names = [f"{number:026d}" for number in range(2)]
    database = office.database
    async with database.transaction() as connection:
        tenant = (await connection.execute(select(users.c.tenant_id))).scalar_one()
        if database.dialect == "postgresql":
            await connection.exec_driver_sql("ALTER TABLE sessions ALTER created_at DROP NOT NULL")
        else:
            version = (await connection.exec_driver_sql("PRAGMA schema_version")).scalar_one()
            await connection.exec_driver_sql("PRAGMA writable_schema = ON")
            change = "UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table' AND name = 'sessions'"
            await connection.exec_driver_sql(change)
            await connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
        values = [{"id": name, "tenant_id": tenant, "user_id": user.id, "scopes": "", "created_at": None} for name in names]
        values[1]["created_at"] = 1
        await connection.execute(insert(sessions), values)
    assert await office.store.purge(office.clock.now()) == 2
    assert set(await room.names()) >= {f"sessions/{name}" for name in names[:1]}
