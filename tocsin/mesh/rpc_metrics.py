"""What is counted of RPCs, by the names of gRFC A66, and for a release by the names of before.

A value is counted once; names are for the scrape. Both sets of buckets are parts of one. ``grpc_type`` tells streams, which may last
for hours, from unary calls; A66 has no such label, and it adds no series. Sizes are those of messages as protobuf writes them: without
gRPC's framing, and before compression where a caller asked for it.

Source: https://github.com/grpc/proposal/blob/master/A66-otel-stats.md, as OpenTelemetry's exporter writes it for Prometheus.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

import grpc
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tocsin.mesh.policy import MethodKind
from tocsin.telemetry.distribution import Series

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; of the names of before."""
_LATENCY: Final = (
    *(0.0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.013, 0.016, 0.02),
    *(0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0),
)
_FINE: Final = tuple(sorted({*BUCKETS, *_LATENCY}))
_SIZES: Final = (0, *(2**power for power in (10, 11, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32)))
_TYPES: Final = {
    MethodKind.UNARY_UNARY: "unary",
    MethodKind.STREAM_UNARY: "client_stream",
    MethodKind.UNARY_STREAM: "server_stream",
    MethodKind.STREAM_STREAM: "bidi_stream",
}
_OK: Final = grpc.StatusCode.OK
_CANCELLED: Final = grpc.StatusCode.CANCELLED
OTHER: Final = "other"
"""The method of calls that no method of the server is for: what callers make up gets no label of its own."""


class EndedRpcs:
    """The calls, or attempts, at one method that ended with one code.

    Attributes:
        seconds: how long each took.
        sent: bytes of the messages that each sent.
        received: likewise.
    """

    __slots__ = ("received", "seconds", "sent")

    def __init__(self) -> None:
        self.seconds = Series(_FINE)
        self.sent = Series(_SIZES)
        self.received = Series(_SIZES)

    def add(self, seconds: float, sent: int, received: int) -> None:
        """One more; sizes below 0 are not known."""
        series = self.seconds
        series.counts[bisect_left(_FINE, seconds)] += 1
        series.sum += seconds
        if sent < 0:
            return
        series = self.sent
        series.counts[bisect_left(_SIZES, sent)] += 1
        series.sum += sent
        series = self.received
        series.counts[bisect_left(_SIZES, received)] += 1
        series.sum += received


class Durations:
    """What is counted of one method.

    Attributes:
        labels: the target, where the calls go out, and the path of the method.
        codes: by code, the attempts of unary calls; of streams, how long it took until each gave its first message, or failed. By the
            names of before; what `mesh top` shows and hedging waits for.
        calls: by code, how long whole calls took, all attempts together.
        started: calls or attempts that began.
        in_flight: calls that are being served now.
    """

    __slots__ = ("_attempts", "_calls_ok", "_given_up", "_ok", "calls", "codes", "in_flight", "kind", "labels", "started", "target")

    def __init__(self, *labels: str, kind: MethodKind = MethodKind.UNARY_UNARY, target: str = "", streams_apart: bool = False) -> None:
        """Counts from zero.

        Args:
            labels: the target's name, where the calls go out, and the path of the method.
            kind: which sides stream.
            target: the URI of the target.
            streams_apart: streams are counted for their first message, and apart from that at their end.
        """
        self.labels = labels
        self.kind = kind
        self.target = target
        self.codes: dict[grpc.StatusCode, EndedRpcs] = {}
        self._attempts = dict[grpc.StatusCode, EndedRpcs]() if streams_apart else self.codes
        self._given_up = EndedRpcs()
        self.calls: dict[grpc.StatusCode, Series] = {}
        self.started = 0
        self.in_flight = 0
        # What ended with OK is not looked up: the hash of an enumeration's member is a call of a function.
        self._ok: EndedRpcs | None = None
        self._calls_ok: Series | None = None

    def observe(self, code: grpc.StatusCode, seconds: float, sent: int = -1, received: int = -1) -> None:
        """Counts a call that ended with ``code`` after ``seconds``."""
        _ended(self.codes, code).add(seconds, sent, received)

    def succeeded(self, seconds: float, sent: int = -1, received: int = -1) -> None:
        """Counts a call that ended with OK."""
        if self._ok is None:
            self._ok = _ended(self.codes, _OK)
        self._ok.add(seconds, sent, received)

    def given_up(self, seconds: float, sent: int = -1, received: int = -1) -> None:
        """Counts an attempt that its caller gave up: CANCELLED by A66, and by the names of before nothing."""
        self._given_up.add(seconds, sent, received)

    def stream_ended(self, code: grpc.StatusCode, seconds: float, sent: int, received: int) -> None:
        """Counts a stream at its end, whatever its first message was counted for."""
        _ended(self._attempts, code).add(seconds, sent, received)

    def call_ended(self, code: grpc.StatusCode, seconds: float) -> None:
        """Counts a whole call."""
        if code is _OK and self._calls_ok is not None:
            self._calls_ok.add(seconds)
            return
        found = self.calls.get(code)
        if found is None:
            found = self.calls[code] = Series(_FINE)
            self._calls_ok = found if code is _OK else self._calls_ok
        found.add(seconds)

    def exemplify(self, code: grpc.StatusCode, seconds: float, labels: Mapping[str, str]) -> None:
        """Keeps the trace of a call that is recorded beside its duration."""
        _ended(self._attempts, code).seconds.exemplify(seconds, labels)

    def attempts(self) -> Iterator[tuple[str, EndedRpcs]]:
        """By the name of its code, what ended."""
        for code, ended in tuple(self._attempts.items()):
            if code is not _CANCELLED:
                yield code.name, ended
        cancelled = self._attempts.get(_CANCELLED)
        if cancelled is not None or any(self._given_up.seconds.counts):
            yield _CANCELLED.name, self._given_up if cancelled is None else _together(self._given_up, cancelled)

    @property
    def under_way(self) -> int:
        """Attempts that have begun and not ended; what a server has in hand is `in_flight`."""
        ended = sum(sum(each.seconds.counts) for each in (*tuple(self._attempts.values()), self._given_up))
        return max(0, self.started - ended)

    def successes_within(self, share: float, *, least: int) -> float | None:
        """Seconds that this share of the successful calls did not exceed, rounded up to a bucket; None before ``least`` of them."""
        counts = self.codes[_OK].seconds.collapsed(BUCKETS) if _OK in self.codes else []
        total = sum(counts)
        if total < least or not total:
            return None
        place = bisect_left(list(accumulate(counts)), share * total)
        return BUCKETS[min(place, len(BUCKETS) - 1)]


def _ended(codes: dict[grpc.StatusCode, EndedRpcs], code: grpc.StatusCode) -> EndedRpcs:
    found = codes.get(code)
    if found is None:
        found = codes[code] = EndedRpcs()
    return found


def _together(one: EndedRpcs, other: EndedRpcs) -> EndedRpcs:
    both = EndedRpcs()
    for name in EndedRpcs.__slots__:
        first, second, total = getattr(one, name), getattr(other, name), getattr(both, name)
        total.counts = [left + right for left, right in zip(first.counts, second.counts, strict=True)]
        total.sum = first.sum + second.sum
        total.exemplars = {**(first.exemplars or {}), **(second.exemplars or {})}
    return both


class RpcCollector(Collector):
    """Shows what is counted, by all of its names. Values are added in one thread; any may read them."""

    def __init__(self, old: str, documentation: str, *, side: str, registry: CollectorRegistry) -> None:
        """Registers it, without values.

        Args:
            old: the histogram of before.
            documentation: what that says.
            side: "client", which counts attempts and calls, or "server".
            registry: who is asked for it.
        """
        self._old = old, documentation
        self._side = side
        self.unknown: Callable[[], int] = lambda: 0
        """How many calls came to a server for methods that it does not have."""
        self._all: dict[tuple[str, ...], Durations] = {}
        registry.register(self)

    def of(self, *labels: str, kind: MethodKind = MethodKind.UNARY_UNARY, target: str = "") -> Durations:
        """What is counted of a method; see `Durations`."""
        found = self._all.get(labels)
        if found is None:
            apart = self._side == "client" and kind is not MethodKind.UNARY_UNARY
            found = self._all[labels] = Durations(*labels, kind=kind, target=target, streams_apart=apart)
        return found

    def __iter__(self) -> Iterator[Durations]:
        return iter(tuple(self._all.values()))

    def collect(self) -> Iterator[Metric]:
        """Yields every name."""
        client = self._side == "client"
        unit, what = ("attempt", "attempts at RPCs") if client else ("call", "RPCs that were served")
        labels = ("grpc_method", *(("grpc_target",) if client else ()), "grpc_type")
        prefix = f"grpc_{self._side}_{unit}"
        started = CounterMetricFamily(f"{prefix}_started", f"Count of {what}, those under way included.", labels=labels)
        ended = [
            HistogramMetricFamily(f"{prefix}_{name}", f"{text} of {what}.", labels=(*labels, "grpc_status"))
            for name, text in (
                ("duration_seconds", "Duration"),
                ("sent_total_compressed_message_size_bytes", "Bytes of all messages sent"),
                ("rcvd_total_compressed_message_size_bytes", "Bytes of all messages received"),
            )
        ]
        for each in self:
            mine = _labels(each, client)
            if each.started:
                started.add_metric(mine, each.started)
            for status, counted in each.attempts():
                for family, series in zip(ended, (counted.seconds, counted.sent, counted.received), strict=True):
                    _add(family, (*mine, status), series)
        if unknown := self.unknown():
            started.add_metric((OTHER, _TYPES[MethodKind.UNARY_UNARY]), unknown)
        yield from (started, *ended)
        if client:
            yield self._whole_calls(labels)
        yield self._as_before()

    def _whole_calls(self, labels: Sequence[str]) -> Metric:
        text = "Duration of RPCs as their callers see them, all attempts together."
        family = HistogramMetricFamily("grpc_client_call_duration_seconds", text, labels=(*labels, "grpc_status"))
        for each in self:
            for code, series in tuple(each.calls.items()):
                _add(family, (*_labels(each, True), code.name), series)
        return family

    def _as_before(self) -> Metric:
        name, text = self._old
        labels = ("target", "method", "code") if self._side == "client" else ("method", "code")
        family = HistogramMetricFamily(name, text, labels=labels)
        for each in self:
            for code, ended in tuple(each.codes.items()):
                counts = accumulate(ended.seconds.collapsed(BUCKETS))
                family.add_metric((*each.labels, code.name), list(zip(_OLD, counts, strict=True)), ended.seconds.sum)
        return family


def _written(bounds: Iterable[float]) -> tuple[str, ...]:
    return (*(str(float(bound)) for bound in bounds), "+Inf")


_OLD: Final = _written(BUCKETS)
_SHOWN: Final[dict[int, tuple[Sequence[float], tuple[str, ...]]]] = {
    len(_FINE): (_LATENCY, _written(_LATENCY)),
    len(_SIZES): (_SIZES, _written(_SIZES)),
}
"""By how many bounds there are: which of them are shown, and as what."""


def _labels(durations: Durations, client: bool) -> tuple[str, ...]:
    return (durations.labels[-1][1:], *((durations.target,) if client else ()), _TYPES[durations.kind])


def _add(family: HistogramMetricFamily, labels: Sequence[str], series: Series) -> None:
    bounds, written = _SHOWN[len(series.bounds)]
    buckets: list[tuple[str, float]] = list(zip(written, accumulate(series.collapsed(bounds)), strict=True))
    if series.exemplars is None:
        family.add_metric(labels, buckets, series.sum)
        return
    kept = {bisect_left(bounds, exemplar.value): exemplar for exemplar in tuple(series.exemplars.values())}
    family.add_metric(labels, [(*bucket, kept[place]) if place in kept else bucket for place, bucket in enumerate(buckets)], series.sum)
