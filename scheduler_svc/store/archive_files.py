"""The archive's files, beside the event loop: implements `scheduler_svc.ports.archive.ArchiveFiles`."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from scheduler_svc.ports.archive import ArchivePart, ArchiveRows
from tocsin.ledger_archive.errors import ArchiveUnavailable
from tocsin.ledger_archive.folder import ArchiveFolder
from tocsin.ledger_archive.parquet import require_library

T = TypeVar("T")


class ParquetArchive:
    """A folder of Parquet files."""

    def __init__(self, root: Path) -> None:
        self._folder = ArchiveFolder(root)

    def require(self) -> None:
        require_library()

    async def write(self, part: ArchivePart, rows: ArchiveRows) -> None:
        await self._do(lambda: self._folder.write_draft(part.id, rows.rows))

    async def publish(self, part: ArchivePart) -> bool:
        return await self._do(lambda: self._folder.publish(part.id, tenant=part.tenant, day=part.day))

    async def discard(self, draft: str) -> None:
        await self._do(lambda: self._folder.discard(draft))

    async def drafts(self) -> Collection[str]:
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
            raise ArchiveUnavailable(
                f"The archive of the ledger cannot be used: {error.strerror or error}: {error.filename or ''}"
            ) from error
