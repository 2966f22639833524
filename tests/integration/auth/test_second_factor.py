"""Second factors: a right password is not enough, codes work once, and guesses of them are bounded: on each database."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from auth_svc.domain import (
    OWNERSHIP,
    ChallengeVoid,
    Factor,
    FactorKind,
    Proof,
    SecondFactorRefused,
    SecondFactorRequired,
    SecurityEvent,
    TooManyAttempts,
    User,
)
from auth_svc.domain.totp import new_totp_secret, totp_code
from auth_svc.service import FactorAnswer, RegistrationRule, TokenPair
from tests.integration.auth.office import ELSEWHERE, HERE, SCOPES, Office
from tocsin.database import Database
from tocsin.sealing import Sealer
from tocsin.testing.clock import FakeClock


@pytest.fixture
async def office(database_url: str, clock: FakeClock) -> AsyncGenerator[Office]:
    """One where strangers are let in."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    made = Office(database, clock, registration=RegistrationRule.UNCONFIRMED)
    yield made
    await made.sender.stop()
    await database.stop()


async def app_of(office: Office, user: User) -> str:
    """An authenticator app of the user, and nothing else; its secret."""
    secret, identity = new_totp_secret(), "01M8MTN7DV9SN7ZZRVHV2S3SHF"
    factor = Factor(
        id=identity,
        tenant=user.tenant,
        user=user.id,
        kind=FactorKind.TOTP,
        display_name="phone",
        created=office.clock.now(),
        secret=Sealer(lambda: b"s" * 32).seal(secret, owner=f"factors/{identity}"),
    )
    await office.store.add_factor(factor, codes=[office.second.code_digest(user.id, "ABCDEFGHIJKLMNOP")])
    return secret


def code_now(office: Office, secret: str, ahead: int = 0) -> str:
    """The code that an app shows, whose clock is wrong by so many steps."""
    return totp_code(secret, int(office.clock.now().timestamp()) // 30 + ahead)


async def challenged(office: Office) -> str:
    """The challenge that answers a right password."""
    with pytest.raises(SecondFactorRequired) as asked:
        await office.sign_in()
    return asked.value.metadata["challenge"]


async def answered(office: Office, challenge: str, code: str) -> TokenPair:
    """The session that an answer opens."""
    return await office.sessions.grant(grant_type="", challenge=challenge, answer=FactorAnswer(code=code), client=HERE)


async def test_a_right_password_is_answered_by_a_challenge(office: Office) -> None:
    """Which a code of the app answers, once; who has no second factor signs in as before."""
    ann = await office.user()
    assert (await office.sign_in()).scopes
    secret = await app_of(office, ann)
    with pytest.raises(SecondFactorRequired) as asked:
        await office.sign_in()
    assert asked.value.metadata["methods"] == "totp,recovery_code"
    code, challenge = code_now(office, secret), asked.value.metadata["challenge"]
    assert (await answered(office, challenge, code)).scopes == SCOPES | {"profile:read", OWNERSHIP}
    with pytest.raises(ChallengeVoid):
        await answered(office, challenge, code_now(office, secret, 1))
    assert office.log.of(SecurityEvent.LOGIN_SUCCEEDED)[-1]["proof"] == Proof.TOTP.value


@pytest.mark.parametrize(("ahead", "right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)], ids=str)
async def test_the_clock_of_an_app_may_be_wrong_by_a_step(office: Office, ahead: int, right: bool) -> None:
    """Either way, and no further."""
    secret = await app_of(office, await office.user())
    challenge = await challenged(office)
    if right:
        assert await answered(office, challenge, code_now(office, secret, ahead))
    else:
        with pytest.raises(SecondFactorRefused):
            await answered(office, challenge, code_now(office, secret, ahead))


async def test_a_code_works_once_at_all_replicas(office: Office) -> None:
    """Of two that come at the same moment one is taken, and an earlier code never after a later one."""
    secret = await app_of(office, await office.user())
    code, challenges = code_now(office, secret), [await challenged(office) for _ in range(2)]
    results = await asyncio.gather(*(answered(office, each, code) for each in challenges), return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["SecondFactorRefused", "TokenPair"]
    with pytest.raises(SecondFactorRefused):
        await answered(office, await challenged(office), code_now(office, secret, -1))


@pytest.mark.parametrize("typed", ["ABCD-EFGH-IJKL-MNOP", " abcd efgh ijkl mnop"], ids=["as shown", "as typed"])
async def test_a_recovery_code_works_once(office: Office, typed: str) -> None:
    """However it is typed; a mail tells of it."""
    await app_of(office, await office.user())
    assert await answered(office, await challenged(office), typed)
    with pytest.raises(SecondFactorRefused):
        await answered(office, await challenged(office), typed)
    assert [letter.template for letter in await office.letters(1)] == ["tocsin.recovery-code-used"]


async def test_a_challenge_is_of_one_client(office: Office) -> None:
    """One at another place cannot answer it, nor one that is too late."""
    secret = await app_of(office, await office.user())
    challenge = await challenged(office)
    with pytest.raises(ChallengeVoid):
        await office.sessions.answer(challenge, FactorAnswer(code=code_now(office, secret)), client=ELSEWHERE)
    with pytest.raises(ChallengeVoid):
        await office.sessions.answer(challenge, FactorAnswer(code=code_now(office, secret)), client=HERE, device_token="td_x")
    await office.clock.advance(timedelta(minutes=5).total_seconds())
    with pytest.raises(ChallengeVoid):
        await answered(office, challenge, code_now(office, secret))


async def test_guesses_of_codes_are_bounded_and_keep_nobody_out(office: Office) -> None:
    """As those of passwords are: who guesses from elsewhere, and knows the password, waits; the owner signs in."""
    ann = await office.user()
    pair = await office.sign_in()  # this client is known from now on
    secret = await app_of(office, ann)
    with pytest.raises(SecondFactorRequired) as asked:
        await office.sign_in(client=ELSEWHERE)
    challenge, waited = asked.value.metadata["challenge"], 0
    for number in range(200):
        try:
            await office.sessions.answer(challenge, FactorAnswer(code=f"{number:06}"), client=ELSEWHERE)
        except SecondFactorRefused:
            pass
        except TooManyAttempts:
            waited += 1
    assert waited == 195
    with pytest.raises(SecondFactorRequired) as mine:
        await office.sign_in(device=pair.device_token)
    own = mine.value.metadata["challenge"]
    assert await office.sessions.answer(own, FactorAnswer(code=code_now(office, secret)), client=HERE, device_token=pair.device_token)
