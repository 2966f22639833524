"""``python -m tests.simulation 1-100 7 --trace FILE``: simulates seeds, a line each, and says how to see a failure again."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from tests.simulation.mutants import MUTANTS, soon
from tests.simulation.run import PARTS, Verdict, run
from tests.simulation.scenario import FAULTS, scenario_of

_HASH_SEED = "0"
_SHOWN = ("alarms", "occurrences", "late", "coalesced", "skipped", "failed", "deliveries", "duplicate deliveries", "commits")
ATTEMPTED = (
    *("crashes", "freezes", "restarts", "outages", "clocks", "cuts", "processors"),
    *("refused transactions", "aborted transactions", "lost acknowledgements", "slow transactions", "lost hints"),
    *("failed jobs", "hanging jobs", "late results", "duplicate results", "stale results", "released jobs", "results sent again"),
    *("deadly jobs", "nonsense"),
    *("duplicate deliveries", "late", "coalesced", "skipped", "failed"),
    *("events accepted", "events tried again", "event firings", "readings accepted", "readings tried again", "thresholds raised"),
    *("pings accepted", "pings tried again", "heartbeats raised", "resolved", "deadlines postponed"),
    *("imports accepted", "imports tried again", "keyed alarms made"),
)
"""What must have happened in a set of runs before its silence says that all is well."""


def main(arguments: Sequence[str]) -> int:
    """Runs the seeds; the exit code is 1 when one of them is not valid."""
    options = _options(arguments)
    if os.environ.get("PYTHONHASHSEED") != _HASH_SEED:
        # Sets of texts have the same order in each process only if their hashes are the same.
        command = [sys.executable, "-m", "tests.simulation", *arguments]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": _HASH_SEED})  # noqa: S606  there is no shell to start
    if options.mutants is not None:
        return _try_mutants(options)
    words, total = Counter[str](), Counter[str]()
    for seed in seeds_of(options.seeds):
        scenario = replace(scenario_of(seed), **_changes(options))
        verdict = run(scenario, trace=options.trace, change=MUTANTS[options.mutant] if options.mutant else None)
        _say(line_of(verdict))
        total += verdict.counts
        words[verdict.word] += 1
        if verdict.problems:
            _say(_problems_of(verdict, options))
            if options.stop:
                break
    _say("total: " + ", ".join(f"{name} {count}" for name, count in sorted(total.items())))
    never = [name for name in ATTEMPTED if not total[name]]
    if never:
        _say(f"never happened, so nothing is known of it: {', '.join(never)}")
    return 1 if words["invalid"] else 0


def _try_mutants(options: argparse.Namespace) -> int:
    """Says of each broken variant which of the seeds is the first to notice it; the exit code is 1 when one is not noticed."""
    unnoticed = 0
    for name, change in sorted(
        (name, change) for name, change in MUTANTS.items() if any(map(name.__contains__, options.mutants.split(",")))
    ):
        others = (replace(scenario_of(seed), **_changes(options)) for seed in seeds_of(options.seeds))
        runs, attempts = 0, 0
        for scenario in chain([soon(name)], others):
            verdict = run(scenario, change=change)
            runs, attempts = runs + 1, attempts + verdict.counts["occurrences"]
            if verdict.problems:
                _say(f"{name}: noticed by seed {verdict.seed}, run {runs}: {verdict.problems[0]}")
                break
        else:
            unnoticed += 1
            _say(f"{name}: {'nobody noticed' if attempts else 'unknown, for nothing was due'} in {runs} runs")
    return 1 if unnoticed else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  a command talks to its user


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("seeds", nargs="+", help="a seed, or a range such as 1-1000")
    parser.add_argument("--trace", type=Path, help="file for everything that happens in the last run")
    parser.add_argument("--days", type=float, help="another length of the runs")
    parser.add_argument("--faults", help="only these classes, with commas between")
    parser.add_argument("--replicas", type=int, help="another number of replicas")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="breaks the scheduler in this way")
    parser.add_argument(
        "--mutants",
        nargs="?",
        const="",
        help="breaks it in each way of which the name has one of these texts, with commas between, until somebody notices",
    )
    parser.add_argument("--stop", action="store_true", help="ends at the first run that is not valid")
    return parser.parse_args(arguments)


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """What of the scenarios is to be different."""
    faults = None if options.faults is None else frozenset(options.faults.split(",")) - {""}
    if faults is not None and not faults <= set(FAULTS):
        sys.exit(f"the classes of faults are {', '.join(FAULTS)}")
    changes = {"days": options.days, "faults": faults, "replicas": options.replicas}
    return {name: value for name, value in changes.items() if value is not None}


def seeds_of(words: Sequence[str]) -> Iterator[int]:
    """The seeds that words such as "7" and "1-100" mean."""
    for word in words:
        first, _, last = word.partition("-")
        yield from range(int(first), int(last or first) + 1)


def line_of(verdict: Verdict) -> str:
    """The account of a run in one line."""
    shown = ", ".join(f"{verdict.counts[name]} {name}" for name in _SHOWN)
    outside = "; ".join(_part(verdict, name, counted) for name, counted in PARTS.items())
    return (
        f"seed {verdict.seed}: {verdict.word}, {verdict.days} days in {verdict.seconds:.1f} s, {shown}; {outside}, trace {verdict.digest}"
    )


def _part(verdict: Verdict, name: str, counted: Sequence[str]) -> str:
    """What was attempted, accepted and fired; a part in which one of them is nothing says nothing about the scheduler."""
    counts = [verdict.counts[each] for each in counted]
    return f"{name} {'/'.join(map(str, counts))}{'' if all(counts) else ' (unknown)'}"


def _problems_of(verdict: Verdict, options: argparse.Namespace) -> str:
    shown = [f"  {problem}" for problem in verdict.problems[:10]]
    more = len(verdict.problems) - len(shown)
    if more:
        shown.append(f"  and {more} more")
    names = ("days", "faults", "replicas", "mutant")
    given = "".join(f"--{name} {getattr(options, name)} " for name in names if getattr(options, name) is not None)
    shown.append(f"  see it again: make simulate SEEDS={verdict.seed} ARGS='{given}--trace simulation.log'")
    return "\n".join(shown)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
