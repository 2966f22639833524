"""Spans on their way to a collector: a real one, which is away, dies and freezes."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.collector import CLIENT, SERVER, Collector, listening
from tests.integration.mesh.support import Echo, RigSettings
from tests.integration.mesh.test_library import add_silent, silent
from tests.rotel import Rotel
from tocsin.config import ConfigError, load
from tocsin.mesh.library import ServiceProcess
from tocsin.testing.waiting import eventually

METHOD = "silent.S/Do"
Said = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches leave at once, and the collector has all the time that it needs: by OpenTelemetry's own variables."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")


@pytest.fixture(scope="module")
def beyond() -> Iterator[Collector]:
    """Where the real collector sends what it got."""
    with listening() as made:
        yield made


@pytest.fixture(scope="module")
def shared(beyond: Collector) -> Iterator[Rotel]:
    """The real collector of all tests."""
    made = Rotel(onwards=beyond.endpoint)
    yield made
    made.close()


@pytest.fixture
def rotel(shared: Rotel) -> Iterator[Rotel]:
    """The real collector, which runs."""
    shared.start()
    yield shared
    shared.resume()


class Caller:
    """A process that calls another and exports its spans."""

    def __init__(self, process: ServiceProcess, scraper: httpx2.AsyncClient) -> None:
        self._process = process
        self._scraper = scraper
        self.made = 0
        self._call: Any = process.channel("echo_svc").unary_unary(f"/{METHOD}")

    async def calls(self, count: int) -> None:
        """So many calls, each of which must succeed."""
        for _ in range(count):
            self.made += 1
            assert await self._call(b"") == b""

    async def spans(self) -> dict[str, float]:
        """What became of its spans: "exported", and why the others were dropped."""
        text = (await self._scraper.get(self._process.metrics_url)).text
        samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
        ends = {"tocsin_spans_exported_total", "tocsin_spans_dropped_total"}
        return {each.labels.get("reason", "exported"): each.value for each in samples if each.name in ends}

    async def have(self, **wanted: float) -> None:
        """Returns when so many spans were exported, or dropped for a reason."""
        last: dict[str, float] = {}

        async def counted() -> bool:
            last.update(await self.spans())
            return wanted.items() <= last.items()

        try:
            await eventually(counted)
        except AssertionError as error:
            raise AssertionError(f"wanted {wanted}, found {last}") from error

    async def dropped(self, count: int) -> None:
        """So many calls, whose spans do not arrive."""
        before = await self.spans()
        await self.calls(count)
        await self.have(exported=before["exported"], export_failed=before["export_failed"] + count)

    async def settled(self) -> None:
        """Returns when each call is accounted for."""

        async def counted() -> bool:
            return sum((await self.spans()).values()) == self.made

        await eventually(counted, what="an account of every call")


@asynccontextmanager
async def calling(endpoint: str, *, callee: str | None = None, **values: Any) -> AsyncGenerator[Caller]:
    """A caller that exports to ``endpoint``, for the length of a block; who it calls exports to ``callee``."""
    common: dict[str, Any] = {"contract": [silent()], "drain_seconds": 0.0}
    async with ServiceProcess("echo_svc", otlp_endpoint=callee, **common) as served:
        server = await served.serve((add_silent, Echo()))
        targets = {"echo_svc": server.address}
        async with (
            httpx2.AsyncClient() as scraper,
            ServiceProcess("front", targets=targets, otlp_endpoint=endpoint, **common, **values) as process,
        ):
            yield Caller(process, scraper)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    """The lines of the log about an event."""
    caplog.set_level("INFO", logger="tocsin.telemetry.export")

    def about(event: str) -> list[dict[str, Any]]:
        lines: list[Any] = [record.msg for record in caplog.records if record.name == "tocsin.telemetry.export"]
        return [line for line in lines if line["event"] == event]

    return about


async def test_a_real_collector_gets_both_ends_of_a_call(rotel: Rotel, beyond: Collector) -> None:
    """As OTLP has them, from two services: one trace, whose server has the client above it, with the attributes of the conventions."""
    async with calling(rotel.endpoint, callee=rotel.endpoint) as caller:
        await caller.calls(1)
        await eventually(lambda: {CLIENT, SERVER} <= {span.kind for span in beyond.all()}, what="both spans")
    client, server = sorted(beyond.all(), key=lambda span: span.kind == SERVER)
    assert (client.service, client.kind, client.name) == ("front", CLIENT, METHOD)
    assert (server.service, server.kind, server.name) == ("echo_svc", SERVER, METHOD)
    assert (server.trace, server.parent) == (client.trace, client.id)
    assert client.attributes["rpc.system.name"] == "grpc"
    assert client.attributes["rpc.method"] == METHOD


async def test_a_real_collector_gets_spans_by_http(rotel: Rotel, beyond: Collector, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressed. While it is frozen a bounded number waits, and arrives when it goes on; a process that ends waits two seconds for it."""
    most, dropped = 32, 10
    monkeypatch.setattr("tocsin.telemetry.export.MOST_SPANS", most)
    for name, value in (("PROTOCOL", "http/protobuf"), ("COMPRESSION", "gzip"), ("TIMEOUT", "3600")):
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
    before = len(beyond.all())
    async with asyncio.timeout(500), calling(rotel.http_endpoint) as caller:
        await caller.calls(1)
        await caller.have(exported=1)
        await eventually(lambda: len(beyond.all()) == before + 1, what="the span beyond")
        rotel.pause()
        await caller.calls(most + dropped)
        await caller.have(exported=1, export_failed=0, queue_full=dropped)
        rotel.resume()
        await caller.have(exported=1 + most, export_failed=0, queue_full=dropped)
        rotel.pause()
        await caller.calls(1)
    assert len(said("spans dropped because too many wait")) == 1


async def test_what_a_collector_leaves_out_of_a_batch_is_counted_and_told_once(said: Said) -> None:
    """It took the batch, so that nothing is tried again; what it only warns of is told, and loses nothing."""
    with listening() as far:
        async with calling(far.endpoint) as caller:
            far.partial.error_message = "an attribute is too long"
            await caller.calls(1)
            await caller.have(exported=1, rejected=0)
            far.partial.rejected_spans = 1
            for number in (1, 2, 3):
                await caller.calls(1)
                await caller.have(exported=1, rejected=number, export_failed=0)
            far.partial.Clear()
            await caller.calls(1)
            await caller.have(exported=2, rejected=3, export_failed=0)
    (line,) = said("spans rejected")
    assert (line["endpoint"], line["error"], line["rejected"]) == (far.endpoint, "an attribute is too long", 0)


async def test_calls_go_on_while_the_collector_is_dead(rotel: Rotel, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it cannot get is dropped and counted, all of it; the log says so once, and once that it is back."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")  # a dead one is given up after two attempts
    async with calling(rotel.endpoint) as caller:

        async def arrives() -> bool:
            """Whether one more of its spans was taken: on a busy machine a living collector may be too slow for this timeout."""
            before = (await caller.spans())["exported"]
            await caller.calls(1)
            await caller.settled()
            return (await caller.spans())["exported"] > before

        await eventually(arrives, what="an export")
        rotel.kill()
        await caller.dropped(2)
        lines = len(said("spans not exported"))
        await caller.dropped(2)
        await caller.dropped(2)
        assert len(said("spans not exported")) == lines
        rotel.start()
        await eventually(arrives, what="an export again")
    # Which of the two is a matter of how fast the machine tells that nobody listens, within the timeout of above.
    assert any(code in said("spans not exported")[-1]["error"] for code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"))
    assert said("spans not exported")[-1]["endpoint"] == rotel.endpoint


async def test_calls_go_on_while_the_collector_is_frozen(rotel: Rotel, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bounded number of spans waits for it, the others are counted; those that waited arrive when it goes on."""
    most, dropped = 64, 50
    monkeypatch.setattr("tocsin.telemetry.export.MOST_SPANS", most)
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
    async with calling(rotel.endpoint) as caller:
        await caller.calls(1)
        await caller.have(exported=1)
        rotel.pause()
        # One after the other: thousands of calls of many callers at once are refused as overload where the machine is busy.
        await caller.calls(most + dropped)
        await caller.have(exported=1, export_failed=0, queue_full=dropped)
        rotel.resume()
        await caller.have(exported=1 + most, export_failed=0, queue_full=dropped)
    assert len(said("spans dropped because too many wait")) == 1
    assert [each["dropped"] for each in said("spans exported again")] == [dropped]


async def test_the_end_of_a_process_does_not_wait_for_a_frozen_collector(rotel: Rotel, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is given two seconds, whatever the exporter would wait."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
    async with asyncio.timeout(300), calling(rotel.endpoint) as caller:
        await caller.calls(1)
        await caller.have(exported=1)
        rotel.pause()
        await caller.calls(1)


async def test_a_ratio_of_nothing_exports_nothing() -> None:
    """Of the traces that begin here; a process that ends has handed over all that it recorded."""
    with listening() as collector:
        async with calling(collector.endpoint, trace_sample_ratio=0) as caller:
            await caller.calls(5)
            await caller.have(exported=0, export_failed=0, queue_full=0)
        assert collector.all() == []


@pytest.mark.parametrize("endpoint", ["http://collector:4318/v1/traces", "https://", "http://collector:4317?a=b", "http://collector:no"])
def test_an_endpoint_that_is_none_of_grpc_is_refused(endpoint: str) -> None:
    """The path of OTLP/HTTP above all: gRPC would leave it out, and never be understood."""
    said = "must be an OTLP/gRPC endpoint such as http://collector:4317, without a path"
    with pytest.raises(ConfigError, match=f"otlp_endpoint: {said}"):
        ServiceProcess("front", contract=[silent()], otlp_endpoint=endpoint)
    with pytest.raises(ConfigError, match=f"TOCSIN_OTLP_ENDPOINT.*{said}"):
        load(RigSettings, {"TOCSIN_OTLP_ENDPOINT": endpoint})


@pytest.mark.parametrize("ratio", [-0.1, 1.1, math.nan, math.inf])
def test_a_ratio_that_is_none_is_refused(ratio: float) -> None:
    """By its name."""
    with pytest.raises(ConfigError, match=f"trace_sample_ratio: must be from 0 to 1, not {ratio}"):
        ServiceProcess("front", contract=[silent()], trace_sample_ratio=ratio)
