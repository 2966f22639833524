"""Second factors, as their owners and administrators add, name and remove them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ulid import ULID

from auth_svc.domain import (
    CHALLENGE_LIFETIME,
    ENROLMENT_LIFETIME,
    Account,
    AccountMail,
    AccountMailKind,
    CallerGone,
    Factor,
    FactorKind,
    SecurityEvent,
    TokenCaller,
    TokenPurpose,
    User,
    UserNotFound,
    checked_name,
    new_recovery_codes,
    plain_code,
)
from auth_svc.domain.totp import matching_step, new_totp_secret, totp_uri
from auth_svc.ports import Passkeys, SecurityLog, Store
from auth_svc.service.account_mails import AccountMails
from auth_svc.service.authorizer import Authorizer
from auth_svc.service.one_time import OneTimeTokens
from auth_svc.service.reauthentication import Reauthentication
from auth_svc.service.second_factor import Challenge, SecondFactors
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.sealing import Sealer

_ISSUER: Final = "Tocsin"
_DEFAULT_NAMES: Final = {FactorKind.TOTP: "Authenticator app", FactorKind.PASSKEY: "Passkey"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApp:
    """An authenticator app that waits for its first code; ``uri`` holds the secret as well."""

    factor: Factor
    secret: str
    uri: str


class FactorOffice:
    """Changes the second factors of users. Whoever changes their own has shown not long ago who they are, and gets a mail."""

    def __init__(
        self,
        *,
        store: Store,
        passkeys: Passkeys,
        tokens: OneTimeTokens,
        second: SecondFactors,
        fresh: Reauthentication,
        mails: AccountMails,
        sealer: Sealer,
        authorizer: Authorizer,
        log: SecurityLog,
        clock: Clock,
    ) -> None:
        """Makes it.

        Args:
            store: keeps factors.
            passkeys: speaks WebAuthn.
            tokens: makes challenges.
            second: reads challenges, and says what is stored of a recovery code.
            fresh: says whether a proof is fresh.
            mails: tells of changes.
            sealer: seals the secrets of apps.
            authorizer: says who may reset whose.
            log: of security.
            clock: source of time.
        """
        self._store = store
        self._passkeys = passkeys
        self._tokens = tokens
        self._second = second
        self._fresh = fresh
        self._mails = mails
        self._sealer = sealer
        self._authorizer = authorizer
        self._log = log
        self._clock = clock

    async def factors(self, caller: TokenCaller, user: str) -> tuple[Sequence[Factor], int]:
        """The factors of a user of the caller's tenant, and how many recovery codes are left.

        Raises:
            UserNotFound: the tenant has no such user.
        """
        await self._store.get_user(caller.tenant, user)
        return await self._store.list_factors(caller.tenant, user), await self._store.count_recovery_codes(caller.tenant, user)

    async def enrol_app(self, caller: TokenCaller, *, display_name: str) -> NewApp:
        """An authenticator app that waits to be confirmed; an earlier one that does waits no more.

        Raises:
            UsersOnly, CallerGone, FreshProofRequired: it may not.
            TooManyFactors: the user has as many as one may have.
            InvalidInput: the name cannot be used.
        """
        account = await self._changing(caller)
        secret, factor = new_totp_secret(), self._new(account.user, FactorKind.TOTP, display_name)
        sealed = self._sealer.seal(secret, owner=factor.name)
        await self._store.add_factor(replace(factor, confirmed=False, secret=sealed))
        uri = totp_uri(secret, issuer=_ISSUER, account=account.user.email or account.user.username)
        return NewApp(factor=factor, secret=secret, uri=uri)

    async def confirm_app(self, caller: TokenCaller, factor: str, *, code: str) -> tuple[Factor, Sequence[str]]:
        """Makes an app a factor, by a code that it shows; and the recovery codes, if there were none.

        Raises:
            UsersOnly, CallerGone: it may not.
            FactorNotFound: no such app waits, or not any more.
            InvalidInput: the code is wrong.
        """
        account, now = await self._account(caller), self._clock.now()
        waiting = await self._store.waiting_factor(caller.tenant, caller.user, factor, since=now - ENROLMENT_LIFETIME)
        secret = self._sealer.open(waiting.secret, owner=waiting.name)
        step = matching_step(secret, plain_code(code), now=now, after=0)
        if step is None:
            raise InvalidInput.at("code", "is not what the app shows; are the clocks right?")
        codes, mail = new_recovery_codes(), self._notice(AccountMailKind.FACTOR_ADDED, account.user, waiting)
        stored = await self._store.confirm_factor(
            waiting, step=step, codes=self._digests(account.user, codes), mail=mail, session=caller.session, now=now
        )
        self._added(waiting, caller)
        return replace(waiting, confirmed=True, last_used=now), codes if stored else ()

    async def begin_passkey(self, caller: TokenCaller) -> tuple[str, str]:
        """A challenge, and what a browser makes a passkey by.

        Raises:
            UsersOnly, CallerGone, FreshProofRequired: it may not.
            PasskeysUnavailable: there are no passkeys here.
        """
        account = await self._changing(caller)
        user = account.user
        token = await self._tokens.make(TokenPurpose.PASSKEY_ENROLMENT, subject=user.name, tenant=user.tenant, lifetime=CHALLENGE_LIFETIME)
        known = [each for each in await self._store.list_factors(user.tenant, user.id) if each.kind is FactorKind.PASSKEY]
        return token, self._passkeys.creation_options(user, token=token, known=known)

    async def enrol_passkey(self, caller: TokenCaller, *, challenge: str, response: str, display_name: str) -> tuple[Factor, Sequence[str]]:
        """Makes a passkey a factor, by what the browser answers; and the recovery codes, if there were none.

        Raises:
            UsersOnly, CallerGone, FreshProofRequired: it may not.
            ChallengeVoid: the challenge works no more.
            InvalidInput: the answer is none to this challenge, or the name cannot be used.
            PasskeyTaken: the passkey is somebody's.
            TooManyFactors: the user has as many as one may have.
        """
        account = await self._changing(caller)
        user, asked = account.user, Challenge(purpose=TokenPurpose.PASSKEY_ENROLMENT, token=challenge)
        if (await self._second.read(asked)).subject != user.name:
            raise InvalidInput.at("challenge", "is not yours")
        made = self._passkeys.created(response, token=challenge, field="passkeyResponse")
        factor = replace(
            self._new(user, FactorKind.PASSKEY, display_name),
            credential=made.credential,
            public_key=made.public_key,
            sign_count=made.sign_count,
            transports=made.transports,
            synced=made.synced,
        )
        codes, mail = new_recovery_codes(), self._notice(AccountMailKind.FACTOR_ADDED, user, factor)
        stored = await self._store.add_factor(
            factor, codes=self._digests(user, codes), mail=mail, session=caller.session, challenge=asked.key
        )
        self._added(factor, caller)
        return factor, codes if stored else ()

    async def rename(self, caller: TokenCaller, factor: str, *, display_name: str) -> Factor:
        """Gives a factor another name.

        Raises:
            UsersOnly: it is an API key.
            FactorNotFound: the user has no such factor.
            InvalidInput: the name cannot be used.
        """
        name = checked_name(display_name, field="factor.displayName")
        if not name:
            raise InvalidInput.at("factor.displayName", "must not be empty")
        renamed = await self._store.rename_factor(caller.tenant, caller.user, factor, display_name=name)
        self._log.record(SecurityEvent.FACTOR_RENAMED, tenant=caller.tenant, subject=caller.subject, factor=factor)
        return renamed

    async def remove(self, caller: TokenCaller, factor: str) -> None:
        """Removes a factor.

        Raises:
            UsersOnly, CallerGone, FreshProofRequired: it may not.
            FactorNotFound: the user has no such factor.
            LastFactor: the tenant requires one, and it is the last.
        """
        account = await self._changing(caller)

        def notice(removed: Factor) -> AccountMail | None:
            return self._notice(AccountMailKind.FACTOR_REMOVED, account.user, removed)

        required = account.tenant.require_second_factor
        await self._store.remove_factor(caller.tenant, caller.user, factor, keep_one=required, notice=notice)
        self._mails.wake()
        self._log.record(SecurityEvent.FACTOR_REMOVED, tenant=caller.tenant, subject=caller.subject, factor=factor)

    async def make_codes(self, caller: TokenCaller) -> Sequence[str]:
        """Other recovery codes.

        Raises:
            UsersOnly, CallerGone, FreshProofRequired: it may not.
            FactorNotFound: the user has no factor whose place they could take.
        """
        account, codes = await self._changing(caller), new_recovery_codes()
        digests = self._digests(account.user, codes)
        await self._store.replace_recovery_codes(caller.tenant, caller.user, digests, now=self._clock.now())
        self._log.record(SecurityEvent.RECOVERY_CODES_MADE, tenant=caller.tenant, subject=caller.subject)
        return codes

    async def reset(self, caller: TokenCaller, user: str) -> int:
        """Removes every factor of a user of the caller's tenant; how many.

        Raises:
            UserNotFound: the tenant has no such user.
            ScopeNotHeld: the user has scopes that the caller lacks.
            CallerGone: the caller was removed.
            FreshProofRequired: the caller's proof is too old.
        """
        account = await self._store.get_account(caller.tenant, user)
        await self._authorizer.require(caller, account.user.role, account.tenant, what="whoever could sign in then")
        await self._fresh.require_fresh(caller)
        mail = self._notice(AccountMailKind.FACTOR_REMOVED, account.user, None)
        removed = await self._store.reset_factors(caller.tenant, user, mail=mail)
        self._mails.wake()
        self._log.record(
            SecurityEvent.FACTORS_RESET, tenant=caller.tenant, subject=account.user.name, by=caller.subject, factors=str(removed)
        )
        return removed

    async def _account(self, caller: TokenCaller) -> Account:
        try:
            return await self._store.get_account(caller.tenant, caller.user)
        except UserNotFound:
            raise CallerGone from None

    async def _changing(self, caller: TokenCaller) -> Account:
        account = await self._account(caller)
        await self._fresh.require_fresh(caller)
        return account

    def _new(self, user: User, kind: FactorKind, display_name: str) -> Factor:
        now = self._clock.now()
        return Factor(
            id=str(ULID.from_datetime(now)),
            tenant=user.tenant,
            user=user.id,
            kind=kind,
            display_name=checked_name(display_name, field="displayName", default=_DEFAULT_NAMES[kind]),
            created=now,
        )

    def _digests(self, user: User, codes: Sequence[str]) -> Sequence[str]:
        return [self._second.code_digest(user.id, plain_code(code)) for code in codes]

    def _added(self, factor: Factor, caller: TokenCaller) -> None:
        self._mails.wake()
        self._log.record(SecurityEvent.FACTOR_ADDED, tenant=caller.tenant, subject=caller.subject, factor=factor.id, kind=factor.kind.value)

    def _notice(self, kind: AccountMailKind, user: User, factor: Factor | None) -> AccountMail | None:
        """The mail that tells of a change; of no factor: of all."""
        if not user.email:
            return None
        facts = {} if factor is None else {"factor": factor.display_name}
        return self._mails.draft(kind, address=user.email, tenant=user.tenant, subject=user.name, locale=user.locale, variables=facts)
