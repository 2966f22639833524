"""What a database's failures mean: which are the database's own, and which belong to the statement."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import exc

from tocsin.errors import Aborted, DataLoss, FailedPrecondition, InvalidInput, SettingsAtFault, TocsinError, Unavailable
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_RETRY_AFTER_SECONDS = 1.0
_SQLITE_PRIMARY_CODE = 0xFF  # the rest of a result code is detail: https://sqlite.org/rescode.html
_SQLITE_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_PROTOCOL,
}
_SQLITE_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# https://www.postgresql.org/docs/current/errcodes-appendix.html; matched from the left: a class, or one code of a class.
_POSTGRES_ABORTED = ("40", "55P03")
_POSTGRES_REFUSED = ("28", "3D")
_POSTGRES_READ_ONLY = "25006"
_POSTGRES_DAMAGED = ("XX001", "XX002")
_POSTGRES_AWAY = ("08", "53", "57", "58")
_POOLED = ("unsupported startup parameter", "statement pooling mode")  # the words of PgBouncer, whose SQLSTATE says little
_POSTGRES_DATA = ("22", "54")
_SQLITE_DATA = {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}
_WHY = {
    "22001": "a text is too long",
    "22003": "a number is out of range",
    "22021": "a text has a character that it cannot hold, such as U+0000",
    "22P05": "a text has a character that it cannot hold, such as U+0000",
    "54000": "a value is too large",
}


class DatabaseUnavailable(Unavailable):
    """The database is unavailable."""


class DatabaseRefused(DatabaseUnavailable, SettingsAtFault):
    """The database cannot be opened with these settings."""

    reason = DatabaseUnavailable.reason


class PoolerFound(DatabaseRefused):
    """A pooler that shares sessions stands in front of PostgreSQL."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"A pooler that shares sessions, such as PgBouncer in transaction mode, stands in front of PostgreSQL: {what}. "
            "Name the server itself in the database URL, or a pool in session mode that passes the settings on with which a session begins."
        )


class MigrationBlocked(DatabaseUnavailable):
    """Others use a table for so long that a migration was given up."""

    reason = DatabaseUnavailable.reason


class RevisionUnknown(InvalidInput):
    """There is no such revision of the schema."""


class SchemaTooNew(FailedPrecondition):
    """The database was migrated by a newer version of this program."""


class SchemaTooOld(FailedPrecondition):
    """The database was migrated by a version of this program that is too old to upgrade from."""


class DataRefused(InvalidInput):
    """The database cannot store a value of this request."""


class ConstraintBroken(DataRefused):
    """A value of this request contradicts what is stored."""


@contextmanager
def translated(*, writing: bool = True) -> Generator[None]:
    """Raises the database's failures as errors of the tree, and those of the data as its caller's; a statement that is wrong passes.

    Args:
        writing: whether a write is allowed here: then a database that refuses one is at fault, otherwise the statement is.

    Raises:
        DatabaseUnavailable: no connection, no space, an input or output error, a server that is stopping.
        Aborted: PostgreSQL chose this transaction as the victim of a deadlock or of a serialization conflict.
        DataLoss: the database is damaged.
        DataRefused: it cannot hold a value: an odd character, a number out of range, a text that is too long.
        ConstraintBroken: a value breaks a constraint.
    """
    try:
        yield
    except exc.SQLAlchemyError as error:
        fault = _fault(error, writing=writing)
        if fault is None:
            raise
        raise fault from error
    except (OverflowError, UnicodeEncodeError) as error:  # drivers encode values themselves, and raise what Python raises
        raise _refused_data(error) from error
    except (ConnectionError, TimeoutError) as error:
        raise _unavailable(str(error) or "it does not answer") from error


@contextmanager
def connecting() -> Generator[None]:
    """Like `translated`, and whatever else the operating system says while connecting is the database's failure, too."""
    try:
        with translated():
            yield
    except OSError as error:
        raise _unavailable(str(error)) from error


def _unavailable(detail: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"The database cannot be reached now: {detail}", retry_after=_RETRY_AFTER_SECONDS)


def _fault(error: exc.SQLAlchemyError, *, writing: bool) -> TocsinError | None:
    """The failure of the database behind ``error``, if it is one."""
    if isinstance(error, exc.TimeoutError):
        return _unavailable("every connection is in use")
    if isinstance(error, exc.IntegrityError):
        return ConstraintBroken()
    if not isinstance(error, exc.DBAPIError):
        return None
    detail = str(error.orig)
    code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    state: str | None = getattr(error.orig, "sqlstate", None)
    if code == sqlite3.SQLITE_READONLY or state == _POSTGRES_READ_ONLY:
        return _unavailable(detail) if writing else None
    if (state or "").startswith(_POSTGRES_DATA) or (code is not None and code & _SQLITE_PRIMARY_CODE in _SQLITE_DATA):
        return _refused_data(error, state=state or "")
    fault = _sqlite_fault(code & _SQLITE_PRIMARY_CODE, detail) if code is not None else _postgres_fault(state or "", detail)
    return fault or (_unavailable(detail) if error.connection_invalidated else None)


def _sqlite_fault(code: int, detail: str) -> TocsinError | None:
    if code in _SQLITE_AWAY:
        return _unavailable(detail)
    if code in _SQLITE_DAMAGED:
        return DataLoss(f"The database is damaged: {detail}")
    return _refused(detail) if code == sqlite3.SQLITE_CANTOPEN else None


def _postgres_fault(state: str, detail: str) -> TocsinError | None:
    if state.startswith(_POSTGRES_ABORTED):
        return Aborted(f"A concurrent change got in first: {detail}")
    if any(words in detail for words in _POOLED):
        return PoolerFound(detail)
    if state.startswith(_POSTGRES_REFUSED):
        return _refused(detail)
    if state.startswith(_POSTGRES_DAMAGED):
        return DataLoss(f"The database is damaged: {detail}")
    return _unavailable(detail) if state.startswith(_POSTGRES_AWAY) else None


def _refused(detail: str) -> DatabaseRefused:
    return DatabaseRefused(f"The database refuses to be opened with these settings: {detail}", retry_after=_RETRY_AFTER_SECONDS)


def _refused_data(error: Exception, *, state: str = "") -> DataRefused:
    """The refusal of a value. What the driver says of it may quote data of others, so it is for the log alone."""
    statement = error.statement if isinstance(error, exc.StatementError) else None
    why = _WHY.get(state) or (_WHY["22003"] if isinstance(error, OverflowError) else "")
    if isinstance(error, UnicodeEncodeError):
        why = _WHY["22021"]
    _log.warning("database value refused", statement=statement, sqlstate=state, error=type(error).__name__)
    return DataRefused(f"The database cannot hold a value of this request: {why}." if why else None)
