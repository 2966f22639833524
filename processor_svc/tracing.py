"""A span for each job, linked to the request that created its alarm."""

from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind, StatusCode

from processor_svc.domain import Job, JobFailed, JobResult
from processor_svc.worker import JobRunner
from tocsin.telemetry import Telemetry, is_sampled, trace_id_of


class TracedRunner:
    """Runs each job in a span, so that its logs and messages belong to one trace.

    The request ended long before its alarm is due, so the span links to the request's, as OpenTelemetry's messaging conventions require.
    The firing of a one-shot alarm is also a child of the request: one trace covers the way from the request to the delivery. Each firing
    of a recurring alarm begins a trace of its own, as a trace that lasts for months is of no use.
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
        if job.cause and is_sampled(given):
            return self._telemetry.span(name, kind=SpanKind.CONSUMER, traceparent=given, links=(job.cause,))
        if job.cause:
            return self._telemetry.span(name, kind=SpanKind.CONSUMER, begins=trace_id_of(given), links=(job.cause,))
        return self._telemetry.span(name, kind=SpanKind.CONSUMER, traceparent=given or self._telemetry.root(), links=(given,))
