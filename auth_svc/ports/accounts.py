"""Stores tenants and users."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from auth_svc.domain import Account, ApiKey, Role, ServiceAccount, Tenant, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What the first start makes: a tenant, its owner, and a key for development with the service account that holds it."""

    tenant: Tenant
    admin: User
    password_hash: str
    service_account: ServiceAccount
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

    async def change_tenant(
        self,
        tenant: str,
        *,
        display_name: str | None,
        time_zone: str | None,
        password_off: bool | None = None,
        require_second_factor: bool | None = None,
    ) -> Tenant:
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
            RoleNotFound: the role was removed meanwhile.
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

    async def active_owners(self, tenant: str, *, limit: int) -> Sequence[User]:
        """The first owners of the tenant that are active and have an address."""
        ...

    async def change_user(
        self, tenant: str, user: str, *, display_name: str | None, role: Role | None, locale: str | None, owners: bool
    ) -> User:
        """Changes what is given.

        Raises:
            UserNotFound: the tenant has no such user.
            OwnersOnly: it is an owner, and ``owners`` says that the caller changes none.
            LastOwner: the tenant would be without an active owner.
            RoleNotFound: the role was removed meanwhile.
        """
        ...

    async def deactivate_user(self, tenant: str, user: str, *, owners: bool, now: datetime) -> User:
        """Deactivates a user and ends all its sessions; one that is deactivated is no error.

        Raises:
            UserNotFound: the tenant has no such user.
            OwnersOnly: it is an owner, and ``owners`` says that the caller changes none.
            LastOwner: the tenant would be without an active owner.
        """
        ...

    async def reactivate_user(self, tenant: str, user: str) -> User:
        """Lets a user sign in again; one that may is no error.

        Raises:
            UserNotFound: the tenant has no such user.
        """
        ...

    async def remove_user(self, tenant: str, user: str, *, owners: bool) -> User:
        """Removes a user with all its sessions and API keys.

        Raises:
            UserNotFound: the tenant has no such user.
            OwnersOnly: it is an owner, and ``owners`` says that the caller changes none.
            LastOwner: the tenant would be without an active owner.
        """
        ...
