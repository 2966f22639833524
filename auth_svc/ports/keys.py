"""Stores API keys."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from auth_svc.domain import AccountMail, ApiKey, Role, Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """A key, and what it can do by its owner.

    Attributes:
        key: the key.
        tenant: whose it is.
        role: of its owner.
        active: whether its owner is.
        ends: when the secret that was shown works no more; None: never.
    """

    key: ApiKey
    tenant: Tenant
    role: Role
    active: bool
    ends: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """The last use of a key: when, and from which address."""

    time: datetime
    address: str


class KeyStore(Protocol):
    """API keys, whose secrets are stored as digests. Every method is one transaction."""

    async def add_key(self, key: ApiKey, *, digest: str) -> None:
        """Stores a key.

        Raises:
            UserNotFound: the user whose it is is gone or deactivated.
            ServiceAccountNotFound: likewise the service account.
        """
        ...

    async def find_key(self, digest: str, *, now: datetime) -> HeldKey | None:
        """The key with this digest, or with this one before its rotation if that still works."""
        ...

    async def held_key(self, tenant: str, key: str) -> HeldKey:
        """The key, and what it can do.

        Raises:
            ApiKeyNotFound: the tenant has no such key.
        """
        ...

    async def held_keys(self, keys: Collection[str]) -> Sequence[HeldKey]:
        """Those of the ids ``keys`` that there are, of any tenant, and what each can do."""
        ...

    async def get_key(self, tenant: str, key: str) -> ApiKey:
        """The key.

        Raises:
            ApiKeyNotFound: the tenant has no such key.
        """
        ...

    async def list_keys(self, tenant: str, *, owner: str, after: str, limit: int) -> Sequence[ApiKey]:
        """The first ``limit`` keys of the tenant, and of ``owner`` (empty: of all), whose id is greater than ``after``, by id."""
        ...

    async def rotate_key(
        self, key: ApiKey, *, digest: str, prefix: str, overlap_ends: datetime, expires: datetime | None, warned: int | None
    ) -> ApiKey:
        """Gives a key another secret; that of before works until ``overlap_ends``, the one before that no more.

        Raises:
            ApiKeyNotFound: the key is gone, or was rotated meanwhile.
        """
        ...

    async def note_uses(self, uses: Mapping[str, KeyUse]) -> None:
        """Stores the last uses of keys, by id; what is older than the stored one changes nothing."""
        ...

    async def expiring_keys(self, *, now: datetime, before: datetime, after: str, limit: int) -> Sequence[HeldKey]:
        """The first keys that end after ``now`` and by ``before``, whose id is greater than ``after``, by id; those of active owners."""
        ...

    async def warn_of_key(self, key: ApiKey, *, days: int, mails: Collection[AccountMail]) -> bool:
        """Stores that the warning of ``days`` before the end was given, with its mails; False if it was, or cannot be mailed now."""
        ...

    async def remove_key(self, tenant: str, key: str) -> None:
        """Removes a key.

        Raises:
            ApiKeyNotFound: the tenant has no such key.
        """
        ...
