"""Registering, signing in, and staying signed in."""

import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ulid import ULID

from auth_svc.domain import (
    PROFILE,
    Grant,
    InvalidCredentials,
    RefreshTokenRefused,
    RegistrationClosed,
    Role,
    Scopes,
    SecurityEvent,
    Session,
    Tenant,
    TooManyAttempts,
    UnsupportedGrantType,
    User,
    checked_name,
    digest,
    narrow,
    new_refresh_token,
    normalize_email,
    normalize_password,
    sign_in_key,
    sign_in_names,
)
from auth_svc.ports import PasswordCheck, PasswordHasher, RefreshRefusal, Refused, Rotated, SecurityLog, Store, TokenSigner
from auth_svc.throttle import LoginThrottle
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

_FINGERPRINT_LENGTH: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What signing in gives. ``expires_in`` is seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRule:
    """Whether anybody may register, and how long access tokens and sessions live."""

    registration_open: bool
    access_lifetime: timedelta
    refresh_lifetime: timedelta


class Sessions:
    """Registers, signs in, refreshes, signs out."""

    def __init__(
        self,
        *,
        store: Store,
        hasher: PasswordHasher,
        signer: TokenSigner,
        throttle: LoginThrottle,
        scopes: Scopes,
        log: SecurityLog,
        clock: Clock,
        rule: SessionRule,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._signer = signer
        self._throttle = throttle
        self._scopes = scopes
        self._log = log
        self._clock = clock
        self._rule = rule

    async def register(self, *, email: str, username: str, password: str, display_name: str, tenant_display_name: str) -> User:
        """Makes a tenant and its administrator.

        Raises:
            RegistrationClosed: by the settings.
            InvalidInput: the address, the password or a name cannot be used.
            EmailTaken: the address is in use. Only a mail could hide that; it is said after the work of hashing, not before.
            UsernameTaken: the username is in use.
        """
        if not self._rule.registration_open:
            raise RegistrationClosed
        address, name = sign_in_names(email=email, username=username, display_name=display_name)
        now = self._clock.now()
        tenant = Tenant(
            id=str(ULID.from_datetime(now)),
            display_name=checked_name(tenant_display_name, field="tenantDisplayName", default=(address or name)[:100]),
            time_zone="UTC",
            operator=False,
            created=now,
        )
        admin = User(
            id=str(ULID.from_datetime(now)),
            tenant=tenant.id,
            email=address,
            username=name,
            display_name=checked_name(display_name, field="displayName"),
            role=Role.ADMIN,
            created=now,
        )
        await self._store.add_tenant(tenant, admin, await self._hasher.hash(normalize_password(password)))
        self._log.record(SecurityEvent.REGISTERED, tenant=tenant.id, subject=admin.name)
        return admin

    async def grant(self, *, grant_type: str, username: str, password: str, refresh_token: str, scope: str) -> TokenPair:
        """Opens or continues a session, as the client asks for (RFC 6749, 4.3 and 6); without a word, by what it sends.

        Raises:
            UnsupportedGrantType: it is neither of the two.
            InvalidInput: what the grant needs is missing, or ``scope`` asks for what the user does not have.
            InvalidCredentials: the name or the password is wrong.
            RefreshTokenRefused: the token cannot be used.
            TooManyAttempts: too many attempts with this name have failed.
        """
        match grant_type or ("refresh_token" if refresh_token else "password"):
            case "password":
                _require(username=username, password=password)
                return await self.sign_in(username=username, password=password, scope=scope)
            case "refresh_token":
                _require(refreshToken=refresh_token)
                return await self.refresh(refresh_token, scope=scope)
            case _:
                raise UnsupportedGrantType.at("grantType", "must be password or refresh_token")

    async def sign_in(self, *, username: str, password: str, scope: str) -> TokenPair:
        """Opens a session of an address or a username. An unknown one costs the same work and gives the same answer as a wrong password.

        Raises:
            InvalidCredentials: the name or the password is wrong.
            InvalidScope: ``scope`` asks for what the user does not have.
            TooManyAttempts: too many attempts with this name have failed.
        """
        key = _key_of(username)
        account_hash = digest(key)[:_FINGERPRINT_LENGTH]  # the log tells attempts on one account apart without its address
        try:
            self._throttle.attempt(key)
        except TooManyAttempts:
            self._log.record(SecurityEvent.LOGIN_DELAYED, account=account_hash)
            raise
        try:
            account = await self._store.find_account(key)
            password_hash = account.password_hash if account else None
            typed = unicodedata.normalize("NFKC", password)
            verdict = await self._hasher.verify(password_hash, typed)
        except BaseException:
            self._throttle.excused(key)
            raise
        if account is None or verdict is PasswordCheck.WRONG:
            self._log.record(SecurityEvent.LOGIN_FAILED, account=account_hash)
            raise InvalidCredentials
        self._throttle.succeeded(key)
        if verdict is PasswordCheck.OUTDATED:
            await self._store.replace_password_hash(account.user.id, old=account.password_hash, new=await self._hasher.hash(typed))
        asked = narrow(scope, self._scopes.of(account.user.role, account.tenant))
        return await self._open(account.user, account.tenant, asked)

    async def _open(self, user: User, tenant: Tenant, asked: frozenset[str]) -> TokenPair:
        now = self._clock.now()
        session = Session(id=str(ULID.from_datetime(now)), tenant=tenant.id, user=user.id, scopes=asked, created=now)
        refresh = new_refresh_token()
        await self._store.open_session(session, token=digest(refresh), expires=now + self._rule.refresh_lifetime)
        self._log.record(SecurityEvent.LOGIN_SUCCEEDED, tenant=tenant.id, subject=user.name, session=session.id)
        return self._pair(session, user, tenant, refresh)

    async def refresh(self, refresh_token: str, *, scope: str = "") -> TokenPair:
        """Continues a session: spends the token and gives the next pair, whose access token has no more than ``scope`` asks for.

        What the session does not have is left out, and the answer says so (RFC 6749, 3.3): the old token is spent by then.

        Raises:
            RefreshTokenRefused: the token is unknown, has expired, or was spent before, which ends the session for both holders.
        """
        now = self._clock.now()
        successor = new_refresh_token()
        result = await self._store.rotate(
            old=digest(refresh_token), new=digest(successor), now=now, expires=now + self._rule.refresh_lifetime
        )
        if isinstance(result, Refused):
            self._log_refusal(result)
            raise RefreshTokenRefused
        self._log.record(SecurityEvent.SESSION_REFRESHED, tenant=result.tenant.id, subject=result.user.name, session=result.session.id)
        return self._continue(result, successor, frozenset(scope.split()))

    def _continue(self, rotated: Rotated, successor: str, asked: frozenset[str]) -> TokenPair:
        return self._pair(rotated.session, rotated.user, rotated.tenant, successor, asked)

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
        grant = Grant.until(subject=user.name, tenant=tenant, scopes=scopes, now=now, lifetime=self._rule.access_lifetime, end=None)
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
