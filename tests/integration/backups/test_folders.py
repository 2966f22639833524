"""Backups where each service has a state folder of its own, beside certificates and the secret: as systemd and compose have them."""

from pathlib import Path

import pytest

from tests.databases import prepare_file
from tests.integration.backups.places import SERVICES, execute, make_state, names_in
from tocsin.backups.installation import BackedUpInstallation
from tocsin.backups.making import make_backup, verify_backup
from tocsin.backups.manifest import BackupUnfit, RestoreRefused
from tocsin.backups.restoring import restore_backup
from tocsin.last_backup import last_backup_seconds
from tocsin.testing.clock import FakeClock
from tocsin.unfinished_restore import RestoreGuard

pytestmark = pytest.mark.timeout(120)

FILES = {
    "auth_svc/keys/signing.pem": b"-----BEGIN PRIVATE KEY-----",
    "auth_svc/dev-api-key": b"tk_dev",
    "auth_svc/audit_log/auth_svc/0a.journal": b"entries that wait",
    "scheduler_svc/audit_log/scheduler_svc/0a.journal": b"others that wait",
    "pki/ca.pem": b"an authority",
    "pki/authority/ca-key.pem": b"its key",
    "pki/mailer_svc/mailer_svc.pem": b"a certificate",
    "secret/key": b"0123456789abcdefghijklmnopqrstuvwxyz",
}


def beside(root: Path, **env: str) -> BackedUpInstallation:
    """The installation whose services have folders below ``root``, with the secret in a file beside them."""
    folders = {f"TOCSIN_{name.removesuffix('_svc').upper()}_STATE_DIR": str(root / name) for name in ("gateway", *SERVICES)}
    return BackedUpInstallation.of({**folders, "TOCSIN_SECRET_KEY_FILE": str(root / "secret/key"), **env})


def put(root: Path, files: dict[str, bytes]) -> None:
    """Writes files below a folder."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture
async def root(tmp_path: Path) -> Path:
    """Five folders, certificates and a secret."""
    found = tmp_path / "lib"
    for service in SERVICES:
        await prepare_file(found / service / f"{service}.db", service)
        execute(found / service / f"{service}.db", "CREATE TABLE notes (word TEXT)")
    await prepare_file(found / "gateway/gateway-spool.db", "gateway")
    put(found, {**FILES, "auth_svc/tenants/auth.bin": b"a copy"})
    return found


async def test_one_run_covers_every_folder(root: Path, tmp_path: Path, clock: FakeClock) -> None:
    """Each file is restored to the folder of its service; each service can tell when it was backed up."""
    made = await make_backup(beside(root), tmp_path / "a.tar", clock=clock)
    assert set(verify_backup(made.path).folders) == {"gateway", *SERVICES}
    assert {last_backup_seconds(root / name) for name in ("gateway", *SERVICES)} == {clock.now().timestamp()}
    put(tmp_path / "other", {"secret/key": b"another secret, which a fresh start made"})
    with pytest.raises(RestoreRefused, match="secret/key"):
        await restore_backup(beside(tmp_path / "other"), made.path, clock=clock)
    done = await restore_backup(beside(tmp_path / "other"), made.path, clock=clock, force=True)
    assert done.replaced == ("secret/key",)
    assert [path.parent.name for path in done.asides] == ["secret"]
    databases = {f"{service}/{service}.db" for service in SERVICES} | {"gateway/gateway-spool.db"}
    locks = {f"{name}/stack.lock" for name in ("gateway", *SERVICES)}
    aside = f"secret/{done.asides[0].name}/key"
    assert names_in(tmp_path / "other") == {*FILES, *databases, *locks, aside}
    assert all((tmp_path / "other" / name).read_bytes() == data for name, data in FILES.items())


async def test_what_was_put_aside_is_no_part_of_the_next_backup(root: Path, tmp_path: Path, clock: FakeClock) -> None:
    """Else each restore would make it larger; and no folder stays marked as half restored."""
    made = await make_backup(beside(root), tmp_path / "a.tar", clock=clock)
    done = await restore_backup(beside(root), made.path, clock=clock, force=True)
    assert {path.parent.name for path in done.asides} == {"gateway", *SERVICES, "pki", "secret"}
    again = await make_backup(beside(root), tmp_path / "b.tar", clock=clock)
    assert [member.name for member in again.manifest.members] == [member.name for member in made.manifest.members]
    for name in ("gateway", *SERVICES):
        await RestoreGuard(root / name).start()


async def test_a_backup_of_one_folder_is_none_of_several(root: Path, tmp_path: Path, clock: FakeClock) -> None:
    """Nor the other way round: files would lie where no service looks."""
    several = await make_backup(beside(root), tmp_path / "a.tar", clock=clock)
    one = BackedUpInstallation.of({"TOCSIN_STATE_DIR": str(await make_state(tmp_path / "one"))})
    single = await make_backup(one, tmp_path / "b.tar", clock=clock)
    assert b'"format": 1,' in single.manifest.to_json()
    with pytest.raises(BackupUnfit, match="are one for all services here"):
        await restore_backup(one, several.path, clock=clock, force=True)
    with pytest.raises(BackupUnfit, match="were one for all services when"):
        await restore_backup(beside(root), single.path, clock=clock, force=True)


def test_folders_that_lie_apart_are_refused(tmp_path: Path) -> None:
    """Also where only some services have their own."""
    with pytest.raises(BackupUnfit, match="in the same folder"):
        beside(tmp_path, TOCSIN_AUTH_STATE_DIR=str(tmp_path / "deeper/auth_svc"), TOCSIN_SECRET_KEY_FILE="")
    with pytest.raises(BackupUnfit, match="in the same folder"):
        BackedUpInstallation.of({"TOCSIN_STATE_DIR": str(tmp_path / "a"), "TOCSIN_AUTH_STATE_DIR": str(tmp_path / "b")})
