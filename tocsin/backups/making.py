"""Making a backup: what is there, as of one instant, into an archive."""

import asyncio
import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

from tocsin.backups import postgres, sqlite
from tocsin.backups.archive import ArchiveWriter, reading, writing
from tocsin.backups.installation import BackedUpInstallation, product_version
from tocsin.backups.manifest import FORMAT, OF_ONE_FOLDER, BackupFailed, DatabaseBackup, Manifest
from tocsin.clock import Clock
from tocsin.last_backup import note_backup

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_PATTERN: Final = "tocsin-[0-9]*T[0-9]*Z.tar"
DATABASES: Final = "databases"
STATE: Final = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBackup:
    """A backup that is whole and on the disk."""

    path: Path
    size: int
    manifest: Manifest
    removed: tuple[Path, ...] = ()


async def make_backup(installation: BackedUpInstallation, path: Path, *, clock: Clock, keep: int = 0) -> MadeBackup:
    """Backs an installation up, running or not.

    Args:
        installation: what there is.
        path: of the archive; in a folder that exists, it gets the time as its name.
        clock: says when.
        keep: how many of the archives with such names are kept in the folder, the newest; 0 keeps all.

    Raises:
        BackupFailed: there is nothing to back up, something cannot be read, or there is a file at ``path``.
        ProgramMissing: pg_dump is missing.
        DatabaseUnavailable: a database cannot be reached.
        OSError: the archive cannot be written; nothing of it is left.
    """
    now = clock.now()
    folder = path if _is_folder(path) else None
    target = folder / f"tocsin-{now:{_STAMP}}.tar" if folder is not None else path
    if keep and folder is None:
        raise BackupFailed("--keep needs a folder that exists, in which backups are named by their time")
    if not installation.identity:
        raise BackupFailed(
            f"there is no installation in {installation.state}: it has no {installation.key_file.name}, and TOCSIN_SECRET_KEY is not set"
        )
    with writing(target) as out:
        manifest = await _Backup(installation, out, clock).make()
    size = target.stat().st_size
    for each in installation.folders:
        if each.is_dir():
            note_backup(each, seconds=now.timestamp(), size=size)
    return MadeBackup(path=target, size=size, manifest=manifest, removed=_removed(folder, keep) if folder is not None and keep else ())


def verify_backup(path: Path) -> Manifest:
    """Reads a whole archive: the hash of each member, and SQLite files by its integrity_check.

    Raises:
        BackupDamaged, BackupTooNew: it is not good.
        OSError: it cannot be read, or there is no room for a database beside it.
    """
    with reading(path) as found, TemporaryDirectory(prefix="tocsin-backup-") as folder:
        for member in found.manifest.members:
            if not _is_sqlite(found.manifest, member.name):
                found.extract(member.name, None)
                continue
            copy = Path(folder) / "database"
            with copy.open("wb") as target:
                found.extract(member.name, target)
            sqlite.check_integrity(copy, member.name)
            copy.unlink()
        return found.manifest


def _is_folder(path: Path) -> bool:
    return path.is_dir()


def _is_sqlite(manifest: Manifest, name: str) -> bool:
    files = {each.member for each in manifest.databases.values() if each.kind == "sqlite"}
    return name in files or name in manifest.spools.values()


def _removed(folder: Path, keep: int) -> tuple[Path, ...]:
    gone = sorted(folder.glob(_PATTERN))[:-keep]
    for each in gone:
        each.unlink()
    return tuple(gone)


class _Backup:
    """One backup under way."""

    def __init__(self, installation: BackedUpInstallation, out: ArchiveWriter, clock: Clock) -> None:
        self._installation = installation
        self._out = out
        self._clock = clock
        self._journals: dict[str, IO[bytes]] = {}
        self._databases: dict[str, DatabaseBackup] = {}
        self._spools: dict[str, str] = {}
        self._spool_revision = ""

    async def make(self) -> Manifest:
        """Writes everything into the archive."""
        with ExitStack() as files:
            await self._write_databases(files)
            await asyncio.to_thread(self._write_files)
        installation = self._installation
        return self._out.finish(
            Manifest(
                format=FORMAT if installation.apart else OF_ONE_FOLDER,
                version=product_version(),
                created=self._clock.now().isoformat(timespec="seconds"),
                installation=installation.identity,
                key_in_file=not installation.key_is_set,
                databases=self._databases,
                spools=self._spools,
                spool_revision=self._spool_revision,
                settings=installation.settings,
                outside=installation.existing_outside(),
                folders=tuple(each.name for each in installation.folders) if installation.apart else (),
            )
        )

    async def _write_databases(self, files: ExitStack) -> None:
        """All of SQLite as of one instant, and PostgreSQL right after it.

        A spool so is never younger than the scheduler that its calls go to: what it forwards meanwhile is in both, and known by its
        identity. An entry of a journal is in the files that were open before that instant, or are there after it, or auth_svc had it.
        """
        stores = self._installation.stores
        local = [store for store in stores if store.kind == "sqlite"]
        missing = [store for store in local if not store.file.is_file()]
        if missing:
            raise BackupFailed(f"{missing[0].file}, the database of {missing[0].service}, does not exist")
        spools = self._installation.spools()
        names = {store.file: f"{DATABASES}/{store.service}.db" for store in local}
        names |= {path: f"{DATABASES}/spool-{place}.db" for place, path in spools.items()}
        self._spools = {str(place): names[path] for place, path in spools.items()}
        self._open_journals(files)
        with sqlite.one_instant(list(names), lambda: self._open_journals(files), clock=self._clock) as connections:
            async with postgres.snapshots([store for store in stores if store.kind == "postgresql"]) as snapshots:
                self._open_journals(files)
                for file, connection in connections.items():
                    await asyncio.to_thread(self._copy, connection, names[file])
                for snapshot in snapshots:
                    await self._dump(snapshot)
            self._spool_revision = max((sqlite.revision_in(connections[path]) for path in spools.values()), default="")
            self._databases |= {
                store.service: DatabaseBackup(
                    kind="sqlite", revision=sqlite.revision_in(connections[store.file]), schema="", member=names[store.file]
                )
                for store in local
            }

    def _copy(self, connection: sqlite3.Connection, name: str) -> None:
        copy = self._out.folder / "copy.db"
        sqlite.copy_to(connection, copy)
        self._take(copy, name)

    async def _dump(self, snapshot: postgres.Snapshot) -> None:
        store, file = snapshot.store, self._out.folder / "copy.dump"
        name = f"{DATABASES}/{store.service}.dump"
        await postgres.dump(snapshot, file)
        await asyncio.to_thread(self._take, file, name)
        self._databases[store.service] = DatabaseBackup(
            kind="postgresql", revision=snapshot.revision, schema=store.schema, member=name, server=snapshot.server
        )

    def _take(self, file: Path, name: str) -> None:
        with file.open("rb") as source:
            self._out.add(name, source)
        file.unlink()

    def _open_journals(self, files: ExitStack) -> None:
        """Opens the journals that are there now; one that is told and deleted meanwhile can still be read."""
        for path in self._installation.journals():
            name = str(path.relative_to(self._installation.state))
            if name not in self._journals:
                try:
                    self._journals[name] = files.enter_context(path.open("rb"))
                except FileNotFoundError:
                    continue  # auth_svc has it, since the folder was read

    def _write_files(self) -> None:
        state = self._installation.state
        for name, source in self._journals.items():
            self._out.add(f"{STATE}/{name}", source)
        for path in self._installation.kept():
            with path.open("rb") as source:
                self._out.add(f"{STATE}/{path.relative_to(state)}", source, mode=path.stat().st_mode & 0o777)
