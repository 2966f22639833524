"""One trace runs through client and server."""

from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig
from tocsin.errors import Unavailable
from tocsin.telemetry import Telemetry, carry, current_traceparent, new_traceparent, trace_id_of, uncarry


async def test_a_call_with_a_retry_is_one_trace(rig: Rig) -> None:
    """Each attempt is a span of the client; each span of the server is the child of its attempt."""
    exporter = InMemorySpanExporter()

    async def flaky(request: Any, _: Any) -> Any:
        if servicer.calls == 1:
            raise Unavailable
        return request

    servicer = Echo(flaky)
    telemetries = [
        Telemetry(service=name, settings=rig.settings(name), span_processors=[SimpleSpanProcessor(exporter)])
        for name in ("front", "echo_svc")
    ]
    for telemetry in telemetries:
        await telemetry.start()
    await rig.serve(servicer, telemetry=telemetries[1])
    root = new_traceparent(sampled=True)
    token = carry(root)
    await EchoStub(rig.mesh(telemetry=telemetries[0]).channel("echo_svc")).Greet(Note())
    uncarry(token)
    spans = exporter.get_finished_spans()
    clients = [span for span in spans if span.kind.name == "CLIENT"]
    servers = [span for span in spans if span.kind.name == "SERVER"]
    assert (len(clients), len(servers)) == (2, 2)
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == {trace_id_of(root)}
    assert {span.name for span in spans} == {"tocsin.test.v1.EchoService/Greet"}
    assert {span.parent.span_id for span in servers if span.parent} == {span.context.span_id for span in clients if span.context}
    for telemetry in telemetries:
        await telemetry.stop()


@pytest.mark.parametrize("given", [True, False])
async def test_without_an_exporter_the_trace_id_travels_all_the_same(rig: Rig, given: bool) -> None:
    """Logs of both sides can be joined; a call without a trace gets one at the server."""
    seen: list[str | None] = []

    async def look(request: Any, _: Any) -> Any:
        seen.append(current_traceparent())
        return request

    await rig.serve(Echo(look))
    mine = new_traceparent() if given else None
    token = carry(mine)
    await rig.stub().Greet(Note())
    uncarry(token)
    assert seen[0] is not None
    assert (seen[0] == mine) is given


@pytest.mark.parametrize("header", ["garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", ""])
async def test_a_malformed_trace_is_replaced(rig: Rig, header: str) -> None:
    """What a client sends is not believed without a look."""
    seen: list[str | None] = []

    async def look(request: Any, _: Any) -> Any:
        seen.append(current_traceparent())
        return request

    await rig.serve(Echo(look))
    await rig.stub().Greet(Note(), metadata=[("traceparent", header)])
    assert seen[0] not in (None, header)
