"""What a scrape shows of the mesh."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tocsin.mesh.breaker import BreakerRegistry, CallOutcome, CircuitState
from tocsin.mesh.metrics import ClientMetrics, ServerMetrics, export_breakers
from tocsin.mesh.policy import MethodKind
from tocsin.testing.clock import FakeClock


def scrape(registry: CollectorRegistry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample, by name and labels."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


def labels(**values: str) -> frozenset[tuple[str, str]]:
    """Labels as `scrape` keys them."""
    return frozenset(values.items())


def test_durations_are_a_histogram() -> None:
    """Buckets are cumulative, bounds inclusive, sums and counts by method and code."""
    registry = CollectorRegistry()
    durations = ServerMetrics(registry).durations("/a/B")
    for seconds in (0.0005, 0.001, 0.3, 99.0):
        durations.observe(grpc.StatusCode.OK, seconds)
    durations.observe(grpc.StatusCode.NOT_FOUND, 0.002)
    samples = scrape(registry)
    ok = {"method": "/a/B", "code": "OK"}
    assert samples["tocsin_server_seconds_bucket", labels(le="0.001", **ok)] == 2
    assert samples["tocsin_server_seconds_bucket", labels(le="0.5", **ok)] == 3
    assert samples["tocsin_server_seconds_bucket", labels(le="+Inf", **ok)] == 4
    assert samples["tocsin_server_seconds_count", labels(**ok)] == 4
    assert abs(samples["tocsin_server_seconds_sum", labels(**ok)] - 99.3015) < 1e-9
    assert samples["tocsin_server_seconds_count", labels(method="/a/B", code="NOT_FOUND")] == 1


def test_a_client_shows_attempts_retries_rejections_and_budget() -> None:
    """By target and method."""
    registry = CollectorRegistry()
    metrics = ClientMetrics(registry)
    metrics.durations("far", "/a/B").observe(grpc.StatusCode.UNAVAILABLE, 0.1)
    metrics.retries("far", "/a/B").inc()
    metrics.rejected("far", "/a/B").inc(2)
    metrics.budget("far").set(7)
    samples = scrape(registry)
    method = {"target": "far", "method": "/a/B"}
    assert samples["tocsin_client_attempt_seconds_count", labels(code="UNAVAILABLE", **method)] == 1
    assert samples["tocsin_client_retries_total", labels(**method)] == 1
    assert samples["tocsin_client_rejected_total", labels(**method)] == 2
    assert samples["tocsin_client_retry_budget", labels(target="far")] == 7


def test_breakers_are_shown_once(clock: FakeClock) -> None:
    """Client and server of a process both ask; state and failures are read at the scrape."""
    registry, breakers = CollectorRegistry(), BreakerRegistry(clock=clock)
    for _ in range(2):
        export_breakers(registry, breakers)
    breaker = breakers.get(id="database", target="database")
    for _ in range(5):
        breaker.record(breaker.admit(), CallOutcome.FAILURE)
    samples = scrape(registry)
    assert samples["tocsin_breaker_state", labels(breaker="database", target="database")] == 2
    assert samples["tocsin_breaker_failures", labels(breaker="database", target="database")] == 5


def test_changes_of_breakers_are_counted_and_logged_once(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    """From zero on, also when the breaker is gone; what changes nothing is no change."""
    registry, breakers = CollectorRegistry(), BreakerRegistry(clock=clock)
    export_breakers(registry, breakers)

    def changes() -> dict[tuple[str, str], float]:
        seen = [(dict(pairs), value) for (name, pairs), value in scrape(registry).items() if name == "tocsin_breaker_transitions_total"]
        return {(pairs["from"], pairs["to"]): value for pairs, value in seen}

    ends = ("closed", "open"), ("open", "half_open"), ("half_open", "open"), ("half_open", "closed"), ("open", "closed")
    assert changes() == {}
    caplog.set_level("INFO", logger="tocsin.mesh.breaker.transitions")
    breaker = breakers.get(id="mailer_svc/10.0.0.7", target="mailer_svc")
    breaker.reset()
    assert changes() == dict.fromkeys(ends, 0)
    for _ in range(5):
        breaker.record(breaker.admit(), CallOutcome.FAILURE)
    for outcome in (CallOutcome.FAILURE, *[CallOutcome.SUCCESS] * 3):
        clock.set(clock.now() + timedelta(seconds=61))
        breaker.record(breaker.admit(), outcome)
    breakers.force(CircuitState.OPEN)
    breakers.force(CircuitState.OPEN)
    breakers.reset()
    breakers.forget("mailer_svc")
    assert changes() == dict(zip(ends, (2, 2, 1, 1, 1), strict=True))
    said: list[Any] = [record for record in caplog.records if record.name == "tocsin.mesh.breaker.transitions"]
    assert len(said) == 7


def of_method(samples: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **values: str) -> float:
    """The one sample with this name and these labels among others."""
    (found,) = [value for (seen, pairs), value in samples.items() if seen == name and labels(**values) <= pairs]
    return found


def test_attempts_have_the_names_and_buckets_of_grpc() -> None:
    """A66: durations, sizes and starts by method, target and status; the old name shows the same attempts."""
    registry = CollectorRegistry()
    durations = ClientMetrics(registry).durations("far", "/a.B/C", uri="dns:///far:1")
    durations.started = 3
    durations.succeeded(0.0021, 1000, 2000)
    durations.observe(grpc.StatusCode.UNAVAILABLE, 7.0)
    samples = scrape(registry)
    mine = {"grpc_method": "a.B/C", "grpc_target": "dns:///far:1", "grpc_type": "unary"}
    name = "grpc_client_attempt"
    assert of_method(samples, f"{name}_started_total", **mine) == 3
    assert of_method(samples, f"{name}_duration_seconds_bucket", le="0.002", grpc_status="OK", **mine) == 0
    assert of_method(samples, f"{name}_duration_seconds_bucket", le="0.003", grpc_status="OK", **mine) == 1
    assert of_method(samples, f"{name}_duration_seconds_bucket", le="5.0", grpc_status="UNAVAILABLE", **mine) == 0
    assert of_method(samples, f"{name}_duration_seconds_bucket", le="10.0", grpc_status="UNAVAILABLE", **mine) == 1
    assert of_method(samples, f"{name}_sent_total_compressed_message_size_bytes_sum", grpc_status="OK", **mine) == 1000
    assert of_method(samples, f"{name}_rcvd_total_compressed_message_size_bytes_bucket", le="2048.0", grpc_status="OK", **mine) == 1
    assert of_method(samples, f"{name}_sent_total_compressed_message_size_bytes_count", grpc_status="UNAVAILABLE", **mine) == 0
    bounds = {dict(pairs)["le"] for (seen, pairs) in samples if seen == f"{name}_duration_seconds_bucket"}
    assert (len(bounds), "2.5" in bounds, "0.0" in bounds) == (42, False, True)
    assert of_method(samples, "tocsin_client_attempt_seconds_bucket", le="0.0025", code="OK") == 1


def test_an_attempt_that_was_given_up_is_cancelled_by_the_new_name_alone() -> None:
    """Together with those that the far end cancelled; the old name knows these alone, and alerts go by it."""
    registry = CollectorRegistry()
    durations = ClientMetrics(registry).durations("far", "/a.B/C")
    durations.given_up(0.5, 10, 0)
    durations.observe(grpc.StatusCode.CANCELLED, 0.25, 5, 0)
    samples = scrape(registry)
    assert of_method(samples, "grpc_client_attempt_duration_seconds_sum", grpc_status="CANCELLED") == 0.75
    assert of_method(samples, "grpc_client_attempt_sent_total_compressed_message_size_bytes_sum", grpc_status="CANCELLED") == 15
    assert of_method(samples, "tocsin_client_attempt_seconds_count", code="CANCELLED") == 1


def test_streams_are_counted_at_their_end() -> None:
    """Apart from unary calls; the old name has the time until the first message."""
    registry = CollectorRegistry()
    durations = ClientMetrics(registry).durations("far", "/a.B/Watch", kind=MethodKind.UNARY_STREAM)
    durations.succeeded(0.01)
    durations.stream_ended(grpc.StatusCode.OK, 60.0, 10, 5000)
    durations.call_ended(grpc.StatusCode.OK, 60.5)
    samples = scrape(registry)
    mine = {"grpc_type": "server_stream", "grpc_status": "OK"}
    assert of_method(samples, "grpc_client_attempt_duration_seconds_sum", **mine) == 60.0
    assert of_method(samples, "grpc_client_attempt_rcvd_total_compressed_message_size_bytes_sum", **mine) == 5000
    assert of_method(samples, "grpc_client_call_duration_seconds_sum", **mine) == 60.5
    assert of_method(samples, "tocsin_client_attempt_seconds_sum", code="OK") == 0.01


def test_what_callers_make_up_is_no_label() -> None:
    """Calls of methods that a server does not have are one row."""
    registry = CollectorRegistry()
    metrics = ServerMetrics(registry)
    metrics.count_unknown(lambda: 4)
    assert of_method(scrape(registry), "grpc_server_call_started_total", grpc_method="other") == 4


def test_openmetrics_shows_the_trace_of_a_call() -> None:
    """As an exemplar of the bucket that the call is in; the text format of before has none."""
    registry = CollectorRegistry()
    durations = ServerMetrics(registry).durations("/a.B/C")
    durations.succeeded(0.0027)
    durations.exemplify(grpc.StatusCode.OK, 0.0027, {"trace_id": "ab" * 16})
    (line,) = [line for line in openmetrics.generate_latest(registry).decode().splitlines() if " # " in line]
    assert line.startswith("grpc_server_call_duration_seconds_bucket{")
    assert 'le="0.003"' in line
    assert line.endswith('# {trace_id="' + "ab" * 16 + '"} 0.0027')
    assert "trace_id" not in generate_latest(registry).decode()
