"""Alarms: what is stored. Pure."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec

from scheduler_svc.triggers import Signal
from tocsin.clock import SECOND
from tocsin.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound
from tocsin.priority import Priority
from tocsin.recurrence import Micros, Trigger


class AlarmNotFound(NotFound):
    """There is no such alarm."""


class AlarmCompleted(FailedPrecondition):
    """The alarm's rule has no further due time."""


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

RULE_TOO_COSTLY: Final = "RULE_TOO_COSTLY"
"""Reason of a pause because the rule takes too many steps to find its next due time."""

TENANT_SUSPENDED: Final = "TENANT_SUSPENDED"
"""Reason of a pause that began when the alarm came due while its tenant was suspended, and of what it fires late when that is over."""
FIRE_QUOTA: Final = "FIRE_QUOTA"
"""The same, of a tenant that had used up its fires of the minute; and of a due time that was skipped for that."""


class AlarmState(IntEnum):
    """Whether an alarm fires; the numbers are stored, and are those of the contract."""

    ACTIVE = 1
    PAUSED = 2
    COMPLETED = 3


@dataclass(frozen=True, slots=True)
class Action:
    """What happens when an alarm fires: to the scheduler, bytes with a kind ("notify", "task")."""

    kind: str
    body: bytes


class Finding(NamedTuple):
    """Something that is wrong with an action.

    Attributes:
        field: the place in it, such as "task.input.text"; empty for the whole.
        reason: what is wrong.
        tentative: it may be right later, or could not be known now: the alarm is taken all the same, with a warning.
    """

    field: str
    reason: str
    tentative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a failed firing is tried again; None and 0 stand for the defaults."""

    max_attempts: int = 0
    initial_backoff: Micros | None = None
    max_backoff: Micros | None = None

    @property
    def attempts(self) -> int:
        """Attempts in all, the first one included."""
        return self.max_attempts or 5

    def wait(self, attempts: int, draw: random.Random) -> Micros:
        """The wait after ``attempts`` failed ones: doubled each time, capped, and cut by up to a half at random."""
        first = SECOND if self.initial_backoff is None else self.initial_backoff
        longest = 300 * SECOND if self.max_backoff is None else self.max_backoff
        full = min(first << min(attempts - 1, 40), longest)
        return round(full * draw.uniform(0.5, 1.0))

    def encode(self) -> str:
        """The stored form, such as "3/1000000/"."""
        parts = (self.max_attempts or None, self.initial_backoff, self.max_backoff)
        return "/".join("" if part is None else str(part) for part in parts)

    @staticmethod
    def decode(text: str) -> "RetryPolicy":
        """The policy that `encode` made ``text`` of; the default for an empty text, and for one that nobody can read."""
        if not text:
            return DEFAULT_RETRY
        try:
            attempts, initial, longest = (int(part) if part else None for part in text.split("/"))
        except ValueError:
            return DEFAULT_RETRY
        return RetryPolicy(max_attempts=attempts or 0, initial_backoff=initial, max_backoff=longest)


DEFAULT_RETRY: Final = RetryPolicy()


class AlarmSpec(msgspec.Struct, frozen=True):
    """What a client says about an alarm. Every field of an alarm that a client can write is declared here, and nowhere else.

    A field of type str, int or bool has the same name in the contract and in the table, and its default is protobuf's; such fields come
    last. All others are converted in `scheduler_svc.handlers.convert` and `scheduler_svc.store`. It is a struct because an import makes
    one of every line.

    Attributes:
        trigger: when it fires.
        retry: None when none was given.
        key: the client's own name of it, unique within the tenant; empty without one.
        auto_pause_after: it pauses itself when so many firings in a row failed for good; 0 means never.
    """

    trigger: Trigger
    action: Action
    labels: Mapping[str, str] = MappingProxyType({})
    priority: Priority = Priority.NORMAL
    retry: RetryPolicy | None = None
    display_name: str = ""
    key: str = ""
    auto_pause_after: int = 0


SPEC_FIELDS: Final = AlarmSpec.__struct_fields__
PLAIN_FIELDS: Final[Mapping[str, type]] = {name: kind for name, kind in get_type_hints(AlarmSpec).items() if kind in (str, int, bool)}
"""The fields that are the same in the contract and in the table, with their types."""

plain_values: Final[Callable[[object], tuple[Any, ...]]] = attrgetter(*PLAIN_FIELDS)
"""The values of `PLAIN_FIELDS`, of a spec or of whatever has attributes of these names."""
details: Final[Callable[[AlarmSpec], tuple[Any, ...]]] = attrgetter(*SPEC_FIELDS[1:])
"""The values of a spec behind its trigger, in the order of `SPEC_FIELDS`."""


class Draft(AlarmSpec, frozen=True, kw_only=True):
    """An alarm as a client writes it; an empty time zone means the tenant's.

    Attributes:
        state: what it asks for; None when it says nothing. COMPLETED is only for an import: the rule had no further due time elsewhere.
        pause_reason: why it was paused where an import comes from; empty when nobody says.
    """

    state: AlarmState | None = None
    pause_reason: str = ""


class Alarm(AlarmSpec, frozen=True, kw_only=True):
    """A stored intention.

    Attributes:
        anchor: what the intervals of its trigger count from.
        due: the first due time that is not in the ledger yet; None when none is left. While the alarm is paused it stays.
        ordinal: how many due times are in the ledger.
        skip_before: due times before this instant passed while it was paused; they are closed as skipped.
        version: changes with every change that somebody asked for.
        failures: how many firings in a row failed for good.
        pause_reason: why it is paused; empty when it is not.
        rule_since: when it got its trigger.
        damaged: parts that are stored and that nobody can read, such as "trigger"; what stands in their place means nothing.
        warnings: what to know about its action; only in the answer to a create or an update, never stored.
        signal: where it stands when it waits for something from outside; None when the calendar makes it due.
    """

    id: str
    tenant: str
    shard: int
    anchor: Micros
    state: AlarmState = AlarmState.ACTIVE
    due: Micros | None
    ordinal: int = 0
    skip_before: Micros | None = None
    created: Micros
    updated: Micros
    version: int = 1
    traceparent: str = ""
    failures: int = 0
    pause_reason: str = ""
    rule_since: Micros = 0
    signal: Signal | None = None
    damaged: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def etag(self) -> str:
        """The version as clients see it."""
        return f"{self.version:x}"
