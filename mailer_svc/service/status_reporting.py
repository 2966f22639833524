"""What follows from what far ends tell: states by rank, and for addresses what `mailer_svc.domain.address_effects` says."""

from collections.abc import Callable, Collection

from mailer_svc.domain import StatusReport, effect_of_report
from mailer_svc.domain.people import Suppression
from mailer_svc.ports import AddressKey
from mailer_svc.ports.reporting import ReportedDelivery, StatusReportStore
from mailer_svc.service.publishing import DeliveryPublisher
from tocsin.clock import Clock
from tocsin.telemetry import get_logger

_log = get_logger(__name__)


class StatusReporting:
    """Implements `mailer_svc.ports.reporting.StatusReports`."""

    def __init__(
        self,
        *,
        store: StatusReportStore,
        publisher: DeliveryPublisher,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        """Makes it.

        Args:
            store: timelines, states, and addresses that get nothing.
            publisher: tells watchers, and counts.
            clock: source of time.
            new_id: makes ids of suppressions.
        """
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._new_id = new_id

    async def report(self, reports: Collection[StatusReport], *, tenant: str = "") -> int:
        """Does what follows from the reports; returns how many were of deliveries that are there, and new.

        With ``tenant`` no other's delivery is there.

        Raises:
            Unavailable: nothing of it is stored.
        """
        now = self._clock.micros()
        done = await self._store.record(list(reports), now=now, suppressing=lambda item: self._suppression(item, now), tenant=tenant)
        for item in done:
            if item.moved and item.state is not None:
                self._publisher.meter.settled(item.channel, item.state)
            _log.info("report taken", delivery=item.delivery, kind=item.report.kind.value, soft=item.report.soft)
        for tenant in {item.tenant for item in done}:
            await self._publisher.changed(tenant)
        return len(done)

    def _suppression(self, item: ReportedDelivery, now: int) -> Suppression | None:
        return effect_of_report(item.report).suppression(
            AddressKey.of(item.tenant, item.channel, item.address),
            id=self._new_id(),
            category=item.category,
            source=f"deliveries/{item.delivery}" if item.delivery else item.report.provider,
            detail=item.report.detail,
            now=now,
        )
