"""The archive of deliveries: what has ended and is old leaves the database for files, each once, whoever dies at any step."""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import func, insert, select
from ulid import ULID

from mailer_svc.config import MailerSettings
from mailer_svc.domain import Content, DeliveryState, Priority, ReportKind, SendResult, StatusReport
from mailer_svc.service import DeliveryHousekeeper, Retention
from mailer_svc.store import ChangeOrder, SqlStatusReports, tenant_rows
from mailer_svc.store.archive import SqlArchiveLease, SqlDeliveryArchive
from mailer_svc.store.tables import archive_parts, contents, deliveries, events
from mailer_svc.wiring.archiving import purger as wired_purger
from tests.integration.archive_steps import Killed, Seen, Steps, killed, root
from tests.integration.mailer.stored import Store, make, new, settlement
from tocsin.archive import parquet
from tocsin.archive.archiver import Archiver
from tocsin.archive.columns import DELIVERIES
from tocsin.archive.files import ParquetArchive
from tocsin.archive.folder import ArchiveFolder
from tocsin.clock import SECOND, SystemClock
from tocsin.errors import TocsinError, Unavailable
from tocsin.node import Node

__all__ = ["Store", "make", "root"]

DAY: Final = 86_400
YEAR: Final = 366 * DAY * SECOND
KILLED: Final = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.integration.mailer import test_archive as t
from tocsin.testing.clock import FakeClock

async def main(url: str, root: str) -> None:
    store = await t.make(url, FakeClock())
    dying = t.Steps(t.archive_of(store), "after commit", lambda: os.kill(os.getpid(), signal.SIGKILL))
    await t.archiver(store, Path(root), store=dying).round(before=store.clock.micros() + t.YEAR)

asyncio.run(main(*sys.argv[1:]))
"""


def archive_of(store: Store, **given: Any) -> SqlDeliveryArchive:
    """The deliveries of a store, in files of three at most."""
    return SqlDeliveryArchive(store.database, key=lambda: b"key of these tests", **{"most": 3, **given})


def archiver(kept: Store, root: Path, *, seen: Seen | None = None, **given: Any) -> Archiver:
    """What archives; ``given`` replaces ``store``, ``files`` or ``leads``."""

    async def leads() -> bool:
        return True

    clock = SystemClock()
    parts: dict[str, Any] = {"store": archive_of(kept), "files": ParquetArchive(root, DELIVERIES), "leads": leads, **given}
    return Archiver(**parts, purging=frozenset, observer=seen or Seen(), clock=clock, new_id=lambda: str(ULID()))


async def fill(store: Store, *, tenants: Sequence[str] = ("t1", "t2/x=y"), days: int = 2, each: int = 4) -> list[str]:
    """Delivered messages of some days of each tenant; their ids."""
    made = list[str]()
    for day in range(days):
        some = [
            new(tenant=tenant, id=f"{tenant}-{day}-{number}", channel="inbox", kept=True) for tenant in tenants for number in range(each)
        ]
        await store.journal.accept(some)
        made += [item.id for item in some]
        await store.clock.advance(DAY)
    return made


async def in_database(store: Store) -> list[str]:
    """Ids of the deliveries that the database has; each with a timeline."""
    async with store.database.read() as connection:
        found = list((await connection.execute(select(deliveries.c.id))).scalars())
        told = set((await connection.execute(select(events.c.delivery))).scalars())
    assert told == set(found)
    return sorted(found)


async def notes(store: Store) -> int:
    """Files that are noted as on their way."""
    async with store.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(archive_parts))).scalar_one()


def in_archive(root: Path) -> list[str]:
    """Ids of what a reader of the archive finds."""
    return sorted(
        row[0] for file in ArchiveFolder(root, DELIVERIES).files() for row in parquet.read_columns(file.path, DELIVERIES, ("id",))
    )


async def test_what_has_ended_and_is_old_moves_by_tenant_and_day(store: Store, root: Path) -> None:
    """What waits stays with its text, and what is not old enough; a second round has nothing to do."""
    ids = await fill(store)
    await store.journal.accept([new(1)])
    before = store.clock.micros()
    await store.clock.advance(DAY)
    await store.journal.accept([new(2, channel="inbox", kept=True)])
    seen = Seen()
    for _ in range(2):
        await archiver(store, root, seen=seen).round(before=before + DAY * SECOND)
        assert (in_archive(root), await in_database(store)) == (sorted(ids), ["d1", "d2"])
        assert (seen.count, seen.failing, await notes(store)) == (len(ids), False, 0)
    found = Counter((file.tenant, file.day.isoformat()) for file in ArchiveFolder(root, DELIVERIES).files())
    assert sorted(found.values()) == [2, 2, 2, 2]
    assert {tenant for tenant, _ in found} == {"t1", "t2/x=y"}
    async with store.database.read() as connection:
        assert list((await connection.execute(select(contents.c.delivery))).scalars()) == ["d1"]


async def test_a_row_tells_what_became_of_it_and_no_secret(store: Store, root: Path) -> None:
    """The timeline in order; no text, no address that is a secret, no subject of the mailer's own messages."""
    hook, text = "https://hooks.example/T0/secret", Content("Subject", "the code is 12345678", "<p>12345678</p>")
    own = new(4, firing="", alarm="", content=Content("12345678 is your code", "12345678"), channel="inbox", kept=True, to="x@example.org")
    hooks = [new(number, channel="webhook", kept=True, to=hook) for number in (2, 3)]
    await store.journal.accept([new(1, content=text, recipient_id="r1", priority=Priority.CRITICAL), *hooks, own])
    (job,) = await store.claim(priority=Priority.CRITICAL)
    await store.journal.settle(settlement(job, SendResult.REFUSED, store.clock))
    await archiver(store, root, store=archive_of(store, most=10)).round(before=store.clock.micros() + YEAR)
    (file,) = ArchiveFolder(root, DELIVERIES).files()
    rows = {row["id"]: row for row in parquet.read_file(file.path, DELIVERIES)}
    dead = rows["d1"]
    assert {name: dead[name] for name in ("firing", "alarm", "channel", "address", "recipient", "subject", "priority", "state")} == {
        "firing": "f1",
        "alarm": "a",
        "channel": "email",
        "address": "ann@example.com",
        "recipient": "r1",
        "subject": "Subject",
        "priority": "CRITICAL",
        "state": "DEAD",
    }
    timeline = json.loads(dead["timeline"])
    assert [(entry["state"], entry["provider"], entry["code"], entry["detail"]) for entry in timeline] == [
        ("ACCEPTED", "", 0, ""),
        ("DEAD", "smtp", 250, "words"),
    ]
    assert rows["d2"]["address"] == rows["d3"]["address"]
    assert rows["d2"]["address"].startswith("hmac-sha256:")
    assert (rows["d4"]["address"], rows["d4"]["subject"]) == ("x@example.org", "")
    told = json.dumps([{**row} for row in rows.values()])
    assert [secret for secret in ("hooks.example", "12345678") if secret in told] == []


@pytest.mark.parametrize(
    "step", ["files after write", "store before commit", "store after commit", "files after publish", "store after forget"]
)
async def test_whoever_dies_at_any_step_loses_nothing_and_doubles_nothing(store: Store, root: Path, step: str) -> None:
    """Each delivery is in the database or in the archive, but for a file that has not its place yet; then all are archived."""
    ids = await fill(store, tenants=("t1",), days=1)
    later = store.clock.micros() + YEAR
    whose, _, when = step.partition(" ")
    dying: dict[str, Any] = {"store": archive_of(store), "files": ParquetArchive(root, DELIVERIES)}
    dying[whose] = Steps(dying[whose], when, killed)
    with pytest.raises(Killed):
        await archiver(store, root, **dying).round(before=later)
    there = [*await in_database(store), *in_archive(root)]
    assert Counter(there).most_common(1)[0][1] == 1
    assert len(ids) - len(there) == (3 if step == "store after commit" else 0)
    await archiver(store, root).round(before=later)
    assert (await in_database(store), in_archive(root)) == ([], sorted(ids))
    assert (ArchiveFolder(root, DELIVERIES).drafts(), await notes(store)) == (set(), 0)


async def test_a_process_that_is_killed_is_followed_by_one_that_goes_on(store: Store, database_url: str, root: Path) -> None:
    """By SIGKILL, with a file whose deliveries have left the database; the next one gives it its place."""
    ids = await fill(store, tenants=("t1",), days=1)
    await store.journal.stop()
    await store.database.stop()
    command = [sys.executable, "-c", KILLED, database_url, str(root)]
    done = await asyncio.to_thread(subprocess.run, command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(ArchiveFolder(root, DELIVERIES).drafts()) == 1
    await store.database.start()
    await archiver(store, root).round(before=store.clock.micros() + YEAR)
    assert (await in_database(store), in_archive(root)) == ([], sorted(ids))


async def test_a_full_disk_drops_nothing_and_is_told(store: Store, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is room, the next round archives everything."""
    ids = await fill(store, tenants=("t1",), days=1)
    seen, later = Seen(), store.clock.micros() + YEAR

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(parquet.os, "fsync", full)
        with pytest.raises(Unavailable, match="No space left on device"):
            await archiver(store, root, seen=seen).round(before=later)
    assert (seen.failing, await in_database(store), in_archive(root)) == (True, sorted(ids), [])
    await archiver(store, root, seen=seen).round(before=later)
    assert (seen.failing, await in_database(store), in_archive(root)) == (False, [], sorted(ids))


async def test_what_is_told_meanwhile_is_not_lost(store: Store, root: Path) -> None:
    """A delivery whose timeline grows after it was read stays with its whole file, and is archived as it is then."""
    ids = await fill(store, tenants=("t1",), days=1, each=2)
    reports = SqlStatusReports(database=store.database, order=store.order)

    async def bounced() -> None:
        told = [StatusReport(kind=ReportKind.NOTED, delivery=ids[0], provider="far", detail="delayed")]
        assert len(await reports.record(told, now=store.clock.micros(), suppressing=lambda _: None)) == 1

    files = Steps(ParquetArchive(root, DELIVERIES), "after write", bounced)
    later = store.clock.micros() + YEAR
    await archiver(store, root, files=files).round(before=later)
    assert (in_archive(root), await in_database(store), await notes(store)) == ([], sorted(ids), 0)
    await archiver(store, root).round(before=later)
    (file,) = ArchiveFolder(root, DELIVERIES).files()
    rows = {row["id"]: json.loads(row["timeline"]) for row in parquet.read_file(file.path, DELIVERIES)}
    assert [entry["detail"] for entry in rows[ids[0]]] == ["", "delayed"]
    assert (sorted(rows), await in_database(store)) == (sorted(ids), [])


async def test_what_is_being_told_is_waited_for(store: Store, root: Path) -> None:
    """Whoever adds to a timeline has the delivery locked: what is not committed yet when the file is, counts."""
    (one,) = await fill(store, tenants=("t1",), days=1, each=1)
    tasks = list[asyncio.Task[None]]()

    async def tell(locked: asyncio.Event) -> None:
        order = ChangeOrder(store.database)
        async with store.database.transaction() as connection:
            await order.restore(connection)
            await connection.execute(select(deliveries.c.id).where(deliveries.c.id == one).with_for_update())
            fixed = {"tenant": "t1", "at": 1, "state": int(DeliveryState.SENT), "attempts": 1, "provider": "p", "code": 0, "detail": "late"}
            await connection.execute(insert(events).values(change=await order.begin(connection), number=0, delivery=one, **fixed))
            locked.set()
            for _ in range(50):
                await asyncio.sleep(0)  # whatever the archiver does meanwhile

    async def begin() -> None:
        locked = asyncio.Event()
        tasks.append(asyncio.create_task(tell(locked)))
        await locked.wait()

    later = store.clock.micros() + YEAR
    await archiver(store, root, store=Steps(archive_of(store), "before commit", begin)).round(before=later)
    await asyncio.gather(*tasks)
    assert (in_archive(root), await in_database(store)) == ([], [one])
    await archiver(store, root).round(before=later)
    assert (in_archive(root), await in_database(store)) == ([one], [])


async def test_replicas_double_nothing_and_one_of_them_leads(store: Store, root: Path) -> None:
    """Three that archive at once, should each believe that it leads; by the lease one does, until it is gone for long."""
    ids = await fill(store, tenants=("t1",), days=1)
    later = store.clock.micros() + YEAR
    told = await asyncio.gather(*(archiver(store, root).round(before=later) for _ in range(3)), return_exceptions=True)
    assert [error for error in told if error is not None and not isinstance(error, Unavailable)] == []
    await archiver(store, root).round(before=later)
    assert (await in_database(store), in_archive(root), await notes(store)) == ([], sorted(ids), 0)
    leases = [SqlArchiveLease(store.database, owner=name, clock=store.clock) for name in "abc"]
    assert [await lease.take() for lease in leases] == [True, False, False]
    await store.clock.advance(299)
    assert [await lease.take() for lease in leases] == [True, False, False], "it prolongs what it has"
    await store.clock.advance(301)
    assert [await leases[place].take() for place in (1, 0, 2, 1)] == [True, False, False, True]


async def test_a_file_is_bounded_by_timelines_too(store: Store, root: Path) -> None:
    """One delivery is always taken, however long its timeline."""
    await fill(store, tenants=("t1",), days=1, each=3)
    await archiver(store, root, store=archive_of(store, most_events=0)).round(before=store.clock.micros() + YEAR)
    assert [parquet.read_count(file.path, DELIVERIES) for file in ArchiveFolder(root, DELIVERIES).files()] == [1, 1, 1]


async def test_housekeeping_archives_instead_of_removing(store: Store, root: Path) -> None:
    """What is older than it is kept moves; while it cannot, it stays, and the rest is removed all the same."""
    ids = await fill(store, tenants=("t1",))
    await store.clock.advance(10 * DAY)
    root.rename(root.with_name("away"))
    retention = Retention(inbox=11 * DAY, deliveries=11 * DAY, rotations=DAY, waiting=DAY, interval=60)
    keeper = DeliveryHousekeeper(
        store=store.housekeeping,
        endings=store.endings,
        channels=("email",),
        clock=store.clock,
        retention=retention,
        archiver=archiver(store, root),
    )
    await keeper.round()
    assert await in_database(store) == sorted(ids)
    assert len(await store.inbox.page(tenant="t1", before=None, limit=10)) == 4
    root.with_name("away").rename(root)
    await keeper.round()
    assert (await in_database(store), in_archive(root)) == (sorted(ids[4:]), sorted(ids[:4]))


async def test_a_deletion_of_a_tenant_reaches_its_deliveries_in_the_archive(store: Store, root: Path, tmp_path: Path) -> None:
    """By the service's own purge: a folder that is away holds it up; then no file of the tenant is left, which is counted; others stay."""
    ids = await fill(store)
    await archiver(store, root).round(before=store.clock.micros() + YEAR)
    assert in_archive(root) == sorted(ids)
    files = len(list(ArchiveFolder(root, DELIVERIES).files("t1")))
    given: Any = {"state_dir": tmp_path, "archive_dir": root}  # the others have their defaults
    settings = MailerSettings(**given)
    node: Any = Node(settings=settings, clock=SystemClock(), jwks=None)
    (remove,) = vars(wired_purger(node, settings, store.database, SystemClock()))["_elsewhere"]
    root.rename(root.with_name("away"))
    with pytest.raises(TocsinError):
        await remove("t1")
    root.with_name("away").rename(root)
    assert [await remove("t1"), await remove("t1")] == [files, 0]
    assert {file.tenant for file in ArchiveFolder(root, DELIVERIES).files()} == {"t2/x=y"}
    assert (await tenant_rows(store.database).counts("t1"))["files/archive"] == files
