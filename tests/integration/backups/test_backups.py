"""`tocsin backup` and `tocsin restore` on SQLite: one instant, everything that counts, all or nothing."""

import itertools
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.backups.places import FILES, GAP, SERVICES, at, execute, make_state, names_in, note, noted
from tocsin.backups.making import make_backup, verify_backup
from tocsin.backups.manifest import BackupFailed, BackupUnfit, RestoreRefused
from tocsin.backups.restoring import restore_backup
from tocsin.backups.sqlite import one_instant
from tocsin.clock import SystemClock
from tocsin.database import current, downgrade
from tocsin.last_backup import last_backup_seconds
from tocsin.stack.stack_file import StackRunning, locked
from tocsin.testing.clock import FakeClock
from tocsin.unfinished_restore import FILE, RestoreGuard, RestoreUnfinished

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """An installation that has run."""
    return await make_state(tmp_path / "state")


async def test_what_is_backed_up_is_restored(state: Path, tmp_path: Path, clock: FakeClock) -> None:
    """Databases, spools, keys, certificates and what the audit log lacks; not logs and copies. For the owner alone."""
    made = await make_backup(at(state), tmp_path / "a.tar", clock=clock)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert made.size == made.path.stat().st_size
    assert last_backup_seconds(state) == clock.now().timestamp()
    assert verify_backup(made.path) == made.manifest
    note(state, "scheduler_svc", "after")
    done = await restore_backup(at(tmp_path / "other"), made.path, clock=clock)
    databases = {f"{service}.db" for service in SERVICES} | {"gateway-spool.db", "gateway-spool-2.db"}
    assert (done.replaced, done.asides, done.migrated) == ((), (), {})
    assert names_in(tmp_path / "other") == {*databases, *FILES, "stack.lock"}
    assert noted(tmp_path / "other", "scheduler_svc") == ["before"]
    assert all((tmp_path / "other" / name).read_bytes() == data for name, data in FILES.items())
    assert {stat.S_IMODE((tmp_path / "other" / name).stat().st_mode) for name in [*FILES, *databases]} == {0o600}
    assert (
        await current(url=f"sqlite:///{tmp_path / 'other' / 'mailer_svc.db'}", schema=None)
        == made.manifest.databases["mailer_svc"].revision
    )


async def test_numbers_of_changes_go_on_beyond_those_of_before(state: Path, tmp_path: Path, clock: FakeClock) -> None:
    """A token from after the backup is behind everything that happens after the restore; nobody owns a shard, and old owners are fenced."""
    execute(state / "scheduler_svc.db", "UPDATE counters SET value = 7 WHERE name = 'change'")
    execute(state / "scheduler_svc.db", "UPDATE shards SET owner = 'old', epoch = 3, lease_until = 9")
    versions = {name: execute(state / f"{name}.db", query)[0][0] for name, query in BOOKS.items()}
    made = await make_backup(at(state), tmp_path / "a.tar", clock=clock)
    await restore_backup(at(tmp_path / "other"), made.path, clock=clock)
    other = tmp_path / "other"
    assert execute(other / "scheduler_svc.db", "SELECT value FROM counters WHERE name = 'change'") == [(7 + GAP,)]
    assert execute(other / "scheduler_svc.db", "SELECT DISTINCT owner, lease_until, epoch > 1000 FROM shards") == [("", 0, 1)]
    assert execute(other / "mailer_svc.db", "SELECT value >= ? FROM changes", GAP) == [(1,)]
    for name, query in BOOKS.items():
        assert execute(other / f"{name}.db", query)[0][0] > versions[name] + 1_000_000


BOOKS = {"auth_svc": "SELECT version FROM tenant_book", "processor_svc": "SELECT version FROM pii_version"}


async def test_all_files_are_of_one_instant(state: Path, tmp_path: Path) -> None:
    """While something is handed from one database to the next, again and again, it is never in none of them, or in the later alone."""
    for service in ("scheduler_svc", "mailer_svc"):
        execute(state / f"{service}.db", "CREATE TABLE handed (number INTEGER)")
        execute(state / f"{service}.db", "INSERT INTO handed VALUES (0)")
    stop = threading.Event()

    def hand_over() -> None:
        for number in itertools.count(1):
            for service in ("scheduler_svc", "mailer_svc"):
                execute(state / f"{service}.db", "UPDATE handed SET number = ?", number)
            if stop.is_set():
                return

    writer = threading.Thread(target=hand_over)
    writer.start()
    try:
        for number in range(5):
            made = await make_backup(at(state), tmp_path / f"{number}.tar", clock=SystemClock())
            await restore_backup(at(tmp_path / f"other-{number}"), made.path, clock=SystemClock())
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        first, second = (
            execute(tmp_path / f"other-{number}" / f"{service}.db", "SELECT number FROM handed")[0][0]
            for service in ("scheduler_svc", "mailer_svc")
        )
        assert second <= first <= second + 1


def test_who_opens_and_closes_a_file_meanwhile_ends_no_backup(tmp_path: Path) -> None:
    """SQLite asks to be alone with a file that is closed: for that moment nobody new may read it, who else would find it locked."""
    file, stop, instants = tmp_path / "some.db", threading.Event(), 0
    execute(file, "PRAGMA journal_mode = WAL")

    def come_and_go() -> None:
        while not stop.is_set():
            with suppress(sqlite3.OperationalError):
                execute(file, "SELECT count(*) FROM sqlite_schema")

    others = [threading.Thread(target=come_and_go) for _ in range(2)]
    for other in others:
        other.start()
    try:
        for _ in range(500):
            with one_instant([file], lambda: None, clock=SystemClock()):
                instants += 1
    finally:
        stop.set()
        for other in others:
            other.join()
    assert instants == 500


async def test_a_journal_that_is_told_meanwhile_is_kept(
    state: Path, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entries may not be in the audit log as of that instant; the log takes them once, however often they are told."""
    from tocsin.backups import sqlite

    copy, journal = sqlite.copy_to, state / "audit_log" / "auth_svc" / "0a.journal"

    def told(reader: object, file: Path) -> None:
        journal.unlink(missing_ok=True)
        copy(reader, file)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite, "copy_to", told)
    made = await make_backup(at(state), tmp_path / "a.tar", clock=clock)
    await restore_backup(at(tmp_path / "other"), made.path, clock=clock)
    assert (tmp_path / "other" / "audit_log" / "auth_svc" / "0a.journal").read_bytes() == b"entries that wait"


async def test_what_is_there_is_replaced_only_when_asked(state: Path, tmp_path: Path, clock: FakeClock) -> None:
    """The refusal names everything; with force the old things are kept aside, and no copy of what others said stays."""
    made = await make_backup(at(state), tmp_path / "a.tar", clock=clock)
    note(state, "scheduler_svc", "after")
    with pytest.raises(RestoreRefused) as refused:
        await restore_backup(at(state), made.path, clock=clock)
    for name in ("scheduler_svc.db", "gateway-spool-2.db", "secret-key", "audit_log", "--force"):
        assert name in refused.value.message
    assert noted(state, "scheduler_svc") == ["before", "after"]
    done = await restore_backup(at(state), made.path, clock=clock, force=True)
    assert noted(state, "scheduler_svc") == ["before"]
    (aside,) = done.asides
    assert noted(aside, "scheduler_svc") == ["before", "after"]
    assert (aside / "tenants" / "gateway.bin").exists()
    assert not (state / "tenants").exists()
    assert not list(state.glob(".restore-*"))
    assert not (state / FILE).exists()


async def test_another_installation_is_named(state: Path, tmp_path: Path, clock: FakeClock) -> None:
    """One is told that what would be replaced is not what was backed up."""
    made = await make_backup(at(state), tmp_path / "a.tar", clock=clock)
    other = await make_state(tmp_path / "other")
    (other / "secret-key").write_text("another secret of an installation")
    with pytest.raises(RestoreRefused, match="belongs to another installation"):
        await restore_backup(at(other), made.path, clock=clock)


async def test_nothing_is_restored_under_running_services(state: Path, tmp_path: Path, clock: FakeClock) -> None:
    """Not under a stack of this folder, and not under a service by itself that has a file open, not even with force."""
    made = await make_backup(at(state), tmp_path / "a.tar", clock=clock)
    with locked(state), pytest.raises(StackRunning):
        await restore_backup(at(state), made.path, clock=clock, force=True)
    import sqlite3
    from contextlib import closing

    for name in ("mailer_svc.db", "gateway-spool.db"):
        with closing(sqlite3.connect(state / name)) as used:
            used.execute("PRAGMA journal_mode = WAL").fetchone()
            used.execute("SELECT 1 FROM sqlite_schema").fetchall()
            with pytest.raises(RestoreRefused, match="in use"):
                await restore_backup(at(state), made.path, clock=clock, force=True)
    assert noted(state, "scheduler_svc") == ["before"]


@pytest.mark.parametrize("failing", range(1, 40, 6))
async def test_a_restore_that_fails_on_the_way_changes_nothing(
    state: Path, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Whichever rename fails, all is as before, with nothing left over."""
    made = await make_backup(at(state), tmp_path / "a.tar", clock=clock)
    note(state, "scheduler_svc", "after")
    before = names_in(state) | {"stack.lock"}
    monkeypatch.setattr(Path, "rename", breaks_at(failing, Path.rename))
    try:
        await restore_backup(at(state), made.path, clock=clock, force=True)
    except OSError:
        monkeypatch.undo()
        assert names_in(state) == before
        assert noted(state, "scheduler_svc") == ["before", "after"]
    else:
        assert failing > 20, "there are not so many renames"


def breaks_at(number: int, rename: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    """A rename whose ``number``-th call fails."""
    calls = itertools.count(1)

    def renamed(self: Path, target: Path) -> Path:
        if next(calls) == number:
            raise OSError(16, "Device or resource busy", str(self))
        return rename(self, target)

    return renamed


async def test_a_restore_that_was_killed_holds_services_up(
    state: Path, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No service starts on half of a backup; the next restore mends it."""
    made = await make_backup(at(state), tmp_path / "a.tar", clock=clock)
    (state / FILE).write_text("as a process leaves it that was killed here")
    (state / "auth_svc.db").unlink()
    with pytest.raises(RestoreUnfinished, match="restore --force"):
        await RestoreGuard(state).start()
    await restore_backup(at(state), made.path, clock=clock, force=True)
    await RestoreGuard(state).start()


async def test_an_older_schema_is_migrated(state: Path, tmp_path: Path, clock: FakeClock) -> None:
    """A backup of an older version is restored and brought up to date, before anything takes its place."""
    newest = await current(url=f"sqlite:///{state / 'mailer_svc.db'}", schema=None)
    await downgrade(url=f"sqlite:///{state / 'mailer_svc.db'}", schema=None, package="mailer_svc", revision="-1")
    made = await make_backup(at(state), tmp_path / "a.tar", clock=clock)
    done = await restore_backup(at(tmp_path / "other"), made.path, clock=clock)
    assert done.migrated == {"mailer_svc": f"{made.manifest.databases['mailer_svc'].revision} to {newest}"}
    assert await current(url=f"sqlite:///{tmp_path / 'other' / 'mailer_svc.db'}", schema=None) == newest


SECRET = {"TOCSIN_SECRET_KEY": "0123456789abcdefghijklmnopqrstuv"}


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        (SECRET, {}, "TOCSIN_SECRET_KEY is not set"),
        (SECRET, {"TOCSIN_SECRET_KEY": "x" * 40}, "TOCSIN_SECRET_KEY is another one"),
        ({}, {"TOCSIN_TRUST_DOMAIN": "example.org"}, "TOCSIN_TRUST_DOMAIN was 'tocsin.local'"),
        ({}, {"TOCSIN_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "backed up from SQLite, and its settings name PostgreSQL"),
    ],
)
async def test_a_place_that_does_not_fit_is_refused(
    state: Path, tmp_path: Path, clock: FakeClock, there: dict[str, str], here: dict[str, str], words: str
) -> None:
    """Before anything is made there."""
    made = await make_backup(at(state, **there), tmp_path / "a.tar", clock=clock)
    with pytest.raises(BackupUnfit, match=words):
        await restore_backup(at(tmp_path / "other", **here), made.path, clock=clock)
    assert not (tmp_path / "other").exists()


async def test_the_newest_are_kept(state: Path, tmp_path: Path, clock: FakeClock) -> None:
    """In a folder backups are named by their time, and old ones go only once a new one is there; other files stay."""
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "tocsin-notes.tar").write_text("not ours")
    for _ in range(3):
        await clock.advance(60)
        await make_backup(at(state), folder, clock=clock, keep=2)
    await clock.advance(60)
    made = await make_backup(at(state), folder, clock=clock, keep=2)
    assert len(made.removed) == 1
    assert sorted(path.name for path in folder.iterdir())[-1] == "tocsin-notes.tar"
    assert len(list(folder.iterdir())) == 3
    assert made.path in folder.iterdir()


async def test_what_cannot_be_backed_up_is_said(state: Path, tmp_path: Path, clock: FakeClock) -> None:
    """No installation, a database that is gone, a link in place of a key, a file in the way: nothing is left of the archive."""
    target = tmp_path / "backups" / "a.tar"
    target.parent.mkdir()
    with pytest.raises(BackupFailed, match="no installation"):
        await make_backup(at(tmp_path / "nowhere"), target, clock=clock)
    (state / "keys" / "old.pem").symlink_to(state / "secret-key")
    with pytest.raises(BackupFailed, match="is a link"):
        await make_backup(at(state), target, clock=clock)
    (state / "keys" / "old.pem").unlink()
    (state / "processor_svc.db").rename(tmp_path / "gone")
    with pytest.raises(BackupFailed, match=r"processor_svc\.db, the database of processor_svc, does not exist"):
        await make_backup(at(state), target, clock=clock)
    (tmp_path / "gone").rename(state / "processor_svc.db")
    with pytest.raises(BackupFailed, match="--keep needs a folder"):
        await make_backup(at(state), target, clock=clock, keep=1)
    target.write_text("mine")
    with pytest.raises(BackupFailed, match="never replaces"):
        await make_backup(at(state), target, clock=clock)
    assert [path.name for path in target.parent.iterdir()] == ["a.tar"]
    assert target.read_text() == "mine"
