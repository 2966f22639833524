"""What the load test prints and draws."""

from xml.etree.ElementTree import Element, fromstring

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tocsin.loadtest import Lateness, lateness_chart
from tocsin.loadtest.report import percentile
from tocsin.loadtest.service_metrics import samples_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([1.0], 50, 1.0), ([1.0, 2.0, 3.0, 4.0], 50, 2.0), ([1.0, 2.0, 3.0, 4.0], 99, 4.0), (list(map(float, range(1, 101))), 99, 99.0)],
)
def test_a_percentile_is_the_nearest_rank(values: list[float], percent: float, expected: float) -> None:
    """The value that so many percent do not exceed, and no average of two."""
    assert percentile(values, percent) == expected


def test_a_percentile_of_nothing_is_not_a_number() -> None:
    """Nothing measured is not zero."""
    assert percentile([], 50) != percentile([], 50)


def _parsed(lateness: Lateness) -> Element:
    return fromstring(lateness_chart(lateness, alarms=10_000))  # noqa: S314  our own document


def test_the_picture_has_a_bar_for_every_range_that_occurs() -> None:
    """The bars are as high as their counts, and what was early is told."""
    late = Lateness(expected=8, rate=1000, seconds=sorted([-0.001, 0.002, 0.002, 0.002, 0.05, 1.5, 1.5]))
    root = _parsed(late)
    bars = [float(bar.get("height", "nan")) for bar in root.iter(f"{SVG}rect") if bar.get("class") == "bar"]
    assert [round(height / min(bars)) for height in bars] == [1, 3, 1, 2]
    texts = " ".join(text.text or "" for text in root.iter(f"{SVG}text"))
    assert "7 of 8 fired, 1 early" in texts
    assert "p50 2 ms" in texts
    assert "max 1.5 s" in texts


def test_the_picture_of_nothing_is_a_picture() -> None:
    """A run in which nothing fired draws an empty one, which says so."""
    root = _parsed(Lateness(expected=5, rate=1000, seconds=[]))
    assert "0 of 5 fired" in " ".join(text.text or "" for text in root.iter(f"{SVG}text"))


def test_of_a_page_of_metrics_a_few_are_read() -> None:
    """Memory, CPU, and attempts by state; the histograms of every method, which are nearly all of it, are not even parsed."""
    registry = CollectorRegistry()
    Gauge("process_resident_memory_bytes", "bytes", registry=registry).set(5e7)
    Counter("process_cpu_seconds", "seconds", registry=registry).inc(1.5)
    attempts = Counter("tocsin_scheduler_attempts", "attempts", ["state"], registry=registry)
    attempts.labels("succeeded").inc(3)
    attempts.labels("failed").inc(4)
    Histogram("tocsin_rpc_seconds", "seconds", ["method"], registry=registry).labels("Get").observe(0.1)
    page = generate_latest(registry).decode() + "what cannot be parsed {\n"
    assert samples_of(page) == {
        ("process_resident_memory_bytes", ""): 5e7,
        ("process_cpu_seconds_total", ""): 1.5,
        ("tocsin_scheduler_attempts_total", "succeeded"): 3.0,
        ("tocsin_scheduler_attempts_total", "failed"): 4.0,
    }
