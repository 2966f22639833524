"""The archive of the ledger: firings leave the database for files."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

from tocsin.ledger_archive.columns import ArchivedFiring
from tocsin.recurrence import Micros


class FinishedFiring(NamedTuple):
    """What tells a version of a firing in the ledger; ``beside`` is whether it was made beside the rule of its alarm."""

    id: str
    due: Micros
    change: int
    beside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRows:
    """Firings of one day (UTC), in the order of their due times, and the rows that tell of them in the archive."""

    firings: Sequence[FinishedFiring] = ()
    rows: Sequence[ArchivedFiring] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePart:
    """A file of the archive that does not have its place yet.

    Attributes:
        id: its name.
        tenant: whose firings are in it.
        day: when they were due (UTC).
        committed: whether they have left the ledger; before, the file is only a draft of one.
    """

    id: str
    tenant: str
    day: date
    committed: bool = False


class ArchiveStore(Protocol):
    """The ledger, and the files that are on their way from it to the archive."""

    async def next_tenant(self, *, after: str) -> str | None:
        """The next tenant that has firings; None behind the last one."""
        ...

    async def finished(self, tenant: str, *, after: tuple[Micros, str], before: Micros) -> ArchiveRows:
        """The oldest finished firings behind ``after`` (due time, id) that were due before an instant: of one day, and not too many."""
        ...

    async def parts(self) -> Sequence[ArchivePart]:
        """Files without their place."""
        ...

    async def reserve(self, part: ArchivePart) -> None:
        """Notes that a file is begun."""
        ...

    async def commit(self, part: ArchivePart, firings: Sequence[FinishedFiring]) -> bool:
        """Takes the firings out of the ledger, because the file has them: all of them; whether it did.

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

    def archived(self, firings: int) -> None:
        """So many firings left the ledger for a file."""
        ...

    def archive_failing(self, failing: bool) -> None:
        """Whether the last round could not archive what it had to."""
        ...
