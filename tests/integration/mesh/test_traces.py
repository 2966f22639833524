"""One trace runs through client and server."""

from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.openmetrics import exposition as openmetrics

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig
from tocsin.errors import Unavailable
from tocsin.mesh.spans import server_attributes
from tocsin.telemetry import Telemetry, carry, current_traceparent, new_traceparent, trace_id_of, uncarry
from tocsin.testing.waiting import eventually


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


async def test_baggage_and_tracestate_go_along(rig: Rig) -> None:
    """Over every hop, unread; what is no header, or a state without its trace, is left out."""
    seen: list[dict[str, Any]] = []

    async def look(request: Any, context: Any) -> Any:
        seen.append(dict(context.invocation_metadata()))
        if len(seen) == 1:
            await inner.Greet(request)
        return request

    await rig.serve(Echo(look))
    inner = rig.stub("echo_svc")
    token = carry(new_traceparent())
    await rig.stub().Greet(Note(), metadata=[("tracestate", "a=1"), ("baggage", "user=7")])
    uncarry(token)
    assert [(each.get("tracestate"), each.get("baggage")) for each in seen] == [("a=1", "user=7")] * 2
    seen.clear()
    await rig.stub().Greet(Note(), metadata=[("tracestate", "a=1"), ("baggage", "x" * 9000)])
    assert [("tracestate" in each, "baggage" in each) for each in seen] == [(True, True), (False, False)]


async def test_a_stream_is_one_span_until_its_end(rig: Rig) -> None:
    """The far end's span is its child, with attempt number and address; its trace is the exemplar of its duration."""
    exporter = InMemorySpanExporter()
    telemetries = [
        Telemetry(service=name, settings=rig.settings(name), span_processors=[SimpleSpanProcessor(exporter)])
        for name in ("front", "echo_svc")
    ]
    for telemetry in telemetries:
        await telemetry.start()
    await rig.serve(Echo(), telemetry=telemetries[1])
    root = new_traceparent(sampled=True)
    token = carry(root)
    stream = EchoStub(rig.mesh(telemetry=telemetries[0]).channel("echo_svc")).Watch(Note(number=3))
    uncarry(token)
    await anext(stream)
    assert "CLIENT" not in {span.kind.name for span in exporter.get_finished_spans()}
    assert len([each async for each in stream]) == 2
    await eventually(lambda: len(exporter.get_finished_spans()) == 2, seconds=60, what="the spans of both ends")
    by_kind = {span.kind.name: span for span in exporter.get_finished_spans()}
    client, server = by_kind["CLIENT"], by_kind["SERVER"]
    assert client.context is not None
    assert server.parent is not None
    assert server.parent.span_id == client.context.span_id
    told = dict(client.attributes or {})
    host, _, port = rig.targets["echo_svc"].rpartition(":")
    assert (told["server.address"], told["server.port"], told["previous-rpc-attempts"]) == (host, int(port), 0)
    assert (told["rpc.response.status_code"], told["rpc.method"]) == ("OK", "tocsin.test.v1.EchoService/Watch")
    shown = openmetrics.generate_latest(telemetries[0].registry).decode()
    assert f'trace_id="{trace_id_of(root)}"' in shown
    for telemetry in telemetries:
        await telemetry.stop()


@pytest.mark.parametrize(
    ("uri", "endpoint", "told"),
    [
        ("dns:///mail.example:50054", None, {"server.address": "mail.example", "server.port": 50054}),
        ("ipv4:10.0.0.1:1,10.0.0.2:2", None, {"server.address": "10.0.0.1:1,10.0.0.2:2"}),
        ("unix:///run/a.sock", None, {"server.address": "/run/a.sock"}),
        (
            "dns:///mail:1",
            "[::1]:2",
            {"server.address": "mail", "server.port": 1, "network.peer.address": "::1", "network.peer.port": 2},
        ),
    ],
)
def test_spans_say_who_is_called(uri: str, endpoint: str | None, told: dict[str, Any]) -> None:
    """The target, and the replica where one is called."""
    assert server_attributes(uri, endpoint) == told
