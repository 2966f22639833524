"""The files that make the checks run by themselves."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.tooling.scripts import ROOT


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    """The GitHub Actions workflow."""
    return yaml.safe_load(Path(ROOT, ".github/workflows/ci.yml").read_text("utf-8"))


def test_publishing_is_a_manual_step(workflow: dict[str, Any]) -> None:
    """Only the job that a person starts may write packages, after everything else passed."""
    publish = workflow["jobs"]["publish"]
    assert "workflow_dispatch" in publish["if"]
    assert set(publish["needs"]) == set(workflow["jobs"]) - {"publish"}
    assert workflow["permissions"] == {"contents": "read"}
    writing = {name for name, job in workflow["jobs"].items() if "write" in job.get("permissions", {}).values()}
    assert writing == {"publish"}


def test_no_input_is_pasted_into_a_shell(workflow: dict[str, Any]) -> None:
    """An expression inside a script would run what a person or a branch name says; values come by the environment."""
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def test_continuous_integration_runs_what_anybody_can_run(workflow: dict[str, Any]) -> None:
    """The workflow calls .ci/run, which is executable and valid bash, on every Python that the project claims."""
    assert {"run": ".ci/run"} in workflow["jobs"]["test"]["steps"]
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"][0] == "3.11"
    for name in ("run", "contract"):
        assert os.access(ROOT / ".ci" / name, os.X_OK)
        subprocess.run(["bash", "-n", ROOT / ".ci" / name], check=True)


def test_hooks_fetch_nothing() -> None:
    """Every pre-commit hook is local and runs a program of the environment."""
    config = yaml.safe_load(Path(ROOT, ".pre-commit-config.yaml").read_text("utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")


def test_every_target_is_documented() -> None:
    """`make help` lists the words that people are told to use."""
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    words = set(re.findall(r"^  (\S+)", done.stdout, re.MULTILINE))
    assert {"help", "setup", "gen", "fmt", "lint", "types", "arch", "test", "check", "up", "bench", "chaos", "lock", "clean"} <= words
