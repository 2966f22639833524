"""Tells a tenant's administrators that a quota is nearly used up, or used up (pure)."""

from typing import Final

from tocsin.alerts.model import AlertKind, Alerts

_NEAR: Final = 0.8


class QuotaAlerts:
    """Tells once a period at four fifths of a quota, and once at its end: when a count passes that, which it does once."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts

    def used(self, quota: str, tenant: str, *, before: int, after: int, limit: int) -> None:
        """So much was used before, and so much is now; ``quota`` is the name of one of `Quotas`."""
        if before < limit <= after:
            self._tell(AlertKind.QUOTA_REACHED, quota, tenant, limit)
        elif before < limit * _NEAR <= after:
            self._tell(AlertKind.QUOTA_NEAR, quota, tenant, limit)

    def _tell(self, kind: AlertKind, quota: str, tenant: str, limit: int) -> None:
        self._alerts.report(kind=kind, tenant=tenant, place=quota, detail=f"of {limit}")
