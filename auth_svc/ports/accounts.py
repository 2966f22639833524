"""Stores tenants and users."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from auth_svc.domain import Account, ApiKey, Tenant, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What the first start makes: a tenant, its administrator, and a key for development."""

    tenant: Tenant
    admin: User
    password_hash: str
    key: ApiKey
    key_digest: str


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
