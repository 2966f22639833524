"""What an operator can do to a running service: faults, orders for breakers; and what a server does under overload."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import mesh_service_pb2_grpc as pb_grpc
from tocsin.errors import CircuitOpen, DeadlineExceeded, FailedPrecondition, InvalidInput, PermissionDenied, ResourceExhausted, Unavailable
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.context import acting_as
from tocsin.mesh.server import MeshServer
from tocsin.telemetry import Telemetry
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

GREET = "/tocsin.test.v1.EchoService/Greet"


def control(rig: Rig, service: str = "gateway") -> Any:
    """MeshService of the first echo_svc, called with the certificate of ``service``."""
    return pb_grpc.MeshServiceStub(rig.mesh(service).channel("echo_svc"))


@pytest.fixture
def operator(rig: Rig) -> str:
    """The token of an operator."""
    return rig.token("mesh:write")


async def serve(rig: Rig, echo: Echo, **values: Any) -> MeshServer:
    """An echo that takes faults."""
    return await rig.serve(echo, faults_enabled=True, **values)


async def test_an_injected_abort_is_what_callers_get_until_it_is_cleared(rig: Rig, operator: str) -> None:
    """The handler is not reached, and the status shows the fault."""
    echo = Echo()
    await serve(rig, echo)
    stub, mesh = rig.stub(), control(rig)
    with acting_as(operator):
        await mesh.SetFault(pb.SetFaultRequest(fault=pb.Fault(method=GREET, percent=100, abort=8)))
    with pytest.raises(ResourceExhausted) as hit:
        await stub.Greet(Note())
    assert (hit.value.error_reason, echo.calls) == ("FAULT_INJECTED", 0)
    status = await mesh.GetStatus(pb.GetStatusRequest())
    assert [(fault.method, fault.percent, fault.abort) for fault in status.faults] == [(GREET, 100, 8)]
    with acting_as(operator):
        assert list((await mesh.ClearFaults(pb.ClearFaultsRequest())).methods) == [GREET]
    assert (await stub.Greet(Note(text="a"))).text == "a"


async def test_a_dropped_call_ends_with_its_deadline(rig: Rig, operator: str) -> None:
    """Nobody answers, and nothing waits for longer than its caller."""
    await serve(rig, Echo())
    with acting_as(operator):
        await control(rig).SetFault(pb.SetFaultRequest(fault=pb.Fault(percent=100, drop=True)))
    with pytest.raises(DeadlineExceeded):
        await rig.stub().Greet(Note(), timeout=0.3)


async def test_control_is_not_hit_by_faults(rig: Rig, operator: str) -> None:
    """Otherwise a fault for every call could not be taken back."""
    await serve(rig, Echo())
    with acting_as(operator):
        await control(rig).SetFault(pb.SetFaultRequest(fault=pb.Fault(percent=100, abort=14)))
        await control(rig).ClearFaults(pb.ClearFaultsRequest())


async def test_faults_need_the_setting_the_scope_and_a_sane_share(rig: Rig, operator: str) -> None:
    """Each missing thing has its own error."""
    await rig.serve(Echo())
    fault = pb.SetFaultRequest(fault=pb.Fault(percent=100, drop=True))
    with acting_as(operator):
        with pytest.raises(FailedPrecondition):
            await control(rig).SetFault(fault)
        with pytest.raises(InvalidInput, match="percent"):
            await control(rig).SetFault(pb.SetFaultRequest(fault=pb.Fault(percent=101)))
    with acting_as(rig.token("echo:read")), pytest.raises(PermissionDenied):
        await control(rig).SetFault(fault)


async def test_the_status_counts_the_calls_of_each_method(rig: Rig) -> None:
    """Calls, errors, seconds, and how long they took."""
    echo = Echo()
    await rig.serve(echo)
    stub = rig.stub()
    for _ in range(3):
        await stub.Greet(Note())

    async def refuse(_: Any, __: Any) -> Any:
        raise InvalidInput("no")

    echo.unary = refuse
    with pytest.raises(InvalidInput):
        await stub.Greet(Note())
    status = await control(rig).GetStatus(pb.GetStatusRequest())
    greet = next(stats for stats in status.methods if stats.method == GREET)
    assert (greet.target, greet.calls, greet.errors, sum(greet.buckets)) == ("", 4, 1, 4)
    assert len(greet.buckets) == len(status.bucket_bounds) + 1
    assert greet.seconds > 0


async def test_a_breaker_can_be_kept_open_and_is_reset_by_its_identity(rig: Rig, clock: FakeClock, operator: str) -> None:
    """The order is given to the process that makes the calls."""
    breakers = BreakerRegistry(clock=clock)
    await rig.serve(Echo())
    stub = EchoStub(rig.mesh(breakers=breakers).channel("echo_svc"))
    await stub.Greet(Note())
    settings = rig.settings("front")
    front = MeshServer(
        service="front",
        settings=settings,
        clock=clock,
        telemetry=Telemetry(service="front", settings=settings),
        mesh=None,
        verifier=rig.verifier(),
        breakers=breakers,
        checks={},
        handlers=[],
    )
    await front.start()
    rig.targets["front"] = front.address
    orders: Any = pb_grpc.MeshServiceStub(rig.mesh("gateway").channel("front"))
    with acting_as(operator):
        forced = await orders.ForceBreakers(pb.ForceBreakersRequest(target="echo_svc", state=pb.CircuitBreaker.OPEN))
        assert list(forced.forced) == [f"echo_svc{GREET}"]
        with pytest.raises(CircuitOpen):
            await stub.Greet(Note())
        assert list((await orders.ResetBreakers(pb.ResetBreakersRequest(id=f"echo_svc{GREET}"))).reset) == [f"echo_svc{GREET}"]
    await stub.Greet(Note())
    await front.stop()


async def test_an_overloaded_server_answers_at_once_and_its_callers_hold_back(rig: Rig) -> None:
    """With a lagging loop, what is beyond the shown capacity is refused; nothing fails in another way, and the rest is served."""
    settings = rig.settings("echo_svc")
    telemetry = Telemetry(service="echo_svc", settings=settings)

    go = asyncio.Event()
    go.set()

    async def slow(request: Any, _: Any) -> Any:
        await go.wait()
        return request

    server = await rig.serve(echo := Echo(slow), telemetry=telemetry)
    stub = rig.stub()
    for _ in range(5):
        await asyncio.gather(*(stub.Greet(Note()) for _ in range(10)))
    telemetry.lag.seconds = 1.0  # nothing measures it here: the test says so
    results = Counter[str]()

    async def call() -> None:
        try:
            await stub.Greet(Note())
        except ResourceExhausted as error:
            results[error.error_reason] += 1
        except DeadlineExceeded:
            results["late"] += 1  # on a busy machine: what was taken on may still come too late
        except CircuitOpen:
            results["circuit"] += 1  # and much of that opens the circuit
        except Unavailable:
            results["failed"] += 1
        else:
            results["ok"] += 1

    earlier = echo.calls
    for turn in range(1, 11):
        go.clear()
        calls = [asyncio.ensure_future(call()) for _ in range(300)]
        await eventually(lambda turn=turn: results.total() + echo.calls - earlier - results["ok"] == 300 * turn, what="the fate of each")
        go.set()
        await asyncio.gather(*calls)
    assert results["failed"] == 0
    assert not results["circuit"] or results["late"]
    assert results["ok"] >= 64
    assert results["OVERLOADED"] > 100
    assert results["THROTTLED"] > 0
    telemetry.lag.seconds = 0.0
    assert server.health is not None
