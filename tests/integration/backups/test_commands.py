"""`tocsin backup` and `tocsin restore` as a person and a script meet them; a disk that is full."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from tests.integration.backups.places import make_state, names_in
from tocsin.cli.__main__ import main
from tocsin.testing.disk import FaultyDisk

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """An installation that has run."""
    return await make_state(tmp_path / "state")


def tocsin(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Runs the command in this process; its environment has nothing of Tocsin."""
    surroundings = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
    with mock.patch.dict(os.environ, surroundings, clear=True), pytest.raises(SystemExit) as end:
        main(words)
    out, complaints = capsys.readouterr()
    code = end.value.code
    return (1, out, code) if isinstance(code, str) else (int(code or 0), out, complaints)


def test_a_person_sees_what_is_in_it_and_what_is_not(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Databases with their schemas, what was replaced, and where the old files are; JSON is one document."""
    archive, options = str(tmp_path / "a.tar"), ("--state", str(state))
    code, out, _ = tocsin(capsys, "backup", archive, *options)
    assert code == 0
    assert all(word in out for word in ("scheduler_svc", "spool 2", "installation ", archive))
    code, out, _ = tocsin(capsys, "backup", "verify", archive, "--json")
    assert (code, set(json.loads(out)["schemas"])) == (0, {"auth_svc", "scheduler_svc", "processor_svc", "mailer_svc"})
    code, _, complaints = tocsin(capsys, "restore", archive, *options)
    assert (code, "is not empty. --force replaces these:" in complaints, "scheduler_svc.db" in complaints) == (1, True, True)
    code, out, _ = tocsin(capsys, "restore", archive, *options, "--force", "--json")
    told = json.loads(out)
    assert (code, "secret-key" in told["replaced"], Path(told["aside"]).parent) == (0, True, state)


def test_a_folder_that_is_named_as_one_is_made(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second backup lies beside the first."""
    folder = tmp_path / "none" / "yet"
    code, out, _ = tocsin(capsys, "backup", f"{folder}/", "--state", str(state), "--json")
    made = Path(json.loads(out)["path"])
    assert (code, made.parent, list(folder.iterdir())) == (0, folder, [made])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("backup",), 2, "Missing argument"),
        (("backup", "verify", "a", "b"), 2, "give the path of an archive"),
        (("backup", "a", "--keep", "-1"), 2, "--keep"),
        (("backup", "verify", "nothing.tar"), 1, "nothing.tar"),
        (("restore", "nothing.tar"), 1, "nothing.tar"),
        (("backup", "/nowhere/at/all.tar"), 1, "no installation"),
    ],
)
def test_what_cannot_be_is_said(
    words: tuple[str, ...], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong command line, files and folders that are not there."""
    monkeypatch.chdir(tmp_path)
    ended, _, complaints = tocsin(capsys, *words)
    assert (ended, said in complaints) == (code, True), complaints


@pytest.mark.skipif(sys.platform != "linux", reason="the disk that fails on demand is made with seccomp(2), which Linux alone has")
@pytest.mark.parametrize("fault", ["full", "cannot be flushed"])
def test_a_disk_that_fails_leaves_no_archive(state: Path, tmp_path: Path, fault: str) -> None:
    """The command says why and ends with 1; there is nothing under the name, nor beside it."""
    disk, folder = FaultyDisk(folder=tmp_path / "disk"), tmp_path / "backups"
    folder.mkdir()
    if fault == "full":
        disk.fill("copy.db")
    else:
        disk.break_flush("archive")
    line = [*disk.wrapper, sys.executable, "-m", "tocsin.cli", "backup", str(folder), "--state", str(state)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1, done.stderr
    assert ("full" if fault == "full" else "Input/output error") in done.stderr
    assert disk.failed
    assert names_in(folder) == set()
    assert not (state / "last-backup.json").exists()
