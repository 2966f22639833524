"""Spans for each delivery that is stored, and for each attempt to send it, on the trace of the firing that asked for it.

What is stored waits, so both link to that trace besides, as OpenTelemetry's conventions for messaging ask.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind, StatusCode

from mailer_svc.domain import Advance, NewDelivery, SendJob, SendOutcome, SendResult
from mailer_svc.ports import Journal, Provider
from tocsin.telemetry import Telemetry


class TracedJournal:
    """A journal that leaves a span for each delivery that it stored."""

    def __init__(self, *, journal: Journal, telemetry: Telemetry) -> None:
        self._journal = journal
        self._telemetry = telemetry
        self.known = journal.known
        self.announce = journal.announce
        self.hand_over = journal.hand_over
        self.settle = journal.settle

    async def accept(self, deliveries: Sequence[NewDelivery], steps: Sequence[Advance] = ()) -> Mapping[str, NewDelivery]:
        """Store, and leave a span for each delivery that was new."""
        fresh = await self._journal.accept(deliveries, steps)
        if self._telemetry.tracing:
            for delivery in fresh.values():
                with _span(self._telemetry, f"store {delivery.channel}", SpanKind.CONSUMER, delivery.traceparent) as span:
                    span.set_attribute("tocsin.delivery", delivery.id)
        return fresh


class TracedProvider:
    """A provider whose every attempt has a span."""

    def __init__(self, *, provider: Provider, telemetry: Telemetry) -> None:
        self._provider = provider
        self._telemetry = telemetry
        self.name = provider.name
        self.capacity = provider.capacity
        self.takes = provider.takes
        self.pause = provider.pause
        self.probing = provider.probing
        self.fault = provider.fault
        self.start = provider.start
        self.stop = provider.stop

    async def send(self, job: SendJob, *, hand_over: Callable[[], Awaitable[bool]]) -> SendOutcome:
        """Attempt one message within a span."""
        with _span(self._telemetry, f"send {self.name}", SpanKind.CLIENT, job.traceparent) as span:
            outcome = await self._provider.send(job, hand_over=hand_over)
            if span.is_recording():
                span.set_attributes({"tocsin.delivery": job.id, "tocsin.attempt": job.attempts + 1, "tocsin.result": outcome.result.value})
                if outcome.result is not SendResult.SENT:
                    span.set_attribute("error.type", str(outcome.code or outcome.result.value))
                    span.set_status(StatusCode.ERROR)
        return outcome


def _span(telemetry: Telemetry, name: str, kind: SpanKind, given: str) -> AbstractContextManager[Span]:
    return telemetry.span(name, kind=kind, traceparent=given or None, links=(given,))
