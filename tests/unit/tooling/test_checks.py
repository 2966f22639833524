"""Every check can fail: a copy of the tree in which each thing that is guarded is broken, and what the checks say of it."""

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.unit.tooling.breaks import CONTRACT, TESTS, WORDS, Break, strip_comments, swap
from tests.unit.tooling.scripts import ROOT

BIN = ROOT / ".venv/bin"
GUARDS = (
    "tests/contract/test_architecture.py",
    "tests/contract/test_background.py",
    "tests/contract/test_documents.py",
    "tests/contract/test_metrics.py",
    "tests/contract/test_start.py",
    "tests/unit/deploy/test_monitoring.py",
    "tests/unit/tooling/test_automation.py",
    "tests/unit/tooling/test_lock.py",
    "tests/unit/tooling/test_zones.py",
)
POLICIES = "tests/contract/test_policies.py"
OTHERWISE = {
    "test_a_changed_declaration_makes_the_lock_stale": "is a proof itself",
    "test_a_contract_is_not_compared_with_nothing": "is a proof itself",
    "test_a_fresh_lock_passes": "is a proof itself",
    "test_a_label_without_a_meaning_is_found": "is a proof itself",
    "test_a_missing_command_is_found": "is a proof itself",
    "test_a_missing_or_stale_row_is_found": "is a proof itself",
    "test_a_row_that_is_missing_or_stale_is_found": "is a proof itself",
    "test_a_workflow_that_is_two_documents_in_one_is_refused": "is a proof itself",
    "test_an_identity_is_filled_in_and_kept": "tests the runtime",
    "test_stale_generated_code_is_found": "is a proof itself",
    "test_the_machines_database_has_no_say": "tests the runtime",
    "test_what_is_wrong_is_named": "is a proof itself",
}
"""Tests beside the guards that look at something else."""

Findings = Callable[[str], str]


def copied(folder: Path, breaks: list[Break]) -> Path:
    """A copy of the tree, without what is ignored, to which each break was done."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    for each in breaks:
        each.change(folder)
    return folder


def run(tree: Path, *line: str | Path) -> tuple[int, str]:
    """Runs a program of the tree on the tree; the exit code, and what it said."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(line, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def generated(tree: Path) -> Path:
    """The tree with what is generated from its contract, nearly: one file lacks its comments. What was before is its HEAD."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for line in (("init", "--quiet"), ("add", "tocsin/api/descriptors.binpb"), (*who, "commit", "--quiet", "--message", "before")):
        subprocess.run(["git", *line], cwd=tree, check=True)
    code, said = run(tree, BIN / "python", "protos/gen.py")
    assert code == 0, said
    strip_comments(tree)
    return tree


def word(tree: Path, name: str, *more: str) -> str:
    """What a word of `make check` finds; nothing, if it passes. The environment is taken as it is, whatever the tree declares."""
    code, said = run(tree, "make", "-o", "setup", "-o", ".venv/.setup-done", name, *more)
    return said if code else ""


def failures(tree: Path, *files: str) -> dict[str, str]:
    """What the tests in the files find, by the name of the test."""
    report = tree / "report.xml"
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={report}", "-k", "not _is_found")
    run(tree, BIN / "pytest", *options, *files)
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - written a moment ago by pytest
        for fault in (*case.findall("failure"), *case.findall("error")):
            name = case.get("name", "").partition("[")[0]
            found[name] = f"{found.get(name, '')}{case.get('name')}\n{fault.text}\n"
    return found


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """What each check finds in the broken trees."""
    tree = copied(tmp_path_factory.mktemp("tree"), [*WORDS, *TESTS])
    swap("pyproject.toml", r"^include = \[.*?\]", 'include = ["tests/broken_types.py"]')(tree)
    contract = generated(copied(tmp_path_factory.mktemp("contract"), CONTRACT))
    with ThreadPoolExecutor(2) as pool:
        guards = pool.submit(failures, tree, *GUARDS)
        words = {name: pool.submit(word, tree, name) for name in {each.check for each in WORDS}}
        words["contract"] = pool.submit(word, contract, "contract", "BASE=HEAD")
        policies = pool.submit(failures, contract, POLICIES)
        found = {**guards.result(), **policies.result(), **{name: said.result() for name, said in words.items()}}
    return lambda check: found.get(check, "")


def guarding(*files: str) -> Iterator[str]:
    """Every test in the files."""
    for file in files:
        for node in ast.parse((ROOT / file).read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield node.name


@pytest.mark.parametrize("each", [*WORDS, *TESTS, *CONTRACT], ids=str)
def test_what_is_broken_is_named(findings: Findings, each: Break) -> None:
    """By the check that guards it, with its place."""
    assert each.names in findings(each.check), findings(each.check)


def test_every_check_is_broken() -> None:
    """A check that is added is added to the breaks as well."""
    listed = re.search(r"^CHECKS := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert listed is not None
    checks = {*listed[1].split(), *guarding(*GUARDS, POLICIES)}
    assert checks - set(OTHERWISE) == {each.check for each in (*WORDS, *TESTS, *CONTRACT)}
    assert {*GUARDS, POLICIES} >= {f"tests/contract/{path.name}" for path in (ROOT / "tests/contract").glob("test_*.py")}
