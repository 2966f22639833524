"""Signing out at the issuer and here at once, on each database, with a real issuer."""

import secrets
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select, update

from auth_svc.domain import (
    ChallengeVoid,
    IdentityProviderNotFound,
    IssuerUnavailable,
    LogoutTokenRefused,
    RefreshTokenRefused,
    SecondFactorRequired,
    SecurityEvent,
    User,
)
from auth_svc.service import FactorAnswer, TokenPair
from auth_svc.store.identity_tables import oidc_logouts
from auth_svc.store.tables import sessions, tenants
from tests.integration.auth.office import HERE
from tests.integration.auth.oidc_office import PUBLIC, OidcOffice
from tests.integration.auth.test_second_factor import app_of, code_now
from tests.issuer import CLIENT
from tocsin.testing.http import Reply


async def signed_in(desk: OidcOffice, subject: str = "ann-1", *, provider: str = "sso", **claims: str) -> TokenPair:
    """Somebody signs in."""
    domain = "example.com" if provider == "sso" else f"{provider}.example.com"
    desk.issuer.signed_in(subject, email=f"{subject}@{domain}", email_verified=True, groups=["staff"], **claims)
    return (await desk.sign_in(provider)).pair


async def alive(desk: OidcOffice, user: User) -> int:
    """How many sessions a user has."""
    return len(await desk.store.list_sessions(user.tenant, user.id, before="", limit=50, now=desk.clock.now()))


async def refused(desk: OidcOffice, token: str, *, provider: str = "sso") -> str:
    """Why a logout token is refused."""
    with pytest.raises(LogoutTokenRefused) as found:
        await desk.logouts.end(provider, token)
    assert desk.log.of(SecurityEvent.OIDC_LOGOUT_REFUSED)[-1]["why"] == found.value.metadata["why"]
    return found.value.metadata["why"]


async def test_a_session_of_the_issuer_ends_here(desk: OidcOffice) -> None:
    """The one that the token names, and no other: not that of another device, nor of somebody else. It is in the log."""
    await desk.provider()
    first = await signed_in(desk, sid="s1")
    ann = await desk.who()
    await signed_in(desk, sid="s2")
    await signed_in(desk, "bob-1", sid="s3")
    bob = await desk.who()
    [ended] = await desk.logouts.end("sso", desk.issuer.logout_token(sid="s1"))
    assert desk.office.signer.grants[0].session == ended
    assert (await alive(desk, ann), await alive(desk, bob)) == (1, 1)
    with pytest.raises(RefreshTokenRefused):
        await desk.office.open_sessions.refresh(first.refresh_token, client=HERE)
    [event] = desk.log.of(SecurityEvent.OIDC_SIGNED_OUT)
    assert event == {"tenant": ann.tenant, "subject": "identityProviders/sso", "sessions": "1"}
    assert await desk.logouts.end("sso", desk.issuer.logout_token(sid="s1")) == []


async def test_a_subject_loses_every_session_of_the_issuer(desk: OidcOffice) -> None:
    """And keeps one that a password began. With a session as well, both have to fit; one that nobody knows the name of counts as meant."""
    await desk.provider(link_by_email=True, allowed_domains=("example.com",))
    member = await desk.member("ann-1@example.com")
    await desk.office.sign_in("ann-1@example.com")
    await signed_in(desk, sid="s1")
    await signed_in(desk, sid="s2")
    assert await desk.logouts.end("sso", desk.issuer.logout_token(sub="nobody")) == []
    assert await desk.logouts.end("sso", desk.issuer.logout_token(sub="nobody", sid="s1")) == []
    assert len(await desk.logouts.end("sso", desk.issuer.logout_token(sub="ann-1", sid="s1"))) == 1
    await signed_in(desk)
    assert len(await desk.logouts.end("sso", desk.issuer.logout_token(sub="ann-1", sid="s1"))) == 1
    await signed_in(desk)
    assert len(await desk.logouts.end("sso", desk.issuer.logout_token(sub="ann-1"))) == 2
    assert await alive(desk, member) == 1


async def test_a_session_that_an_earlier_version_began_ends_by_its_subject(desk: OidcOffice) -> None:
    """It knows its provider, but neither the issuer nor the name of the session there."""
    await desk.provider()
    await signed_in(desk, sid="s1")
    async with desk.office.database.transaction() as connection:
        await connection.execute(update(sessions).where(sessions.c.provider == "sso").values(issuer="", issuer_session=""))
    assert await desk.logouts.end("sso", desk.issuer.logout_token(sid="s1")) == []
    assert len(await desk.logouts.end("sso", desk.issuer.logout_token(sub="ann-1", sid="s1"))) == 1


async def test_a_token_works_once(desk: OidcOffice) -> None:
    """Until it is too old for anybody; then it is forgotten. Another issuer's token of the same name is another one."""
    await desk.provider()
    await signed_in(desk, sid="s1")
    token = desk.issuer.logout_token(sid="s1")
    assert len(await desk.logouts.end("sso", token)) == 1
    await signed_in(desk, sid="s1")
    assert await refused(desk, token) == "jti"
    ann = await desk.who()
    assert await alive(desk, ann) == 1
    count = select(func.count()).select_from(oidc_logouts)
    for hours, left in ((0.5, 1), (1, 0)):
        await desk.clock.advance(hours * 3600)
        await desk.store.purge_oidc(desk.clock.now())
        async with desk.office.database.read() as connection:
            assert (await connection.execute(count)).scalar_one() == left
    assert await refused(desk, token) in ("exp", "iat")


async def test_a_token_for_somebody_else_ends_nothing(desk: OidcOffice) -> None:
    """Another client of the issuer, another provider of the tenant, another issuer."""
    await desk.provider()
    await signed_in(desk, sid="s1")
    ann = await desk.who()
    assert await refused(desk, desk.issuer.logout_token(sid="s1", aud="other")) == "aud"
    assert await refused(desk, desk.issuer.logout_token(sid="s1", iss="https://evil.test")) == "iss"
    await desk.provider("second", client_id="other")
    assert await refused(desk, desk.issuer.logout_token(sid="s1"), provider="second") == "aud"
    await desk.provider("third")
    assert await desk.logouts.end("third", desk.issuer.logout_token(sid="s1", sub="ann-1")) == []
    assert await alive(desk, ann) == 1


async def test_another_tenant_with_the_same_issuer_keeps_its_people(desk: OidcOffice) -> None:
    """Even as the same client there: what comes to the address of a provider is about its own sessions."""
    await desk.provider()
    await signed_in(desk, sid="s1")
    ann = await desk.who()
    other = await desk.office.user("owner@other.example")
    await desk.providers.create(desk.office.caller(other), desk.draft("theirs"))
    await signed_in(desk, sid="s1", provider="theirs")
    theirs = await desk.who()
    assert theirs.tenant != ann.tenant
    assert len(await desk.logouts.end("theirs", desk.issuer.logout_token(sub="ann-1"))) == 1
    assert (await alive(desk, ann), await alive(desk, theirs)) == (1, 0)


async def test_new_keys_of_the_issuer_are_fetched(desk: OidcOffice) -> None:
    """Once, when a token needs them; a token of a key that is gone is refused, and so is everything while the issuer is away."""
    await desk.provider()
    await signed_in(desk, sid="s1")
    old = desk.issuer.logout_token(sid="s1")
    desk.issuer.rotate()
    await desk.clock.advance(11)
    new = desk.issuer.logout_token(sid="s1")
    assert len(await desk.logouts.end("sso", new)) == 1
    asked = desk.issuer.paths().count("/keys")
    assert await refused(desk, old) == "signature"
    assert desk.issuer.paths().count("/keys") == asked
    await desk.again()
    desk.issuer.instead["/keys"] = Reply(status=500)
    with pytest.raises(IssuerUnavailable):
        await desk.logouts.end("sso", desk.issuer.logout_token(sid="s1"))


async def test_a_provider_that_is_not_there_has_no_sessions(desk: OidcOffice) -> None:
    """Nor has one that is disabled: its issuer is not even asked."""
    await desk.provider()
    await desk.change(disabled=True)
    asked = len(desk.issuer.paths())
    for provider in ("sso", "other", "", secrets.token_urlsafe(60)):
        with pytest.raises(IdentityProviderNotFound):
            await desk.logouts.end(provider, desk.issuer.logout_token(sid="s1"))
    assert len(desk.issuer.paths()) == asked


@pytest.mark.parametrize("named", [{"sid": "s1"}, {"sub": "ann-1"}], ids=["session", "subject"])
async def test_a_sign_in_that_waits_for_a_second_factor_ends_too(desk: OidcOffice, named: dict[str, str]) -> None:
    """Its challenge opens no session any more of whom the issuer has signed out."""
    await desk.provider()
    await signed_in(desk, sid="s0")
    ann = await desk.who()
    secret = await app_of(desk.office, ann)
    async with desk.office.database.transaction() as connection:
        await connection.execute(update(tenants).where(tenants.c.id == ann.tenant).values(require_second_factor=1))
    with pytest.raises(SecondFactorRequired) as asked:
        await signed_in(desk, sid="s1")
    await desk.logouts.end("sso", desk.issuer.logout_token(**named))
    with pytest.raises(ChallengeVoid):
        await desk.office.sessions.answer(asked.value.metadata["challenge"], FactorAnswer(code=code_now(desk.office, secret)), client=HERE)


async def test_a_browser_goes_on_to_the_issuer_if_its_provider_says_so(desk: OidcOffice) -> None:
    """With who we are, and where to come back to. A provider that does not say so, and an issuer without such a place, lead nowhere."""
    await desk.provider(sign_out_at_issuer=True)
    pair = await signed_in(desk)
    ann = await desk.who()
    url = await desk.logouts.close(pair.refresh_token)
    assert url == f"{desk.issuer.url}/logout?{urlencode({'client_id': CLIENT, 'post_logout_redirect_uri': f'{PUBLIC}/sign-in'})}"
    assert await alive(desk, ann) == 0
    assert await desk.logouts.close(pair.refresh_token) == ""
    pair = await signed_in(desk)
    await desk.change(sign_out_at_issuer=False)
    assert await desk.logouts.close(pair.refresh_token) == ""
    await desk.change(sign_out_at_issuer=True)
    desk.issuer.metadata["end_session_endpoint"] = None
    await desk.again()
    assert await desk.logouts.close((await signed_in(desk)).refresh_token) == ""
    assert await desk.logouts.close((await desk.office.sign_in("owner@example.com")).refresh_token) == ""
