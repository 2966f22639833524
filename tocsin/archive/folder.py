"""The folder of an archive: ``firings/tenant=T/date=D/ID.parquet``, as DuckDB, Spark, Polars and Arrow find partitions.

A file is written in a folder of drafts, which is that of its kind and so its writer's alone, and gets its place by a rename: whoever reads
sees whole files alone.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from tocsin.archive.columns import FIRINGS, ArchiveKind
from tocsin.archive.errors import ArchiveUnavailable
from tocsin.archive.parquet import require_library, write_file
from tocsin.private_files import sync_folder

_DRAFTS: Final = ".drafts"
_ENDING: Final = ".parquet"
_TENANT: Final = "tenant="
_DATE: Final = "date="
_FILE: Final = re.compile(r"[0-9A-Z]{26}\.parquet")


class ArchivedFile(NamedTuple):
    """A file of the archive: whose rows of which day (UTC) are in it."""

    path: Path
    tenant: str
    day: date


class ArchiveFolder:
    """The files of one kind in an archive. Every method but `require` may raise OSError."""

    def __init__(self, root: Path, kind: ArchiveKind) -> None:
        self.root = root
        self.kind = kind
        self._home = root / kind.name
        self._drafts = root / (_DRAFTS if kind is FIRINGS else f"{_DRAFTS}-{kind.name}")

    def require(self) -> None:
        """Makes sure that files can be written.

        Raises:
            ArchiveUnavailable: there is no such folder, or it cannot be written. It is not made: it may be a disk that is not there yet.
            ArchiveNotPossible: what writes the files is not installed.
        """
        require_library()
        if not self.root.is_dir():
            raise ArchiveUnavailable(f"The archive is no folder: {self.root}")
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise ArchiveUnavailable(f"The archive cannot be written: {self.root}")

    def write_draft(self, draft: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Writes a file that nobody reads yet; errors as `write_file`."""
        self._make(self._drafts)
        write_file(self._draft(draft), self.kind, rows)
        sync_folder(self._drafts)

    def publish(self, draft: str, *, tenant: str, day: date) -> bool:
        """Gives the draft its place; false where it is neither there nor among the drafts. May be called again."""
        target = self._place(tenant, day) / f"{draft}{_ENDING}"
        source = self._draft(draft)
        if not source.exists():
            return target.exists()
        self._make(target.parent)
        source.rename(target)
        sync_folder(target.parent)
        sync_folder(self._drafts)
        return True

    def discard(self, draft: str) -> None:
        """Removes a draft, if it is there."""
        self._draft(draft).unlink(missing_ok=True)

    def drafts(self) -> set[str]:
        """The drafts that are there."""
        return {path.stem for path in self._drafts.iterdir()} if self._drafts.is_dir() else set()

    def files(self, tenant: str = "") -> Iterator[ArchivedFile]:
        """The files, by tenant and day; of one tenant, if it is named."""
        for folder in sorted(self._home.glob(f"{_TENANT}*")):
            owner = unquote(folder.name.removeprefix(_TENANT))
            if tenant in ("", owner):
                for place in sorted(folder.glob(f"{_DATE}*")):
                    day = date.fromisoformat(place.name.removeprefix(_DATE))
                    yield from (ArchivedFile(path, owner, day) for path in sorted(place.iterdir()) if _FILE.fullmatch(path.name))

    def remove_tenant(self, tenant: str) -> int:
        """Removes all files of a tenant; how many."""
        folder = self._home / f"{_TENANT}{quote(tenant, safe='')}"
        if not folder.is_dir():
            return 0
        count = len(list(folder.rglob(f"*{_ENDING}")))
        shutil.rmtree(folder)
        sync_folder(folder.parent)
        return count

    def _draft(self, draft: str) -> Path:
        return self._drafts / f"{draft}{_ENDING}"

    def _place(self, tenant: str, day: date) -> Path:
        return self._home / f"{_TENANT}{quote(tenant, safe='')}" / f"{_DATE}{day.isoformat()}"

    def _make(self, folder: Path) -> None:
        """Makes a folder within the archive, and has the disk know it; never the archive itself."""
        if folder == self.root or folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(mode=0o750, exist_ok=True)
        sync_folder(folder.parent)
