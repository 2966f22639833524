"""`tocsin bench`: a load test."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tocsin.cli.bench_running import figures, measure, plan_of, show, target
from tocsin.cli.output import write_json, write_line, write_table
from tocsin.cli.target import JsonOption, KeyOption
from tocsin.clock import SystemClock
from tocsin.errors import Unavailable
from tocsin.loadtest import Lateness, LoadPhase, LoadReport, LoadTest, lateness_chart
from tocsin.loadtest.report import MIB, percentile
from tocsin.stack import commands
from tocsin.stack.stack_file import StackStatus, read_stack_file
from tocsin.stack.supervisor import programs

_TIMEOUT_SECONDS: Final = 120.0
_PERCENTS: Final = (50, 90, 99, 99.9, 100)


def bench(
    alarms: Annotated[int, typer.Option("--alarms", min=0, max=10_000_000, help="Number of alarms to create.")] = 10_000,
    picture: Annotated[Path, typer.Option("--picture", help="SVG file for the chart of the lateness.", dir_okay=False)] = Path(
        "tocsin-lateness.svg"
    ),
    state: Annotated[Path | None, typer.Option("--state", help="Load the stack that runs on this state folder instead.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Load the running installation behind this gateway instead.")] = None,
    api_key: KeyOption = None,
    grpc: Annotated[
        str, typer.Option("--grpc", help="Address of the gateway's gRPC door, HOST:PORT. Default: that of the state folder.")
    ] = "",
    mix: Annotated[str, typer.Option("--mix", help="Shares of the calls to a running installation.")] = "rest=2,grpc=1,events=1",
    rate: Annotated[
        float, typer.Option("--rate", min=0, max=100_000, help="Calls a second to a running installation; 0 makes none.")
    ] = 100.0,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=86_400, help="How long to call it.")] = 30.0,
    firings: Annotated[
        int, typer.Option("--firings", min=0, max=10_000, help="Firings a second there, for their lateness; 0: none.")
    ] = 100,
    firing_seconds: Annotated[int, typer.Option("--firing-seconds", min=1, max=3600, help="How long these last.")] = 20,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metrics", help="Metrics of a process, NAME=URL; repeatable. Default: those of the state folder."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the alarms that it made in a running installation.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Load-test a temporary installation, or one that runs (--url, --state): memory, CPU, response times, rates, lateness of firings.

    Settings of a temporary one come from TOCSIN_* variables, as with `tocsin up`: SQLite by default; another database should be empty.
    A running one is loaded within the limits and quotas of the key, and what was made is removed, also after Ctrl-C.
    """
    if url is not None or state is not None:
        where = target(state=state, url=url, api_key=api_key, grpc=grpc, metrics=metrics or ())
        plan = plan_of(where, mix=mix, alarms=alarms, rate=rate, seconds=seconds, firings=firings, firing_seconds=firing_seconds, keep=keep)
        found = asyncio.run(measure(where, plan, (lambda _: None) if as_json else write_line))
        if as_json:
            write_json(figures(found))
        else:
            show(found)
        return
    if alarms < 1:
        raise typer.BadParameter("a temporary installation is measured with one alarm at least", param_hint="--alarms")
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        report = asyncio.run(_measure(Path(folder), alarms, told=(lambda _: None) if as_json else write_line))
    if report.lateness is not None:
        picture.write_text(lateness_chart(report.lateness, alarms=alarms), encoding="utf-8")
    if as_json:
        write_json(_figures(report))
    else:
        _show(report)
        write_line(f"\nlateness chart: {picture}")


async def _measure(folder: Path, alarms: int, *, told: Callable[[str], None]) -> LoadReport:
    clock = SystemClock()
    stack = commands.stack_of(state=folder, base=0, env=os.environ, programs=programs(sys.executable))
    again = [sys.executable, "-m", "tocsin.cli", "up", "--detached-supervisor", "--state", str(folder), "--port-base", "0"]
    told("starting an installation")
    await commands.detach(stack, argv=again, clock=clock, timeout=_TIMEOUT_SECONDS)
    try:
        picture, key = _running(folder)
        return await LoadTest(picture=picture, api_key=key, clock=clock, told=told).run(alarms)
    finally:
        await commands.down(folder, clock=clock, timeout=_TIMEOUT_SECONDS)


def _running(folder: Path) -> tuple[StackStatus, str]:
    """The installation and its key."""
    picture = read_stack_file(folder)
    if picture is None:
        raise Unavailable("the installation under test has stopped")
    return picture, Path(picture.api_key_file).read_text(encoding="utf-8").strip()


def _show(report: LoadReport) -> None:
    write_line("")
    write_table(
        ("phase", "seconds", "rate/s", "memory MiB", "cores", "response p50 ms", "p99 ms", "calls", "errors"),
        [_row(phase) for phase in report.phases],
        empty="",
    )
    services = list(report.phases[0].memory)
    write_line("\nresident memory of each service at the end of each phase, MiB")
    write_table(("phase", *services), [(phase.name, *(_mib(phase.memory[name]) for name in services)) for phase in report.phases], empty="")
    if report.lateness is not None:
        told = "  ".join(f"{name} {value:,.1f} ms" for name, value in _late(report.lateness).items())
        late = report.lateness
        write_line(f"\nlateness at {late.rate:,}/s: {told}   {len(late.seconds):,} of {late.expected:,} fired, {late.early:,} early")


def _row(phase: LoadPhase) -> tuple[str, ...]:
    return (
        phase.name,
        f"{phase.seconds:.1f}",
        "" if phase.rate is None else f"{phase.rate:,.0f}",
        _mib(sum(phase.memory.values())),
        f"{sum(phase.cpu.values()):.2f}",
        f"{percentile(phase.responses, 50) * 1000:.1f}",
        f"{percentile(phase.responses, 99) * 1000:.1f}",
        f"{len(phase.responses):,}",
        f"{phase.errors:,}",
    )


def _mib(size: float) -> str:
    return f"{size / MIB:,.0f}"


def _late(lateness: Lateness) -> Mapping[str, float]:
    """Percentiles in milliseconds."""
    return {"max" if percent == 100 else f"p{percent:g}": percentile(lateness.seconds, percent) * 1000 for percent in _PERCENTS}


def _figures(report: LoadReport) -> dict[str, Any]:
    """The report for programs; seconds unless the name says otherwise."""
    late = report.lateness
    return {
        "alarms": report.alarms,
        "phases": [
            {
                "name": phase.name,
                "seconds": phase.seconds,
                "rate_per_second": phase.rate,
                "memory_bytes": dict(phase.memory),
                "cpu_cores": dict(phase.cpu),
                "response_seconds": {f"p{percent:g}": percentile(phase.responses, percent) for percent in _PERCENTS},
                "calls": len(phase.responses),
                "errors": phase.errors,
            }
            for phase in report.phases
        ],
        "lateness_ms": dict(_late(late)) if late else {},
        "fired": len(late.seconds) if late else 0,
        "expected": late.expected if late else 0,
        "early": late.early if late else 0,
    }
