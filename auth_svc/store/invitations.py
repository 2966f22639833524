"""Invitations."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import (
    MOST_INVITED_A_DAY,
    MOST_OPEN,
    AccountMail,
    AccountMailKind,
    AlreadyMember,
    Invitation,
    InvitationClosed,
    InvitationExists,
    InvitationNotFound,
    InvitationState,
    OneTimeTokenVoid,
    TokenPurpose,
    TooManyInvitations,
    User,
    sign_in_key,
)
from auth_svc.store.account_mails import insert_account_mail
from auth_svc.store.accounts import insert_user
from auth_svc.store.one_time import spend_token, withdraw_tokens
from auth_svc.store.roles import require_role
from auth_svc.store.rows import Queries, custom_scopes, instant_or_none, lock_tenant, role_of
from auth_svc.store.tables import account_mails, invitations, users
from tocsin.clock import to_micros
from tocsin.database import read_mapped_page
from tocsin.stored import instant, row_reader

_TABLE: Final = invitations.c
_INVITATIONS: Final = select(invitations, custom_scopes(invitations).label("role_scopes"))
_DAY: Final = timedelta(days=1)


class InvitationQueries(Queries):
    """`auth_svc.ports.InvitationStore`."""

    async def add_invitation(self, invitation: Invitation, mail: AccountMail) -> None:
        """Stores an invitation and its mail."""
        async with self._database.transaction() as connection:
            await insert_invitation(connection, invitation, mail)

    async def get_invitation(self, tenant: str, invitation: str) -> Invitation:
        """One invitation of a tenant."""
        async with self._database.read() as connection:
            return await _invitation(connection, tenant, invitation)

    async def list_invitations(self, tenant: str, *, before: str, limit: int) -> Sequence[Invitation]:
        """Invitations of a tenant, the newest first."""
        query = _INVITATIONS.where(_TABLE.tenant_id == tenant).order_by(_TABLE.id.desc())
        if before:
            query = query.where(_TABLE.id < before)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, _invitation_of, limit=limit)

    async def resend_invitation(self, tenant: str, invitation: str, *, inviter: str, mail: AccountMail, expires: datetime) -> Invitation:
        """Sends an invitation again."""
        sent = {"inviter": inviter, "sent_at": to_micros(mail.created), "expires_at": to_micros(expires)}
        async with self._database.transaction() as connection:
            await lock_tenant(connection, tenant)
            found = await _invitation(connection, tenant, invitation)
            if found.user or found.revoked is not None:
                raise InvitationClosed
            await _mail(connection, tenant, mail)
            await connection.execute(update(invitations).where(_TABLE.id == invitation).values(sent))
            return await _invitation(connection, tenant, invitation)

    async def revoke_invitation(self, tenant: str, invitation: str, *, now: datetime) -> Invitation:
        """Withdraws an invitation."""
        async with self._database.transaction() as connection:
            await lock_tenant(connection, tenant)
            found = await _invitation(connection, tenant, invitation)
            if found.user:
                raise InvitationClosed
            if found.revoked is None:
                await _revoke(connection, found, now=now)
            return await _invitation(connection, tenant, invitation)

    async def accept_invitation(self, token: str, *, user: User, password_hash: str, now: datetime) -> Invitation:
        """Makes the user that an invitation is for."""
        async with self._database.transaction() as connection:
            await lock_tenant(connection, user.tenant)
            spent = await spend_token(connection, TokenPurpose.INVITATION, token, now=now)
            if spent is None or spent.tenant != user.tenant:
                raise OneTimeTokenVoid
            try:
                found = await _invitation(connection, user.tenant, spent.subject.removeprefix("invitations/"))
            except InvitationNotFound:
                raise OneTimeTokenVoid from None
            said = (found.state(now), found.email, found.role)
            if said != (InvitationState.OPEN, user.email, user.role):
                raise OneTimeTokenVoid
            await insert_user(connection, user, password_hash)
            await connection.execute(update(invitations).where(_TABLE.id == found.id).values(user_id=user.id))
            return await _invitation(connection, user.tenant, found.id)

    async def purge_invitations(self, before: datetime) -> None:
        """Deletes old invitations."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(invitations).where(_TABLE.expires_at < to_micros(before)))


async def insert_invitation(connection: AsyncConnection, invitation: Invitation, mail: AccountMail | None) -> None:
    """Stores an invitation and its mail, if there is one, within the caller's transaction; see `InvitationStore.add_invitation`.

    Raises:
        InvitationExists: one to this address is open.
        AlreadyMember: a user of the tenant has the address.
        TooManyInvitations: of the tenant, or to the address.
        RoleNotFound: there is no such role.
    """
    await lock_tenant(connection, invitation.tenant)
    await require_role(connection, invitation.tenant, invitation.role)
    key, now = sign_in_key(invitation.email), invitation.created
    member = select(users.c.id).where(users.c.tenant_id == invitation.tenant, users.c.email_key == key)
    if (await connection.execute(member)).first() is not None:
        raise AlreadyMember
    row = (await connection.execute(_INVITATIONS.where(*_unanswered(invitation.tenant), _TABLE.email_key == key))).mappings().first()
    if row is not None:
        earlier = _invitation_of(row)
        if earlier.state(now) is InvitationState.OPEN:
            raise InvitationExists
        await _revoke(connection, earlier, now=now)
    still = (*_unanswered(invitation.tenant), _TABLE.expires_at > to_micros(now))
    if (await connection.execute(select(func.count()).select_from(invitations).where(*still))).scalar_one() >= MOST_OPEN:
        raise TooManyInvitations
    if mail is not None:
        await _mail(connection, invitation.tenant, mail)
    await connection.execute(insert(invitations).values(_values(invitation, key)))


def _unanswered(tenant: str) -> Sequence[ColumnElement[bool]]:
    return _TABLE.tenant_id == tenant, _TABLE.user_id == "", _TABLE.revoked_at.is_(None)


async def _mail(connection: AsyncConnection, tenant: str, mail: AccountMail) -> None:
    """Stores a mail, if neither its tenant nor its address has had too many."""
    sent = (
        select(func.count())
        .select_from(account_mails)
        .where(
            account_mails.c.tenant_id == tenant,
            account_mails.c.kind == AccountMailKind.INVITATION.value,
            account_mails.c.created_at > to_micros(mail.created - _DAY),
        )
    )
    if (await connection.execute(sent)).scalar_one() >= MOST_INVITED_A_DAY or not await insert_account_mail(connection, mail):
        raise TooManyInvitations


async def _revoke(connection: AsyncConnection, invitation: Invitation, *, now: datetime) -> None:
    """Closes an invitation: its links work no more, and a mail that waits is not sent."""
    await connection.execute(update(invitations).where(_TABLE.id == invitation.id).values(revoked_at=to_micros(now)))
    await withdraw_tokens(connection, TokenPurpose.INVITATION, invitation.name, now=now)
    waiting = update(account_mails).where(account_mails.c.subject == invitation.name, account_mails.c.done_at.is_(None))
    await connection.execute(waiting.values(done_at=to_micros(now)))


def _values(invitation: Invitation, key: str) -> Mapping[str, object]:
    return {
        "id": invitation.id,
        "tenant_id": invitation.tenant,
        "email": invitation.email,
        "email_key": key,
        "role": invitation.role.id,
        "inviter": invitation.inviter,
        "locale": invitation.locale,
        "created_at": to_micros(invitation.created),
        "sent_at": to_micros(invitation.sent),
        "expires_at": to_micros(invitation.expires),
        "user_id": invitation.user,
        "revoked_at": None if invitation.revoked is None else to_micros(invitation.revoked),
    }


async def _invitation(connection: AsyncConnection, tenant: str, invitation: str) -> Invitation:
    row = (await connection.execute(_INVITATIONS.where(_TABLE.tenant_id == tenant, _TABLE.id == invitation))).mappings().first()
    if row is None:
        raise InvitationNotFound
    return _invitation_of(row)


@row_reader(lambda row: f"invitations/{row['id']}")
def _invitation_of(row: RowMapping) -> Invitation:
    return Invitation(
        id=row["id"],
        tenant=row["tenant_id"],
        email=row["email"],
        role=role_of(row["role"], row["role_scopes"]),
        inviter=row["inviter"],
        locale=row["locale"],
        created=instant(row["created_at"]),
        sent=instant(row["sent_at"]),
        expires=instant(row["expires_at"]),
        user=row["user_id"],
        revoked=instant_or_none(row["revoked_at"]),
    )
