"""One's own profile, and what people and programs are called: on each database."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from auth_svc.domain import SecurityEvent, TokenCaller, User, UserNotFound, UsersOnly
from auth_svc.service import Profiles
from auth_svc.store import AuthStore
from tests.integration.auth.members import acme, key_of, service_account, user_of
from tests.integration.auth.office import EventList
from tests.integration.auth.support import Rig, fields
from tocsin.api.auth.v1 import profile_service_pb2, profile_service_pb2_grpc, user_service_pb2
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.errors import InvalidInput
from tocsin.mesh.context import acting_as


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncGenerator[AuthStore]:
    """An empty store."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    yield AuthStore(database=database)
    await database.stop()


def caller_of(user: User, *scopes: str) -> TokenCaller:
    """The user, as a token says."""
    return TokenCaller(tenant=user.tenant, subject=user.name, scopes=frozenset(scopes))


async def test_everybody_changes_their_own_name(store: AuthStore) -> None:
    """Name and language, whatever the role; each alone; and the log tells."""
    log = EventList()
    profiles = Profiles(store=store, log=log)
    ann = await acme(store)
    caller = caller_of(ann)
    assert (await profiles.own(caller)).display_name == "Ann"
    assert (await profiles.change(caller, display_name="Ann Lee", locale=None)).display_name == "Ann Lee"
    changed = await profiles.change(caller, display_name=None, locale="de")
    assert (changed.display_name, changed.locale, changed.role) == ("Ann Lee", "de", ann.role)
    assert [event for event, _ in log.events] == [SecurityEvent.USER_CHANGED] * 2


@pytest.mark.parametrize(
    ("given", "field"),
    [({"display_name": "a\x00b", "locale": None}, "profile.displayName"), ({"display_name": None, "locale": "no such"}, "profile.locale")],
    ids=["name", "language"],
)
async def test_what_cannot_be_used_names_its_field(store: AuthStore, given: dict[str, str | None], field: str) -> None:
    """And nothing changes."""
    ann = await acme(store)
    with pytest.raises(InvalidInput) as refused:
        await Profiles(store=store, log=EventList()).change(caller_of(ann), **given)
    assert [each.field for each in refused.value.violations] == [field]


async def test_a_role_is_no_part_of_ones_own_profile(rig: Rig) -> None:
    """Another one is refused with its field and changes nothing; what was read is taken back."""
    token = await rig.registered()
    profiles: Any = profile_service_pb2_grpc.ProfileServiceStub(rig.gateway.mesh.channel("auth_svc"))
    with acting_as(token):
        read = await profiles.GetProfile(profile_service_pb2.GetProfileRequest())
        for given, field in (
            (user_service_pb2.User(display_name="Eve", role_name="roles/viewer"), "profile.roleName"),
            (user_service_pb2.User(display_name="Eve", role=user_service_pb2.User.VIEWER), "profile.role"),
        ):
            with pytest.raises(InvalidInput) as refused:
                await profiles.UpdateProfile(profile_service_pb2.UpdateProfileRequest(profile=given))
            assert fields(refused.value) == {field}
        assert await profiles.UpdateProfile(profile_service_pb2.UpdateProfileRequest(profile=read)) == read


async def test_programs_have_no_profile(store: AuthStore) -> None:
    """A key is told so, and so is who was removed."""
    profiles = Profiles(store=store, log=EventList())
    ann = await acme(store)
    with pytest.raises(UsersOnly):
        await profiles.own(replace(caller_of(ann), subject="apiKeys/1"))
    with pytest.raises(UserNotFound):
        await profiles.own(replace(caller_of(ann), subject="users/gone"))


async def test_names_of_people_and_programs(store: AuthStore) -> None:
    """Of one's own tenant alone; an address is a name only for who may read users; what is gone is left out."""
    profiles = Profiles(store=store, log=EventList())
    ann, stranger = await acme(store), await acme(store, "eve@example.org")
    bob, cay = (replace(user_of(ann.tenant, mail), display_name="") for mail in ("bob@example.com", "cay@example.com"))
    cay = replace(cay, username="cay")
    for user in (bob, cay):
        await store.add_user(user, "hash")
    account = service_account(ann.tenant)
    await store.add_service_account(account)
    key = key_of(ann.tenant, account.name)
    await store.add_key(key, digest="digest")
    asked = [ann.name, bob.name, cay.name, account.name, key.name, stranger.name, "users/gone", "tenants/1", "users"]
    known = {ann.name: "Ann", cay.name: "cay", account.name: "ci", key.name: "ci"}
    assert await profiles.names(caller_of(ann), asked) == known
    assert await profiles.names(caller_of(ann, "users:read"), asked) == {**known, bob.name: "bob@example.com"}
    assert await profiles.names(caller_of(stranger), asked) == {stranger.name: "Ann"}
