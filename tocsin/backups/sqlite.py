"""SQLite files as of one instant, while services use them.

A transaction that is about to write is begun on every file, so that nobody commits anywhere; then a reader of each fixes what it sees,
and the writers are let go. That takes some milliseconds; the copies take what they take, and nobody waits for them.
"""

import sqlite3
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from tocsin.backups.manifest import BackupDamaged, BackupFailed
from tocsin.clock import Clock
from tocsin.errors import Unavailable

_HOLD_SECONDS: Final = 1.0
"""How long writers of one file may have to wait for the others; services wait for five seconds."""
_PATIENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.0005
_PAUSE_SECONDS: Final = 0.05
_SHOWN: Final = 3


class DatabasesBusy(Unavailable):
    """The SQLite files are written all the time: no instant was found at which nobody did."""


@contextmanager
def one_instant(
    files: Sequence[Path], at_that_instant: Callable[[], None], *, clock: Clock
) -> Generator[Mapping[Path, sqlite3.Connection]]:
    """Connections that see all files as they were at one instant, until the block ends.

    Args:
        files: of SQLite; each exists.
        at_that_instant: called while nobody can commit; it has to be quick.
        clock: bounds the waiting.

    Raises:
        DatabasesBusy: other processes never let go of a file for a minute.
        BackupFailed: a file cannot be read.
    """
    with ExitStack() as open_files, _said():
        readers = {file: open_files.enter_context(closing(_connected(file, patience=_HOLD_SECONDS))) for file in files}
        writers = [open_files.enter_context(closing(_connected(file))) for file in files]
        end = clock.monotonic() + _PATIENCE_SECONDS
        while not _all_held(writers, clock):
            if clock.monotonic() >= end:
                raise DatabasesBusy
            time.sleep(_PAUSE_SECONDS)
        try:
            for reader in readers.values():
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the transaction sees something only once it reads
            at_that_instant()
        finally:
            for writer in writers:
                writer.execute("ROLLBACK")
        yield readers


def copy_to(reader: sqlite3.Connection, file: Path) -> None:
    """Writes what a connection sees into a new file, by SQLite's backup API.

    Raises:
        OSError: the disk is full or fails.
        BackupFailed: the source cannot be read.
    """
    with _said(), closing(sqlite3.connect(file, isolation_level=None)) as target:
        for pragma in ("synchronous = OFF", "journal_mode = OFF"):  # it counts only as part of an archive that is flushed as a whole
            target.execute(f"PRAGMA {pragma}").fetchone()
        reader.backup(target)


def revision_in(connection: sqlite3.Connection) -> str:
    """The revision of the schema; empty when it was never migrated."""
    with _said():
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'").fetchone() is None:
            return ""
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else ""


def check_integrity(file: Path, name: str) -> None:
    """Reads a whole file by SQLite's integrity_check.

    Raises:
        BackupDamaged: something in it is wrong.
    """
    try:
        with closing(sqlite3.connect(file)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    except sqlite3.Error as error:
        raise BackupDamaged(f"{name} cannot be read: {error}") from error
    if found != ["ok"]:
        raise BackupDamaged(f"{name} is damaged: {'; '.join(found[:_SHOWN])}")


def in_use(file: Path) -> bool:
    """Whether another process has a file open: only if none has, it can leave its write-ahead log."""
    if not file.exists():
        return False
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.OperationalError as error:
            return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        except sqlite3.DatabaseError:
            return False  # it is damaged, which may be why somebody restores a backup
    return False


def run_script(file: Path, script: str) -> None:
    """Runs statements on a file that nobody else knows, and leaves it without a log beside it.

    Raises:
        BackupDamaged: one of them fails.
    """
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            if script:
                connection.executescript(f"BEGIN; {script}; COMMIT;")
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.Error as error:
        raise BackupDamaged(f"{file.name} cannot be made ready: {error}") from error


def _connected(file: Path, *, patience: float = 0) -> sqlite3.Connection:
    """A connection that waits for locks for so many seconds: its first read has to, as whoever closes a file tries to be alone with it."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=patience, check_same_thread=False)


def _all_held(writers: Sequence[sqlite3.Connection], clock: Clock) -> bool:
    """Begins a writing transaction on all files, or on none."""
    end = clock.monotonic() + _HOLD_SECONDS
    for writer in writers:
        while not _held(writer):
            if clock.monotonic() >= end:
                for other in writers:
                    with suppress(sqlite3.OperationalError):
                        other.execute("ROLLBACK")
                return False
            time.sleep(_POLL_SECONDS)
    return True


def _held(writer: sqlite3.Connection) -> bool:
    try:
        writer.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


@contextmanager
def _said() -> Generator[None]:
    """What SQLite says, as an error of ours; a disk without room as the operating system would say it."""
    try:
        yield
    except sqlite3.Error as error:
        raise BackupFailed(f"SQLite: {error}") from error
