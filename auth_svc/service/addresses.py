"""Changing one's email address."""

from ulid import ULID

from auth_svc.domain import (
    AccountMailKind,
    AddressChange,
    CallerGone,
    ClientFacts,
    OneTimeTokenVoid,
    SecurityEvent,
    TokenCaller,
    TokenPurpose,
    User,
    UserNotFound,
    digest,
    normalize_email,
    sign_in_key,
)
from auth_svc.ports import SecurityLog, Store
from auth_svc.service.account_mails import AccountMails
from auth_svc.service.one_time import OneTimeTokens
from auth_svc.service.reauthentication import Reauthentication
from auth_svc.service.registering import TooManyRequests
from auth_svc.throttle import RequestBudget
from tocsin.client_network import client_network
from tocsin.clock import Clock
from tocsin.errors import InvalidInput


class AddressChanges:
    """Changes the address of a user: it counts once a mail to the new one was followed, and the one of before gets a way back.

    Whoever asks learns nothing of an address: one that has an account gets a mail that says so.
    """

    def __init__(
        self,
        *,
        store: Store,
        proofs: Reauthentication,
        tokens: OneTimeTokens,
        mails: AccountMails,
        budget: RequestBudget,
        log: SecurityLog,
        clock: Clock,
    ) -> None:
        """Makes it.

        Args:
            store: keeps changes.
            proofs: says whether who asks has shown of late who they are.
            tokens: of links.
            mails: takes mails.
            budget: bounds how many mails a client may ask for.
            log: of security.
            clock: source of time.
        """
        self._store = store
        self._proofs = proofs
        self._tokens = tokens
        self._mails = mails
        self._budget = budget
        self._log = log
        self._clock = clock

    async def ask(self, caller: TokenCaller, *, address: str, client: ClientFacts) -> None:
        """Has a mail sent to the new address of the caller; an earlier wish that was not confirmed is void.

        Raises:
            UsersOnly: it is an API key.
            CallerGone: the user was removed.
            FreshProofRequired: the caller has not shown of late who they are.
            InvalidInput: it is no address, or the caller's own.
            TooManyRequests: of this client.
            TooManyAddressChanges: of this user.
        """
        after = normalize_email(address, field="newEmail")
        try:
            user = await self._store.get_user(caller.tenant, caller.user)
        except UserNotFound:
            raise CallerGone from None
        await self._proofs.require_fresh(caller)
        if sign_in_key(after) == sign_in_key(user.email):
            raise InvalidInput.at("newEmail", "is the current one")
        if wait := self._budget.take(client_network(client.address)):
            raise TooManyRequests(retry_after=wait)
        now = self._clock.now()
        change = AddressChange(
            id=str(ULID.from_datetime(now)),
            tenant=user.tenant,
            user=user.id,
            before=user.email,
            after=after,
            session=caller.session,
            created=now,
        )
        kind = AccountMailKind.CHANGE_ADDRESS
        mail = self._mails.draft(kind, address=after, tenant=user.tenant, subject=change.name, locale=user.locale)
        await self._store.ask_address_change(change, mail=mail)
        self._mails.wake()
        self._log.record(SecurityEvent.ADDRESS_CHANGE_REQUESTED, tenant=user.tenant, subject=user.name)

    async def confirm(self, token: str) -> User:
        """Makes the change count by the link in the mail to the new address.

        Every session ends but the one that asked; a mail tells the address of before, and holds the way back.

        Raises:
            OneTimeTokenVoid: the link works no more, or the address is somebody's by now.
        """
        change, user = await self._found(TokenPurpose.CHANGE_ADDRESS, token)
        notice = None
        if change.before:
            facts = {"address": change.after}
            kind = AccountMailKind.ADDRESS_CHANGED
            notice = self._mails.draft(
                kind, address=change.before, tenant=user.tenant, subject=change.name, locale=user.locale, variables=facts
            )
        ended = await self._store.confirm_address_change(digest(token), change, notice=notice, now=self._clock.now())
        self._mails.wake()
        self._log.record(SecurityEvent.ADDRESS_CHANGED, tenant=user.tenant, subject=user.name, sessions=str(len(ended)))
        return user

    async def revert(self, token: str) -> User:
        """Takes a change back by the link in the mail to the address of before.

        Every session ends, the password works no more, and a mail leads to another one.

        Raises:
            OneTimeTokenVoid: the link works no more, or the address is somebody else's by now.
        """
        change, user = await self._found(TokenPurpose.REVERT_ADDRESS, token)
        kind = AccountMailKind.RESET_PASSWORD
        mail = self._mails.draft(kind, address=change.before, tenant=user.tenant, subject=user.name, locale=user.locale)
        user, ended = await self._store.revert_address_change(digest(token), change, mail=mail, now=self._clock.now())
        self._mails.wake()
        self._log.record(SecurityEvent.ADDRESS_REVERTED, tenant=user.tenant, subject=user.name, sessions=str(len(ended)))
        return user

    async def _found(self, purpose: TokenPurpose, token: str) -> tuple[AddressChange, User]:
        found = await self._tokens.read(purpose, token)
        change = await self._store.find_address_change(found.subject)
        if change is None:
            raise OneTimeTokenVoid
        try:
            return change, await self._store.get_user(change.tenant, change.user)
        except UserNotFound:
            raise OneTimeTokenVoid from None
