"""What the settings mean to the parts."""

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.dispatch import DispatchOptions
from scheduler_svc.service.housekeeping import HousekeepingOptions


def dispatch_options(settings: SchedulerSettings) -> DispatchOptions:
    """The bounds of the dispatcher that the settings name."""
    return DispatchOptions(
        batch_size=settings.work_batch_size,
        result_batch=settings.result_batch_size,
        queue_limit=settings.queue_limit,
        lease_seconds=settings.work_lease_seconds,
        lost_deliveries=settings.lost_deliveries,
    )


def housekeeping_options(settings: SchedulerSettings) -> HousekeepingOptions:
    """How long things are kept, as the settings say."""
    return HousekeepingOptions(
        interval_seconds=settings.cleanup_interval_seconds,
        ledger_days=settings.ledger_retention_days,
        incident_days=settings.incident_retention_days,
        request_days=settings.request_retention_days,
        inbound_days=settings.inbound_retention_days,
    )
