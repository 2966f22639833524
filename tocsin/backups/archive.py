"""The archive: a tar file (POSIX.1-2001) of plain files, the manifest last, for its owner alone.

It is not compressed, so that no member can be larger than the archive is; SQLite files shrink to a quarter by whatever the disk, or
the operator, compresses with.
"""

import errno
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, Final

from tocsin.backups.manifest import ArchiveMember, BackupDamaged, BackupFailed, Manifest
from tocsin.private_files import sync_folder

MANIFEST: Final = "manifest.json"
_LARGEST_MANIFEST: Final = 16 * 1024 * 1024
_MOST_MEMBERS: Final = 100_000
_CHUNK: Final = 1024 * 1024
_USUAL_MODE: Final = 0o600
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What a file system says that knows no hard links, such as that of a memory stick or of a share."""


class _Hashing:
    """Reads a file, and knows the hash of what was read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class ArchiveWriter:
    """Takes members; made by `writing`."""

    def __init__(self, file: IO[bytes], folder: Path) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by `finish`
        self._members: list[ArchiveMember] = []
        self.folder = folder
        """For files on their way; on the disk of the archive, and gone with the end of it."""

    def add(self, name: str, source: IO[bytes], *, mode: int = _USUAL_MODE) -> None:
        """Adds what an open file holds at this moment.

        Raises:
            OSError: it cannot be read, or the archive not be written.
            BackupFailed: the file became shorter meanwhile.
        """
        told = tarfile.TarInfo(name)
        told.size, told.mode = os.fstat(source.fileno()).st_size, mode
        reader = _Hashing(source)
        try:
            self._tar.addfile(told, reader)
        except tarfile.TarError as error:
            raise BackupFailed(f"{name} could not be read whole: {error}") from error
        self._members.append(ArchiveMember(name=name, size=told.size, sha256=reader.sha256))

    def finish(self, manifest: Manifest) -> Manifest:
        """Adds the manifest with what was added before. Returns it.

        Raises:
            OSError: the archive cannot be written.
        """
        whole = replace(manifest, members=tuple(self._members))
        data = whole.to_json()
        told = tarfile.TarInfo(MANIFEST)
        told.size, told.mode = len(data), _USUAL_MODE
        self._tar.addfile(told, io.BytesIO(data))
        self._tar.close()
        return whole


@contextmanager
def writing(path: Path) -> Generator[ArchiveWriter]:
    """An archive that has its name only when it is whole and on the disk; whatever fails before leaves nothing.

    Raises:
        BackupFailed: there is something at ``path``.
        OSError: the folder cannot be written, or is full.
    """
    if path.exists():
        raise BackupFailed(f"{path} exists; a backup never replaces a file")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".tocsin-backup-") as folder:
        draft = Path(folder) / "archive"
        with open(draft, "xb", opener=_private) as file:
            yield ArchiveWriter(file, Path(folder))
            file.flush()
            os.fsync(file.fileno())
        _name(draft, path)
    sync_folder(path.parent)


def _name(draft: Path, path: Path) -> None:
    """Gives the archive its name."""
    try:
        path.hardlink_to(draft)  # unlike a rename, it refuses to replace
    except FileExistsError:
        raise BackupFailed(f"{path} exists; a backup never replaces a file") from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        draft.rename(path)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_CLOEXEC, _USUAL_MODE)


class ArchiveReader:
    """An archive whose list of members was checked; what they hold is checked as it is read."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        """Reads the list and the manifest.

        Raises:
            BackupDamaged: it is cut short, no archive of ours, or has a member that no backup has.
            BackupTooNew: its format is of a newer version.
        """
        self._file = file
        self._path = path
        self._places = self._index()
        self.manifest = Manifest.from_json(self._read_manifest())
        self._known = {member.name: member for member in self.manifest.members}
        named, found = set(self._known), set(self._places) - {MANIFEST}
        if named != found or len(self._known) != len(self.manifest.members):
            raise self._damaged(f"its manifest names other members than it has: {', '.join(sorted(named ^ found)[:5])}")
        for member in self.manifest.members:
            if member.size != self._places[member.name].size:
                raise self._damaged(f"{member.name} has {self._places[member.name].size} bytes, not {member.size}")

    def extract(self, name: str, target: IO[bytes] | None) -> None:
        """Writes a member to a file, if there is one, and checks its hash.

        Raises:
            BackupDamaged: it is not what was backed up, or not there.
            OSError: the target cannot be written.
        """
        if name not in self._known:
            raise self._damaged(f"{name} is missing")
        place, expected, left = self._places[name], self._known[name], self._known[name].size
        digest = hashlib.sha256()
        self._file.seek(place.offset_data)
        while left:
            data = self._file.read(min(left, _CHUNK))
            if not data:
                raise self._damaged(f"it ends inside of {name}")
            left -= len(data)
            digest.update(data)
            if target is not None:
                target.write(data)
        if digest.hexdigest() != expected.sha256:
            raise self._damaged(f"{name} is not what was backed up: its SHA-256 is another one")

    def mode(self, name: str) -> int:
        """The permissions of a member, of which only those of the owner and the reading of others count."""
        return self._places[name].mode & 0o744 | _USUAL_MODE

    def _index(self) -> dict[str, tarfile.TarInfo]:
        size = os.fstat(self._file.fileno()).st_size
        places: dict[str, tarfile.TarInfo] = {}
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                for each in tar:
                    self._check(each, places, size)
                    places[each.name] = each
        except (tarfile.TarError, EOFError, ValueError, OverflowError, MemoryError) as error:
            raise self._damaged(str(error)) from error
        if list(places)[-1:] != [MANIFEST]:
            raise self._damaged("it is cut short: the manifest, its last member, is missing")
        return places

    def _check(self, each: tarfile.TarInfo, places: dict[str, tarfile.TarInfo], size: int) -> None:
        """Refuses what no backup has: links, devices, ways out of the folder, holes, more than the file can hold."""
        path = PurePosixPath(each.name)
        if not each.isreg() or each.issparse():
            raise self._damaged(f"{each.name!r} is no plain file")
        if path.is_absolute() or ".." in path.parts or str(path) != each.name or "\\" in each.name or "\0" in each.name:
            raise self._damaged(f"{each.name!r} is not a name of a backup's member")
        if each.name in places:
            raise self._damaged(f"{each.name} is there twice")
        if len(places) >= _MOST_MEMBERS:
            raise self._damaged(f"it has more than {_MOST_MEMBERS} members")
        if each.size < 0 or each.offset_data + each.size > size:
            raise self._damaged(f"it is cut short: it ends inside of {each.name}")

    def _read_manifest(self) -> bytes:
        place = self._places[MANIFEST]
        if place.size > _LARGEST_MANIFEST:
            raise self._damaged(f"its manifest has {place.size} bytes")
        self._file.seek(place.offset_data)
        return self._file.read(place.size)

    def _damaged(self, why: str) -> BackupDamaged:
        return BackupDamaged(f"{self._path} is damaged, or no backup: {why}")


@contextmanager
def reading(path: Path) -> Generator[ArchiveReader]:
    """An archive to read from.

    Raises:
        BackupDamaged, BackupTooNew: as `ArchiveReader`.
        OSError: there is no such file, or it cannot be read.
    """
    with path.open("rb") as file:
        yield ArchiveReader(file, path)
