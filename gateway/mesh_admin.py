"""The mesh for its operators: MeshAdminService, which the gateway itself serves. Every order goes to every replica of every service."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC
from typing import Any, Final, NamedTuple, TypeAlias

from gateway.call_taps import merged
from tocsin.api.mesh.v1 import mesh_admin_service_pb2 as admin
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import mesh_service_pb2_grpc as pb_grpc
from tocsin.clock import Clock
from tocsin.errors import NotFound, TocsinError
from tocsin.mesh.client import Mesh, MeshChannel
from tocsin.mesh.context import detached
from tocsin.mesh.mesh_service import MeshServicer
from tocsin.mesh.policy import policies

_INTERVAL_SECONDS: Final = 1
_LOOK_SECONDS: Final = 0.1
"""How often the connections to processes are looked at between two pictures; nothing is sent for it."""
_POLICY_SECONDS: Final = 8.0
"""A process compiles thousands of rules for hundreds of methods before it says what changed; how it is, it says at once."""
_GATEWAY: Final = "gateway"
_STATUS: Final = "/tocsin.api.mesh.v1.MeshService/GetStatus"

Stub: TypeAlias = Any
"""MeshService of one process: a generated stub, or the gateway's own servicer."""
Order: TypeAlias = Callable[[Stub], Awaitable[Iterable[str]]]
"""Gives an order to one process; what changed there."""


class ServiceUnknown(NotFound):
    """There is no such service."""


class _Process(NamedTuple):
    service: str
    address: str


class MeshAdmin:
    """Reaches every process of the mesh."""

    def __init__(self, *, mesh: Mesh, own: MeshServicer, services: Sequence[str], clock: Clock, timeout_seconds: float) -> None:
        """Makes the use case.

        Args:
            mesh: the way to the services.
            own: the gateway's own MeshService.
            services: names of the others.
            clock: source of time.
            timeout_seconds: how long one process may take to answer.
        """
        self._mesh = mesh
        self._own = _Own(own)
        self._services = tuple(services)
        self._clock = clock
        self._timeout = timeout_seconds

    # -- seeing ------------------------------------------------------------------------------------------------------------

    async def GetMesh(self, request: admin.GetMeshRequest) -> admin.MeshPicture:  # noqa: N802 - the RPC's name
        """Every process, as it describes itself."""
        del request
        picture = admin.MeshPicture()
        picture.time.FromDatetime(self._clock.now())
        with detached():
            seen = await asyncio.gather(*(self._look(process) for process in await self._processes(self._services)))
        picture.processes.extend(seen)
        return picture

    async def WatchMesh(self, request: admin.WatchMeshRequest) -> AsyncGenerator[admin.WatchMeshResponse]:  # noqa: N802 - the RPC's name
        """The same again and again, and at once when a process is gone or serves again."""
        while True:
            processes = [process for process in await self._processes(self._services) if process.service != _GATEWAY]
            serving = self._serving(processes)
            yield admin.WatchMeshResponse(mesh=await self.GetMesh(admin.GetMeshRequest()))
            end = self._clock.monotonic() + (request.interval_seconds or _INTERVAL_SECONDS)
            while (left := end - self._clock.monotonic()) > 0:
                await self._clock.sleep(min(left, _LOOK_SECONDS))
                if self._serving(processes) != serving:
                    break

    async def WatchCalls(self, request: admin.WatchCallsRequest) -> AsyncGenerator[admin.WatchCallsResponse]:  # noqa: N802 - likewise
        """The calls of every replica, as they end, and those of this process to services outside of the mesh."""
        foreign = request.service in self._mesh.foreign
        asked = pb.TapCallsRequest(filter=request.filter, target=request.service if foreign else "")
        streams: dict[tuple[str, str], Any] = {}
        if foreign or (self._mesh.foreign and not request.service):
            streams[_Process(_GATEWAY, _GATEWAY)] = self._own.TapCalls(asked)
        services = () if foreign else (self._known(request.service, *self._mesh.foreign),) if request.service else self._services
        for process in [_Process(service, address) for service in services for address in await self._addresses(service)]:
            streams[process] = self._stub(process).TapCalls(asked)
        async with aclosing(merged(streams)) as answers:
            async for (service, address), answer in answers:
                shown = admin.WatchCallsResponse(service=service, address=address)
                if isinstance(answer, pb.TapCallsResponse):
                    shown.calls.extend(answer.calls)
                    shown.dropped = answer.dropped
                else:
                    shown.missed = answer.message if isinstance(answer, TocsinError) else "It ended."
                yield shown

    async def _look(self, process: _Process) -> admin.MeshProcess:
        asked = self._clock.now()
        try:
            status = await self._stub(process).GetStatus(pb.GetStatusRequest(), timeout=self._timeout)
        except TocsinError:
            return admin.MeshProcess(service=process.service, address=process.address)
        seen = admin.MeshProcess(service=process.service, address=process.address, reachable=True, status=status)
        if status.HasField("time"):  # older ones do not tell
            middle = asked + (self._clock.now() - asked) / 2
            seen.clock_offset.FromTimedelta(status.time.ToDatetime(UTC) - middle)
        return seen

    def _serving(self, processes: Iterable[_Process]) -> frozenset[_Process]:
        """Those that report to serve and whose connections stand, also that by which they are asked; known without asking them."""
        return frozenset(process for process in processes if _is_connected(self._channel(process)))

    # -- ordering ----------------------------------------------------------------------------------------------------------

    async def ResetServiceBreakers(self, request: admin.ResetServiceBreakersRequest) -> admin.OrderReport:  # noqa: N802 - the RPC's name
        """Closes the breakers that guard a service, everywhere."""
        target = self._full_name(request.service)
        return await self._everywhere(lambda stub: self._reset(stub, target=target))

    async def ResetBreaker(self, request: admin.ResetBreakerRequest) -> admin.OrderReport:  # noqa: N802 - the RPC's name
        """Closes one breaker, everywhere."""
        return await self._everywhere(lambda stub: self._reset(stub, id=request.id))

    async def OpenBreaker(self, request: admin.OpenBreakerRequest) -> admin.OrderReport:  # noqa: N802 - the RPC's name
        """Keeps one breaker open, everywhere."""
        asked = pb.ForceBreakersRequest(id=request.id, state=pb.CircuitBreaker.OPEN)
        if request.HasField("duration"):
            asked.duration.CopyFrom(request.duration)
        return await self._everywhere(lambda stub: self._force(stub, asked))

    async def CloseBreaker(self, request: admin.CloseBreakerRequest) -> admin.OrderReport:  # noqa: N802 - the RPC's name
        """Keeps one breaker closed, everywhere."""
        asked = pb.ForceBreakersRequest(id=request.id, state=pb.CircuitBreaker.CLOSED)
        return await self._everywhere(lambda stub: self._force(stub, asked))

    async def InjectFault(self, request: admin.InjectFaultRequest) -> admin.OrderReport:  # noqa: N802 - the RPC's name
        """Sets a fault at every replica of a service."""

        async def order(stub: Stub) -> Iterable[str]:
            await stub.SetFault(pb.SetFaultRequest(fault=request.fault), timeout=self._timeout)
            return (request.fault.method,)

        return await self._ordered(await self._processes((self._known(request.service),)), order)

    async def RemoveFaults(self, request: admin.RemoveFaultsRequest) -> admin.OrderReport:  # noqa: N802 - the RPC's name
        """Takes faults back."""

        async def order(stub: Stub) -> Iterable[str]:
            return (await stub.ClearFaults(pb.ClearFaultsRequest(method=request.method), timeout=self._timeout)).methods

        services = (self._known(request.service),) if request.service else self._services
        return await self._ordered(await self._processes(services), order)

    # -- policies ------------------------------------------------------------------------------------------------------------

    async def GetMeshPolicy(self, request: admin.GetMeshPolicyRequest) -> admin.MeshPolicy:  # noqa: N802 - likewise
        """What policies say, process by process."""
        asked, found = pb.GetPolicyRequest(method=request.method), admin.MeshPolicy()
        processes = await self._processes(self._services)
        calls = (self._stub(process).GetPolicy(asked, timeout=_POLICY_SECONDS) for process in processes)
        for process, answer in zip(processes, await asyncio.gather(*calls, return_exceptions=True), strict=True):
            shown = found.processes.add(service=process.service, address=process.address)
            if isinstance(answer, TocsinError):
                shown.missed = answer.message
            elif isinstance(answer, BaseException):
                raise answer
            else:
                shown.policy.CopyFrom(answer)
        return found

    async def SetMeshPolicy(self, request: admin.SetMeshPolicyRequest) -> admin.OrderReport:  # noqa: N802 - likewise
        """Lets a rule hold for a time, everywhere; one that makes no sense here is given to nobody."""
        asked = pb.SetPolicyRequest(dry_run=request.dry_run)
        for name in ("rule", "access", "rate", "split", "mirror", "ttl"):
            if request.HasField(name):
                getattr(asked, name).CopyFrom(getattr(request, name))
        trial = pb.SetPolicyRequest()
        trial.CopyFrom(asked)
        trial.dry_run = True
        await self._own.SetPolicy(trial, timeout=_POLICY_SECONDS)

        async def order(stub: Stub) -> Iterable[str]:
            return (await stub.SetPolicy(asked, timeout=_POLICY_SECONDS)).changes

        return await self._everywhere(order)

    async def ResetMeshPolicy(self, request: admin.ResetMeshPolicyRequest) -> admin.OrderReport:  # noqa: N802 - likewise
        """Takes orders about policies back, everywhere."""

        async def order(stub: Stub) -> Iterable[str]:
            asked = pb.ResetPolicyRequest(method=request.method, caller=request.caller, name=request.name)
            return (await stub.ResetPolicy(asked, timeout=_POLICY_SECONDS)).methods

        return await self._everywhere(order)

    async def _reset(self, stub: Stub, *, target: str = "", id: str = "") -> Iterable[str]:  # noqa: A002 - the contract's own word
        return (await stub.ResetBreakers(pb.ResetBreakersRequest(target=target, id=id), timeout=self._timeout)).reset

    async def _force(self, stub: Stub, asked: pb.ForceBreakersRequest) -> Iterable[str]:
        return (await stub.ForceBreakers(asked, timeout=self._timeout)).forced

    async def _everywhere(self, order: Order) -> admin.OrderReport:
        return await self._ordered(await self._processes(self._services), order)

    async def _ordered(self, processes: Sequence[_Process], order: Order) -> admin.OrderReport:
        report = admin.OrderReport()
        answers = await asyncio.gather(*(order(self._stub(process)) for process in processes), return_exceptions=True)
        for process, answer in zip(processes, answers, strict=True):
            if isinstance(answer, TocsinError):
                report.missed.add(service=process.service, address=process.address, reason=answer.message)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                report.taken.add(service=process.service, address=process.address, changed=answer)
        return report

    # -- reaching ----------------------------------------------------------------------------------------------------------

    async def _processes(self, services: Iterable[str]) -> list[_Process]:
        """Every replica of ``services``, and this process when all of them are meant."""
        found = [_Process(_GATEWAY, _GATEWAY)] if set(services) == set(self._services) else []
        for service in services:
            found += [_Process(service, address) for address in await self._addresses(service)]
        return found

    async def _addresses(self, service: str) -> list[str]:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._mesh.endpoints(service)
        except (TocsinError, TimeoutError):
            return ["unresolved"]

    def _stub(self, process: _Process) -> Stub:
        if process.service == _GATEWAY:
            return self._own
        return pb_grpc.MeshServiceStub(self._channel(process))

    def _channel(self, process: _Process) -> MeshChannel:
        endpoint = None if process.address == "unresolved" else process.address
        return self._mesh.channel(process.service, endpoint=endpoint)

    def _full_name(self, service: str) -> str:
        """The name that "scheduler" stands for, "scheduler_svc"; other targets have no second name."""
        return f"{service}_svc" if f"{service}_svc" in self._services else service

    def _known(self, service: str, *others: str) -> str:
        name = self._full_name(service)
        if name not in self._services:
            raise ServiceUnknown(f"there is no service {service!r}; there are {', '.join((*self._services, *others))}")
        return name


def _is_connected(channel: MeshChannel) -> bool:
    by_which_it_is_asked = channel.connected(policies()[_STATUS])
    return channel.connected() and by_which_it_is_asked


class _Own:
    """The gateway's own servicer with the surface of a stub."""

    def __init__(self, servicer: MeshServicer) -> None:
        self._servicer = servicer

    def TapCalls(self, request: pb.TapCallsRequest) -> AsyncGenerator[pb.TapCallsResponse]:  # noqa: N802 - the RPC's name
        """The calls of this process, as they end."""
        nobody: Any = None  # asks; it comes from this process
        return self._servicer.TapCalls(request, nobody)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._servicer, name)

        async def call(request: Any, *, timeout: float) -> Any:
            del timeout
            return await method(request, None)

        return call
