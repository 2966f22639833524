"""The stages of outgoing calls, compiled for one method of one target.

Order: deadline, identity, retry with budget, breaker, attempt span, wire. The multi-callables of `tocsin.mesh.client.calls` run them.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import grpc
from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue
from prometheus_client import Counter

from tocsin.errors import CircuitOpen, DeadlineExceeded, ResourceExhausted, TocsinError
from tocsin.mesh import status
from tocsin.mesh.breaker import Breaker, BreakerRegistry, CallOutcome, CircuitState, Permit
from tocsin.mesh.client.balancing import EndpointLoad
from tocsin.mesh.client.called_tap import CalledTap, MethodTap
from tocsin.mesh.client.direct_call import NO_SIZES, Sizes
from tocsin.mesh.client.endpoint_view import EndpointTally
from tocsin.mesh.client.foreign import ForeignService
from tocsin.mesh.client.hedge import Hedger
from tocsin.mesh.client.recovery import Recovery
from tocsin.mesh.client.throttle import Throttle, Throttled
from tocsin.mesh.context import CLIENT_ADDRESS, TENANT, USER_AGENT, current
from tocsin.mesh.metrics import ClientMetrics, SubsetAttempts
from tocsin.mesh.policy import MethodKind, MethodPolicy
from tocsin.mesh.retry import Retrier, RetryBudget
from tocsin.mesh.rpc_metrics import Durations
from tocsin.mesh.shedding import FOR_LOAD
from tocsin.mesh.spans import PREVIOUS_ATTEMPTS, end_rpc_span, exemplify, rpc_attributes, rpc_span
from tocsin.telemetry import TRACEPARENT, Telemetry, carried_along, current_traceparent, is_sampled

Metadata = tuple[tuple[str, str | bytes], ...]

# What the way back of an answer may cost: a callee that used up its deadline must not use up its caller's.
_MARGIN = 0.02
# Below this a call has no chance, and would only burden the far end.
MINIMUM = 0.1
_SLOW = 0.8
_OK: Final = grpc.StatusCode.OK
# A probing stream that stays silent gives its permit back after this many seconds.
_PROBE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the methods of one target share.

    Attributes:
        service: name of the called service.
        label: the service, or "service@endpoint" for one replica; names the breakers.
        uri: gRPC's target; names the service in metrics.
        facts: what spans say of it.
        budget: bounds the retries.
        subset: counts the attempts by what the target says of the replica; None where it says nothing.
        foreign: how it is called when it is outside of the mesh; None when it is in it.
        tally: what is called there, but for MeshService.
        tap: is told of its calls; None for a service of the mesh, which tells of them itself.
    """

    service: str
    label: str
    uri: str
    facts: Mapping[str, AttributeValue]
    budget: RetryBudget
    breakers: BreakerRegistry
    telemetry: Telemetry
    metrics: ClientMetrics
    throttle: Throttle
    subset: SubsetAttempts | None = None
    foreign: ForeignService | None = None
    tally: EndpointTally = field(default_factory=EndpointTally)
    tap: CalledTap | None = None


class Method:
    """The stages of one method."""

    __slots__ = (
        "_attempt_timeout",
        "_breaker",
        "_budget",
        "_declared",
        "_durations",
        "_recovery",
        "_rejected",
        "_subset",
        "_target",
        "_telemetry",
        "call_ended",
        "hedger",
        "load",
        "policy",
        "retrier",
        "tap",
    )

    def __init__(self, *, policy: MethodPolicy, target: Target, recovery: Recovery, load: EndpointLoad | None = None) -> None:
        self.policy = policy
        self.load = load
        """What it costs at the one replica that it is called at; None when it is called at whichever, or its calls are streams."""
        self._recovery = recovery
        self._target = target
        self._telemetry = target.telemetry
        self._subset = target.subset
        self._budget = target.budget
        self._breaker: Breaker | None = None
        self._durations: Durations = target.metrics.durations(target.service, policy.path, kind=policy.kind, uri=target.uri)
        self.call_ended = self._durations.call_ended
        """Counts a whole call: its code, its seconds."""
        self.tap = None if target.tap is None else MethodTap(target.tap, policy.path)
        """Is told of a whole call to a service outside of the mesh."""
        self._rejected: Counter = target.metrics.rejected(target.service, policy.path)
        self.hedger: Hedger | None = None
        self.retrier: Retrier | None = None
        self.adopt(policy)

    def adopt(self, policy: MethodPolicy) -> None:
        """Keeps to ``policy`` from now on; calls under way end by what they began with."""
        target, path = self._target, policy.path
        hedger: Hedger | None = None
        retrier: Retrier | None = None
        if policy.hedged:
            hedges = target.metrics.hedges(target.service, path)
            hedger = Hedger(delay=policy.hedge_delay, durations=self._durations, budget=target.budget, on_hedge=hedges.inc)
        if policy.idempotent and policy.retry.max_attempts > 1:
            retries = target.metrics.retries(target.service, path)
            retrier = Retrier(rule=policy.retry, budget=target.budget, on_retry=retries.inc)
        # What one attempt may take: by this it is judged.
        self._declared = policy.timeout
        self._attempt_timeout: float | None = None
        if retrier is not None and policy.kind is MethodKind.UNARY_UNARY and policy.retry.attempt_timeout is not None:
            self._declared = self._attempt_timeout = min(policy.timeout, policy.retry.attempt_timeout)
        self.policy, self.hedger, self.retrier = policy, hedger, retrier
        if self._breaker is not None:
            self._breaker.adopt(policy.breaker)

    def deadline(self, timeout: float | None) -> float:
        """When the call has to be over, on the event loop's clock: the declared timeout, or what the served call leaves, if less.

        Args:
            timeout: seconds; less than declared, if the caller wants that.

        Raises:
            DeadlineExceeded: the served call leaves too little.
        """
        now = asyncio.get_running_loop().time()
        limit = self.policy.timeout if timeout is None or timeout > self.policy.timeout else timeout
        call = current()
        if call is not None and call.deadline is not None:
            remaining = call.deadline - now
            if remaining < MINIMUM:
                raise DeadlineExceeded(f"Too little time is left to call {self._target.service}.")
            limit = min(limit, remaining - _MARGIN)
        return now + limit

    def attempt_seconds(self, remaining: float) -> float:
        """How long an attempt may take of the seconds that the call has left."""
        return remaining if self._attempt_timeout is None or remaining < self._attempt_timeout else self._attempt_timeout

    def headers(self, metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
        """``metadata`` with the authorization of the current call, and at the door with the client's address.

        A service outside of the mesh gets what it is meant to get instead.
        """
        own: Metadata = () if metadata is None else tuple(metadata)
        if self._target.foreign is not None:
            return (*own, *self._target.foreign.headers())
        own = (*own, *carried_along())
        call = current()
        if call is None:
            return own
        if call.forwarded is not None:
            own = (*own, (CLIENT_ADDRESS, call.forwarded.address), (USER_AGENT, call.forwarded.user_agent))
        if call.authorization is not None:
            return (*own, ("authorization", call.authorization))
        return (*own, (TENANT, call.tenant)) if call.tenant else own

    def trace(self) -> str | None:
        """The trace that the attempts belong to; None lets an attempt's span, or the far end, begin one."""
        found = current_traceparent()
        return self._telemetry.root() if found is None and self._telemetry.tracing else found

    def span(self, trace: str | None, previous: int) -> AbstractContextManager[Span] | None:
        """The span of one attempt after ``previous`` ones; None when the trace is not recorded, for then the header says it all."""
        if not self._telemetry.tracing or (trace is not None and not is_sampled(trace)):
            return None
        known = {**self._target.facts, PREVIOUS_ATTEMPTS: previous}
        path = self.policy.path
        return rpc_span(self._telemetry, path, kind=SpanKind.CLIENT, traceparent=trace, attributes=known, durations=self._durations)

    def stream_span(self, trace: str | None, previous: int) -> Span | None:
        """Likewise of a stream, which is not the current one while it is read; `end_stream_span` ends it."""
        if not self._telemetry.tracing or (trace is not None and not is_sampled(trace)):
            return None
        path = self.policy.path
        known = rpc_attributes(path, {**self._target.facts, PREVIOUS_ATTEMPTS: previous})
        return self._telemetry.begin(path[1:], kind=SpanKind.CLIENT, parent=trace, attributes=known)

    def end_stream_span(self, span: Span, code: grpc.StatusCode, seconds: float, error: BaseException | None) -> None:
        """Ends what `stream_span` began; a code without an error is one of a call that was given up."""
        lost = asyncio.CancelledError() if code is grpc.StatusCode.CANCELLED else None
        end_rpc_span(span, SpanKind.CLIENT, error or lost)
        exemplify(span, self._durations, code, seconds)
        span.end()

    def admit(self, timeout: float) -> Permit | None:
        """The breaker's permit for one attempt; None when the method passes none.

        Raises:
            CircuitOpen: no attempt may be made.
            Throttled: the far end refuses most calls for overload.
        """
        breaker = self._breaker
        if breaker is None:
            if self.policy.is_control:
                self._durations.started += 1
                return None
            breaker = self._breaker = self._make_breaker()
        try:
            self._target.throttle.admit()
            permit = breaker.admit(min(timeout, _PROBE_SECONDS))
        except (CircuitOpen, Throttled):
            self._rejected.inc()
            raise
        if self.load is not None:
            self.load.started()
        self._durations.started += 1
        self._target.tally.begun(asyncio.get_running_loop().time())
        return permit

    @property
    def admits(self) -> bool:
        """Whether the breaker would let an attempt pass now."""
        return self._breaker is None or self._breaker.admits

    def _make_breaker(self) -> Breaker:
        target = self._target
        return target.breakers.get(id=f"{target.label}{self.policy.path}", target=target.service, rule=self.policy.breaker)

    def stream_accepted(self, permit: Permit | None) -> Permit | None:
        """Records that a stream was accepted, by its initial metadata; the permit for the rest of the stream."""
        return permit if permit is None or self._breaker is None else self._breaker.stream_accepted(permit)

    def succeeded(self, permit: Permit | None, seconds: float, sent: int = -1, received: int = -1, *, stream: bool = False) -> None:
        """Records a successful attempt, or the first message of a stream, after ``seconds``; with its bytes, where they are known."""
        if permit is not None and self._breaker is not None:
            self._breaker.record(permit, CallOutcome.SUCCESS, slow=not stream and seconds > _SLOW * self._declared)
        if self.load is not None:
            self.load.ended(seconds)
        self._target.throttle.ended(None)
        self._budget.succeeded()
        if self._subset is not None and not stream:
            self._subset.count(_OK)
        self._durations.succeeded(seconds, sent, received)

    def failed(
        self,
        permit: Permit | None,
        error: grpc.aio.AioRpcError,
        seconds: float,
        timeout: float,
        *,
        stream_accepted: bool = False,
        sent: Sizes = NO_SIZES,
    ) -> TocsinError:
        """Records how an attempt failed, and returns the error to raise.

        Args:
            permit: what `admit` gave.
            error: gRPC's own.
            seconds: how long the attempt took.
            timeout: how long it might have taken.
            stream_accepted: it is a stream that was accepted; that it ends at its declared time is no failure.
            sent: its bytes, where they are known.
        """
        read = status.from_rpc if self._target.foreign is None else status.from_foreign
        found = read(error, target=self._target.service)
        if permit is not None:
            self._target.tally.failed += 1
        lost = status.is_lost(error)
        now, policy = asyncio.get_running_loop().time(), self.policy
        counts = not lost or self._recovery.lost(now - seconds, now)
        if permit is not None and self._breaker is not None:
            outcome = status.outcome_of(found, truncated=timeout < self._declared / 2)
            if not counts or (stream_accepted and isinstance(found, DeadlineExceeded)):
                outcome = CallOutcome.IGNORED
            self._breaker.record(permit, outcome, slow=not stream_accepted and seconds > _SLOW * self._declared)
            if self._breaker.state is CircuitState.OPEN:
                self._recovery.opened(self._breaker)
        if self.load is not None:
            self._weigh(self.load, found, seconds)
        if not lost:
            self._target.throttle.ended(found)
        if policy.retry.heals(found):
            self._budget.failed()
        if self._subset is not None and policy.kind is MethodKind.UNARY_UNARY:
            self._subset.count(error.code())
        self._durations.observe(error.code(), seconds, *sent)
        return found

    def _weigh(self, load: EndpointLoad, error: TocsinError, seconds: float) -> None:
        """Tells the balancing what an attempt that ended in an error says about its replica."""
        if error.error_reason in FOR_LOAD or status.outcome_of(error) is CallOutcome.FAILURE:
            load.refused(seconds, most=self.policy.timeout)
        elif isinstance(error, ResourceExhausted):
            load.given_up(seconds)  # the quota of whoever called says nothing of the replica, however quick it was
        else:
            load.ended(seconds)

    def stream_ended(self, code: grpc.StatusCode, seconds: float, transferred: Sizes) -> None:
        """Counts a stream at its end."""
        if self._subset is not None:
            self._subset.count(code)
        self._durations.stream_ended(code, seconds, *transferred)

    def abandoned(self, permit: Permit | None, seconds: float = 0.0, transferred: Sizes = NO_SIZES) -> None:
        """Records an attempt that its caller gave up after ``seconds``."""
        if self.policy.kind is MethodKind.UNARY_UNARY:
            self._durations.given_up(seconds, *transferred)
            if self._subset is not None:
                self._subset.count(grpc.StatusCode.CANCELLED)
        if permit is not None and self._breaker is not None:
            self._breaker.record(permit, CallOutcome.IGNORED)
            if self.load is not None:
                self.load.given_up(seconds)


Wire = Callable[[], Any]
"""Gives gRPC's own multi-callable; asked at each attempt, because a mesh that was stopped and started has new channels."""


class Pick(NamedTuple):
    """A way to the service, or to one replica of it: the stages of the method there, with the breaker, and the wire."""

    method: Method
    wire: Wire


class CallMirror(Protocol):
    """Copies calls of one method."""

    @property
    def on(self) -> bool:
        """Whether any call is copied."""
        ...

    def offer(self, request: Any, metadata: Metadata, timeout: float) -> None:
        """Copies a call, or does not; returns at once, and raises nothing."""
        ...


def traced(headers: Metadata, trace: str | None) -> Metadata:
    """``headers`` with the trace that an attempt belongs to."""
    return headers if trace is None else (*headers, (TRACEPARENT, trace))


class Picker:
    """The ways of one method; subclasses know the replicas."""

    __slots__ = ("mirror", "shared")

    def __init__(self, shared: Pick) -> None:
        self.mirror: CallMirror | None = None
        """Copies calls; None where none ever is."""
        self.shared = shared
        """To whichever replica gRPC takes, or to the only one."""

    @property
    def balanced(self) -> bool:
        """Whether the service has several replicas that can be called one by one, or that must be found out."""
        return False

    async def pick(self, tried: set[str]) -> Pick:
        """The way to a replica that serves, whose breaker lets calls pass, and that is not in ``tried``, to which it is added."""
        del tried
        return self.shared
