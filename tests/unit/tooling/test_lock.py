"""The check that the locks were made from what pyproject.toml declares."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tooling.scripts import ROOT, script

lock = script("lock.py")
HASH = "    --hash=sha256:" + "0" * 64


@pytest.fixture
def project() -> dict[str, Any]:
    """A project with one dependency, and one tool."""
    return {
        "project": {"requires-python": ">=3.11", "dependencies": ["Left_Pad[extra]>=2,<3"]},
        "dependency-groups": {"lint": ["ruler>=1"], "dev": [{"include-group": "lint"}], "build": []},
    }


def text(project: dict[str, Any], *stanzas: str) -> str:
    """A lock of ``project`` as uv writes it."""
    return "\n".join([f"# made by uv\n#    make lock, from the inputs {lock.digest(project)}", *stanzas]) + "\n"


def test_a_fresh_lock_passes(project: dict[str, Any]) -> None:
    """Names are compared as packaging does, extras and markers are understood."""
    stanzas = [f"left-pad==2.5.0 ; sys_platform == 'linux' \\\n{HASH}", f"ruler[x]==1.0 \\\n{HASH}"]
    assert list(lock.problems(project, "dev", text(project, *stanzas))) == []


@pytest.mark.parametrize(
    ("stanzas", "finding"),
    [
        ([f"left-pad==1.0 \\\n{HASH}", f"ruler==1.0 \\\n{HASH}"], "pins 1.0 of Left_Pad"),
        ([f"ruler==1.0 \\\n{HASH}"], "no version of Left_Pad"),
        ([f"left-pad==2.0 \\\n{HASH}"], "no version of ruler"),
        (["left-pad==2.0", f"ruler==1.0 \\\n{HASH}"], "left-pad has no hash"),
        ([f"left-pad==2.0 \\\n{HASH}", f"ruler==1.0 \\\n{HASH}", "--index-url https://mirror"], "cannot read the line"),
    ],
)
def test_what_is_wrong_is_named(project: dict[str, Any], stanzas: list[str], finding: str) -> None:
    """Each way in which a lock can fall short is found, and nothing else is reported."""
    findings = list(lock.problems(project, "dev", text(project, *stanzas)))
    assert len(findings) == 1
    assert finding in findings[0]


@pytest.mark.parametrize("change", ["dependency", "group", "python"])
def test_a_changed_declaration_makes_the_lock_stale(project: dict[str, Any], change: str) -> None:
    """Even a change that the pinned versions satisfy asks for a new lock."""
    old = text(project, f"left-pad==2.5.0 \\\n{HASH}", f"ruler==1.0 \\\n{HASH}")
    changed = copy.deepcopy(project)
    if change == "dependency":
        changed["project"]["dependencies"] = ["left-pad>=2.1,<3"]
    elif change == "group":
        changed["dependency-groups"]["lint"] = []
    else:
        changed["project"]["requires-python"] = ">=3.12"
    assert list(lock.problems(changed, "dev", old)) == ["was made from other dependencies than pyproject.toml declares"]


def test_the_locks_hold_no_address() -> None:
    """No lock pins where packages come from (docs/adr/0001)."""
    for path in sorted(Path(ROOT, "requirements").glob("*.lock")):
        assert "://" not in path.read_text("utf-8"), path


def test_the_wheel_is_built_by_a_locked_backend() -> None:
    """What build-system asks for is what the build group locks."""
    project = tomllib.loads(Path(ROOT, "pyproject.toml").read_text("utf-8"))
    assert project["build-system"]["requires"] == project["dependency-groups"]["build"]
