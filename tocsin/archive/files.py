"""The archive's files, beside the event loop: implements `tocsin.archive.ports.ArchiveFiles`."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from tocsin.archive.columns import ArchiveKind
from tocsin.archive.errors import ArchiveUnavailable
from tocsin.archive.folder import ArchiveFolder
from tocsin.archive.parquet import require_library
from tocsin.archive.ports import ArchivePart, ArchiveRows

T = TypeVar("T")


class ParquetArchive:
    """Parquet files of one kind in a folder."""

    def __init__(self, root: Path, kind: ArchiveKind) -> None:
        self._folder = ArchiveFolder(root, kind)

    def require(self) -> None:
        """As `ArchiveFiles`."""
        require_library()

    async def write(self, part: ArchivePart, rows: ArchiveRows) -> None:
        """As `ArchiveFiles`."""
        await self._do(lambda: self._folder.write_draft(part.id, rows.rows))

    async def publish(self, part: ArchivePart) -> bool:
        """As `ArchiveFiles`."""
        return await self._do(lambda: self._folder.publish(part.id, tenant=part.tenant, day=part.day))

    async def discard(self, draft: str) -> None:
        """As `ArchiveFiles`."""
        await self._do(lambda: self._folder.discard(draft))

    async def drafts(self) -> Collection[str]:
        """As `ArchiveFiles`."""
        return await self._do(self._folder.drafts)

    async def remove_tenant(self, tenant: str) -> int:
        """Removes what the archive has of a tenant; how many files.

        Raises:
            ArchiveUnavailable: the folder is away or cannot be written.
        """
        return await self._do(lambda: self._folder.remove_tenant(tenant))

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(self._done, work)

    def _done(self, work: Callable[[], T]) -> T:
        try:
            self._folder.require()
            return work()
        except OSError as error:
            raise ArchiveUnavailable(f"The archive cannot be used: {error.strerror or error}: {error.filename or ''}") from error
