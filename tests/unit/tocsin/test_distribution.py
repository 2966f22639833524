"""A distribution tells Prometheus what a histogram of the client library would."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.samples import Sample

from tocsin.telemetry.distribution import Distribution

BOUNDS = (0.5, 1, 2.5)


def samples(registry: CollectorRegistry) -> list[Sample]:
    """What a scrape sees, but for when each series began."""
    return [sample for family in registry.collect() for sample in family.samples if not sample.name.endswith("_created")]


def test_it_reads_like_a_histogram() -> None:
    """The same names, labels, bounds, counts and sums; a bound belongs to its bucket."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    distribution = Distribution("work_seconds", "Length of work.", ("kind",), registry=ours, bounds=BOUNDS)
    histogram = Histogram("work_seconds", "Length of work.", ("kind",), registry=theirs, buckets=BOUNDS)
    for kind, value in (("a", 0.2), ("a", 0.5), ("a", 1.5), ("b", 7.0), ("b", 2.5)):
        distribution.series(kind).add(value)
        histogram.labels(kind).observe(value)
    assert samples(ours) == samples(theirs)
    assert b'work_seconds_bucket{kind="b",le="+Inf"} 2.0' in generate_latest(ours)


def test_many_equal_values_count_as_many() -> None:
    """Added at once, they are the same as one by one."""
    together, apart = CollectorRegistry(), CollectorRegistry()
    Distribution("lag", "Lag.", registry=together, bounds=BOUNDS).series().add(0.75, 3)
    series = Distribution("lag", "Lag.", registry=apart, bounds=BOUNDS).series()
    for _ in range(3):
        series.add(0.75)
    assert samples(together) == samples(apart)
