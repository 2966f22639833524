"""The engine of time under a virtual clock: a short set of seeds, and the proof that the checker can fail."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
DAYS = "0.03"
DRAWN = 2
FIXED = ("3", "4", "5", "10", "12", "13", "14", "22", "26")
SAMPLE = frozenset(
    (
        *("always-the-first", "any-end-ends-a-run", "believing-anybody", "confirming-too-soon", "dropping-an-occurrence"),
        *("group-loses-an-alert", "key-twice", "step-after-an-answer", "trigger-counted-twice", "without-fence"),
    )
)
"""Broken variants of each part; the others are tried by `make thorough`."""
REVEALING = ("4", "22", "21")
"""Seeds that show most of the broken variants; tried first, they save half of the time."""
INJECTED = (
    *("crashes", "freezes", "restarts", "outages", "clocks", "cuts", "processors", "lost hints"),
    *("refused transactions", "aborted transactions", "lost acknowledgements", "failed jobs", "late results", "duplicate results"),
    *("event firings", "thresholds raised", "heartbeats raised", "resolved", "keyed alarms made"),
    *("deadly jobs", "nonsense"),
    *("events tried again", "readings tried again", "pings tried again", "imports tried again"),
)


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own, whose hashes are fixed."""
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def done() -> subprocess.CompletedProcess[str]:
    """The fixed seeds, and two that are drawn, in one process."""
    drawn = [str(random.SystemRandom().randrange(1_000_000)) for _ in range(DRAWN)]
    return simulate(*FIXED, *drawn, "--days", DAYS)


@pytest.mark.timeout(600)
def test_the_ledger_holds_whatever_goes_wrong(done: subprocess.CompletedProcess[str]) -> None:
    """Every due time is in the ledger once, in order, and ended; promises are kept; and every class of faults has been there."""
    print(done.stdout)  # noqa: T201  the seeds, for whoever reads the failure
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": valid,") > DRAWN
    unknown = done.stdout.partition("nothing is known of it: ")[2]
    assert [fault for fault in INJECTED if fault in unknown] == []


@pytest.mark.timeout(600)
def test_a_seed_is_the_same_run_each_time(done: subprocess.CompletedProcess[str]) -> None:
    """Two processes that run the same seed leave the same trace, whatever else they run."""
    first, second = (
        re.findall(r"^seed 3: .* trace (\w+)$", text, re.MULTILINE) for text in (done.stdout, simulate("3", "--days", DAYS).stdout)
    )
    assert first
    assert first == second


@pytest.fixture(scope="module")
def noticed(request: pytest.FixtureRequest) -> dict[str, str]:
    """What was noticed of each of the broken variants that are asked for: one process tries all, for starting it costs as much as a run."""
    asked: list[Any] = [item for item in request.session.items if isinstance(item, pytest.Function) and "noticed" in item.fixturenames]
    names = [item.callspec.params["name"] for item in asked]
    done = simulate(*REVEALING, "1-40", "--days", "0.04", "--mutants", ",".join(names))
    assert not done.stderr, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.thorough] * (name not in SAMPLE)) for name in sorted(MUTANTS)])
def test_the_checker_notices_a_broken_scheduler(name: str, noticed: dict[str, str]) -> None:
    """Each of the broken variants is found by some seed."""
    assert noticed[name].startswith("noticed by seed "), noticed[name]
    assert "Error(" not in noticed[name], "the variant itself is broken, and not its behaviour"
