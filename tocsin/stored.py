"""Values as they stand in a database: a row may hold anything, for an older version wrote it, or a newer one, or nobody checked it.

One odd value costs itself and not the page that its row is on: what this version does not know, or what a message cannot carry, is shown as
the nearest thing that can be.
"""

from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import Final, TypeVar, cast

import msgspec

from tocsin.clock import from_micros, to_micros

Member = TypeVar("Member", bound=Enum)

NOT_READABLE: Final = (msgspec.MsgspecError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading a stored document raises that somebody spoiled. Whoever reads one catches all of it: a document that is nested too deeply
raises a `RecursionError`, one of another shape a `TypeError` or `AttributeError`, and each of them would cost more than its row."""


class ToldOnce:
    """Of which rows was told: the log names one once, and not each time that it is read."""

    def __init__(self, most: int = 10_000) -> None:
        """Forgets all after so many."""
        self._most = most
        self._rows: set[tuple[object, ...]] = set()

    def first(self, *row: object) -> bool:
        """Whether nobody asked for this row before."""
        if row in self._rows:
            return False
        if len(self._rows) >= self._most:
            self._rows.clear()
        self._rows.add(row)
        return True


_INT32: Final = 2**31 - 1
FIRST: Final = to_micros(datetime(1, 1, 1, tzinfo=UTC))
"""The first instant that a Timestamp can say, in microseconds since 1970."""
LAST: Final = to_micros(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
"""The last one."""


def known(kind: type[Member], value: str | int) -> Member:
    """The member of an enum with a stored value; the value itself when this version knows none, so that its row can still be read."""
    try:
        return kind(value)
    except ValueError:
        return cast("Member", value)


def shown(member: object) -> str:
    """The stored text of what `known` returned, whether this version knows it or not."""
    return str(member.value if isinstance(member, Enum) else member)


def number(value: object) -> int:
    """A stored number; the nearest one, or 0, for what SQLite holds in the column of a number."""
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float) and isfinite(value) else 0


def int32(value: int) -> int:
    """The nearest number that an int32 or enum field can carry."""
    return max(-_INT32 - 1, min(_INT32, number(value)))


def instant(micros: int) -> datetime:
    """The nearest instant of the years 1 to 9999."""
    return from_micros(clamped(micros))


def clamped(micros: int) -> int:
    """The nearest microsecond of the years 1 to 9999."""
    return max(FIRST, min(LAST, number(micros)))


def texts(stored: str) -> tuple[str, ...]:
    """The strings of a stored JSON list; none when it is no such list."""
    try:
        found: object = msgspec.json.decode(stored)
    except NOT_READABLE:
        return ()
    if not isinstance(found, list):
        return ()
    return tuple(item for item in cast("list[object]", found) if isinstance(item, str))
