"""Stores which sessions and API keys have ended, and which may do something else than before."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from auth_svc.domain import ChangedCredential, EndedCredential


class EndedCredentialStore(Protocol):
    """Sessions and API keys that were deleted or changed, by whatever way. Every method is one transaction."""

    async def ended_credentials(self, *, after: tuple[int, str], used: datetime, limit: int) -> tuple[Sequence[EndedCredential], int]:
        """What ended after ``after`` (ended, name) and was used since ``used``, in that order; and the version of the book of tenants."""
        ...

    async def changed_credentials(self, *, after: tuple[int, str], within: timedelta, limit: int) -> Sequence[ChangedCredential]:
        """What changed after ``after`` (changed, name), and not longer ago than ``within``, in that order."""
        ...

    async def purge_changed_credentials(self, within: timedelta) -> int:
        """Forgets what changed longer ago than ``within``; how many."""
        ...

    async def purge_ended_credentials(self, before: datetime) -> int:
        """Forgets those that were last used before ``before``; how many."""
        ...
