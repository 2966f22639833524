"""What an audit reads and tells."""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum

from tocsin.recurrence import Micros


class FindingKind(IntEnum):
    """What is wrong; the numbers are those of the contract."""

    MISSING = 1
    UNEXPECTED = 2
    WRONG_TIME = 3
    AFTER_ANSWER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """A due time that the rules and the ledger disagree about.

    Attributes:
        kind: what is wrong.
        alarm: whose it is; empty for an incident's.
        due: the due time.
        firing: the row; empty when it is missing.
        incident: whose it is; empty for an alarm's.
        step: number of the incident's step from 1 on, through all repetitions; 0: it is about none.
        detail: what was meant, in words.
    """

    kind: FindingKind
    alarm: str
    due: Micros
    firing: str = ""
    incident: str = ""
    step: int = 0
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Summary:
    """What was looked at. Of ``found`` rows, ``expected`` less ``missing`` are right, and ``unexpected`` are not.

    Of incidents what tells people counts: their steps, and the messages that somebody has it or that it is over. A row at the wrong time,
    or after an answer, is ``unexpected``. Alarms and incidents that nobody can read are counted as ``unreadable`` and no more. Outcomes
    are counted by name; one that this version does not know by its number.
    """

    start: Micros
    end: Micros
    alarms: int = 0
    incidents: int = 0
    steps: int = 0
    expected: int = 0
    found: int = 0
    missing: int = 0
    unexpected: int = 0
    unreadable: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
