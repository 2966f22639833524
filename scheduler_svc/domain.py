"""Alarms and firings: what they are, and how a firing's work comes to an end. Pure."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from ulid import ULID

from scheduler_svc.recurrence import Micros, Trigger
from scheduler_svc.signals import Signal
from tocsin.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound

SHARDS: Final = 256
ON_TIME: Final[Micros] = 1_000_000
"""A firing let go later than this after its due time is LATE."""

MAX_ERROR: Final = 2000
MAX_REASON: Final = 100
MAX_RESULT: Final = 16 * 1024
_SECOND: Final = 1_000_000
_HASH_BYTES: Final = 10
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)
_SHIFTS: Final = tuple(range(120, -1, -10))
_LOW: Final = (1 << 40) - 1


class AlarmNotFound(NotFound):
    """There is no such alarm."""


class FiringNotFound(NotFound):
    """There is no such firing."""


class AlarmCompleted(FailedPrecondition):
    """The alarm's rule has no further due time."""


class FiringNotDead(FailedPrecondition):
    """Only a dead firing can be replayed."""


class AlarmChanged(Aborted):
    """The alarm was changed since it was read: its etag is another one now."""


class AlarmKeyTaken(AlreadyExists):
    """Another alarm has this key."""


class RequestIdReused(AlreadyExists):
    """This request_id was used before, for something else."""


class RequestedAlarmDeleted(FailedPrecondition):
    """The alarm that this request_id made was deleted since."""


REQUESTED: Final = "REQUESTED"
"""Reason of a pause that somebody asked for."""
AUTO_PAUSE: Final = "AUTO_PAUSE"
"""Reason of a pause after too many failures in a row."""


class AlarmState(IntEnum):
    """Whether an alarm fires; the numbers are stored, and are those of the contract."""

    ACTIVE = 1
    PAUSED = 2
    COMPLETED = 3


class Priority(IntEnum):
    """Which lane a firing travels in."""

    CRITICAL = 1
    NORMAL = 2
    BULK = 3


class Outcome(IntEnum):
    """How an occurrence ended."""

    FIRED = 1
    LATE = 2
    SKIPPED = 3
    COALESCED = 4
    FAILED = 5


class FiringState(IntEnum):
    """Where the work of a firing stands."""

    PENDING = 1
    RETRYING = 2
    SUCCEEDED = 3
    DEAD = 4
    CLOSED = 5


OPEN: Final = (FiringState.PENDING, FiringState.RETRYING)


SERIAL: Final = 1
"""Flag of a firing: it waits until the one before of its alarm has ended (overlap QUEUE)."""
COUNTED: Final = 2
"""Flag of a firing: its alarm counts failures, to pause itself."""
SINGLE: Final = 4
"""Flag of a firing: while it is not over, due times of its alarm are skipped (overlap SKIP)."""


class Origin(IntEnum):
    """Where a firing comes from; the numbers are stored, those of the contract are one more.

    A due time of an alarm, somebody's FireAlarm, an ad-hoc task, somebody's BackfillAlarm, an event, a signal that was raised (a metric
    beyond its limit, a ping that did not come), and one that resolved.
    """

    SCHEDULE = 0
    MANUAL = 1
    ADHOC = 2
    BACKFILL = 3
    EVENT = 4
    RAISED = 5
    RESOLVED = 6


@dataclass(frozen=True, slots=True)
class Action:
    """What happens when an alarm fires: to the scheduler, bytes with a kind ("notify", "task")."""

    kind: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a failed firing is tried again; None and 0 stand for the defaults."""

    max_attempts: int = 0
    initial_backoff: Micros | None = None
    max_backoff: Micros | None = None

    @property
    def attempts(self) -> int:
        """Attempts in all."""
        return self.max_attempts or 5

    def wait(self, attempts: int, draw: random.Random) -> Micros:
        """The wait after ``attempts`` failed ones: doubled each time, capped, and cut by up to a half at random."""
        first = _SECOND if self.initial_backoff is None else self.initial_backoff
        longest = 300 * _SECOND if self.max_backoff is None else self.max_backoff
        full = min(first << min(attempts - 1, 40), longest)
        return round(full * draw.uniform(0.5, 1.0))

    def encode(self) -> str:
        """The stored form, such as "3/1000000/"."""
        parts = (self.max_attempts or None, self.initial_backoff, self.max_backoff)
        return "/".join("" if part is None else str(part) for part in parts)

    @staticmethod
    def decode(text: str) -> "RetryPolicy":
        """The policy that `encode` made ``text`` of; the default for an empty text."""
        if not text:
            return DEFAULT_RETRY
        attempts, initial, longest = (int(part) if part else None for part in text.split("/"))
        return RetryPolicy(max_attempts=attempts or 0, initial_backoff=initial, max_backoff=longest)


DEFAULT_RETRY: Final = RetryPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A stored intention.

    Attributes:
        trigger: when it fires; ``anchor`` is what its intervals count from.
        due: the first due time that is not in the ledger yet; None when none is left. While the alarm is paused it stays.
        ordinal: how many due times are in the ledger.
        skip_before: due times before this instant passed while it was paused; they are closed as skipped.
        version: changes with every change that somebody asked for.
        retry: None when none was given.
        key: the client's own name of it, unique within the tenant; empty without one.
        auto_pause_after: it pauses itself when so many firings in a row failed for good; 0 means never.
        failures: how many did.
        pause_reason: why it is paused; empty when it is not.
        rule_since: when it got its trigger.
        signal: where it stands when it waits for something from outside; None when the calendar makes it due.
    """

    id: str
    tenant: str
    shard: int
    display_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    priority: Priority = Priority.NORMAL
    trigger: Trigger
    anchor: Micros
    action: Action
    retry: RetryPolicy | None = None
    state: AlarmState = AlarmState.ACTIVE
    due: Micros | None
    ordinal: int = 0
    skip_before: Micros | None = None
    created: Micros
    updated: Micros
    version: int = 1
    traceparent: str = ""
    key: str = ""
    auto_pause_after: int = 0
    failures: int = 0
    pause_reason: str = ""
    rule_since: Micros = 0
    signal: Signal | None = None

    @property
    def etag(self) -> str:
        """The version as clients see it."""
        return f"{self.version:x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """An occurrence: its row in the ledger."""

    id: str
    tenant: str
    alarm: str
    shard: int
    origin: Origin
    due: Micros
    fired: Micros | None
    outcome: Outcome
    reason: str = ""
    state: FiringState
    attempts: int = 0
    ready: Micros | None = None
    priority: Priority
    action: Action
    retry: str = ""
    result: bytes = b""
    error: str = ""
    completed: Micros | None = None
    traceparent: str = ""
    change: int = 0
    flags: int = 0
    context: bytes = b""


def shard_of(identity: str) -> int:
    """The shard that an alarm belongs to: the same in every version and every process."""
    return hashlib.blake2s(identity.encode(), digest_size=1).digest()[0] % SHARDS


def new_id(now: Micros) -> str:
    """A fresh ULID: it sorts by its time of birth."""
    return str(ULID.from_timestamp(max(now, 0) / _SECOND))


def ulid(number: int) -> str:
    """The ULID of 128 bits: 48 of milliseconds, 80 that tell apart what is born in one of them."""
    return _crockford(number.to_bytes(16))


def firing_id(alarm: str, due: Micros) -> str:
    """The id of the occurrence of ``alarm`` at ``due``: the ULID of the due time with 80 bits of a hash in place of randomness.

    The same occurrence so has the same id whoever computes it, and ids still sort by due time, which keeps the ledger's index local.
    """
    # The firing transaction does this for every row: the part that a herd shares is made once, the other two characters at a time.
    digest = int.from_bytes(hashlib.blake2b(f"{alarm}@{due}".encode(), digest_size=_HASH_BYTES).digest())
    high, low = digest >> 40, digest & _LOW
    return _time_prefix(due // 1000) + "".join(
        (
            *(_PAIRS[high >> 30], _PAIRS[high >> 20 & 1023], _PAIRS[high >> 10 & 1023], _PAIRS[high & 1023]),
            *(_PAIRS[low >> 30], _PAIRS[low >> 20 & 1023], _PAIRS[low >> 10 & 1023], _PAIRS[low & 1023]),
        )
    )


@lru_cache(maxsize=64)
def _time_prefix(milliseconds: int) -> str:
    """The first ten characters of a ULID."""
    return _crockford(max(milliseconds, 0).to_bytes(6) + bytes(_HASH_BYTES))[:10]


def requested_firing_id(tenant: str, alarm: str, request_id: str) -> str:
    """The id of the firing that a request asked for, derived from the request alone: asked twice, it is the same firing.

    The form is that of a ULID, all of it a hash; ``alarm`` is empty for an ad-hoc task.
    """
    digest = hashlib.blake2b(f"{tenant}/{alarm}/{request_id}".encode(), digest_size=16).digest()
    return _crockford(digest)


def _crockford(value: bytes) -> str:
    """16 bytes as the 26 characters of a ULID, two at a time."""
    number = int.from_bytes(value)
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def let_go(*, due: Micros, now: Micros) -> tuple[Outcome, str]:
    """The outcome and the reason of an occurrence let go at ``now``."""
    return (Outcome.FIRED, "") if now - due <= ON_TIME else (Outcome.LATE, "LET_GO_LATE")


@dataclass(slots=True, kw_only=True)
class Parcel:
    """A firing that waits for a processor, or is with one. Mutable: it is the memory of its deliveries.

    Attributes:
        ready: when the next attempt may begin.
        retry: its retry policy, as stored.
        lost: deliveries that ended without a result since the last attempt that counts.
        token: fencing token of the newest delivery; 0 before the first.
        flags: `SERIAL` and `COUNTED`.
        context: a serialised structure, what it is about beside its alarm; empty without one.
    """

    id: str
    tenant: str
    alarm: str
    shard: int
    due: Micros
    ready: Micros
    priority: int
    action: Action
    retry: str = ""
    traceparent: str = ""
    attempts: int = 0
    lost: int = 0
    token: int = 0
    origin: int = 0
    flags: int = 0
    context: bytes = b""


class Lease(NamedTuple):
    """One delivery of a firing."""

    firing: str
    token: int


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The work is done; ``output`` is a serialised answer."""

    output: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The work failed. ``retry_after`` is the wait before the next attempt; None leaves it to the policy."""

    reason: str
    message: str
    retryable: bool = True
    retry_after: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The work could not be done now; costs no attempt.

    Attributes:
        message: why; empty when there is nothing to tell.
        wait: before it is handed out again, in microseconds.
    """

    message: str = ""
    wait: Micros = 0


End = Succeeded | Failed | Released


class Report(NamedTuple):
    """How one delivery ended."""

    lease: Lease
    end: End


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """A delivery without success, as the ledger keeps it: PENDING or RETRYING with the next attempt's time, or DEAD without."""

    firing: str
    state: FiringState
    attempts: int
    ready: Micros | None
    reason: str
    error: str


def setback(parcel: Parcel, end: Failed | Released, *, now: Micros, draw: random.Random) -> Setback:
    """What a delivery of ``parcel`` without success leads to: a failed attempt counts, by its retry policy; one given back does not."""
    if isinstance(end, Failed):
        return _after_failure(parcel, end, now=now, draw=draw)
    state = FiringState.RETRYING if end.wait else FiringState.PENDING
    error = end.message.replace("\0", "")[:MAX_ERROR]
    return Setback(firing=parcel.id, state=state, attempts=parcel.attempts, ready=now + end.wait, reason="", error=error)


def _after_failure(parcel: Parcel, failure: Failed, *, now: Micros, draw: random.Random) -> Setback:
    policy = RetryPolicy.decode(parcel.retry)
    attempts = parcel.attempts + 1
    error = f"{failure.reason}: {failure.message}".replace("\0", "")[:MAX_ERROR]
    if not failure.retryable or attempts >= policy.attempts:
        return Setback(
            firing=parcel.id, state=FiringState.DEAD, attempts=attempts, ready=None, reason=failure.reason[:MAX_REASON], error=error
        )
    wait = policy.wait(attempts, draw) if failure.retry_after is None else failure.retry_after
    return Setback(firing=parcel.id, state=FiringState.RETRYING, attempts=attempts, ready=now + wait, reason="", error=error)
