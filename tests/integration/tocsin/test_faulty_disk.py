"""The disk that fails on demand: SQLite in another process meets ENOSPC and EIO, and goes on afterwards."""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tocsin.testing.disk import FaultyDisk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="seccomp(2) is Linux's own")

WRITER = """
import sqlite3, sys
files = [sqlite3.connect(path, isolation_level=None) for path in sys.argv[1:]]
for file in files:
    file.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x)")
print("ready", flush=True)
for line in sys.stdin:
    file = files[int(line)]
    try:
        file.execute("INSERT INTO t VALUES (1)")
        print(file.execute("SELECT count(*) FROM t").fetchone()[0], flush=True)
    except sqlite3.Error as error:
        print(error.sqlite_errorname, flush=True)
"""


class Writer:
    """A process on the disk: it adds rows to two files."""

    def __init__(self, *, disk: FaultyDisk, folder: Path) -> None:
        files = [str(folder / name) for name in ("first.db", "second.db")]
        line = [*disk.wrapper, sys.executable, "-c", WRITER, *files]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._read() == "ready"

    def write(self, file: int) -> str:
        """Adds a row; the number of rows, or the name of the error."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{file}\n")
        self._process.stdin.flush()
        return self._read()

    def end(self) -> int:
        """Its exit code."""
        self._process.communicate(timeout=60)
        return self._process.returncode

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    """A disk that works."""
    return FaultyDisk(folder=tmp_path / "disk")


@pytest.fixture
def writer(disk: FaultyDisk, tmp_path: Path) -> Generator[Writer]:
    """Two files on it."""
    writer = Writer(disk=disk, folder=tmp_path)
    yield writer
    assert writer.end() == 0


def test_it_fails_as_it_is_told_and_counts(disk: FaultyDisk, writer: Writer) -> None:
    """No room, then no flush, then both for different files, then neither; a file that is not meant does not notice."""
    assert (writer.write(0), writer.write(1), disk.failed) == ("1", "1", 0)
    disk.fill("first.db")
    assert (writer.write(0), writer.write(1)) == ("SQLITE_FULL", "2")
    assert disk.failed == 1
    disk.heal()
    disk.break_flush("first.db")
    assert (writer.write(0), writer.write(1)) == ("SQLITE_IOERR_FSYNC", "3")
    assert disk.failed == 2
    disk.fill("second.db")
    assert (writer.write(0), writer.write(1)) == ("SQLITE_IOERR_FSYNC", "SQLITE_FULL")
    disk.heal()
    assert (writer.write(0), writer.write(1), disk.failed) == ("2", "4", 4)
