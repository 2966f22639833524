"""Signing in."""

from datetime import datetime, timedelta
from typing import Final

from auth_svc.domain import (
    OWNER,
    Account,
    ChallengeVoid,
    ClientFacts,
    InvalidCredentials,
    IssuerWord,
    OneTimeTokenVoid,
    PasswordSignInOff,
    Proof,
    SecondFactorRefused,
    SecurityEvent,
    TokenCaller,
    TokenPurpose,
    UnsupportedGrantType,
    UserNotFound,
    digest,
    narrow,
    normalize_email,
    sign_in_key,
    typed_password,
)
from auth_svc.ports import PasswordCheck, PasswordHasher, SecurityLog, Store
from auth_svc.service.authorizer import Authorizer
from auth_svc.service.clients import KnownClients, Visit, holder_of
from auth_svc.service.one_time import OneTimeTokens
from auth_svc.service.open_sessions import OpenSessions
from auth_svc.service.opening import SessionOpening, TokenPair
from auth_svc.service.second_factor import Challenge, FactorAnswer, SecondFactors, vouching
from auth_svc.throttle import LoginThrottle
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

_FINGERPRINT_LENGTH: Final = 12
_LINK_LIFETIME: Final = timedelta(minutes=10)
_NONE: Final = FactorAnswer()


class Sessions:
    """Signs in, by whatever grant there is."""

    def __init__(
        self,
        *,
        store: Store,
        hasher: PasswordHasher,
        opening: SessionOpening,
        second: SecondFactors,
        throttle: LoginThrottle,
        tokens: OneTimeTokens,
        authorizer: Authorizer,
        log: SecurityLog,
        clock: Clock,
        continuing: OpenSessions,
    ) -> None:
        self._store = store
        self._authorizer = authorizer
        self._hasher = hasher
        self._opening = opening
        self._second = second
        self._throttle = throttle
        self._tokens = tokens
        self._clients = KnownClients(store=store)
        self._scopes = authorizer.scopes
        self._log = log
        self._clock = clock
        self._continuing = continuing

    async def grant(
        self,
        *,
        grant_type: str,
        client: ClientFacts,
        username: str = "",
        password: str = "",
        refresh_token: str = "",
        scope: str = "",
        device_token: str = "",
        challenge: str = "",
        answer: FactorAnswer = _NONE,
    ) -> TokenPair:
        """Opens or continues a session, as the client asks for (RFC 6749, 4.3 and 6); without a word, by what it sends.

        Raises:
            UnsupportedGrantType: it is none of those below.
            InvalidInput: what the grant needs is missing, or ``scope`` asks for what the user does not have.
            InvalidCredentials: the name or the password is wrong.
            SecondFactorRequired: a second factor is needed as well; the error holds the challenge.
            SecondFactorRefused: the answer to a challenge is wrong.
            ChallengeVoid: the challenge may not be answered, or not by this client.
            RefreshTokenRefused: the token cannot be used.
            TooManyAttempts: too many attempts with this name, or of this client, have failed.
        """
        match grant_type or _guessed(refresh_token=refresh_token, challenge=challenge):
            case "password":
                _require(username=username, password=password)
                return await self.sign_in(username=username, password=password, scope=scope, client=client, device_token=device_token)
            case "refresh_token":
                _require(refreshToken=refresh_token)
                return await self._continuing.refresh(refresh_token, scope=scope, client=client)
            case "second_factor":
                _require(challenge=challenge)
                return await self.answer(challenge, answer, scope=scope, client=client, device_token=device_token)
            case "passkey":
                _require(challenge=challenge, passkeyResponse=answer.passkey)
                return await self.sign_in_by_passkey(challenge, answer, scope=scope, client=client, device_token=device_token)
            case _:
                raise UnsupportedGrantType.at("grantType", "must be password, refresh_token, second_factor or passkey")

    async def open_for(
        self,
        account: Account,
        visit: Visit,
        proof: Proof,
        *,
        asked: frozenset[str] = frozenset(),
        word: IssuerWord | None = None,
    ) -> TokenPair:
        """Opens a session of somebody who has given ``proof``: see `SessionOpening.open_for`."""
        return await self._opening.open_for(account, visit, proof, asked=asked, word=word)

    async def sign_in(self, *, username: str, password: str, scope: str, client: ClientFacts, device_token: str = "") -> TokenPair:
        """Opens a session of an address or a username. An unknown one costs the same work and gives the same answer as a wrong password.

        Raises:
            InvalidCredentials: the name or the password is wrong.
            SecondFactorRequired: a second factor is needed as well; the error holds the challenge.
            InvalidScope: ``scope`` asks for what the user does not have.
            UserDeactivated: the password is right, and the account is deactivated.
            PasswordSignInOff: the tenant signs in by its identity provider alone.
            TooManyAttempts: too many attempts with this name, or of this client, have failed.
        """
        key = _key_of(username)
        account = await self._store.find_account(key)
        visit = await self._clients.visit(account.user.id if account else "", client, device_token)
        account = await self._proven(key, account, password, visit)
        if account.tenant.password_off and account.user.role.id != OWNER.id:  # owners can: the issuer may be away, or the fault
            raise PasswordSignInOff
        asked = narrow(scope, self._scopes.of(account.user.role, account.tenant))
        return await self.open_for(account, visit, Proof.PASSWORD, asked=asked)

    async def answer(
        self, challenge: str, answer: FactorAnswer, *, client: ClientFacts, scope: str = "", device_token: str = ""
    ) -> TokenPair:
        """Opens the session that a challenge was in the way of.

        Raises:
            ChallengeVoid: the challenge may not be answered, or not by this client.
            SecondFactorRefused: the answer is wrong; the challenge may be answered again.
            TooManyAttempts: too many wrong ones came.
            InvalidScope: ``scope`` asks for what the user does not have.
        """
        asked = Challenge(purpose=TokenPurpose.SECOND_FACTOR, token=challenge, holder=holder_of(client.address, device_token))
        found = await self._second.read(asked)
        try:
            account = await self._store.get_account(found.tenant, found.subject.split("/")[1])
        except UserNotFound:
            raise ChallengeVoid from None
        named, session = vouching(found.subject)
        provider = await self._store.find_identity_provider(named) if named else None
        if named and provider is None:
            raise ChallengeVoid
        word = IssuerWord(provider=provider, session=session) if provider else None
        return await self._answered(account, answer, asked, scope=scope, client=client, device_token=device_token, word=word)

    async def begin_passkey(self, challenge: str, *, client: ClientFacts, device_token: str = "") -> tuple[str, str]:
        """A challenge that a passkey can answer, and what a browser asks it by.

        With the ``challenge`` of a sign-in, it is that one, for the passkeys of its user; without, a new one for any that a browser has.

        Raises:
            ChallengeVoid: the challenge may not be answered, or not by this client.
            PasskeysUnavailable: there are no passkeys here.
        """
        holder = holder_of(client.address, device_token)
        if not challenge:
            token = await self._second.open_passkey(holder=holder)
            return token, self._second.request_options(token, ())
        found = await self._second.read(Challenge(purpose=TokenPurpose.SECOND_FACTOR, token=challenge, holder=holder))
        factors = await self._store.list_factors(found.tenant, found.subject.split("/")[1])
        return challenge, self._second.request_options(challenge, factors)

    async def sign_in_by_passkey(
        self, challenge: str, answer: FactorAnswer, *, client: ClientFacts, scope: str = "", device_token: str = ""
    ) -> TokenPair:
        """Opens a session by a passkey alone, which has verified its user: it is two factors in one.

        Raises:
            ChallengeVoid: the challenge may not be answered, or not by this client.
            SecondFactorRefused: nobody has this passkey, or it did not sign the challenge, or did not verify its user.
            TooManyAttempts: too many wrong ones came.
            InvalidScope: ``scope`` asks for what the user does not have.
        """
        asked = Challenge(purpose=TokenPurpose.PASSKEY_SIGN_IN, token=challenge, holder=holder_of(client.address, device_token))
        await self._second.read(asked)
        passkey = await self._second.passkey_named(answer.passkey)
        try:
            account = None if passkey is None else await self._store.get_account(passkey.tenant, passkey.user)
        except UserNotFound:
            account = None
        if account is None:
            self._log.record(SecurityEvent.FACTOR_REFUSED, shown="passkey")
            raise SecondFactorRefused
        return await self._answered(account, answer, asked, scope=scope, client=client, device_token=device_token)

    async def _answered(
        self,
        account: Account,
        answer: FactorAnswer,
        challenge: Challenge,
        *,
        scope: str,
        client: ClientFacts,
        device_token: str,
        word: IssuerWord | None = None,
    ) -> TokenPair:
        visit = await self._clients.visit(account.user.id, client, device_token)
        asked = narrow(scope, self._scopes.of(account.user.role, account.tenant))
        alone = challenge.purpose is TokenPurpose.PASSKEY_SIGN_IN
        proof = await self._second.prove(account, answer, guesser=visit.guesser, challenge=challenge, verify_user=alone)
        return await self.open_for(account, visit, proof, asked=asked, word=word)

    async def _proven(self, key: str, account: Account | None, password: str, visit: Visit) -> Account:
        """The account, if this is its password."""
        account_hash = digest(key)[:_FINGERPRINT_LENGTH]  # the log tells attempts on one account apart without its address
        guesser = visit.guesser

        def delayed(bound: str) -> None:
            self._log.record(SecurityEvent.LOGIN_DELAYED, account=account_hash, why=bound)

        with self._throttle.guess(key, guesser, delayed=delayed) as guess:
            typed = typed_password(password)
            verdict = await self._hasher.verify(account.password_hash if account else None, typed, client=guesser.place)
            guess.right = account is not None and verdict is not PasswordCheck.WRONG
        if account is None or not guess.right:
            self._log.record(SecurityEvent.LOGIN_FAILED, account=account_hash)
            raise InvalidCredentials
        if verdict is PasswordCheck.OUTDATED:
            new = await self._hasher.hash(typed, client=guesser.place)
            await self._store.replace_password_hash(account.user.id, old=account.password_hash, new=new)
        return account

    async def sign_in_by_link(self, token: str, *, client: ClientFacts) -> TokenPair:
        """Opens a session by a one-time link; the session has all that the user has.

        Raises:
            OneTimeTokenVoid: the link works no more, or its user is gone.
            SecondFactorRequired: the tenant requires a second factor, and the user has one.
        """
        used = await self._tokens.use(TokenPurpose.SIGN_IN, token)
        try:
            account = await self._store.get_account(used.tenant, used.subject.removeprefix("users/"))
        except UserNotFound:
            raise OneTimeTokenVoid from None
        visit = await self._clients.visit(account.user.id, client, "")
        return await self.open_for(account, visit, Proof.LINK)

    async def open_by_provider(self, account: Account, word: IssuerWord, *, client: ClientFacts, device_token: str = "") -> TokenPair:
        """Opens a session of somebody whom an identity provider vouches for; it ends with the provider.

        Raises:
            SecondFactorRequired: the tenant requires a second factor; the error holds the challenge.
            InvalidCredentials: the user or the provider is gone.
        """
        visit = await self._clients.visit(account.user.id, client, device_token)
        return await self.open_for(account, visit, Proof.ISSUER, word=word)

    async def create_link(self, caller: TokenCaller, user: str) -> tuple[str, datetime]:
        """A token that signs a user of the caller's tenant in, once and soon, and when it ends.

        Raises:
            UserNotFound: the tenant has no such user.
            ScopeNotHeld: the user has scopes that the caller lacks.
            CallerGone: the caller was removed.
        """
        account = await self._store.get_account(caller.tenant, user)
        await self._authorizer.require(caller, account.user.role, account.tenant, what="whoever uses the link")
        name = account.user.name
        token = await self._tokens.make(TokenPurpose.SIGN_IN, subject=name, tenant=caller.tenant, lifetime=_LINK_LIFETIME)
        self._log.record(SecurityEvent.LINK_CREATED, tenant=caller.tenant, subject=name, by=caller.subject)
        return token, self._clock.now() + _LINK_LIFETIME


def _guessed(*, refresh_token: str, challenge: str) -> str:
    if refresh_token:
        return "refresh_token"
    return "second_factor" if challenge else "password"


def _require(**given: str) -> None:
    for field, text in given.items():
        if not text:
            raise InvalidInput.at(field, "is required")


def _key_of(name: str) -> str:
    """The key to look up; what is neither an address nor a username finds nobody, and is told so after the same work."""
    try:
        return sign_in_key(normalize_email(name) if "@" in name else name)
    except InvalidInput:
        return sign_in_key(name)
