"""Every check can fail: a copy of the tree in which each thing that is guarded is broken, and what the checks say of it."""

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
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
    "tests/contract/test_stored_documents.py",
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
SAMPLE = frozenset({"lint", "links", "lock-check", "manifests", "spell", "workflows"})
"""Words of `make check` that are soon through; the others are tried by `make thorough`."""
SAMPLE_OF_GUARDS = (
    "tests/contract/test_logging.py",
    "tests/contract/test_sql_text.py",
    "tests/unit/tooling/test_lock.py",
    "tests/unit/tooling/test_names.py",
    "tests/unit/tooling/test_zones.py",
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
    if not files:
        return {}
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
def findings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """What each check that is asked for finds in the broken trees."""
    asked: list[Any] = [item for item in request.session.items if isinstance(item, pytest.Function) and "findings" in item.fixturenames]
    wanted: set[Break] = {item.callspec.params["each"] for item in asked}
    with ThreadPoolExecutor(2) as pool:
        made = [
            pool.submit(in_the_tree, tmp_path_factory.mktemp("tree"), wanted),
            pool.submit(in_the_contract, tmp_path_factory.mktemp("contract"), wanted),
        ]
        trees = [each.result() for each in made]
    return Findings(
        {key: why for tree in trees for key, why in tree.outgrown.items()},
        {key: said for tree in trees for key, said in tree.found.items()},
    )


def in_the_tree(folder: Path, wanted: set[Break]) -> Findings:
    """What the words of `make check`, and the tests that guard the tree, find in a tree that is broken in every way."""
    tree = copied(folder)
    outgrown = broken(tree, [*WORDS, *TESTS])
    # What basedpyright looks at: all of it takes minutes.
    swap("pyproject.toml", r'(?<=^include = )\["tocsin",.*?\]', '["tests/broken_types.py"]')(tree)
    found = {name: word(tree, name) for name in sorted({each.check for each in WORDS if each in wanted})}
    return Findings(outgrown, {**found, **failures(tree, *guards_of(wanted, GUARDS))})


def in_the_contract(folder: Path, wanted: set[Break]) -> Findings:
    """What the checks of the contract find in one that is broken in every way; nothing is done if nobody asks."""
    if not wanted.intersection((*CONTRACT, *GROWTH)):
        return Findings({}, {})
    tree = copied(folder)
    outgrown = broken(tree, [*CONTRACT, *GROWTH])
    generate(tree)
    return Findings(outgrown, {"contract": word(tree, "contract", "BASE=HEAD"), **failures(tree, *guards_of(wanted, OF_THE_CONTRACT))})


def guards_of(wanted: set[Break], files: Sequence[str]) -> list[str]:
    """Those of the files that have a test whose findings are asked for."""
    names = {each.check.partition("[")[0] for each in wanted}
    return [file for file in files if names.intersection(guarding(file))]


def guarding(*files: str) -> Iterator[str]:
    """Every test in the files."""
    for file in files:
        for node in ast.parse((ROOT / file).read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield node.name


def sampled(each: Break) -> bool:
    """Whether `make test` tries it; the others take many seconds each."""
    return each.check in SAMPLE if each in WORDS else each.check.partition("[")[0] in {*guarding(*SAMPLE_OF_GUARDS)}


@pytest.mark.parametrize(
    "each",
    [
        pytest.param(each, marks=[] if sampled(each) else [pytest.mark.thorough], id=str(each))
        for each in (*WORDS, *TESTS, *CONTRACT, *GROWTH)
    ],
)
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
