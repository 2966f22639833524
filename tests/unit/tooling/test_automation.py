"""The files that make the checks run by themselves."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from yaml.constructor import ConstructorError

from tests.unit.tooling.scripts import ROOT

WORKFLOW = Path(ROOT, ".github/workflows/ci.yml")


class StrictLoader(yaml.SafeLoader):
    """Refuses a key that comes twice, as GitHub does; by default the last one wins."""


def _unique(loader: StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise ConstructorError(None, None, f"these keys come twice: {sorted(map(str, twice))}", node.start_mark)
    return loader.construct_mapping(node, deep=True)


StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    """The GitHub Actions workflow."""
    return yaml.load(WORKFLOW.read_text("utf-8"), Loader=StrictLoader)  # noqa: S506  a safe loader


def test_a_workflow_that_is_two_documents_in_one_is_refused(tmp_path: Path) -> None:
    """By the loader of these tests, and by `make workflows`."""
    text = WORKFLOW.read_text("utf-8")
    pasted = tmp_path / "ci.yml"
    pasted.write_text(text + text[text.index("permissions:") :], "utf-8")
    with pytest.raises(ConstructorError, match="twice"):
        yaml.load(pasted.read_text("utf-8"), Loader=StrictLoader)  # noqa: S506  a safe loader
    checker = [ROOT / ".venv/bin/check-jsonschema", "--builtin-schema", "vendor.github-workflows"]
    assert subprocess.run([*checker, pasted], capture_output=True, check=False).returncode != 0
    misspelt = tmp_path / "misspelt.yml"
    misspelt.write_text(text.replace("runs-on:", "run-on:"), "utf-8")
    assert subprocess.run([*checker, misspelt], capture_output=True, check=False).returncode != 0
    assert subprocess.run([*checker, WORKFLOW], capture_output=True, check=False).returncode == 0


def test_a_contract_is_not_compared_with_nothing() -> None:
    """A base that is no commit fails the check; an empty one says that there is none."""
    done = subprocess.run([ROOT / ".ci/contract", "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "BASE=nonsense is no commit" in done.stderr


def test_stale_generated_code_is_found(tmp_path: Path) -> None:
    """A comment more in a .proto file is enough."""
    copy = tmp_path / "copy"
    for folder in ("protos", "tocsin/api"):
        shutil.copytree(ROOT / folder, copy / folder)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    generate = [ROOT / ".venv/bin/python", copy / "protos/gen.py", "--check"]
    assert subprocess.run(generate, cwd=copy, capture_output=True, check=False).returncode == 0
    proto = copy / "protos/tocsin/api/scheduler/v1/alarm.proto"
    proto.write_text(proto.read_text("utf-8").replace("// Whether an alarm fires.", "// Whether it fires.", 1), "utf-8")
    assert subprocess.run(generate, cwd=copy, capture_output=True, check=False).returncode != 0


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
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
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
