"""The first start: once, whole, and whatever dies meanwhile."""

import asyncio
import stat
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from auth_svc.domain import EVERY_SCOPE, OWNER, digest
from auth_svc.journal import SecurityJournal
from auth_svc.passwords import Argon2Passwords
from auth_svc.ports import PasswordCheck
from auth_svc.secret_files import KEY_FILE, PASSWORD_FILE, StateFolder
from auth_svc.service import Installer, SecretFiles
from auth_svc.service.installation import FirstSecrets, SecretsDiffer
from auth_svc.store import AuthStore
from tests.integration.auth.journals import journal_in
from tocsin.clock import Clock
from tocsin.config import ConfigError
from tocsin.database import Database
from tocsin.testing.alerts import RecordedAlerts


class Killed(Exception):
    """Stands for the death of the process."""


class Dying(StateFolder):
    """Writes the files, and dies before the commit."""

    async def write(self, secrets: FirstSecrets) -> None:
        await super().write(secrets)
        raise Killed


class Blind(StateFolder):
    """Does not see, at first, what another replica is about to write."""

    def __init__(self, *, folder: Path) -> None:
        super().__init__(folder=folder)
        self.reads = 0

    async def read(self) -> tuple[str | None, str | None]:
        self.reads += 1
        return (None, None) if self.reads == 1 else await super().read()


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncGenerator[AuthStore]:
    """An empty store."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    yield AuthStore(database=database)
    await database.stop()


@pytest.fixture
async def hasher() -> AsyncIterator[Argon2Passwords]:
    """A hasher with parameters too weak for anything but a test."""
    made = Argon2Passwords(memory_kib=1024, iterations=1, parallelism=1, threads=2, queue=64, share=64, registry=CollectorRegistry())
    await made.start()
    yield made
    await made.stop()


class Site:
    """Makes installers on one store."""

    def __init__(self, *, store: AuthStore, hasher: Argon2Passwords, clock: Clock) -> None:
        self.store = store
        self.hasher = hasher
        self._clock = clock
        self.registry = CollectorRegistry()
        self._journal = SecurityJournal(registry=self.registry, alerts=RecordedAlerts(), audit=journal_in(Path(tempfile.mkdtemp()), clock))

    def installer(self, files: SecretFiles, *, enabled: bool = True) -> Installer:
        return Installer(
            store=self.store,
            hasher=self.hasher,
            files=files,
            log=self._journal,
            clock=self._clock,
            email="admin@example.com",
            enabled=enabled,
        )

    async def assert_valid(self, folder: Path) -> None:
        """What the files hold signs in."""
        found = await self.store.find_key(digest((folder / KEY_FILE).read_text()), now=self._clock.now())
        assert found is not None
        assert (found.key.scopes, found.role) == ({EVERY_SCOPE}, OWNER)
        account = await self.store.find_account("admin@example.com")
        assert account is not None
        assert account.user.role == OWNER
        assert account.tenant.operator
        assert account.tenant.id == found.tenant.id
        assert await self.hasher.verify(account.password_hash, (folder / PASSWORD_FILE).read_text()) is PasswordCheck.RIGHT


@pytest.fixture
def site(store: AuthStore, hasher: Argon2Passwords, clock: Clock) -> Site:
    """The store and what an installer needs beside it."""
    return Site(store=store, hasher=hasher, clock=clock)


async def test_first_start_leaves_two_secrets(site: Site, tmp_path: Path) -> None:
    """Both files are their owner's alone, hold the secret and nothing else, and sign in."""
    await site.installer(StateFolder(folder=tmp_path)).start()
    for name in (KEY_FILE, PASSWORD_FILE):
        path = tmp_path / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == path.read_text().strip()
    await site.assert_valid(tmp_path)
    assert sorted(item.name for item in tmp_path.iterdir() if not item.is_dir()) == [PASSWORD_FILE, KEY_FILE]
    assert site.registry.get_sample_value("tocsin_auth_events_total", {"event": "auth.bootstrapped"}) == 1


async def test_later_starts_change_nothing(site: Site, tmp_path: Path) -> None:
    """Not the files, not the secrets; and a removed file is not made again."""
    await site.installer(StateFolder(folder=tmp_path)).start()
    before = (tmp_path / KEY_FILE).read_text()
    await site.installer(StateFolder(folder=tmp_path)).start()
    assert (tmp_path / KEY_FILE).read_text() == before
    await site.assert_valid(tmp_path)
    (tmp_path / KEY_FILE).unlink()
    await site.installer(StateFolder(folder=tmp_path)).start()
    assert not (tmp_path / KEY_FILE).exists()


async def test_death_before_the_commit_is_made_good(site: Site, tmp_path: Path) -> None:
    """The files are there, their secrets are not valid yet; the next start makes those very secrets valid."""
    with pytest.raises(Killed):
        await site.installer(Dying(folder=tmp_path)).start()
    assert not await site.store.installed()
    before = (tmp_path / KEY_FILE).read_text()
    await site.installer(StateFolder(folder=tmp_path)).start()
    assert (tmp_path / KEY_FILE).read_text() == before
    await site.assert_valid(tmp_path)


async def test_death_between_the_files_is_made_good(site: Site, tmp_path: Path) -> None:
    """One file alone is taken over as well."""
    (tmp_path / PASSWORD_FILE).write_text("a-password-that-was-written")
    await site.installer(StateFolder(folder=tmp_path)).start()
    assert (tmp_path / PASSWORD_FILE).read_text() == "a-password-that-was-written"
    await site.assert_valid(tmp_path)


async def test_survivor_takes_over_what_the_dead_one_wrote(site: Site, tmp_path: Path) -> None:
    """A replica that had drawn other secrets does not overwrite the files; it installs what they hold."""
    with pytest.raises(Killed):
        await site.installer(Dying(folder=tmp_path)).start()
    blind = Blind(folder=tmp_path)
    await site.installer(blind).start()
    assert blind.reads == 2
    await site.assert_valid(tmp_path)


async def test_replicas_on_one_folder_install_once(site: Site, tmp_path: Path) -> None:
    """Eight start together; one tenant, and files that are valid."""
    await asyncio.gather(*(site.installer(StateFolder(folder=tmp_path)).start() for _ in range(8)))
    await site.assert_valid(tmp_path)
    assert site.registry.get_sample_value("tocsin_auth_events_total", {"event": "auth.bootstrapped"}) == 1


async def test_replicas_with_their_own_folders_leave_one_key(site: Site, tmp_path: Path) -> None:
    """Only the one that installed has files: no replica shows a key that does not work."""
    folders = [tmp_path / str(number) for number in range(4)]
    await asyncio.gather(*(site.installer(StateFolder(folder=folder)).start() for folder in folders))
    shown = [folder for folder in folders if (folder / KEY_FILE).exists()]
    assert len(shown) == 1
    await site.assert_valid(shown[0])


async def test_switched_off(site: Site, tmp_path: Path) -> None:
    """Nothing is made."""
    await site.installer(StateFolder(folder=tmp_path), enabled=False).start()
    assert not await site.store.installed()
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize(("name", "content"), [(KEY_FILE, b""), (KEY_FILE, b"tk_typo"), (KEY_FILE, b"\xff\xfe"), (PASSWORD_FILE, b"short")])
async def test_foreign_file_stops_the_start(site: Site, tmp_path: Path, name: str, content: bytes) -> None:
    """A file with something else in it is named, kept, and nothing is installed."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name):
        await site.installer(StateFolder(folder=tmp_path)).start()
    assert (tmp_path / name).read_bytes() == content
    assert not await site.store.installed()


async def test_folder_that_cannot_be_written_stops_the_start(site: Site, tmp_path: Path) -> None:
    """The error is the system's own, with the file's name; nothing is installed."""
    (tmp_path / "taken").write_text("a file in the folder's place")
    with pytest.raises(OSError, match="taken"):
        await site.installer(StateFolder(folder=tmp_path / "taken")).start()
    assert not await site.store.installed()


async def test_write_never_overwrites(tmp_path: Path) -> None:
    """The same secrets again are fine; others are refused."""
    folder = StateFolder(folder=tmp_path)
    await folder.write(FirstSecrets(password="password", key="key"))
    await folder.write(FirstSecrets(password="password", key="key"))
    with pytest.raises(SecretsDiffer):
        await folder.write(FirstSecrets(password="password", key="other"))
    assert (tmp_path / KEY_FILE).read_text() == "key"
