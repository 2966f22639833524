"""Users and the tenant: through the mesh."""

import pytest

from auth_svc.domain import CallerGone, LastOwner, ScopeNotHeld, UserNotFound
from tests.integration.auth.support import PASSWORD, Rig, fields
from tocsin.api.auth.v1 import api_key_service_pb2, auth_service_pb2, user_service_pb2
from tocsin.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound, PermissionDenied, Unauthenticated
from tocsin.mesh.context import acting_as

User = user_service_pb2.User


async def _add(rig: Rig, token: str, email: str, role: "User.Role.ValueType" = User.ROLE_UNSPECIFIED) -> User:
    with acting_as(token):
        return await rig.gateway.users.CreateUser(user_service_pb2.CreateUserRequest(email=email, password=PASSWORD, role=role))


async def _delete(rig: Rig, token: str, name: str) -> None:
    with acting_as(token):
        await rig.gateway.users.DeleteUser(user_service_pb2.DeleteUserRequest(name=name))


async def _update(rig: Rig, token: str, *paths: str, display_name: str = "", time_zone: str = "") -> user_service_pb2.Tenant:
    request = user_service_pb2.UpdateTenantRequest(tenant=user_service_pb2.Tenant(display_name=display_name, time_zone=time_zone))
    request.update_mask.paths.extend(paths)
    with acting_as(token):
        return await rig.gateway.tenant.UpdateTenant(request)


async def test_added_user_is_an_operator_who_manages_nobody(rig: Rig) -> None:
    """Without a role given; the operator signs in, works, and may neither list users nor make keys."""
    token = await rig.registered()
    user = await _add(rig, token, "bob@example.com")
    assert (user.role, user.role_name) == (User.MEMBER, "roles/operator")
    pair = await rig.sign_in("bob@example.com")
    assert "alarms:write" in pair.scope
    with acting_as(pair.access_token):
        with pytest.raises(PermissionDenied):
            await rig.gateway.users.ListUsers(user_service_pb2.ListUsersRequest())
        with pytest.raises(PermissionDenied):
            await rig.gateway.keys.CreateApiKey(api_key_service_pb2.CreateApiKeyRequest(display_name="x", scopes=["alarms:read"]))
        assert (await rig.gateway.tenant.GetTenant(user_service_pb2.GetTenantRequest())).display_name == "ann@example.com"


async def test_users_are_listed_in_pages(rig: Rig) -> None:
    """The oldest first, without gaps, and the last page has no token."""
    token = await rig.registered()
    for number in range(4):
        await rig.clock.advance(0.01)
        await _add(rig, token, f"m{number}@example.com")
    found: list[str] = []
    page_token = ""
    with acting_as(token):
        while True:
            page = await rig.gateway.users.ListUsers(user_service_pb2.ListUsersRequest(page_size=2, page_token=page_token))
            found += [user.email for user in page.users]
            page_token = page.next_page_token
            if not page_token:
                break
    assert found == ["ann@example.com", "m0@example.com", "m1@example.com", "m2@example.com", "m3@example.com"]


async def test_page_token_belongs_to_its_list(rig: Rig) -> None:
    """Garbage, another list's and another tenant's token are refused at their field."""
    ann, eve = await rig.registered(), await rig.registered("eve@example.com")
    for token, email in ((ann, "b@example.com"), (eve, "c@example.com")):
        await _add(rig, token, email)
    with acting_as(eve):
        foreign = (await rig.gateway.users.ListUsers(user_service_pb2.ListUsersRequest(page_size=1))).next_page_token
    assert foreign
    with acting_as(ann):
        for bad in (foreign, "garbage", "AAAA"):
            with pytest.raises(InvalidInput) as refused:
                await rig.gateway.users.ListUsers(user_service_pb2.ListUsersRequest(page_token=bad))
            assert fields(refused.value) == {"pageToken"}
            with pytest.raises(InvalidInput):
                await rig.gateway.keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest(page_token=bad))
        with pytest.raises(InvalidInput):
            await rig.gateway.users.ListUsers(user_service_pb2.ListUsersRequest(page_size=-1))


async def test_another_tenants_user_is_not_found(rig: Rig) -> None:
    """Neither to read nor to remove; the answer is that of an id that nobody has, beside the name that was asked for."""
    await rig.registered()
    eve = await rig.registered("eve@example.com")
    with acting_as(await _token(rig)):
        mine = (await rig.gateway.users.ListUsers(user_service_pb2.ListUsersRequest())).users[0].name
    answers: set[tuple[str, str]] = set()
    for name in (mine, "users/01ARZ3NDEKTSV4RRFFQ69G5FAV"):
        with acting_as(eve), pytest.raises(NotFound) as refused:
            await rig.gateway.users.GetUser(user_service_pb2.GetUserRequest(name=name))
        answers.add((refused.value.error_reason, refused.value.message.replace(name, "users/…")))
        with pytest.raises(NotFound):
            await _delete(rig, eve, name)
    assert {reason for reason, _ in answers} == {UserNotFound.reason}
    assert len(answers) == 1


async def _token(rig: Rig) -> str:
    return (await rig.sign_in()).access_token


@pytest.mark.parametrize("name", ["", "users/", "ann", "users/a/b", "apiKeys/1", "users/" + "x" * 65])
async def test_bad_resource_name_is_refused(rig: Rig, name: str) -> None:
    """A name that cannot be one is a mistake of the request."""
    with acting_as(await rig.registered()), pytest.raises(InvalidInput) as refused:
        await rig.gateway.users.GetUser(user_service_pb2.GetUserRequest(name=name))
    assert fields(refused.value) == {"name"}


async def test_address_is_taken_across_tenants(rig: Rig) -> None:
    """An address signs in to one tenant."""
    await rig.registered("eve@example.com")
    token = await rig.registered()
    with pytest.raises(AlreadyExists):
        await _add(rig, token, "EVE@example.com")


async def test_last_owner_stays(rig: Rig) -> None:
    """Until there is another one."""
    made = await rig.register()
    token = await _token(rig)
    with pytest.raises(FailedPrecondition) as refused:
        await _delete(rig, token, made.user)
    assert refused.value.error_reason == LastOwner.reason
    await _add(rig, token, "second@example.com", User.OWNER)
    await _delete(rig, token, made.user)


async def test_removed_user_is_out(rig: Rig) -> None:
    """No sign-in, no refresh; and what is left of the access token makes neither keys nor users."""
    made = await rig.register()
    pair = await rig.sign_in()
    await _add(rig, pair.access_token, "second@example.com", User.OWNER)
    await _delete(rig, (await rig.sign_in("second@example.com")).access_token, made.user)
    with pytest.raises(Unauthenticated):
        await rig.sign_in()
    with pytest.raises(Unauthenticated):
        await rig.gateway.auth.RefreshToken(auth_service_pb2.RefreshTokenRequest(refresh_token=pair.refresh_token))
    with pytest.raises(Unauthenticated) as refused:
        await _add(rig, pair.access_token, "third@example.com")
    assert refused.value.error_reason == CallerGone.reason
    with acting_as(pair.access_token), pytest.raises(Unauthenticated):
        await rig.gateway.keys.CreateApiKey(api_key_service_pb2.CreateApiKeyRequest(display_name="x", scopes=["alarms:read"]))


async def test_nobody_makes_a_user_who_may_more(rig: Rig) -> None:
    """A token that was narrowed to managing users makes no administrator to sign in as."""
    await rig.register()
    narrow = (await rig.sign_in(scope="users:write")).access_token
    with pytest.raises(PermissionDenied) as refused:
        await _add(rig, narrow, "more@example.com", User.ADMIN)
    assert refused.value.error_reason == ScopeNotHeld.reason


@pytest.mark.parametrize(("email", "password"), [("nobody", PASSWORD), ("b@example.com", "short"), ("b@x.invalid", PASSWORD)])
async def test_bad_user_is_refused(rig: Rig, email: str, password: str) -> None:
    """As at registration."""
    with acting_as(await rig.registered()), pytest.raises(InvalidInput):
        await rig.gateway.users.CreateUser(user_service_pb2.CreateUserRequest(email=email, password=password))


async def test_tenant_changes_its_zone(rig: Rig) -> None:
    """Tokens issued from then on carry it."""
    token = await rig.registered()
    assert (await _update(rig, token, time_zone="Europe/Paris")).time_zone == "Europe/Paris"
    with acting_as(await _token(rig)):
        who = await rig.gateway.auth.VerifyToken(auth_service_pb2.VerifyTokenRequest())
    assert who.time_zone == "Europe/Paris"


async def test_mask_says_what_changes(rig: Rig) -> None:
    """Without one, what is set; with one, exactly its fields; an emptied zone is UTC again."""
    token = await rig.registered()
    both = await _update(rig, token, display_name="Acme", time_zone="Asia/Tokyo")
    assert (both.display_name, both.time_zone) == ("Acme", "Asia/Tokyo")
    one = await _update(rig, token, "display_name", display_name="New", time_zone="Europe/Paris")
    assert (one.display_name, one.time_zone) == ("New", "Asia/Tokyo")
    assert (await _update(rig, token, "time_zone")).time_zone == "UTC"
    assert (await _update(rig, token, "*", display_name="All", time_zone="UTC")).display_name == "All"


@pytest.mark.parametrize(
    ("paths", "values", "field"),
    [
        ((), {"time_zone": "Mars/Olympus"}, "tenant.time_zone"),
        (("time_zone",), {"time_zone": "../etc/passwd"}, "tenant.time_zone"),
        (("display_name",), {"display_name": "  "}, "tenant.displayName"),
        (("nonsense",), {}, "updateMask"),
        (("*", "time_zone"), {"display_name": "x"}, "updateMask"),
    ],
)
async def test_bad_change_is_refused(rig: Rig, paths: tuple[str, ...], values: dict[str, str], field: str) -> None:
    """At its field, and nothing changes."""
    token = await rig.registered()
    with pytest.raises(InvalidInput) as refused:
        await _update(rig, token, *paths, **values)
    assert fields(refused.value) == {field}
    with acting_as(token):
        tenant = await rig.gateway.tenant.GetTenant(user_service_pb2.GetTenantRequest())
    assert (tenant.display_name, tenant.time_zone) == ("ann@example.com", "UTC")
