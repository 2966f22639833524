"""Signing in, and staying signed in."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ulid import ULID

from auth_svc.domain import (
    PROFILE,
    Account,
    AccountMail,
    AccountMailKind,
    ClientFacts,
    Grant,
    InvalidCredentials,
    OneTimeTokenVoid,
    RefreshTokenRefused,
    Scopes,
    SecurityEvent,
    Session,
    Tenant,
    TokenCaller,
    TokenPurpose,
    TooManyAttempts,
    UnsupportedGrantType,
    User,
    UserNotFound,
    digest,
    narrow,
    new_device_token,
    new_refresh_token,
    normalize_email,
    require_held,
    sign_in_key,
    typed_password,
)
from auth_svc.ports import PasswordCheck, PasswordHasher, RefreshRefusal, Refused, SecurityLog, Store, TokenSigner
from auth_svc.service.account_mails import AccountMails
from auth_svc.service.clients import KnownClients, Visit
from auth_svc.service.one_time import OneTimeTokens
from auth_svc.throttle import LoginThrottle
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.zones import zone

_FINGERPRINT_LENGTH: Final = 12
_LINK_LIFETIME: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What signing in gives. ``expires_in`` is seconds; ``device_token`` is empty unless the client has got a new one."""

    access_token: str
    refresh_token: str
    expires_in: int
    scopes: frozenset[str]
    device_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRule:
    """How long things live, and what is told.

    Attributes:
        access: life of an access token.
        idle: life of a refresh token, which each use begins anew.
        longest: life of a session, however often it is continued.
        tell_new_clients: whether a sign-in by a client that was never seen is told by mail.
    """

    access: timedelta
    idle: timedelta
    longest: timedelta
    tell_new_clients: bool


class Sessions:
    """Signs in, refreshes, signs out."""

    def __init__(
        self,
        *,
        store: Store,
        hasher: PasswordHasher,
        signer: TokenSigner,
        throttle: LoginThrottle,
        tokens: OneTimeTokens,
        mails: AccountMails,
        scopes: Scopes,
        log: SecurityLog,
        clock: Clock,
        rule: SessionRule,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._signer = signer
        self._throttle = throttle
        self._tokens = tokens
        self._mails = mails
        self._clients = KnownClients(store=store)
        self._scopes = scopes
        self._log = log
        self._clock = clock
        self._rule = rule

    async def grant(
        self,
        *,
        grant_type: str,
        username: str,
        password: str,
        refresh_token: str,
        scope: str,
        client: ClientFacts,
        device_token: str = "",
    ) -> TokenPair:
        """Opens or continues a session, as the client asks for (RFC 6749, 4.3 and 6); without a word, by what it sends.

        Raises:
            UnsupportedGrantType: it is neither of the two.
            InvalidInput: what the grant needs is missing, or ``scope`` asks for what the user does not have.
            InvalidCredentials: the name or the password is wrong.
            RefreshTokenRefused: the token cannot be used.
            TooManyAttempts: too many attempts with this name, or of this client, have failed.
        """
        match grant_type or ("refresh_token" if refresh_token else "password"):
            case "password":
                _require(username=username, password=password)
                return await self.sign_in(username=username, password=password, scope=scope, client=client, device_token=device_token)
            case "refresh_token":
                _require(refreshToken=refresh_token)
                return await self.refresh(refresh_token, scope=scope, client=client)
            case _:
                raise UnsupportedGrantType.at("grantType", "must be password or refresh_token")

    async def sign_in(self, *, username: str, password: str, scope: str, client: ClientFacts, device_token: str = "") -> TokenPair:
        """Opens a session of an address or a username. An unknown one costs the same work and gives the same answer as a wrong password.

        Raises:
            InvalidCredentials: the name or the password is wrong.
            InvalidScope: ``scope`` asks for what the user does not have.
            TooManyAttempts: too many attempts with this name, or of this client, have failed.
        """
        key = _key_of(username)
        account = await self._store.find_account(key)
        visit = await self._clients.visit(account.user.id if account else "", client, device_token)
        account = await self._proven(key, account, password, visit)
        asked = narrow(scope, self._scopes.of(account.user.role, account.tenant))
        return await self._open(account.user, account.tenant, asked, visit)

    async def _proven(self, key: str, account: Account | None, password: str, visit: Visit) -> Account:
        """The account, if this is its password."""
        account_hash = digest(key)[:_FINGERPRINT_LENGTH]  # the log tells attempts on one account apart without its address
        guesser = visit.guesser
        try:
            self._throttle.attempt(key, guesser)
        except TooManyAttempts as error:
            self._log.record(SecurityEvent.LOGIN_DELAYED, account=account_hash, why=error.metadata["bound"])
            raise
        try:
            typed = typed_password(password)
            verdict = await self._hasher.verify(account.password_hash if account else None, typed, client=guesser.place)
        except BaseException:
            self._throttle.excused(key, guesser)
            raise
        if account is None or verdict is PasswordCheck.WRONG:
            self._log.record(SecurityEvent.LOGIN_FAILED, account=account_hash)
            raise InvalidCredentials
        self._throttle.succeeded(key, guesser)
        if verdict is PasswordCheck.OUTDATED:
            new = await self._hasher.hash(typed, client=guesser.place)
            await self._store.replace_password_hash(account.user.id, old=account.password_hash, new=new)
        return account

    async def sign_in_by_link(self, token: str, *, client: ClientFacts) -> TokenPair:
        """Opens a session by a one-time link; the session has all that the user has.

        Raises:
            OneTimeTokenVoid: the link works no more, or its user is gone.
        """
        used = await self._tokens.use(TokenPurpose.SIGN_IN, token)
        try:
            account = await self._store.get_account(used.tenant, used.subject.removeprefix("users/"))
        except UserNotFound:
            raise OneTimeTokenVoid from None
        visit = await self._clients.visit(account.user.id, client, "")
        return await self._open(account.user, account.tenant, frozenset(), visit)

    async def create_link(self, caller: TokenCaller, user: str) -> tuple[str, datetime]:
        """A token that signs a user of the caller's tenant in, once and soon, and when it ends.

        Raises:
            UserNotFound: the tenant has no such user.
            ScopeNotHeld: the user has scopes that the caller lacks.
        """
        account = await self._store.get_account(caller.tenant, user)
        require_held(self._scopes.of(account.user.role, account.tenant), caller.scopes, what="whoever uses the link")
        name = account.user.name
        token = await self._tokens.make(TokenPurpose.SIGN_IN, subject=name, tenant=caller.tenant, lifetime=_LINK_LIFETIME)
        self._log.record(SecurityEvent.LINK_CREATED, tenant=caller.tenant, subject=name, by=caller.subject)
        return token, self._clock.now() + _LINK_LIFETIME

    async def _open(self, user: User, tenant: Tenant, asked: frozenset[str], visit: Visit) -> TokenPair:
        now = self._clock.now()
        session = Session(
            id=str(ULID.from_datetime(now)),
            tenant=tenant.id,
            user=user.id,
            scopes=asked,
            created=now,
            ends=now + self._rule.longest,
            client=visit.client,
        )
        refresh, device = new_refresh_token(), "" if visit.guesser.device else new_device_token()
        await self._store.open_session(
            session,
            token=digest(refresh),
            expires=min(now + self._rule.idle, session.end(self._rule.longest)),
            clients=visit.seen(digest(device) if device else ""),
            mail=self._notice(user, tenant, visit),
        )
        self._mails.wake()
        self._log.record(SecurityEvent.LOGIN_SUCCEEDED, tenant=tenant.id, subject=user.name, session=session.id)
        return replace(self._pair(session, user, tenant, refresh), device_token=device)

    def _notice(self, user: User, tenant: Tenant, visit: Visit) -> AccountMail | None:
        """The mail that tells of a client that was never seen; none of the first sign-in of all."""
        if not (self._rule.tell_new_clients and user.email and visit.is_new):
            return None
        local = self._clock.now().astimezone(zone(tenant.time_zone))
        facts = {"time": f"{local:%Y-%m-%d %H:%M} {tenant.time_zone}", "address": visit.client.address, "agent": visit.client.agent}
        kind = AccountMailKind.NEW_SIGN_IN
        return self._mails.draft(kind, address=user.email, tenant=user.tenant, subject=user.name, locale=user.locale, variables=facts)

    async def refresh(self, refresh_token: str, *, client: ClientFacts, scope: str = "") -> TokenPair:
        """Continues a session: spends the token and gives the next pair, whose access token has no more than ``scope`` asks for.

        What the session does not have is left out, and the answer says so (RFC 6749, 3.3): the old token is spent by then.

        Raises:
            RefreshTokenRefused: the token is unknown, its session is over, or it was spent before, which ends the session for both holders.
        """
        now = self._clock.now()
        successor = new_refresh_token()
        result = await self._store.rotate(
            old=digest(refresh_token),
            new=digest(successor),
            now=now,
            idle=self._rule.idle,
            longest=self._rule.longest,
            client=client,
        )
        if isinstance(result, Refused):
            self._log_refusal(result)
            raise RefreshTokenRefused
        self._log.record(SecurityEvent.SESSION_REFRESHED, tenant=result.tenant.id, subject=result.user.name, session=result.session.id)
        return self._pair(result.session, result.user, result.tenant, successor, frozenset(scope.split()))

    def _log_refusal(self, refused: Refused) -> None:
        event = SecurityEvent.REFRESH_REUSED if refused.why is RefreshRefusal.REUSED else SecurityEvent.SESSION_REFUSED
        session = refused.session
        facts = {} if session is None else {"tenant": session.tenant, "subject": f"users/{session.user}", "session": session.id}
        self._log.record(event, why=refused.why.value, **facts)

    async def sign_out(self, refresh_token: str) -> None:
        """Ends the session of a refresh token, spent or not; an unknown one is no error (RFC 7009, 2.2)."""
        session = await self._store.close_session(digest(refresh_token))
        if session is not None:
            self._log.record(SecurityEvent.SESSION_REVOKED, tenant=session.tenant, subject=f"users/{session.user}", session=session.id)

    def _pair(self, session: Session, user: User, tenant: Tenant, refresh: str, asked: frozenset[str] = frozenset()) -> TokenPair:
        """What the user has now, as far as the session and this request asked for it: a role that lost a scope loses it here."""
        held = self._scopes.of(user.role, tenant)
        scopes = (session.scopes & held) | {PROFILE} if session.scopes else held
        scopes = (scopes & asked) | {PROFILE} if asked else scopes
        now = self._clock.now()
        grant = Grant.until(
            subject=user.name,
            tenant=tenant,
            scopes=scopes,
            now=now,
            lifetime=self._rule.access,
            end=session.end(self._rule.longest),
            session=session.id,
        )
        return TokenPair(
            access_token=self._signer.sign(grant),
            refresh_token=refresh,
            expires_in=int((grant.expires - grant.issued).total_seconds()),
            scopes=scopes,
        )


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
