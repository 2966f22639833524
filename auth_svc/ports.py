"""What the use cases need: a store, a password hasher, a signer, a log of security events."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from auth_svc.domain import Account, ApiKey, Grant, SecurityEvent, Session, StoredAlert, Tenant, User
from tocsin.alerts import Alert
from tocsin.listing import Condition


class PasswordCheck(Enum):
    """What a hasher says about a password."""

    WRONG = "wrong"
    RIGHT = "right"
    OUTDATED = "outdated"  # right, and hashed with parameters that are no longer in force


class PasswordHasher(Protocol):
    """Hashes passwords, slowly and on purpose, beside the event loop."""

    async def hash(self, password: str) -> str:
        """The hash, with its parameters and salt, as one text.

        Raises:
            ResourceExhausted: too many are waiting.
        """
        ...

    async def verify(self, password_hash: str | None, password: str) -> PasswordCheck:
        """Whether the password is the one. Without a hash it is wrong, after as much work as with one.

        Raises:
            ResourceExhausted: too many are waiting.
        """
        ...


class TokenSigner(Protocol):
    """Signs access tokens."""

    def sign(self, grant: Grant) -> str:
        """The token that says ``grant``."""
        ...


class PublicKeys(Protocol):
    """The keys that verify the platform's tokens."""

    def published(self) -> Sequence[Mapping[str, str]]:
        """JSON Web Keys (RFC 7517, 4), the current one first."""
        ...


class SecurityLog(Protocol):
    """Tells what matters to security, for people and for alerts."""

    def record(self, event: SecurityEvent, **facts: str) -> None:
        """Tells one event. ``facts`` hold names and ids, never a secret and never an address."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What the first start makes: a tenant, its administrator, and a key for development."""

    tenant: Tenant
    admin: User
    password_hash: str
    key: ApiKey
    key_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A refresh token was spent, and its successor stored."""

    session: Session
    user: User
    tenant: Tenant


class RefreshRefusal(Enum):
    """Why a refresh token was not accepted."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REUSED = "reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refresh token was not accepted; when it was spent before, its family is gone. ``session`` is None for an unknown one."""

    why: RefreshRefusal
    session: Session | None


class AccountStore(Protocol):
    """Tenants and users. Every method is one transaction."""

    async def install(self, first: Installation, *, before_commit: Callable[[], Awaitable[None]]) -> bool:
        """Stores ``first`` unless a tenant exists; only one of many replicas gets to call ``before_commit``. Says whether it did.

        Raises:
            Exception: whatever ``before_commit`` raises; nothing is stored then.
        """
        ...

    async def installed(self) -> bool:
        """Whether a tenant exists."""
        ...

    async def add_tenant(self, tenant: Tenant, admin: User, password_hash: str) -> None:
        """Stores a tenant and its first user. The first tenant of all becomes the operator's, whatever ``tenant`` says.

        Raises:
            EmailTaken: the address is in use.
            UsernameTaken: the username is.
        """
        ...

    async def find_account(self, key: str) -> Account | None:
        """The account with this `sign_in_key`, of its address or of its username."""
        ...

    async def replace_password_hash(self, user: str, *, old: str, new: str) -> None:
        """Stores ``new`` unless the hash is no longer ``old``."""
        ...

    async def get_tenant(self, tenant: str) -> Tenant:
        """The tenant.

        Raises:
            TenantNotFound: there is none.
        """
        ...

    async def change_tenant(self, tenant: str, *, display_name: str | None, time_zone: str | None) -> Tenant:
        """Changes what is given, and returns the tenant.

        Raises:
            TenantNotFound: there is none.
        """
        ...

    async def add_user(self, user: User, password_hash: str) -> None:
        """Stores a user.

        Raises:
            EmailTaken: the address is in use.
            UsernameTaken: the username is.
        """
        ...

    async def get_user(self, tenant: str, user: str) -> User:
        """The user.

        Raises:
            UserNotFound: the tenant has no such user.
        """
        ...

    async def list_users(self, tenant: str, *, after: str, limit: int) -> Sequence[User]:
        """The first ``limit`` users of the tenant whose id is greater than ``after``, by id."""
        ...

    async def remove_user(self, tenant: str, user: str) -> User:
        """Removes a user with all its sessions.

        Raises:
            UserNotFound: the tenant has no such user.
            LastAdministrator: nobody would administer the tenant.
        """
        ...


class SessionStore(Protocol):
    """Sessions and their refresh tokens, which are stored as digests. Every method is one transaction."""

    async def open_session(self, session: Session, *, token: str, expires: datetime) -> None:
        """Stores a session with its first refresh token.

        Raises:
            InvalidCredentials: the user was removed meanwhile.
        """
        ...

    async def rotate(self, *, old: str, new: str, now: datetime, expires: datetime) -> Rotated | Refused:
        """Spends ``old`` and stores ``new``. A token that was spent before ends its session: one of its two holders is a thief."""
        ...

    async def close_session(self, token: str) -> Session | None:
        """Ends the session of ``token``; None when there is none."""
        ...

    async def purge(self, before: datetime) -> int:
        """Deletes the refresh tokens that expired before ``before`` and the sessions without any; returns the number of sessions."""
        ...


class KeyStore(Protocol):
    """API keys, whose secrets are stored as digests. Every method is one transaction."""

    async def add_key(self, key: ApiKey, *, digest: str) -> None:
        """Stores a key."""
        ...

    async def find_key(self, digest: str) -> tuple[ApiKey, Tenant] | None:
        """The key with this digest, and its tenant."""
        ...

    async def get_key(self, tenant: str, key: str) -> ApiKey:
        """The key.

        Raises:
            ApiKeyNotFound: the tenant has no such key.
        """
        ...

    async def list_keys(self, tenant: str, *, after: str, limit: int) -> Sequence[ApiKey]:
        """The first ``limit`` keys of the tenant whose id is greater than ``after``, by id."""
        ...

    async def remove_key(self, tenant: str, key: str) -> None:
        """Removes a key.

        Raises:
            ApiKeyNotFound: the tenant has no such key.
        """
        ...


class AlertStore(Protocol):
    """Security alerts. Every method is one transaction."""

    async def add_alerts(self, alerts: Sequence[tuple[str, Alert]], *, batch: str, now: datetime) -> Sequence[StoredAlert]:
        """Stores alerts under their ids, or adds their counts to those that are there; returns the new ones.

        A ``batch`` that was stored before changes nothing. Alerts of no tenant become the operator's.
        """
        ...

    async def get_alert(self, tenant: str, alert: str) -> StoredAlert:
        """One alert.

        Raises:
            AlertNotFound: the tenant has no such alert.
        """
        ...

    async def list_alerts(
        self, tenant: str, *, conditions: Sequence[Condition], before: tuple[int, str] | None, limit: int
    ) -> Sequence[StoredAlert]:
        """The newest alerts that meet the conditions, older than ``before`` (first, id)."""
        ...

    async def changed_alerts(self, tenant: str, *, after: tuple[int, str], limit: int) -> Sequence[StoredAlert]:
        """Alerts that were counted after ``after`` (updated, id), in that order."""
        ...

    async def unfiled_alerts(self, *, limit: int) -> Sequence[StoredAlert]:
        """The oldest alerts of which no file was written yet."""
        ...

    async def file_alerts(self, alerts: Sequence[str]) -> None:
        """Files of these were written."""
        ...

    async def purge_alerts(self, before: datetime, *, limit: int) -> int:
        """Deletes at most ``limit`` alerts that last happened before ``before``; returns how many."""
        ...


class AlertFiles(Protocol):
    """Files that people find in the state folder, one an alert."""

    async def write(self, alerts: Sequence[StoredAlert]) -> None:
        """Writes a file for each, and removes the oldest beyond the bound.

        Raises:
            Unavailable: the folder cannot be written now.
        """
        ...


class Store(AccountStore, SessionStore, KeyStore, AlertStore, Protocol):
    """All of it."""
