"""A histogram for values that come by the thousand: adding one, or many that are equal, costs next to nothing."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from math import inf, isinf

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar


class Series:
    """The values of one set of labels.

    Attributes:
        bounds: of the buckets.
        counts: how many were not above each bound and above the one before it; last, how many were above all.
        sum: of all values.
        exemplars: by bucket, the last value of it whose trace is recorded.
    """

    __slots__ = ("bounds", "counts", "exemplars", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.exemplars: dict[int, Exemplar] | None = None

    def add(self, value: float, count: int = 1) -> None:
        """Adds ``count`` values that are equal."""
        self.counts[bisect_left(self.bounds, value)] += count
        self.sum += value * count

    def exemplify(self, value: float, labels: Mapping[str, str]) -> None:
        """Keeps ``labels`` beside one of the values, for readers of OpenMetrics: its trace, as a rule."""
        if self.exemplars is None:
            self.exemplars = {}
        self.exemplars[bisect_left(self.bounds, value)] = Exemplar(dict(labels), value)

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """For each bound, and for infinity, how many values were not above it; and the sum of all."""
        counts = accumulate(self.counts[:])
        return [(_written(bound), count) for bound, count in zip((*self.bounds, inf), counts, strict=True)], self.sum

    def collapsed(self, bounds: Sequence[float]) -> list[int]:
        """The counts by fewer bounds, each of which is one of ours."""
        found, place = [0] * (len(bounds) + 1), 0
        for bound, count in zip((*self.bounds, inf), self.counts[:], strict=True):
            found[place] += count
            if place < len(bounds) and bound == bounds[place]:
                place += 1
        return found


class Distribution(Collector):
    """A histogram as Prometheus sees it. Values are added in one thread; any may read them.

    `prometheus_client.Histogram` takes a lock twice for each value, which a loop of one thread does not need.
    """

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str] = (), *, registry: CollectorRegistry, bounds: Iterable[float]
    ) -> None:
        """Registers it, without values.

        Args:
            name: with its unit, such as "tocsin_scheduler_lateness_seconds".
            documentation: what the values are.
            labels: names of labels.
            registry: who is asked for it.
            bounds: upper bounds of the buckets, inclusive, in order; the last one, infinity, need not be told.
        """
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._bounds = tuple(bounds)
        self._series: dict[tuple[str, ...], Series] = {}
        registry.register(self)

    def series(self, *labels: str) -> Series:
        """The values with these labels."""
        return self._series.setdefault(labels, Series(self._bounds))

    def collect(self) -> list[HistogramMetricFamily]:
        """All values, as the registry asks for them."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, series in tuple(self._series.items()):
            buckets, total = series.read()
            family.add_metric(labels, buckets, total)
        return [family]


def _written(bound: float) -> str:
    return "+Inf" if isinf(bound) else str(float(bound))
