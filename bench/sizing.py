"""What an installation needs for so many alarms, by `tocsin bench` on one of its own: the table in docs/sizing.md.

Run ``make sizing``, or ``python -m bench.sizing --alarms 10000 100000``; each takes a fresh state folder on SQLite.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.__main__ import machine
from tocsin.loadtest.report import MIB

PAGE: Final = Path(__file__).resolve().parents[1] / "docs/sizing.md"
BEGIN: Final = "<!-- written by `make sizing` -->\n"
END: Final = "<!-- until here -->\n"
_LOAD: Final = ("--rate", "100", "--seconds", "30", "--firings", "100", "--firing-seconds", "20")
_SERVICES: Final = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")


def measure(alarms: int) -> dict[str, Any]:
    """What `tocsin bench` finds on a stack of its own."""
    with tempfile.TemporaryDirectory(prefix="tocsin-sizing-") as folder:
        _tocsin("up", "--detach", "--timeout", "120", "--state", folder, "--port-base", "0")
        try:
            found: dict[str, Any] = json.loads(_tocsin("bench", "--state", folder, "--alarms", str(alarms), *_LOAD, "--output", "json"))
        finally:
            _tocsin("down", "--state", folder)
    stored: int = found["stages"][0]["done"]
    if stored != alarms:
        raise SystemExit(f"{stored:,} of {alarms:,} alarms were stored: {found['stages'][0]['limited_by'] or 'nobody said why'}")
    return found


def _tocsin(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "tocsin.cli", *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"tocsin {' '.join(words)} ended with {done.returncode}")
    return done.stdout


def table(found: dict[int, dict[str, Any]], *, when: datetime, where: str) -> str:
    """The lines of the page, one for each number of alarms."""
    lines = [
        f"Measured {when:%Y-%m-%d} on {where}, with everything and the caller on it, SQLite; 100 calls, then 100 firings a second.",
        "",
        "| alarms | stored a second | calls p50, p95, p99 | held back or failed | lateness p50, p95, p99 | memory | cores while called |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_row(alarms, each) for alarms, each in sorted(found.items())]
    return "\n".join(lines) + "\n"


def _row(alarms: int, found: dict[str, Any]) -> str:
    stages = {stage["name"].partition(" ")[0]: stage for stage in found["stages"]}
    store, call = stages["store"], stages["call"]
    kinds = call["calls"].values()
    lost = sum(sum(kind["limited"].values()) + sum(kind["failed"].values()) for kind in kinds)
    slowest = {name: max(kind["response_seconds"][name] for kind in kinds) for name in ("p50", "p95", "p99")}
    memory = max(sum(stage["memory_bytes"].values()) for stage in found["stages"]) / MIB
    cores = " + ".join(f"{call['cpu_cores'][name]:.2f}" for name in _SERVICES)
    cells = (
        f"{alarms:,}",
        f"{store['done'] / store['seconds']:,.0f}",
        _milliseconds(slowest),
        str(lost),
        _milliseconds(found["lateness_seconds"]),
        f"{memory:,.0f} MiB",
        cores,
    )
    return f"| {' | '.join(cells)} |"


def _milliseconds(figures: dict[str, float]) -> str:
    return ", ".join(f"{figures[name] * 1000:,.1f}" for name in ("p50", "p95", "p99")) + " ms"


def written(page: str, lines: str) -> str:
    """The page with these lines between its marks.

    Raises:
        ValueError: it has no marks.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place between {BEGIN.strip()} and {END.strip()}")
    return head + begin + "\n" + lines + "\n" + end + tail


def main() -> None:
    """Measures, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    found = {alarms: measure(alarms) for alarms in parser.parse_args().alarms}
    lines = table(found, when=datetime.now(UTC), where=machine())
    PAGE.write_text(written(PAGE.read_text("utf-8"), lines), "utf-8")
    sys.stdout.write(lines)


if __name__ == "__main__":
    main()
