"""How people and programs get into a tenant: invitations and service accounts (pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from auth_svc.domain.roles import Role

INVITED_FOR: Final = timedelta(days=7)
"""How long an invitation is open after its last mail."""

MOST_OPEN: Final = 100
"""Invitations of a tenant that are open at a time."""

MOST_INVITED_A_DAY: Final = 200
"""Mails with invitations that a tenant sends in 24 hours: they go to strangers, with a name of its choice in them."""

MOST_SERVICE_ACCOUNTS: Final = 1000
"""Service accounts of a tenant."""


class InvitationState(Enum):
    """How an invitation stands."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Somebody who may become a user of a tenant.

    Attributes:
        id: a ULID.
        tenant: where to.
        email: of whoever is invited.
        role: what the user will be.
        inviter: "users/…" or "apiKeys/…" of who invited last; empty: the operator of the platform.
        locale: language of the mail; empty: English.
        created: when it was made.
        sent: when the last mail was asked for.
        expires: when it is open no more.
        user: id of the user that it became; empty if it did not.
        revoked: when it was withdrawn; None: it was not.
    """

    id: str
    tenant: str
    email: str
    role: Role
    inviter: str
    locale: str
    created: datetime
    sent: datetime
    expires: datetime
    user: str = ""
    revoked: datetime | None = None

    @property
    def name(self) -> str:
        """Resource name."""
        return f"invitations/{self.id}"

    def state(self, now: datetime) -> InvitationState:
        """How it stands."""
        if self.user:
            return InvitationState.ACCEPTED
        if self.revoked is not None:
            return InvitationState.REVOKED
        return InvitationState.EXPIRED if self.expires <= now else InvitationState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A program of a tenant. It has no password and never signs in: it holds API keys, and stays when whoever made it goes.

    Attributes:
        id: a ULID.
        tenant: whose it is.
        display_name: what it is for.
        description: for people.
        role: what its keys may do at most.
        maker: "users/…" or "apiKeys/…" of who made it; empty: the installation.
        created: when it was made.
        deactivated: since when its keys do not work; None: they do.
    """

    id: str
    tenant: str
    display_name: str
    description: str
    role: Role
    maker: str
    created: datetime
    deactivated: datetime | None = None

    @property
    def name(self) -> str:
        """Resource name."""
        return f"serviceAccounts/{self.id}"

    @property
    def active(self) -> bool:
        """Whether its keys work."""
        return self.deactivated is None
