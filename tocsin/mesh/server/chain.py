"""The stages that a call passes before and after its handler, compiled for one method.

Order: span, load shedding, peer identity, deadline, authentication and scope, rules of access, rates, tenant, bulkhead, faults, validation,
handler, error mapping. A stage that a method's policy does not need is not in its list.
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn, TypeVar

import grpc
from opentelemetry.trace import SpanKind

from tocsin.errors import DeadlineExceeded, Internal, PermissionDenied, TocsinError, Unauthenticated, Unavailable
from tocsin.mesh import status
from tocsin.mesh.access import AccessUnknown, MethodAccess
from tocsin.mesh.context import (
    CLIENT_ADDRESS,
    LONGEST_ADDRESS,
    LONGEST_USER_AGENT,
    TENANT,
    UNKNOWN_ORIGIN,
    USER_AGENT,
    Call,
    CallNote,
    CallOrigin,
    StreamedBytes,
    current,
    enter,
)
from tocsin.mesh.live_policy import LivePolicies
from tocsin.mesh.patterns import STEERING
from tocsin.mesh.policy import Criticality, MethodKind, MethodPolicy
from tocsin.mesh.principal import Principal, ScopeMissing
from tocsin.mesh.rates import MethodRates, RateSubject
from tocsin.mesh.server.acceptor import Gate, Refusal, context_of
from tocsin.mesh.server.bodies import Body, faulty, placed
from tocsin.mesh.server.call_facts import Context, aborted_with, address_of, call_headers, remaining_seconds, spiffe_id, transferred
from tocsin.mesh.server.carried_context import CarriedContext
from tocsin.mesh.server.parts import ServerParts, TenantGate
from tocsin.mesh.server.refusals import DEPENDENCY_OVERLOADED, OVERLOADED
from tocsin.mesh.server.trailers import beside, keeping
from tocsin.mesh.shedding import SHARES, DependencyOverloaded, Overloaded
from tocsin.mesh.spans import CARRIED, rpc_span
from tocsin.mesh.standing import StandingLimit
from tocsin.mesh.tap import EndedCall
from tocsin.telemetry import bind_tenant, carry, carry_along, current_traceparent, get_logger, is_sampled, trace_id_of

_log = get_logger(__name__)

R = TypeVar("R")

_BEARER = "bearer "
# A caller that sends no deadline, or a longer one than declared, gets this much of grace before the server ends the call itself.
_SLACK = 1.0
_USUAL_SHARE = 0.1
_USUAL_CALLS = 100
"""What the fastest tenth of at least so many calls took is what they take when nothing is wrong, for whoever did not look before."""
_NEVER = datetime.max.replace(tzinfo=UTC)


class CallerRefused(PermissionDenied):
    """This service is not allowed to call the method."""


class Interrupted(Unavailable):
    """The call was interrupted at the server."""


class Chain:
    """The stages of one method."""

    __slots__ = (
        *("_access", "_bounded", "_closed", "_declared", "_durations", "_name"),
        *("_parts", "_policy", "_rates", "_shedding", "_standing", "_telemetry"),
    )

    def __init__(self, *, policy: MethodPolicy, parts: ServerParts) -> None:
        self._declared = self._policy = policy
        parts.chains.append(self)
        self._name = f"{policy.service.rpartition('.')[2]}/{policy.method}"
        self._parts = parts
        self._telemetry = parts.telemetry
        self._durations = parts.metrics.durations(policy.path, policy.kind)
        self._bounded = parts.bulkheads.bounds(policy)
        # A stream says nothing about how fast the service works, and one that is refused comes back at once.
        self._shedding = policy.kind is MethodKind.UNARY_UNARY and not policy.is_control
        self._standing: StandingLimit | None = None
        self._access: MethodAccess | None = None
        self._rates: MethodRates | None = None
        self._closed = False

    def adopt(self, policies: LivePolicies) -> None:
        """Keeps to what holds now, for calls that begin from now on."""
        self._policy = policies.served(self._declared)
        if self._policy.standing_queue_limit is not (self._standing is not None):
            self._standing = self._standing_limit() if self._policy.standing_queue_limit else None
        self._access = policies.access_to(self._declared)
        self._rates = policies.rates_of(self._declared, self._parts.limiter)
        self._closed = policies.closed and not self._declared.path.startswith(STEERING)

    def _standing_limit(self) -> StandingLimit | None:
        """One that knows how long calls took before: it is switched on when they take too long."""
        usual = self._durations.successes_within(_USUAL_SHARE, least=_USUAL_CALLS)
        return StandingLimit(now=time.monotonic, usual=usual) if self._shedding else None

    @property
    def path(self) -> str:
        """Of the method."""
        return self._declared.path

    @property
    def gate(self) -> Gate | None:
        """What is asked about every call of the method before its message is read; None when none is refused for overload."""
        return self._turned_away if self._shedding else None

    def _turned_away(self, state: Any) -> Refusal | None:
        parts, criticality = self._parts, self._policy.criticality
        if self._standing is not None and criticality is not Criticality.CRITICAL and self._standing.refuses(SHARES[criticality]):
            return self._refused(state, DEPENDENCY_OVERLOADED, DependencyOverloaded.reason)
        if parts.queue.refuses(criticality) or parts.shedder.refuses(criticality):
            return self._refused(state, OVERLOADED, Overloaded.reason)
        parts.queue.accepted(criticality)
        return None

    def _refused(self, state: Any, refusal: Refusal, reason: str) -> Refusal:
        parts = self._parts
        parts.shedder.refused += 1
        self._durations.started += 1
        self._durations.observe(grpc.StatusCode.RESOURCE_EXHAUSTED, 0.0)
        if parts.tap.listened:
            self._tell(context_of(state), grpc.StatusCode.RESOURCE_EXHAUSTED, 0.0, request=b"", reason=reason)
        return refusal

    def around(self, body: Body[R]) -> Body[R]:
        """The function that gRPC calls: ``body`` with everything that stands around it."""
        durations = self._durations
        admitted = self._shed if self._shedding else self._traced
        tap = self._parts.tap
        unary = self._policy.kind is MethodKind.UNARY_UNARY

        async def serve(first: Any, context: Context) -> R:
            started = _now()
            durations.started += 1
            durations.in_flight += 1
            try:
                result = await admitted(body, first, context)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets a status; cancellation is raised again
                await self._fail(error, first, context, started)
            finally:
                durations.in_flight -= 1
            took = _now() - started
            if unary:
                answer: Any = result
                durations.succeeded(took, len(answer), len(first))
            else:
                durations.observe(grpc.StatusCode.OK, took, *transferred(first, result))
            if tap.listened:
                self._tell(context, grpc.StatusCode.OK, took, request=first, response=result)
            return result

        return serve

    async def _shed(self, body: Body[R], first: Any, context: Context) -> R:
        shedder, queue, criticality, passed = self._parts.shedder, self._parts.queue, self._policy.criticality, False
        standing = self._standing
        begun = admitted = shedder.admit(criticality)
        try:
            if (turn := queue.turn(criticality)) is not None:
                begun = await queue.begin(turn)
            if standing is not None:
                standing.under_way += 1
            try:
                result = await self._traced(body, first, context)
                passed = True
            finally:
                queue.ended(begun, passed=passed)
                if standing is not None:
                    standing.ended(begun, passed=passed, left=remaining_seconds(context))
        finally:
            shedder.done(admitted, passed=passed)
        return result

    async def _traced(self, body: Body[R], first: Any, context: Context) -> R:
        authorization, given, along = call_headers(context)
        if along:
            carry_along(along)
        traceparent = given or self._telemetry.root()
        if traceparent is not None and not (self._telemetry.tracing and is_sampled(traceparent)):
            carry(traceparent)
            return await self._run(body, first, context, authorization)
        known = {CARRIED: isinstance(context, CarriedContext)}
        telemetry, path = self._telemetry, self._policy.path
        with rpc_span(telemetry, path, kind=SpanKind.SERVER, traceparent=traceparent, attributes=known, durations=self._durations):
            return await self._run(body, first, context, authorization)

    async def _run(self, body: Body[R], first: Any, context: Context, authorization: str | None) -> R:
        call = Call(authorization=authorization, find_peer=partial(self._peer, context), find_origin=partial(self._origin, context))
        if self._policy.kind is not MethodKind.UNARY_UNARY:
            call.streamed = StreamedBytes()
        if self._policy.callers:
            self._check_caller(call)
        journal = self._parts.journal
        if journal is None or not self._policy.audited:
            return await self._served(call, body, first, context)
        call.note, outcome = CallNote(), "OK"
        try:
            return await self._served(call, body, first, context)
        except BaseException as error:
            outcome = self._outcome(error, context)
            raise
        finally:
            journal.record(self._name, call, outcome)

    def _outcome(self, error: BaseException, context: Context) -> str:
        if isinstance(error, TocsinError):
            return status.code_of(error).name
        if isinstance(error, grpc.aio.AbortError):
            return aborted_with(context).name
        return "CANCELLED" if isinstance(error, asyncio.CancelledError) else "INTERNAL"

    async def _served(self, call: Call, body: Body[R], first: Any, context: Context) -> R:
        remaining = remaining_seconds(context)
        call.deadline = self._deadline(remaining)
        if call.authorization is None and self._policy.delegates:
            call.principal = self._delegated(call, context)
        if call.principal is not None:
            bind_tenant(call.principal.tenant)
        elif not self._policy.public:
            await self._authenticate(call)
        elif call.authorization is not None:
            # Nobody needs a token here; one that is not valid is as good as none.
            with suppress(TocsinError):
                await self._authenticate(call)
        if self._closed:
            raise AccessUnknown
        if self._access is not None:
            peer = spiffe_id(context) or ""
            self._access.require(peer, call.principal, count=self._parts.metrics.count_refused, now=_now())
        if self._rates is not None:
            who = RateSubject(spiffe_id(context) or "", call.principal, partial(address_of, context))
            body = keeping(body, await self._rates.take(who, count=self._parts.metrics.count_limited))
        if self._parts.tenants is not None and call.principal is not None and not self._policy.public:
            body = self._permitted(body, self._parts.tenants, call.principal.tenant)
        if self._policy.concurrent_calls:
            body = self._bulkheaded(body, call, context)
        enter(call)
        if self._parts.faults and not self._policy.is_control:
            body = faulty(body, self._parts.faults, self._policy.path)
        if self._bounded and call.principal is not None:
            body = placed(body, self._parts.bulkheads.place(self._policy, call.principal.tenant))
        limit = self._policy.timeout
        if remaining is not None and remaining <= limit + _SLACK:
            return await body(first, context)
        bound = asyncio.timeout(limit)
        try:
            async with bound:
                return await body(first, context)
        except TimeoutError:
            if bound.expired():
                raise DeadlineExceeded from None
            raise

    def _permitted(self, body: Body[R], tenants: TenantGate, tenant: str) -> Body[R]:
        tenants.require(self._policy, tenant)
        return body if self._policy.kind is MethodKind.UNARY_UNARY else placed(body, tenants.bound(self._policy, tenant))

    def _bulkheaded(self, body: Body[R], call: Call, context: Context) -> Body[R]:
        who = call.principal.tenant if call.principal is not None else spiffe_id(context) or address_of(context)
        bulkheads, path, limit = self._parts.bulkheads, self._policy.path, self._policy.concurrent_calls

        async def run(first: Any, context: Context) -> R:
            with bulkheads.caller_place(path, who, limit):
                return await body(first, context)

        return run

    def _peer(self, context: Context) -> str | None:
        found = spiffe_id(context)
        return self._parts.identity.service_of(found) if found else None

    def _origin(self, context: Context) -> CallOrigin:
        """Where the call came from, if the door says so: anybody else might say anything."""
        if self._peer(context) != self._parts.door:
            return UNKNOWN_ORIGIN
        said = dict(context.invocation_metadata() or ())
        address, agent = str(said.get(CLIENT_ADDRESS, "")), str(said.get(USER_AGENT, ""))
        return CallOrigin(address[:LONGEST_ADDRESS], agent[:LONGEST_USER_AGENT])

    def _check_caller(self, call: Call) -> None:
        peer = call.find_peer()
        if peer not in self._policy.callers:
            raise CallerRefused(metadata={"caller": peer or "unknown"})

    def _deadline(self, remaining: float | None) -> float:
        limit = self._policy.timeout
        if remaining is not None:
            if remaining <= 0:
                raise DeadlineExceeded
            limit = min(limit, remaining)
        return _now() + limit

    def _delegated(self, call: Call, context: Context) -> Principal | None:
        """Whom a delegate of the method calls for; None when it is no such call."""
        tenant = next((value for key, value in context.invocation_metadata() or () if key == TENANT), None)
        if not isinstance(tenant, str) or not tenant or call.find_peer() not in self._policy.delegates:
            return None
        # Its certificate stands for the token, whose scopes it has checked; the zone is UTC, for no local time comes this way.
        return Principal(
            tenant=tenant, subject=f"services/{call.find_peer()}", scopes=self._parts.scopes, time_zone="UTC", token="", expires=_NEVER
        )

    async def _authenticate(self, call: Call) -> None:
        header, scope = call.authorization, self._policy.scope
        if header is None:
            if self._policy.callers and not scope:
                return  # the peer's certificate has decided
            raise Unauthenticated
        if header[: len(_BEARER)].lower() != _BEARER:
            raise Unauthenticated("The authorization header must be a Bearer token.")
        token = header[len(_BEARER) :]
        principal = self._parts.verifier.known(token) or await self._parts.verifier.verify(token)
        call.principal = principal
        bind_tenant(principal.tenant)
        if scope and scope not in principal.scopes:
            raise ScopeMissing.of(scope)

    async def _fail(self, error: BaseException, first: Any, context: Context, started: float) -> NoReturn:
        found = None if isinstance(error, grpc.aio.AbortError) else self._translate(error)
        if isinstance(error, grpc.aio.AbortError):
            code = aborted_with(context)
        else:
            code = grpc.StatusCode.CANCELLED if found is None else status.code_of(found)
        took = _now() - started
        self._durations.observe(code, took, *transferred(first, None))
        if self._parts.tap.listened:
            self._tell(context, code, took, request=first, reason=found.error_reason if found else "")
        if found is not None:
            traceparent = current_traceparent()
            trace_id = trace_id_of(traceparent) if traceparent else None
            await context.abort(code, found.message, beside(status.trailing_metadata(found, trace_id=trace_id), context))
        raise error

    def _tell(
        self, context: Context, code: grpc.StatusCode, seconds: float, *, request: Any, response: Any = b"", reason: str = ""
    ) -> None:
        """Tells those who look at the calls of this process."""
        tap = self._parts.tap
        if self._policy.is_control:
            return
        call, traceparent = current(), current_traceparent() or call_headers(context).traceparent
        ended = EndedCall(
            ended=tap.now(),
            method=self._policy.path,
            caller=self._peer(context) or "",
            tenant=call.principal.tenant if call is not None and call.principal is not None else "",
            code=code.name,
            reason=reason,
            seconds=seconds,
            request_bytes=len(request) if isinstance(request, bytes) else 0,
            response_bytes=len(response) if isinstance(response, bytes) else 0,
            trace=trace_id_of(traceparent) or "" if traceparent else "",
        )
        tap.put(ended)

    def _translate(self, error: BaseException) -> TocsinError | None:
        """What the caller is told; None when it has gone. What is not meant for callers is logged here and does not leave."""
        if isinstance(error, Internal):
            _log.error("internal error", method=self._policy.path, exc_info=error)
            return error
        if isinstance(error, TocsinError):
            return error
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                return None
            # Something that the handler waited for was cancelled, not the call: without a status the caller would hang.
            return Interrupted()
        if not isinstance(error, Exception):
            return None
        _log.error("unexpected error", method=self._policy.path, exc_info=error)
        return Internal()


def _now() -> float:
    """Seconds on the event loop's clock, in which deadlines are kept."""
    return asyncio.get_running_loop().time()
