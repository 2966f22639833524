"""Passwords changed and reset, addresses confirmed, strangers registered: on each database."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta

import pytest
from sqlalchemy import Table, func, select

from auth_svc.domain import (
    AccountMailKind,
    AddressMissing,
    AddressVerified,
    CallerGone,
    ClientFacts,
    EmailTaken,
    InvalidCredentials,
    OneTimeTokenVoid,
    RefreshTokenRefused,
    RegistrationClosed,
    SecurityEvent,
    TokenCaller,
    TokenPurpose,
    TooManyAttempts,
    UsernameTaken,
    UsersOnly,
    WrongPassword,
)
from auth_svc.service import RegistrationRule
from auth_svc.service.registering import TooManyRequests
from auth_svc.store.tables import registrations, tenants, users
from tests.integration.auth.office import ELSEWHERE, HERE, PASSWORD, Office
from tocsin.database import Database
from tocsin.errors import InvalidInput
from tocsin.testing.clock import FakeClock

NEW = "an otter sleeps on its back"
RESET, VERIFY = AccountMailKind.RESET_PASSWORD, AccountMailKind.VERIFY_ADDRESS
VALID = timedelta(minutes=30)
Offices = Callable[..., Office]


@pytest.fixture
async def offices(database_url: str, clock: FakeClock) -> AsyncGenerator[Offices]:
    """Makes them, on one database."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    made: list[Office] = []

    def make(registration: RegistrationRule = RegistrationRule.UNCONFIRMED, **more: int) -> Office:
        made.append(Office(database, clock, registration=registration, **more))
        return made[-1]

    yield make
    for each in made:
        await each.sender.stop()
    await database.stop()


@pytest.fixture
def office(offices: Offices) -> Office:
    """One where strangers are let in."""
    return offices()


async def count(office: Office, table: Table) -> int:
    """Rows of a table."""
    async with office.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()


async def test_a_changed_password_ends_every_other_session(office: Office) -> None:
    """The one that asks goes on, the old password and the links of before are worth nothing, and a mail tells."""
    ann = await office.user()
    mine, other = await office.sign_in(), await office.sign_in(client=ELSEWHERE)
    session = office.signer.grants[-2].session
    link = await office.tokens.make(TokenPurpose.RESET_PASSWORD, subject=ann.name, tenant=ann.tenant, lifetime=VALID)
    await office.accounts.change_password(office.caller(ann, session), current=PASSWORD, new=NEW, client=HERE)
    await office.open_sessions.refresh(mine.refresh_token, client=HERE)
    with pytest.raises(RefreshTokenRefused):
        await office.open_sessions.refresh(other.refresh_token, client=HERE)
    with pytest.raises(InvalidCredentials):
        await office.sign_in()
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.reset_password(link, new=NEW, client=HERE)
    await office.sign_in(password=NEW)
    assert "tocsin.password-changed" in [letter.template for letter in await office.letters(2)]
    assert office.log.of(SecurityEvent.PASSWORD_CHANGED)[0]["sessions"] == "1"


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("wrong", NEW, "currentPassword"),
        ("", NEW, "currentPassword"),
        (PASSWORD, PASSWORD, "newPassword"),
        (PASSWORD, "short", "newPassword"),
        (PASSWORD, "x" * 129, "newPassword"),
        (PASSWORD, "password123!", "newPassword"),
        (PASSWORD, "ann@example.com", "newPassword"),
        (PASSWORD, "abc\ud800defgh", "newPassword"),
        ("\ud800", NEW, "currentPassword"),
    ],
    ids=ascii,
)
async def test_what_cannot_be_changed_names_the_field(office: Office, current: str, new: str, field: str) -> None:
    """And nothing is changed."""
    ann = await office.user()
    pair = await office.sign_in()
    with pytest.raises(InvalidInput) as refused:
        await office.accounts.change_password(office.caller(ann), current=current, new=new, client=HERE)
    assert [violation.field for violation in refused.value.violations] == [field]
    await office.open_sessions.refresh(pair.refresh_token, client=HERE)
    await office.sign_in()


async def test_guesses_of_the_current_password_are_bounded(office: Office) -> None:
    """Whoever has stolen an access token cannot try them out; the owner signs in meanwhile."""
    ann = await office.user()
    for _ in range(5):
        with pytest.raises(WrongPassword):
            await office.accounts.change_password(office.caller(ann), current="wrong", new=NEW, client=ELSEWHERE)
    with pytest.raises(TooManyAttempts):
        await office.accounts.change_password(office.caller(ann), current=PASSWORD, new=NEW, client=ELSEWHERE)
    await office.sign_in()


async def test_an_api_key_has_no_account_and_who_is_gone_has_none(office: Office) -> None:
    """Neither changes a password, nor asks for a mail, nor lists sessions."""
    ann = await office.user()
    key = TokenCaller(tenant=ann.tenant, subject="apiKeys/k1", scopes=frozenset())
    gone = TokenCaller(tenant=ann.tenant, subject="users/nobody", scopes=frozenset())
    stranger = TokenCaller(tenant="t2", subject=ann.name, scopes=frozenset())
    for who, error in ((key, UsersOnly), (gone, CallerGone), (stranger, CallerGone)):
        with pytest.raises(error):
            await office.accounts.change_password(who, current=PASSWORD, new=NEW, client=HERE)
        with pytest.raises(error):
            await office.accounts.resend_verification(who)


async def test_a_link_resets_the_password_once(office: Office) -> None:
    """Every session ends, other links of the user are void, the address is confirmed; what is refused leaves the link good."""
    ann = await office.user()
    pair = await office.sign_in()
    for _ in range(2):
        await office.accounts.request_reset(email="ANN@example.com", locale="de", client=HERE)
    letters = await office.letters(2)
    first, second = (letter.variables["token"] for letter in letters[:2])
    assert letters[0].locale == "de"
    with pytest.raises(InvalidInput):
        await office.accounts.reset_password(first, new="password123", client=HERE)
    await office.accounts.reset_password(first, new=NEW, client=HERE)
    for token in (first, second):
        with pytest.raises(OneTimeTokenVoid):
            await office.accounts.reset_password(token, new=PASSWORD, client=HERE)
    with pytest.raises(RefreshTokenRefused):
        await office.open_sessions.refresh(pair.refresh_token, client=HERE)
    await office.sign_in(password=NEW)
    assert (await office.store.get_user(ann.tenant, ann.id)).verified == office.clock.now()


async def test_a_link_is_for_one_purpose_one_user_and_half_an_hour(office: Office) -> None:
    """That of another purpose, of a user who is gone, and a late one are the same answer."""
    ann, bob = await office.user(), await office.user("bob@example.com")
    await office.accounts.resend_verification(office.caller(ann))
    verify = await office.link(VERIFY)
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.reset_password(verify, new=NEW, client=HERE)
    await office.accounts.request_reset(email="bob@example.com", locale="", client=HERE)
    reset = await office.link(RESET, 2)
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.verify_address(reset)
    await office.clock.advance(1800)
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.reset_password(reset, new=NEW, client=HERE)
    gone = await office.tokens.make(TokenPurpose.RESET_PASSWORD, subject="users/gone", tenant=bob.tenant, lifetime=VALID)
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.reset_password(gone, new=NEW, client=HERE)


async def test_of_many_who_use_a_link_at_once_one_succeeds(office: Office) -> None:
    """And its password counts."""
    await office.user()
    await office.accounts.request_reset(email="ann@example.com", locale="", client=HERE)
    token = await office.link(RESET)
    passwords = [f"{NEW} {number}" for number in range(5)]
    results = await asyncio.gather(
        *(office.accounts.reset_password(token, new=each, client=HERE) for each in passwords), return_exceptions=True
    )
    (winner,) = [index for index, result in enumerate(results) if not isinstance(result, BaseException)]
    await office.sign_in(password=passwords[winner])


async def test_asking_for_a_link_tells_nobody_who_has_an_account(office: Office) -> None:
    """The same work and answer, and no mail to a stranger; neither an address with a line break nor an odd language is taken."""
    await office.user()
    before = office.hasher.work.total()
    for email in ("ann@example.com", "nobody@example.com"):
        await office.accounts.request_reset(email=email, locale="", client=HERE)
    await office.accounts.request_reset(email="ann@example.com", locale="de_AT", client=HERE)
    assert office.hasher.work.total() == before
    assert {letter.address for letter in await office.letters(2)} == {"ann@example.com"}
    assert office.log.of(SecurityEvent.RESET_REQUESTED) == [{}, {}, {}]
    for email, locale in (("a@example.com\r\nBcc: b@example.com", ""), ("a@example.com", "Deutsch (Schweiz)"), ("a@example.com", "de\n")):
        with pytest.raises(InvalidInput):
            await office.accounts.request_reset(email=email, locale=locale, client=HERE)


async def test_a_client_may_ask_so_often_an_hour(offices: Offices) -> None:
    """Whatever addresses it names; others are apart."""
    office = offices(requests=3)
    for number in range(3):
        await office.accounts.request_reset(email=f"{number}@example.com", locale="", client=HERE)
    with pytest.raises(TooManyRequests) as refused:
        await office.accounts.request_reset(email="x@example.com", locale="", client=HERE)
    assert refused.value.retry_after == 3600
    with pytest.raises(TooManyRequests):
        await office.register()
    await office.accounts.request_reset(email="x@example.com", locale="", client=ELSEWHERE)


async def test_a_reset_lets_the_owner_in_while_others_guess(office: Office) -> None:
    """From a place that was never seen, under an attack from a hundred others."""
    await office.user()
    for number in range(50):
        with pytest.raises(InvalidCredentials):
            await office.sign_in(password="wrong", client=ClientFacts(address=f"10.0.0.{number}"))
    with pytest.raises(TooManyAttempts):
        await office.sign_in(client=ELSEWHERE)
    await office.accounts.request_reset(email="ann@example.com", locale="", client=ELSEWHERE)
    await office.accounts.reset_password(await office.link(RESET), new=NEW, client=ELSEWHERE)
    await office.sign_in(password=NEW, client=ELSEWHERE)


async def test_an_address_is_confirmed_by_its_link(office: Office) -> None:
    """Once; then there is nothing to confirm. Who has no address cannot."""
    ann = await office.user()
    await office.accounts.resend_verification(office.caller(ann))
    token = await office.link(VERIFY)
    assert (await office.accounts.verify_address(token)).id == ann.id
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.verify_address(token)
    with pytest.raises(AddressVerified):
        await office.accounts.resend_verification(office.caller(ann))
    nameless = await office.register("", username="bob")
    assert nameless is not None
    with pytest.raises(AddressMissing):
        await office.accounts.resend_verification(office.caller(nameless))


async def test_closed_lets_nobody_register(offices: Offices) -> None:
    """Before anything is hashed."""
    office = offices(RegistrationRule.CLOSED)
    with pytest.raises(RegistrationClosed):
        await office.register()
    assert office.hasher.work.total() == 0


async def test_open_makes_nothing_until_the_link_is_followed(offices: Offices) -> None:
    """Neither tenant nor user; then both, confirmed, in the language that was asked for."""
    office = offices(RegistrationRule.OPEN)
    assert await office.register(locale="de_CH", display_name="Änne", tenant_display_name="Acme") is None
    assert (await count(office, tenants), await count(office, users)) == (0, 0)
    with pytest.raises(InvalidCredentials):
        await office.sign_in()
    token = await office.link(VERIFY)
    ann = await office.accounts.verify_address(token)
    assert (ann.email, ann.display_name, ann.locale, ann.verified) == ("ann@example.com", "Änne", "de-CH", office.clock.now())
    assert await count(office, registrations) == 0
    await office.sign_in()
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.verify_address(token)


async def test_an_address_in_use_is_answered_alike(offices: Offices) -> None:
    """By as much work; its owner gets a mail that says so, and nobody takes the account over."""
    await offices().user()
    office = offices(RegistrationRule.OPEN)
    work: list[int] = []
    for email in ("ann@example.com", "bob@example.com"):
        before = office.hasher.work.total()
        assert await office.register(email, password=NEW) is None
        work.append(office.hasher.work.total() - before)
    assert work[0] == work[1]
    letters = {letter.address: letter for letter in await office.letters(2)}
    assert letters["ann@example.com"].template == "tocsin.already-registered"
    assert letters["ann@example.com"].variables == {}
    await office.sign_in()
    with pytest.raises(InvalidCredentials):
        await office.sign_in(password=NEW)


async def test_two_registrations_of_one_address_are_one_account(offices: Offices) -> None:
    """Whoever has the mailbox decides by the link; the other link is void then, and a name taken meanwhile is said."""
    office = offices(RegistrationRule.OPEN)
    await office.register(username="first")
    first = await office.link(VERIFY)
    await office.register(username="second", password=NEW)
    second = await office.link(VERIFY, 2)
    assert (await office.accounts.verify_address(second)).username == "second"
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.verify_address(first)
    with pytest.raises(UsernameTaken):
        await office.register("bob@example.com", username="SECOND")
    await office.register("bob@example.com", username="third")
    third = await office.link(VERIFY, 3)
    await offices().register("eve@example.com", username="third")
    with pytest.raises(UsernameTaken):
        await office.accounts.verify_address(third)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"email": ""}, "email"),
        ({"email": "", "username": "bob"}, "email"),
        ({"email": "a\r\nBcc: b@example.com"}, "email"),
        ({"locale": "Deutsch (CH)"}, "locale"),
        ({"locale": "de\r\nX: y"}, "locale"),
        ({"display_name": "a\nb"}, "displayName"),
        ({"password": "acme-2026!!"}, "password"),
    ],
    ids=str,
)
async def test_what_cannot_be_registered_names_the_field(offices: Offices, given: dict[str, str], field: str) -> None:
    """And costs no hashing."""
    office = offices(RegistrationRule.OPEN)
    with pytest.raises(InvalidInput) as refused:
        await office.register(client=HERE, **{"email": "ann@example.com", "tenant_display_name": "Acme", **given})
    assert [violation.field for violation in refused.value.violations] == [field]
    assert office.hasher.work.total() == 0


async def test_unconfirmed_registers_an_address_once(office: Office) -> None:
    """As it always was."""
    await office.user()
    with pytest.raises(EmailTaken):
        await office.register("Ann@EXAMPLE.com")
