"""Every check can fail: a copy of the tree in which each thing that is guarded is broken, and what the checks say of it."""

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.unit.tooling.breaks import CONTRACT, GROWTH, TESTS, WORDS, Break, strip_comments, swap
from tests.unit.tooling.scripts import ROOT

pytestmark = pytest.mark.timeout(600)  # a loaded machine takes its time for twelve checks of two trees

BIN = ROOT / ".venv/bin"
GUARDS = (
    "tests/contract/test_architecture.py",
    "tests/contract/test_architecture_page.py",
    "tests/contract/test_background.py",
    "tests/contract/test_distributions.py",
    "tests/contract/test_documents.py",
    "tests/contract/test_logging.py",
    "tests/contract/test_metrics.py",
    "tests/contract/test_sql_text.py",
    "tests/contract/test_start.py",
    "tests/unit/deploy/test_monitoring.py",
    "tests/unit/tooling/test_automation.py",
    "tests/unit/tooling/test_lock.py",
    "tests/unit/tooling/test_names.py",
    "tests/unit/tooling/test_zones.py",
)
OF_THE_CONTRACT = (
    "tests/contract/test_actions.py",
    "tests/contract/test_channels.py",
    "tests/contract/test_fields.py",
    "tests/contract/test_policies.py",
    "tests/contract/test_rules.py",
)
OTHERWISE = {
    "test_a_changed_declaration_makes_the_lock_stale": "proves a check",
    "test_a_contract_is_not_compared_with_nothing": "proves a check",
    "test_a_fresh_lock_passes": "proves a check",
    "test_a_new_kind_needs_no_line_in_the_command_line": "proves a check",
    "test_a_record_as_it_should_be_is_taken": "proves a check",
    "test_an_identity_is_filled_in_and_kept": "tests the runtime",
    "test_the_settings_of_every_channel_are_settings_of_the_mailer": "the settings of the mailer inherit them",
    "test_the_check_can_fail": "proves a check",
    "test_the_machines_database_has_no_say": "tests the runtime",
}
"""Tests beside the guards that look at something else."""
PROOF = re.compile("_(is|are)_(found|missed|named|refused)$")
"""The name of a test that proves a check in a way of its own."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checks find in the broken trees, by the name of the check; and the breaks that could not be done, with the reason."""

    outgrown: dict[Break, str]
    found: dict[str, str]


def copied(folder: Path) -> Path:
    """A copy of the tree, without what is ignored, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for line in (("init", "--quiet"), ("add", "."), (*who, "commit", "--quiet", "--message", "before")):
        subprocess.run(["git", *line], cwd=folder, check=True)
    return folder


def broken(tree: Path, breaks: list[Break]) -> dict[Break, str]:
    """Does every break to the tree; those that the tree has outgrown, and why."""
    outgrown: dict[Break, str] = {}
    for each in breaks:
        try:
            each.change(tree)
        except (AssertionError, OSError, ValueError) as error:
            outgrown[each] = str(error)
    return outgrown


def run(tree: Path, *line: str | Path) -> tuple[int, str]:
    """Runs a program of the tree on the tree; the exit code, and what it said."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": ""}  # else each of many processes compiles the tree
    done = subprocess.run(line, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def generate(tree: Path) -> None:
    """Makes what is generated from the contract of the tree, but for the comments of one file."""
    code, said = run(tree, BIN / "python", "protos/gen.py")
    assert code == 0, said
    strip_comments(tree)


def word(tree: Path, name: str, *more: str) -> str:
    """What a word of `make check` finds; nothing, if it passes. The environment is taken as it is, whatever the tree declares."""
    code, said = run(tree, "make", "-o", "setup", "-o", ".venv/.setup-done", name, *more)
    return said if code else ""


def failures(tree: Path, *files: str) -> dict[str, str]:
    """What the tests in the files find, by the name of the test, with its parameters and without."""
    report = tree / "report.xml"
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={report}", "-k", "not _is_found and not _is_missed")
    run(tree, BIN / "pytest", *options, *files)
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - written a moment ago by pytest
        for fault in (*case.findall("failure"), *case.findall("error")):
            name = case.get("name", "")
            found[name] = fault.text or ""
            test = name.partition("[")[0]
            found[test] = f"{found.get(test, '')}{name}\n{fault.text}\n"
    return found


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """What each check finds in the broken trees."""
    tree, contract = copied(tmp_path_factory.mktemp("tree")), copied(tmp_path_factory.mktemp("contract"))
    outgrown = broken(tree, [*WORDS, *TESTS]) | broken(contract, [*CONTRACT, *GROWTH])
    swap("pyproject.toml", r"^include = \[.*?\]", 'include = ["tests/broken_types.py"]')(tree)
    generate(contract)
    with ThreadPoolExecutor(2) as pool:
        guards = pool.submit(failures, tree, *GUARDS)
        words = {name: pool.submit(word, tree, name) for name in {each.check for each in WORDS}}
        words["contract"] = pool.submit(word, contract, "contract", "BASE=HEAD")
        of_the_contract = pool.submit(failures, contract, *OF_THE_CONTRACT)
        found = {**guards.result(), **of_the_contract.result(), **{name: said.result() for name, said in words.items()}}
    return Findings(outgrown, found)


def guarding(*files: str) -> Iterator[str]:
    """Every test in the files."""
    for file in files:
        for node in ast.parse((ROOT / file).read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield node.name


@pytest.mark.parametrize("each", [*WORDS, *TESTS, *CONTRACT, *GROWTH], ids=str)
def test_what_is_broken_is_named(findings: Findings, each: Break) -> None:
    """By the check that guards it, with its place. What was broken may have another shape now: then breaks.py has to follow."""
    assert each not in findings.outgrown, findings.outgrown
    said = findings.found.get(each.check, "")
    assert each.names in said


def test_every_check_is_broken() -> None:
    """A check that is added is added to the breaks as well."""
    listed = re.search(r"^CHECKS := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert listed is not None
    tests = {name for name in guarding(*GUARDS, *OF_THE_CONTRACT) if not PROOF.search(name)}
    checks = {*listed[1].split(), *tests} - set(OTHERWISE)
    broken = {each.check.partition("[")[0] for each in (*WORDS, *TESTS, *CONTRACT, *GROWTH)}
    assert (checks - broken, broken - checks) == (set(), set()), "what lacks a break, and what lacks a check"
    files = {f"tests/contract/{path.name}" for path in (ROOT / "tests/contract").glob("test_*.py")}
    assert files - {*GUARDS, *OF_THE_CONTRACT} == set()
