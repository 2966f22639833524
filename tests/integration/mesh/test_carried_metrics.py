"""An operator sees whether calls ride, and if not, why: in metrics and in traces."""

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.integration.mesh.support import CARRIED, METHODS, Echo, EchoStub, Note, Rig, riding
from tocsin.mesh import carried
from tocsin.telemetry import Telemetry, carry, new_traceparent, uncarry


def counted(telemetry: Telemetry) -> dict[str, float]:
    """What is counted of echo_svc: attempts by their way, and messages."""
    return {
        sample.labels.get("way", "messages"): sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.name in {"tocsin_client_carried_total", "tocsin_client_carrier_messages_total"}
    }


async def test_what_rides_and_what_does_not_is_counted(rig: Rig) -> None:
    """By the reason; calls of one turn of the event loop are fewer messages than calls."""
    telemetry = Telemetry(service="front", settings=rig.settings("front"))
    await rig.serve(Echo(), methods=CARRIED)
    channel = rig.mesh(methods=CARRIED, telemetry=telemetry).channel("echo_svc")
    await riding(channel)
    before = counted(telemetry)
    greet = EchoStub(channel).Greet
    await asyncio.gather(*(greet(Note(number=number)) for number in range(50)))
    await greet(Note(text="x" * (carried.MOST_REQUEST_BYTES + 1)))
    await greet(Note(), metadata=(("x-more-bin", b"\x00"),))
    await greet(Note(), wait_for_ready=True)
    after = counted(telemetry)
    gained = {way: after[way] - before[way] for way in after}
    messages = gained.pop("messages")
    assert gained == {"carried": 50, "left": 0, "opening": 0, "full": 0, "shared": 0, "large": 1, "metadata": 1, "options": 1}
    assert 1 <= messages < 50
    assert before["opening"] >= 1


async def test_what_a_carrier_gives_back_is_counted(rig: Rig) -> None:
    """It rode, and was made by itself."""
    telemetry = Telemetry(service="front", settings=rig.settings("front"))
    fewer = {path: METHODS[path] if path.endswith("/Make") else policy for path, policy in CARRIED.items()}
    await rig.serve(Echo(), methods=fewer)
    channel = rig.mesh(methods=CARRIED, telemetry=telemetry).channel("echo_svc")
    await riding(channel)
    before = counted(telemetry)
    await EchoStub(channel).Make(Note(number=4))
    after = counted(telemetry)
    assert (after["carried"] - before["carried"], after["left"] - before["left"]) == (1, 1)


@pytest.mark.parametrize("rides", [True, False])
async def test_the_spans_of_both_sides_say_whether_a_call_rode(rig: Rig, rides: bool) -> None:
    """The attempt's, and that of the call that was served."""
    exporter = InMemorySpanExporter()
    front, echo = (
        Telemetry(service=name, settings=rig.settings(name), span_processors=[SimpleSpanProcessor(exporter)])
        for name in ("front", "echo_svc")
    )
    for telemetry in (front, echo):
        await telemetry.start()
    methods = CARRIED if rides else METHODS
    await rig.serve(Echo(), methods=methods, telemetry=echo)
    channel = rig.mesh(methods=methods, telemetry=front).channel("echo_svc")
    if rides:
        await riding(channel)
    exporter.clear()
    token = carry(new_traceparent(sampled=True))
    await EchoStub(channel).Greet(Note())
    uncarry(token)
    found: dict[str, Any] = {span.kind.name: (span.attributes or {})["tocsin.carried"] for span in exporter.get_finished_spans()}
    assert found == {"CLIENT": rides, "SERVER": rides}
    for telemetry in (front, echo):
        await telemetry.stop()
