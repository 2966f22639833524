"""Archives that nobody should restore: cut short, changed, newer, or made to do harm. Each is refused before anything is touched."""

import asyncio
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.backups.places import at, make_state, names_in
from tocsin.backups.archive import MANIFEST, reading, writing
from tocsin.backups.making import make_backup, verify_backup
from tocsin.backups.manifest import BackupDamaged, BackupFailed, BackupTooNew
from tocsin.backups.restoring import restore_backup
from tocsin.errors import TocsinError
from tocsin.testing.clock import FakeClock

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An archive."""
    folder = tmp_path_factory.mktemp("good")

    async def make() -> bytes:
        made = await make_backup(at(await make_state(folder / "state")), folder / "a.tar", clock=FakeClock())
        return made.path.read_bytes()

    return asyncio.run(make())


def rewritten(good: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The archive with another manifest."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(good)) as source, tarfile.open(fileobj=out, mode="w") as target:
        for each in source:
            held = source.extractfile(each)
            assert held is not None
            data = held.read()
            if each.name == MANIFEST:
                told = json.loads(data)
                change(told)
                data = json.dumps(told).encode()
                each.size = len(data)
            target.addfile(each, io.BytesIO(data))
    return out.getvalue()


def with_member(good: bytes, member: tarfile.TarInfo, data: bytes = b"") -> bytes:
    """The archive with one more member at its beginning."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(good)) as source, tarfile.open(fileobj=out, mode="w") as target:
        member.size = len(data)
        target.addfile(member, io.BytesIO(data))
        for each in source:
            target.addfile(each, source.extractfile(each))
    return out.getvalue()


def link(kind: bytes) -> tarfile.TarInfo:
    """A member that is no file."""
    member = tarfile.TarInfo("state/keys/signing.pem")
    member.type, member.linkname = kind, "/etc/passwd"
    return member


def flipped(good: bytes, name: str) -> bytes:
    """One bit of a member is another one."""
    with tarfile.open(fileobj=io.BytesIO(good)) as source:
        place = source.getmember(name)
    data = bytearray(good)
    data[place.offset_data + place.size // 2] ^= 1
    return bytes(data)


def claims_more(good: bytes) -> bytes:
    """The first member says that it is of eight exabytes."""
    with tarfile.open(fileobj=io.BytesIO(good)) as source:
        first = source.next()
    assert first is not None
    first.size = 1 << 62
    return first.tobuf(tarfile.GNU_FORMAT) + good[512:]


SPOILED: dict[str, tuple[Callable[[bytes], bytes], type[TocsinError], str]] = {
    "empty": (lambda _: b"", BackupDamaged, "damaged, or no backup"),
    "no archive": (lambda _: b"SQLite format 3\0" * 100, BackupDamaged, "damaged, or no backup"),
    "half of it": (lambda good: good[: len(good) // 2], BackupDamaged, "damaged, or no backup"),
    "all but the manifest": (lambda good: good[: good.rindex(MANIFEST.encode())], BackupDamaged, "cut short"),
    "half of the manifest": (lambda good: good[: good.rindex(b'"members"')], BackupDamaged, "damaged, or no backup"),
    "a bit of a database": (lambda good: flipped(good, "databases/scheduler_svc.db"), BackupDamaged, "SHA-256"),
    "a bit of a key": (lambda good: flipped(good, "state/keys/signing.pem"), BackupDamaged, "SHA-256"),
    "eight exabytes": (claims_more, BackupDamaged, "damaged, or no backup"),
    "a symbolic link": (lambda good: with_member(good, link(tarfile.SYMTYPE)), BackupDamaged, "no plain file"),
    "a hard link": (lambda good: with_member(good, link(tarfile.LNKTYPE)), BackupDamaged, "no plain file"),
    "a device": (lambda good: with_member(good, link(tarfile.CHRTYPE)), BackupDamaged, "no plain file"),
    "a pipe": (lambda good: with_member(good, link(tarfile.FIFOTYPE)), BackupDamaged, "no plain file"),
    "a way out": (lambda good: with_member(good, tarfile.TarInfo("state/../../etc/passwd")), BackupDamaged, "not a name"),
    "a path from the root": (lambda good: with_member(good, tarfile.TarInfo("/etc/passwd")), BackupDamaged, "not a name"),
    "a member twice": (lambda good: with_member(good, tarfile.TarInfo("state/secret-key")), BackupDamaged, "twice"),
    "a member more": (lambda good: with_member(good, tarfile.TarInfo("state/keys/more.pem")), BackupDamaged, "other members"),
    "a newer format": (lambda good: rewritten(good, lambda told: told.update(format=3, version="9.0")), BackupTooNew, "made by Tocsin 9.0"),
    "a newer schema": (
        lambda good: rewritten(good, lambda told: told["databases"]["mailer_svc"].update(revision="9999")),
        BackupTooNew,
        "mailer_svc is at revision 9999",
    ),
    "a newer spool": (
        lambda good: rewritten(good, lambda told: told.update(spool_revision="9999")),
        BackupTooNew,
        "spool is at revision 9999",
    ),
    "a service that is none": (
        lambda good: rewritten(good, lambda told: told["databases"].update(pager_svc=told["databases"]["mailer_svc"])),
        BackupTooNew,
        "pager_svc",
    ),
    "a manifest of something else": (lambda good: rewritten(good, lambda told: told.pop("databases")), BackupDamaged, "cannot be read"),
    "a manifest that says more": (lambda good: rewritten(good, lambda told: told.update(more=1)), BackupDamaged, "cannot be read"),
}


@pytest.mark.parametrize("kind", SPOILED)
async def test_a_spoiled_archive_is_refused(good: bytes, tmp_path: Path, clock: FakeClock, kind: str) -> None:
    """The reason is named, and the place of the restore is as it was."""
    spoil, error, words = SPOILED[kind]
    archive = tmp_path / "a.tar"
    archive.write_bytes(spoil(good))
    with pytest.raises(error, match=words):
        await restore_backup(at(tmp_path / "state"), archive, clock=clock)
    assert names_in(tmp_path) <= {"a.tar", "state/stack.lock"}


async def test_every_cut_is_noticed(good: bytes, tmp_path: Path) -> None:
    """Wherever the archive ends, but in the padding behind the manifest."""
    archive = tmp_path / "a.tar"
    for length in range(0, good.rindex(b"}"), 9973):
        archive.write_bytes(good[:length])
        with pytest.raises(BackupDamaged):
            verify_backup(archive)


def test_a_database_that_was_damaged_before_is_found(good: bytes, tmp_path: Path) -> None:
    """Its hash is right, for it was backed up so; SQLite reads it whole and says what is wrong."""
    whole, broken = tmp_path / "whole.tar", tmp_path / "broken.tar"
    whole.write_bytes(good)
    with reading(whole) as found, writing(broken) as out:
        for member in found.manifest.members:
            copy = tmp_path / "copy"
            with copy.open("wb") as target:
                found.extract(member.name, target)
            if member.name == "databases/auth_svc.db":
                data = bytearray(copy.read_bytes())
                data[4096 * 3 : 4096 * 4] = b"\xff" * 4096
                copy.write_bytes(data)
            with copy.open("rb") as source:
                out.add(member.name, source)
        out.finish(replace(found.manifest, members=()))
    verify_backup(whole)
    with pytest.raises(BackupDamaged, match=r"databases/auth_svc\.db"):
        verify_backup(broken)


def test_an_archive_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Not under its name, nor beside it; and a file that comes meanwhile is not replaced."""
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "a.tar"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with pytest.raises(BackupFailed, match="never replaces"), writing(tmp_path / "a.tar"):
        (tmp_path / "a.tar").write_text("somebody else's")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]
    assert (tmp_path / "a.tar").read_text() == "somebody else's"
