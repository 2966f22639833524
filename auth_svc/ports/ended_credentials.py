"""Stores which sessions and API keys have ended."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from auth_svc.domain import EndedCredential


class EndedCredentialStore(Protocol):
    """Sessions and API keys that were deleted, by whatever way. Every method is one transaction."""

    async def ended_credentials(self, *, after: tuple[int, str], used: datetime, limit: int) -> tuple[Sequence[EndedCredential], int]:
        """What ended after ``after`` (ended, name) and was used since ``used``, in that order; and the version of the book of tenants."""
        ...

    async def purge_ended_credentials(self, before: datetime) -> int:
        """Forgets those that were last used before ``before``; how many."""
        ...
