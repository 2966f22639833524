"""Registering, signing in, staying signed in: through the mesh."""

import logging
from datetime import timedelta

import pytest

from auth_svc.domain import (
    EmailTaken,
    InvalidCredentials,
    RefreshTokenRefused,
    RegistrationClosed,
    TooManyAttempts,
    UsernameTaken,
)
from tests.integration.auth.support import PASSWORD, Rig, fields
from tocsin.api.auth.v1 import auth_service_pb2, user_service_pb2
from tocsin.errors import AlreadyExists, InvalidInput, PermissionDenied, ResourceExhausted, TocsinError, Unauthenticated
from tocsin.mesh.context import acting_as
from tocsin.mesh.tokens import TokenExpired
from tocsin.testing.tokens import TokenMint


async def _refresh(rig: Rig, token: str) -> auth_service_pb2.TokenResponse:
    return await rig.gateway.auth.RefreshToken(auth_service_pb2.RefreshTokenRequest(refresh_token=token))


async def _verify(rig: Rig, token: str) -> auth_service_pb2.VerifyTokenResponse:
    with acting_as(token):
        return await rig.gateway.auth.VerifyToken(auth_service_pb2.VerifyTokenRequest())


async def test_registered_user_signs_in_and_is_known(rig: Rig) -> None:
    """The token says who its owner is, in which tenant, and what they may do."""
    made = await rig.register()
    pair = await rig.sign_in("ANN@Example.COM")
    assert (pair.token_type, pair.expires_in) == ("Bearer", 900)
    who = await _verify(rig, pair.access_token)
    assert (who.subject, who.tenant, who.time_zone) == (made.user, made.tenant, "UTC")
    assert list(who.scopes) == sorted(pair.scope.split())
    assert {"profile:read", "alarms:write", "users:write", "keys:write"} <= set(who.scopes)
    assert "mesh:write" not in who.scopes


async def test_administrator_of_the_first_start_has_every_scope(rig: Rig) -> None:
    """The password in the state folder signs in, with the platform's scopes as well."""
    pair = await rig.sign_in("admin@example.com", rig.secret("admin-password"))
    assert "mesh:write" in pair.scope.split()


@pytest.mark.parametrize(
    ("email", "password", "field"),
    [
        ("nobody", PASSWORD, "email"),
        ("a b@example.com", PASSWORD, "email"),
        ("a\r\nBcc: b@example.com", PASSWORD, "email"),
        ("a@b", PASSWORD, "email"),
        ("", PASSWORD, "email"),
        ("bob@example.com", "1234567", "password"),
        ("bob@example.com", "x" * 129, "password"),
        ("bob@example.com", "", "password"),
    ],
)
async def test_bad_registration_names_the_field(rig: Rig, email: str, password: str, field: str) -> None:
    """And nothing is made."""
    with pytest.raises(InvalidInput) as refused:
        await rig.gateway.auth.Register(auth_service_pb2.RegisterRequest(email=email, password=password))
    assert fields(refused.value) == {field}


async def test_address_registers_once(rig: Rig) -> None:
    """The second one is told so, whatever the case; it does not learn whose it is."""
    made = await rig.register()
    with pytest.raises(AlreadyExists) as refused:
        await rig.register("Ann@EXAMPLE.com")
    assert refused.value.error_reason == EmailTaken.reason
    assert made.user not in str(refused.value)
    assert made.tenant not in str(refused.value)


async def _register(rig: Rig, **names: str) -> auth_service_pb2.RegisterResponse:
    return await rig.gateway.auth.Register(auth_service_pb2.RegisterRequest(password=PASSWORD, **names))


async def _grant(rig: Rig, **given: str) -> auth_service_pb2.TokenResponse:
    return await rig.gateway.auth.IssueToken(auth_service_pb2.IssueTokenRequest(**given))


@pytest.mark.parametrize(
    ("names", "signs_in"),
    [
        ({"username": "Ann-1"}, ["ann-1", "ANN-1"]),
        ({"username": "ann", "email": "ann@example.com"}, ["ann", "ANN@example.com"]),
        ({"display_name": "ann.b"}, ["ann.b"]),
        ({"display_name": "Ann B.", "email": "ann@example.com"}, ["ann@example.com"]),
    ],
)
async def test_a_username_signs_in_as_an_address_does(rig: Rig, names: dict[str, str], signs_in: list[str]) -> None:
    """Alone or beside an address, whatever its case; with neither, the name is it."""
    made = await _register(rig, **names)
    for name in signs_in:
        for field in ("username", "email"):
            pair = await _grant(rig, **{field: name, "password": PASSWORD})
            assert (await _verify(rig, pair.access_token)).subject == made.user


async def test_a_username_is_one_persons_and_never_an_address(rig: Rig) -> None:
    """The second one is told so; what could be taken for an address, or read in two ways, is refused."""
    await _register(rig, username="ann")
    await _register(rig, username="bob", email="bob@example.com")
    for names, reason in (
        ({"username": "ANN"}, UsernameTaken),
        ({"username": "ann", "email": "new@example.com"}, UsernameTaken),
        ({"username": "new", "email": "BOB@example.com"}, EmailTaken),
        ({"display_name": "Bob"}, UsernameTaken),
    ):
        with pytest.raises(AlreadyExists) as refused:
            await _register(rig, **names)
        assert refused.value.error_reason == reason.reason
    for name in ("ann@example.com", "a b", "-a", "ä", "a" * 65, "a\n"):
        with pytest.raises(InvalidInput) as bad:
            await _register(rig, username=name)
        assert fields(bad.value) == {"username"}
    with pytest.raises(InvalidInput) as bad:
        await _register(rig, display_name="Ann Smith")
    assert fields(bad.value) == {"displayName"}


async def test_a_grant_is_what_the_client_asks_for(rig: Rig) -> None:
    """RFC 6749, 4.3 and 6; without a word, by what is sent. What is missing or unknown is named."""
    await _register(rig, username="ann")
    first = await _grant(rig, grant_type="password", username="ann", password=PASSWORD)
    second = await _grant(rig, refresh_token=first.refresh_token)
    narrow = await _grant(rig, grant_type="refresh_token", refresh_token=second.refresh_token, scope="alarms:read nothing:read")
    assert narrow.scope == "alarms:read profile:read"
    wide = await _grant(rig, refresh_token=narrow.refresh_token)
    assert wide.scope == first.scope
    for given, field, reason in (
        ({"grant_type": "implicit"}, "grantType", "UNSUPPORTED_GRANT_TYPE"),
        ({"grant_type": "password", "username": "ann"}, "password", "INVALID_INPUT"),
        ({"password": PASSWORD}, "username", "INVALID_INPUT"),
        ({"grant_type": "refresh_token"}, "refreshToken", "INVALID_INPUT"),
        ({"username": "ann", "email": "ann@example.com", "password": PASSWORD}, "username", "INVALID_INPUT"),
        ({"username": "ann", "password": PASSWORD, "scope": "mesh:write"}, "scope", "INVALID_SCOPE"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await _grant(rig, **given)
        assert (fields(refused.value), refused.value.error_reason) == ({field}, reason)
    for spent in (first, second):
        with pytest.raises(Unauthenticated):
            await _grant(rig, refresh_token=spent.refresh_token)


async def test_closed_registration_is_refused(rig: Rig) -> None:
    """By the setting; signing in goes on."""
    await rig.register()
    await rig.stop()
    await rig.start(registration="closed")
    with pytest.raises(PermissionDenied) as refused:
        await rig.register("bob@example.com")
    assert refused.value.error_reason == RegistrationClosed.reason
    await rig.sign_in()


async def test_wrong_password_and_unknown_address_are_one_answer(rig: Rig) -> None:
    """Nobody learns from the answer which accounts exist."""
    await rig.register()
    answers: list[tuple[str, str]] = []
    for email, password in [("ann@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("no address", PASSWORD)]:
        with pytest.raises(Unauthenticated) as refused:
            await rig.sign_in(email, password)
        answers.append((refused.value.error_reason, refused.value.message))
    assert set(answers) == {(InvalidCredentials.reason, InvalidCredentials.__doc__)}


async def test_password_may_not_be_cut_or_trimmed(rig: Rig) -> None:
    """Every character counts."""
    await rig.register()
    for typed in (PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper()):
        with pytest.raises(Unauthenticated):
            await rig.sign_in(password=typed)


@pytest.mark.parametrize("email", ["ann@example.com", "nobody@example.com"])
async def test_guessing_is_slowed_down(rig: Rig, email: str) -> None:
    """After five failures an attempt has to wait, known account or not; after the wait the right password signs in."""
    await rig.register()
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await rig.sign_in(email, "wrong")
    with pytest.raises(ResourceExhausted) as refused:
        await rig.sign_in(email)
    assert refused.value.error_reason == TooManyAttempts.reason
    assert refused.value.retry_after == pytest.approx(1)
    await rig.clock.advance(1)
    if email == "ann@example.com":
        await rig.sign_in(email)
        await rig.sign_in(email)
    else:
        with pytest.raises(Unauthenticated):
            await rig.sign_in(email)


async def test_scope_narrows_the_token(rig: Rig) -> None:
    """What was not asked for is not in it, not after a refresh either; the profile always is."""
    await rig.register()
    pair = await rig.sign_in(scope="alarms:read alarms:write")
    assert pair.scope == "alarms:read alarms:write profile:read"
    again = await _refresh(rig, pair.refresh_token)
    assert again.scope == pair.scope
    assert set((await _verify(rig, again.access_token)).scopes) == {"alarms:read", "alarms:write", "profile:read"}
    with acting_as(pair.access_token), pytest.raises(PermissionDenied):
        await rig.gateway.users.ListUsers(user_service_pb2.ListUsersRequest())


@pytest.mark.parametrize("scope", ["mesh:write", "nothing:read", "alarms:read *"])
async def test_scope_not_held_is_refused(rig: Rig, scope: str) -> None:
    """invalid_scope (RFC 6749, 5.2), at its field."""
    await rig.register()
    with pytest.raises(InvalidInput) as refused:
        await rig.sign_in(scope=scope)
    assert fields(refused.value) == {"scope"}


async def test_refresh_token_works_once(rig: Rig) -> None:
    """The second use ends the session for both holders; a new sign-in begins another."""
    await rig.register()
    first = await rig.sign_in()
    second = await _refresh(rig, first.refresh_token)
    assert second.refresh_token != first.refresh_token
    for token in (first.refresh_token, second.refresh_token):
        with pytest.raises(Unauthenticated) as refused:
            await _refresh(rig, token)
        assert refused.value.error_reason == RefreshTokenRefused.reason
    await _refresh(rig, (await rig.sign_in()).refresh_token)


async def test_refresh_token_expires(rig: Rig) -> None:
    """Thirty days without use end a session; each use begins them anew."""
    await rig.register()
    pair = await rig.sign_in()
    rig.clock.set(rig.clock.now() + timedelta(days=29))
    pair = await _refresh(rig, pair.refresh_token)
    rig.clock.set(rig.clock.now() + timedelta(days=29))
    pair = await _refresh(rig, pair.refresh_token)
    rig.clock.set(rig.clock.now() + timedelta(days=30))
    with pytest.raises(Unauthenticated):
        await _refresh(rig, pair.refresh_token)


@pytest.mark.parametrize("token", ["unknown", "tr_" + "A" * 43, "é"])
async def test_unknown_refresh_token_is_refused(rig: Rig, token: str) -> None:
    """Whatever it looks like; revoking it is no error (RFC 7009, 2.2)."""
    with pytest.raises(Unauthenticated):
        await _refresh(rig, token)
    await rig.gateway.auth.RevokeToken(auth_service_pb2.RevokeTokenRequest(refresh_token=token))


async def test_revoked_session_is_over(rig: Rig) -> None:
    """A spent token of the family revokes it as well; revoking twice is no error."""
    await rig.register()
    first = await rig.sign_in()
    second = await _refresh(rig, first.refresh_token)
    for _ in range(2):
        await rig.gateway.auth.RevokeToken(auth_service_pb2.RevokeTokenRequest(refresh_token=first.refresh_token))
    with pytest.raises(Unauthenticated):
        await _refresh(rig, second.refresh_token)


async def test_access_token_expires(rig: Rig) -> None:
    """After 15 minutes it is refused, and says why."""
    token = await rig.registered()
    await rig.clock.advance(899)
    await _verify(rig, token)
    await rig.clock.advance(10)
    with pytest.raises(Unauthenticated) as refused:
        await _verify(rig, token)
    assert refused.value.error_reason == TokenExpired.reason


async def test_foreign_and_mangled_tokens_are_refused(rig: Rig) -> None:
    """A signer of one's own, no token, and something that is none."""
    mint = TokenMint(clock=rig.clock)
    token = await rig.registered()
    for bad in (mint.mint(tenant="T1", scopes=["users:read"]), token[:-3], "nonsense", "tr_" + "A" * 43):
        with pytest.raises(Unauthenticated):
            await _verify(rig, bad)
    with pytest.raises(Unauthenticated):
        await rig.gateway.auth.VerifyToken(auth_service_pb2.VerifyTokenRequest())


async def test_tokens_and_accounts_survive_a_restart(rig: Rig) -> None:
    """The key, the sessions and the users are on the disk."""
    await rig.register()
    pair = await rig.sign_in()
    key = rig.secret("dev-api-key")
    await rig.stop()
    await rig.start()
    await _verify(rig, pair.access_token)
    await _refresh(rig, pair.refresh_token)
    await rig.exchange(key)
    assert rig.secret("dev-api-key") == key


async def test_stronger_parameters_rehash_at_the_next_login(rig: Rig) -> None:
    """The password goes on working, and its hash is replaced once."""
    await rig.register()
    await rig.stop()
    await rig.start(argon2_iterations=2)
    await rig.sign_in()
    await rig.stop()
    await rig.start(argon2_memory_kib=8192)
    await rig.sign_in()


async def test_published_keys_verify_the_tokens(rig: Rig) -> None:
    """Without a token, anybody gets the public keys and nothing else."""
    answer = await rig.gateway.auth.GetJwks(auth_service_pb2.GetJwksRequest())
    assert [(key.kty, key.crv, key.alg, key.use) for key in answer.keys] == [("OKP", "Ed25519", "EdDSA", "sig")]
    assert len(answer.keys[0].x) == 43


async def test_log_tells_events_without_secrets(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Failed and good sign-ins and reuse are told by stable names; no password, token or address is."""
    caplog.set_level(logging.INFO)
    await rig.register()
    with pytest.raises(Unauthenticated):
        await rig.sign_in(password="a wrong one")
    pair = await rig.sign_in()
    await _refresh(rig, pair.refresh_token)
    with pytest.raises(Unauthenticated):
        await _refresh(rig, pair.refresh_token)
    text = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    for event in ("auth.registered", "auth.login.failed", "auth.login.succeeded", "auth.session.refreshed", "auth.refresh.reused"):
        assert event in text
    for secret in (PASSWORD, "a wrong one", pair.access_token, pair.refresh_token, "ann@example.com"):
        assert secret not in text


async def test_errors_cross_the_wire_as_themselves(rig: Rig) -> None:
    """Each has a reason that a program may compare."""
    with pytest.raises(TocsinError) as refused:
        await rig.sign_in()
    assert refused.value.error_reason == "INVALID_CREDENTIALS"
