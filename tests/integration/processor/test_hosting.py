"""Handlers of other packages, whatever they do: each end is the job's own, and its neighbours never notice."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from processor_svc.actions import builtin
from processor_svc.actions.task import TaskAction, TaskKind
from processor_svc.domain import Job, JobFailed, JobLease, JobResult, JobSucceeded
from processor_svc.hosting import HostOptions, Packages, PackageState
from processor_svc.registry import Registry, handlers_of
from tests.unit.processor.kinds import Reports
from tocsin.clock import SystemClock
from tocsin.priority import Priority
from tocsin.testing.waiting import eventually

EVIL = EntryPoint("evil", "tests.integration.processor.evil", "tocsin.tasks")
RAISED = ("exit", "interrupt", "generator", "cancelled", "memory", "stop", "mute", "group", "recursion")
UNSAYABLE = ("key", "nan", "set", "bytes", "object", "recursive", "lone", "rounded", "hostile")
DEADLY = ("os_exit", "segfault", "kill", "close")


class Host:
    """A task kind with packages of the test's own."""

    def __init__(self, *points: EntryPoint, **options: Any) -> None:
        self.packages = Packages(points, options=HostOptions(**options), clock=SystemClock())
        self.reports = Reports()
        self.kind = TaskKind(registry=Registry(handlers_of(builtin)), packages=self.packages, progress=self.reports)

    async def run(self, handler: str, *, firing: str = "f", priority: Priority = Priority.NORMAL, **values: Any) -> JobResult:
        """How one attempt ends."""
        action = TaskAction(handler=handler, input=values)
        job = Job(lease=JobLease(firing, 1), lease_seconds=30, tenant="t1", alarm="", attempt=1, priority=priority, action=action)
        return await self.kind.run(job, action)


@pytest.fixture
async def host() -> AsyncGenerator[Host]:
    """One evil package."""
    made = Host(EVIL, processes=2, reserve=1)
    await made.packages.start()
    yield made
    await made.packages.stop()


def _failed(end: JobResult) -> JobFailed:
    assert isinstance(end, JobFailed), end
    return end


@pytest.mark.parametrize("handler", ["evil.ends", "evil.ends.sync"])
async def test_every_way_to_end_is_the_attempts_own(host: Host, handler: str) -> None:
    """Exceptions of every kind, results that cannot be said, and the end of the process; a good one beside them is none the wiser."""
    beside = asyncio.create_task(host.run("evil.good", firing="beside", seconds=0.5))
    for how in RAISED:
        assert (how, _failed(await host.run(handler, how=how)).reason) == (how, "HANDLER_FAILED")
    for how in UNSAYABLE:
        assert (how, _failed(await host.run(handler, how=how)).reason) == (how, "RESULT_INVALID")
    assert _failed(await host.run(handler, how="huge")).reason == "RESULT_TOO_LARGE"
    for how in ("wait", "surrogate"):
        assert _failed(await host.run(handler, how=how)).reason == "TASK_FAILED"
    for how in ("chatter", "thread"):
        assert await host.run(handler, how=how) == JobSucceeded({})
    for how in DEADLY:
        end = _failed(await host.run(handler, how=how))
        assert (how, end.reason, end.retryable) == (how, "HANDLER_CRASHED", True)
    assert isinstance(await beside, JobSucceeded)
    assert _failed(await host.run("evil.good", text=1)).reason == "INPUT_INVALID"
    assert _failed(await host.run("nobody")).reason == "HANDLER_NOT_FOUND"


async def test_the_death_of_a_process_is_charged_to_the_one_who_caused_it(host: Host, tmp_path: Path) -> None:
    """Two hundred innocents and three killers in one process: the innocents succeed at this very attempt, and each killer fails."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    innocents = [asyncio.create_task(host.run("evil.good", firing=f"i{n}", log=f"{log}", until=f"{gate}")) for n in range(200)]
    await eventually(lambda: log.exists() and len(log.read_text().splitlines()) == 200)
    killers = [asyncio.create_task(host.run("evil.ends", firing=f"k{n}", how="os_exit")) for n in range(3)]
    await eventually(lambda: len(log.read_text().splitlines()) > 200)
    gate.touch()  # whoever was there when the process died ends now, at its second turn
    ends = await asyncio.gather(*innocents)
    assert {type(end) for end in ends} == {JobSucceeded}
    for killer in killers:
        assert _failed(await killer).reason == "HANDLER_CRASHED"
    assert max(Counter(line.split()[0] for line in log.read_text().splitlines()).values()) <= 2


@pytest.mark.parametrize("handler", ["evil.hang", "evil.block", "evil.deaf", "evil.slow", "evil.forks"])
async def test_what_hangs_is_ended_and_its_neighbours_go_on(host: Host, handler: str) -> None:
    """More of them than there are places; their processes are gone, and a critical job is never behind them."""
    hanging = [asyncio.create_task(host.run(handler, firing=f"h{n}")) for n in range(5)]
    await asyncio.sleep(0.1)
    assert isinstance(await host.run("evil.thread", priority=Priority.CRITICAL), JobSucceeded)
    good = [asyncio.create_task(host.run("evil.good", firing=f"g{n}")) for n in range(5)]
    wanted = "HANDLER_CRASHED" if handler == "evil.forks" else "HANDLER_TIMEOUT"
    assert [_failed(end).reason for end in await asyncio.gather(*hanging)] == [wanted] * 5
    assert {type(end) for end in await asyncio.gather(*good)} == {JobSucceeded}
    assert isinstance(await host.run("evil.thread"), JobSucceeded)
    assert host.packages.slots.busy == 0


async def test_stopping_ends_every_process_at_once(host: Host) -> None:
    """However they hang; nobody waits for them, and none is left behind."""
    done = await host.run("evil.thread"), await host.run("evil.good")
    pids = [end.output["pid"] for end in done if isinstance(end, JobSucceeded)]
    assert len(set(pids)) == 2
    hanging = [asyncio.create_task(host.run(name)) for name in ("evil.hang", "evil.block")]
    await asyncio.sleep(0.2)
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    async with asyncio.timeout(60):
        await host.packages.stop()
    assert not [pid for pid in pids if _runs(int(pid))]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


BAD_PACKAGES = {
    "missing": "raise ImportError('no such thing')",
    "syntax": "def (",
    "exit": "import sys; sys.exit(4)",
    "dies": "import os; os._exit(5)",
    "hangs": "import time; time.sleep(1000)",
    "annotated": "from processor_svc.registry import task\n@task('x')\nasync def x(a: object()) -> None: ...",
    "twice": "from processor_svc.registry import task\n@task('y')\nasync def a() -> None: ...\n@task('y')\nasync def b() -> None: ...",
}


async def test_packages_load_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not load is told with the reason, and costs nobody else anything, not even the start."""
    for name, source in BAD_PACKAGES.items():
        (tmp_path / f"bad_{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint(name, f"bad_{name}", "tocsin.tasks") for name in BAD_PACKAGES]
    host = Host(EntryPoint("absent", "nowhere.to.be.found", "tocsin.tasks"), *points, EVIL, load_seconds=5.0)
    await host.packages.start()
    try:
        assert isinstance(await host.run("evil.good"), JobSucceeded)
        assert await host.run("uppercase", text="x") == JobSucceeded({"text": "X"})
        await eventually(lambda: len(host.packages.failed()) == len(BAD_PACKAGES) + 1)
        error_text = {package.name: package.error for package in host.packages.failed()}
        assert error_text["missing"] == "ImportError: no such thing"
        assert "SyntaxError" in error_text["syntax"]
        assert "SystemExit" in error_text["exit"]
        assert "code 5" in error_text["dies"]
        assert "within 5 s" in error_text["hangs"]
        assert "'y'" in error_text["twice"]
        assert "ModuleNotFoundError" in error_text["absent"]
        assert [package.name for package in host.packages if package.state is PackageState.READY] == ["evil"]
        end = _failed(await host.run("from.a.package"))
        assert (end.reason, end.retryable) == ("HANDLER_NOT_LOADED", True)
        assert "missing (ImportError: no such thing)" in end.message
    finally:
        await host.packages.stop()


async def test_a_handler_says_how_far_it_is(host: Host) -> None:
    """A flood of reports is thinned out, nonsense is left out, and the last one comes through; the result is as ever."""
    assert await host.run("evil.steps", firing="f1", many=5000) == JobSucceeded({"value": 5000})
    assert 2 <= len(host.reports.told) < 100
    assert all(firing == "f1" and 0 < fraction <= 1 for firing, fraction, _ in host.reports.told)
    assert ("f1", 1.0, "step 5000") in host.reports.told
    assert host.reports.told[-1] == ("f1", 1.0, "x" * 200)


@pytest.mark.parametrize("handler", ["evil.polite", "evil.stubborn", "evil.forever"])
async def test_a_run_whose_job_is_cancelled_ends(host: Host, tmp_path: Path, handler: str) -> None:
    """Told, it ends by itself; otherwise it is killed after a moment. What runs beside it is none the wiser."""
    began, ended = tmp_path / "began", tmp_path / "ended"
    given: dict[str, dict[str, Any]] = {
        "evil.polite": {"began": f"{began}", "ended": f"{ended}"},
        "evil.stubborn": {"began": f"{began}"},
        "evil.forever": {},
    }
    running = asyncio.create_task(host.run(handler, firing="f1", **given[handler]))
    beside = asyncio.create_task(host.run("evil.good", firing="beside", until=f"{ended}-beside"))
    await eventually(lambda: began.exists() or (handler == "evil.forever" and host.packages.slots.busy == 1))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.exists() == (handler == "evil.polite")
    assert host.packages.slots.busy <= 1
    Path(f"{ended}-beside").touch()
    assert isinstance(await beside, JobSucceeded)
    assert isinstance(await host.run("evil.good"), JobSucceeded)
