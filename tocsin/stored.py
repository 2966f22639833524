"""Values as they stand in a database: a row may hold anything, for an older version wrote it, or a newer one, or nobody checked it.

One odd value costs itself and not the page that its row is on: what this version does not know, or what a message cannot carry, is shown as
the nearest thing that can be.
"""

import functools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import Any, Final, TypeVar, cast

import msgspec

from tocsin.clock import from_micros, to_micros
from tocsin.errors import StoredRowUnreadable
from tocsin.telemetry import get_logger
from tocsin.telemetry.metrics import stored_damage

Member = TypeVar("Member", bound=Enum)
Row = TypeVar("Row")
Item = TypeVar("Item")
Reader = TypeVar("Reader", bound=Callable[..., Any])

_log = get_logger(__name__)

NOT_READABLE: Final = (
    *(msgspec.MsgspecError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError),
    StoredRowUnreadable,
)
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


_told: Final = ToldOnce()


def row_reader(name: Callable[[Any], str]) -> Callable[[Reader], Reader]:
    """Makes a function that reads a row say which row it cannot read: the log does so once, and whoever asks for it is told.

    Args:
        name: the resource of a row ("roles/night"), or what else names it.
    """

    def reader(read: Reader) -> Reader:
        @functools.wraps(read)
        def reading(row: Any, *arguments: Any, **named: Any) -> Any:
            try:
                return read(row, *arguments, **named)
            except NOT_READABLE as error:
                raise unreadable(name(row), error) from error

        return cast("Reader", reading)

    return reader


def unreadable(name: str, error: Exception) -> StoredRowUnreadable:
    """The error for a row that cannot be read; tells the log, once, and the metrics."""
    stored_damage.count("row")
    if _told.first(name):
        _log.error("stored row unreadable", row=name, error=f"{type(error).__name__}: {error}"[:_SHOWN])
    return StoredRowUnreadable(f"{name} is stored, and cannot be read.", metadata={"resource": name})


def readable(rows: Iterable[Row], read: Callable[[Row], Item]) -> list[Item]:
    """The items of those rows that can be read; of the others is told, by name if the reader is a `row_reader`."""
    found: list[Item] = []
    for row in rows:
        try:
            found.append(read(row))
        except StoredRowUnreadable:  # who raised it has told
            continue
        except NOT_READABLE as error:
            unreadable(type(row).__name__, error)
    return found


_SHOWN: Final = 200
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


def as_type(kind: type[Any], value: object) -> Any:
    """A stored value as one of the type of its column, str, bytes, float or int: SQLite holds anything in any column.

    The nearest one, or nothing; what is not UTF-8 becomes U+FFFD. None stays.
    """
    if value is None or type(value) is kind:
        return value
    stored_damage.count("value")
    if _told.first(
        kind, type(value)
    ):  # neither of whose it is, nor what it says: the statement alone knows the one, and the other is private
        _log.warning("stored value of another type", wanted=kind.__name__, found=type(value).__name__)
    if kind is str:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if kind is bytes:
        return value.encode("utf-8", "replace") if isinstance(value, str) else b""
    if kind is float:
        return float(value) if isinstance(value, int) else 0.0
    return number(value)


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
