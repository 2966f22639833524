"""Columns of SQLite as their types say: a row may hold anything in any of them, and what reads it need not know that.

SQLite takes a column's type as advice (https://sqlite.org/datatype3.html). A value of another type, which no version writes, is read as the
nearest one of the right type, so that it costs itself: not its row, and never the page that the row is on.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Dialect, Float, Integer, LargeBinary, String
from sqlalchemy.types import TypeEngine

from tocsin.stored import as_type


class _StoredText(String):
    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        del dialect, coltype
        return _text


class _StoredInteger(Integer):
    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        del dialect, coltype
        return _integer


class _StoredFloat(Float[float]):
    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        del dialect, coltype
        return partial(as_type, float)


class _StoredBytes(LargeBinary):
    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        del dialect, coltype
        return partial(as_type, bytes)


def _text(value: Any) -> Any:
    return value if value.__class__ is str else as_type(str, value)


def _integer(value: Any) -> Any:
    return value if value.__class__ is int else as_type(int, value)


STORED_TYPES: Final[Mapping[type[TypeEngine[Any]], type[TypeEngine[Any]]]] = {
    String: _StoredText,
    Integer: _StoredInteger,
    Float: _StoredFloat,
    LargeBinary: _StoredBytes,
}
"""What stands for a type, and for those that are made of it, where a result is read; statements are written as ever."""


def kinds_of(columns: Iterable[ColumnElement[Any]]) -> tuple[type[Any] | None, ...]:
    """What their values are in Python, for `typed`; None for a type of which SQLite says nothing."""
    kinds: Mapping[type[Any], type[Any]] = {String: str, Integer: int, Float: float, LargeBinary: bytes}
    return tuple(next((kind for of, kind in kinds.items() if isinstance(column.type, of)), None) for column in columns)


def typed(row: Sequence[Any], kinds: Sequence[type[Any] | None]) -> tuple[Any, ...]:
    """A row as a driver gives it, with values of these types: for statements whose results SQLAlchemy does not read."""
    pairs = zip(row, kinds, strict=True)
    return tuple([value if kind is None or value.__class__ is kind else as_type(kind, value) for value, kind in pairs])
