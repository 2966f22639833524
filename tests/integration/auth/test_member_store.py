"""Roles, invitations, service accounts and who leaves, on each database."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from ulid import ULID

from auth_svc.domain import (
    MOST_INVITED_A_DAY,
    MOST_OPEN,
    MOST_ROLES,
    OPERATOR,
    OWNER,
    VIEWER,
    AlreadyMember,
    ApiKeyNotFound,
    EmailTaken,
    Invitation,
    InvitationClosed,
    InvitationExists,
    InvitationNotFound,
    InvitationState,
    LastOwner,
    OneTimeTokenVoid,
    OwnersOnly,
    RoleExists,
    RoleInUse,
    RoleNotFound,
    ServiceAccountNotFound,
    Session,
    TooManyInvitations,
    TooManyRoles,
    User,
    UserDeactivated,
    UserNotFound,
)
from auth_svc.store import AuthStore
from tests.integration.auth.members import (
    LATER,
    NOW,
    SOON,
    acme,
    invitation_of,
    key_of,
    linked,
    mail_of,
    role_of_own,
    service_account,
    user_of,
)
from tests.integration.states import drawn
from tocsin.clock import Clock
from tocsin.database import Database


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncGenerator[AuthStore]:
    """An empty store."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    yield AuthStore(database=database)
    await database.stop()


async def test_role_counts_for_whoever_has_it(store: AuthStore) -> None:
    """At once, in users and service accounts; it is removed when nobody has it or is invited to it."""
    ann = await acme(store)
    made = role_of_own(ann.tenant)
    await store.add_role(made)
    with pytest.raises(RoleExists):
        await store.add_role(made)
    bob, programs = user_of(ann.tenant, "bob@example.com", made.role), service_account(ann.tenant, made.role)
    await store.add_user(bob, "hash")
    await store.add_service_account(programs)
    invitation, mail = invitation_of(ann.tenant, "carl@example.com", made.role)
    await store.add_invitation(invitation, mail)
    changed = await store.change_role(
        ann.tenant, made.id, display_name="B", description=None, scopes=frozenset({"alarms:write"}), now=LATER
    )
    assert changed == replace(made, display_name="B", scopes=frozenset({"alarms:write"}), updated=LATER)
    for holder in (
        await store.get_user(ann.tenant, bob.id),
        await store.get_service_account(ann.tenant, programs.id),
        await store.get_invitation(ann.tenant, invitation.id),
    ):
        assert holder.role == changed.role
    for release in (
        store.change_user(ann.tenant, bob.id, display_name=None, role=VIEWER, locale=None, owners=False),
        store.change_service_account(ann.tenant, programs.id, display_name=None, description=None, role=VIEWER),
        store.revoke_invitation(ann.tenant, invitation.id, now=NOW),
    ):
        with pytest.raises(RoleInUse):
            await store.remove_role(ann.tenant, made.id, now=NOW)
        await release
    await store.remove_role(ann.tenant, made.id, now=NOW)
    with pytest.raises(RoleNotFound):
        await store.add_user(user_of(ann.tenant, "dan@example.com", made.role), "hash")


async def test_tenant_has_so_many_roles_of_its_own(store: AuthStore) -> None:
    """And another tenant has its own, under the same names."""
    ann, eve = await acme(store), await acme(store, "eve@example.com")
    for number in range(MOST_ROLES):
        await store.add_role(role_of_own(ann.tenant, f"r{number:03}"))
    with pytest.raises(TooManyRoles):
        await store.add_role(role_of_own(ann.tenant, "more"))
    await store.add_role(role_of_own(eve.tenant, "r000", "alarms:write"))
    assert [role.id for role in await store.list_roles(ann.tenant, after="r097", limit=9)] == ["r098", "r099"]
    assert (await store.get_role(eve.tenant, "r000")).scopes == {"alarms:write"}
    with pytest.raises(RoleNotFound):
        await store.get_role(eve.tenant, "r001")


@pytest.mark.parametrize("leave", ["remove", "deactivate", "demote"])
async def test_owners_who_leave_at_once_leave_one(store: AuthStore, leave: str) -> None:
    """Whichever way they go, at the same moment; and no owner goes by the hand of who is none."""
    ann = await acme(store)
    bob = user_of(ann.tenant, "bob@example.com")
    await store.add_user(bob, "hash")

    async def go(user: User, *, owners: bool) -> User:
        match leave:
            case "remove":
                return await store.remove_user(ann.tenant, user.id, owners=owners)
            case "deactivate":
                return await store.deactivate_user(ann.tenant, user.id, owners=owners, now=NOW)
            case _:
                return await store.change_user(ann.tenant, user.id, display_name=None, role=VIEWER, locale=None, owners=owners)

    with pytest.raises(OwnersOnly):
        await go(bob, owners=False)
    results = await asyncio.gather(go(ann, owners=True), go(bob, owners=True), return_exceptions=True)
    assert sum(isinstance(result, LastOwner) for result in results) == 1
    assert len(await store.active_owners(ann.tenant, limit=9)) == 1


async def test_deactivated_user_has_no_session(store: AuthStore) -> None:
    """Those that it had ended, none begins, until it is reactivated."""
    ann = await acme(store)
    bob = user_of(ann.tenant, "bob@example.com", VIEWER)
    await store.add_user(bob, "hash")
    session = Session(id=str(ULID()), tenant=ann.tenant, user=bob.id, scopes=frozenset(), created=NOW)
    await store.open_session(session, token="a" * 64, expires=LATER)
    assert (await store.deactivate_user(ann.tenant, bob.id, owners=False, now=NOW)).deactivated == NOW
    assert await store.close_session("a" * 64) is None
    with pytest.raises(UserDeactivated):
        await store.open_session(session, token="b" * 64, expires=LATER)
    assert (await store.reactivate_user(ann.tenant, bob.id)).active
    await store.open_session(session, token="b" * 64, expires=LATER)


async def test_invitation_becomes_one_user(store: AuthStore) -> None:
    """Of two who follow its link at once, one; then it is closed, and the link works no more."""
    ann = await acme(store)
    invitation, mail = invitation_of(ann.tenant)
    await store.add_invitation(invitation, mail)
    link = await linked(store, invitation)
    users = [user_of(ann.tenant, "bob@example.com", OPERATOR) for _ in range(2)]
    results = await asyncio.gather(
        *(store.accept_invitation(link, user=user, password_hash="h", now=NOW) for user in users), return_exceptions=True
    )
    assert sorted(isinstance(result, OneTimeTokenVoid) for result in results) == [False, True]
    assert (await store.get_invitation(ann.tenant, invitation.id)).state(NOW) is InvitationState.ACCEPTED
    for closed in (
        store.revoke_invitation(ann.tenant, invitation.id, now=NOW),
        store.resend_invitation(ann.tenant, invitation.id, inviter="users/y", mail=mail, expires=LATER),
    ):
        with pytest.raises(InvitationClosed):
            await closed
    with pytest.raises(AlreadyMember):
        await store.add_invitation(*invitation_of(ann.tenant, "BOB@example.com"))


async def test_refused_acceptance_leaves_the_link(store: AuthStore) -> None:
    """An address with an account elsewhere, or another role by now: nothing is stored, and the link works on."""
    ann, eve = await acme(store), await acme(store, "eve@example.com")
    invitation, mail = invitation_of(ann.tenant, "eve@example.com")
    await store.add_invitation(invitation, mail)
    link = await linked(store, invitation)
    guest = user_of(ann.tenant, "eve@example.com", OPERATOR)
    with pytest.raises(EmailTaken):
        await store.accept_invitation(link, user=guest, password_hash="h", now=NOW)
    for other in (replace(guest, role=OWNER), replace(guest, email="mallory@example.com"), replace(guest, tenant=eve.tenant)):
        with pytest.raises(OneTimeTokenVoid):
            await store.accept_invitation(link, user=other, password_hash="h", now=NOW)
    with pytest.raises(OneTimeTokenVoid):
        await store.accept_invitation(link, user=guest, password_hash="h", now=SOON)
    await store.add_user(user_of(eve.tenant, "second@example.com"), "hash")
    await store.remove_user(eve.tenant, eve.id, owners=True)
    assert (await store.accept_invitation(link, user=guest, password_hash="h", now=NOW)).user == guest.id


async def test_tenant_and_address_have_so_many_invitations(store: AuthStore) -> None:
    """One open to an address, some open in all, some mails to an address an hour and of a tenant a day."""
    ann, eve = await acme(store), await acme(store, "eve@example.com")
    invitation, mail = invitation_of(ann.tenant)
    await store.add_invitation(invitation, mail)
    with pytest.raises(InvitationExists):
        await store.add_invitation(*invitation_of(ann.tenant, "Bob@example.com"))
    await store.add_invitation(*invitation_of(eve.tenant))
    again: Any = {"inviter": "users/y", "expires": LATER}
    for _ in range(2):
        await store.resend_invitation(ann.tenant, invitation.id, mail=mail_of(invitation), **again)
    resent = await store.resend_invitation(ann.tenant, invitation.id, mail=mail_of(invitation), **again)
    assert (resent.inviter, resent.expires) == ("users/y", LATER)
    with pytest.raises(TooManyInvitations):
        await store.resend_invitation(ann.tenant, invitation.id, mail=mail_of(invitation), **again)
    for number in range(MOST_OPEN - 1):
        await store.add_invitation(*invitation_of(ann.tenant, f"m{number}@example.com"))
    with pytest.raises(TooManyInvitations):
        await store.add_invitation(*invitation_of(ann.tenant, "one@example.com"))
    for number in range(MOST_INVITED_A_DAY - MOST_OPEN - 3):
        found = (await store.list_invitations(ann.tenant, before="", limit=1))[0]
        await store.revoke_invitation(ann.tenant, found.id, now=NOW)
        await store.purge_invitations(LATER + timedelta(days=99) if not number else NOW)
        await store.add_invitation(*invitation_of(ann.tenant, f"n{number}@example.com"))
    with pytest.raises(TooManyInvitations):
        await store.add_invitation(*invitation_of(ann.tenant, "two@example.com"))


async def test_states_of_invitations_are_those_of_the_page(store: AuthStore) -> None:
    """Whatever can be done in each state: the edges that happen are those of docs/states.md."""
    ann = await acme(store)
    seen: set[tuple[str, str]] = set()
    late = SOON + timedelta(seconds=1)
    for first in ("", "accept", "revoke", "expire"):
        for act in ("accept", "revoke", "expire", "resend", "purge"):
            made, mail = invitation_of(ann.tenant, f"{first}{act}@example.com")
            await store.add_invitation(made, mail)
            seen.add(("[*]", "OPEN"))
            now = NOW
            for step in (first, act):
                before = made.state(now)
                now = late if step == "expire" else now
                after = await _done(store, made, step, now)
                if after != before.value:
                    seen.add((before.value, after))
                if after == "[*]":
                    break
                made = await store.get_invitation(ann.tenant, made.id)
    assert seen == drawn("Invitation")


async def _done(store: AuthStore, made: Invitation, act: str, now: datetime) -> str:
    """How an invitation stands after something was done, or refused."""
    user = user_of(made.tenant, made.email, OPERATOR)
    with contextlib.suppress(InvitationClosed, OneTimeTokenVoid):
        match act:
            case "accept":
                link = await linked(store, made, f"{ULID()!s:x<64}")
                await store.accept_invitation(link, user=user, password_hash="h", now=now)
            case "revoke":
                await store.revoke_invitation(made.tenant, made.id, now=now)
            case "resend":
                await store.resend_invitation(made.tenant, made.id, inviter="users/y", mail=mail_of(made), expires=LATER)
            case "purge" if made.state(now) is not InvitationState.OPEN:
                await store.purge_invitations(LATER + timedelta(days=1))
            case _:
                pass
    try:
        return (await store.get_invitation(made.tenant, made.id)).state(now).value
    except InvitationNotFound:
        return "[*]"


async def test_tenants_do_not_see_each_other(store: AuthStore) -> None:
    """Another tenant's role, invitation, service account, user or key can be neither read, changed, listed nor removed."""
    ann, eve = await acme(store), await acme(store, "eve@example.com")
    programs, key = service_account(ann.tenant), key_of(ann.tenant, ann.name)
    invitation, mail = invitation_of(ann.tenant)
    await store.add_role(role_of_own(ann.tenant))
    await store.add_invitation(invitation, mail)
    await store.add_service_account(programs)
    await store.add_key(key, digest="1" * 64)
    texts: Any = {"display_name": "mine", "description": None}
    for error, attempts in (
        (
            RoleNotFound,
            [store.change_role(eve.tenant, "auditor", **texts, scopes=None, now=NOW), store.remove_role(eve.tenant, "auditor", now=NOW)],
        ),
        (
            InvitationNotFound,
            [
                store.get_invitation(eve.tenant, invitation.id),
                store.revoke_invitation(eve.tenant, invitation.id, now=NOW),
                store.resend_invitation(eve.tenant, invitation.id, inviter="", mail=mail, expires=LATER),
            ],
        ),
        (
            ServiceAccountNotFound,
            [
                store.get_service_account(eve.tenant, programs.id),
                store.change_service_account(eve.tenant, programs.id, **texts, role=None),
                store.set_service_account_active(eve.tenant, programs.id, deactivated=NOW),
                store.remove_service_account(eve.tenant, programs.id),
                store.add_key(key_of(eve.tenant, programs.name), digest="2" * 64),
            ],
        ),
        (
            UserNotFound,
            [
                store.change_user(eve.tenant, ann.id, display_name="mine", role=VIEWER, locale=None, owners=True),
                store.deactivate_user(eve.tenant, ann.id, owners=True, now=NOW),
                store.reactivate_user(eve.tenant, ann.id),
                store.add_key(key_of(eve.tenant, ann.name), digest="2" * 64),
            ],
        ),
        (
            ApiKeyNotFound,
            [
                store.held_key(eve.tenant, key.id),
                store.rotate_key(replace(key, tenant=eve.tenant), digest="3" * 64, prefix="x", overlap_ends=NOW, expires=None, warned=None),
            ],
        ),
    ):
        for attempt in attempts:
            with pytest.raises(error):
                await attempt
    assert await store.list_roles(eve.tenant, after="", limit=9) == await store.list_invitations(eve.tenant, before="", limit=9) == []
    assert await store.list_service_accounts(eve.tenant, after="", limit=9) == []
    assert (await store.get_user(ann.tenant, ann.id)) == ann
    assert await store.get_service_account(ann.tenant, programs.id) == programs
