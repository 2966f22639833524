"""One-time tokens and the mails about accounts: on each database, and as they are sent."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from ulid import ULID

from auth_svc.domain import (
    MOST_AN_HOUR,
    OWNER,
    AccountMailKind,
    OneTimeTokenVoid,
    Tenant,
    TokenPurpose,
    User,
)
from auth_svc.service import AccountMails, AccountMailSender, OneTimeTokens
from auth_svc.store import AuthStore
from auth_svc.store.tables import account_mails
from tests.integration.auth.office import LetterBox
from tocsin.database import Database
from tocsin.errors import InvalidInput, Unavailable
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually
from tocsin.wake import Wake

HOUR = timedelta(hours=1)


class MailOffice:
    """A store with what sends its mails."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.store = AuthStore(database=database)
        self.database = database
        self.clock = clock
        self.box = LetterBox()
        written = Wake(clock)
        self.tokens = OneTimeTokens(store=self.store, clock=clock)
        self.mails = AccountMails(store=self.store, clock=clock, written=written)
        self.sender = AccountMailSender(
            store=self.store,
            accounts=self.store,
            owners=self.store,
            tokens=self.tokens,
            postman=self.box,
            link=lambda path: f"https://tocsin.example{path}",
            clock=clock,
            written=written,
        )

    async def user(self, email: str = "Ann@example.com") -> User:
        """A stored user."""
        now = self.clock.now()
        tenant = Tenant(id=str(ULID()), display_name="Acme", time_zone="UTC", operator=False, created=now)
        user = User(id=str(ULID()), tenant=tenant.id, email=email, display_name="Änne", role=OWNER, created=now, locale="de")
        await self.store.add_tenant(tenant, user, "hash")
        return user

    async def add(
        self, kind: AccountMailKind = AccountMailKind.RESET_PASSWORD, address: str = "ann@example.com", subject: str = ""
    ) -> None:
        """Asks for a mail."""
        await self.mails.add(self.mails.draft(kind, address=address, subject=subject))

    async def nothing_waits(self) -> bool:
        """Whether every mail is done with."""
        async with self.database.read() as connection:
            waiting = select(func.count()).select_from(account_mails).where(account_mails.c.done_at.is_(None))
            return (await connection.execute(waiting)).scalar_one() == 0

    async def sent_in_time(self) -> bool:
        """Whether there is a letter; time goes on while there is none."""
        await self.clock.advance(5)
        return bool(self.box.letters)

    async def until_sent(self, count: int) -> None:
        """Returns once so many letters were taken."""
        await eventually(lambda: len(self.box.letters) >= count)


@pytest.fixture
async def office(database_url: str, clock: FakeClock) -> AsyncGenerator[MailOffice]:
    """An empty one."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    made = MailOffice(database, clock)
    yield made
    await made.sender.stop()
    await database.stop()


async def test_a_token_works_once_for_its_purpose_and_in_time(office: MailOffice) -> None:
    """Reading it does not use it; another purpose, a second use, its end and what is none are one refusal."""
    secret = await office.tokens.make(TokenPurpose.SIGN_IN, subject="users/u1", tenant="t1", lifetime=HOUR)
    read = await office.tokens.read(TokenPurpose.SIGN_IN, secret)
    assert (read.subject, read.tenant, read.expires - read.created) == ("users/u1", "t1", HOUR)
    for purpose, text in ((TokenPurpose.RESET_PASSWORD, secret), (TokenPurpose.SIGN_IN, secret + "x"), (TokenPurpose.SIGN_IN, "")):
        with pytest.raises(OneTimeTokenVoid):
            await office.tokens.use(purpose, text)
    assert (await office.tokens.use(TokenPurpose.SIGN_IN, secret)).subject == "users/u1"
    for again in (office.tokens.read, office.tokens.use):
        with pytest.raises(OneTimeTokenVoid):
            await again(TokenPurpose.SIGN_IN, secret)
    late = await office.tokens.make(TokenPurpose.SIGN_IN, subject="users/u1", tenant="t1", lifetime=HOUR)
    await office.clock.advance(3600)
    with pytest.raises(OneTimeTokenVoid):
        await office.tokens.use(TokenPurpose.SIGN_IN, late)


async def test_using_one_token_withdraws_the_others_of_its_subject(office: MailOffice) -> None:
    """Those of another purpose or subject stay."""
    tokens = office.tokens
    first, second = [await tokens.make(TokenPurpose.RESET_PASSWORD, subject="users/u1", tenant="t1", lifetime=HOUR) for _ in range(2)]
    other = await tokens.make(TokenPurpose.RESET_PASSWORD, subject="users/u2", tenant="t1", lifetime=HOUR)
    verify = await tokens.make(TokenPurpose.VERIFY_ADDRESS, subject="users/u1", tenant="t1", lifetime=HOUR)
    await tokens.use(TokenPurpose.RESET_PASSWORD, first)
    with pytest.raises(OneTimeTokenVoid):
        await tokens.use(TokenPurpose.RESET_PASSWORD, second)
    await tokens.use(TokenPurpose.RESET_PASSWORD, other)
    await tokens.withdraw(TokenPurpose.VERIFY_ADDRESS, "users/u1")
    with pytest.raises(OneTimeTokenVoid):
        await tokens.read(TokenPurpose.VERIFY_ADDRESS, verify)


async def test_of_many_who_use_the_tokens_of_a_subject_one_succeeds(office: MailOffice) -> None:
    """At the same moment, each with one of two tokens."""
    secrets = [await office.tokens.make(TokenPurpose.RESET_PASSWORD, subject="users/u1", tenant="t1", lifetime=HOUR) for _ in range(2)] * 4
    uses = await asyncio.gather(*(office.tokens.use(TokenPurpose.RESET_PASSWORD, each) for each in secrets), return_exceptions=True)
    assert sum(not isinstance(each, OneTimeTokenVoid) for each in uses) == 1, uses


async def test_a_mail_is_sent_with_a_link_made_at_that_moment(office: MailOffice) -> None:
    """In its reader's language; its token works, and the database has only a digest of it."""
    user = await office.user()
    await office.sender.start()
    await office.add()
    await office.until_sent(1)
    (letter,) = office.box.letters
    assert (letter.template, letter.address, letter.locale) == ("tocsin.password-reset", "ann@example.com", "de")
    assert letter.variables["name"] == "Änne"
    token = letter.variables["token"]
    assert letter.variables["url"] == f"https://tocsin.example/account/reset/{token}"
    assert (await office.tokens.use(TokenPurpose.RESET_PASSWORD, token)).subject == user.name


async def test_an_address_without_an_account_gets_nothing(office: MailOffice) -> None:
    """And what was asked for it is done with."""
    await office.sender.start()
    await office.add(address="stranger@example.com")
    await office.add(AccountMailKind.PASSWORD_CHANGED, "ann@example.com", "users/u1")
    await office.until_sent(1)
    assert [letter.address for letter in office.box.letters] == ["ann@example.com"]
    await eventually(office.nothing_waits)


async def test_an_address_gets_so_many_of_a_kind_an_hour(office: MailOffice) -> None:
    """Counted by the address, however it is written; other kinds and addresses do not count, and an hour later there are more."""
    await office.sender.start()
    for spelling in ("bob@example.com", "BOB@example.com"):
        for _ in range(MOST_AN_HOUR):
            await office.add(AccountMailKind.VERIFY_ADDRESS, spelling, "users/u1")
    await office.add(AccountMailKind.PASSWORD_CHANGED, "bob@example.com", "users/u1")
    await office.until_sent(MOST_AN_HOUR + 1)
    assert len(office.box.letters) == MOST_AN_HOUR + 1
    await office.clock.advance(3601)
    await office.add(AccountMailKind.VERIFY_ADDRESS, "bob@example.com", "users/u1")
    await office.until_sent(MOST_AN_HOUR + 2)


async def test_a_mailer_that_is_away_gets_it_later_and_one_that_refuses_does_not(office: MailOffice) -> None:
    """Tried again under the same id, with a token that works; what will never be taken costs itself alone."""
    await office.user()
    await office.sender.start()
    office.box.errors = [Unavailable("away"), Unavailable("away")]
    await office.add()
    await eventually(office.sent_in_time)
    assert (len(office.box.letters), office.box.errors) == (1, [])
    await office.tokens.read(TokenPurpose.RESET_PASSWORD, office.box.letters[0].variables["token"])
    office.box.errors = [InvalidInput.at("address", "is none")]
    await office.add(AccountMailKind.PASSWORD_CHANGED, "bob@example.com", "users/u1")
    await office.add(AccountMailKind.NEW_SIGN_IN, "bob@example.com", "users/u1")
    await office.until_sent(2)
    assert office.box.letters[1].template == "tocsin.new-sign-in"


async def test_a_mail_that_could_not_be_sent_in_time_is_given_up(office: MailOffice) -> None:
    """A link that came an hour late would be of no use."""
    await office.user()
    await office.add()
    await office.clock.advance(1801)
    await office.sender.start()
    await office.add(AccountMailKind.PASSWORD_CHANGED, "bob@example.com", "users/u1")
    await office.until_sent(1)
    assert [letter.template for letter in office.box.letters] == ["tocsin.password-changed"]


@pytest.mark.parametrize("broken", [{"kind": "FROM_THE_FUTURE"}, {"variables": "[1"}, {"variables": "[]"}])
async def test_a_row_that_cannot_be_read_costs_itself_alone(office: MailOffice, broken: dict[str, str]) -> None:
    """Of another version, or damaged."""
    await office.add(AccountMailKind.PASSWORD_CHANGED, "bob@example.com", "users/u1")
    async with office.database.transaction() as connection:
        await connection.execute(update(account_mails).values(broken))
    await office.add(AccountMailKind.NEW_SIGN_IN, "bob@example.com", "users/u1")
    await office.sender.start()
    await office.until_sent(1)
    assert [letter.template for letter in office.box.letters] == ["tocsin.new-sign-in"]


async def test_two_replicas_do_not_send_the_same_mail(office: MailOffice) -> None:
    """What one has taken the other does not see, until it seems to have died."""
    await office.add(AccountMailKind.PASSWORD_CHANGED, "bob@example.com", "users/u1")
    now = office.clock.now()
    both = await asyncio.gather(*(office.store.take_account_mails(now=now, until=now + HOUR, limit=10) for _ in range(2)))
    assert sorted(map(len, both)) == [0, 1]
    assert len(await office.store.take_account_mails(now=now + HOUR, until=now + 2 * HOUR, limit=10)) == 1


async def test_what_is_old_goes(office: MailOffice) -> None:
    """Tokens that expired, and mails that no longer count."""
    secret = await office.tokens.make(TokenPurpose.SIGN_IN, subject="users/u1", tenant="t1", lifetime=HOUR)
    await office.add()
    now = office.clock.now()
    assert (await office.store.purge_one_time(now), await office.store.purge_account_mails(now)) == (0, 0)
    await office.tokens.read(TokenPurpose.SIGN_IN, secret)
    assert (await office.store.purge_one_time(now + HOUR), await office.store.purge_account_mails(now + HOUR)) == (1, 1)
