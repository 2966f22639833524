"""What a server under too much load begins, lets wait and refuses, over real connections."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.mesh.support import METHODS, Echo, EchoStub, Note, Rig, path
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import mesh_service_pb2_grpc, policy_pb2
from tocsin.errors import ResourceExhausted
from tocsin.mesh.context import acting_as
from tocsin.mesh.policy import Criticality, MethodPolicy
from tocsin.mesh.standing import StandingLimit
from tocsin.mesh.tap import TapFilter
from tocsin.telemetry import Telemetry
from tocsin.testing.waiting import eventually

IMPORTANCE = {"Say": Criticality.CRITICAL, "Greet": Criticality.NORMAL, "Make": Criticality.SHEDDABLE}
METHODS_BY_IMPORTANCE = {**METHODS, **{path(name): replace(METHODS[path(name)], criticality=each) for name, each in IMPORTANCE.items()}}

LIMITED = {name: replace(policy, standing_queue_limit=True) for name, policy in METHODS_BY_IMPORTANCE.items()}


class Served:
    """A server whose handlers wait at a gate when a text says so, and what it says of itself."""

    def __init__(self, rig: Rig) -> None:
        self.gate = asyncio.Event()
        self.echo = Echo(self._answer)
        self.rig = rig
        self.telemetry = Telemetry(service="echo_svc", settings=rig.settings("echo_svc"))

    async def _answer(self, request: Any, _: Any) -> Any:
        if request.text == "wait":
            await self.gate.wait()
        return request

    async def start(self, methods: Mapping[str, MethodPolicy] = METHODS_BY_IMPORTANCE, **values: Any) -> EchoStub:
        """Serves; a stub for it."""
        self.server = await self.rig.serve(self.echo, telemetry=self.telemetry, methods=methods, **values)
        return self.rig.stub()

    def value(self, name: str) -> float:
        """A metric without labels."""
        found = self.telemetry.registry.get_sample_value(name)
        assert found is not None
        return found

    def held(self, count: int) -> Any:
        """Waits until so many calls are with their handlers."""
        return eventually(lambda: self.echo.calls == count, what=f"{count} calls under way")


async def test_what_waits_for_room_is_begun_by_what_matters(rig: Rig) -> None:
    """Twenty calls under way are the limit that is begun with: others wait, and critical ones pass them. All are answered in the end."""
    served = Served(rig)
    stub = await served.start(adaptive_concurrency=True)
    calls = [asyncio.ensure_future(stub.Greet(Note(text="wait"))) for _ in range(20)]
    await served.held(20)
    calls += [asyncio.ensure_future(stub.Greet(Note(text="wait"))) for _ in range(10)]
    await eventually(lambda: served.value("tocsin_server_waiting") == 10, what="ten that wait")
    with acting_as(rig.token()):
        calls += [asyncio.ensure_future(stub.Say(Note(text="wait"))) for _ in range(5)]
    await served.held(25)
    assert served.value("tocsin_server_waiting") == 10
    calls[29].cancel()
    served.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, Note) for answer in answers) == 34
    await eventually(lambda: served.value("tocsin_server_waiting") == served.value("tocsin_server_in_flight") == 0, what="nothing left")


async def test_a_refusal_before_the_message_is_read_says_what_any_other_says(rig: Rig) -> None:
    """Reason and time to come back; it is counted, and seen by whoever looks at the calls; the handler hears of nothing."""
    served = Served(rig)
    stub = await served.start()
    calls = [asyncio.ensure_future(stub.Greet(Note(text="wait"))) for _ in range(64)]
    await served.held(64)
    await stub.Make(Note())  # what the server has shown of late that it can do
    served.telemetry.lag.seconds = 1.0  # nothing measures it here: the test says so
    with served.server.tap.listening(TapFilter(method="EchoService/Make")) as listener:
        with pytest.raises(ResourceExhausted) as refused:
            await stub.Make(Note(text="x" * 60_000))
        assert (refused.value.error_reason, refused.value.retry_after) == ("OVERLOADED", 0.5)
        seen = (await anext(listener.batches())).calls
    assert [(call.method, call.code, call.reason, call.caller) for call in seen] == [
        (path("Make"), "RESOURCE_EXHAUSTED", "OVERLOADED", "front")
    ]
    assert served.echo.calls == 65
    assert served.value("tocsin_server_shed_total") == 1
    labels = {"method": path("Make"), "code": "RESOURCE_EXHAUSTED"}
    assert served.telemetry.registry.get_sample_value("tocsin_server_seconds_count", labels) == 1
    with acting_as(rig.token()):
        calls.append(asyncio.ensure_future(stub.Say(Note(text="wait"))))
    await served.held(66)
    served.gate.set()
    await asyncio.gather(*calls)


async def test_what_a_database_behind_the_handlers_cannot_bear_is_refused_but_for_what_matters(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each method has its own; critical calls have none. What has ended makes room, and no caller holds back for what was refused."""
    served = Served(rig)
    stub = await served.start(methods=LIMITED)
    monkeypatch.setattr(StandingLimit, "refuses", lambda limit, share: limit.under_way >= 4 * share)
    calls = [asyncio.ensure_future(stub.Greet(Note(text="wait"))) for _ in range(4)]
    await served.held(4)
    calls += [asyncio.ensure_future(stub.Make(Note(text="wait"))) for _ in range(2)]
    await served.held(6)
    for call in (stub.Greet, stub.Make) * 20:
        with pytest.raises(ResourceExhausted) as refused:
            await call(Note())
        assert (refused.value.error_reason, refused.value.retry_after) == ("DEPENDENCY_OVERLOADED", 0.5)
    with acting_as(rig.token()):
        calls += [asyncio.ensure_future(stub.Say(Note(text="wait"))) for _ in range(10)]
    await served.held(16)
    served.gate.set()
    await asyncio.gather(*calls)
    assert (await stub.Greet(Note(number=7))).number == 7


async def test_more_calls_than_grpc_is_asked_for_at_a_time_are_all_taken(rig: Rig) -> None:
    """Several hundred at once, of one method, while none of them ends; and the server stops in good order afterwards."""
    served = Served(rig)
    stub = await served.start()
    calls = [asyncio.ensure_future(stub.Greet(Note(text="wait", number=number))) for number in range(300)]
    await served.held(300)
    served.gate.set()
    assert [answer.number for answer in await asyncio.gather(*calls)] == list(range(300))


async def test_a_method_has_a_limit_of_its_own_while_an_operator_wants_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """None unless it is asked for, for calls that are slow for other reasons look the same for some seconds; other methods have none."""
    monkeypatch.setattr(StandingLimit, "refuses", lambda *_: True)
    stub = await Served(rig).start()
    operator: Any = mesh_service_pb2_grpc.MeshServiceStub(rig.mesh("gateway").channel("echo_svc"))

    async def order(method: str, wanted: bool) -> list[str]:
        rule = pb.PolicyRule(method=method, policy=policy_pb2.Policy(standing_queue_limit=wanted))
        with acting_as(rig.token("mesh:write")):
            return list((await operator.SetPolicy(pb.SetPolicyRequest(rule=rule))).changes)

    assert (await stub.Greet(Note(number=7))).number == 7
    assert await order(path("Greet"), wanted=True) == [f"{path('Greet')} standing_queue_limit: false -> true"]
    with pytest.raises(ResourceExhausted) as refused:
        await stub.Greet(Note())
    assert refused.value.error_reason == "DEPENDENCY_OVERLOADED"
    assert (await stub.Look(Note(number=7))).number == 7
    await order("", wanted=True)
    with pytest.raises(ResourceExhausted):
        await stub.Look(Note())
    assert [each.number async for each in stub.Watch(Note(number=1))] == [0], "streams have none"
    with acting_as(rig.token("mesh:write")):
        await operator.ResetPolicy(pb.ResetPolicyRequest())
    assert (await stub.Greet(Note(number=7))).number == 7


async def test_an_order_takes_the_limit_of_the_contract_away(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set and false is no word that is missing."""
    monkeypatch.setattr(StandingLimit, "refuses", lambda *_: True)
    stub = await Served(rig).start(methods=LIMITED)
    with pytest.raises(ResourceExhausted):
        await stub.Greet(Note())
    operator: Any = mesh_service_pb2_grpc.MeshServiceStub(rig.mesh("gateway").channel("echo_svc"))
    rule = pb.PolicyRule(method="/tocsin.test.v1.EchoService/", policy=policy_pb2.Policy(standing_queue_limit=False))
    with acting_as(rig.token("mesh:write")):
        await operator.SetPolicy(pb.SetPolicyRequest(rule=rule))
    assert (await stub.Greet(Note(number=7))).number == 7
