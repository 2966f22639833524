"""Stores roles of tenants' own, invitations, and service accounts."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from auth_svc.domain import AccountMail, CustomRole, Invitation, Role, ServiceAccount, User


class RoleStore(Protocol):
    """The roles of tenants' own. Every method is one transaction."""

    async def add_role(self, role: CustomRole) -> None:
        """Stores a role.

        Raises:
            RoleExists: the tenant has one of this id.
            TooManyRoles: it has as many as it may have.
        """
        ...

    async def get_role(self, tenant: str, role: str) -> CustomRole:
        """The role.

        Raises:
            RoleNotFound: the tenant has no such role of its own.
        """
        ...

    async def list_roles(self, tenant: str, *, after: str, limit: int) -> Sequence[CustomRole]:
        """The first ``limit`` roles whose id is greater than ``after``, by id."""
        ...

    async def change_role(
        self, tenant: str, role: str, *, display_name: str | None, description: str | None, scopes: frozenset[str] | None, now: datetime
    ) -> CustomRole:
        """Changes what is given; whoever has the role has its new scopes.

        Raises:
            RoleNotFound: the tenant has no such role of its own.
        """
        ...

    async def remove_role(self, tenant: str, role: str, *, now: datetime) -> None:
        """Removes a role.

        Raises:
            RoleNotFound: the tenant has no such role of its own.
            RoleInUse: a user or a service account has it, or an invitation that is open at ``now``.
        """
        ...


class InvitationStore(Protocol):
    """Invitations. Every method is one transaction."""

    async def add_invitation(self, invitation: Invitation, mail: AccountMail) -> None:
        """Stores an invitation and its mail. One to the same address that has expired is revoked.

        Raises:
            InvitationExists: one to this address is open.
            AlreadyMember: a user of the tenant has the address.
            TooManyInvitations: of the tenant are open, or were sent within a day, or went to the address within an hour.
            RoleNotFound: the role was removed meanwhile.
        """
        ...

    async def get_invitation(self, tenant: str, invitation: str) -> Invitation:
        """The invitation.

        Raises:
            InvitationNotFound: the tenant has none such.
        """
        ...

    async def list_invitations(self, tenant: str, *, before: str, limit: int) -> Sequence[Invitation]:
        """The first ``limit`` invitations whose id is less than ``before`` (empty: all), the newest first."""
        ...

    async def resend_invitation(self, tenant: str, invitation: str, *, inviter: str, mail: AccountMail, expires: datetime) -> Invitation:
        """Stores another mail; ``inviter`` answers for the invitation from then on.

        Raises:
            InvitationNotFound: the tenant has none such.
            InvitationClosed: it was accepted or revoked.
            TooManyInvitations: see `add_invitation`.
        """
        ...

    async def revoke_invitation(self, tenant: str, invitation: str, *, now: datetime) -> Invitation:
        """Withdraws an invitation with its links, and its mail if that waits; one that was revoked is no error.

        Raises:
            InvitationNotFound: the tenant has none such.
            InvitationClosed: it was accepted.
        """
        ...

    async def accept_invitation(self, token: str, *, user: User, password_hash: str, now: datetime) -> Invitation:
        """Uses up the token with this digest, and stores the user that the invitation becomes.

        Raises:
            OneTimeTokenVoid: the token may not be used, or the invitation is open no more or says something else by now.
            EmailTaken: the address has an account in another tenant.
            UsernameTaken: the username is in use.
        """
        ...

    async def purge_invitations(self, before: datetime) -> None:
        """Deletes invitations that expired before ``before``."""
        ...


class ServiceAccountStore(Protocol):
    """Service accounts. Every method is one transaction."""

    async def add_service_account(self, account: ServiceAccount) -> None:
        """Stores a service account.

        Raises:
            RoleNotFound: the role was removed meanwhile.
            TooManyServiceAccounts: the tenant has as many as it may have.
        """
        ...

    async def get_service_account(self, tenant: str, account: str) -> ServiceAccount:
        """The service account.

        Raises:
            ServiceAccountNotFound: the tenant has no such service account.
        """
        ...

    async def list_service_accounts(self, tenant: str, *, after: str, limit: int) -> Sequence[ServiceAccount]:
        """The first ``limit`` service accounts whose id is greater than ``after``, by id."""
        ...

    async def change_service_account(
        self, tenant: str, account: str, *, display_name: str | None, description: str | None, role: Role | None
    ) -> ServiceAccount:
        """Changes what is given; its keys can what the role can.

        Raises:
            ServiceAccountNotFound: the tenant has no such service account.
            RoleNotFound: the role was removed meanwhile.
        """
        ...

    async def set_service_account_active(self, tenant: str, account: str, *, deactivated: datetime | None) -> ServiceAccount:
        """Lets its keys work, or not.

        Raises:
            ServiceAccountNotFound: the tenant has no such service account.
        """
        ...

    async def remove_service_account(self, tenant: str, account: str) -> Collection[str]:
        """Removes a service account with its keys; their ids.

        Raises:
            ServiceAccountNotFound: the tenant has no such service account.
        """
        ...
