"""Telemetry: trace context that travels, metrics that a scraper reads."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from tocsin.state_metrics import export_disk
from tocsin.telemetry import (
    Telemetry,
    carry,
    current_traceparent,
    extract,
    format_traceparent,
    new_traceparent,
    parse_traceparent,
    trace_id_of,
    uncarry,
)
from tocsin.telemetry.metrics import TenantCounter

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOT_SAMPLED = SAMPLED[:-1] + "0"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    host: str = "127.0.0.1"
    metrics_port: int = 0
    loop_lag_warning_seconds: float = 0.1
    otlp_endpoint: str | None = None
    trace_sample_ratio: float = 1.0


@pytest.fixture
async def telemetry() -> AsyncIterator[Telemetry]:
    """A running component without export."""
    component = Telemetry(service="scheduler_svc", settings=Options())
    await component.start()
    yield component
    await component.stop()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "garbage",
        SAMPLED[:-1],
        "ff" + SAMPLED[2:],
        SAMPLED.upper(),
        SAMPLED + "-more",  # version 00 has exactly four fields
        SAMPLED + "0",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        SAMPLED + "\n",
    ],
)
def test_a_malformed_traceparent_is_ignored(value: str) -> None:
    """W3C Trace Context: a header that does not parse starts a new trace, it is never passed on."""
    assert parse_traceparent(value) is None
    assert extract([("traceparent", value)]) is None


@pytest.mark.parametrize("value", [SAMPLED, NOT_SAMPLED, "01" + SAMPLED[2:], "01" + SAMPLED[2:] + "-future"])
def test_a_wellformed_traceparent_is_found_among_the_headers(value: str) -> None:
    """Also of a later version, whose first four fields mean the same."""
    assert extract([("user-agent", "x"), ("traceparent", value)]) == value[:55]
    assert extract([("traceparent", value.encode())]) == value[:55]
    assert parse_traceparent(value) is not None


def test_no_headers_mean_no_context() -> None:
    """Absence is not an error."""
    assert extract(None) is None
    assert extract([("user-agent", "x")]) is None


@given(st.booleans())
def test_a_new_traceparent_round_trips(sampled: bool) -> None:
    """What we make is what we read."""
    made = new_traceparent(sampled=sampled)
    context = parse_traceparent(made)
    assert context is not None
    assert context.trace_flags.sampled is sampled
    assert format_traceparent(context) == made
    assert new_traceparent() != new_traceparent()


def test_without_export_a_span_only_carries_the_context_on() -> None:
    """An incoming traceparent travels through a process that exports nothing, and its span records nothing."""
    telemetry = Telemetry(service="a", settings=Options())
    assert telemetry.tracing is False
    with telemetry.span("call", traceparent=SAMPLED) as span:
        assert current_traceparent() == SAMPLED
        assert span.is_recording() is False
        with telemetry.span("inner"):
            assert current_traceparent() == SAMPLED
    assert current_traceparent() is None


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Where `tracing` exports to."""
    return InMemorySpanExporter()


@pytest.fixture
async def tracing(exporter: InMemorySpanExporter) -> AsyncIterator[Telemetry]:
    """A running component that exports to memory and samples no trace of its own."""
    telemetry = Telemetry(service="a", settings=Options(trace_sample_ratio=0), span_processors=[SimpleSpanProcessor(exporter)])
    await telemetry.start()
    yield telemetry
    await telemetry.stop()


async def test_a_span_is_a_child_of_what_came_in_and_parent_of_what_goes_out(tracing: Telemetry, exporter: InMemorySpanExporter) -> None:
    """One trace runs through the process; the sampled parent decides although the ratio is zero."""
    with tracing.span("outer", traceparent=SAMPLED, links=[NOT_SAMPLED, "garbage"], attributes={"rpc.method": "m"}) as outer:
        going_out = current_traceparent()
        assert going_out == format_traceparent(outer.get_span_context())
        with tracing.span("inner"):
            pass
    assert current_traceparent() is None
    inner_span, outer_span = exporter.get_finished_spans()
    assert outer_span.context is not None
    assert outer_span.context.trace_id == int(trace_id_of(SAMPLED), 16)
    assert outer_span.parent is not None
    assert outer_span.parent.span_id == 0x00F067AA0BA902B7
    assert inner_span.parent is not None
    assert inner_span.parent.span_id == outer_span.context.span_id
    assert [link.context.span_id for link in outer_span.links] == [0x00F067AA0BA902B7]
    assert outer_span.resource.attributes["service.name"] == "a"


@pytest.mark.parametrize("parent", [None, NOT_SAMPLED])
async def test_the_ratio_and_a_refusing_parent_keep_spans_out(
    tracing: Telemetry, exporter: InMemorySpanExporter, parent: str | None
) -> None:
    """Parent-based ratio sampling: an unsampled trace stays unsampled, and the header says so to the next service."""
    with tracing.span("call", traceparent=parent or tracing.root()):
        going_out = current_traceparent()
    assert exporter.get_finished_spans() == ()
    assert going_out is not None
    assert going_out.endswith("-00")
    if parent is not None:
        assert trace_id_of(going_out) == trace_id_of(parent)


async def test_an_absent_collector_neither_blocks_nor_fails_the_service() -> None:
    """Export is best effort: with nobody at the endpoint spans are dropped and the stop still ends."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        telemetry = Telemetry(service="a", settings=Options(otlp_endpoint=endpoint))
        assert telemetry.tracing is True
        await telemetry.start()
        with telemetry.span("call"):
            pass
        await asyncio.wait_for(telemetry.stop(), timeout=60)


async def test_metrics_are_shown_per_process_object(telemetry: Telemetry) -> None:
    """The registry holds what a component registered, memory, CPU and the loop's lag; another service's registry is its own."""
    other = Telemetry(service="other", settings=Options())
    Counter("tocsin_test_events", "Events.", registry=telemetry.registry).inc(3)
    Counter("tocsin_test_events", "Events.", registry=other.registry)
    async with httpx2.AsyncClient() as client:
        answer = await client.get(telemetry.metrics_url, headers={"accept-encoding": "identity"})
    assert answer.status_code == 200
    found = {sample.name: sample.value for family in text_string_to_metric_families(answer.text) for sample in family.samples}
    assert found["tocsin_test_events_total"] == 3
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert found["process_cpu_seconds_total"] > 0
    assert found["tocsin_loop_lag_seconds"] >= 0


async def test_metrics_are_compressed_and_negotiated(telemetry: Telemetry) -> None:
    """A scraper that accepts gzip and OpenMetrics gets them."""
    headers = {"accept": "application/openmetrics-text; version=1.0.0", "accept-encoding": "gzip"}
    async with httpx2.AsyncClient() as client, client.stream("GET", telemetry.metrics_url, headers=headers) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert gzip.decompress(raw).endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n\r\n", b"200"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /readyz HTTP/1.1\r\n\r\n", b"503"),
        (b"GET /health HTTP/1.1\r\n\r\n", b"503"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"PRI * HTTP/2.0\r\n\r\n", b"400"),
        (b"\x16\x03\x01\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nx: " + b"y" * 40_000 + b"\r\n\r\n", b"431"),
    ],
)
async def test_the_metrics_server_answers_only_what_it_serves(telemetry: Telemetry, request_head: bytes, status: bytes) -> None:
    """Whatever arrives on the port gets a well-formed answer with the right status, and the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", telemetry.port)
    writer.write(request_head)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 " + status + b" ")
    if request_head.startswith(b"HEAD"):
        assert answer.endswith(b"\r\n\r\n")


async def test_readiness_follows_the_service(telemetry: Telemetry) -> None:
    """/readyz says whether work is taken, for probes that cannot speak mTLS."""
    url = telemetry.metrics_url.replace("/metrics", "/readyz")
    async with httpx2.AsyncClient() as client:
        telemetry.set_ready(True)
        assert (await client.get(url)).status_code == 200
        telemetry.set_ready(False)
        assert (await client.get(url)).status_code == 503


async def test_health_is_the_same_in_json(telemetry: Telemetry) -> None:
    """/health names the service and its version, and what of it fails."""
    url = telemetry.metrics_url.replace("/metrics", "/health")
    async with httpx2.AsyncClient() as client:
        telemetry.set_ready(True)
        answer = await client.get(f"{url}/")
        telemetry.set_ready(False)
        away = await client.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"status": "healthy", "service": telemetry.service, "version": metadata.version("tocsin")}
    assert (away.status_code, away.json()["status"]) == (503, "unavailable")


async def test_start_and_stop_may_be_called_twice_in_any_order() -> None:
    """A stopped component gives its port back, lets idle connections go, and can be started again."""
    telemetry = Telemetry(service="a", settings=Options())
    await telemetry.stop()
    await telemetry.start()
    await telemetry.start()
    port = telemetry.port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.wait_for(telemetry.stop(), timeout=60)
    await telemetry.stop()
    writer.close()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
    await telemetry.start()
    await telemetry.stop()


async def test_a_metrics_port_in_use_is_an_error(telemetry: Telemetry) -> None:
    """Nothing is shared silently."""
    second = Telemetry(service="b", settings=Options(metrics_port=telemetry.port))
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop()


@pytest.mark.parametrize("ratio", [0.0, 1.0])
async def test_a_trace_may_begin_with_an_id_that_is_known_before(exporter: InMemorySpanExporter, ratio: float) -> None:
    """The span is a root of that trace whatever came in, links to what led to it, and is recorded by lot; what follows is its child."""
    cause, wanted = new_traceparent(sampled=True), new_traceparent()[3:35]
    telemetry = Telemetry(service="a", settings=Options(trace_sample_ratio=ratio), span_processors=[SimpleSpanProcessor(exporter)])
    await telemetry.start()
    token = carry(cause)
    with telemetry.span("fire", begins=wanted, links=(cause,)):
        assert trace_id_of(current_traceparent() or "") == wanted
        with telemetry.span("inner"):
            assert trace_id_of(current_traceparent() or "") == wanted
    with telemetry.span("another", begins=(other := new_traceparent()[3:35])):
        assert trace_id_of(current_traceparent() or "") == other
    uncarry(token)
    await telemetry.stop()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    if not ratio:
        assert spans == {}
        return
    assert (fire := spans["fire"]).context is not None and (inner := spans["inner"]).context is not None  # noqa: PT018  for the types
    assert fire.parent is None
    assert f"{fire.context.trace_id:032x}" == wanted
    assert [f"{link.context.trace_id:032x}" for link in fire.links] == [trace_id_of(cause)]
    assert inner.context.trace_id == fire.context.trace_id


def test_tenants_beyond_a_bound_are_counted_as_one() -> None:
    """Whoever makes tenants by the thousand does not fill the memory of every process and of Prometheus."""
    registry = CollectorRegistry()
    counter = TenantCounter("tocsin_calls", "Calls.", registry=registry, most=2)
    for tenant in ("a", "b", "c", "d", "a"):
        counter.add(tenant)
    found = {tenant: registry.get_sample_value("tocsin_calls_total", {"tenant": tenant}) for tenant in ("a", "b", "c", "d", "(others)")}
    assert found == {"a": 2, "b": 1, "c": None, "d": None, "(others)": 2}


def test_the_disk_of_a_folder_that_is_not_made_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    """A service that has written nothing yet shows the room that it will have."""
    registry = CollectorRegistry()
    export_disk(registry, tmp_path / "a" / "b")
    free, size = (registry.get_sample_value(f"tocsin_state_disk_{name}_bytes") for name in ("free", "size"))
    assert free is not None
    assert size is not None
    assert 0 < free <= size
