"""Signing in by an identity provider, on each database, with a real issuer: who gets in, as whom, with which role."""

from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update

from auth_svc.domain import (
    Denial,
    GroupRole,
    IdentityNotFound,
    IdentityProviderExists,
    IdentityProviderNotFound,
    IdentityTaken,
    InvalidCredentials,
    IssuerDenied,
    NotAdmitted,
    OidcSignInVoid,
    PasswordSignInOff,
    RefreshTokenRefused,
    SecondFactorRequired,
    SecurityEvent,
)
from auth_svc.service import FactorAnswer
from auth_svc.store.tables import tenants
from tests.integration.auth.office import HERE, PASSWORD
from tests.integration.auth.oidc_office import PUBLIC, OidcOffice
from tests.integration.auth.test_second_factor import app_of, code_now
from tocsin.errors import InvalidInput


async def test_somebody_signs_in_and_comes_again(desk: OidcOffice) -> None:
    """The first time makes the user, with the address that the issuer has verified; the second finds it by its subject."""
    await desk.provider()
    begun = await desk.begin(return_to="/alarms?x=1")
    query = parse_qs(urlsplit(begun.url).query)
    assert query["redirect_uri"] == [f"{PUBLIC}/sign-in/oidc/sso/callback"]
    assert query["state"] == [begun.state]
    assert begun.binding not in begun.url
    done = await desk.complete(begun)
    ann = await desk.who()
    assert (done.return_to, ann.email, ann.display_name, ann.role.name) == ("/alarms?x=1", "ann@example.com", "Ann", "roles/operator")
    assert ann.verified == desk.clock.now()
    assert done.end_session_url.startswith(f"{desk.issuer.url}/logout?client_id=tocsin&post_logout_redirect_uri=https%3A%2F%2Ftocsin")
    desk.issuer.signed_in("ann-1", email="new@example.com", email_verified=True, groups=["staff"])
    await desk.sign_in()
    assert (await desk.who()).id == ann.id
    assert [event["by"] for event in desk.log.of(SecurityEvent.USER_CREATED)] == ["identityProviders/sso"]
    [session, _] = await desk.store.list_sessions(ann.tenant, ann.id, before="", limit=5, now=desk.clock.now())
    assert session.provider == "sso"


async def test_a_role_is_that_of_the_last_sign_in(desk: OidcOffice) -> None:
    """Up, down, and out: who has lost every role loses the sessions that the provider began, and no others."""
    await desk.provider()
    desk.issuer.signed_in("ann-1", email="ann@example.com", email_verified=True, groups=["bosses"])
    first = await desk.sign_in()
    ann = await desk.who()
    assert ann.role.name == "roles/admin"
    desk.issuer.claims["groups"] = ["staff"]
    await desk.sign_in()
    assert (await desk.who()).role.name == "roles/operator"
    refreshed = await desk.office.open_sessions.refresh(first.pair.refresh_token, client=HERE)
    assert "users:write" not in refreshed.scopes
    desk.issuer.claims["groups"] = []
    with pytest.raises(NotAdmitted):
        await desk.sign_in()
    with pytest.raises(RefreshTokenRefused):
        await desk.office.open_sessions.refresh(refreshed.refresh_token, client=HERE)
    await desk.office.sign_in("owner@example.com")


async def test_the_last_owner_keeps_the_role(desk: OidcOffice) -> None:
    """Whatever the groups say: a tenant without an owner belongs to nobody."""
    await desk.provider(link_by_email=True, allowed_domains=("example.com",))
    desk.issuer.signed_in("owner-1", email="owner@example.com", email_verified=True, groups=["staff"])
    await desk.sign_in()
    who = await desk.who()
    assert (who.id, who.role) == (desk.owner.id, desk.owner.role)


async def test_an_address_links_where_the_provider_links(desk: OidcOffice) -> None:
    """Verified, in an allowed domain, whatever its case."""
    await desk.provider(link_by_email=True, allowed_domains=("example.com",), create_users=False)
    desk.issuer.signed_in("x-1", groups=["bosses"], email="OWNER@Example.com", email_verified=True)
    await desk.sign_in()
    assert (await desk.who()).id == desk.owner.id
    assert [each["subject"] for each in desk.log.of(SecurityEvent.IDENTITY_LINKED)] == [desk.owner.name]
    desk.issuer.signed_in("x-2", groups=["bosses"], email="owner@example.com", email_verified=False)
    with pytest.raises(NotAdmitted) as refused:
        await desk.sign_in()
    assert refused.value.metadata["why"] == Denial.NO_ADDRESS.value


async def test_an_address_alone_links_nobody(desk: OidcOffice) -> None:
    """Unless the provider links: the address is in use, so the person gets neither that user nor another."""
    await desk.provider(allowed_domains=("example.com",))
    desk.issuer.signed_in("x-1", email="owner@example.com", email_verified=True, groups=["staff"])
    with pytest.raises(NotAdmitted) as refused:
        await desk.sign_in()
    assert refused.value.metadata["why"] == Denial.ADDRESS_TAKEN.value
    assert await desk.providers.identities(desk.caller, desk.owner.id) == []


async def test_without_an_address_a_user_has_a_name_that_nobody_chose(desk: OidcOffice) -> None:
    """An unverified address is not kept: mails would go to whoever has it."""
    await desk.provider()
    desk.issuer.signed_in("bob-1", email="bob@example.com", preferred_username="owner", name="B\x00o\u202eb\ud800\n", groups=["staff"])
    await desk.sign_in()
    bob = await desk.who()
    assert (bob.email, bob.display_name, bob.verified) == ("", "Bob", None)
    assert bob.username.startswith("sso-")


async def test_people_of_another_tenant_stay_there(desk: OidcOffice) -> None:
    """Neither its users nor its providers count here, with the same issuer and subject."""
    await desk.provider(link_by_email=True, allowed_domains=("example.com",))
    elsewhere = await desk.office.user("eve@example.com")
    eve = desk.office.caller(elsewhere)
    await desk.providers.create(eve, desk.draft("evil", link_by_email=True, allowed_domains=("example.com",)))
    with pytest.raises(IdentityProviderExists):
        await desk.providers.create(eve, desk.draft("sso"))
    await desk.sign_in("sso")
    ours = await desk.who()
    desk.issuer.signed_in("owner-2", email="owner@example.com", email_verified=True, groups=["bosses"])
    with pytest.raises(NotAdmitted):
        await desk.sign_in("evil")
    desk.issuer.signed_in("ann-1", groups=["bosses"], email="ann2@example.com", email_verified=True)
    await desk.sign_in("evil")
    theirs = await desk.who()
    assert (ours.tenant, theirs.tenant) == (desk.owner.tenant, elsewhere.tenant)
    assert ours.id != theirs.id
    for call in (desk.providers.provider(eve, "sso"), desk.providers.remove(eve, "sso"), desk.providers.test(eve, "sso")):
        with pytest.raises(IdentityProviderNotFound):
            await call
    [identity] = await desk.providers.identities(desk.caller, ours.id)
    with pytest.raises(IdentityNotFound):
        await desk.providers.unlink(eve, ours.id, identity.id)


async def test_an_administrator_links_and_unlinks(desk: OidcOffice) -> None:
    """Before the first sign-in; ending the link ends the sessions that it began."""
    await desk.provider(create_users=False)
    with pytest.raises(NotAdmitted) as refused:
        await desk.sign_in()
    assert refused.value.metadata["why"] == Denial.NO_USER.value
    ann = await desk.member("ann@example.com")
    link = await desk.providers.link(desk.caller, ann.id, issuer=desk.issuer.url, subject="ann-1")
    with pytest.raises(IdentityTaken):
        await desk.providers.link(desk.caller, desk.owner.id, issuer=desk.issuer.url, subject="ann-1")
    with pytest.raises(InvalidInput):
        await desk.providers.link(desk.caller, ann.id, issuer="https://elsewhere.example", subject="ann-1")
    done = await desk.sign_in()
    assert (await desk.who()).id == ann.id
    await desk.providers.unlink(desk.caller, ann.id, link.id)
    with pytest.raises(RefreshTokenRefused):
        await desk.office.open_sessions.refresh(done.pair.refresh_token, client=HERE)
    with pytest.raises(NotAdmitted):
        await desk.sign_in()


async def test_an_end_of_a_provider_ends_its_sessions(desk: OidcOffice) -> None:
    """Disabled or removed: nobody stays by its word, and a sign-in that is under way ends; links last."""
    await desk.provider(create_users=True)
    first = await desk.sign_in()
    ann = await desk.who()
    await desk.change(disabled=True)
    with pytest.raises(RefreshTokenRefused):
        await desk.office.open_sessions.refresh(first.pair.refresh_token, client=HERE)
    with pytest.raises(IdentityProviderNotFound):
        await desk.begin()
    await desk.change(disabled=False)
    begun = await desk.begin()
    await desk.providers.remove(desk.caller, "sso")
    with pytest.raises(OidcSignInVoid):
        await desk.complete(begun)
    await desk.provider("again")
    await desk.sign_in("again")
    assert (await desk.who()).id == ann.id


async def test_a_session_lasts_as_long_as_its_provider_says(desk: OidcOffice) -> None:
    """However often it is continued: then the issuer is asked again."""
    from datetime import timedelta

    await desk.provider(session_lifetime=timedelta(hours=8))
    token = (await desk.sign_in()).pair.refresh_token
    await desk.clock.advance(7 * 3600)
    token = (await desk.office.open_sessions.refresh(token, client=HERE)).refresh_token
    await desk.clock.advance(3601)
    with pytest.raises(RefreshTokenRefused):
        await desk.office.open_sessions.refresh(token, client=HERE)


@pytest.mark.parametrize(
    "back",
    [{"state": "ts_forged"}, {"state": ""}, {"binding": "tx_other"}, {"binding": ""}],
    ids=["forged-state", "no-state", "other-browser", "no-browser"],
)
async def test_a_sign_in_belongs_to_its_browser(desk: OidcOffice, back: dict[str, str]) -> None:
    """Neither a link that somebody sends nor a stolen state signs anybody in."""
    await desk.provider()
    with pytest.raises(OidcSignInVoid):
        await desk.complete(await desk.begin(), **back)


async def test_a_state_works_once(desk: OidcOffice) -> None:
    """With the same code or another one; and not after ten minutes."""
    await desk.provider()
    begun = await desk.begin()
    await desk.complete(begun)
    with pytest.raises(OidcSignInVoid):
        await desk.complete(begun)
    late = await desk.begin()
    await desk.clock.advance(600)
    with pytest.raises(OidcSignInVoid):
        await desk.complete(late)
    await desk.store.purge_oidc(desk.clock.now())


async def test_two_tabs_sign_in(desk: OidcOffice) -> None:
    """With one secret of the browser, in any order."""
    await desk.provider()
    first = await desk.begin(return_to="/a")
    second = await desk.begin(return_to="/b", binding=first.binding)
    assert parse_qs(urlsplit(first.url).query)["nonce"] != parse_qs(urlsplit(second.url).query)["nonce"]
    assert (await desk.complete(second)).return_to == "/b"
    assert (await desk.complete(first)).return_to == "/a"


async def test_return_to_stays_here(desk: OidcOffice) -> None:
    """Nobody is led elsewhere by it."""
    await desk.provider()
    with pytest.raises(InvalidInput) as refused:
        await desk.begin(return_to="//evil.test")
    assert refused.value.violations[0].field == "returnTo"


async def test_a_program_on_the_same_machine_signs_in(desk: OidcOffice) -> None:
    """The browser comes back to its port (RFC 8252, 7.3)."""
    await desk.provider()
    begun = await desk.begin(loopback="http://127.0.0.1:51004")
    assert begun.redirect_uri == "http://127.0.0.1:51004/sign-in/oidc/sso/callback"
    await desk.complete(begun)


async def test_the_issuer_may_refuse(desk: OidcOffice) -> None:
    """What it says is not shown: anybody can write it into a link."""
    await desk.provider()
    with pytest.raises(IssuerDenied) as refused:
        await desk.sign_in(code=None, error="access_denied<script>")
    assert "script" not in refused.value.message
    assert desk.issuer.paths() == ["/.well-known/openid-configuration"]


async def test_passwords_can_be_off(desk: OidcOffice) -> None:
    """For everybody but owners, who can sign in when the issuer cannot; a wrong password is told nothing of it."""
    ann = await desk.member("ann@example.com")
    await desk.provider()
    await desk.office.sign_in("ann@example.com")
    await desk.store.change_tenant(desk.owner.tenant, display_name=None, time_zone=None, password_off=True)
    with pytest.raises(PasswordSignInOff):
        await desk.office.sign_in("ann@example.com")
    with pytest.raises(InvalidCredentials):
        await desk.office.sign_in("ann@example.com", "a wrong password")
    await desk.office.sign_in("owner@example.com", PASSWORD)
    await desk.providers.link(desk.caller, ann.id, issuer=desk.issuer.url, subject="ann-1")
    await desk.sign_in()


async def test_a_second_factor_may_follow(desk: OidcOffice) -> None:
    """Where the tenant requires one: then the session is still that of the provider, and ends with it."""
    await desk.provider()
    await desk.sign_in()
    secret = await app_of(desk.office, await desk.who())
    async with desk.office.database.transaction() as connection:
        await connection.execute(update(tenants).values(require_second_factor=1))
    with pytest.raises(SecondFactorRequired) as asked:
        await desk.complete(await desk.begin(return_to="/alarms"))
    assert asked.value.metadata["returnTo"] == "/alarms"
    answer = FactorAnswer(code=code_now(desk.office, secret))
    challenge = asked.value.metadata["challenge"]
    pair = await desk.office.sessions.grant(grant_type="", challenge=challenge, answer=answer, client=HERE)
    await desk.change(disabled=True)
    with pytest.raises(RefreshTokenRefused):
        await desk.office.open_sessions.refresh(pair.refresh_token, client=HERE)


async def test_a_rule_may_name_a_role_that_is_gone(desk: OidcOffice) -> None:
    """Then it gives none."""
    await desk.provider(rules=(GroupRole("staff", "roles/operator"),))
    provider = await desk.store.get_identity_provider(desk.owner.tenant, "sso")
    from dataclasses import replace

    await desk.store.change_identity_provider(replace(provider, rules=(GroupRole("staff", "roles/gone"),)), seen=provider.updated)
    with pytest.raises(NotAdmitted) as refused:
        await desk.sign_in()
    assert refused.value.metadata["why"] == Denial.NO_ROLE.value


async def test_groups_that_are_elsewhere_are_told(desk: OidcOffice) -> None:
    """Too many for a token: that is no reason to take somebody for a stranger, nor for a default role."""
    await desk.provider(default_role="roles/operator")
    desk.issuer.signed_in("ann-1", _claim_names={"groups": "src1"}, _claim_sources={"src1": {"endpoint": "https://graph.example"}})
    desk.issuer.userinfo = {"sub": "ann-1"}
    with pytest.raises(NotAdmitted) as refused:
        await desk.sign_in()
    assert refused.value.metadata["why"] == Denial.GROUPS_ELSEWHERE.value
