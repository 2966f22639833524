"""The part of the composition that archives the ledger, and ends what it has of tenants that are deleted."""

from typing import Final

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.ports import Shards
from scheduler_svc.ports.archive import ArchiveObserver
from scheduler_svc.service.archiving import Archiver
from scheduler_svc.store import tenant_rows
from scheduler_svc.store.archive import SqlArchiveStore
from scheduler_svc.store.archive_files import ParquetArchive
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.node import Node
from tocsin.tenants.purge import TenantPurger

_LEADER: Final = 0
"""The shard whose owner archives."""


def archiver(
    node: Node, settings: SchedulerSettings, database: Database, shards: Shards, observer: ArchiveObserver, clock: Clock
) -> Archiver | None:
    """What archives, in the replica that has the first shard; None where nothing is archived."""
    if settings.archive_dir is None:
        return None
    return Archiver(
        store=SqlArchiveStore(database),
        files=ParquetArchive(settings.archive_dir),
        leads=lambda: _LEADER in shards.held,
        purging=lambda: node.tenants.book().purging,
        observer=observer,
        clock=clock,
    )


def purger(node: Node, settings: SchedulerSettings, database: Database, clock: Clock) -> TenantPurger:
    """What removes tenants from the database, and from the archive before it."""
    rows = tenant_rows(database)
    if settings.archive_dir is None:
        return node.purger(rows)
    files = ParquetArchive(settings.archive_dir)

    async def remove_files(tenant: str) -> int:
        removed = await files.remove_tenant(tenant)
        if removed:
            await rows.add(tenant, "files/archive", removed, now=clock.micros())
        return removed

    return node.purger(rows, elsewhere=(remove_files,))
