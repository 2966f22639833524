"""Another email address: confirmed by its mailbox, told to the one of before, and taken back from there; on each database."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from google.api import httpbody_pb2
from sqlalchemy import update

from auth_svc.domain import (
    AccountLetter,
    CallerGone,
    EmailTaken,
    FreshProofRequired,
    InvalidCredentials,
    OneTimeTokenVoid,
    RefreshTokenRefused,
    SecurityEvent,
    TokenCaller,
    TokenPurpose,
    TooManyAddressChanges,
    UsersOnly,
)
from auth_svc.handlers import AccountPageHandlers
from auth_svc.service import FactorAnswer, RegistrationRule
from auth_svc.service.registering import TooManyRequests
from auth_svc.store.tables import users
from tests.integration.auth.office import ELSEWHERE, HERE, PASSWORD, Office
from tocsin.api.auth.v1 import account_service_pb2 as pb
from tocsin.database import Database
from tocsin.errors import InvalidInput
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

OLD, NEW = "ann@example.com", "ann@new.example.com"


@pytest.fixture
async def offices(database_url: str, clock: FakeClock) -> AsyncGenerator[Callable[..., Office]]:
    """Makes them, on one database."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    made: list[Office] = []

    def make(**more: int) -> Office:
        made.append(Office(database, clock, registration=RegistrationRule.UNCONFIRMED, **more))
        return made[-1]

    yield make
    for each in made:
        await each.sender.stop()
    await database.stop()


@pytest.fixture
def office(offices: Callable[..., Office]) -> Office:
    """One where strangers are let in."""
    return offices()


async def signed_in(office: Office, email: str = OLD) -> TokenCaller:
    """Somebody who has an account and signed in just now."""
    user = await office.user(email)
    await office.sign_in(email)
    return office.caller(user, office.signer.grants[-1].session)


async def letters(office: Office, template: str, count: int = 1) -> list[AccountLetter]:
    """The letters of one template, once there are so many."""
    await office.sender.start()
    found: list[AccountLetter] = []

    def arrived() -> bool:
        found[:] = [letter for letter in office.box.letters if letter.template == template]
        return len(found) >= count

    await eventually(arrived, what=f"{count} letters of {template}")
    return found


async def asked(office: Office, who: TokenCaller, address: str = NEW, count: int = 1) -> str:
    """Asks for an address; the token of its link."""
    await office.addresses.ask(who, address=address, client=HERE)
    return (await letters(office, "tocsin.address-change", count))[-1].variables["token"]


async def moved(office: Office, who: TokenCaller, address: str = NEW, count: int = 1) -> str:
    """Changes the address; the token of the way back."""
    await office.addresses.confirm(await asked(office, who, address, count))
    return (await letters(office, "tocsin.address-changed", count))[-1].variables["token"]


async def link_of(office: Office, who: TokenCaller, purpose: TokenPurpose) -> str:
    """Another link of the user."""
    return await office.tokens.make(purpose, subject=who.subject, tenant=who.tenant, lifetime=timedelta(minutes=30))


async def test_it_counts_once_its_mailbox_says_so(office: Office) -> None:
    """Until then nothing is changed; then the session that asked goes on, the others end, and links to the old one are void."""
    who = await signed_in(office)
    mine = who.session
    other = await office.sign_in(client=ELSEWHERE)
    token = await asked(office, who)
    await office.sign_in()
    with pytest.raises(InvalidCredentials):
        await office.sign_in(NEW)
    links = [await link_of(office, who, purpose) for purpose in (TokenPurpose.RESET_PASSWORD, TokenPurpose.VERIFY_ADDRESS)]
    await office.addresses.confirm(token)
    assert [each.id for each in await office.list.sessions(who, who.user, before="", limit=10)] == [mine]
    with pytest.raises(RefreshTokenRefused):
        await office.open_sessions.refresh(other.refresh_token, client=HERE)
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.reset_password(links[0], new="an otter sleeps on its back", client=HERE)
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.verify_address(links[1])
    with pytest.raises(InvalidCredentials):
        await office.sign_in()
    await office.sign_in(NEW)
    user = await office.store.get_user(who.tenant, who.user)
    assert (user.email, user.verified) == (NEW, office.clock.now())
    (notice,) = await letters(office, "tocsin.address-changed")
    assert (notice.address, notice.variables["address"]) == (OLD, NEW)
    assert office.log.of(SecurityEvent.ADDRESS_CHANGED)[0]["sessions"] == "2"


async def test_the_way_back_gives_the_account_to_the_mailbox_of_before(office: Office) -> None:
    """However often the address was changed since: every session ends, the password works no more, and a mail leads to another one."""
    who = await signed_in(office)
    back = await moved(office, who)
    later = await moved(office, who, "thief@example.com", 2)
    pending = await asked(office, who, "third@example.com", 3)
    await office.addresses.revert(back)
    assert (await office.store.get_user(who.tenant, who.user)).email == OLD
    assert await office.list.sessions(who, who.user, before="", limit=10) == []
    for name in (OLD, NEW, "thief@example.com"):
        with pytest.raises(InvalidCredentials):
            await office.sign_in(name)
    for token, use in ((later, office.addresses.revert), (pending, office.addresses.confirm), (back, office.addresses.revert)):
        with pytest.raises(OneTimeTokenVoid):
            await use(token)
    (letter,) = await letters(office, "tocsin.password-reset")
    assert letter.address == OLD
    await office.accounts.reset_password(letter.variables["token"], new="an otter sleeps on its back", client=HERE)
    await office.sign_in(password="an otter sleeps on its back")
    assert len(office.log.of(SecurityEvent.ADDRESS_REVERTED)) == 1


async def test_whether_an_address_has_an_account_is_told_to_its_mailbox_alone(office: Office) -> None:
    """Who asks is answered alike; the mailbox gets no link, and an address that gets an account meanwhile cannot be taken."""
    who = await signed_in(office)
    await office.user("bob@example.com")
    await office.addresses.ask(who, address="BOB@example.com", client=HERE)
    (told,) = await letters(office, "tocsin.address-in-use")
    assert (told.address, dict(told.variables)) == ("BOB@example.com", {})
    token = await asked(office, who)
    await office.user(NEW)
    with pytest.raises(OneTimeTokenVoid):
        await office.addresses.confirm(token)
    assert (await office.store.get_user(who.tenant, who.user)).email == OLD
    await office.sign_in()


async def test_an_address_that_was_left_may_be_somebody_elses(office: Office) -> None:
    """Then nothing can be taken back."""
    who = await signed_in(office)
    back = await moved(office, who)
    await office.user(OLD)
    with pytest.raises(OneTimeTokenVoid):
        await office.addresses.revert(back)
    await office.sign_in(NEW)


async def test_it_needs_a_fresh_proof_of_a_person(office: Office) -> None:
    """Neither a session of an hour ago, nor one that has ended, nor an API key, nor a user of another tenant changes an address."""
    who = await signed_in(office)
    key = TokenCaller(tenant=who.tenant, subject="apiKeys/k1", scopes=frozenset())
    ended = replace(who, session="0" * 26)
    stranger = replace(who, tenant="t2")
    await office.clock.advance(601)
    for caller, error in ((who, FreshProofRequired), (ended, CallerGone), (key, UsersOnly), (stranger, CallerGone)):
        with pytest.raises(error):
            await office.addresses.ask(caller, address=NEW, client=HERE)
    await office.proofs.prove(who, password=PASSWORD, answer=FactorAnswer(), challenge="", client=HERE)
    await office.addresses.ask(who, address=NEW, client=HERE)


@pytest.mark.parametrize("address", ["", "ann@", "ANN@example.com", "ann@example.com\r\nBcc: x@y.test", "ann@\ud800.test"], ids=ascii)
async def test_what_is_no_other_address_names_the_field(office: Office, address: str) -> None:
    """And no mail is sent."""
    who = await signed_in(office)
    with pytest.raises(InvalidInput) as refused:
        await office.addresses.ask(who, address=address, client=HERE)
    assert [violation.field for violation in refused.value.violations] == ["newEmail"]


async def test_links_are_for_one_change_and_end(office: Office) -> None:
    """A later wish voids the one before, each link works for its purpose alone and in time, and once."""
    who = await signed_in(office)
    first = await asked(office, who)
    second = await asked(office, who, "ann@third.example.com", 2)
    for use in (office.addresses.confirm, office.addresses.revert, office.accounts.verify_address):
        with pytest.raises(OneTimeTokenVoid):
            await use(first)
    with pytest.raises(OneTimeTokenVoid):
        await office.addresses.revert(second)
    await office.addresses.confirm(second)
    (letter,) = await letters(office, "tocsin.address-changed")
    await office.clock.advance(3 * 86400)
    for token, use in ((second, office.addresses.confirm), (letter.variables["token"], office.addresses.revert)):
        with pytest.raises(OneTimeTokenVoid):
            await use(token)


async def test_of_many_who_confirm_at_once_one_does(office: Office) -> None:
    """And the old address is told once."""
    who = await signed_in(office)
    token = await asked(office, who)
    done = await asyncio.gather(*(office.addresses.confirm(token) for _ in range(5)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["OneTimeTokenVoid"] * 4 + ["User"]
    assert len(await letters(office, "tocsin.address-changed")) == 1


async def test_an_address_that_was_changed_otherwise_is_left_alone(office: Office) -> None:
    """A link that was asked for while there was another address is void; so is one of a user who is deactivated."""
    who = await signed_in(office)
    token = await asked(office, who)
    async with office.database.transaction() as connection:
        await connection.execute(update(users).values(email="x@example.com", email_key="x@example.com"))
    with pytest.raises(OneTimeTokenVoid):
        await office.addresses.confirm(token)
    again = await asked(office, who, "ann@third.example.com", 2)
    async with office.database.transaction() as connection:
        await connection.execute(update(users).values(deactivated_at=1))
    with pytest.raises(OneTimeTokenVoid):
        await office.addresses.confirm(again)


async def test_users_and_clients_fill_no_mailboxes(offices: Callable[..., Office]) -> None:
    """A user may ask five times an hour, a client as often as the settings say, whoever they ask for."""
    office = offices(requests=8)
    who = await signed_in(office)
    for number in range(5):
        await office.addresses.ask(who, address=f"a{number}@example.com", client=HERE)
    with pytest.raises(TooManyAddressChanges):
        await office.addresses.ask(who, address=NEW, client=HERE)
    bob = await signed_in(office, "bob@example.com")
    with pytest.raises(TooManyRequests):
        await office.addresses.ask(bob, address=NEW, client=HERE)
    await office.addresses.ask(bob, address=NEW, client=ELSEWHERE)


async def test_who_signed_in_by_a_username_alone_gets_an_address(office: Office) -> None:
    """There is no address to tell, and the username goes on."""
    await office.register("", username="ann")
    await office.sign_in("ann")
    account = await office.store.find_account("ann")
    assert account is not None
    who = office.caller(account.user, office.signer.grants[-1].session)
    await office.addresses.confirm(await asked(office, who))
    await office.sign_in("ann")
    await office.sign_in(NEW)
    assert not [letter for letter in office.box.letters if letter.template == "tocsin.address-changed"]
    with pytest.raises(EmailTaken):
        await office.user(NEW)


async def test_the_pages_behind_the_links_act_by_their_buttons_alone(office: Office) -> None:
    """Looking changes nothing, for programs follow links too; in either language; what works no more says so."""
    who = await signed_in(office)
    pages = AccountPageHandlers(accounts=office.accounts, invitations=office.invitations, addresses=office.addresses)
    pressed = httpbody_pb2.HttpBody(content_type="application/x-www-form-urlencoded", data=b"confirm=yes")
    context: Any = None

    async def shown(answer: Awaitable[pb.AccountPage]) -> tuple[int, str]:
        page = await answer
        return page.status, page.page.data.decode()

    token = await asked(office, who)
    german = pb.ShowAddressPageRequest(token=token, headers={"accept-language": "de"})
    assert "Ja, verwenden" in (await shown(pages.ShowAddressPage(german, context)))[1]
    assert "Yes, use it" in (await shown(pages.SubmitAddressPage(pb.SubmitAddressPageRequest(token=token), context)))[1]
    assert (await office.store.get_user(who.tenant, who.user)).email == OLD
    submit = pb.SubmitAddressPageRequest(token=token, form=pressed)
    assert (await shown(pages.SubmitAddressPage(submit, context)))[0] == 200
    assert (await shown(pages.SubmitAddressPage(submit, context)))[0] == 404
    assert (await office.store.get_user(who.tenant, who.user)).email == NEW

    (letter,) = await letters(office, "tocsin.address-changed")
    back = letter.variables["token"]
    assert letter.variables["url"] == f"https://tocsin.example/account/address-back/{back}"
    assert "take it back" in (await shown(pages.ShowAddressBackPage(pb.ShowAddressBackPageRequest(token=back), context)))[1]
    undo = pb.SubmitAddressBackPageRequest(token=back, form=pressed)
    assert (await shown(pages.SubmitAddressBackPage(pb.SubmitAddressBackPageRequest(token=back), context)))[0] == 200
    assert (await office.store.get_user(who.tenant, who.user)).email == NEW
    assert (await shown(pages.SubmitAddressBackPage(undo, context)))[0] == 200
    assert (await shown(pages.SubmitAddressBackPage(undo, context)))[0] == 404
    assert (await office.store.get_user(who.tenant, who.user)).email == OLD
