"""What an audit reads and tells."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from scheduler_svc.domain import Outcome
from tocsin.recurrence import Micros


class RuleInForce(NamedTuple):
    """A rule that an alarm has, or had.

    Attributes:
        alarm: whose it is.
        since: from when on; it means no due time before, except an `at` that was in the past already.
        trigger: the trigger, as stored.
        anchor: what its intervals count from.
        next: the first due time that is not in the ledger; None: every one is.
        ended: whether the alarm has another trigger now, or is gone.
        fires: whether it is fired: it is neither over nor paused.
        resumed: until when it was paused; 0: never.
    """

    alarm: str
    since: Micros
    trigger: str
    anchor: Micros
    next: Micros | None
    ended: bool
    fires: bool
    resumed: Micros = 0


class LedgerRow(NamedTuple):
    """A row of the ledger that stands for a due time."""

    alarm: str
    due: Micros
    firing: str
    origin: int
    outcome: Outcome | int


class FindingKind(IntEnum):
    """What is wrong; the numbers are those of the contract."""

    MISSING = 1
    UNEXPECTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A due time that the rules and the ledger disagree about; ``firing`` is empty when it is missing."""

    kind: FindingKind
    alarm: str
    due: Micros
    firing: str = ""


@dataclass(slots=True, kw_only=True)
class Summary:
    """What was looked at. Of ``found`` rows, ``expected`` less ``missing`` are right, and ``unexpected`` are not.

    Alarms with a rule that nobody can read are counted as ``unreadable`` and no more. Outcomes are counted by name; one that this version
    does not know by its number.
    """

    start: Micros
    end: Micros
    alarms: int = 0
    expected: int = 0
    found: int = 0
    missing: int = 0
    unexpected: int = 0
    unreadable: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])


class AuditStore(Protocol):
    """What an audit reads."""

    async def alarms_after(self, tenant: str, *, after: str, since: Micros, most: int) -> list[str]:
        """The next alarms in order of their ids: those that are there, and those with a rule that ended at ``since`` or later."""
        ...

    async def rules(self, tenant: str, alarms: Sequence[str], *, since: Micros) -> list[RuleInForce]:
        """The rules of the alarms, and those that ended at ``since`` or later."""
        ...

    async def rows(
        self, tenant: str, alarms: Sequence[str], *, start: Micros, end: Micros, after: tuple[str, Micros], most: int
    ) -> list[LedgerRow]:
        """The rows of the alarms that stand for due times from ``start`` to before ``end``, in order, behind (alarm, due)."""
        ...

    async def strays(
        self, tenant: str, *, start: Micros, end: Micros, after: tuple[Micros, str], most: int
    ) -> tuple[list[LedgerRow], tuple[Micros, str] | None]:
        """Of the next ``most`` rows behind (due, id) those of an alarm that nobody knows, and where to go on; None: that was all."""
        ...

    async def facts(self) -> dict[str, Micros]:
        """Instants that an audit must know: "history", before which rules were not kept, and "tzdata/changed"."""
        ...
