"""API keys: through the mesh."""

from datetime import datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from auth_svc.domain import ApiKeyNotFound, ApiKeyRefused, ScopeNotHeld
from tests.integration.auth.support import Rig, fields
from tocsin.api.auth.v1 import api_key_service_pb2, auth_service_pb2, user_service_pb2
from tocsin.errors import InvalidInput, NotFound, PermissionDenied, Unauthenticated
from tocsin.mesh.context import acting_as


def _stamp(instant: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp


async def create(rig: Rig, token: str, *scopes: str, expires: datetime | None = None) -> api_key_service_pb2.CreateApiKeyResponse:
    """A key of who has ``token``."""
    request = api_key_service_pb2.CreateApiKeyRequest(
        display_name="ci", scopes=scopes or ("alarms:read",), expire_time=None if expires is None else _stamp(expires)
    )
    with acting_as(token):
        return await rig.gateway.keys.CreateApiKey(request)


async def test_key_signs_in_with_its_scopes(rig: Rig) -> None:
    """Its token is of the key's tenant and carries the key's scopes and the profile, no others."""
    token = await rig.registered()
    made = await create(rig, token, "alarms:read", "alarms:write")
    assert made.secret.startswith(made.api_key.prefix)
    assert list(made.api_key.scopes) == ["alarms:read", "alarms:write"]
    exchanged = await rig.exchange(made.secret)
    with acting_as(exchanged.access_token):
        who = await rig.gateway.auth.VerifyToken(auth_service_pb2.VerifyTokenRequest())
        assert (who.subject, list(who.scopes)) == (made.api_key.name, ["alarms:read", "alarms:write", "profile:read"])
        with pytest.raises(PermissionDenied):
            await rig.gateway.users.ListUsers(user_service_pb2.ListUsersRequest())


async def test_development_key_has_every_scope(rig: Rig) -> None:
    """It manages the first tenant and the platform."""
    exchanged = await rig.exchange(rig.secret("dev-api-key"))
    with acting_as(exchanged.access_token):
        who = await rig.gateway.auth.VerifyToken(auth_service_pb2.VerifyTokenRequest())
        assert {"mesh:write", "alarms:write", "keys:write", "users:write"} <= set(who.scopes)
        assert [key.display_name for key in (await rig.gateway.keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest())).api_keys] == [
            "development"
        ]


async def test_secret_is_shown_once_and_not_stored(rig: Rig) -> None:
    """Neither reading nor listing shows it, and the database does not contain it."""
    token = await rig.registered()
    made = await create(rig, token)
    with acting_as(token):
        read = await rig.gateway.keys.GetApiKey(api_key_service_pb2.GetApiKeyRequest(name=made.api_key.name))
        listed = await rig.gateway.keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest())
    assert read == made.api_key
    assert list(listed.api_keys) == [made.api_key]
    await rig.stop()
    stored = b"".join(path.read_bytes() for path in rig.folder.glob("auth_svc.db*"))
    assert made.secret.encode() not in stored
    assert made.api_key.prefix.encode() in stored


async def test_nobody_gives_what_they_lack(rig: Rig) -> None:
    """A key, or a narrowed session, makes keys with its own scopes at most."""
    await rig.register()
    narrow = (await rig.sign_in(scope="keys:write alarms:read")).access_token
    assert (await create(rig, narrow, "alarms:read")).secret
    with pytest.raises(PermissionDenied) as refused:
        await create(rig, narrow, "alarms:read", "alarms:write")
    assert refused.value.error_reason == ScopeNotHeld.reason
    with pytest.raises(PermissionDenied):
        await create(rig, await rig.registered("eve@example.com"), "mesh:write")


@pytest.mark.parametrize(
    ("scopes", "field"),
    [
        (["nothing:read"], "scopes[0]"),
        (["alarms:read", "alarms:fly"], "scopes[1]"),
        (["*"], "scopes[0]"),
        ([], "scopes"),
        (["a"] * 2, "scopes"),
    ],
)
async def test_scope_that_does_not_exist_is_refused(rig: Rig, scopes: list[str], field: str) -> None:
    """At its place in the list."""
    request = api_key_service_pb2.CreateApiKeyRequest(display_name="ci", scopes=scopes)
    with acting_as(await rig.registered()), pytest.raises(InvalidInput) as refused:
        await rig.gateway.keys.CreateApiKey(request)
    assert any(refused_field.startswith(field) for refused_field in fields(refused.value))


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb"])
async def test_bad_name_is_refused(rig: Rig, name: str) -> None:
    """A key needs a name for users."""
    request = api_key_service_pb2.CreateApiKeyRequest(display_name=name, scopes=["alarms:read"])
    with acting_as(await rig.registered()), pytest.raises(InvalidInput) as refused:
        await rig.gateway.keys.CreateApiKey(request)
    assert fields(refused.value) == {"displayName"}


async def test_token_does_not_outlive_its_key(rig: Rig) -> None:
    """It ends with the key, and the expired key is refused."""
    token = await rig.registered()
    end = rig.clock.now() + timedelta(seconds=60.5)
    made = await create(rig, token, expires=end)
    exchanged = await rig.exchange(made.secret)
    assert rig.clock.now() < exchanged.expire_time.ToDatetime(end.tzinfo) <= end
    await rig.clock.advance(61)
    with pytest.raises(Unauthenticated) as refused:
        await rig.exchange(made.secret)
    assert refused.value.error_reason == ApiKeyRefused.reason
    assert "expired" in refused.value.message


async def test_expiry_must_be_in_the_future(rig: Rig) -> None:
    """A key that never worked helps nobody."""
    token = await rig.registered()
    with pytest.raises(InvalidInput) as refused:
        await create(rig, token, expires=rig.clock.now())
    assert fields(refused.value) == {"expireTime"}


async def test_key_makes_no_key_that_outlives_it(rig: Rig) -> None:
    """An end in time is a limit that cannot be given away either."""
    token = await rig.registered()
    end = rig.clock.now() + timedelta(hours=1)
    made = await create(rig, token, "keys:write", "alarms:read", expires=end)
    by_key = (await rig.exchange(made.secret)).access_token
    for later in (None, end + timedelta(seconds=1)):
        with pytest.raises(InvalidInput) as refused:
            await create(rig, by_key, expires=later)
        assert fields(refused.value) == {"expireTime"}
    assert (await create(rig, by_key, expires=end)).secret


async def test_revoked_key_is_refused(rig: Rig) -> None:
    """At once at auth_svc; and its token makes no new key."""
    token = await rig.registered()
    made = await create(rig, token, "keys:write", "alarms:read")
    by_key = (await rig.exchange(made.secret)).access_token
    with acting_as(token):
        await rig.gateway.keys.DeleteApiKey(api_key_service_pb2.DeleteApiKeyRequest(name=made.api_key.name))
        with pytest.raises(NotFound):
            await rig.gateway.keys.DeleteApiKey(api_key_service_pb2.DeleteApiKeyRequest(name=made.api_key.name))
    with pytest.raises(Unauthenticated):
        await rig.exchange(made.secret)
    with pytest.raises(Unauthenticated):
        await create(rig, by_key)


@pytest.mark.parametrize(
    "spoil", [lambda s: s[:-1], lambda s: s + "0", lambda s: s[:10] + s[10:].swapcase(), lambda s: s[3:], lambda _: "tk_"]
)
async def test_mistyped_secret_is_refused(rig: Rig, spoil: "object") -> None:
    """With the same answer as an unknown one."""
    assert callable(spoil)
    with pytest.raises(Unauthenticated) as refused:
        await rig.exchange(str(spoil(rig.secret("dev-api-key"))))
    assert refused.value.error_reason == ApiKeyRefused.reason


async def test_another_tenants_key_is_not_found(rig: Rig) -> None:
    """Neither to read nor to revoke, and it goes on working."""
    made = await create(rig, await rig.registered())
    with acting_as(await rig.registered("eve@example.com")):
        with pytest.raises(NotFound) as refused:
            await rig.gateway.keys.GetApiKey(api_key_service_pb2.GetApiKeyRequest(name=made.api_key.name))
        with pytest.raises(NotFound):
            await rig.gateway.keys.DeleteApiKey(api_key_service_pb2.DeleteApiKeyRequest(name=made.api_key.name))
    assert refused.value.error_reason == ApiKeyNotFound.reason
    await rig.exchange(made.secret)


async def test_only_the_gateway_exchanges_keys(rig: Rig) -> None:
    """By its certificate: another service is refused, whatever it presents."""
    mailer = rig.caller("mailer_svc")
    with pytest.raises(PermissionDenied):
        await mailer.keys.ExchangeApiKey(api_key_service_pb2.ExchangeApiKeyRequest(secret=rig.secret("dev-api-key")))
