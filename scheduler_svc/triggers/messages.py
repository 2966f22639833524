"""What comes from outside, and what it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from tocsin.errors import AlreadyExists, NotFound, ResourceExhausted
from tocsin.recurrence import Micros


class HeartbeatNotFound(NotFound):
    """There is no heartbeat of this key; a key that its client chose needs the tenant's token."""


class MetricNotFound(NotFound):
    """There is no reading of this metric."""


class HeartbeatKeyTaken(AlreadyExists):
    """Another heartbeat has this key or this slug."""


class TooManyPings(ResourceExhausted):
    """This heartbeat gets too many pings."""


class PingKind(IntEnum):
    """What a ping says; the numbers are stored, and are those of the contract."""

    SUCCESS = 1
    START = 2
    FAIL = 3
    LOG = 4


class InboundKind(IntEnum):
    """What came; the numbers are stored, and are those of the contract."""

    EVENT = 1
    READING = 2
    PING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An event.

    Attributes:
        log: id of its entry in the log.
        id: its identity within the tenant; that of its entry when the client gave none.
        happened: when, as the client says.
        received: when it came.
        data: what it says, as decoded JSON whose numbers are floats.
        body: the same, a serialised structure; empty without data.
    """

    log: str
    tenant: str
    id: str
    topic: str
    source: str
    happened: Micros
    received: Micros
    data: Mapping[str, Any]
    body: bytes
    traceparent: str = ""


class EventAnswer(NamedTuple):
    """What an event did: firings, at most the first hundred of those that are counted; a duplicate did nothing."""

    id: str
    firings: tuple[str, ...]
    matched: int
    duplicate: bool


class LatestReading(NamedTuple):
    """The reading of a metric that was measured last."""

    value: float
    measured: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A reading; ``measured`` is never later than ``received``. One whose ``id``, if it has any, is known was recorded before."""

    log: str
    tenant: str
    id: str = ""
    metric: str
    value: float
    source: str
    measured: Micros
    received: Micros
    traceparent: str = ""


class ReadingAnswer(NamedTuple):
    """What a reading did: the ids of alarms; one that is older than a known one is not counted, nor is one that was recorded before."""

    raised: tuple[str, ...]
    resolved: tuple[str, ...]
    pending: tuple[str, ...]
    counted: bool
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinged:
    """A ping.

    Attributes:
        tenant: the caller's; empty without a token, and then only a secret key is known.
        key: of the heartbeat; empty when ``slug`` names it.
        slug: of a heartbeat of ``tenant``.
        happened: when it was sent, as far as that is known; never later than ``received``.
        exit_status: of the job.
        run: id of the run of the job, a UUID; empty without one.
        method: of the HTTP request.
        agent: what the client says that it is.
        address: of the client.
        body: its first bytes.
        size: bytes of the whole body, if the client has said so; 0: those that there are.
    """

    log: str
    tenant: str
    key: str
    received: Micros
    traceparent: str = ""
    slug: str = ""
    happened: Micros | None = None
    kind: PingKind = PingKind.SUCCESS
    exit_status: int | None = None
    run: str = ""
    method: str = ""
    agent: str = ""
    address: str = ""
    body: bytes = b""
    size: int = 0

    @property
    def sent(self) -> Micros:
        """When it was sent."""
        return self.received if self.happened is None else self.happened


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPing:
    """A ping that was kept. ``duration``: from the start of its run, if it ended one; ``size``: of the whole body."""

    log: str
    kind: PingKind
    received: Micros
    sent: Micros
    exit_status: int | None
    run: str
    duration: Micros | None
    method: str
    agent: str
    address: str
    body: bytes
    size: int


class PingAnswer(NamedTuple):
    """What a ping did; no deadline while the alarm is paused or over."""

    alarm: str
    resolved: bool
    deadline: Micros | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An entry of the log."""

    log: str
    kind: InboundKind
    id: str
    topic: str
    source: str
    happened: Micros
    received: Micros
    body: bytes
    matched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCounts:
    """Counts of a tenant; ``topics`` are the hundred with the most events."""

    events: int = 0
    event_firings: int = 0
    readings: int = 0
    pings: int = 0
    raised: int = 0
    resolved: int = 0
    listening: int = 0
    topics: Mapping[str, int] = field(default_factory=dict[str, int])
