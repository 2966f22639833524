"""Quotas of fires a minute."""

from collections.abc import Mapping

from scheduler_svc.service.fire_quotas import FireQuotas
from scheduler_svc.store import SqlFireQuotas
from tocsin.alerts import Alerts
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.tenants import BookedTenant, Quotas, TenantBook
from tocsin.tenants.quotas import QuotaAlerts
from tocsin.testing.alerts import RecordedAlerts


def fire_quotas(database: Database, clock: Clock, most: Mapping[str, int] | None = None, *, alerts: Alerts | None = None) -> FireQuotas:
    """Those of these tenants; all others may fire as much as they like."""
    book = TenantBook({tenant: BookedTenant(quotas=Quotas(fires_per_minute=count)) for tenant, count in (most or {}).items()})
    return FireQuotas(store=SqlFireQuotas(database), book=lambda: book, alerts=QuotaAlerts(alerts or RecordedAlerts()), clock=clock)
