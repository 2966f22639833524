"""Who there is and what they may do: tenants, users, sessions, API keys, scopes (pure)."""

import hashlib
import re
import secrets
import string
import unicodedata
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from email_validator import EmailNotValidError, validate_email

from tocsin.alerts import Alert
from tocsin.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound, PermissionDenied, ResourceExhausted, Unauthenticated
from tocsin.zones import NoSuchZone, zone

PROFILE = "profile:read"
"""The scope that every token has: whoever has a token may ask who they are."""

EVERY_SCOPE = "*"
"""Stands, in stored scopes, for all that an administrator of the tenant has, those of later versions included."""

PASSWORD_LENGTH = range(8, 129)
"""Characters of a password (NIST SP 800-63B, 3.1.1.2, asks for 8 at least)."""

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32
_KEY_PREFIX = "tk_"
_SHOWN_LENGTH = 8
_MEMBER_AREAS = frozenset({"alarms", "events", "firings", "tasks", "records", "templates", "inbox", "deliveries"})
_MEMBER_SCOPES = frozenset({"tenant:read", PROFILE})
_PLATFORM_AREAS = frozenset({"mesh"})


class EmailTaken(AlreadyExists):
    """A user with this email address exists already."""


class UsernameTaken(AlreadyExists):
    """A user with this username exists already."""


class InvalidCredentials(Unauthenticated):
    """The name or the password is wrong."""


class RefreshTokenRefused(Unauthenticated):
    """The refresh token is not valid: sign in again."""


class ApiKeyRefused(Unauthenticated):
    """The API key is not valid."""


class CallerGone(Unauthenticated):
    """The user or API key of this token no longer exists."""


class InvalidScope(InvalidInput):
    """A scope is asked for that the user does not have (RFC 6749, 5.2)."""


class UnsupportedGrantType(InvalidInput):
    """The grant type must be password or refresh_token (RFC 6749, 5.2)."""


class RegistrationClosed(PermissionDenied):
    """Registration is closed; ask an administrator for an account."""


class ScopeNotHeld(PermissionDenied):
    """You cannot grant scopes that you do not have."""


class TooManyAttempts(ResourceExhausted):
    """Too many failed sign-ins for this account; retry later."""


class TenantNotFound(NotFound):
    """There is no such tenant."""


class UserNotFound(NotFound):
    """There is no such user."""


class ApiKeyNotFound(NotFound):
    """There is no such API key."""


class AlertNotFound(NotFound):
    """There is no such security alert."""


class LastAdministrator(FailedPrecondition):
    """The last administrator of a tenant cannot be removed."""


class Role(Enum):
    """What a user is in the tenant."""

    ADMIN = "ADMIN"
    MEMBER = "MEMBER"


class SecurityEvent(Enum):
    """What the security log tells; the values are stable names that alerts may rely on."""

    BOOTSTRAPPED = "auth.bootstrapped"
    REGISTERED = "auth.registered"
    LOGIN_SUCCEEDED = "auth.login.succeeded"
    LOGIN_FAILED = "auth.login.failed"
    LOGIN_DELAYED = "auth.login.delayed"
    SESSION_REFRESHED = "auth.session.refreshed"
    SESSION_REFUSED = "auth.session.refused"
    SESSION_REVOKED = "auth.session.revoked"
    REFRESH_REUSED = "auth.refresh.reused"
    KEY_CREATED = "auth.key.created"
    KEY_REVOKED = "auth.key.revoked"
    KEY_REFUSED = "auth.key.refused"
    USER_CREATED = "auth.user.created"
    USER_REMOVED = "auth.user.removed"
    TENANT_CHANGED = "auth.tenant.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The wall between customers. ``operator``: its administrators run the platform as well."""

    id: str
    display_name: str
    time_zone: str
    operator: bool
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or a program of a tenant.

    ``email`` and ``username`` sign in; one of them may be empty. They are as the person writes them; `sign_in_key` tells whether two are
    the same.
    """

    id: str
    tenant: str
    email: str
    username: str = ""
    display_name: str
    role: Role
    created: datetime

    @property
    def name(self) -> str:
        """Resource name."""
        return f"users/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What signing in needs: the user, the tenant and the password's hash."""

    user: User
    tenant: Tenant
    password_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A family of refresh tokens: what one sign-in began. ``scopes``: what was asked for; none means all that the user has."""

    id: str
    tenant: str
    user: str
    scopes: frozenset[str]
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that programs sign in with. ``prefix`` is the beginning of its secret; ``expires`` is None when it never does."""

    id: str
    tenant: str
    display_name: str
    scopes: frozenset[str]
    prefix: str
    created: datetime
    expires: datetime | None

    @property
    def name(self) -> str:
        """Resource name."""
        return f"apiKeys/{self.id}"

    def expired(self, now: datetime) -> bool:
        """Whether it works no more."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """A security alert as it is kept. ``updated`` is when it was last counted here, in microseconds since 1970."""

    id: str
    alert: Alert
    updated: int

    @property
    def name(self) -> str:
        """Resource name."""
        return f"security/alerts/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCaller:
    """Who asks, as the verified token says."""

    tenant: str
    subject: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an access token says."""

    subject: str
    tenant: str
    scopes: frozenset[str]
    time_zone: str
    issued: datetime
    expires: datetime

    @classmethod
    def until(
        cls, *, subject: str, tenant: Tenant, scopes: frozenset[str], now: datetime, lifetime: timedelta, end: datetime | None
    ) -> "Grant":
        """A grant of ``lifetime`` that does not outlive ``end``. Whole seconds, as NumericDate is usually read: ``end`` is cut off."""
        issued = now.replace(microsecond=0)
        latest = issued + lifetime
        expires = latest if end is None else min(latest, end.replace(microsecond=0))
        return cls(subject=subject, tenant=tenant.id, scopes=scopes, time_zone=tenant.time_zone, issued=issued, expires=expires)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scopes:
    """The scopes that exist, and who has which.

    ``every`` is all that the contract names. Those of the platform itself ("mesh:…") belong to the administrators of the operator's
    tenant alone: a stranger who registers administers a tenant, not the mesh.
    """

    every: frozenset[str]

    def of(self, role: Role, tenant: Tenant) -> frozenset[str]:
        """What a user with ``role`` has."""
        if role is Role.MEMBER:
            return frozenset(scope for scope in self.every if _area(scope) in _MEMBER_AREAS or scope in _MEMBER_SCOPES) | {PROFILE}
        return frozenset(scope for scope in self.every if tenant.operator or _area(scope) not in _PLATFORM_AREAS) | {PROFILE}

    def of_key(self, key: ApiKey, tenant: Tenant) -> frozenset[str]:
        """What ``key`` carries now: scopes that no longer exist are left out."""
        held = self.of(Role.ADMIN, tenant)
        return held if EVERY_SCOPE in key.scopes else (key.scopes & held) | {PROFILE}


def _area(scope: str) -> str:
    return scope.partition(":")[0]


def narrow(text: str, held: frozenset[str]) -> frozenset[str]:
    """The scopes in the space-separated ``text`` (RFC 6749, 3.3); none when it is empty.

    Raises:
        InvalidInput: one of them is not held (RFC 6749, 5.2: invalid_scope).
    """
    asked = frozenset(text.split())
    missing = sorted(asked - held)
    if missing:
        raise InvalidScope.at("scope", f"you do not have {', '.join(missing[:10])}")
    return asked


def normalize_email(text: str, *, field: str = "email") -> str:
    """The address as it is stored: syntax checked, Unicode and the domain normalised. Asks no DNS.

    Raises:
        InvalidInput: it is no address that could sign in; reserved domains other than ".test" (RFC 6761) are none.
    """
    try:
        return validate_email(text, check_deliverability=False, test_environment=True, strict=True).normalized
    except EmailNotValidError as error:
        raise InvalidInput.at(field, str(error)) from None


def sign_in_names(*, email: str, username: str, display_name: str) -> tuple[str, str]:
    """The email address and the username that sign in; with neither, ``display_name`` is the username.

    Raises:
        InvalidInput: there is none, or one that cannot be used.
    """
    if email:
        return normalize_email(email), checked_username(username, field="username") if username else ""
    if username:
        return "", checked_username(username, field="username")
    if not display_name:
        raise InvalidInput.at("email", "an email address or a username is needed")
    return "", checked_username(display_name, field="displayName")


def checked_username(text: str, *, field: str) -> str:
    """A name that signs in; never an address, so that the two are told apart.

    Raises:
        InvalidInput: it is none.
    """
    if not _USERNAME.match(text):
        raise InvalidInput.at(field, "cannot sign in: a username has up to 64 letters, digits, dots, dashes and underscores (ASCII)")
    return text


def sign_in_key(text: str) -> str:
    """What tells addresses and usernames apart: equal for those that differ in case alone. Takes any text."""
    return unicodedata.normalize("NFC", text.strip()).casefold()


def normalize_password(text: str, *, field: str = "password") -> str:
    """The password as it is hashed: the same for every way to type it (NFKC, NIST SP 800-63B, 3.1.1.2).

    Raises:
        InvalidInput: too short or too long.
    """
    if len(text) not in PASSWORD_LENGTH:
        raise InvalidInput.at(field, f"must have {PASSWORD_LENGTH.start} to {PASSWORD_LENGTH.stop - 1} characters")
    return unicodedata.normalize("NFKC", text)


def checked_zone(text: str, *, field: str) -> str:
    """The IANA time zone ``text``; "UTC" for an empty one.

    Raises:
        InvalidInput: there is no such zone.
    """
    if not text:
        return "UTC"
    try:
        zone(text)
    except NoSuchZone as error:
        raise InvalidInput.at(field, str(error)) from None
    return text


def checked_name(text: str, *, field: str, default: str = "") -> str:
    """A name for people, without white space around it; ``default`` when it is empty.

    Raises:
        InvalidInput: too long, or with characters that are not text.
    """
    name = text.strip() or default
    if len(name) > 100:
        raise InvalidInput.at(field, "must have at most 100 characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise InvalidInput.at(field, "must not contain control characters")
    return name


def require_held(scopes: Iterable[str], held: Collection[str], *, what: str) -> None:
    """Refuses to hand on what the giver does not have.

    Raises:
        ScopeNotHeld: names the scopes.
    """
    missing = sorted(set(scopes) - set(held) - {PROFILE})
    if missing:
        raise ScopeNotHeld(f"{what} would have scopes that you do not have: {', '.join(missing[:10])}")


def new_api_key_secret() -> str:
    """A new secret: "tk_", 256 random bits and a checksum, so that scanners find it in code and typing errors cost no look-up."""
    body = "".join(secrets.choice(_BASE62) for _ in range(_SECRET_LENGTH))
    return f"{_KEY_PREFIX}{body}{_checksum(body)}"


def is_api_key_secret(text: str) -> bool:
    """Whether ``text`` could be the secret of a key: its form and its checksum."""
    body, check = text[len(_KEY_PREFIX) : -_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
    return text.startswith(_KEY_PREFIX) and len(body) == _SECRET_LENGTH and body.isascii() and check == _checksum(body)


def shown_prefix(secret: str) -> str:
    """The beginning of a secret, which tells keys apart and helps nobody to guess the rest."""
    return secret[:_SHOWN_LENGTH]


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


def new_refresh_token() -> str:
    """A new refresh token: 256 random bits, opaque to everybody."""
    return f"tr_{secrets.token_urlsafe(32)}"


def digest(secret: str) -> str:
    """What is stored in place of a random secret. One round of SHA-256 is enough: 256 random bits cannot be tried out."""
    return hashlib.sha256(secret.encode()).hexdigest()
