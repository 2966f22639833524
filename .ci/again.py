"""Runs the tests that have just failed once more, by themselves: `again.py`, after `make test` has failed.

Of eighteen thousand tests one may fail because the machine was slow, and would stop a change that has nothing to do with it. A test that
passes alone is no success either: it is named as unsteady at the end, to be mended. The run fails when a test fails again, when more than
`LIMIT` have failed, and when the tests were not all run (ADR 0055; the test runner of CPython does the same, as `--rerun`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

LIMIT: Final = 3
"""Failures up to which a run is tried again: more are no accident."""

_CACHE: Final = Path(".pytest_cache/v")
_TESTS_FAILED: Final = 1
"""pytest's exit status when all tests were run and some of them failed (`pytest.ExitCode.TESTS_FAILED`)."""


def _failed() -> list[str]:
    """The ids of the tests that failed in the last run.

    Raises:
      SystemExit: the run did not come to its end, or too many failed.
    """
    try:
        status = json.loads((_CACHE / "tocsin/exit_status").read_text())
        names = sorted(json.loads((_CACHE / "cache/lastfailed").read_text()))
    except FileNotFoundError as error:
        sys.exit(f"again: the tests did not run to their end: {error.filename} is missing")
    if status != _TESTS_FAILED or not names:
        sys.exit(f"again: the tests did not run to their end (pytest ended with {status}, {len(names)} failures)")
    if broken := [name for name in names if "::" not in name]:
        sys.exit(f"again: not collected: {', '.join(broken)}")
    if len(names) > LIMIT:
        sys.exit(f"again: {len(names)} tests failed; up to {LIMIT} are tried again")
    return names


def main() -> int:
    """Runs them, and says how it ended: 0 when each has passed now."""
    names = _failed()
    print(f"again: {len(names)} failed; by themselves:", flush=True)
    ended = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:xdist", *names], check=False).returncode
    if ended:
        return 1
    for name in names:
        print(f"unsteady: {name} failed beside the others and passed alone")
        if os.environ.get("GITHUB_ACTIONS"):
            print(f"::warning title=unsteady test::{name} failed beside the others and passed alone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
