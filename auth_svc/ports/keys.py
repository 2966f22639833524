"""Stores API keys."""

from collections.abc import Sequence
from typing import Protocol

from auth_svc.domain import ApiKey, Tenant


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
