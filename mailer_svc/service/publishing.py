"""Telling what happens to deliveries: watchers by a hint, operators by numbers, the scheduler by reports."""

from collections import Counter
from collections.abc import Sequence

from mailer_svc.domain import DeliveryState, NewDelivery, PendingReport
from mailer_svc.ports import AWAY, ChangeHints, Meter, Reports, Scheduler
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_REPORT_BATCH = 100
_REPORT_SECONDS = 1.0


def topic(tenant: str) -> str:
    """Where changes of a tenant's deliveries are published."""
    return f"deliveries/{tenant}"


class DeliveryPublisher:
    """Publishes changes of deliveries, and counts them by ``meter``."""

    def __init__(self, *, hints: ChangeHints, meter: Meter) -> None:
        self._hints = hints
        self.meter = meter

    async def accepted(self, new: Sequence[NewDelivery]) -> None:
        """These were stored."""
        kinds = Counter((delivery.channel, delivery.delivered, delivery.ruling.state, delivery.ruling.reason) for delivery in new)
        for (channel, delivered, state, reason), count in kinds.items():
            self.ruled(channel, state, reason, count)
            if delivered:
                self.meter.settled(channel, DeliveryState.SENT, count)
        for tenant in {delivery.tenant for delivery in new}:
            await self.changed(tenant)

    def ruled(self, channel: str, state: DeliveryState, reason: str, count: int = 1) -> None:
        """The gates let ``count`` deliveries through, held them back or suppressed them."""
        if state is DeliveryState.ACCEPTED:
            self.meter.accepted(channel, count)
            return
        self.meter.settled(channel, state, count)
        if state is DeliveryState.SUPPRESSED:
            self.meter.suppressed(reason, count)
        elif state is DeliveryState.HELD:
            self.meter.held(reason, count)

    async def changed(self, tenant: str) -> None:
        """Deliveries of the tenant changed."""
        await self._hints.publish(topic(tenant))


class Reporter:
    """Tells the scheduler what became of messages that it cannot take for sent, until it knows; a component."""

    def __init__(self, *, reports: Reports, scheduler: Scheduler, clock: Clock) -> None:
        self._reports = reports
        self._scheduler = scheduler
        self._clock = clock
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins to tell."""
        if not self._rounds.running:
            self._rounds.periodic("reports", _REPORT_SECONDS, self.tell, vital=False)

    async def stop(self) -> None:
        """Tells no more; what is left is told after the next start."""
        await self._rounds.stop()

    async def tell(self) -> None:
        """Reports everything that is pending."""
        while batch := await self._reports.pending(limit=_REPORT_BATCH):
            try:
                await self._scheduler.report(batch)
            except AWAY:
                raise
            except TocsinError:
                await self._one_by_one(batch)
            await self._reports.reported(batch)
            report_progress()

    async def _one_by_one(self, batch: Sequence[PendingReport]) -> None:
        """One that the scheduler refuses for good must not keep the others from being told."""
        for report in batch:
            try:
                await self._scheduler.report([report])
            except AWAY:
                raise
            except TocsinError as error:
                _log.error("end of a delivery not reported", delivery=report.delivery, error=error.message)
