"""Firings: rows of the ledger. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

from scheduler_svc.domain.alarms import Action, Priority
from tocsin.clock import SECOND
from tocsin.errors import FailedPrecondition, NotFound
from tocsin.recurrence import Micros

ON_TIME: Final[Micros] = SECOND
"""A firing fired later than this after its due time is LATE."""


MAX_ERROR: Final = 2000


MAX_REASON: Final = 100


MAX_ACTION: Final = 1024 * 1024
"""Bytes of what an alarm does: with its trigger it is then far smaller than a message may be."""
MAX_RESULT: Final = 16 * 1024


CANCELLED: Final = "CANCELLED"
"""Reason of a firing that somebody cancelled."""


class FiringNotFound(NotFound):
    """There is no such firing."""


class FiringNotDead(FailedPrecondition):
    """Only a dead firing can be replayed."""


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
"""Flag of a firing: while it is not over, due times of its alarm are skipped (overlap SKIP), or end it (CANCEL_OTHER)."""


OWN_TRACE: Final = 8
"""Flag of a firing: it has a trace of its own, which links to that of the request that made its alarm; see `own_traceparent`."""


def own_traceparent(firing: str) -> str:
    """The trace of a firing of a recurring alarm, the same for each of its attempts; who works on it decides whether it is recorded."""
    ids = hashlib.blake2b(firing.encode(), digest_size=24, person=b"tocsin-trace").hexdigest()
    return f"00-{ids[:32]}-{ids[32:]}-00"


class Origin(IntEnum):
    """Where a firing comes from; the numbers are stored, those of the contract are one more.

    A due time of an alarm, somebody's FireAlarm, an ad-hoc task, somebody's BackfillAlarm, an event, a signal that was raised (a metric
    beyond its limit, a ping that did not come), one that resolved, and an incident that goes to people.
    """

    SCHEDULE = 0
    MANUAL = 1
    ADHOC = 2
    BACKFILL = 3
    EVENT = 4
    RAISED = 5
    RESOLVED = 6
    ESCALATION = 7


class DeliveryEnd(IntEnum):
    """How a message of a firing ended; the numbers are stored, and are those of the contract."""

    ACCEPTED = 1
    OUTCOME_UNKNOWN = 2
    DEAD = 3
    SUPPRESSED = 4
    BOUNCED = 5
    COMPLAINED = 6

    @property
    def severity(self) -> int:
        """The larger is the worse: what nobody got before what somebody may have got."""
        return _BY_SEVERITY.index(self)


_BY_SEVERITY: Final = (
    DeliveryEnd.ACCEPTED,
    DeliveryEnd.COMPLAINED,
    DeliveryEnd.OUTCOME_UNKNOWN,
    DeliveryEnd.SUPPRESSED,
    DeliveryEnd.BOUNCED,
    DeliveryEnd.DEAD,
)


class FailedDelivery(NamedTuple):
    """A message that went wrong, and why."""

    state: DeliveryEnd
    reason: str


class Firing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    failed: Mapping[str, FailedDelivery] = msgspec.field(default_factory=dict[str, FailedDelivery])


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What the mailer says of a message; ``delivery`` is its resource name."""

    tenant: str
    firing: str
    delivery: str
    state: DeliveryEnd
    attempts: int = 0
    channel: str = ""
    to: str = ""
    reason: str = ""


def fired_outcome(*, due: Micros, now: Micros) -> tuple[Outcome, str]:
    """The outcome and the reason of an occurrence fired at ``now``."""
    return (Outcome.FIRED, "") if now - due <= ON_TIME else (Outcome.LATE, "LET_GO_LATE")
