"""Invitations: by the mail that is sent, and by the page behind its link."""

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlencode

import pytest
from google.api import httpbody_pb2

from auth_svc.domain import (
    INVITED_FOR,
    OPERATOR,
    OWNER,
    VIEWER,
    AccountMailKind,
    EmailTaken,
    InvitationState,
    OneTimeTokenVoid,
    ScopeNotHeld,
    SecurityEvent,
    Tenant,
    User,
)
from auth_svc.handlers import AccountPageHandlers
from auth_svc.service import RegistrationRule
from tests.integration.auth.office import HERE, PASSWORD, Office
from tocsin.api.auth.v1 import account_service_pb2 as pb
from tocsin.database import Database
from tocsin.errors import InvalidInput
from tocsin.testing.clock import FakeClock

KIND = AccountMailKind.INVITATION
BOB = "bob@example.com"
CHOSEN = "an otter sleeps on its back"


@pytest.fixture
async def office(sqlite_url: str, clock: FakeClock) -> AsyncGenerator[Office]:
    """An office at which strangers are let in."""
    database = Database(url=sqlite_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    made = Office(database, clock, registration=RegistrationRule.UNCONFIRMED)
    yield made
    await made.sender.stop()
    await database.stop()


class Guest:
    """Somebody with the link of a mail, at its page."""

    def __init__(self, office: Office, token: str) -> None:
        self._pages = AccountPageHandlers(accounts=office.accounts, invitations=office.invitations, addresses=office.addresses)
        self.token = token

    async def look(self, language: str = "en") -> tuple[int, str]:
        """Opens the page."""
        context: Any = None
        request = pb.ShowInvitationPageRequest(token=self.token, headers={"accept-language": language})
        return _read(await self._pages.ShowInvitationPage(request, context))

    async def send(self, name: str = "Bob", password: str = CHOSEN, again: str | None = None) -> tuple[int, str]:
        """Sends the form."""
        context: Any = None
        form = urlencode({"name": name, "password": password, "again": password if again is None else again})
        body = httpbody_pb2.HttpBody(content_type="application/x-www-form-urlencoded", data=form.encode())
        return _read(await self._pages.SubmitInvitationPage(pb.SubmitInvitationPageRequest(token=self.token, form=body), context))


def _read(page: pb.AccountPage) -> tuple[int, str]:
    return page.status, page.page.data.decode()


async def _invited(office: Office, owner: User, role: str = OPERATOR.name, email: str = BOB, letters: int = 1) -> Guest:
    await office.invitations.create(office.caller(owner), email=email, role=role, locale="de")
    return Guest(office, await office.link(KIND, letters))


async def test_whoever_has_the_link_becomes_a_user(office: Office) -> None:
    """The mail names tenant and inviter; looking changes nothing; the user has the role, a confirmed address, and signs in."""
    ann = await office.user()
    guest = await _invited(office, ann)
    letter = office.box.letters[0]
    assert (letter.template, letter.address, letter.locale) == ("tocsin.invitation", BOB, "de")
    assert letter.variables["tenant"] == "ann@example.com"
    for _ in range(2):
        status, html = await guest.look()
        assert status == 200
        assert BOB in html
    assert (await guest.look("de"))[1].count("Annehmen") == 1
    status, html = await guest.send("Bob <b>")
    assert status == 200
    assert "Welcome" in html
    await office.sign_in(BOB, CHOSEN)
    user = next(each for each in await office.store.list_users(ann.tenant, after="", limit=9) if each.email == BOB)
    assert (user.role, user.verified, user.locale, user.display_name) == (OPERATOR, office.clock.now(), "de", "Bob <b>")
    assert (await guest.send())[0] == 404
    assert (await guest.look())[0] == 404
    found = (await office.invitations.invitations(office.caller(ann), before="", limit=9))[0]
    assert (found.user, office.invitations.state(found)) == (user.id, InvitationState.ACCEPTED)
    assert [facts["role"] for facts in office.log.of(SecurityEvent.INVITATION_ACCEPTED)] == ["operator"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"again": "something else entirely"}, "The two differ."),
        ({"password": "short"}, "Password:"),
        ({"password": "bob@example.com"}, "Password:"),
        ({"name": "  "}, "Your name:"),
        ({"name": "x" * 101}, "Your name:"),
        ({"name": "a\x00b"}, "Your name:"),
    ],
    ids=["differ", "short", "own address", "no name", "long name", "control character"],
)
async def test_refused_form_says_why_and_leaves_the_link(office: Office, form: dict[str, str], said: str) -> None:
    """What was typed stays, escaped; then it works."""
    guest = await _invited(office, await office.user())
    status, html = await guest.send(**{"name": '"><script>', **form})
    assert status == 400
    assert said in html
    assert "<script>" not in html
    assert (await guest.send())[0] == 200


async def test_account_elsewhere_is_told_to_the_mailbox_alone(office: Office) -> None:
    """Whoever invites learns nothing; the page says what is to be done; once the other account is gone, the link works."""
    ann, eve = await office.user(), await office.user("eve@example.com")
    guest = await _invited(office, ann, email="eve@example.com")
    status, html = await guest.send()
    assert status == 409
    assert "has an account already" in html
    with pytest.raises(EmailTaken):
        await office.invitations.accept(guest.token, display_name="E", username="", password=CHOSEN, client=HERE)
    await office.store.add_user(
        User(id="0" * 26, tenant=eve.tenant, email="", username="x", display_name="", role=OWNER, created=eve.created), "h"
    )
    await office.store.remove_user(eve.tenant, eve.id, owners=True)
    assert (await guest.send("Eve"))[0] == 200


async def test_link_ends_with_its_time_its_withdrawal_and_its_sender(office: Office) -> None:
    """After 7 days, when it is revoked, and when whoever sent it has lost what the role gives; sent again by another, it works."""
    ann = await office.user()
    late = await _invited(office, ann)
    await office.clock.advance(INVITED_FOR.total_seconds() + 1)
    assert (await late.look())[0] == 404
    caller = office.caller(ann)
    found = (await office.invitations.invitations(caller, before="", limit=1))[0]
    assert office.invitations.state(found) is InvitationState.EXPIRED
    await office.invitations.resend(caller, found.id)
    fresh = Guest(office, await office.link(KIND, 2))
    assert (await fresh.look())[0] == 200
    await office.invitations.revoke(caller, found.id)
    assert (await fresh.send())[0] == 404

    deputy = User(id="1" * 26, tenant=ann.tenant, email="d@example.com", display_name="Deputy", role=OPERATOR, created=ann.created)
    await office.store.add_user(deputy, "h")
    theirs = office.caller(deputy)
    with pytest.raises(ScopeNotHeld):  # the token says more than the user has
        await office.invitations.create(theirs, email="c@example.com", role=OWNER.name, locale="")
    await office.invitations.create(theirs, email="c@example.com", role=OPERATOR.name, locale="")
    guest = Guest(office, await office.link(KIND, 3))
    assert (await guest.look())[0] == 200
    await office.store.change_user(ann.tenant, deputy.id, display_name=None, role=VIEWER, locale=None, owners=False)
    assert (await guest.send())[0] == 404
    again = (await office.invitations.invitations(caller, before="", limit=1))[0]
    await office.invitations.resend(caller, again.id)
    assert (await Guest(office, await office.link(KIND, 4)).send())[0] == 200


async def test_withdrawn_invitation_is_not_mailed(office: Office) -> None:
    """If its mail still waits."""
    ann = await office.user()
    caller = office.caller(ann)
    made = await office.invitations.create(caller, email=BOB, role=OPERATOR.name, locale="")
    await office.invitations.revoke(caller, made.id)
    await _invited(office, ann, email="carl@example.com")
    assert [letter.address for letter in office.box.letters] == ["carl@example.com"]


async def test_operator_invites_to_a_tenant_that_is_not_its_own(office: Office) -> None:
    """It is named nowhere, and its own role says nothing about the link."""
    ann, eve = await office.user(), await office.user("eve@example.com")
    tenant: Tenant = await office.store.get_tenant(eve.tenant)
    made = await office.invitations.invite(tenant, BOB, OWNER, inviter=office.caller(ann))
    assert made.inviter == ""
    guest = Guest(office, await office.link(KIND))
    assert office.box.letters[0].variables["inviter"] == ""
    assert (await guest.send())[0] == 200
    assert [user.role for user in await office.store.list_users(eve.tenant, after="", limit=9)] == [OWNER, OWNER]


@pytest.mark.parametrize(
    ("given", "field"),
    [({"email": "nobody"}, "email"), ({"role": "roles/none"}, "role"), ({"locale": "!"}, "locale")],
    ids=["address", "role", "language"],
)
async def test_bad_invitation_is_refused_at_its_field(office: Office, given: dict[str, str], field: str) -> None:
    """And nothing is sent."""
    ann = await office.user()
    with pytest.raises(InvalidInput) as refused:
        await office.invitations.create(office.caller(ann), **{"email": BOB, "role": VIEWER.name, "locale": "", **given})
    assert [violation.field for violation in refused.value.violations] == [field]
    assert await office.invitations.invitations(office.caller(ann), before="", limit=9) == []


async def test_token_of_another_purpose_opens_no_invitation(office: Office) -> None:
    """Nor does an unknown one; and the token of an invitation resets no password."""
    ann = await office.user()
    guest = await _invited(office, ann)
    await office.accounts.request_reset(email=ann.email, locale="", client=HERE)
    reset = await office.link(AccountMailKind.RESET_PASSWORD, 2)
    for token in (reset, "to_unknown"):
        with pytest.raises(OneTimeTokenVoid):
            await office.invitations.read(token)
    with pytest.raises(OneTimeTokenVoid):
        await office.accounts.reset_password(guest.token, new=PASSWORD, client=HERE)
