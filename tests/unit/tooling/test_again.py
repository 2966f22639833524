"""Tests that fail beside others are tried once more by themselves, and no failure is lost on the way."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest
from tests.unit.tooling.scripts import ROOT

UNSTEADY = """
import pathlib
def test_unsteady():
    seen = pathlib.Path("seen"); first = not seen.exists(); seen.touch()
    assert not first
def test_steady(): pass
"""


def _run(folder: Path, *, tests: str, workers: int = 0, cached: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs tests as `make test` does, then `again.py` as `.ci/run` does."""
    (folder / "conftest.py").write_text(f"import pytest\n{inspect.getsource(conftest.pytest_sessionfinish)}")
    (folder / "test_it.py").write_text(tests)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "GITHUB"))}
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), *(() if cached else ("-p", "no:cacheprovider"))]
    subprocess.run(pytest_run, cwd=folder, env=environment, capture_output=True, check=False)
    return subprocess.run([sys.executable, ROOT / ".ci/again.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_what_passes_alone_is_named_as_unsteady(tmp_path: Path) -> None:
    """The run goes on, and says which test is to be mended."""
    done = _run(tmp_path, tests=UNSTEADY)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert "unsteady: test_it.py::test_unsteady failed beside the others and passed alone" in done.stdout


@pytest.mark.parametrize(
    ("workers", "tests", "reason"),
    [
        (0, "def test_broken(): assert False", "1 failed"),
        (0, f"{UNSTEADY}\ndef test_broken(): assert False", "1 failed, 1 passed"),
        (0, "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_it(n): assert False", "4 tests failed"),
        (1, "import nowhere", "again: not collected: test_it.py"),
        (1, "def test_ends():\n    import os; os._exit(3)", "again: 1 failed; by themselves:"),
        (0, "import pytest\ndef test_it(): pytest.exit('enough', 2)", "the tests did not run to their end"),
        (0, "", "the tests did not run to their end"),
    ],
    ids=["broken", "broken-and-unsteady", "many", "not-collected", "crash", "interrupted", "none"],
)
def test_what_is_broken_stays_broken(tmp_path: Path, workers: int, tests: str, reason: str) -> None:
    """A failure that comes again, too many, and a run that did not end fail, each with its reason."""
    done = _run(tmp_path, tests=tests, workers=workers)
    assert done.returncode != 0
    assert reason in done.stdout + done.stderr


def test_without_a_record_of_the_run_nothing_passes(tmp_path: Path) -> None:
    """Where pytest kept nothing, or what it kept is of a run without failures, there is nothing to try again."""
    assert _run(tmp_path, tests=UNSTEADY, cached=False).returncode != 0
    (cache := tmp_path / ".pytest_cache/v").mkdir(parents=True, exist_ok=True)
    (cache / "tocsin").mkdir(exist_ok=True)
    (cache / "cache").mkdir(exist_ok=True)
    (cache / "tocsin/exit_status").write_text("0")
    (cache / "cache/lastfailed").write_text(json.dumps({"test_it.py::test_steady": True}))
    done = subprocess.run([sys.executable, ROOT / ".ci/again.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "again: the tests did not run to their end (pytest ended with 0, 1 failures)\n")
