"""What a scrape shows of the mesh."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tocsin.mesh.breaker import BreakerRegistry, CallOutcome, CircuitState
from tocsin.mesh.metrics import ClientMetrics, ServerMetrics, export_breakers
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
