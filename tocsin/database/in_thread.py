"""Transactions of SQLite that are done as a whole in the thread of its writer, so that the event loop waits once."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import ClauseElement
from sqlalchemy.dialects.sqlite import dialect

T = TypeVar("T")


def in_transaction(work: Callable[[sqlite3.Connection], T], driver: sqlite3.Connection) -> T:
    """What ``work`` gives, once it is committed; nothing is, when it raises."""
    driver.execute("BEGIN IMMEDIATE")
    try:
        done = work(driver)
        driver.execute("COMMIT")
    except BaseException:
        if driver.in_transaction:
            driver.rollback()
        raise
    return done


class DriverStatement:
    """A statement for `in_transaction`, compiled once: what SQLAlchemy adds to a statement would be done with Python's lock held."""

    def __init__(self, statement: ClauseElement) -> None:
        """Takes a statement whose parameters have names."""
        compiled = statement.compile(dialect=dialect(paramstyle="named"))
        self._text = str(compiled)
        self._own = {name: value for name, value in (compiled.params or {}).items() if value is not None}

    def run(self, driver: sqlite3.Connection, parameters: Mapping[str, Any]) -> list[Any]:
        """The rows that it gives, as the driver does."""
        return driver.execute(self._text, {**self._own, **parameters}).fetchall()
