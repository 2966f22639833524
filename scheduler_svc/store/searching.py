"""A text in a column, whatever the case of its letters, and whatever the locale of the database is.

PostgreSQL knows the case of letters by its locale, and in "C", as SQLite, that of ASCII alone. So a pattern says both cases of a letter.
"""

from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_WILD: Final = frozenset("*?[")
"""What GLOB of SQLite reads as other than itself."""


class Mentions(FunctionElement[bool]):
    """Of a column, whether it matches the first of two patterns on SQLite (GLOB), the second on PostgreSQL (a regular expression)."""

    type = Boolean()
    inherit_cache = True


def mentions(column: ColumnElement[Any], text: str) -> Mentions:
    """Whether ``text`` is in ``column``; an empty one is in all."""
    glob = "".join(f"[{cases}]" if len(cases) > 1 or cases in _WILD else cases for cases in map(_cases, text))
    expression = "".join(f"[{cases}]" if len(cases) > 1 else cases if cases.isalnum() else f"\\{cases}" for cases in map(_cases, text))
    return Mentions(column, f"*{glob}*", expression)


def _cases(character: str) -> str:
    """A character, and the other case of it where that is one character as well."""
    return "".join(dict.fromkeys(other for other in (character, character.lower(), character.upper()) if len(other) == 1))


@compiles(Mentions, "sqlite")
def _glob(element: Mentions, compiler: SQLCompiler, **options: Any) -> str:
    column, glob, _ = element.clauses
    return f"{compiler.process(column, **options)} GLOB {compiler.process(glob, **options)}"


@compiles(Mentions, "postgresql")
def _expression(element: Mentions, compiler: SQLCompiler, **options: Any) -> str:
    column, _, expression = element.clauses
    return f"{compiler.process(column, **options)} ~ {compiler.process(expression, **options)}"
