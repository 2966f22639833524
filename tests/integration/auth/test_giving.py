"""Nobody gives what they do not hold: each way to hand rights on, and what a change of role leaves of those that were there."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import duration_pb2, field_mask_pb2

from auth_svc.domain import ApiKeyRefused, CallerGone, OwnersOnly, ScopeNotHeld, UserDeactivated
from tests.integration.auth.support import PASSWORD, Rig, fields
from tocsin.api.auth.v1 import account_service_pb2, api_key_service_pb2, auth_service_pb2, invitation_service_pb2, role_service_pb2
from tocsin.api.auth.v1 import service_account_service_pb2 as programs_pb2
from tocsin.api.auth.v1 import user_service_pb2 as users_pb2
from tocsin.errors import FailedPrecondition, InvalidInput, PermissionDenied, Unauthenticated
from tocsin.mesh.context import acting_as

MANAGES = ("users:write", "users:read", "keys:write", "keys:read", "alarms:read")


class House:
    """A tenant with its owner Ann, an administrator, a manager of people, and things that Ann made."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.tokens: dict[str, str] = {}
        self.names: dict[str, str] = {}

    async def furnish(self) -> None:
        """Makes them."""
        self.names["ann"] = (await self.rig.register()).user
        self.tokens["ann"] = (await self.rig.sign_in()).access_token
        with acting_as(self.tokens["ann"]):
            role = role_service_pb2.Role(name="roles/manager", scopes=MANAGES)
            await self.rig.gateway.roles.CreateRole(role_service_pb2.CreateRoleRequest(role=role))
        for name, role_name in (("adam", "roles/admin"), ("mia", "roles/manager"), ("vera", "roles/viewer")):
            await self.add(name, role_name)

    async def add(self, name: str, role: str) -> None:
        """Adds a user who signs in."""
        email = f"{name}@example.com"
        request = users_pb2.CreateUserRequest(email=email, password=PASSWORD, role_name=role)
        with acting_as(self.tokens["ann"]):
            self.names[name] = (await self.rig.gateway.users.CreateUser(request)).name
        self.tokens[name] = (await self.rig.sign_in(email)).access_token

    def acting(self, name: str) -> Any:
        """Calls come from somebody."""
        return acting_as(self.tokens[name])

    async def role(self, who: str, user: str, role: str) -> users_pb2.User:
        """Gives a user a role."""
        mask = field_mask_pb2.FieldMask(paths=["role_name"])
        user_ = users_pb2.User(name=self.names[user], role_name=role)
        with self.acting(who):
            return await self.rig.gateway.users.UpdateUser(users_pb2.UpdateUserRequest(user=user_, update_mask=mask))

    async def key(self, who: str, *scopes: str, owner: str = "") -> api_key_service_pb2.CreateApiKeyResponse:
        """Makes a key."""
        with self.acting(who):
            return await self.rig.gateway.keys.CreateApiKey(
                api_key_service_pb2.CreateApiKeyRequest(display_name="k", scopes=scopes, owner=owner)
            )

    async def scopes_of(self, secret: str) -> set[str]:
        """What a key carries."""
        with acting_as((await self.rig.exchange(secret)).access_token):
            return set((await self.rig.gateway.auth.VerifyToken(auth_service_pb2.VerifyTokenRequest())).scopes)


@pytest.fixture
async def house(rig: Rig) -> House:
    """It."""
    made = House(rig)
    await made.furnish()
    return made


async def test_no_way_leads_to_more_than_one_has(house: House) -> None:
    """Mia manages people and keys, and reads alarms: nothing that she makes, changes, sends or is shown can do more."""
    gateway, names = house.rig.gateway, house.names
    ann_key = (await house.key("ann", "alarms:read", "alarms:write")).api_key.name
    with house.acting("ann"):
        account = programs_pb2.ServiceAccount(display_name="ci", role="roles/operator")
        ann_programs = (await gateway.programs.CreateServiceAccount(programs_pb2.CreateServiceAccountRequest(service_account=account))).name
        invitation = (
            await gateway.invitations.CreateInvitation(
                invitation_service_pb2.CreateInvitationRequest(email="new@example.com", role="roles/admin")
            )
        ).name
        await gateway.users.DeactivateUser(users_pb2.DeactivateUserRequest(name=names["vera"]))
        await gateway.programs.DeactivateServiceAccount(programs_pb2.DeactivateServiceAccountRequest(name=ann_programs))
    more = role_service_pb2.Role(name="roles/manager", scopes=[*MANAGES, "alarms:write"])
    ways: dict[str, Callable[[], Any]] = {
        "user": lambda: gateway.users.CreateUser(
            users_pb2.CreateUserRequest(email="x@example.com", password=PASSWORD, role_name="roles/operator")
        ),
        "user, as earlier versions say it": lambda: gateway.users.CreateUser(
            users_pb2.CreateUserRequest(email="x@example.com", password=PASSWORD, role=users_pb2.User.ADMIN)
        ),
        "own role": lambda: house.role("mia", "mia", "roles/admin"),
        "role of another": lambda: house.role("mia", "vera", "roles/operator"),
        "new role": lambda: gateway.roles.CreateRole(
            role_service_pb2.CreateRoleRequest(role=role_service_pb2.Role(name="roles/more", scopes=["alarms:write"]))
        ),
        "own role's scopes": lambda: gateway.roles.UpdateRole(role_service_pb2.UpdateRoleRequest(role=more)),
        "invitation": lambda: gateway.invitations.CreateInvitation(
            invitation_service_pb2.CreateInvitationRequest(email="y@example.com", role="roles/operator")
        ),
        "another's invitation": lambda: gateway.invitations.ResendInvitation(
            invitation_service_pb2.ResendInvitationRequest(name=invitation)
        ),
        "service account": lambda: gateway.programs.CreateServiceAccount(programs_pb2.CreateServiceAccountRequest(service_account=account)),
        "service account's role": lambda: gateway.programs.UpdateServiceAccount(
            programs_pb2.UpdateServiceAccountRequest(service_account=programs_pb2.ServiceAccount(name=ann_programs, role="roles/admin"))
        ),
        "service account that was stopped": lambda: gateway.programs.ReactivateServiceAccount(
            programs_pb2.ReactivateServiceAccountRequest(name=ann_programs)
        ),
        "key": lambda: house.key("mia", "alarms:write"),
        "key of a service account": lambda: house.key("mia", "alarms:write", owner=ann_programs),
        "another's key": lambda: gateway.keys.RotateApiKey(api_key_service_pb2.RotateApiKeyRequest(name=ann_key)),
        "sign-in link": lambda: gateway.account.CreateSignInLink(account_service_pb2.CreateSignInLinkRequest(user=names["ann"])),
        "user who was stopped": lambda: gateway.users.ReactivateUser(users_pb2.ReactivateUserRequest(name=names["vera"])),
    }
    for way, go in ways.items():
        with house.acting("mia"), pytest.raises(PermissionDenied) as refused:
            await go()
        assert refused.value.error_reason == ScopeNotHeld.reason, way
    # What is within her own is hers to give.
    with house.acting("mia"):
        fine = role_service_pb2.Role(name="roles/reader", scopes=["alarms:read"])
        await gateway.roles.CreateRole(role_service_pb2.CreateRoleRequest(role=fine))
        await gateway.invitations.CreateInvitation(
            invitation_service_pb2.CreateInvitationRequest(email="z@example.com", role="roles/reader")
        )
    assert await house.scopes_of((await house.key("mia", "alarms:read")).secret) == {"alarms:read", "profile:read"}


async def test_nobody_makes_a_key_that_acts_as_another_person(house: House) -> None:
    """Not even an owner; a service account is nobody, and its role bounds the key."""
    with pytest.raises(InvalidInput) as refused:
        await house.key("ann", "alarms:read", owner=house.names["mia"])
    assert fields(refused.value) == {"owner"}
    with house.acting("ann"):
        account = programs_pb2.ServiceAccount(display_name="ci", role="roles/viewer")
        made = await house.rig.gateway.programs.CreateServiceAccount(programs_pb2.CreateServiceAccountRequest(service_account=account))
    with pytest.raises(InvalidInput) as beyond:
        await house.key("ann", "alarms:read", "alarms:write", owner=made.name)
    assert fields(beyond.value) == {"scopes[1]"}
    key = await house.key("ann", "alarms:read", owner=made.name)
    assert (key.api_key.owner, key.api_key.creator) == (made.name, house.names["ann"])


async def test_owners_are_touched_by_owners_alone(house: House) -> None:
    """An administrator neither makes nor demotes, stops or removes one; the last one stays whoever asks."""
    gateway, ann = house.rig.gateway, house.names["ann"]
    touches: list[Callable[[], Any]] = [
        lambda: house.role("adam", "ann", "roles/viewer"),
        lambda: gateway.users.DeactivateUser(users_pb2.DeactivateUserRequest(name=ann)),
        lambda: gateway.users.DeleteUser(users_pb2.DeleteUserRequest(name=ann)),
    ]
    for touch in touches:
        with house.acting("adam"), pytest.raises(PermissionDenied) as refused:
            await touch()
        assert refused.value.error_reason == OwnersOnly.reason
        with house.acting("ann"), pytest.raises((FailedPrecondition, PermissionDenied)):
            await touch()
    with pytest.raises(PermissionDenied) as lacking:
        await house.role("adam", "adam", "roles/owner")
    assert lacking.value.error_reason == ScopeNotHeld.reason
    shadow = role_service_pb2.Role(name="roles/shadow", scopes=["owners:write"])
    with house.acting("ann"), pytest.raises(InvalidInput):
        await gateway.roles.CreateRole(role_service_pb2.CreateRoleRequest(role=shadow))
    assert (await house.role("ann", "adam", "roles/owner")).role == users_pb2.User.OWNER
    with house.acting("adam"), pytest.raises(PermissionDenied):  # a token of before says nothing of it
        await gateway.users.DeleteUser(users_pb2.DeleteUserRequest(name=ann))
    house.tokens["adam"] = (await house.rig.sign_in("adam@example.com")).access_token
    with house.acting("adam"):
        await gateway.users.DeleteUser(users_pb2.DeleteUserRequest(name=ann))


async def test_a_change_of_role_takes_what_is_no_longer_there(house: House) -> None:
    """A token of before gives nothing on; the session narrows at its refresh, and the keys at their next exchange."""
    rig = house.rig
    pair = await rig.sign_in("adam@example.com")
    house.tokens["adam"] = pair.access_token
    secret = (await house.key("adam", "users:write", "alarms:write")).secret
    assert await house.scopes_of(secret) == {"users:write", "alarms:write", "profile:read"}
    assert (await house.role("ann", "adam", "roles/viewer")).role_name == "roles/viewer"
    with pytest.raises(PermissionDenied) as refused:
        await house.role("adam", "vera", "roles/admin")
    assert refused.value.error_reason == ScopeNotHeld.reason
    with pytest.raises(PermissionDenied):
        await house.key("adam", "alarms:write")
    refreshed = await rig.gateway.auth.RefreshToken(auth_service_pb2.RefreshTokenRequest(refresh_token=pair.refresh_token))
    assert "users:write" not in refreshed.scope.split()
    assert await house.scopes_of(secret) == {"profile:read"}
    await house.role("ann", "adam", "roles/operator")
    assert await house.scopes_of(secret) == {"alarms:write", "profile:read"}


async def test_custom_role_counts_at_once_for_its_keys(house: House) -> None:
    """What its tenant takes out of it is gone from the keys of whoever has it."""
    secret = (await house.key("mia", "alarms:read", "keys:write")).secret
    narrower = role_service_pb2.Role(name="roles/manager", scopes=["keys:write"])
    with house.acting("ann"):
        changed = await house.rig.gateway.roles.UpdateRole(role_service_pb2.UpdateRoleRequest(role=narrower))
        assert list(changed.scopes) == ["keys:write", "profile:read"]
        with pytest.raises(FailedPrecondition):
            await house.rig.gateway.roles.DeleteRole(role_service_pb2.DeleteRoleRequest(name="roles/manager"))
    assert await house.scopes_of(secret) == {"keys:write", "profile:read"}


async def test_deactivated_user_is_out_by_every_door(house: House) -> None:
    """Password, refresh, key, link, and what is left of the token; reactivated, the keys work again."""
    rig, mia = house.rig, house.names["mia"]
    pair = await rig.sign_in("mia@example.com")
    secret = (await house.key("mia", "alarms:read")).secret
    with house.acting("ann"):
        link = await rig.gateway.account.CreateSignInLink(account_service_pb2.CreateSignInLinkRequest(user=mia))
        found = await rig.gateway.users.DeactivateUser(users_pb2.DeactivateUserRequest(name=mia))
    assert found.HasField("deactivate_time")
    with pytest.raises(Unauthenticated) as refused:
        await rig.sign_in("mia@example.com")
    assert refused.value.error_reason == UserDeactivated.reason
    with pytest.raises(Unauthenticated) as wrong:  # only the password tells
        await rig.sign_in("mia@example.com", password="some other long password")
    assert wrong.value.error_reason == "INVALID_CREDENTIALS"
    with pytest.raises(Unauthenticated):
        await rig.gateway.auth.RefreshToken(auth_service_pb2.RefreshTokenRequest(refresh_token=pair.refresh_token))
    with pytest.raises(Unauthenticated):
        await rig.gateway.auth.ExchangeLink(auth_service_pb2.ExchangeLinkRequest(token=link.token))
    with pytest.raises(Unauthenticated) as key:
        await rig.exchange(secret)
    assert key.value.error_reason == ApiKeyRefused.reason
    with pytest.raises(Unauthenticated) as gone:
        await house.key("mia", "alarms:read")
    assert gone.value.error_reason == CallerGone.reason
    with house.acting("ann"):
        await rig.gateway.users.ReactivateUser(users_pb2.ReactivateUserRequest(name=mia))
    assert await house.scopes_of(secret) == {"alarms:read", "profile:read"}
    await rig.sign_in("mia@example.com")


async def test_a_rotated_key_changes_over(house: House) -> None:
    """Both secrets for the overlap; at once with none; a key neither prolongs itself nor what has more than it."""
    rig = house.rig
    made = await house.key("ann", "alarms:read", "keys:write")

    async def rotate(who: str, seconds: int) -> api_key_service_pb2.RotateApiKeyResponse:
        overlap = duration_pb2.Duration(seconds=seconds)
        with house.acting(who):
            return await rig.gateway.keys.RotateApiKey(api_key_service_pb2.RotateApiKeyRequest(name=made.api_key.name, overlap=overlap))

    second = await rotate("ann", 60)
    assert second.secret.startswith(second.api_key.prefix)
    assert second.api_key.name == made.api_key.name
    old = await rig.exchange(made.secret)
    assert old.expire_time.seconds <= second.api_key.previous_secret_expire_time.seconds
    await rig.exchange(second.secret)
    await rig.clock.advance(61)
    with pytest.raises(Unauthenticated):
        await rig.exchange(made.secret)
    house.tokens["key"] = (await rig.exchange(second.secret)).access_token
    third = await rotate("key", 0)
    with pytest.raises(Unauthenticated):
        await rig.exchange(second.secret)
    await rig.exchange(third.secret)
    with pytest.raises(InvalidInput) as refused:
        await rotate("ann", 31 * 86400)
    assert fields(refused.value) == {"overlap"}


async def test_roles_are_listed_and_bad_ones_refused(house: House) -> None:
    """Those of every tenant first, page by page; what cannot be a role is refused at its field."""
    gateway, found, token = house.rig.gateway, [], ""
    with house.acting("mia"):
        while True:
            page = await gateway.roles.ListRoles(role_service_pb2.ListRolesRequest(page_size=2, page_token=token))
            found += [role.name for role in page.roles]
            token = page.next_page_token
            if not token:
                break
    assert found == ["roles/owner", "roles/admin", "roles/operator", "roles/viewer", "roles/manager"]
    with house.acting("ann"):
        for role, field in (
            (role_service_pb2.Role(name="roles/owner", scopes=["alarms:read"]), "role.name"),
            (role_service_pb2.Role(name="roles/Big", scopes=["alarms:read"]), "role.name"),
            (role_service_pb2.Role(name="roles/x", scopes=["alarms:read", "nothing:read"]), "role.scopes[1]"),
            (role_service_pb2.Role(name="roles/x", display_name="a\nb"), "role.displayName"),
        ):
            with pytest.raises(InvalidInput) as refused:
                await gateway.roles.CreateRole(role_service_pb2.CreateRoleRequest(role=role))
            assert fields(refused.value) == {field}
        with pytest.raises(FailedPrecondition):
            await gateway.roles.UpdateRole(
                role_service_pb2.UpdateRoleRequest(role=role_service_pb2.Role(name="roles/admin", scopes=["a:b"]))
            )
        for user in (
            users_pb2.User(name=house.names["mia"], role_name="roles/nobody"),
            users_pb2.User(name=house.names["mia"], role_name="roles/viewer", role=users_pb2.User.ADMIN),
            users_pb2.User(name=house.names["mia"], role=users_pb2.User.CUSTOM),
        ):
            with pytest.raises(InvalidInput) as refused:
                await gateway.users.UpdateUser(users_pb2.UpdateUserRequest(user=user))
            assert fields(refused.value) == {"user.roleName"}
