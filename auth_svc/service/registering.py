"""Registering: a stranger becomes the administrator of a tenant of its own."""

from dataclasses import replace
from enum import Enum
from typing import Final

from ulid import ULID

from auth_svc.domain import (
    OWNER,
    AccountMailKind,
    ClientFacts,
    Registration,
    RegistrationClosed,
    SecurityEvent,
    Tenant,
    User,
    UsernameTaken,
    checked_locale,
    checked_name,
    sign_in_key,
    sign_in_names,
)
from auth_svc.ports import SecurityLog, Store
from auth_svc.service.account_mails import AccountMails, lifetime_of
from auth_svc.service.new_passwords import NewPasswords
from auth_svc.throttle import RequestBudget
from tocsin.client_network import client_network
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, ResourceExhausted


class RegistrationRule(Enum):
    """Who may register."""

    CLOSED = "closed"
    OPEN = "open"
    UNCONFIRMED = "unconfirmed"


class TooManyRequests(ResourceExhausted):
    """Too many of these requests came from this address; retry later."""


KEPT: Final = 2 * lifetime_of(AccountMailKind.VERIFY_ADDRESS)
"""How long a registration waits: as long as its mail may be on its way, and then its link works."""


class Registering:
    """Takes registrations. By the rule OPEN there is neither tenant nor user until the link in a mail was followed.

    So nobody can act for an address that is not theirs, take it from its owner, or learn whether it has an account.
    """

    def __init__(
        self,
        *,
        store: Store,
        passwords: NewPasswords,
        mails: AccountMails,
        budget: RequestBudget,
        log: SecurityLog,
        clock: Clock,
        rule: RegistrationRule,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._mails = mails
        self._budget = budget
        self._log = log
        self._clock = clock
        self._rule = rule

    async def register(
        self,
        *,
        email: str,
        username: str,
        password: str,
        display_name: str,
        tenant_display_name: str,
        locale: str,
        client: ClientFacts,
    ) -> User | None:
        """Makes a tenant and its administrator; None if a mail was sent that does it, which is said of addresses in use as well.

        Raises:
            RegistrationClosed: by the settings.
            InvalidInput: the address, the password or a name cannot be used.
            UsernameTaken: the username is in use.
            EmailTaken: the address is in use; only where addresses are not confirmed.
            TooManyRequests: of this client.
        """
        if self._rule is RegistrationRule.CLOSED:
            raise RegistrationClosed
        address, name = sign_in_names(email=email, username=username, display_name=display_name)
        if not address and self._rule is RegistrationRule.OPEN:
            raise InvalidInput.at("email", "is required: a mail to it confirms the registration")
        now = self._clock.now()
        asked = Registration(
            id=str(ULID.from_datetime(now)),
            email=address,
            username=name,
            display_name=checked_name(display_name, field="displayName"),
            tenant_display_name=checked_name(tenant_display_name, field="tenantDisplayName", default=(address or name)[:100]),
            locale=checked_locale(locale, field="locale"),
            password_hash="",
            created=now,
            expires=now + KEPT,
        )
        hashed = await self._hashed(password, own=(address, name, display_name, tenant_display_name), client=client)
        return await (self._ask if self._rule is RegistrationRule.OPEN else self._make)(asked, hashed)

    async def _hashed(self, password: str, *, own: tuple[str, ...], client: ClientFacts) -> str:
        place = client_network(client.address)
        self._passwords.check(password, own=own)
        if wait := self._budget.take(place):
            raise TooManyRequests(retry_after=wait)
        return await self._passwords.hash(password, own=own, client=place)

    async def _make(self, asked: Registration, hashed: str) -> User:
        tenant, admin = made_of(asked)
        await self._store.add_tenant(tenant, admin, hashed)
        self._log.record(SecurityEvent.REGISTERED, tenant=tenant.id, subject=admin.name)
        return admin

    async def _ask(self, asked: Registration, hashed: str) -> None:
        if asked.username and await self._store.username_taken(sign_in_key(asked.username)):
            raise UsernameTaken
        stored = replace(asked, password_hash=hashed)
        mail = self._mails.draft(AccountMailKind.VERIFY_ADDRESS, address=asked.email, subject=asked.name, locale=asked.locale)
        if await self._store.add_registration(stored, mail):
            self._mails.wake()
        self._log.record(SecurityEvent.REGISTRATION_REQUESTED, subject=asked.name)


def made_of(asked: Registration) -> tuple[Tenant, User]:
    """The tenant and the administrator that a registration becomes."""
    tenant = Tenant(
        id=str(ULID.from_datetime(asked.created)),
        display_name=asked.tenant_display_name,
        time_zone="UTC",
        operator=False,
        created=asked.created,
    )
    admin = User(
        id=str(ULID.from_datetime(asked.created)),
        tenant=tenant.id,
        email=asked.email,
        username=asked.username,
        display_name=asked.display_name,
        role=OWNER,
        created=asked.created,
        locale=asked.locale,
    )
    return tenant, admin
