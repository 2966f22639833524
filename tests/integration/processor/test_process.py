"""The processor as a process of its own, with packages that an operator installed."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.integration.processor.support import Neighbours
from tocsin.api.processor.v1 import task_service_pb2, task_service_pb2_grpc
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, alarm_service_pb2_grpc, firing_service_pb2
from tocsin.errors import InvalidInput
from tocsin.testing.waiting import eventually

ROOT = Path(__file__).parents[3]
State = firing_service_pb2.Firing.State
PACKAGES = {"evil": "tests.integration.processor.evil", "broken": "nowhere.at.all"}


class Child:
    """`python -m processor_svc` beside a scheduler and a mailer of this process."""

    def __init__(self, neighbours: Neighbours, folder: Path) -> None:
        self._neighbours = neighbours
        self.folder = folder
        info = folder / "evil-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        lines = "".join(f"{name} = {module}\n" for name, module in PACKAGES.items())
        (info / "entry_points.txt").write_text(f"[tocsin.tasks]\n{lines}")
        self._paths = os.pathsep.join((str(folder), str(ROOT)))
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> "subprocess.Popen[bytes]":
        """Starts it."""
        settings = self._neighbours.processor_settings()
        env = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        wanted = (
            "state_dir",
            "port",
            "metrics_port",
            "grace_seconds",
            "scheduler_target",
            "processor_target",
            "mailer_target",
        )
        env |= {f"TOCSIN_PROCESSOR_{name.upper()}": f"{getattr(settings, name)}" for name in wanted} | {
            "TOCSIN_PROCESSOR_DRAIN_SECONDS": "0.5"
        }
        popen = subprocess.Popen([sys.executable, "-m", "processor_svc"], env={**env, "PYTHONPATH": self._paths})
        self._running.append(popen)
        return popen

    def close(self) -> None:
        """Ends what is left."""
        for popen in self._running:
            popen.kill()
            popen.wait()


@pytest.fixture
async def child(neighbours: Neighbours, tmp_path: Path) -> AsyncGenerator[Child]:
    """Nothing runs yet but scheduler and mailer."""
    made = Child(neighbours, tmp_path / "site")
    await neighbours.start("scheduler_svc", "mailer_svc")
    yield made
    made.close()


async def _task(neighbours: Neighbours, handler: str, count: int = 1) -> list[str]:
    stub = neighbours.stub(alarm_service_pb2_grpc.AlarmServiceStub, "scheduler_svc")
    names: list[str] = []
    for _ in range(count):
        alarm = alarm_pb2.Alarm(action=alarm_pb2.Action(task=alarm_pb2.Task(handler=handler)))
        alarm.trigger.every.FromSeconds(1)
        alarm.trigger.count = 1
        names.append((await stub.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm))).name)
    return names


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except FileNotFoundError:
        return True
    return state == "Z"  # whoever adopted it has not looked yet


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_hanging_handlers_keep_neither_mails_nor_the_end(neighbours: Neighbours, child: Child, number: signal.Signals) -> None:
    """A dozen that hang for ten minutes: mails go out beside them, the process ends within its grace, and no child of it is left."""
    popen = child.start()
    hanging = await _task(neighbours, "evil.forever", 12)
    await eventually(lambda: _busy(popen.pid), seconds=60)
    await neighbours.alarm("beside them")
    await eventually(lambda: _has(neighbours, "beside them"))
    children = _children(popen.pid)
    popen.send_signal(number)
    await eventually(lambda: popen.poll() is not None)
    assert popen.returncode == (0 if number is signal.SIGTERM else -signal.SIGKILL)
    await eventually(lambda: all(_gone(pid) for pid in children))
    found = [await neighbours.firing(name) for name in hanging]
    assert [firing.attempts for firing in found if firing] == [0] * 12


def _busy(pid: int) -> bool:
    return len(_children(pid)) >= 8


async def _has(neighbours: Neighbours, subject: str) -> bool:
    return subject in await neighbours.subjects()


async def test_a_package_that_does_not_load_is_told_and_costs_nobody_anything(
    neighbours: Neighbours, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By health, by ListHandlers and by the firing that needs it; the other package works, and so do mails."""
    monkeypatch.syspath_prepend(str(child.folder))
    await neighbours.start("processor_svc")
    await eventually(lambda: _tells(neighbours), seconds=60)
    (good,) = await _task(neighbours, "evil.good")
    (missing,) = await _task(neighbours, "of.the.broken")
    await neighbours.alarm("all the same")
    await eventually(lambda: _has(neighbours, "all the same"))
    tasks = neighbours.stub(task_service_pb2_grpc.TaskServiceStub, "processor_svc")
    listed = await tasks.ListHandlers(task_service_pb2.ListHandlersRequest())
    assert {"evil.good", "uppercase"} <= {handler.name for handler in listed.handlers}
    packages = {package.name: package for package in listed.packages}
    assert packages["evil"].state == task_service_pb2.Package.READY
    assert (packages["broken"].state, packages["broken"].error) == (
        task_service_pb2.Package.FAILED,
        "ModuleNotFoundError: No module named 'nowhere'",
    )
    for handler, field in (("of.the.broken", "handler"), ("evil.good", "input.text")):
        request = task_service_pb2.SubmitTaskRequest(handler=handler)
        request.input.update({"text": "x"})
        with pytest.raises(InvalidInput) as refused:
            await tasks.SubmitTask(request)
        assert [violation.field for violation in refused.value.violations] == [field]

    async def done() -> bool:
        found = await neighbours.firing(good)
        return found is not None and found.state == State.SUCCEEDED

    await eventually(done)

    async def error_text() -> bool:
        found = await neighbours.firing(missing)
        return found is not None and "HANDLER_NOT_LOADED" in found.error and "ModuleNotFoundError" in found.error

    await eventually(error_text)


async def _tells(neighbours: Neighbours) -> bool:
    error_text = await neighbours.health("processor_svc")
    return "broken" in error_text["packages"] and error_text["work"] == "healthy"
