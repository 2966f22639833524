"""`tocsin bench --url` and `--state`: what is loaded, Ctrl-C, and the tables of what was found."""

import asyncio
import os
import secrets
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tocsin.cli.output import write_line, write_table
from tocsin.cli.target import secret, target_of, trusted
from tocsin.clock import SystemClock
from tocsin.errors import InvalidInput, Unavailable
from tocsin.loadtest.report import MIB, percentile
from tocsin.loadtest.running import LoadStage, RunningLoadTest, RunningReport
from tocsin.loadtest.target import LoadPlan, LoadTarget, mix_of
from tocsin.stack.stack_file import read_stack_file

PERCENTS: Final = (50, 95, 99)
_RUN_BYTES: Final = 4


def plan_of(
    target: LoadTarget, *, mix: str, alarms: int, rate: float, seconds: float, firings: int, firing_seconds: int, keep: bool
) -> LoadPlan:
    """What is asked for, where it makes sense together.

    Raises:
        InvalidInput: a kind of call needs an address that is not known.
    """
    shares = mix_of(mix)
    if "grpc" in shares and not target.grpc:
        raise InvalidInput.at("mix", "grpc needs the address of the gateway's gRPC door: give --grpc HOST:PORT, or a mix without it")
    return LoadPlan(alarms=alarms, rate=rate, seconds=seconds, mix=shares, firings=firings, firing_seconds=firing_seconds, keep=keep)


def target(*, state: Path | None, url: str | None, api_key: str | None, grpc: str, metrics: Sequence[str]) -> LoadTarget:
    """The installation of a URL, or the stack of a state folder.

    Raises:
        InvalidInput: the URL, or that of metrics, is none.
        Unavailable: no stack runs there.
        Unauthenticated: its key cannot be read.
    """
    named = _metrics(metrics)
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput.at("url", f"{url!r} is no URL of a gateway, such as https://alarms.example.com")
        return LoadTarget(http=url.rstrip("/"), grpc=grpc, api_key=api_key or secret("API key"), metrics=named)
    folder = state or Path("var")
    address, key = target_of(state=folder, url=None, api_key=api_key)
    picture = read_stack_file(folder)
    if picture is None or picture.http != address:
        raise Unavailable(f"no stack runs on {os.fspath(folder)}")
    stack = LoadTarget.of_stack(picture, key or "")
    return LoadTarget(
        http=address,
        grpc=grpc or stack.grpc,
        api_key=stack.api_key,
        verify=trusted(state=folder, url=None),
        certificate=stack.certificate,
        metrics=named or stack.metrics,
    )


def _metrics(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, _, url = each.partition("=")
        if not name or name in found or urlsplit(url).scheme not in ("http", "https"):
            raise InvalidInput.at("metrics", f"{each!r} is not NAME=URL, as in scheduler_svc=http://127.0.0.1:9102/metrics, or named twice")
        found[name] = url
    return found


async def measure(target: LoadTarget, plan: LoadPlan, told: Callable[[str], None]) -> RunningReport:
    """Runs it; Ctrl-C and SIGTERM end it early, with what was found so far and what was made removed."""
    test = RunningLoadTest(target=target, plan=plan, run=secrets.token_hex(_RUN_BYTES), clock=SystemClock(), told=told)
    loop = asyncio.get_running_loop()

    def end() -> None:
        told("stopping: what was made is removed; once more leaves it")
        test.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    return await test.run()


def show(report: RunningReport) -> None:
    """The tables."""
    write_line("")
    write_table(
        ("stage", "seconds", "done", "a second", "held back by"), [_stage(each) for each in report.stages], empty="nothing was done"
    )
    calls = [(each, kind) for each in report.stages for kind in each.tallies]
    if calls:
        write_line("")
        headings = ("calls", "answered", "a second", *(f"p{each} ms" for each in PERCENTS), "limited", "failed", "began late by ms")
        write_table(headings, [_calls(stage, kind) for stage, kind in calls], empty="")
    used = [each for each in report.stages if each.memory]
    if used:
        names = list(used[0].memory)
        for heading, cells in (("memory MiB", _memory), ("cores", _cores)):
            write_line("")
            write_table((heading, *names), [(each.name, *cells(each, names)) for each in used], empty="")
    late = report.lateness
    if late is not None:
        figures = "  ".join(f"p{each} {percentile(late.seconds, each) * 1000:,.1f} ms" for each in PERCENTS)
        write_line(f"\nlateness at {late.rate:,}/s: {figures}   {len(late.seconds):,} of {late.expected:,} fired, {late.early:,} early")
    if report.stopped:
        write_line("\nstopped early: the figures are of what was done until then")
    if report.left:
        write_line(f"\n{report.left:,} alarms are left, with the label tocsin-bench={report.run}")


def _stage(stage: LoadStage) -> tuple[str, ...]:
    return (stage.name, f"{stage.seconds:.1f}", f"{stage.count:,}", f"{_rate(stage.count, stage.seconds):,.0f}", stage.limited)


def _calls(stage: LoadStage, kind: str) -> tuple[str, ...]:
    tally = stage.tallies[kind]
    times = [f"{percentile(tally.seconds, each) * 1000:.1f}" for each in PERCENTS]
    failed = ", ".join(f"{name} {count}" for name, count in sorted(tally.failed.items())) or "0"
    answered = len(tally.seconds)
    rate = f"{_rate(answered, stage.seconds):,.0f}"
    return (kind, f"{answered:,}", rate, *times, f"{tally.limited.total():,}", failed, f"{tally.late * 1000:.0f}")


def _memory(stage: LoadStage, names: Sequence[str]) -> list[str]:
    return [f"{stage.memory[name] / MIB:,.0f}" for name in names]


def _cores(stage: LoadStage, names: Sequence[str]) -> list[str]:
    return [f"{stage.cpu[name]:.2f}" for name in names]


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds else 0.0


def figures(report: RunningReport) -> dict[str, Any]:
    """The report for programs; seconds and bytes unless the name says otherwise."""
    late = report.lateness
    return {
        "run": report.run,
        "stopped": report.stopped,
        "alarms_left": report.left,
        "stages": [
            {
                "name": stage.name,
                "seconds": stage.seconds,
                "done": stage.count,
                "limited_by": stage.limited,
                "memory_bytes": stage.memory,
                "cpu_cores": stage.cpu,
                "calls": {kind: _told(stage, kind) for kind in stage.tallies},
            }
            for stage in report.stages
        ],
        "lateness_seconds": {f"p{each}": percentile(late.seconds, each) for each in PERCENTS} if late and late.seconds else {},
        "fired": len(late.seconds) if late else 0,
        "expected": late.expected if late else 0,
        "early": late.early if late else 0,
    }


def _told(stage: LoadStage, kind: str) -> Mapping[str, Any]:
    tally = stage.tallies[kind]
    return {
        "answered": len(tally.seconds),
        "rate_per_second": _rate(len(tally.seconds), stage.seconds),
        "response_seconds": {f"p{each}": percentile(tally.seconds, each) for each in PERCENTS} if tally.seconds else {},
        "limited": dict(tally.limited),
        "failed": dict(tally.failed),
        "began_late_seconds": tally.late,
    }
