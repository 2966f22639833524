"""Sessions and API keys that may do something else than their tokens say are told, by whatever way that came; on each database."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from auth_svc.domain import ADMIN, VIEWER, ApiKey, Proof, Role, ServiceAccount
from auth_svc.service import EndedCredentials, RegistrationRule
from auth_svc.store.log_tables import changed_credentials
from auth_svc.store.tables import sessions, users
from tests.integration.auth.members import key_of, role_of_own, service_account
from tests.integration.auth.office import Office
from tocsin.database import Database
from tocsin.testing.clock import FakeClock

ACCESS = timedelta(minutes=15)
READS = frozenset({"alarms:read", "account:read", "account:write", "profile:read"})
"""What a viewer has, of the scopes at the office."""


class Newsroom:
    """A tenant with two people, a service account, a key of each, and what tells of changed credentials.

    Ann owns it and is signed in; Bob, whose role is one of the tenant's own, is as well.
    """

    def __init__(self, office: Office) -> None:
        self.office = office
        self.store = office.store
        self.ended = EndedCredentials(store=office.store, scopes=office.authorizer.scopes, clock=office.clock, access=ACCESS)
        self.names: dict[str, str] = {}

    async def furnish(self) -> None:
        """Makes them."""
        self.ann = await self.office.user()
        await self.office.sign_in()
        bob = await self.office.user("bob@example.com")
        role = role_of_own(self.ann.tenant, "auditor", "alarms:read", "alarms:write")
        await self.store.add_role(role)
        async with self.office.database.transaction() as connection:
            await connection.execute(update(users).where(users.c.id == bob.id).values(tenant_id=self.ann.tenant, role="auditor"))
        self.bob = await self.store.get_user(self.ann.tenant, bob.id)
        await self.office.sign_in("bob@example.com")
        self.program: ServiceAccount = service_account(self.ann.tenant, Role(id="auditor", scopes=role.scopes))
        await self.store.add_service_account(self.program)
        async with self.office.database.read() as connection:
            rows = await connection.execute(select(sessions.c.user_id, sessions.c.id))
            found: dict[str, str] = {row.user_id: row.id for row in rows}
        self.names = {f"sessions/{found[self.ann.id]}": "ann", f"sessions/{found[self.bob.id]}": "bob"}
        self.session = found[self.bob.id]
        self.keys: dict[str, ApiKey] = {}
        for whose, owner in (("key of bob", self.bob.name), ("key of program", self.program.name)):
            key = replace(key_of(self.ann.tenant, owner), prefix=f"tk_{whose[-1]}")
            await self.store.add_key(key, digest=whose)
            self.keys[whose] = key
            self.names[key.name] = whose

    async def told(self, change: Callable[["Newsroom"], Awaitable[None]]) -> Mapping[str, frozenset[str]]:
        """What a watch tells next of a change, by who."""
        async with aclosing(self.ended.watch("")) as batches:
            await anext(batches)
            await change(self)
            following = asyncio.ensure_future(anext(batches))
            while not following.done():
                await self.office.clock.advance(0.5)
            return {self.names[each.name]: each.scopes for each in (await following).changed}


@pytest.fixture
async def room(database_url: str, clock: FakeClock) -> AsyncGenerator[Newsroom]:
    """One, on each database."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    office = Office(database, clock, registration=RegistrationRule.UNCONFIRMED)
    made = Newsroom(office)
    await made.furnish()
    yield made
    await office.sender.stop()
    await database.stop()


async def give(room: Newsroom, role: Role) -> None:
    """Gives Bob another role."""
    await room.store.change_user(room.ann.tenant, room.bob.id, display_name=None, role=role, locale=None, owners=True)


async def demote(room: Newsroom) -> None:
    """To what reads."""
    await give(room, VIEWER)


async def promote(room: Newsroom) -> None:
    """To administrator: a bound of before must not stay."""
    await give(room, ADMIN)


async def demote_program(room: Newsroom) -> None:
    """Likewise of a service account."""
    await room.store.change_service_account(room.ann.tenant, room.program.id, display_name=None, description=None, role=VIEWER)


async def shrink_role(room: Newsroom) -> None:
    """Takes a scope from a role of the tenant's own."""
    scopes = frozenset({"alarms:read"})
    await room.store.change_role(
        room.ann.tenant, "auditor", display_name=None, description=None, scopes=scopes, now=room.office.clock.now()
    )


async def deactivate(room: Newsroom) -> None:
    """Of a user the sessions end, which is told apart; the keys stay, and give nothing."""
    await room.store.deactivate_user(room.ann.tenant, room.bob.id, owners=True, now=room.office.clock.now())


async def reactivate(room: Newsroom) -> None:
    """After it was deactivated: the key works again, and is told once more."""
    async with room.office.database.transaction() as connection:
        await connection.execute(update(users).where(users.c.id == room.bob.id).values(deactivated_at=1))
        await connection.execute(changed_credentials.delete())
    await room.store.reactivate_user(room.ann.tenant, room.bob.id)


async def deactivate_program(room: Newsroom) -> None:
    """Its keys stay, too."""
    await room.store.set_service_account_active(room.ann.tenant, room.program.id, deactivated=room.office.clock.now())


async def require_factor(room: Newsroom) -> None:
    """Sessions that have shown none may enrol one, and nothing else; keys are as before."""
    await room.store.change_tenant(room.ann.tenant, display_name=None, time_zone=None, require_second_factor=True)


async def show_factor(room: Newsroom) -> None:
    """A session that has shown one is whole again."""
    await require_factor(room)
    async with room.office.database.transaction() as connection:
        await connection.execute(changed_credentials.delete())
    await room.store.prove_session(room.session, Proof.TOTP, now=room.office.clock.now())


async def rotate(room: Newsroom) -> None:
    """The secret of before may end at once: what gateways know of the key is not to be taken."""
    key, now = room.keys["key of bob"], room.office.clock.now()
    await room.store.rotate_key(key, digest="other", prefix="tk_2", overlap_ends=now, expires=None, warned=None)


ENROLMENT = frozenset({"account:read", "account:write", "profile:read"})
WHOLE = frozenset({"alarms:read", "alarms:write", "profile:read"})
"""Of the role of Bob and the service account, and of all keys."""
FEWER = frozenset({"alarms:read", "profile:read"})
NOTHING = frozenset[str]()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (demote, {"bob": READS, "key of bob": FEWER}),
        (promote, {"bob": frozenset({*READS, "alarms:write", "users:write"}), "key of bob": WHOLE}),
        (demote_program, {"key of program": FEWER}),
        (shrink_role, {"bob": FEWER, "key of bob": FEWER, "key of program": FEWER}),
        (deactivate, {"key of bob": NOTHING}),
        (reactivate, {"bob": WHOLE, "key of bob": WHOLE}),
        (deactivate_program, {"key of program": NOTHING}),
        (require_factor, {"ann": ENROLMENT, "bob": ENROLMENT}),
        (show_factor, {"bob": WHOLE}),
        (rotate, {"key of bob": WHOLE}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_what_changes_is_told(
    room: Newsroom, change: Callable[[Newsroom], Awaitable[None]], told: Mapping[str, frozenset[str]]
) -> None:
    """By name, with what each may do now; of nobody else."""
    assert await room.told(change) == told


async def test_what_changes_nothing_is_not_told(room: Newsroom) -> None:
    """The same role again, another name, a use of the key: gateways would ask about everything."""
    await give(room, Role(id="auditor", scopes=WHOLE))
    await room.store.change_user(room.ann.tenant, room.bob.id, display_name="Bobby", role=None, locale="de", owners=True)
    await room.store.change_tenant(room.ann.tenant, display_name="Acme 2", time_zone=None)
    async with room.office.database.read() as connection:
        assert (await connection.execute(select(changed_credentials))).all() == []


async def test_it_is_told_after_a_token_and_at_the_begin_for_as_long_as_tokens_live(room: Newsroom) -> None:
    """A gateway that was away hears of it; what no token of before says any more is forgotten."""
    await demote(room)
    async with aclosing(room.ended.watch("")) as batches:
        first = [await anext(batches), await anext(batches)]
    assert [{room.names[each.name] for each in batch.changed} for batch in first] == [set(), {"bob", "key of bob"}]
    async with room.office.database.transaction() as connection:
        old = changed_credentials.c.changed_at - 3_600_000_000
        await connection.execute(update(changed_credentials).where(changed_credentials.c.name.like("sessions/%")).values(changed_at=old))
    await room.ended.forget()
    async with room.office.database.read() as connection:
        left = (await connection.execute(select(changed_credentials.c.name))).scalars().all()
    assert [room.names[name] for name in left] == ["key of bob"]
