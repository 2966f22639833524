"""The archive of the ledger: what is finished and old leaves the database for files, each firing once, whoever dies at any step."""

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
from google.protobuf.struct_pb2 import Struct
from sqlalchemy import select

from scheduler_svc.domain import FailedAttempt, FiringState, Succeeded
from scheduler_svc.store.archive import SqlArchiveStore
from scheduler_svc.store.tables import firing_ids
from tests.integration.scheduler.archives import DAY, LATER, Killed, Seen, Steps, archiver, fill, in_archive, in_ledger, killed, notes, root
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm, firing
from tocsin.archive import parquet
from tocsin.archive.columns import FIRINGS, ArchiveKind
from tocsin.archive.errors import ArchiveDamaged
from tocsin.archive.files import ParquetArchive
from tocsin.archive.folder import ArchiveFolder
from tocsin.errors import Unavailable

__all__ = ["root"]

KILLED: Final = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.integration.scheduler import archives as t

async def main(url: str, root: str, step: str) -> None:
    stores = t.Stores(url, t.SystemClock())
    await stores.database.start()
    whose, _, when = step.partition(" ")
    parts = {"store": t.SqlArchiveStore(stores.database, most=3), "files": t.ParquetArchive(Path(root), t.FIRINGS)}
    parts[whose] = t.Steps(parts[whose], when, lambda: os.kill(os.getpid(), signal.SIGKILL))
    await t.archiver(stores, Path(root), **parts).round(before=t.LATER)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_is_finished_and_old_moves_by_tenant_and_day(stores: Stores, root: Path) -> None:
    """What waits, and what is not old enough, stays; a second round has nothing to do."""
    ids = await fill(stores)
    waiting, fresh = firing(due=NOW), firing(due=LATER)
    await stores.ledger.enqueue([waiting, fresh], owner=OWNER, held=stores.held)
    await stores.ledger.record(done={fresh.id: Succeeded()}, failed_attempts=(), now=NOW)
    seen = Seen()
    await archiver(stores, root, seen=seen).round(before=LATER + 3600 * SECOND)
    assert sorted(in_archive(root)) == sorted(ids)
    assert await in_ledger(stores) == [waiting.id, fresh.id]
    assert (seen.count, seen.failing, await notes(stores)) == (len(ids), False, 0)
    found = list(ArchiveFolder(root, FIRINGS).files())
    assert Counter((file.tenant, file.day.isoformat()) for file in found) == {
        (tenant, day): 2 for tenant in ("t1", "t2/x=y") for day in ("2026-01-01", "2026-01-02")
    }
    assert {path.name for path in (root / "firings").iterdir()} == {"tenant=t1", "tenant=t2%2Fx%3Dy"}
    async with stores.database.read() as connection:
        left = (await connection.execute(select(firing_ids.c.id))).scalars().all()
    assert sorted(left) == sorted([waiting.id, fresh.id])
    await archiver(stores, root, seen=seen).round(before=LATER + 3600 * SECOND)
    assert (list(ArchiveFolder(root, FIRINGS).files()), seen.count) == (found, len(ids))


async def test_a_row_tells_what_the_firing_was(stores: Stores, root: Path) -> None:
    """An occurrence that fired late and failed, a task with its answer; what cannot be read is kept as it is."""
    late = alarm(due=NOW)
    await stores.add(late)
    (fired,) = (await stores.fire((late.id, NOW), now=NOW + 5 * SECOND)).queued_firings
    dead = FailedAttempt(firing=fired.id, state=FiringState.DEAD, attempts=3, ready=None, reason="HANDLER_FAILED", error="é: no")
    await stores.ledger.record(done={}, failed_attempts=[dead], now=NOW + 9 * SECOND)
    answer = Struct()
    answer.update({"ok": True, "über": [1, 2.5]})
    tasks = [firing(due=NOW + SECOND, context=b"\xff\xff"), firing(due=NOW + 2 * SECOND)]
    await stores.ledger.enqueue(tasks, owner=OWNER, held=stores.held)
    await stores.ledger.record(
        done={tasks[0].id: Succeeded(output=answer.SerializeToString()), tasks[1].id: Succeeded()}, failed_attempts=(), now=NOW + 3 * SECOND
    )
    await archiver(stores, root).round(before=LATER)
    (file,) = ArchiveFolder(root, FIRINGS).files()
    first, second, third = parquet.read_file(file.path, FIRINGS)
    assert {
        name: first[name] for name in ("id", "tenant", "alarm", "origin", "outcome", "reason", "state", "attempts", "error", "kind")
    } == {
        "id": fired.id,
        "tenant": "t1",
        "alarm": late.id,
        "origin": "SCHEDULE",
        "outcome": "FAILED",
        "reason": "HANDLER_FAILED",
        "state": "DEAD",
        "attempts": 3,
        "error": "é: no",
        "kind": "task",
    }
    assert (first["due_time"], first["fire_time"], first["complete_time"]) == (NOW, NOW + 5 * SECOND, NOW + 9 * SECOND)
    assert bytes(first["action"]) == late.action.body
    assert json.loads(second["result"]) == {"ok": True, "über": [1, 2.5]}
    assert (json.loads(second["context"]), second["alarm"], second["origin"]) == ({"unreadable": "//8="}, "", "ADHOC")
    assert (third["result"], third["context"], third["failed"], third["priority"]) == (None, None, None, "NORMAL")


STEPS: Final = (
    *("store before reserve", "store after reserve", "files before write", "files after write", "store before commit"),
    *("store after commit", "files before publish", "files after publish", "store before forget", "store after forget"),
)


@pytest.mark.parametrize("step", STEPS)
async def test_whoever_dies_at_any_step_loses_nothing_and_doubles_nothing(stores: Stores, root: Path, step: str) -> None:
    """Each firing is in the ledger or in the archive at every moment, but for a file that has not its place yet; then all are archived."""
    ids = await fill(stores, tenants=("t1",), days=1)
    whose, _, when = step.partition(" ")
    dying: dict[str, Any] = {
        "store": SqlArchiveStore(stores.database, most=3),
        "files": ParquetArchive(root, FIRINGS),
    }
    dying[whose] = Steps(dying[whose], when, killed)
    with pytest.raises(Killed):
        await archiver(stores, root, **dying).round(before=LATER)
    there = [*await in_ledger(stores), *in_archive(root)]
    unplaced = step in ("store after commit", "files before publish")
    assert Counter(there).most_common(1)[0][1] == 1
    assert len(ids) - len(there) == (3 if unplaced else 0)
    (root / ".drafts").mkdir(exist_ok=True)
    (root / ".drafts" / "half.parquet").write_bytes(b"PAR1")
    seen = Seen()
    await archiver(stores, root, seen=seen).round(before=LATER)
    assert (await in_ledger(stores), sorted(in_archive(root))) == ([], sorted(ids))
    assert (list((root / ".drafts").iterdir()), await notes(stores), seen.failing) == ([], 0, False)


async def test_a_process_that_is_killed_goes_on(stores: Stores, database_url: str, root: Path) -> None:
    """By SIGKILL, with a file whose firings have left the ledger; the next one gives it its place."""
    ids = await fill(stores, tenants=("t1",), days=1)
    await stores.database.stop()
    command = [sys.executable, "-c", KILLED, database_url, str(root), "store after commit"]
    done = await asyncio.to_thread(subprocess.run, command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list((root / ".drafts").iterdir())) == 1
    await stores.database.start()
    await archiver(stores, root).round(before=LATER)
    assert (await in_ledger(stores), sorted(in_archive(root))) == ([], sorted(ids))


async def test_a_full_disk_drops_nothing_and_is_told(stores: Stores, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written of the file is gone at once; when there is room, the next round archives everything."""
    ids = await fill(stores, tenants=("t1",), days=1)
    seen = Seen()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(parquet.os, "fsync", full)
        with pytest.raises(Unavailable, match="No space left on device"):
            await archiver(stores, root, seen=seen).round(before=LATER)
    assert seen.failing
    assert sorted(await in_ledger(stores)) == sorted(ids)
    assert list(root.rglob("*.parquet")) == []
    await archiver(stores, root, seen=seen).round(before=LATER)
    assert (await in_ledger(stores), sorted(in_archive(root)), seen.failing) == ([], sorted(ids), False)


async def test_a_folder_that_is_away_is_not_made_anew(stores: Stores, root: Path) -> None:
    """It may be a disk that is not there yet: nothing is written into its place, and nothing is dropped."""
    ids = await fill(stores, tenants=("t1",), days=1)
    root.rmdir()
    with pytest.raises(Unavailable, match="is no folder"):
        await archiver(stores, root).round(before=LATER)
    assert (root.exists(), sorted(await in_ledger(stores))) == (False, sorted(ids))
    with pytest.raises(Unavailable):
        await ParquetArchive(root, FIRINGS).remove_tenant("t1")


async def test_a_file_that_does_not_hold_what_was_written_takes_nothing(
    stores: Stores, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read back before anything leaves the ledger."""
    ids = await fill(stores, tenants=("t1",), days=1)

    def other(path: Path, kind: ArchiveKind, names: Sequence[str]) -> Any:
        return iter(())

    with monkeypatch.context() as patched:
        patched.setattr(parquet, "read_columns", other)
        with pytest.raises(ArchiveDamaged):
            await archiver(stores, root).round(before=LATER)
    assert (sorted(await in_ledger(stores)), in_archive(root)) == (sorted(ids), [])


async def test_a_firing_that_is_replayed_meanwhile_stays(stores: Stores, root: Path) -> None:
    """Its file is given up with all that is in it; when it has ended again, it is archived as it is then, once."""
    ids = await fill(stores, tenants=("t1",), days=1, each=2)
    dead = firing(due=NOW + DAY - SECOND)
    await stores.ledger.enqueue([dead], owner=OWNER, held=stores.held)
    gone = FailedAttempt(firing=dead.id, state=FiringState.DEAD, attempts=1, ready=None, reason="HANDLER_FAILED", error="no")
    await stores.ledger.record(done={}, failed_attempts=[gone], now=NOW)

    async def replayed() -> None:
        assert await stores.ledger.replay("t1", dead.id, now=LATER, shard=dead.shard, owner=OWNER, held=stores.held) is not None

    files = Steps(ParquetArchive(root, FIRINGS), "after write", replayed)
    await archiver(stores, root, files=files).round(before=LATER)
    assert (in_archive(root), sorted(await in_ledger(stores))) == ([], sorted([*ids, dead.id]))
    assert (list((root / ".drafts").iterdir()), await notes(stores)) == ([], 0)
    await archiver(stores, root).round(before=LATER)
    assert (sorted(in_archive(root)), await in_ledger(stores)) == (sorted(ids), [dead.id])
    await stores.ledger.record(done={dead.id: Succeeded()}, failed_attempts=(), now=LATER)
    await archiver(stores, root).round(before=LATER)
    assert (sorted(in_archive(root)), await in_ledger(stores)) == (sorted([*ids, dead.id]), [])


async def test_replicas_that_archive_at_once_double_nothing(stores: Stores, root: Path) -> None:
    """Only the owner of the first shard archives; should two believe that they are, each firing still is in one file."""
    ids = await fill(stores, tenants=("t1",), days=1)
    rounds = [archiver(stores, root).round(before=LATER) for _ in range(3)]
    told = await asyncio.gather(*rounds, return_exceptions=True)
    assert [error for error in told if error is not None and not isinstance(error, Unavailable)] == []
    await archiver(stores, root).round(before=LATER)
    assert (await in_ledger(stores), sorted(in_archive(root))) == ([], sorted(ids))
    assert (list((root / ".drafts").iterdir()), await notes(stores)) == ([], 0)


async def test_a_replica_that_wakes_finds_its_file_given_up(stores: Stores, root: Path) -> None:
    """Frozen between its file and its transaction, while another one archived everything."""
    ids = await fill(stores, tenants=("t1",), days=1)

    async def meanwhile() -> None:
        await archiver(stores, root).round(before=LATER)

    files = Steps(ParquetArchive(root, FIRINGS), "after write", meanwhile)
    await archiver(stores, root, files=files).round(before=LATER)
    assert (await in_ledger(stores), sorted(in_archive(root))) == ([], sorted(ids))
    assert (list((root / ".drafts").iterdir()), await notes(stores)) == ([], 0)


async def test_who_does_not_lead_archives_nothing_nor_what_is_being_purged(stores: Stores, root: Path) -> None:
    """And what was failing is no longer this replica's fault."""
    ids = await fill(stores)
    seen = Seen()
    seen.failing = True
    await archiver(stores, root, seen=seen, leads=False).round(before=LATER)
    assert (in_archive(root), seen.failing) == ([], False)
    await archiver(stores, root, purging=("t1",)).round(before=LATER)
    assert {file.tenant for file in ArchiveFolder(root, FIRINGS).files()} == {"t2/x=y"}
    assert sorted(await in_ledger(stores, ("t1",))) == sorted(ids[:8])
    assert await ParquetArchive(root, FIRINGS).remove_tenant("t2/x=y") == 4
    assert (await ParquetArchive(root, FIRINGS).remove_tenant("t2/x=y"), in_archive(root)) == (0, [])


async def test_a_file_is_bounded_by_bytes_too(stores: Stores, root: Path) -> None:
    """One firing is always taken, however large."""
    await fill(stores, tenants=("t1",), days=1, each=3)
    await archiver(stores, root, store=SqlArchiveStore(stores.database, most_bytes=1)).round(before=LATER)
    assert [parquet.read_count(file.path, FIRINGS) for file in ArchiveFolder(root, FIRINGS).files()] == [1, 1, 1]


async def test_a_file_that_somebody_took_away_holds_nobody_up(stores: Stores, root: Path) -> None:
    """Between its rename and the end of its note: what is left goes on."""
    ids = await fill(stores, tenants=("t1",), days=1)

    def taken() -> None:
        for path in root.rglob("*.parquet"):
            path.unlink()
        raise Killed

    with pytest.raises(Killed):
        await archiver(stores, root, store=Steps(SqlArchiveStore(stores.database, most=3), "before forget", taken)).round(before=LATER)
    await archiver(stores, root).round(before=LATER)
    assert (in_archive(root), await in_ledger(stores), await notes(stores)) == ([ids[3]], [], 0)
