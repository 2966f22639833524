"""What the archive has of a tenant that is deleted goes before its rows do."""

from pathlib import Path

from tocsin.archive.columns import ArchiveKind
from tocsin.archive.files import ParquetArchive
from tocsin.clock import Clock
from tocsin.database import TenantRows
from tocsin.tenants.purge import PurgeElsewhere


def archive_purge(root: Path, kind: ArchiveKind, rows: TenantRows, clock: Clock) -> PurgeElsewhere:
    """What removes the files of a kind and counts them as ``files/archive`` among the rows of the tenant.

    It raises ArchiveUnavailable while the folder is away, which holds the deletion up.
    """
    files = ParquetArchive(root, kind)

    async def remove_files(tenant: str) -> int:
        removed = await files.remove_tenant(tenant)
        if removed:
            await rows.add(tenant, "files/archive", removed, now=clock.micros())
        return removed

    return remove_files
