"""One's own account: another password, and the address confirmed."""

from collections.abc import Sequence
from dataclasses import replace

from auth_svc.domain import (
    AccountMail,
    AccountMailKind,
    AddressMissing,
    AddressVerified,
    CallerGone,
    ClientFacts,
    EmailTaken,
    OneTimeTokenVoid,
    SecurityEvent,
    TokenCaller,
    TokenPurpose,
    User,
    UserNotFound,
    WrongPassword,
    checked_locale,
    digest,
    normalize_email,
    typed_password,
)
from auth_svc.ports import SecurityLog, Store
from auth_svc.service.account_mails import AccountMails
from auth_svc.service.clients import place_digest
from auth_svc.service.new_passwords import NewPasswords, words_of
from auth_svc.service.one_time import OneTimeTokens
from auth_svc.service.reauthentication import Reauthentication
from auth_svc.service.registering import TooManyRequests, made_of
from auth_svc.throttle import RequestBudget
from tocsin.client_network import client_network
from tocsin.clock import Clock
from tocsin.errors import InvalidInput


class Accounts:
    """Changes accounts, by their owners and by links in mails."""

    def __init__(
        self,
        *,
        store: Store,
        proofs: Reauthentication,
        passwords: NewPasswords,
        tokens: OneTimeTokens,
        mails: AccountMails,
        budget: RequestBudget,
        log: SecurityLog,
        clock: Clock,
    ) -> None:
        """Makes it.

        Args:
            store: keeps accounts.
            proofs: judges current passwords, and says whether a second factor was shown of late.
            passwords: hashes new ones.
            tokens: of links.
            mails: takes mails.
            budget: bounds how many mails a client may ask for.
            log: of security.
            clock: source of time.
        """
        self._store = store
        self._proofs = proofs
        self._passwords = passwords
        self._tokens = tokens
        self._mails = mails
        self._budget = budget
        self._log = log
        self._clock = clock

    async def change_password(self, caller: TokenCaller, *, current: str, new: str, client: ClientFacts) -> None:
        """Changes the password of the caller; every other session ends.

        Raises:
            UsersOnly: it is an API key.
            CallerGone: the user was removed.
            WrongPassword: ``current`` is not the password.
            FreshProofRequired: the caller has a second factor, and has not shown it of late.
            InvalidInput: the new one may not be chosen, or is the current one.
            TooManyAttempts: too many wrong ones came.
        """
        try:
            account = await self._store.get_account(caller.tenant, caller.user)
        except UserNotFound:
            raise CallerGone from None
        await self._proofs.require_fresh_factor(caller)
        await self._proofs.require_password(account, current, client, field="currentPassword")
        if typed_password(new, field="newPassword") == typed_password(current):
            raise InvalidInput.at("newPassword", "is the current one")
        own = words_of(account.user, account.tenant)
        hashed = await self._passwords.hash(new, own=own, client=client_network(client.address), field="newPassword")
        ended = await self._store.change_password(
            account.user.id,
            old=account.password_hash,
            new=hashed,
            keep=caller.session,
            mail=self._notice(account.user),
            now=self._clock.now(),
        )
        if ended is None:  # somebody else has changed it meanwhile
            raise WrongPassword.at("currentPassword", "is wrong")
        self._changed(SecurityEvent.PASSWORD_CHANGED, account.user, ended)

    async def request_reset(self, *, email: str, locale: str, client: ClientFacts) -> None:
        """Has a mail sent with a link, if the address has an account: that is found out later, so that this takes the same for each.

        Raises:
            InvalidInput: it is no address, or no language.
            TooManyRequests: of this client.
        """
        address, language = normalize_email(email), checked_locale(locale, field="locale")
        if wait := self._budget.take(client_network(client.address)):
            raise TooManyRequests(retry_after=wait)
        await self._mails.add(self._mails.draft(AccountMailKind.RESET_PASSWORD, address=address, locale=language))
        self._log.record(SecurityEvent.RESET_REQUESTED)

    async def reset_password(self, token: str, *, new: str, client: ClientFacts) -> User:
        """Sets the password of the user whose link this is; every session ends. A password that is refused does not use the link up.

        Raises:
            OneTimeTokenVoid: the link works no more.
            InvalidInput: the password may not be chosen.
        """
        found = await self._tokens.read(TokenPurpose.RESET_PASSWORD, token)
        try:
            account = await self._store.get_account(found.tenant, found.subject.removeprefix("users/"))
        except UserNotFound:
            raise OneTimeTokenVoid from None
        place, user = client_network(client.address), account.user
        hashed = await self._passwords.hash(new, own=words_of(user, account.tenant), client=place, field="newPassword")
        ended = await self._store.reset_password(
            digest(token),
            user=user.id,
            new=hashed,
            clients=[place_digest(user.id, place)] if place else [],  # others' guesses do not keep out who has the mailbox
            mail=self._notice(user),
            now=self._clock.now(),
        )
        self._changed(SecurityEvent.PASSWORD_RESET, user, ended)
        return user

    async def require_link(self, purpose: TokenPurpose, token: str) -> None:
        """Returns if the link works.

        Raises:
            OneTimeTokenVoid: it does not.
        """
        await self._tokens.read(purpose, token)

    async def verify_address(self, token: str) -> User:
        """Confirms the address to which the link went; of a registration, that makes its tenant and its administrator.

        Raises:
            OneTimeTokenVoid: the link works no more.
            UsernameTaken: of a registration: the username is in use by now.
        """
        found = await self._tokens.read(TokenPurpose.VERIFY_ADDRESS, token)
        kind, _, identity = found.subject.partition("/")
        if kind == "registrations":
            return await self._confirm(token, identity)
        _, user = await self._store.verify_address(digest(token), now=self._clock.now())
        self._log.record(SecurityEvent.ADDRESS_VERIFIED, tenant=user.tenant, subject=user.name)
        return user

    async def _confirm(self, token: str, registration: str) -> User:
        asked = await self._store.find_registration(registration)
        if asked is None:
            raise OneTimeTokenVoid
        now = self._clock.now()
        tenant, admin = made_of(asked)
        admin = replace(admin, verified=now)
        try:
            await self._store.confirm_registration(digest(token), tenant=tenant, admin=admin, password_hash=asked.password_hash, now=now)
        except EmailTaken:  # the address has got an account since the mail was sent
            raise OneTimeTokenVoid from None
        self._log.record(SecurityEvent.REGISTERED, tenant=tenant.id, subject=admin.name)
        return admin

    async def resend_verification(self, caller: TokenCaller) -> None:
        """Has another mail sent that confirms the address of the caller.

        Raises:
            UsersOnly: it is an API key.
            CallerGone: the user was removed.
            AddressMissing: there is no address.
            AddressVerified: it is confirmed.
        """
        try:
            user = await self._store.get_user(caller.tenant, caller.user)
        except UserNotFound:
            raise CallerGone from None
        if not user.email:
            raise AddressMissing
        if user.verified is not None:
            raise AddressVerified
        kind = AccountMailKind.VERIFY_ADDRESS
        await self._mails.add(self._mails.draft(kind, address=user.email, tenant=user.tenant, subject=user.name, locale=user.locale))

    def _notice(self, user: User) -> AccountMail | None:
        if not user.email:
            return None
        kind = AccountMailKind.PASSWORD_CHANGED
        return self._mails.draft(kind, address=user.email, tenant=user.tenant, subject=user.name, locale=user.locale)

    def _changed(self, event: SecurityEvent, user: User, ended: Sequence[str]) -> None:
        self._mails.wake()
        self._log.record(event, tenant=user.tenant, subject=user.name, sessions=str(len(ended)))
