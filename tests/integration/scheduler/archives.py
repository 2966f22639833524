"""An archive of the ledger in tests: what fills the ledger, and what does something between two steps."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select

from scheduler_svc.domain import Succeeded, new_id
from scheduler_svc.store.archive import SqlArchiveStore
from scheduler_svc.store.tables import archive_parts
from tests.integration.archive_steps import Killed, Seen, Steps, killed, root
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, firing
from tocsin.archive import parquet
from tocsin.archive.archiver import Archiver
from tocsin.archive.columns import FIRINGS
from tocsin.archive.files import ParquetArchive
from tocsin.archive.folder import ArchiveFolder
from tocsin.clock import SystemClock

__all__ = ["Killed", "Steps", "killed", "root"]

DAY: Final = 86_400 * SECOND
LATER: Final = NOW + 30 * DAY


def archiver(
    stores: Stores,
    root: Path,
    *,
    store: Any = None,
    files: Any = None,
    seen: Seen | None = None,
    purging: Collection[str] = (),
    leads: bool = True,
) -> Archiver:
    """What archives, on the system's clock, in files of three firings at most."""
    clock = SystemClock()

    async def leading() -> bool:
        return leads

    return Archiver(
        store=store or SqlArchiveStore(stores.database, most=3),
        files=files or ParquetArchive(root, FIRINGS),
        leads=leading,
        purging=lambda: purging,
        observer=seen or Seen(),
        clock=clock,
        new_id=lambda: new_id(clock.micros()),
    )


async def fill(stores: Stores, *, tenants: Sequence[str] = ("t1", "t2/x=y"), days: int = 2, each: int = 4) -> list[str]:
    """Finished firings of some days of each tenant; their ids."""
    made = [
        firing(tenant=tenant, due=NOW + day * DAY + number * SECOND) for tenant in tenants for day in range(days) for number in range(each)
    ]
    await stores.ledger.enqueue(made, owner=OWNER, held=stores.held)
    await stores.ledger.record(done={one.id: Succeeded() for one in made}, failed_attempts=(), now=NOW)
    return [one.id for one in made]


async def in_ledger(stores: Stores, tenants: Sequence[str] = ("t1", "t2/x=y")) -> list[str]:
    """Ids of what the database has."""
    return [one.id for tenant in tenants for one in await stores.all_firings(tenant)]


def in_archive(root: Path) -> list[str]:
    """Ids of what a reader of the archive finds."""
    return [row[0] for file in ArchiveFolder(root, FIRINGS).files() for row in parquet.read_columns(file.path, FIRINGS, ("id",))]


async def notes(stores: Stores) -> int:
    """Files that are noted as on their way."""
    async with stores.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(archive_parts))).scalar_one()
