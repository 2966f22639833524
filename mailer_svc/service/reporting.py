"""Telling the scheduler what became of messages that it cannot take for sent."""

from collections.abc import Sequence

from mailer_svc.domain import PendingReport
from mailer_svc.ports import AWAY, Reports, Scheduler
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_BATCH = 100
_POLL_SECONDS = 1.0


class Reporter:
    """Tells what is noted in the database until the scheduler knows it; a component."""

    def __init__(self, *, reports: Reports, scheduler: Scheduler, clock: Clock) -> None:
        self._reports = reports
        self._scheduler = scheduler
        self._clock = clock
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins to tell."""
        if not self._rounds.running:
            self._rounds.periodic("reports", _POLL_SECONDS, self.tell, vital=False)

    async def stop(self) -> None:
        """Tells no more; what is left is told after the next start."""
        await self._rounds.stop()

    async def tell(self) -> None:
        """Reports everything that is pending."""
        while batch := await self._reports.pending(limit=_BATCH):
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
