"""What Prometheus sees of deliveries."""

from collections.abc import Callable, Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mailer_svc.domain import DeliveryState, Priority
from mailer_svc.domain.gates import GateReason
from tocsin.errors import InvalidInput, ResourceExhausted, Unavailable

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)


class BounceMetrics:
    """Counts what comes to the listener for mail."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._returned = Counter(
            "tocsin_returned_mails",
            "Mails that came to the listener, by what they say; unknown_address, unknown_key, unknown_token: refused, nobody made them.",
            ("kind",),
            registry=registry,
        )

    def counted(self, kind: str) -> None:
        """One came."""
        self._returned.labels(kind).inc()


class ArchiveMetrics:
    """Counts what moves into the archive, and shows whether that fails."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._archived = Counter(
            "tocsin_mailer_archived_deliveries", "Deliveries that left the database for the archive.", registry=registry
        )
        self._failing = Gauge(
            "tocsin_mailer_archive_failing",
            "1 while finished deliveries cannot be archived, and so stay in the database.",
            registry=registry,
        )

    def archived(self, rows: int) -> None:
        """So many deliveries left the database for a file."""
        self._archived.inc(rows)

    def archive_failing(self, failing: bool) -> None:
        """Shows whether archiving fails."""
        self._failing.set(int(failing))


class DeliveryMetrics:
    """Counts deliveries by channel and outcome, attempts by provider, and the queue by channel and priority."""

    def __init__(self, registry: CollectorRegistry, *, channels: Iterable[str] = ()) -> None:
        """Registers the metrics.

        Args:
            registry: where.
            channels: those that messages leave by; each count of what failed for good starts at 0.
        """
        self._deliveries = Counter(
            "tocsin_deliveries", "Changes of deliveries by channel and new state.", ("channel", "state"), registry=registry
        )
        self._dead = Counter("tocsin_deliveries_dead", "Messages that failed for good, by channel.", ("channel",), registry=registry)
        self._suppressed = Counter(
            "tocsin_deliveries_suppressed", "Messages that the gates let nobody get, by reason.", ("reason",), registry=registry
        )
        held = "Messages that wait for the end of quiet hours or for a digest, by reason."
        self._held = Counter("tocsin_deliveries_held", held, ("reason",), registry=registry)
        self._digests = Histogram(
            "tocsin_digest_messages",
            "Messages that went out together in a digest, by channel.",
            ("channel",),
            registry=registry,
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 1000),
        )
        self._refused = Counter("tocsin_deliveries_refused", "Messages that were not accepted, by reason.", ("reason",), registry=registry)
        self._attempts = Histogram(
            "tocsin_provider_seconds",
            "Length of an attempt by provider and result.",
            ("provider", "result"),
            registry=registry,
            buckets=_BUCKETS,
        )
        self._depth = Gauge(
            "tocsin_delivery_queue_depth",
            "Deliveries that wait or are under way, by channel and priority.",
            ("channel", "lane"),
            registry=registry,
        )
        self._begin(channels)
        # What finds the one of these labels costs as much as all else that an attempt is counted by.
        self._attempts_of = cache(self._attempts.labels)
        self._deliveries_of = cache(self._deliveries.labels)
        self._sizes: list[Callable[[], float]] = []
        connections = Gauge("tocsin_smtp_connections", "Open connections to the SMTP server.", registry=registry)
        connections.set_function(lambda: sum(size() for size in self._sizes))

    def _begin(self, channels: Iterable[str]) -> None:
        """What is known beforehand starts at 0, so that the first one is an increase."""
        for reason in GateReason:
            self._suppressed.labels(reason.value)
            self._held.labels(reason.value)
        for reason in (InvalidInput.reason, ResourceExhausted.reason, Unavailable.reason):
            self._refused.labels(reason)
        for channel in channels:
            self._dead.labels(channel)

    def watch_connections(self, size: Callable[[], float]) -> None:
        """Adds ``size``, at every scrape, to the number of connections to SMTP servers."""
        self._sizes.append(size)

    def accepted(self, channel: str, count: int) -> None:
        """``count`` new deliveries were stored."""
        self._deliveries_of(channel, DeliveryState.ACCEPTED.name).inc(count)

    def refused(self, reason: str) -> None:
        """A message was refused."""
        self._refused.labels(reason).inc()

    def settled(self, channel: str, state: DeliveryState, count: int = 1) -> None:
        """An attempt made ``count`` deliveries ``state``."""
        self._deliveries_of(channel, state.name).inc(count)
        if state is DeliveryState.DEAD:
            self._dead.labels(channel).inc(count)

    def suppressed(self, reason: str, count: int) -> None:
        """``count`` deliveries were suppressed for a reason."""
        self._suppressed.labels(reason).inc(count)

    def held(self, reason: str, count: int) -> None:
        """``count`` deliveries were held for a reason."""
        self._held.labels(reason).inc(count)

    def digest_closed(self, channel: str, members: int) -> None:
        """A digest of so many messages was closed."""
        self._digests.labels(channel).observe(members)

    def attempted(self, provider: str, result: str, seconds: float) -> None:
        """An attempt took ``seconds`` and ended with ``result``."""
        self._attempts_of(provider, result).observe(seconds)

    def depth(self, channel: str, priority: Priority, count: int) -> None:
        """``count`` deliveries of a channel and ``priority`` wait or are under way."""
        self._depth.labels(channel, priority.name).set(count)
