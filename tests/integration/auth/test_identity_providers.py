"""Identity providers and sign-ins by them, through the mesh."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.integration.auth.support import Rig, fields
from tests.issuer import CLIENT, SECRET, LocalIssuer
from tocsin.api.auth.v1 import api_key_service_pb2, auth_service_pb2, session_service_pb2, session_service_pb2_grpc, user_service_pb2
from tocsin.api.auth.v1 import identity_provider_service_pb2 as pb
from tocsin.api.auth.v1 import identity_provider_service_pb2_grpc as rpc
from tocsin.errors import InvalidInput, NotFound, PermissionDenied, Unavailable
from tocsin.mesh.context import acting_as


@pytest.fixture
async def issuer(rig: Rig) -> AsyncGenerator[LocalIssuer]:
    """One on this machine, which the operator has opened."""
    await rig.stop()
    await rig.start(egress_allow=("127.0.0.1",), public_url="https://tocsin.example")
    async with LocalIssuer(clock=rig.clock) as made:
        yield made


def wanted(issuer: LocalIssuer, **more: Any) -> pb.IdentityProvider:
    """A provider as somebody writes it."""
    rules = [pb.RoleRule(group="staff", role="roles/operator")]
    given: dict[str, Any] = {"issuer": issuer.url, "client_id": CLIENT, "client_secret": SECRET, "role_rules": rules, **more}
    return pb.IdentityProvider(**given)


async def test_a_provider_is_managed_and_signs_in(rig: Rig, issuer: LocalIssuer) -> None:
    """Made, read, listed, tried, used, changed, removed; its secret is never told, and each sign-in says whose word it was."""
    stub: Any = rpc.IdentityProviderServiceStub(rig.gateway.mesh.channel("auth_svc"))
    oidc: Any = rpc.OidcServiceStub(rig.gateway.mesh.channel("auth_svc"))
    sessions: Any = session_service_pb2_grpc.SessionServiceStub(rig.gateway.mesh.channel("auth_svc"))
    token = await rig.registered()
    with acting_as(token):
        request = pb.CreateIdentityProviderRequest(identity_provider=wanted(issuer, create_users=True), identity_provider_id="sso")
        made = await stub.CreateIdentityProvider(request)
        shown = (made.name, made.display_name, made.has_client_secret, made.client_secret)
        assert shown == ("identityProviders/sso", "127.0.0.1", True, "")
        assert made.redirect_uri == "https://tocsin.example/sign-in/oidc/sso/callback"
        assert list(made.scopes) == ["openid", "profile", "email"]
        listed = await stub.ListIdentityProviders(pb.ListIdentityProvidersRequest())
        assert [each.name for each in listed.identity_providers] == [made.name]
        report = await stub.TestIdentityProvider(pb.TestIdentityProviderRequest(name=made.name))
        assert (report.usable, report.keys, report.token_endpoint) == (True, 1, f"{issuer.url}/token")
    issuer.signed_in("bob-1", email="bob@example.com", email_verified=True, groups=["staff"])
    begun = await oidc.BeginOidcSignIn(pb.BeginOidcSignInRequest(provider="sso", return_to="/x"))
    back = issuer.authorize(begun.authorization_url)
    done = await oidc.CompleteOidcSignIn(
        pb.CompleteOidcSignInRequest(state=back["state"], code=back["code"], issuer=back["iss"], binding=begun.binding)
    )
    assert done.return_to == "/x"
    with acting_as(done.tokens.access_token):
        who = await rig.gateway.auth.VerifyToken(auth_service_pb2.VerifyTokenRequest())
        [session] = (await sessions.ListSessions(session_service_pb2.ListSessionsRequest())).sessions
        assert session.identity_provider == made.name
        with pytest.raises(PermissionDenied):
            await stub.ListIdentityProviders(pb.ListIdentityProvidersRequest())
    with acting_as(token):
        [identity] = (await stub.ListIdentities(pb.ListIdentitiesRequest(parent=who.subject))).identities
        assert (identity.issuer, identity.subject, identity.HasField("last_sign_in_time")) == (issuer.url, "bob-1", True)
        changed = await stub.UpdateIdentityProvider(
            pb.UpdateIdentityProviderRequest(
                identity_provider=pb.IdentityProvider(name=made.name, disabled=True), update_mask=FieldMask(paths=["disabled"])
            )
        )
        assert (changed.disabled, changed.has_client_secret, [rule.group for rule in changed.role_rules]) == (True, True, ["staff"])
        await stub.DeleteIdentity(pb.DeleteIdentityRequest(name=identity.name))
        await stub.DeleteIdentityProvider(pb.DeleteIdentityProviderRequest(name=made.name))
        with pytest.raises(NotFound):
            await stub.GetIdentityProvider(pb.GetIdentityProviderRequest(name=made.name))
    assert (await oidc.ListSignInProviders(pb.ListSignInProvidersRequest())).providers == []


async def test_what_strangers_may_say(rig: Rig, issuer: LocalIssuer) -> None:
    """The way back is this installation or this machine; nobody learns why an issuer does not answer."""
    stub: Any = rpc.IdentityProviderServiceStub(rig.gateway.mesh.channel("auth_svc"))
    oidc: Any = rpc.OidcServiceStub(rig.gateway.mesh.channel("auth_svc"))
    for origin in (
        "https://evil.test",
        "http://127.0.0.1.evil.test",
        "http://127.0.0.1:80/x",
        "http://10.0.0.1:80",
        "http://localhost:1@x",
    ):
        with pytest.raises(InvalidInput) as refused:
            await oidc.BeginOidcSignIn(pb.BeginOidcSignInRequest(provider="sso", loopback_origin=origin))
        assert fields(refused.value) == {"loopbackOrigin"}
    with pytest.raises(NotFound):
        await oidc.BeginOidcSignIn(pb.BeginOidcSignInRequest(provider="sso"))
    with acting_as(await rig.registered()):
        away = pb.IdentityProvider(issuer="http://127.0.0.1:1", client_id=CLIENT)
        gone = pb.CreateIdentityProviderRequest(identity_provider=away, identity_provider_id="gone")
        await stub.CreateIdentityProvider(gone)
    with pytest.raises(Unavailable) as told:
        await oidc.BeginOidcSignIn(pb.BeginOidcSignInRequest(provider="gone"))
    assert "why" not in told.value.metadata
    assert "refused" not in told.value.message


async def test_a_key_makes_no_provider_that_gives_more(rig: Rig, issuer: LocalIssuer) -> None:
    """Scopes are compared with those of the token."""
    stub: Any = rpc.IdentityProviderServiceStub(rig.gateway.mesh.channel("auth_svc"))
    with acting_as(await rig.registered()):
        key = await rig.gateway.keys.CreateApiKey(
            api_key_service_pb2.CreateApiKeyRequest(display_name="ci", scopes=["identities:write", "alarms:read"])
        )
    with acting_as((await rig.exchange(key.secret)).access_token), pytest.raises(PermissionDenied, match="scopes that you do not have"):
        await stub.CreateIdentityProvider(pb.CreateIdentityProviderRequest(identity_provider=wanted(issuer)))


async def test_passwords_are_turned_off_by_who_has_another_way(rig: Rig, issuer: LocalIssuer) -> None:
    """Not before there is a provider."""
    stub: Any = rpc.IdentityProviderServiceStub(rig.gateway.mesh.channel("auth_svc"))
    off = user_service_pb2.UpdateTenantRequest(tenant=user_service_pb2.Tenant(password_off=True))
    with acting_as(await rig.registered()):
        with pytest.raises(InvalidInput) as refused:
            await rig.gateway.tenant.UpdateTenant(off)
        assert fields(refused.value) == {"tenant.passwordOff"}
        await stub.CreateIdentityProvider(pb.CreateIdentityProviderRequest(identity_provider=wanted(issuer)))
        assert (await rig.gateway.tenant.UpdateTenant(off)).password_off
        on = user_service_pb2.UpdateTenantRequest(tenant=user_service_pb2.Tenant(), update_mask=FieldMask(paths=["password_off"]))
        assert not (await rig.gateway.tenant.UpdateTenant(on)).password_off
