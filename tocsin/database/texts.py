"""Text of SQLite that is none: a foreign hand stored bytes that are not UTF-8, and they may cost their row and not the statement."""

import sqlite3
from collections.abc import Callable
from operator import methodcaller
from typing import Final, TypeVar

from tocsin.telemetry import get_logger

_NO_TEXT: Final = "Could not decode to UTF-8"
_LENIENT: Final = methodcaller("decode", "utf-8", "replace")
"""How a connection reads text once it has met some that is none; until then the driver's own way, which is faster, does."""
_SHOWN: Final = 200

_log = get_logger(__name__)

Result = TypeVar("Result")


def with_any_text(connection: sqlite3.Connection, statement: str, run: Callable[[], Result]) -> Result:
    """What ``run`` gives, which runs a statement and reads its rows; with U+FFFD in place of what is not UTF-8.

    Raises:
        sqlite3.OperationalError: the statement failed, or met such text for the first time and is none that may be run twice.
    """
    try:
        return run()
    except sqlite3.OperationalError as error:
        if not str(error).startswith(_NO_TEXT) or connection.text_factory is not str:
            raise
        connection.text_factory = _LENIENT
        _log.warning("stored text not readable as it is", statement=statement[:_SHOWN])
        if not statement.lstrip().startswith("SELECT"):  # it has done its work, and may not do it twice: whoever asked comes again
            raise
        return run()
