"""The disk of PostgreSQL is full, or cannot be flushed, which makes it end itself: the five services wait for it and lose nothing."""

import asyncio
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.chaos.load import FULL, SERVICES, Load, Note
from tocsin.testing.disk import FaultyDisk
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.thorough,
    pytest.mark.e2e,
    pytest.mark.timeout(900 if FULL else 600),
    pytest.mark.skipif(sys.platform != "linux", reason="the disk that fails on demand is made with seccomp(2), which Linux alone has"),
]

ROUNDS, BROKEN_SECONDS = (4, 5.0) if FULL else (1, 0.5)
RATE = 40


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    """A disk that works."""
    return FaultyDisk(folder=tmp_path / "disk")


@pytest.fixture
def postgres(disk: FaultyDisk) -> Generator[PostgresServer]:
    """A PostgreSQL on it that flushes what it commits."""
    server = PostgresServer(fsync=True, disk=disk)
    server.start()
    yield server
    server.close()


async def break_in_turn(disk: FaultyDisk, postgres: PostgresServer, load: Load) -> dict[str, int]:
    """No room for tables, then no flush of the log, then, in the full form, no room for it; how many calls failed by each."""
    faults: dict[str, tuple[Callable[[str], None], str]] = {
        "tables full": (disk.fill, "/base/"),
        "log not flushed": (disk.break_flush, "/pg_wal/"),
        **({"log full": (disk.fill, "/pg_wal/")} if FULL else {}),
    }
    failed: dict[str, int] = dict.fromkeys(faults, 0)
    for _ in range(ROUNDS):
        for name, (fault, part) in faults.items():
            before, accepted = disk.failed, len(load.account.accepted)
            fault(part)
            await eventually(lambda before=before: disk.failed > before, what=f"a failure by {name}")
            await asyncio.sleep(BROKEN_SECONDS)
            disk.heal()
            failed[name] += disk.failed - before
            await asyncio.to_thread(postgres.start)
            await eventually(lambda accepted=accepted: len(load.account.accepted) > accepted + 5, what="alarms to be taken", seconds=60)
    return failed


async def test_a_broken_disk_of_postgresql_loses_and_doubles_nothing(
    disk: FaultyDisk, postgres: PostgresServer, tmp_path: Path, record_property: Note
) -> None:
    """A full table refuses one statement, a broken log ends the server (PANIC): calls are refused meanwhile, no service ends."""
    with RunningStack(state=tmp_path / "state", env={"TOCSIN_DATABASE_URL": postgres.url()}) as stack:
        async with stack.client() as client:
            load = Load(client)
            await load.steady()
            async with load.during(rate=RATE):
                failed = await break_in_turn(disk, postgres, load)
            account = await load.settle()
            restarts = {service: stack.restarts(service) for service in SERVICES}
        logs = stack.logs()
    record_property("account", f"failed calls {failed}, answers {dict(load.answers)}: {account}")
    assert min(failed.values()) > 0, "nothing failed: this run says nothing"
    assert load.refused > 0
    assert restarts == dict.fromkeys(SERVICES, 0), "a disk that is full is no reason to end"
    assert account.accepted == account.attempted
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
