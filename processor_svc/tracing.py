"""A span for each firing that is worked on, which links to the request that led to it."""

from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind, StatusCode

from processor_svc.domain import Job, JobFailed, JobResult
from processor_svc.worker import JobRunner
from tocsin.telemetry import Telemetry, trace_id_of


class TracedRunner:
    """Runs each job inside its span, so that its logs and what it hands over belong to the trace of whoever made the alarm.

    The request has long been answered when its alarm is due. So the firing's span links to the request's, as OpenTelemetry's conventions
    for messaging ask. What happens once is its child besides: one trace holds the way from the request to the delivery. Each firing of a
    recurring alarm begins a trace of its own: one that lasts for months is of no use.
    """

    def __init__(self, *, runner: JobRunner, telemetry: Telemetry) -> None:
        self._runner = runner
        self._telemetry = telemetry

    async def run(self, job: Job) -> JobResult:
        """Runs the job once."""
        with self._span(job) as span:
            end = await self._runner.run(job)
            if span.is_recording():
                span.set_attributes(
                    {
                        "tocsin.firing": job.lease.firing,
                        "tocsin.alarm": job.alarm,
                        "tocsin.attempt": job.attempt,
                        "tocsin.origin": job.origin,
                        "tocsin.end": end.name,
                    }
                )
                if isinstance(end, JobFailed):
                    span.set_attribute("error.type", end.reason)
                    span.set_status(StatusCode.ERROR, end.message)
        return end

    def _span(self, job: Job) -> AbstractContextManager[Span]:
        name, given = f"fire {job.action.kind or 'unknown'}", job.traceparent
        if job.cause:
            return self._telemetry.span(name, kind=SpanKind.CONSUMER, begins=trace_id_of(given), links=(job.cause,))
        return self._telemetry.span(name, kind=SpanKind.CONSUMER, traceparent=given or self._telemetry.root(), links=(given,))
