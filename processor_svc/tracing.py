"""A span for each firing that is worked on: it goes on the trace that was stored with the firing, and links to it."""

from typing import Final

from opentelemetry.trace import SpanKind, StatusCode

from processor_svc.domain import End, Failed, Job, Released, Succeeded
from processor_svc.worker import Runs
from tocsin.telemetry import Telemetry

_ENDS: Final = {Succeeded: "succeeded", Failed: "failed", Released: "released"}


class TracedRunner:
    """Runs each job inside its span, so that its logs and what it hands over belong to the trace of whoever made the alarm.

    The request has long been answered when its alarm is due. So the firing's span links to the request's, as OpenTelemetry's conventions
    for messaging ask, and is its child besides: one trace holds the way from the request to the delivery.
    """

    def __init__(self, *, runner: Runs, telemetry: Telemetry) -> None:
        self._runner = runner
        self._telemetry = telemetry

    async def run(self, job: Job) -> End:
        """Runs the job once."""
        given = job.traceparent
        name = job.action.kind or "unknown"
        with self._telemetry.span(
            f"fire {name}", kind=SpanKind.CONSUMER, traceparent=given or self._telemetry.root(), links=(given,)
        ) as span:
            end = await self._runner.run(job)
            if span.is_recording():
                span.set_attributes(
                    {
                        "tocsin.firing": job.lease.firing,
                        "tocsin.alarm": job.alarm,
                        "tocsin.attempt": job.attempt,
                        "tocsin.origin": job.origin,
                        "tocsin.end": _ENDS[type(end)],
                    }
                )
                if isinstance(end, Failed):
                    span.set_attribute("error.type", end.reason)
                    span.set_status(StatusCode.ERROR, end.message)
        return end
