"""Spans of the way from a due time to a processor: due, with the claim in it, and one dispatch for each delivery.

Nothing of it is stored beside what the ledger has: the id of the span of a due time follows from the firing's, so that whichever replica
hands the firing out knows its parent. A due time of a recurring alarm begins a trace of its own, which links to the request that made the
alarm; that of a one-shot alarm is on the request's trace, and links to it as well, for the request ended long before.
"""

from collections.abc import Mapping
from typing import NamedTuple

from opentelemetry.trace import SpanKind

from scheduler_svc.domain import OWN_TRACE, FiringState, Origin, QueuedFiring, own_traceparent
from scheduler_svc.ports import Fired, Observer
from tocsin.clock import Clock
from tocsin.recurrence import Micros
from tocsin.telemetry import Telemetry, is_sampled, trace_id_of

_SAMPLED = "01"


class JobTrace(NamedTuple):
    """What a job carries.

    Attributes:
        traceparent: what the processor's work belongs to; empty for nothing.
        cause: the request that made the alarm, where the trace begins with the firing; otherwise empty.
    """

    traceparent: str = ""
    cause: str = ""


class FiringTraces:
    """Knows the trace of each firing, and leaves the scheduler's spans on it."""

    def __init__(self, telemetry: Telemetry, clock: Clock) -> None:
        self._telemetry = telemetry
        self._clock = clock

    def fired(self, queued: QueuedFiring, *, claimed: Micros, committed: Micros) -> None:
        """Leaves the spans of a due time that was claimed, and is in the ledger."""
        if not self._telemetry.tracing:
            return
        due = self._due(queued)
        own = bool(queued.flags & OWN_TRACE)
        facts = {"tocsin.firing": queued.id, "tocsin.alarm": f"alarms/{queued.alarm}"}
        self._telemetry.record(
            f"due {queued.action.kind}",
            itself=due,
            parent=None if own else queued.traceparent,
            begin=queued.due,
            end=max(committed, queued.due),
            links=(queued.traceparent,),
            attributes=facts,
        )
        self._telemetry.record("claim", parent=due, begin=claimed, end=max(committed, claimed))

    def dispatched(self, queued: QueuedFiring) -> JobTrace:
        """Leaves the span of a delivery to a processor, which begins as the firing may be delivered; what the job carries."""
        own = bool(queued.flags & OWN_TRACE)
        parent = self._due(queued) if own or queued.origin == Origin.SCHEDULE else queued.traceparent
        cause = queued.traceparent if own else ""
        if not self._telemetry.tracing or not parent or not is_sampled(parent):
            return JobTrace(own_traceparent(queued.id) if own else queued.traceparent, cause)
        now = self._clock.micros()
        context = self._telemetry.record(
            f"dispatch {queued.action.kind}",
            kind=SpanKind.PRODUCER,
            parent=parent,
            begin=min(queued.ready or now, now),
            end=now,
            attributes={"tocsin.firing": queued.id, "tocsin.attempt": queued.attempts + 1},
        )
        return JobTrace(context, cause)

    def _due(self, queued: QueuedFiring) -> str:
        """The context of the span of a due time; empty where there is no trace."""
        own = own_traceparent(queued.id)
        if queued.flags & OWN_TRACE:
            return f"{own[:53]}{_SAMPLED}" if self._telemetry.samples(trace_id_of(own)) else own
        given = queued.traceparent
        return f"{given[:36]}{own[36:52]}{given[52:]}" if given else ""


class TracedObserver:
    """Leaves a span for each due time that was fired, and tells another observer everything."""

    def __init__(self, observer: Observer, traces: FiringTraces) -> None:
        self._observer = observer
        self._traces = traces
        self.lost = observer.lost

    def recorded(self, states: Mapping[FiringState, int], *, seconds: float) -> None:
        """A batch of results committed."""
        self._observer.recorded(states, seconds=seconds)

    def fired(self, fired: Fired, *, now: Micros, seconds: float) -> None:
        """A firing transaction committed after ``seconds``."""
        self._observer.fired(fired, now=now, seconds=seconds)
        for queued in fired.queued_firings:
            self._traces.fired(queued, claimed=now, committed=now + round(seconds * 1_000_000))
