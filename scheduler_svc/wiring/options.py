"""What the settings mean to the parts."""

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.dispatch import DispatchOptions
from scheduler_svc.engine import EngineOptions
from scheduler_svc.service.housekeeping import HousekeepingOptions
from tocsin.clock import SECOND


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


def engine_options(settings: SchedulerSettings) -> EngineOptions:
    """The bounds of the engine that the settings name."""
    return EngineOptions(
        batch_size=settings.fire_batch_size,
        ledger_batch=settings.ledger_batch_size,
        horizon=round(settings.horizon_seconds * SECOND),
        index_limit=settings.index_limit,
        heal_seconds=settings.heal_seconds,
        near=round((settings.heal_seconds + 1) * SECOND),
        grace=round(settings.missed_after_seconds * SECOND),
        tick=round(settings.tick_milliseconds * 1000),
    )
