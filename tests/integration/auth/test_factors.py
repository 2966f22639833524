"""Second factors are added, used and removed by whoever has shown of late who they are: on each database."""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

import pytest

from auth_svc.domain import (
    ENROLMENT_SCOPES,
    FRESH,
    OWNERSHIP,
    ChallengeVoid,
    FactorKind,
    FactorNotFound,
    FreshProofRequired,
    LastFactor,
    PasskeyTaken,
    SecondFactorRefused,
    SecondFactorRequired,
    SecurityEvent,
    TokenCaller,
    User,
)
from auth_svc.domain.totp import totp_code
from auth_svc.service import FactorAnswer, NewApp, RegistrationRule
from tests.integration.auth.authenticator import Authenticator, b64, cbor
from tests.integration.auth.office import HERE, PASSWORD, SCOPES, Office
from tocsin.database import Database
from tocsin.errors import InvalidInput
from tocsin.testing.clock import FakeClock

Spoil = Callable[[str], str]


@pytest.fixture
async def office(database_url: str, clock: FakeClock) -> AsyncGenerator[Office]:
    """One where strangers are let in."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    made = Office(database, clock, registration=RegistrationRule.UNCONFIRMED)
    yield made
    await made.sender.stop()
    await database.stop()


async def signed_in(office: Office) -> TokenCaller:
    """A user who has just signed in with a password."""
    ann = await office.user()
    await office.sign_in()
    return office.caller(ann, office.signer.grants[-1].session)


def code_of(office: Office, app: NewApp, ahead: int = 0) -> str:
    """What an app shows."""
    return totp_code(app.secret, int(office.clock.now().timestamp()) // 30 + ahead)


async def app_of(office: Office, ann: TokenCaller) -> tuple[NewApp, list[str]]:
    """An authenticator app, and recovery codes."""
    app = await office.factors.enrol_app(ann, display_name="phone")
    _, codes = await office.factors.confirm_app(ann, app.factor.id, code=code_of(office, app))
    await office.clock.advance(90)  # so that the next code is another one
    return app, list(codes)


async def passkey_of(office: Office, ann: TokenCaller, key: Authenticator | None = None) -> Authenticator:
    """A passkey."""
    made = key or Authenticator()
    challenge, options = await office.factors.begin_passkey(ann)
    await office.factors.enrol_passkey(ann, challenge=challenge, response=made.create(options), display_name="laptop")
    return made


async def challenge_of(office: Office) -> str:
    """The challenge that answers the right password."""
    with pytest.raises(SecondFactorRequired) as asked:
        await office.sign_in()
    return asked.value.metadata["challenge"]


async def test_an_app_is_a_factor_once_it_has_shown_a_code(office: Office) -> None:
    """Its secret is sealed; ten recovery codes come along, a mail tells, and each signs in."""
    ann = await signed_in(office)
    app = await office.factors.enrol_app(ann, display_name="phone")
    assert app.uri.startswith("otpauth://totp/Tocsin:ann%40example.com?secret=")
    assert (await office.sign_in()).scopes  # it is none yet
    with pytest.raises(InvalidInput):
        await office.factors.confirm_app(ann, app.factor.id, code="000000")
    factor, codes = await office.factors.confirm_app(ann, app.factor.id, code=code_of(office, app))
    assert (factor.kind, factor.display_name, len(set(codes))) == (FactorKind.TOTP, "phone", 10)
    (stored,) = await office.store.list_factors(ann.tenant, ann.user)
    assert app.secret not in stored.secret
    with pytest.raises(SecondFactorRefused):  # the code that has confirmed it is used up
        await office.sessions.answer(await challenge_of(office), FactorAnswer(code=code_of(office, app)), client=HERE)
    assert await office.sessions.answer(await challenge_of(office), FactorAnswer(code=codes[3]), client=HERE)
    assert await office.sessions.answer(await challenge_of(office), FactorAnswer(code=code_of(office, app, 1)), client=HERE)
    assert [each.template for each in await office.letters(2)] == ["tocsin.factor-added", "tocsin.recovery-code-used"]


async def test_an_app_is_confirmed_soon_or_never(office: Office) -> None:
    """Within a quarter of an hour; a later one takes its place."""
    ann = await signed_in(office)
    first = await office.factors.enrol_app(ann, display_name="")
    second = await office.factors.enrol_app(ann, display_name="")
    with pytest.raises(FactorNotFound):
        await office.factors.confirm_app(ann, first.factor.id, code=code_of(office, first))
    await office.clock.advance(901)
    with pytest.raises(FactorNotFound):
        await office.factors.confirm_app(ann, second.factor.id, code=code_of(office, second))


async def test_what_changes_factors_needs_a_fresh_proof(office: Office) -> None:
    """Which a password is without a second factor, and a second factor alone with one."""
    ann = await signed_in(office)
    await office.clock.advance(FRESH.total_seconds() + 1)
    with pytest.raises(FreshProofRequired):
        await office.factors.enrol_app(ann, display_name="")
    await office.proofs.prove(ann, password=PASSWORD, answer=FactorAnswer(), challenge="", client=HERE)
    app, _ = await app_of(office, ann)
    await office.clock.advance(FRESH.total_seconds() + 1)
    for change in (
        office.factors.remove(ann, app.factor.id),
        office.factors.begin_passkey(ann),
        office.factors.make_codes(ann),
        office.factors.reset(ann, ann.user),
        office.accounts.change_password(ann, current=PASSWORD, new="another long password of hers", client=HERE),
    ):
        with pytest.raises(FreshProofRequired):
            await change
    with pytest.raises(InvalidInput):
        await office.proofs.prove(ann, password=PASSWORD, answer=FactorAnswer(), challenge="", client=HERE)
    await office.proofs.prove(ann, password="", answer=FactorAnswer(code=code_of(office, app)), challenge="", client=HERE)
    await office.factors.remove(ann, app.factor.id)
    assert await office.factors.factors(ann, ann.user) == ([], 0)
    assert (await office.letters(2))[-1].template == "tocsin.factor-removed"


async def test_a_passkey_signs_in_alone(office: Office) -> None:
    """If it verifies its user; it is a second factor as well."""
    ann = await signed_in(office)
    key = await passkey_of(office, ann)
    challenge, options = await office.sessions.begin_passkey("", client=HERE)
    assert json.loads(options)["userVerification"] == "required"
    answer = FactorAnswer(passkey=key.get(options))
    pair = await office.sessions.grant(grant_type="passkey", challenge=challenge, answer=answer, client=HERE)
    assert pair.scopes == SCOPES | {"profile:read", OWNERSHIP}
    with pytest.raises(ChallengeVoid):  # it works once
        await office.sessions.sign_in_by_passkey(challenge, answer, client=HERE)
    first = await challenge_of(office)
    asked, options = await office.sessions.begin_passkey(first, client=HERE)
    assert (asked, len(json.loads(options)["allowCredentials"])) == (first, 1)
    key.verifies = False  # the password was the other factor
    assert await office.sessions.answer(first, FactorAnswer(passkey=key.get(options)), client=HERE)
    challenge, options = await office.sessions.begin_passkey("", client=HERE)
    with pytest.raises(SecondFactorRefused):
        await office.sessions.sign_in_by_passkey(challenge, FactorAnswer(passkey=key.get(options)), client=HERE)


async def test_a_passkey_that_was_copied_is_refused(office: Office) -> None:
    """Its counter has not gone on; an event tells."""
    ann = await signed_in(office)
    key = await passkey_of(office, ann)
    copy = replace(key)
    for each in (key, key):
        challenge, options = await office.sessions.begin_passkey("", client=HERE)
        assert await office.sessions.sign_in_by_passkey(challenge, FactorAnswer(passkey=each.get(options)), client=HERE)
    challenge, options = await office.sessions.begin_passkey("", client=HERE)
    with pytest.raises(SecondFactorRefused):
        await office.sessions.sign_in_by_passkey(challenge, FactorAnswer(passkey=copy.get(options)), client=HERE)
    assert len(office.log.of(SecurityEvent.PASSKEY_CLONED)) == 1


async def test_a_passkey_without_a_counter_signs_in_again(office: Office) -> None:
    """As those do that are kept on several devices."""
    ann = await signed_in(office)
    key = await passkey_of(office, ann, Authenticator(counts=False))
    for _ in range(2):
        challenge, options = await office.sessions.begin_passkey("", client=HERE)
        assert await office.sessions.sign_in_by_passkey(challenge, FactorAnswer(passkey=key.get(options)), client=HERE)


async def test_a_passkey_is_one_users(office: Office) -> None:
    """Nobody enrols another's, or signs in with it as somebody else."""
    ann = await signed_in(office)
    key = await passkey_of(office, ann)
    bob = await office.user("bob@example.com")
    await office.sign_in("bob@example.com")
    other = office.caller(bob, office.signer.grants[-1].session)
    challenge, options = await office.factors.begin_passkey(other)
    with pytest.raises(PasskeyTaken):
        await office.factors.enrol_passkey(other, challenge=challenge, response=key.create(options), display_name="")
    challenge, options = await office.sessions.begin_passkey("", client=HERE)
    with pytest.raises(SecondFactorRefused):  # the key says that it is Bob's by now
        await office.sessions.sign_in_by_passkey(challenge, FactorAnswer(passkey=key.get(options)), client=HERE)


def swapped(**members: Any) -> Spoil:
    """An answer with other members of its response."""

    def spoil(answer: str) -> str:
        found = json.loads(answer)
        return json.dumps({**found, "response": {**found["response"], **members}})

    return spoil


_SPOILT: dict[str, tuple[Authenticator, Spoil | None]] = {
    "another origin": (Authenticator(origin="https://evil.example"), None),
    "plain http": (Authenticator(origin="http://tocsin.example"), None),
    "an origin that is a list": (Authenticator(client={"origin": ["https://tocsin.example"]}), None),
    "another domain": (Authenticator(rp="evil.example"), None),
    "another ceremony": (Authenticator(client={"type": "payment.get"}), None),
    "another challenge": (Authenticator(client={"challenge": b64(b"x" * 32)}), None),
    "in a frame of elsewhere": (Authenticator(client={"crossOrigin": True}), None),
    "more behind it": (Authenticator(tail=b"\x00"), None),
    "not JSON": (Authenticator(), lambda _: "{"),
    "a list": (Authenticator(), lambda _: "[]"),
    "deep JSON": (Authenticator(), lambda _: "[" * 16000),
    "a giant number": (Authenticator(), lambda _: "9" * 16000),
    "deep client data": (Authenticator(), swapped(clientDataJSON=b64(b"[" * 10000))),
    "no base64": (Authenticator(), swapped(clientDataJSON="\u00e4")),
    "numbers for texts": (Authenticator(), swapped(clientDataJSON=7)),
}
_SPOILT_NEW: dict[str, tuple[Authenticator, Spoil | None]] = {
    "algorithm none": (Authenticator(key={1: 2, 3: 0, -1: 1, -2: b"x" * 32, -3: b"y" * 32}), None),
    "a symmetric key": (Authenticator(key={1: 4, 3: 5, -1: b"k" * 32}), None),
    "SHA-1": (Authenticator(key={1: 3, 3: -65535, -1: b"n" * 256, -2: b"\1\0\1"}), None),
    "an algorithm of another kind of key": (Authenticator(key={1: 3, 3: -7, -1: 1, -2: b"\1\0\1"}), None),
    "a point beside the curve": (Authenticator(key={1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: b"y" * 32}), None),
    "a giant RSA key": (Authenticator(key={1: 3, 3: -257, -1: b"\xff" * 2000, -2: b"\1\0\1"}), None),
    "a giant RSA exponent": (Authenticator(key={1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\xff" * 256}), None),
    "a key that is a number": (Authenticator(key=4), None),
    "a key that is deep": (Authenticator(key={1: [[[[[[[[]]]]]]]]}), None),
    "certificates": (Authenticator(fmt="packed", statement={"alg": -7, "sig": b"s", "x5c": [b"c"]}), None),
    "an attestation nobody asked for": (Authenticator(fmt="android-safetynet", statement={"ver": "1", "response": b"x"}), None),
    "a self attestation that is none": (Authenticator(fmt="packed", statement={"alg": -7, "sig": b"s"}), None),
    "deep CBOR": (Authenticator(), swapped(attestationObject=b64(b"\x81" * 8000))),
    "a CBOR array of billions": (Authenticator(), swapped(attestationObject=b64(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"))),
    "a CBOR text of billions": (Authenticator(), swapped(attestationObject=b64(b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff"))),
    "a regular expression in CBOR": (Authenticator(), swapped(attestationObject=b64(b"\xd8\x23" + cbor("(a+)+$")))),
    "a giant number in CBOR": (Authenticator(), swapped(attestationObject=b64(b"\xc5\x82\x1b" + b"\x7f" * 8 + b"\x01"))),
    "endless CBOR": (Authenticator(), swapped(attestationObject=b64(b"\x9f" * 4000))),
}


@pytest.mark.parametrize("name", [*_SPOILT, *_SPOILT_NEW])
async def test_a_spoilt_passkey_is_not_enrolled(office: Office, name: str) -> None:
    """Whatever is wrong with it is the field's fault, and nothing is stored."""
    key, spoil = {**_SPOILT, **_SPOILT_NEW}[name]
    ann = await signed_in(office)
    challenge, options = await office.factors.begin_passkey(ann)
    response = key.create(options)
    with pytest.raises(InvalidInput) as refused:
        await office.factors.enrol_passkey(ann, challenge=challenge, response=spoil(response) if spoil else response, display_name="")
    assert [each.field for each in refused.value.violations] == ["passkeyResponse"]
    assert await office.factors.factors(ann, ann.user) == ([], 0)


@pytest.mark.parametrize("name", _SPOILT)
async def test_a_spoilt_answer_of_a_passkey_opens_nothing(office: Office, name: str) -> None:
    """Neither alone nor behind a password."""
    key, spoil = _SPOILT[name]
    ann = await signed_in(office)
    good = await passkey_of(office, ann)
    forged = replace(key, user=good.user, credential=good.credential, private=good.private)
    challenge, options = await office.sessions.begin_passkey("", client=HERE)
    response = forged.get(options)
    with pytest.raises((SecondFactorRefused, InvalidInput)):
        await office.sessions.sign_in_by_passkey(challenge, FactorAnswer(passkey=spoil(response) if spoil else response), client=HERE)


async def test_a_tenant_that_requires_one_lets_nobody_work_without(office: Office) -> None:
    """Who has none may enrol one and nothing else; the session is whole at its next refresh. The last one stays."""
    ann = await signed_in(office)
    await office.store.change_tenant(ann.tenant, display_name=None, time_zone=None, require_second_factor=True)
    pair = await office.sign_in()
    assert (pair.enrolment_required, pair.scopes) == (True, ENROLMENT_SCOPES | {"profile:read"})
    here = office.caller(await user_of(office, ann), office.signer.grants[-1].session)
    app, _ = await app_of(office, here)
    whole = await office.open_sessions.refresh(pair.refresh_token, client=HERE)
    assert (whole.enrolment_required, whole.scopes) == (False, SCOPES | {"profile:read", OWNERSHIP})
    with pytest.raises(LastFactor):
        await office.factors.remove(here, app.factor.id)
    link, _ = await office.sessions.create_link(here, ann.user)
    with pytest.raises(SecondFactorRequired):
        await office.sessions.sign_in_by_link(link, client=HERE)


async def test_an_administrator_resets_what_was_lost(office: Office) -> None:
    """All of it: the password is enough again; a mail tells."""
    ann = await signed_in(office)
    app, _ = await app_of(office, ann)
    await passkey_of(office, ann)
    assert await office.factors.reset(ann, ann.user) == 2
    assert (await office.sign_in()).scopes
    assert await office.factors.factors(ann, ann.user) == ([], 0)
    assert app.factor.name not in {each.name for each in await office.store.list_factors(ann.tenant, ann.user)}
    assert (await office.letters(3))[-1].template == "tocsin.factor-removed"


async def test_recovery_codes_are_replaced(office: Office) -> None:
    """Those of before work no more."""
    ann = await signed_in(office)
    _, codes = await app_of(office, ann)
    fresh = await office.factors.make_codes(ann)
    assert (await office.factors.factors(ann, ann.user))[1] == 10
    with pytest.raises(SecondFactorRefused):
        await office.sessions.answer(await challenge_of(office), FactorAnswer(code=codes[0]), client=HERE)
    assert await office.sessions.answer(await challenge_of(office), FactorAnswer(code=fresh[0].lower()), client=HERE)


async def user_of(office: Office, caller: TokenCaller) -> User:
    """The user who calls."""
    return await office.store.get_user(caller.tenant, caller.user)
