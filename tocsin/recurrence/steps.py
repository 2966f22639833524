"""What answers cost, counted in steps of about a microsecond, so that a rule that is made to cost is refused by the same count everywhere.

Whoever searches counts what it looks at: a year, a candidate, an exclusion. The count belongs to the thread.
"""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from tocsin.recurrence.errors import TooCostly

MOST_STEPS: Final = 12_000
"""Of one question to a rule that is stored already; also of reading it."""
MOST_NEW_STEPS: Final = 9_500
"""Of all that is asked of a trigger that is to be stored: reading it, its first due time, and the one after it."""
_Answer = TypeVar("_Answer")


class _Meter(threading.local):
    """Steps in all, and the number at which the question that is asked now is given up."""

    spent: int = 0
    limit: int = 1 << 62


_METER: Final = _Meter()


def spent() -> int:
    """Steps of this thread so far: the difference of two is the cost of what lies between."""
    return _METER.spent


def spend(steps: int) -> None:
    """Counts steps.

    Raises:
        TooCostly: the question has none left.
    """
    meter = _METER
    meter.spent += steps
    if meter.spent > meter.limit:
        raise TooCostly.at("trigger", "takes too many steps to find its due times; make the rule simpler")


def asked(question: Callable[[], _Answer], *, most: int = MOST_STEPS) -> _Answer:
    """The answer of one question, whose steps are bounded; within another one, by what is left of it.

    Raises:
        TooCostly: it takes too many.
    """
    meter = _METER
    before, meter.limit = meter.limit, min(meter.limit, meter.spent + most)
    try:
        return question()
    finally:
        meter.limit = before
