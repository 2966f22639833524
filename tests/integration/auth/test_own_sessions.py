"""Sessions: how long they live, what is known of them, who ends them; and the clients that are known again: on each database."""

from collections.abc import AsyncGenerator

import pytest

from auth_svc.domain import (
    ClientFacts,
    InvalidCredentials,
    OneTimeTokenVoid,
    RefreshTokenRefused,
    ScopeNotHeld,
    SecurityEvent,
    SessionNotFound,
    TokenCaller,
    TooManyAttempts,
    UserNotFound,
)
from auth_svc.service import RegistrationRule
from tests.integration.auth.office import ELSEWHERE, HERE, PASSWORD, Office
from tocsin.database import Database
from tocsin.testing.clock import FakeClock

DAY = 86400


@pytest.fixture
async def office(database_url: str, clock: FakeClock) -> AsyncGenerator[Office]:
    """One where strangers are let in."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    made = Office(database, clock, registration=RegistrationRule.UNCONFIRMED)
    yield made
    await made.sender.stop()
    await database.stop()


async def test_a_session_ends_however_often_it_is_continued(office: Office) -> None:
    """After 90 days, and no token of it outlives it by a second."""
    await office.user()
    token = (await office.sign_in()).refresh_token
    began = office.clock.now()
    for _ in range(8):
        await office.clock.advance(11 * DAY)
        token = (await office.open_sessions.refresh(token, client=HERE)).refresh_token
    await office.clock.advance(2 * DAY - 60)
    pair = await office.open_sessions.refresh(token, client=HERE)
    assert (office.signer.grants[-1].expires - began).days == 90
    assert pair.expires_in <= 60
    await office.clock.advance(60)
    with pytest.raises(RefreshTokenRefused):
        await office.open_sessions.refresh(pair.refresh_token, client=HERE)


async def test_a_session_that_is_not_used_ends(office: Office) -> None:
    """After 30 days; it is no longer listed then."""
    ann = await office.user()
    pair = await office.sign_in()
    await office.clock.advance(30 * DAY)
    assert await office.list.sessions(office.caller(ann), ann.id, before="", limit=10) == []
    with pytest.raises(RefreshTokenRefused):
        await office.open_sessions.refresh(pair.refresh_token, client=HERE)


async def test_a_session_says_when_and_from_where(office: Office) -> None:
    """As it was last continued; the access token names it."""
    ann = await office.user()
    first = await office.sign_in()
    await office.clock.advance(60)
    await office.sign_in(client=ELSEWHERE)
    newest, oldest = await office.list.sessions(office.caller(ann), ann.id, before="", limit=10)
    assert [grant.session for grant in office.signer.grants] == [oldest.id, newest.id]
    assert (oldest.client, newest.client, oldest.last_used) == (HERE, ELSEWHERE, None)
    await office.clock.advance(60)
    moved = ClientFacts(address="2001:db8::1", agent="x\0y" * 60)
    await office.open_sessions.refresh(first.refresh_token, client=moved)
    _, used = await office.list.sessions(office.caller(ann), ann.id, before="", limit=10)
    assert (used.last_used, used.client.address) == (office.clock.now(), "2001:db8::1")
    assert [each.id for each in await office.list.sessions(office.caller(ann), ann.id, before=newest.id, limit=10)] == [oldest.id]


async def test_its_user_and_its_administrator_end_a_session_and_nobody_else(office: Office) -> None:
    """Another tenant's, another user's, and one that is none are the same answer."""
    ann, bob = await office.user(), await office.user("bob@example.com")
    pair = await office.sign_in()
    session = office.signer.grants[-1].session
    for caller, user in ((office.caller(bob), ann.id), (office.caller(bob), bob.id), (office.caller(ann), bob.id)):
        with pytest.raises(SessionNotFound):
            await office.list.end(caller, user, session)
    with pytest.raises(UserNotFound):
        await office.list.sessions(office.caller(bob), ann.id, before="", limit=10)
    with pytest.raises(UserNotFound):
        await office.list.end_all(office.caller(bob), ann.id, keep_current=False)
    await office.list.end(office.caller(ann), ann.id, session)
    with pytest.raises(SessionNotFound):
        await office.list.end(office.caller(ann), ann.id, session)
    with pytest.raises(RefreshTokenRefused):
        await office.open_sessions.refresh(pair.refresh_token, client=HERE)


@pytest.mark.parametrize("keep", [True, False])
async def test_one_signs_out_everywhere(office: Office, keep: bool) -> None:
    """But perhaps here; those of other users go on."""
    ann = await office.user()
    await office.user("bob@example.com")
    here, there = await office.sign_in(), await office.sign_in(client=ELSEWHERE)
    current = office.signer.grants[-2].session
    bobs = await office.sign_in("bob@example.com")
    assert await office.list.end_all(office.caller(ann, current), ann.id, keep_current=keep) == (1 if keep else 2)
    for pair, alive in ((here, keep), (there, False), (bobs, True)):
        if alive:
            await office.open_sessions.refresh(pair.refresh_token, client=HERE)
        else:
            with pytest.raises(RefreshTokenRefused):
                await office.open_sessions.refresh(pair.refresh_token, client=HERE)


async def test_a_refresh_token_that_comes_back_ends_its_session_alone(office: Office) -> None:
    """One of its two holders is a thief; every sign-in is a session of its own, whatever the client held before."""
    await office.user()
    first, second = await office.sign_in(), await office.sign_in()
    assert office.signer.grants[0].session != office.signer.grants[1].session
    successor = await office.open_sessions.refresh(first.refresh_token, client=HERE)
    for token in (first.refresh_token, successor.refresh_token):
        with pytest.raises(RefreshTokenRefused):
            await office.open_sessions.refresh(token, client=ELSEWHERE)
    await office.open_sessions.refresh(second.refresh_token, client=HERE)


async def test_a_device_is_known_by_its_token(office: Office) -> None:
    """It gets one at its first sign-in, and none while it shows it; at the attacker's own address it is not held up."""
    await office.user()
    device = (await office.sign_in()).device_token
    assert device
    assert (await office.sign_in(device=device)).device_token == ""
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await office.sign_in(password="wrong")
    with pytest.raises(TooManyAttempts):
        await office.sign_in()
    assert (await office.sign_in(device=device)).device_token == ""


@pytest.mark.parametrize("foreign", [True, False])
async def test_what_is_no_token_of_this_account_makes_nobody_known(office: Office, foreign: bool) -> None:
    """That of another account, and an invented one: its bearer is everybody at that address."""
    await office.user()
    await office.user("eve@example.com")
    token = (await office.sign_in("eve@example.com", client=ELSEWHERE)).device_token if foreign else "td_invented"
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await office.sign_in(password="wrong", client=ELSEWHERE, device=token)
    with pytest.raises(TooManyAttempts):
        await office.sign_in(client=ELSEWHERE, device=token)


async def test_a_botnet_does_not_keep_out_who_was_here_before(office: Office) -> None:
    """Fifty addresses have used up what the account allows to strangers: the owner signs in from the usual place, a stranger waits."""
    await office.user()
    await office.sign_in()
    for number in range(50):
        with pytest.raises(InvalidCredentials):
            await office.sign_in(password="wrong", client=ClientFacts(address=f"2001:db8:{number:x}::1"))
    with pytest.raises(TooManyAttempts):
        await office.sign_in(client=ELSEWHERE)
    await office.sign_in()


async def test_one_customers_addresses_are_one_client(office: Office) -> None:
    """Whoever has a /64 does not get five guesses for each of its addresses."""
    await office.user()
    for number in range(5):
        with pytest.raises(InvalidCredentials):
            await office.sign_in(password="wrong", client=ClientFacts(address=f"2001:db8::{number:x}"))
    with pytest.raises(TooManyAttempts):
        await office.sign_in(client=ClientFacts(address="2001:db8::ffff"))


async def test_unknown_names_cost_and_count_the_same(office: Office) -> None:
    """As much hashing, and the same waits."""
    await office.user()
    work: list[int] = []
    for name in ("ann@example.com", "nobody@example.com", "nobody", "a b@example.com"):
        before = office.hasher.work.total()
        client = ClientFacts(address=f"10.0.0.{len(work)}")
        for _ in range(5):
            with pytest.raises(InvalidCredentials):
                await office.sign_in(name, "wrong", client=client)
        with pytest.raises(TooManyAttempts):
            await office.sign_in(name, "wrong", client=client)
        work.append(office.hasher.work.total() - before)
    assert work == [5, 5, 5, 5]


async def test_a_sign_in_by_a_new_client_is_told(office: Office) -> None:
    """Not the first of all, not one that is known by its place or its token; with time, address and program."""
    await office.user()
    device = (await office.sign_in()).device_token
    await office.sign_in()
    await office.sign_in(client=ELSEWHERE, device=device)
    await office.clock.advance(3600)
    await office.sign_in(client=ClientFacts(address="192.0.2.1", agent="Mozilla/5.0"))
    (letter,) = await office.letters(1)
    assert (letter.template, letter.address) == ("tocsin.new-sign-in", "ann@example.com")
    assert letter.variables == {"time": "2026-01-01 01:00 UTC", "address": "192.0.2.1", "agent": "Mozilla/5.0"}
    assert [facts.get("why") for facts in office.log.of(SecurityEvent.LOGIN_SUCCEEDED)] == [None, None, None, "new client"]


async def test_a_link_signs_in_once(office: Office) -> None:
    """For ten minutes; whoever makes it has every scope that it gives, in the same tenant."""
    ann, bob = await office.user(), await office.user("bob@example.com")
    token, expires = await office.sessions.create_link(office.caller(ann), ann.id)
    assert (expires - office.clock.now()).total_seconds() == 600
    assert (await office.sessions.sign_in_by_link(token, client=HERE)).scopes == office.caller(ann).scopes
    with pytest.raises(OneTimeTokenVoid):
        await office.sessions.sign_in_by_link(token, client=HERE)
    with pytest.raises(UserNotFound):
        await office.sessions.create_link(office.caller(bob), ann.id)
    weak = TokenCaller(tenant=ann.tenant, subject=ann.name, scopes=frozenset({"users:write"}))
    with pytest.raises(ScopeNotHeld):
        await office.sessions.create_link(weak, ann.id)
    late, _ = await office.sessions.create_link(office.caller(ann), ann.id)
    await office.clock.advance(600)
    with pytest.raises(OneTimeTokenVoid):
        await office.sessions.sign_in_by_link(late, client=HERE)
    assert len(office.log.of(SecurityEvent.LINK_CREATED)) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [("e\u0301tang-du-nord", "\u00e9tang-du-nord"), ("\ufb03zqxv-wk", "ffizqxv-wk"), ("a\0b-vlkxqw", "a\0b-vlkxqw")],
    ids=ascii,
)
async def test_a_password_is_the_same_however_it_is_typed(office: Office, one: str, other: str) -> None:
    """NFKC; and what follows U+0000 counts."""
    await office.register(password=one)
    await office.sign_in(password=other)
    with pytest.raises(InvalidCredentials):
        await office.sign_in(password=other[:-1])
    assert PASSWORD not in (one, other)
