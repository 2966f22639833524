"""A sample of `make upgrade`: alarms that are due while an installation gets this release."""

from pathlib import Path

import pytest

from bench import bulk
from bench.upgrade import REVISION, account, import_all, ringing
from tests.integration.scheduler.support import Rig
from tocsin.clock import SECOND, SystemClock
from tocsin.database import Database, downgrade, migrate

SCHEDULER = "scheduler_svc"
pytestmark = pytest.mark.timeout(300)


async def test_what_is_due_during_an_upgrade_is_fired_once(database_url: str, tmp_path: Path) -> None:
    """An older schema with alarms is migrated, and the new scheduler computes all of them anew; how fast, `make upgrade` tells."""
    clock = SystemClock()
    rig = Rig(folder=tmp_path / "state", database_url=database_url)
    await rig.start()
    with rig.user():
        await import_all(rig.alarms, bulk.stream(2000, now=clock.micros()))
        times = range(first := clock.micros() + SECOND, first + 2 * SECOND, SECOND // 10)
        await import_all(rig.alarms, ringing(times))
    await rig.stop()
    await downgrade(url=database_url, schema=SCHEDULER, package=SCHEDULER, revision=REVISION)
    database = Database(url=database_url, schema=SCHEDULER, clock=clock)
    await database.start()
    async with database.transaction() as connection:
        await connection.exec_driver_sql("DELETE FROM facts WHERE name LIKE 'tzdata/%'")
    await migrate(url=database_url, schema=SCHEDULER, package=SCHEDULER)
    await rig.start()
    found = await account(database, times, times[0], times[-1] + 1)
    await rig.stop()
    await database.stop()
    assert found.pop("latest_ms") >= 0
    assert found == {"due": len(times), "early": 0, "missing": 0, "not_fired": 0, "twice": 0}
