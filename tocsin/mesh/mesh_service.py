"""MeshService: what every service tells about itself, and the operator's orders that it takes."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import grpc

from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import mesh_service_pb2_grpc as pb_grpc
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.mesh.breaker import BreakerRegistry, BreakerSnapshot, CircuitState
from tocsin.mesh.client.endpoint_view import EndpointView
from tocsin.mesh.faults import Fault, Faults
from tocsin.mesh.health import Health, HealthMonitor
from tocsin.mesh.live_policy import LivePolicies
from tocsin.mesh.policy import in_seconds
from tocsin.mesh.policy_view import order_of, reset_of, view_of
from tocsin.mesh.rpc_metrics import BUCKETS, Durations
from tocsin.mesh.status import error_of_code, number_of
from tocsin.mesh.tap import EndedCall, Tap, TapFilter
from tocsin.telemetry.metrics import VERSION

Context = grpc.aio.ServicerContext[Any, Any]

_HEALTH = {
    Health.HEALTHY: pb.Status.HEALTHY,
    Health.DEGRADED: pb.Status.DEGRADED,
    Health.UNAVAILABLE: pb.Status.UNAVAILABLE,
}
_STATES = {
    CircuitState.CLOSED: pb.CircuitBreaker.CLOSED,
    CircuitState.OPEN: pb.CircuitBreaker.OPEN,
    CircuitState.HALF_OPEN: pb.CircuitBreaker.HALF_OPEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of a process."""

    service: str
    incarnation: str
    version: str
    micros: int

    @classmethod
    def of(cls, service: str, clock: Clock) -> "Start":
        """A start that happens now."""
        return cls(service=service, incarnation=secrets.token_hex(16), version=VERSION, micros=clock.micros())


class MeshServicer(pb_grpc.MeshServiceServicer):
    """Serves MeshService from the process's own state; touches no dependency, so that it answers whatever is down."""

    def __init__(
        self,
        *,
        start: Start,
        health: HealthMonitor,
        breakers: BreakerRegistry,
        faults: Faults,
        durations: Callable[[], Iterable[Durations]],
        clock: Clock,
        tap: Tap,
        expiry: Callable[[], datetime | None] | None,
        policies: LivePolicies,
        stored: Callable[[], Mapping[str, int]] = dict,
        endpoints: Callable[[], Iterable[EndpointView]] = tuple,
        foreign: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._clock = clock
        self._tap = tap
        self._expiry = expiry
        self._policies = policies
        self._stored = stored
        self._endpoints = endpoints
        self._foreign = foreign
        self._faults = faults
        self._durations = durations
        self._start = start
        self._health = health
        self._breakers = breakers

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.Status:  # noqa: N802 - the RPC's name
        """The health, the dependencies and the breakers of this process."""
        start = self._start
        status = pb.Status(service=start.service, incarnation=start.incarnation, version=start.version, health=_HEALTH[self._health.health])
        status.start_time.FromMicroseconds(start.micros)
        for item in self._health.dependencies:
            status.dependencies.add(name=item.name, health=_HEALTH[item.health], detail=item.detail)
        status.circuit_breakers.extend(_breaker(snapshot) for snapshot in self._breakers.snapshot())
        status.faults.extend(_shown_fault(fault) for fault in self._faults.all)
        status.bucket_bounds.extend(BUCKETS)
        status.methods.extend(_stats(durations) for durations in self._durations())
        status.time.FromDatetime(self._clock.now())
        if self._expiry is not None and (expires := self._expiry()) is not None:
            status.certificate_expire_time.FromDatetime(expires)
        status.policy_digest = await self._policies.digest()
        status.endpoints.extend(map(self._endpoint, self._endpoints()))
        status.foreign_services.extend(self._foreign())
        return status

    def _endpoint(self, view: EndpointView) -> pb.CalledEndpoint:
        shown = pb.CalledEndpoint(
            target=view.service,
            address=view.address,
            zone=view.labels.zone,
            version=view.labels.version,
            state=view.state,
            calls=view.tally.started,
            errors=view.tally.failed,
        )
        if view.tally.last is not None:
            ago = asyncio.get_running_loop().time() - view.tally.last
            shown.last_call_time.FromDatetime(self._clock.now() - timedelta(seconds=ago))
        return shown

    async def TapCalls(self, request: pb.TapCallsRequest, context: Context) -> AsyncGenerator[pb.TapCallsResponse]:  # noqa: N802 - likewise
        """The calls that this process serves, and those that it makes to services outside of the mesh, as they end."""
        wanted = request.filter
        chosen = TapFilter(method=wanted.method, caller=wanted.caller, tenant=wanted.tenant, code=wanted.code, target=request.target)
        with self._tap.listening(chosen) as listener:
            async for batch in listener.batches():
                yield pb.TapCallsResponse(calls=map(_tapped, batch.calls), dropped=batch.dropped)

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Context) -> pb.GetPolicyResponse:  # noqa: N802 - likewise
        """What policies say, and what changes them."""
        return view_of(self._policies, request.method)

    async def SetPolicy(self, request: pb.SetPolicyRequest, context: Context) -> pb.SetPolicyResponse:  # noqa: N802 - likewise
        """Lets a rule hold for a time."""
        return pb.SetPolicyResponse(changes=order_of(self._policies, request))

    async def ResetPolicy(self, request: pb.ResetPolicyRequest, context: Context) -> pb.ResetPolicyResponse:  # noqa: N802 - likewise
        """Takes orders back."""
        return pb.ResetPolicyResponse(methods=reset_of(self._policies, request))

    async def GetStoredBytes(self, request: pb.GetStoredBytesRequest, context: Context) -> pb.GetStoredBytesResponse:  # noqa: N802 - likewise
        """What this service keeps of tenants with a quota."""
        kept = (pb.StoredBytes(tenant=tenant, bytes=size) for tenant, size in self._stored().items())
        return pb.GetStoredBytesResponse(tenants=kept)

    async def ResetBreakers(self, request: pb.ResetBreakersRequest, context: Context) -> pb.ResetBreakersResponse:  # noqa: N802 - the RPC's name
        """Closes the breakers of one target, one breaker, or all."""
        return pb.ResetBreakersResponse(reset=self._breakers.reset(request.target, id=request.id))

    async def ForceBreakers(self, request: pb.ForceBreakersRequest, context: Context) -> pb.ForceBreakersResponse:  # noqa: N802 - likewise
        """Keeps the breakers of one target, one breaker, or all, open or closed."""
        state = CircuitState.OPEN if request.state == pb.CircuitBreaker.OPEN else CircuitState.CLOSED
        seconds = in_seconds(request.duration) if request.HasField("duration") else float("inf")
        return pb.ForceBreakersResponse(forced=self._breakers.force(state, target=request.target, id=request.id, seconds=seconds))

    async def SetFault(self, request: pb.SetFaultRequest, context: Context) -> pb.SetFaultResponse:  # noqa: N802 - likewise
        """Injects a fault into the calls that this process serves."""
        self._faults.set(_fault(request.fault))
        return pb.SetFaultResponse(incarnation=self._start.incarnation)

    async def ClearFaults(self, request: pb.ClearFaultsRequest, context: Context) -> pb.ClearFaultsResponse:  # noqa: N802 - likewise
        """Takes faults back."""
        return pb.ClearFaultsResponse(methods=self._faults.clear(request.method))


def _tapped(call: EndedCall) -> pb.TappedCall:
    shown = pb.TappedCall(
        method=call.method,
        caller=call.caller,
        tenant=call.tenant,
        code=call.code,
        reason=call.reason,
        request_bytes=call.request_bytes,
        response_bytes=call.response_bytes,
        trace=call.trace,
        target=call.target,
    )
    shown.end_time.FromDatetime(call.ended)
    shown.duration.FromNanoseconds(round(call.seconds * 1e9))
    return shown


def _fault(message: pb.Fault) -> Fault:
    return Fault(
        method=message.method,
        percent=message.percent,
        delay=message.delay.ToNanoseconds() / 1e9,
        abort=partial(_aborted, message.abort) if message.abort else None,
        drop=message.drop,
    )


def _aborted(code: int) -> TocsinError:
    return error_of_code(code)("This fault was asked for.", reason="FAULT_INJECTED")


def _shown_fault(fault: Fault) -> pb.Fault:
    shown = pb.Fault(method=fault.method, percent=fault.percent, drop=fault.drop, abort=number_of(fault.abort()) if fault.abort else 0)
    if fault.delay:
        shown.delay.FromNanoseconds(round(fault.delay * 1e9))
    return shown


def _stats(durations: Durations) -> pb.MethodStats:
    *target, method = durations.labels
    stats = pb.MethodStats(target="".join(target), method=method, in_flight=durations.under_way if target else durations.in_flight)
    buckets = [0] * (len(BUCKETS) + 1)
    for code, ended in durations.codes.items():
        series = ended.seconds
        counts = series.collapsed(BUCKETS)
        count = sum(counts)
        stats.calls += count
        stats.errors += 0 if code is grpc.StatusCode.OK else count
        stats.seconds += series.sum
        buckets = [one + other for one, other in zip(buckets, counts, strict=True)]
    stats.buckets.extend(buckets)
    return stats


def _breaker(snapshot: BreakerSnapshot) -> pb.CircuitBreaker:
    shown = pb.CircuitBreaker(
        id=snapshot.id,
        target=snapshot.target,
        state=_STATES[snapshot.state],
        failures=snapshot.failures,
        calls=snapshot.calls,
        forced=snapshot.forced,
        idle=snapshot.idle,
    )
    if snapshot.last_failure is not None:
        shown.last_failure_time.FromDatetime(snapshot.last_failure)
    if snapshot.opened is not None:
        shown.opened_time.FromDatetime(snapshot.opened)
    if snapshot.retry_after is not None:
        shown.retry_after.FromNanoseconds(int(snapshot.retry_after * 1e9))
    return shown
