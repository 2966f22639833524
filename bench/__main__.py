"""`make bench`: runs every measurement in turn and writes docs/benchmarks.md. `make bench ARGS="rest drain"` runs those alone.

`make bench ARGS="delivery short"` measures a tenth of it, to see that it runs; that is printed, and not written.
"""

import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import uvloop

from bench import (
    balance,
    bulk,
    checks,
    console,
    delivery,
    door,
    drain,
    escalations,
    fire,
    gateways,
    intake,
    lists,
    mesh_tax,
    neighbours,
    overload,
    peers,
    recovery,
    rejected,
    requests,
    rest,
    restore,
    sidecars,
    smtp_drain,
    start,
    transcoding,
    upgrade,
    watchers,
)
from bench.aims import ABOUT, AIMS
from tocsin.testing.postgres import PostgresServer

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
RESULTS = Path(__file__).resolve().parent / "results.json"
DUE_AT_ONCE = 20_000
MAILS = 10_000
IMPORTED = 200_000
LISTED = 1_000_000
RESTORED = 100_000
STEADY = 50_000
INSTANT = 60_000
INCIDENTS = 10_000
ALERTS = 5000


async def _mesh() -> dict[str, Any]:
    return await mesh_tax.measure()


async def _balance() -> dict[str, Any]:
    return await balance.measure()


async def _overload() -> dict[str, Any]:
    return await overload.measure_all()


async def _door() -> dict[str, Any]:
    return await door.measure()


async def _rejected() -> dict[str, Any]:
    return dict(await rejected.measure())


async def _rest() -> dict[str, Any]:
    return await rest.measure()


async def _transcoding() -> dict[str, Any]:
    return await transcoding.measure()


async def _drain() -> dict[str, Any]:
    return await _on_both(lambda url: drain.measure(url=url, alarms=DUE_AT_ONCE))


async def _smtp() -> dict[str, Any]:
    return await _on_both(lambda url: smtp_drain.measure(url=url, mails=MAILS))


async def _delivery(share: int = 1) -> dict[str, Any]:
    return await delivery.in_process() | await _on_both(lambda url: delivery.measure(url, share=share))


async def _peers() -> dict[str, Any]:
    return await peers.measure()


async def _bulk() -> dict[str, Any]:
    return await _on_both(lambda url: bulk.measure(url=url, alarms=IMPORTED))


async def _lists() -> dict[str, Any]:
    return await _on_both(lambda url: lists.measure(url=url, alarms=LISTED))


async def _checks() -> dict[str, Any]:
    return await _on_both(lambda url: checks.measure(url=url, a_minute=1000, seconds=60))


async def _critical() -> dict[str, Any]:
    return await _on_postgresql(lambda url: drain.measure(url=url, alarms=100_000, critical=60, in_process=False))


async def _instant() -> dict[str, Any]:
    return await _on_both(lambda url: drain.measure(url=url, alarms=INSTANT, in_process=False))


async def _incidents() -> dict[str, Any]:
    return await _on_both(lambda url: escalations.measure(url=url, incidents=INCIDENTS))


async def _intake() -> dict[str, Any]:
    return await _on_both(lambda url: intake.measure(url=url, alerts=ALERTS))


async def _fire() -> dict[str, Any]:
    return {
        "steady": await _on_postgresql(lambda url: fire.measure(url=url, alarms=STEADY, per_second=1000)),
        "among ten thousand": await _on_postgresql(lambda url: fire.measure(url=url, alarms=STEADY, stored=10_000)),
        "among a million": await _on_postgresql(lambda url: fire.measure(url=url, alarms=STEADY, stored=LISTED)),
    }


async def _neighbours() -> dict[str, Any]:
    return await _on_both(lambda url: neighbours.measure(url=url, flood=100_000))


async def _sidecars() -> dict[str, Any]:
    return await sidecars.measure()


async def _gateways() -> dict[str, Any]:
    return await gateways.measure()


async def _requests() -> dict[str, Any]:
    return await requests.measure()


async def _watchers() -> dict[str, Any]:
    return await watchers.measure()


async def _console() -> dict[str, Any]:
    return await console.measure()


async def _start() -> dict[str, Any]:
    return dict(await start.measure())


async def _recovery() -> dict[str, Any]:
    return {"sqlite": await recovery.measure(), "postgresql": await _on_postgresql(lambda url: recovery.measure(postgresql=url))}


async def _upgrade() -> dict[str, Any]:
    served = await _on_postgresql(lambda url: upgrade.measure(url=url, alarms=LISTED, served=True))
    return await _on_both(lambda url: upgrade.measure(url=url, alarms=LISTED)) | {"postgresql, served meanwhile": served}


async def _restore() -> dict[str, Any]:
    return await restore.measure(alarms=RESTORED)


MEASUREMENTS: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {
    "mesh": _mesh,
    "balance": _balance,
    "overload": _overload,
    "sidecars": _sidecars,
    "rejected": _rejected,
    "door": _door,
    "gateways": _gateways,
    "requests": _requests,
    "watchers": _watchers,
    "console": _console,
    "rest": _rest,
    "transcoding": _transcoding,
    "drain": _drain,
    "critical": _critical,
    "instant": _instant,
    "incidents": _incidents,
    "intake": _intake,
    "checks": _checks,
    "fire": _fire,
    "neighbours": _neighbours,
    "recovery": _recovery,
    "start": _start,
    "restore": _restore,
    "upgrade": _upgrade,
    "peers": _peers,
    "smtp": _smtp,
    "delivery": _delivery,
    "bulk": _bulk,
    "lists": _lists,
}


SHORT: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {"delivery": lambda: _delivery(10)}
"""The short forms, of those that have one."""


async def _on_both(measure: Callable[[str], Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
    """The same measurement on SQLite and on a private PostgreSQL that flushes each commit."""
    with tempfile.TemporaryDirectory() as folder:
        on_sqlite = await measure(f"sqlite:///{folder}/store.db")
    return {"sqlite": on_sqlite, "postgresql": await _on_postgresql(measure)}


async def _on_postgresql(measure: Callable[[str], Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
    """The measurement on a private PostgreSQL that flushes each commit."""
    server = PostgresServer(fsync=True)
    server.start()
    try:
        return await measure(server.url())
    finally:
        server.close()


def machine() -> str:
    """The machine in words: cores, kernel, Python."""
    models = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = models[0] if models else platform.machine()
    return f"{os.cpu_count()} cores ({processor}), Linux {platform.release()}, Python {platform.python_version()}"


def _rows(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        label = f"{prefix}{str(name).replace('_', ' ')}"
        if isinstance(value, dict):
            rows += _rows(cast("dict[str, Any]", value), f"{label}: ")
        else:
            rows.append((label, f"{value:,}" if isinstance(value, int) else str(value)))
    return rows


def _judged(aim: str, value: str) -> str:
    """The cells of an aim, and whether it is met; an aim in words is for the reader to judge."""
    found = re.fullmatch(r"(under |over |)([\d.,]+)", aim)
    if found is None:
        return f"{aim} |"
    measured, wanted = (float(text.replace(",", "")) for text in (value, found[2]))
    if found[1] == "under ":
        met = measured < wanted
    elif found[1] == "over ":
        met = measured > wanted
    else:
        met = measured >= wanted if wanted else measured == 0
    return f"{aim} | {'met' if met else '**missed**'}"


def _tell(name: str, figures: dict[str, Any]) -> None:
    """Prints what was measured, and then each figure that has an aim."""
    print(json.dumps(figures, indent=2), flush=True)
    for label, value in _rows(figures):
        if aim := AIMS.get(f"{name}: {label}"):
            said, _, met = _judged(aim, value).partition(" |")
            print(f"{name}: {label}: {value} (aim {said}){met.replace('*', '')}", flush=True)


def _page(results: dict[str, Any]) -> str:
    parts = [
        "# Benchmarks",
        (
            "Written by `make bench`; `make bench ARGS=rest` measures one part again. Clients and servers share the machine, so every rate "
            "includes the cost of whoever asks. An aim that is not met stays in the table."
        ),
    ]
    for name, result in results.items():
        rows = [f"| {label} | {value} | {_judged(AIMS.get(f'{name}: {label}', ''), value)} |" for label, value in _rows(result["figures"])]
        table = "\n".join(["| figure | value | aim | |", "|---|---|---|---|", *rows])
        parts += [f"## {name}", f"{ABOUT[name]} {result['date']}, {result['machine']}. `make bench ARGS={name}`", table]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Measures what the arguments name, everything without any; returns the exit status."""
    short = "short" in sys.argv[1:]
    measurements = SHORT if short else MEASUREMENTS
    wanted = [name for name in sys.argv[1:] if name != "short"] or list(measurements)
    if unknown := set(wanted) - measurements.keys():
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(measurements)}", file=sys.stderr)
        return 2
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in wanted:
        print(f"measuring {name} ...", flush=True)
        figures = uvloop.run(measurements[name]())  # as the services do
        results[name] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "figures": figures}
        _tell(name, figures)
        if not short:  # at once: what was measured for minutes is not lost with what comes after it
            _write({name: results[name] for name in MEASUREMENTS if name in results})
    return 0


def _write(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    PAGE.write_text(_page(results))


if __name__ == "__main__":
    sys.exit(main())
