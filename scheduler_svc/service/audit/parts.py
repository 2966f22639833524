"""What an audit reads and tells."""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum

from tocsin.recurrence import Micros


class FindingKind(IntEnum):
    """What is wrong; the numbers are those of the contract."""

    MISSING = 1
    UNEXPECTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
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
