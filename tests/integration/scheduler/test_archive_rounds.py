"""The archive in the rounds of housekeeping, in the service as it is put together, and in months of PostgreSQL."""

from pathlib import Path
from typing import Any, cast

import pytest

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.service.housekeeping import Housekeeper, HousekeepingOptions
from scheduler_svc.store import tenant_rows
from scheduler_svc.wiring.archiving import archiver as wired_archiver
from scheduler_svc.wiring.archiving import purger as wired_purger
from tests.integration.scheduler.archives import DAY, LATER, Seen, Steps, archiver, fill, in_archive, in_ledger, killed, root
from tests.integration.scheduler.stores import NOW, Stores
from tocsin.archive.columns import FIRINGS
from tocsin.archive.folder import ArchiveFolder
from tocsin.clock import SystemClock
from tocsin.node import Node
from tocsin.testing.clock import FakeClock

__all__ = ["root"]


def settings_of(**given: Any) -> SchedulerSettings:
    """Settings of the scheduler; those that are not given have their defaults."""
    return SchedulerSettings(**given)


class _Sink:
    """Sees no counts."""

    def counted(self, alarms: Any) -> None:
        """Of alarms."""

    def incidents_counted(self, incidents: Any) -> None:
        """Of incidents."""


async def test_housekeeping_archives_instead_of_removing(stores: Stores, root: Path, clock: FakeClock) -> None:
    """What is older than the ledger keeps moves; while it cannot, a round removes nothing of the ledger, and does the rest of its work."""
    ids = await fill(stores, tenants=("t1",))
    await clock.advance(11 * 86_400)
    root.rename(root.with_name("away"))
    keeper = Housekeeper(
        store=stores.housekeeping,
        sink=_Sink(),
        clock=clock,
        options=HousekeepingOptions(interval_seconds=60, ledger_days=10, incident_days=10, request_days=1, inbound_days=1),
        archiver=archiver(stores, root),
    )
    await keeper.round()
    assert sorted(await in_ledger(stores)) == sorted(ids)
    root.with_name("away").rename(root)
    await keeper.round()
    assert (sorted(await in_ledger(stores)), sorted(in_archive(root))) == (sorted(ids[4:]), sorted(ids[:4]))


async def test_the_setting_archives_and_a_deletion_reaches_it(tmp_path: Path, root: Path) -> None:
    """In the service itself: firings move, the metric counts them, and of a tenant that is purged no file is left, and that is counted."""
    settings = settings_of(state_dir=tmp_path, archive_dir=root, ledger_retention_days=1)
    stores = Stores(f"sqlite:///{tmp_path / 'store.db'}", SystemClock())
    await stores.start()
    try:
        node: Any = Node(settings=settings, clock=SystemClock(), jwks=None)
        observer, shards = Seen(), Steps(None, "", killed)
        vars(shards)["held"] = stores.held
        made = wired_archiver(node, settings, stores.database, cast("Any", shards), observer, SystemClock())
        assert made is not None
        ids = await fill(stores)
        await made.round(before=LATER)
        assert (sorted(in_archive(root)), observer.count) == (sorted(ids), len(ids))
        (remove,) = vars(wired_purger(node, settings, stores.database, SystemClock()))["_elsewhere"]
        files = len(list(ArchiveFolder(root, FIRINGS).files("t1")))
        assert [await remove("t1"), await remove("t1")] == [files, 0]
        assert {file.tenant for file in ArchiveFolder(root, FIRINGS).files()} == {"t2/x=y"}
        assert await tenant_rows(stores.database).counts("t1") == {"files/archive": files}
    finally:
        await stores.database.stop()


def test_an_archive_of_what_is_kept_for_ever_is_refused(tmp_path: Path) -> None:
    """The settings contradict each other, and both are named."""
    with pytest.raises(ValueError, match="TOCSIN_SCHEDULER_ARCHIVE_DIR has no effect while TOCSIN_SCHEDULER_LEDGER_RETENTION_DAYS is 0"):
        settings_of(state_dir=tmp_path, archive_dir=tmp_path, ledger_retention_days=0)


@pytest.mark.native
async def test_a_month_is_dropped_when_everything_has_left_it(postgres_url: str, clock: FakeClock, root: Path) -> None:
    """Not before: what was not archived is not dropped with its month."""
    stores = Stores(postgres_url, clock)
    await stores.start()
    await stores.housekeeping.make_room(now=NOW)
    ids = await fill(stores, tenants=("t1",))
    end = NOW + 40 * DAY
    await stores.housekeeping.forget_months(before=end, emptied=True)
    assert sorted(await in_ledger(stores, ("t1",))) == sorted(ids)
    await archiver(stores, root).round(before=end)
    await stores.housekeeping.forget_months(before=end, emptied=True)
    async with stores.database.read() as connection:
        names = (
            await connection.exec_driver_sql("SELECT relname FROM pg_class WHERE relname LIKE 'firings_2026%' AND relkind = 'r'")
        ).all()
    assert ("firings_2026_01",) not in [tuple(name) for name in names]
    assert sorted(in_archive(root)) == sorted(ids)
    await stores.database.stop()
