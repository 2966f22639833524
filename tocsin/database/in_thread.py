"""Transactions of SQLite that are done as a whole in the thread of its writer, so that the event loop waits once."""

import sqlite3
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar, cast

from sqlalchemy import ClauseElement
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

from tocsin.database.texts import with_any_text

T = TypeVar("T")

_DIALECT: Final = dialect()


class _NamedDialect(Protocol):
    @property
    def name(self) -> str: ...


class DriverConnection(Protocol):
    """What runs statements in the words of the database's driver: a connection of SQLAlchemy, or `ThreadConnection`."""

    @property
    def dialect(self) -> _NamedDialect:
        """Says by its name which database it is: "sqlite" or "postgresql"."""
        ...

    async def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Any:
        """Runs a statement, once with a tuple of values, or once for each tuple of a list: a `ThreadResult`, or one of SQLAlchemy's."""
        ...


class ThreadConnection:
    """A `DriverConnection` for work in SQLite's own thread: a statement is done as it is called, and nobody waits."""

    dialect = _DIALECT

    def __init__(self, driver: sqlite3.Connection) -> None:
        """Takes a connection in a transaction."""
        self._driver = driver

    async def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> "ThreadResult":
        """Runs a statement: once with a tuple of values, or once for each tuple of a list.

        Raises:
            sqlite3.Error: it failed.
        """
        if isinstance(parameters, list):
            return ThreadResult(self._driver.executemany(statement, cast("list[tuple[Any, ...]]", parameters)))
        return with_any_text(self._driver, statement, lambda: ThreadResult(self._driver.execute(statement, parameters or ())))


class ThreadResult:
    """What a statement of a `ThreadConnection` did."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        """Takes all rows, so that nothing stays open."""
        try:
            self._columns = [column[0] for column in cursor.description or ()]
            self._rows: list[Any] = cursor.fetchall() if self._columns else []
            self.rowcount = cursor.rowcount
        finally:
            cursor.close()

    def fetchall(self) -> Sequence[Any]:
        """Its rows, each of which knows its columns by name."""
        return IteratorResult[Any](SimpleResultMetaData(self._columns), iter(self._rows)).fetchall() if self._rows else []


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives, which waits for nothing.

    Raises:
        WaitsForOthers: it does.
    """
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise WaitsForOthers("The work of a transaction waits for something else than its own statements.")


class WaitsForOthers(RuntimeError):
    """The work of a transaction waits for something else than its own statements."""


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
