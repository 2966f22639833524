"""Restoring a backup: everything is checked and made ready beside its place, then takes it, all or nothing."""

import asyncio
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile, mkdtemp
from typing import Final

from tocsin.backups import postgres, sqlite
from tocsin.backups.archive import ArchiveReader, reading
from tocsin.backups.installation import CACHES, JOURNALS, KEPT, BackedUpInstallation, ServiceDatabase
from tocsin.backups.making import DATABASES, STATE
from tocsin.backups.manifest import BackupDamaged, BackupTooNew, BackupUnfit, DatabaseBackup, Manifest, RestoreIncomplete, RestoreRefused
from tocsin.backups.swap import Replacement, Swap, marked, with_logs
from tocsin.clock import Clock
from tocsin.database import migrate
from tocsin.database.migration import migrations_of, newest_revision
from tocsin.stack.stack_file import locked

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_SPOOLS_OF: Final = "gateway"
_HOOK: Final = "after_restore.sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored.

    Attributes:
        manifest: of the backup.
        replaced: what was there before, in words; empty if nothing was.
        asides: the folders in which what was replaced is kept; none if nothing was, or nothing in the state folders.
        migrated: revisions of older schemas that were brought up to date, by service.
    """

    manifest: Manifest
    replaced: tuple[str, ...]
    asides: tuple[Path, ...]
    migrated: Mapping[str, str]


@dataclass(slots=True)
class _RestorePlan:
    """What is to be done, as far as it is known."""

    files: list[Replacement] = field(default_factory=list[Replacement])
    dumps: dict[str, Path] = field(default_factory=dict[str, Path])
    targets: dict[str, postgres.RestoreTarget] = field(default_factory=dict[str, postgres.RestoreTarget])
    replaced: list[str] = field(default_factory=list[str])
    migrated: dict[str, str] = field(default_factory=dict[str, str])


async def restore_backup(installation: BackedUpInstallation, path: Path, *, clock: Clock, force: bool = False) -> Restored:
    """Restores an archive to where the settings point.

    Args:
        installation: the place.
        path: of the archive.
        clock: names what is put aside.
        force: replace what is there.

    Raises:
        BackupDamaged: the archive is not whole, or not ours.
        BackupTooNew: it, or a schema in it, is newer than this version.
        BackupUnfit: it is of other kinds of databases, of another secret, or a schema is too old.
        RestoreRefused: something is there, and ``force`` is not given; or services are running.
        StackRunning: a stack runs on the state folder.
        ProgramMissing: a program of PostgreSQL is missing.
        OSError: the disk is full or fails; nothing was changed.
    """
    with reading(path) as found:
        _check_fit(installation, found.manifest, force=force)
        with ExitStack() as held:
            for folder in installation.homes:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in installation.folders:
                held.enter_context(locked(folder))
            return await _Restore(installation, found, clock, force=force).run()


class _Restore:
    """One restore under way."""

    def __init__(self, installation: BackedUpInstallation, found: ArchiveReader, clock: Clock, *, force: bool) -> None:
        self._installation = installation
        self._found = found
        self._manifest = found.manifest
        self._force = force
        self._stamp = f"{clock.now():{_STAMP}}"
        self._plan = _RestorePlan()
        self._stages: dict[Path, Path] = {}

    async def run(self) -> Restored:
        """Does it."""
        stores = {store.service: store for store in self._installation.stores}
        for store in stores.values():
            await self._look_at(store)
        self._look_at_files()
        if self._plan.replaced and not self._force:
            raise RestoreRefused(self._refusal())
        with self._staging(), ExitStack() as loads:
            self._stage_state()
            for service, backup in self._manifest.databases.items():
                await self._stage_database(stores[service], backup)
            open_loads = [
                loads.enter_context(self._loaded(stores[service], self._plan.targets[service], dump))
                for service, dump in self._plan.dumps.items()
            ]
            asides = self._take_places(open_loads)
        await self._migrate_servers(stores)
        return Restored(manifest=self._manifest, replaced=tuple(self._plan.replaced), asides=asides, migrated=self._plan.migrated)

    async def _look_at(self, store: ServiceDatabase) -> None:
        if store.kind == "sqlite":
            if sqlite.in_use(store.file):
                raise RestoreRefused(f"{store.file} is in use by another process: stop the services first")
            if store.file.exists():
                self._plan.replaced.append(self._name(store.file))
            return
        target = self._plan.targets[store.service] = await postgres.look_at(store)
        postgres.refuse_sessions(store, target)
        for program in ("pg_restore", "psql"):
            postgres.program_of(program, target.server)
        wanted = self._manifest.databases[store.service].server
        if wanted > target.server:
            raise BackupUnfit(f"{store.service} was backed up from PostgreSQL {wanted}; the server here is the older {target.server}")
        if target.relations:
            self._plan.replaced.append(f"schema {store.schema} of {store.service} with {target.relations} tables and indexes")

    def _look_at_files(self) -> None:
        existing = self._installation.spools()
        for path in existing.values():
            if sqlite.in_use(path):
                raise RestoreRefused(f"{path} is in use by another process: stop the gateway first")
        self._plan.replaced += [self._name(path) for path in existing.values()]
        self._plan.replaced += [self._name(path) for path in self._installation.places((*KEPT, JOURNALS)) if path.exists()]

    def _name(self, path: Path) -> str:
        """What people call a file: its path in the state folder, if it is there."""
        state = self._installation.state
        return str(path.relative_to(state) if path.is_relative_to(state) else path)

    def _refusal(self) -> str:
        words = f"{self._installation.state} is not empty"
        here = self._installation.identity
        if here and here != self._manifest.installation:
            words = f"{self._installation.state} belongs to another installation than the backup"
        return "\n".join([f"{words}. --force replaces these:", *(f"  {each}" for each in self._plan.replaced)])

    @contextmanager
    def _staging(self) -> Generator[None]:
        """Folders for files on their way, on the disk of each state folder."""
        try:
            for home in self._installation.homes:
                self._stages[home] = Path(mkdtemp(dir=home, prefix=".restore-"))
            yield
        finally:
            for folder in self._stages.values():
                shutil.rmtree(folder, ignore_errors=True)
            for each in self._plan.files:  # those that were to go elsewhere
                for path in with_logs(each.staged):
                    path.unlink(missing_ok=True)

    def _stage_state(self) -> None:
        for member in self._manifest.members:
            head, *rest = PurePosixPath(member.name).parts
            if head == DATABASES:
                continue
            if head != STATE or not rest or not self._installation.may_hold(rest):
                raise BackupDamaged(f"the backup has a member that none has: {member.name}")
            target = self._installation.state.joinpath(*rest)
            home = self._installation.home(target) or self._installation.state
            self._extract(member.name, self._stages[home] / STATE / target.relative_to(home), target)
        for place, name in self._manifest.spools.items():
            target = self._installation.spool_at(int(place))
            self._extract(name, self._beside(target), target)

    def _extract(self, name: str, staged: Path, target: Path) -> None:
        staged.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with staged.open("xb") as out:
            os.fchmod(out.fileno(), self._found.mode(name))
            self._found.extract(name, out)
            out.flush()
            os.fsync(out.fileno())
        self._plan.files.append(Replacement(staged=staged, target=target))

    async def _stage_database(self, store: ServiceDatabase, backup: DatabaseBackup) -> None:
        if store.kind == "postgresql":
            dump = self._stages[self._installation.folders[0]] / f"{store.service}.dump"
            with dump.open("xb") as out:
                await asyncio.to_thread(self._found.extract, backup.member, out)
            self._plan.dumps[store.service] = dump
            return
        staged = self._beside(store.file)
        await asyncio.to_thread(self._extract, backup.member, staged, store.file)
        if not self._is_current(store.service):
            await migrate(url=f"sqlite:///{staged}", schema=None, package=store.service)
            self._note_migrated(store.service)
        await asyncio.to_thread(sqlite.run_script, staged, _hook(store.service))

    @contextmanager
    def _loaded(self, store: ServiceDatabase, target: postgres.RestoreTarget, dump: Path) -> Generator[postgres.SchemaLoad]:
        """A schema that is restored, but for its commit."""
        with TemporaryFile() as errors, postgres.loading(store, server=target.server, errors=errors) as load:
            load.begin(exists=target.exists)
            script = _hook(store.service) if self._is_current(store.service) else ""  # it knows the tables of today
            load.run(postgres.restoring_line(store, dump, server=target.server), script)
            yield load

    def _beside(self, target: Path) -> Path:
        """Where a file waits for its place: on the same disk."""
        home = self._installation.home(target)
        if home is not None:
            return self._stages[home] / target.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        stage = self._stages[self._installation.folders[0]]
        return target.with_name(f".{target.name}.{stage.name.removeprefix('.')}")

    def _take_places(self, loads: list[postgres.SchemaLoad]) -> tuple[Path, ...]:
        """From here on everything is on the disk; what can still fail is a rename, and a server that dies at a commit."""
        databases = [store.file for store in self._installation.stores if store.kind == "sqlite"]
        files = [path for file in (*databases, *self._installation.spools().values()) for path in with_logs(file)]
        old = [*files, *self._installation.places((*KEPT, JOURNALS, *CACHES))]
        swap = Swap(self._installation.homes, stamp=self._stamp)
        with ExitStack() as marks:
            for folder in self._installation.folders:
                marks.enter_context(marked(folder))
            swap.do(old=old, new=self._plan.files)
            for number, load in enumerate(loads):
                try:
                    load.commit()
                except postgres.LoadFailed as error:
                    if number:
                        raise RestoreIncomplete(
                            f"Some databases are restored and some are not: {error.message}. Run `tocsin restore --force` again."
                        ) from error
                    swap.undo()
                    raise
        return swap.asides

    async def _migrate_servers(self, stores: Mapping[str, ServiceDatabase]) -> None:
        for service in self._plan.dumps:
            if not self._is_current(service):
                store = stores[service]
                await migrate(url=store.url, schema=store.schema, package=service)
                await postgres.execute(store, _hook(service))
                self._note_migrated(service)

    def _is_current(self, service: str) -> bool:
        return self._manifest.databases[service].revision == newest_revision(migrations_of(service))

    def _note_migrated(self, service: str) -> None:
        before = self._manifest.databases[service].revision or "empty"
        self._plan.migrated[service] = f"{before} to {newest_revision(migrations_of(service))}"


def _hook(service: str) -> str:
    """What a service wants to be done with its tables after a restore; empty for most."""
    path = migrations_of(service) / _HOOK
    return path.read_text("utf-8") if path.exists() else ""


def _check_fit(installation: BackedUpInstallation, manifest: Manifest, *, force: bool) -> None:
    """Refuses what could not work here.

    Raises:
        BackupUnfit, BackupTooNew: it could not.
    """
    stores = {store.service: store for store in installation.stores}
    for service, backup in manifest.databases.items():
        store = stores.get(service)
        if store is None:
            raise BackupTooNew(f"The backup has a database of {service}, a service that this version has not")
        _check_database(store, backup)
    newest = newest_revision(migrations_of(_SPOOLS_OF)) or ""
    if manifest.spool_revision > newest:
        raise BackupTooNew(f"The spool is at revision {manifest.spool_revision}; this version knows up to {newest}")
    if missing := sorted(set(stores) - set(manifest.databases)):
        raise BackupUnfit(f"The backup has no database of {', '.join(missing)}")
    here_folders = tuple(each.name for each in installation.folders) if installation.apart else ()
    if set(manifest.folders) != set(here_folders):
        told = [", ".join(names) or "one for all services" for names in (manifest.folders, here_folders)]
        raise BackupUnfit(
            f"The state folders were {told[0]} when the backup was made, and are {told[1]} here: set TOCSIN_*_STATE_DIR as they were"
        )
    for name, value in manifest.settings.items():
        if (here := installation.settings.get(name)) != value:
            raise BackupUnfit(f"TOCSIN_{name.upper()} was {value!r} when the backup was made, and is {here!r} here: set it as it was")
    if installation.key_is_set or not manifest.key_in_file:
        _check_secret(installation, manifest, force=force)


def _check_secret(installation: BackedUpInstallation, manifest: Manifest, *, force: bool) -> None:
    same = installation.key_is_set and installation.identity == manifest.installation
    if same or force:
        return
    which = "another one" if installation.key_is_set else "not set"
    raise BackupUnfit(
        f"TOCSIN_SECRET_KEY is {which} here than where the backup was made: credentials of providers and links in mails would be lost. "
        "Set it as it was; --force restores without."
    )


def _check_database(store: ServiceDatabase, backup: DatabaseBackup) -> None:
    kinds = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    if backup.kind != store.kind:
        raise BackupUnfit(
            f"{store.service} was backed up from {kinds[backup.kind]}, and its settings name {kinds[store.kind]}: "
            "a backup is restored into the kind of database that it was made from"
        )
    if backup.schema != store.schema:
        raise BackupUnfit(f"{store.service} was backed up from schema {backup.schema}, and its settings name {store.schema}")
    newest = newest_revision(migrations_of(store.service)) or ""
    if backup.revision > newest:
        raise BackupTooNew(
            f"The database of {store.service} is at revision {backup.revision}; this version knows up to {newest}. "
            "Restore the backup with the version that made it, or a newer one."
        )
