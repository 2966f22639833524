"""Tenants that the operator makes; their first owners are invited."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ulid import ULID

from auth_svc.domain import (
    OWNER,
    Invitation,
    OneTimeToken,
    SecurityEvent,
    Tenant,
    TokenCaller,
    TokenPurpose,
    checked_name,
    checked_zone,
    digest,
    new_one_time_token,
)
from auth_svc.ports import SecurityLog, Store
from auth_svc.service.account_mails import INVITATION_PATH
from auth_svc.service.invitations import Invitations
from tocsin.clock import Clock
from tocsin.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeTenant:
    """A new tenant, the link that the operator hands over (empty if a mail brings it), and when the invitation ends."""

    tenant: Tenant
    link: str
    expires: datetime


class TenantMaker:
    """Makes tenants."""

    def __init__(self, *, store: Store, invitations: Invitations, link: Callable[[str], str], log: SecurityLog, clock: Clock) -> None:
        """Takes what it needs.

        Args:
            store: keeps tenants.
            invitations: invites the owner.
            link: the URL of a path of the gateway; empty if nobody knows it.
            log: of security.
            clock: source of time.
        """
        self._store = store
        self._invitations = invitations
        self._link = link
        self._log = log
        self._clock = clock

    async def make(
        self,
        caller: TokenCaller,
        *,
        display_name: str,
        time_zone: str,
        owner_email: str,
        locale: str,
        quotas: Mapping[str, int],
        by_link: bool,
    ) -> MadeTenant:
        """Makes a tenant and invites its first owner, who has seven days: by a mail, or by a link in the answer.

        Raises:
            InvalidInput: the name, the zone, the address or the language cannot be used.
            TooManyInvitations: to the address.
        """
        name = checked_name(display_name, field="displayName")
        if not name:
            raise InvalidInput.at("displayName", "must not be empty")
        now = self._clock.now()
        zone = checked_zone(time_zone, field="timeZone") if time_zone else "UTC"
        tenant = Tenant(id=str(ULID.from_datetime(now)), display_name=name, time_zone=zone, operator=False, created=now)
        invitation, mail = await self._invitations.draft(tenant, owner_email, OWNER, inviter=caller, locale=locale)
        secret = new_one_time_token() if by_link else ""
        link = (_token_of(invitation), digest(secret)) if by_link else None
        made = await self._store.add_invited_tenant(tenant, invitation, quotas=quotas, mail=None if by_link else mail, link=link)
        self._invitations.invited(invitation, by=caller.subject)
        self._log.record(SecurityEvent.TENANT_CREATED, tenant=tenant.id, by=caller.subject)
        path = f"{INVITATION_PATH}{secret}"
        return MadeTenant(tenant=made, link=(self._link(path) or path) if by_link else "", expires=invitation.expires)


def _token_of(invitation: Invitation) -> OneTimeToken:
    return OneTimeToken(
        purpose=TokenPurpose.INVITATION,
        tenant=invitation.tenant,
        subject=invitation.name,
        created=invitation.created,
        expires=invitation.expires,
    )
