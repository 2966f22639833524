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
    peers,
    recovery,
    rejected,
    requests,
    rest,
    sidecars,
    smtp_drain,
    transcoding,
    watchers,
)
from tocsin.testing.postgres import PostgresServer

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
RESULTS = Path(__file__).resolve().parent / "results.json"
DUE_AT_ONCE = 20_000
MAILS = 10_000
IMPORTED = 200_000
LISTED = 1_000_000
STEADY = 50_000
INSTANT = 60_000
INCIDENTS = 10_000
ALERTS = 5000


async def _mesh() -> dict[str, Any]:
    return await mesh_tax.measure()


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


async def _recovery() -> dict[str, Any]:
    return {"sqlite": await recovery.measure(), "postgresql": await _on_postgresql(lambda url: recovery.measure(postgresql=url))}


MEASUREMENTS: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {
    "mesh": _mesh,
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
    "peers": _peers,
    "smtp": _smtp,
    "delivery": _delivery,
    "bulk": _bulk,
    "lists": _lists,
}


SHORT: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {"delivery": lambda: _delivery(10)}
"""The short forms, of those that have one."""

ABOUT = {
    "bulk": "Alarms imported as NDJSON over gRPC and mTLS by scheduler_svc as a process of its own; once more, unchanged; and exported.",
    "checks": "HTTP checks of a local server at an even rate, each of an alarm of its own, with their readings recorded, by scheduler_svc "
    "and processor_svc as processes of their own.",
    "console": "The console in Chromium: what it weighs, its first page on a processor that is four times slower, 10,000 "
    "rows scrolled in 200 frames, 1,000 changes a second beside somebody who types, and Lighthouse; `make lighthouse` first. Times are "
    "wall time; cpu is what the page's main thread computed.",
    "critical": "60 critical alarms due while 100,000 others, due at one instant, drain: when they were fired, and done; milliseconds.",
    "fire": "The firing path alone, from the time index into the ledger: an even stream, and all at once among few and many stored alarms.",
    "neighbours": "An alarm every 40 ms, alone and beside 100,000 alarms of a stranger at one instant: how late it was fired.",
    "recovery": "Each service is killed once while 500 alarms a second become mails; seconds until the rate is back.",
    "sidecars": "A unary call bare, through two Envoy sidecars, and through the mesh, both with mutual TLS; `make peers` first.",
    "instant": "60,000 alarms due at one instant, action noop, by scheduler_svc and processor_svc: the question of "
    "[many-at-once.md](many-at-once.md).",
    "incidents": "Incidents with three-step policies opened at one instant: when their first steps were handed to a processor; and others "
    "that are acknowledged at random moments between their steps, as by the link in a mail.",
    "intake": "A webhook of Alertmanager with 5,000 alerts, through the gateway of a whole stack, until its answer: alerts that are "
    "incidents of their own, without a policy and each with a first step, and alerts that a route groups.",
    "door": "What limits and Idempotency-Key add to a call at the door, each off and on in turn; microseconds, the best of five rounds.",
    "lists": "A page of 50 alarms of a million by each filter, the first page and one in the middle; milliseconds.",
    "mesh": "A unary call through the whole chain (deadline, identity, breaker, retry, validation, metrics) against bare grpc.aio.",
    "rejected": "A call to a dead service whose circuit is open, through the whole chain; microseconds, one call after the other.",
    "rest": "Alarms made over REST with 32 connections on `tocsin up` with SQLite; an even stream of alarms and how late they were fired.",
    "drain": "Alarms due at one instant, action noop: fired, delivered over mTLS, answered and committed.",
    "peers": "So many empty jobs, all due when the clock starts, on PostgreSQL that flushes each commit or on Redis; `make peers` first.",
    "transcoding": "JSON to messages and back at the REST door, both ways in turns of one run; microseconds of CPU, the best of 30 turns.",
    "delivery": "A template filled in; mail beside two clients that store nothing, and webhooks, both through the whole "
    "mailer; one notification to many people with critical messages beside it; and what gates add to accepting a message.",
    "gateways": "Gateways before the same service in Python, each on one event loop or with one worker: ours with tokens, scopes, limits, "
    "deadlines and breakers on, Envoy's transcoder and FastAPI with a stub without them; CPU is the gateway's; `make peers` first.",
    "requests": "What a request over REST takes of the processor in each process that serves it; SQLite, 32 connections: a record read by "
    "its key, and an alarm made; microseconds by the kernel's account.",
    "watchers": "10,000 SSE streams of one tenant that hear nothing, at the gateway of a whole stack on SQLite: memory, the times of other "
    "calls beside them, and who missed a change.",
    "smtp": "Mails handed to the mailer, stored, and taken by a local SMTP server over 64 connections.",
}
AIMS = {
    "bulk: postgresql: imported: per second": "25,000",
    "checks: sqlite: percent of a core: processor": "under 20",
    "checks: postgresql: percent of a core: processor": "under 20",
    "console: size: javascript gz kb": "under 80",
    "console: size: css gz kb": "under 15",
    "console: first page: usable ms, cpu 4x slower": "under 1000",
    "console: scrolling: fps p5": "over 50",
    "console: stream: input to frame p99 ms": "under 100",
    **{
        f"console: lighthouse: {kind}: {part}": aim
        for kind in ("desk", "phone")
        for part, aim in {"performance": "over 95", "accessibility": "100", "best-practices": "100"}.items()
    },
    "critical: critical done p99 ms": "under 200",
    **{f"instant: {store}: seconds": "under 12" for store in ("sqlite", "postgresql")},
    **{f"instant: {store}: missing": "0" for store in ("sqlite", "postgresql")},
    **{
        f"incidents: {store}: {figure}": aim
        for store in ("sqlite", "postgresql")
        for figure, aim in {
            "first step p99 ms": "under 1000",
            "doubled": "0",
            "acknowledged: latest ms after the answer": "under 100",
        }.items()
    },
    **{
        f"intake: {store}: {figure}": "under 500"
        for store in ("sqlite", "postgresql")
        for figure in ("no policy: opened ms", "policy: opened ms", "route: counted ms")
    },
    "fire: steady: late p99 ms": "under 50",
    "fire: steady: early": "0",
    "neighbours: sqlite: beside: quiet late p99 ms": "100 more than alone",
    "neighbours: postgresql: beside: quiet late p99 ms": "100 more than alone",
    "mesh: plaintext: ratio": "over 0.75",
    "mesh: plaintext: added p50 us": "under 80",
    "mesh: mtls: ratio to plaintext": "over 0.65",
    **{
        f"recovery: {store}: {service}: rings again s": "under 3"
        for store in ("sqlite", "postgresql")
        for service in ("processor svc", "mailer svc", "scheduler svc", "gateway", "auth svc")
    },
    "recovery: sqlite: lost": "0",
    "recovery: postgresql: lost": "0",
    "rejected: us a call": "under 100",
    "rejected: tasks left": "0",
    "rejected: threads left": "0",
    "rest: creates per second": "2,000",
    **{
        f"gateways: {what}, {number} connections: tocsin: {figure}": aim
        for what in ("read", "create")
        for number in (32, 256)
        for figure, aim in {"times envoy": "over 1", "times fastapi": "over 2", "cpu us": "under 350"}.items()
    },
    "requests: read by key: gateway cpu us": "under 350",
    "requests: read by key: processor svc cpu us": "under 500",
    "watchers: gateway mb": "under 300",
    "watchers: missed": "0",
    "rest: early": "0",
    "rest: lateness p99 ms": "under 100",
    **{f"door: {redis} Redis: {part}: p50 us": "under 60" for redis in ("without", "with") for part in ("limits", "idempotency, new key")},
    "drain: sqlite: drained per second": "5,000",
    "drain: postgresql: drained per second": "5,000",
    "peers: procrastinate: tocsin is times as fast": "10",
    "peers: celery: tocsin is times as fast": "5",
    "delivery: template: us a page of HTML": "under 40",
    **{
        f"delivery: {store}: {figure}": aim
        for store in ("sqlite", "postgresql")
        for figure, aim in {
            "mail: lost": "0",
            "mail: doubled": "0",
            "mail: ratio to the raw client": "0.8",
            "mail: ratio to aiosmtplib": "5",
            "webhooks: per second": "3,000",
            "webhooks: lost": "0",
            "webhooks: doubled": "0",
            "one to many: accepted per second": "10,000",
            "one to many: doubled": "0",
            "one to many: critical: lost": "0",
            "one to many: critical: worst ms": "under 200",
            "gates: all of them add us": "under 15",
        }.items()
    },
    "smtp: sqlite: mails per second": "1,500",
    "smtp: postgresql: mails per second": "1,500",
    "smtp: sqlite: lost": "0",
    "smtp: sqlite: doubled": "0",
    "smtp: postgresql: lost": "0",
    "smtp: postgresql: doubled": "0",
}


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


def _machine() -> str:
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
        results[name] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": _machine(), "figures": figures}
        _tell(name, figures)
    if short:
        return 0
    results = {name: results[name] for name in MEASUREMENTS if name in results}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    PAGE.write_text(_page(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
