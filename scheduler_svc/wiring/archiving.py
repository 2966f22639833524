"""The part of the composition that archives the ledger, and ends what it has of tenants that are deleted."""

from typing import Final

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.domain import new_id
from scheduler_svc.ports import Shards
from scheduler_svc.store import tenant_rows
from scheduler_svc.store.archive import SqlArchiveStore
from tocsin.archive.archiver import Archiver
from tocsin.archive.columns import FIRINGS
from tocsin.archive.files import ParquetArchive
from tocsin.archive.ports import ArchiveObserver
from tocsin.archive.purging import archive_purge
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

    async def leads() -> bool:
        return _LEADER in shards.held

    return Archiver(
        store=SqlArchiveStore(database),
        files=ParquetArchive(settings.archive_dir, FIRINGS),
        leads=leads,
        purging=lambda: node.tenants.book().purging,
        observer=observer,
        clock=clock,
        new_id=lambda: new_id(clock.micros()),
    )


def purger(node: Node, settings: SchedulerSettings, database: Database, clock: Clock) -> TenantPurger:
    """What removes tenants from the database, and from the archive before it."""
    rows = tenant_rows(database)
    if settings.archive_dir is None:
        return node.purger(rows)
    return node.purger(rows, elsewhere=(archive_purge(settings.archive_dir, FIRINGS, rows, clock),))
