"""What the archiver stands on: rows leave a database for files."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, Protocol

from tocsin.recurrence import Micros


class FinishedRow(NamedTuple):
    """What tells a version of a row in its database.

    Attributes:
        id: of the row.
        time: by which rows are archived, by days and in order.
        change: number of its last change.
        detail: what else its store tells its versions apart by.
    """

    id: str
    time: Micros
    change: int
    detail: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRows:
    """Rows of one day (UTC), in the order of their times, and what tells of them in the archive."""

    finished: Sequence[FinishedRow] = ()
    rows: Sequence[tuple[Any, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePart:
    """A file of the archive that does not have its place yet.

    Attributes:
        id: its name.
        tenant: whose rows are in it.
        day: of their times (UTC).
        committed: whether they have left the database; before, the file is only a draft of one.
    """

    id: str
    tenant: str
    day: date
    committed: bool = False


class ArchiveStore(Protocol):
    """A database, and the files that are on their way from it to the archive."""

    async def next_tenant(self, *, after: str) -> str | None:
        """The next tenant that has rows; None behind the last one."""
        ...

    async def finished(self, tenant: str, *, after: tuple[Micros, str], before: Micros) -> ArchiveRows:
        """The oldest finished rows behind ``after`` (time, id) that are older than an instant: of one day, and not too many."""
        ...

    async def parts(self) -> Sequence[ArchivePart]:
        """Files without their place."""
        ...

    async def reserve(self, part: ArchivePart) -> None:
        """Notes that a file is begun."""
        ...

    async def commit(self, part: ArchivePart, rows: Sequence[FinishedRow]) -> bool:
        """Takes the rows out of the database, because the file has them: all of them; whether it did.

        It does not where one of them is not what it was, or the file is not reserved any more.
        """
        ...

    async def forget(self, part: ArchivePart) -> bool:
        """Removes the note of a file, if it still is as ``part.committed`` says; whether it did."""
        ...


class ArchiveFiles(Protocol):
    """Where the files are. Each method but the first may raise Unavailable: the disk is full, away, or cannot be written."""

    def require(self) -> None:
        """Makes sure that files can be written at all; where they are may be away for now.

        Raises:
            ArchiveNotPossible: what writes them is not installed.
        """
        ...

    async def write(self, part: ArchivePart, rows: ArchiveRows) -> None:
        """Writes a draft of a file; it is on the disk and was read back when this returns."""
        ...

    async def publish(self, part: ArchivePart) -> bool:
        """Gives a file its place; false where it is gone."""
        ...

    async def discard(self, draft: str) -> None:
        """Removes a draft, if it is there."""
        ...

    async def drafts(self) -> Collection[str]:
        """The drafts that are there."""
        ...


class ArchiveObserver(Protocol):
    """Sees what becomes of the archive, for metrics."""

    def archived(self, rows: int) -> None:
        """So many rows left the database for a file."""
        ...

    def archive_failing(self, failing: bool) -> None:
        """Whether the last round could not archive what it had to."""
        ...
