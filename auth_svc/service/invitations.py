"""Invitations: a mail with a link, by which somebody becomes a user of a tenant."""

from collections.abc import Sequence
from dataclasses import dataclass

from ulid import ULID

from auth_svc.domain import (
    INVITED_FOR,
    AccountMail,
    AccountMailKind,
    ClientFacts,
    Invitation,
    InvitationNotFound,
    InvitationState,
    OneTimeTokenVoid,
    Role,
    SecurityEvent,
    Tenant,
    TokenCaller,
    TokenPurpose,
    User,
    UserNotFound,
    checked_locale,
    checked_name,
    checked_username,
    digest,
    normalize_email,
)
from auth_svc.ports import SecurityLog, Store
from auth_svc.service.account_mails import AccountMails
from auth_svc.service.authorizer import Authorizer
from auth_svc.service.new_passwords import NewPasswords, words_of
from auth_svc.service.one_time import OneTimeTokens
from tocsin.client_network import client_network
from tocsin.clock import Clock
from tocsin.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInvitation:
    """An invitation that can be accepted, and where to."""

    invitation: Invitation
    tenant: Tenant


class Invitations:
    """Makes, shows, sends again and withdraws invitations; turns them into users."""

    def __init__(
        self,
        *,
        store: Store,
        authorizer: Authorizer,
        passwords: NewPasswords,
        tokens: OneTimeTokens,
        mails: AccountMails,
        log: SecurityLog,
        clock: Clock,
    ) -> None:
        self._store = store
        self._authorizer = authorizer
        self._passwords = passwords
        self._tokens = tokens
        self._mails = mails
        self._log = log
        self._clock = clock

    async def create(self, caller: TokenCaller, *, email: str, role: str, locale: str) -> Invitation:
        """Invites an address to the caller's tenant. Whether it has an account in another one is not told.

        Raises:
            InvalidInput: it is no address or no language, or there is no such role.
            ScopeNotHeld: the role has scopes that the caller lacks.
            InvitationExists: one to this address is open.
            AlreadyMember: a user of the tenant has the address.
            TooManyInvitations: of the tenant, or to the address.
            CallerGone: the caller was removed.
        """
        tenant = await self._store.get_tenant(caller.tenant)
        given = await self._authorizer.role(tenant.id, role, field="role")
        await self._authorizer.require(caller, given, tenant, what="whoever accepts the invitation")
        return await self.invite(tenant, email, given, inviter=caller, locale=locale)

    async def invite(self, tenant: Tenant, email: str, role: Role, *, inviter: TokenCaller, locale: str = "") -> Invitation:
        """Invites an address to any tenant, without a question whether ``inviter`` may.

        Raises:
            InvalidInput: it is no address, or no language.
            InvitationExists: one to this address is open.
            AlreadyMember: a user of the tenant has the address.
            TooManyInvitations: of the tenant, or to the address.
        """
        invitation, mail = await self.draft(tenant, email, role, inviter=inviter, locale=locale)
        await self._store.add_invitation(invitation, mail)
        self.invited(invitation, by=inviter.subject)
        return invitation

    async def draft(
        self, tenant: Tenant, email: str, role: Role, *, inviter: TokenCaller, locale: str = ""
    ) -> tuple[Invitation, AccountMail]:
        """An invitation and its mail, for those who store both with something else (`auth_svc.store.invitations.insert_invitation`).

        They call `invited` then. Somebody of another tenant, which is the operator of the platform, is named nowhere, and answers for it.

        Raises:
            InvalidInput: it is no address, or no language.
        """
        now = self._clock.now()
        own = inviter.tenant == tenant.id
        invitation = Invitation(
            id=str(ULID.from_datetime(now)),
            tenant=tenant.id,
            email=normalize_email(email),
            role=role,
            inviter=inviter.subject if own else "",
            locale=checked_locale(locale, field="locale"),
            created=now,
            sent=now,
            expires=now + INVITED_FOR,
        )
        return invitation, await self._mail(invitation, tenant)

    def invited(self, invitation: Invitation, *, by: str) -> None:
        """An invitation was stored."""
        self._mails.wake()
        self._log.record(
            SecurityEvent.INVITATION_CREATED, tenant=invitation.tenant, subject=invitation.name, role=invitation.role.id, by=by
        )

    async def invitation(self, caller: TokenCaller, invitation: str) -> Invitation:
        """One invitation of the caller's tenant.

        Raises:
            InvitationNotFound: it has none such.
        """
        return await self._store.get_invitation(caller.tenant, invitation)

    async def invitations(self, caller: TokenCaller, *, before: str, limit: int) -> Sequence[Invitation]:
        """At most ``limit`` invitations, the newest first; those whose ids are less than ``before``."""
        return await self._store.list_invitations(caller.tenant, before=before, limit=limit)

    def state(self, invitation: Invitation) -> InvitationState:
        """How it stands now."""
        return invitation.state(self._clock.now())

    async def resend(self, caller: TokenCaller, invitation: str) -> Invitation:
        """Sends another mail; the caller answers for the invitation from then on.

        Raises:
            InvitationNotFound: the tenant has none such.
            InvitationClosed: it was accepted or revoked.
            ScopeNotHeld: its role has scopes that the caller lacks.
            TooManyInvitations: of the tenant, or to the address.
            CallerGone: the caller was removed.
        """
        known = await self._store.get_invitation(caller.tenant, invitation)
        tenant = await self._store.get_tenant(caller.tenant)
        await self._authorizer.require(caller, known.role, tenant, what="whoever accepts the invitation")
        mail = await self._mail(known, tenant)
        sent = await self._store.resend_invitation(
            caller.tenant, invitation, inviter=caller.subject, mail=mail, expires=self._clock.now() + INVITED_FOR
        )
        self._mails.wake()
        self._log.record(SecurityEvent.INVITATION_RESENT, tenant=caller.tenant, subject=sent.name, by=caller.subject)
        return sent

    async def revoke(self, caller: TokenCaller, invitation: str) -> Invitation:
        """Withdraws an invitation.

        Raises:
            InvitationNotFound: the tenant has none such.
            InvitationClosed: it was accepted.
        """
        revoked = await self._store.revoke_invitation(caller.tenant, invitation, now=self._clock.now())
        self._log.record(SecurityEvent.INVITATION_REVOKED, tenant=caller.tenant, subject=revoked.name, by=caller.subject)
        return revoked

    async def read(self, token: str) -> OpenInvitation:
        """What a link invites to; it is not used by that.

        Raises:
            OneTimeTokenVoid: the link works no more, or whoever invited lost what the role has.
        """
        found = await self._tokens.read(TokenPurpose.INVITATION, token)
        try:
            invitation = await self._store.get_invitation(found.tenant, found.subject.removeprefix("invitations/"))
        except InvitationNotFound:
            raise OneTimeTokenVoid from None
        tenant = await self._store.get_tenant(invitation.tenant)
        if self.state(invitation) is not InvitationState.OPEN or not await self._stands(invitation, tenant):
            raise OneTimeTokenVoid
        return OpenInvitation(invitation=invitation, tenant=tenant)

    async def accept(self, token: str, *, display_name: str, username: str, password: str, client: ClientFacts) -> User:
        """Makes the user that an invitation is for. What is refused does not use the link up.

        Raises:
            OneTimeTokenVoid: the link works no more, or whoever invited lost what the role has.
            InvalidInput: the name or the password cannot be used.
            EmailTaken: the address has an account in another tenant.
            UsernameTaken: the username is in use.
        """
        found = await self.read(token)
        name = checked_name(display_name, field="displayName")
        if not name:
            raise InvalidInput.at("displayName", "must not be empty")
        now, invitation = self._clock.now(), found.invitation
        user = User(
            id=str(ULID.from_datetime(now)),
            tenant=invitation.tenant,
            email=invitation.email,
            username=checked_username(username, field="username") if username else "",
            display_name=name,
            role=invitation.role,
            created=now,
            locale=invitation.locale,
            verified=now,
        )
        hashed = await self._passwords.hash(password, own=words_of(user, found.tenant), client=client_network(client.address))
        accepted = await self._store.accept_invitation(digest(token), user=user, password_hash=hashed, now=now)
        self._log.record(
            SecurityEvent.INVITATION_ACCEPTED, tenant=user.tenant, subject=user.name, invitation=accepted.name, role=user.role.id
        )
        return user

    async def _stands(self, invitation: Invitation, tenant: Tenant) -> bool:
        """Whether whoever invited still has what the role gives; the operator of the platform answers for its own."""
        if not invitation.inviter:
            return True
        held = await self._authorizer.of_subject(tenant.id, invitation.inviter)
        return self._authorizer.scopes.of(invitation.role, tenant) <= held

    async def _mail(self, invitation: Invitation, tenant: Tenant) -> AccountMail:
        return self._mails.draft(
            AccountMailKind.INVITATION,
            address=invitation.email,
            tenant=tenant.id,
            subject=invitation.name,
            locale=invitation.locale,
            variables={"tenant": tenant.display_name, "inviter": await self._inviter_name(invitation)},
        )

    async def _inviter_name(self, invitation: Invitation) -> str:
        kind, _, identity = invitation.inviter.partition("/")
        if kind != "users":
            return ""
        try:
            return (await self._store.get_user(invitation.tenant, identity)).display_name
        except UserNotFound:
            return ""
