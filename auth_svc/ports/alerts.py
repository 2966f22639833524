"""Stores and files security alerts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from auth_svc.domain import StoredAlert
from tocsin.alerts import Alert
from tocsin.listing import Condition


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

    async def remove(self, tenant: str) -> int:
        """Removes the files about a tenant; how many.

        Raises:
            Unavailable: the folder cannot be written now.
        """
        ...
