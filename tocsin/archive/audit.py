"""Looks through an archive: what is in it, and whether all of it can be read."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from tocsin.archive.columns import ArchiveKind
from tocsin.archive.errors import ArchiveDamaged, ArchiveUnavailable
from tocsin.archive.folder import ArchivedFile, ArchiveFolder
from tocsin.archive.parquet import read_columns, read_count, read_file

_DAY_MICROS = 86_400_000_000


class ArchivedDay(NamedTuple):
    """The files of a day (UTC) of a tenant; ``rows`` as they say."""

    tenant: str
    day: date
    files: int
    rows: int
    size: int


class VerifiedArchive(NamedTuple):
    """What was found of one kind in a whole archive.

    Attributes:
        files: that were read.
        rows: that are in them, each once.
        repeated: rows beyond one for each id, as a database that was restored archives again what it had archived since its backup.
        problems: what is damaged, by its file.
    """

    files: int
    rows: int
    repeated: int
    problems: list[str]


def list_days(root: Path, kind: ArchiveKind, *, tenant: str = "", first: date = date.min, end: date = date.max) -> Iterator[ArchivedDay]:
    """The days from ``first`` to before ``end``.

    Raises:
        ArchiveUnavailable: the folder cannot be read.
        ArchiveDamaged: a file cannot be read.
    """
    for (owner, day), files in _by_day(root, kind, tenant, first, end):
        yield ArchivedDay(
            owner, day, len(files), sum(read_count(file.path, kind) for file in files), sum(_size(file.path) for file in files)
        )


def verify(root: Path, kind: ArchiveKind, *, tenant: str = "") -> VerifiedArchive:
    """Reads every value of every file, with the checksums of its pages, and compares each row with the place of its file.

    Raises:
        ArchiveUnavailable: the folder cannot be read.
    """
    read, rows, repeated = 0, 0, 0
    problems = list[str]()
    for (owner, day), files in _by_day(root, kind, tenant, date.min, date.max):
        ids = set[str]()
        for file in files:
            read += 1
            try:
                for row in read_file(file.path, kind):
                    if row["tenant"] != owner or row[kind.time] // _DAY_MICROS != _number(day):
                        raise ArchiveDamaged(f"{file.path} has a row that belongs elsewhere: {row['id']}")
                    repeated += row["id"] in ids
                    ids.add(row["id"])
            except (ArchiveDamaged, OSError) as error:
                problems.append(str(error))
        rows += len(ids)
    return VerifiedArchive(read, rows, repeated, problems)


def rows_of(
    root: Path, kind: ArchiveKind, *, tenant: str = "", alarm: str = "", first: date = date.min, end: date = date.max
) -> Iterator[Mapping[str, Any]]:
    """The rows of the days from ``first`` to before ``end``, each once: by tenant and day, and as files have them within.

    Raises:
        ArchiveUnavailable: the folder cannot be read.
        ArchiveDamaged: a file cannot be read.
    """
    for _, files in _by_day(root, kind, tenant, first, end):
        latest = dict[str, tuple[int, int]]()
        for number, file in enumerate(files):
            for identity, change in read_columns(file.path, kind, ("id", "change")):
                latest[identity] = max(latest.get(identity, (change, number)), (change, number))
        for number, file in enumerate(files):
            for row in read_file(file.path, kind):
                if latest.get(row["id"]) == (row["change"], number) and alarm in ("", row["alarm"]):
                    yield row


def _by_day(root: Path, kind: ArchiveKind, tenant: str, first: date, end: date) -> Iterator[tuple[tuple[str, date], list[ArchivedFile]]]:
    if not root.is_dir():
        raise ArchiveUnavailable(f"The archive is no folder: {root}")
    try:
        found = [file for file in ArchiveFolder(root, kind).files(tenant) if first <= file.day < end]
    except (OSError, ValueError) as error:
        raise ArchiveUnavailable(f"The archive cannot be read: {error}") from error
    for place, files in groupby(found, key=lambda file: (file.tenant, file.day)):
        yield place, list(files)


def _size(path: Path) -> int:
    return path.stat().st_size


def _number(day: date) -> int:
    """Days since the Unix epoch."""
    return (day - date(1970, 1, 1)).days
