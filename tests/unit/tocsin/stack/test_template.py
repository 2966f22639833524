"""The template of the services, with services of a few lines: what forks are, what they know, and what a lost template costs."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tocsin.stack.support import REPOSITORY, alive
from tocsin.stack.layout import SERVICES
from tocsin.stack.spawning import ChildSpec, Fork, Forks, Process
from tocsin.testing.process import memory_of
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every service is a program of its own, as in test_supervisor.py")

# What a fork tells of itself, and then does.
MAIN = """
    import json, os, signal, sys

    def main():
        told = {"env": dict(os.environ), "group": os.getpgid(0), "pid": os.getpid(), "wakeup": signal.set_wakeup_fd(-1)}
        print(json.dumps(told), flush=True)
        if os.environ.get("END"):
            return int(os.environ["END"])
        signal.pause()

    if __name__ == "__main__":
        sys.exit(main())
"""


class Nursery:
    """Forks of two services, `one` and `two`, and what they wrote."""

    def __init__(self, folder: Path) -> None:
        for name in ("one", "two"):
            (folder / name).mkdir()
            for module, text in {"__init__": "", "config": "", "wiring": "", "__main__": textwrap.dedent(MAIN)}.items():
                (folder / name / f"{module}.py").write_text(text)
        self.folder = folder
        self._env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{folder}:{REPOSITORY}"}
        self.forks = Forks(services=("one", "two"), env=self._env)
        self._made = 0

    async def spawn(self, service: str, **env: str) -> tuple[Process, Path]:
        """Starts a service with a log of its own."""
        self._made += 1
        log = self.folder / f"{self._made}.log"
        spec = ChildSpec(name=service, argv=(sys.executable, "-m", service), env={**self._env, **env}, log=log)
        with log.open("wb") as file:
            return await self.forks.spawn(spec, file.fileno()), log


async def told(log: Path) -> dict[str, Any]:
    """What a service told of itself."""
    await eventually(lambda: log.read_text().endswith("}\n"), what="a word of the service")
    return json.loads(log.read_text().splitlines()[-1])


def template_of(fork: Process) -> int:
    """The process that a fork came from."""
    return int(Path(f"/proc/{fork.pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture
async def nursery(tmp_path: Path) -> AsyncIterator[Nursery]:
    """Two services; whatever lives at the end is ended with the template."""
    made = Nursery(tmp_path)
    yield made
    await made.forks.stop()


async def test_a_fork_is_a_service_of_its_own(nursery: Nursery) -> None:
    """It has its settings, log and process group, answers signals as any program does, and its exit code is told."""
    one, log = await nursery.spawn("one", COLOUR="blue")
    two, other = await nursery.spawn("two", END="7")
    words = await told(log)
    assert isinstance(one, Fork)
    assert words["env"]["COLOUR"] == "blue"
    assert "END" not in words["env"]
    assert words["group"] == words["pid"] == one.pid
    assert words["wakeup"] == -1
    assert Path(f"/proc/{one.pid}/cmdline").read_bytes().rstrip(b"\0").decode() == f"{sys.executable} -m one"
    assert await two.wait() == 7
    assert (await told(other))["env"]["END"] == "7"
    two.send_signal(signal.SIGTERM)
    one.send_signal(signal.SIGTERM)
    assert await one.wait() == -signal.SIGTERM
    assert not alive(one.pid)


async def test_no_fork_knows_the_settings_of_another(nursery: Nursery) -> None:
    """They pass by the template: neither it, nor what is forked later, has them anywhere in its memory."""
    secret = secrets.token_hex(16)
    first, log = await nursery.spawn("one", PASSWORD=secret)
    await told(log)
    second, log = await nursery.spawn("two")
    await told(log)
    assert secret.encode() in memory_of(first.pid), "what is searched is where it would be found"
    for pid in (template_of(first), second.pid):
        assert secret.encode() not in memory_of(pid)
        assert secret.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


async def test_a_template_that_is_killed_is_replaced(nursery: Nursery) -> None:
    """Its forks die with it and are known to have; the next start makes another."""
    first, log = await nursery.spawn("one")
    await told(log)
    os.kill(template_of(first), signal.SIGKILL)
    assert await first.wait() == -signal.SIGKILL
    await eventually(lambda: not alive(first.pid), what="the end of the fork")
    second, log = await nursery.spawn("one")
    assert isinstance(second, Fork)
    assert (await told(log))["pid"] == second.pid


async def test_a_service_that_cannot_be_imported_is_a_program(nursery: Nursery) -> None:
    """It says itself, in its log, what is wrong with it; the others are forked all the same."""
    (nursery.folder / "one" / "wiring.py").write_text("import nothing_of_the_kind")
    (nursery.folder / "one" / "__main__.py").write_text("import sys, one.wiring")
    one, log = await nursery.spawn("one")
    two, _ = await nursery.spawn("two", END="4")
    assert not isinstance(one, Fork)
    assert await one.wait() == 1
    assert "nothing_of_the_kind" in log.read_text()
    assert isinstance(two, Fork)
    assert await two.wait() == 4


async def test_a_frozen_template_keeps_nobody_waiting(tmp_path: Path) -> None:
    """After a while the service is run as a program; the fork that comes too late is ended."""
    nursery = Nursery(tmp_path)
    first, log = await nursery.spawn("one")
    await told(log)
    template = template_of(first)
    nursery.forks.patience = 0.2
    os.kill(template, signal.SIGSTOP)
    second, log = await nursery.spawn("two")
    assert not isinstance(second, Fork)
    await told(log)
    os.kill(template, signal.SIGCONT)
    children = Path(f"/proc/{template}/task/{template}/children")
    await eventually(lambda: children.read_text().split() == [str(first.pid)], what="the end of the late fork")
    assert alive(second.pid)
    second.send_signal(signal.SIGTERM)
    assert await second.wait() == -signal.SIGTERM
    await nursery.forks.stop()


async def test_many_are_started_at_once(nursery: Nursery) -> None:
    """Each gets its own settings, whichever the template imports first."""
    made = await asyncio.gather(*(nursery.spawn(("one", "two")[number % 2], END=str(number)) for number in range(20)))
    assert [await process.wait() for process, _ in made] == list(range(20))


async def test_who_is_imported_need_not_wait_for_who_is_not(nursery: Nursery) -> None:
    """One that was asked for last is forked while another, asked for first, is still being imported."""
    for name in ("one", "two"):
        gate = nursery.folder / f"{name} may be imported"
        (nursery.folder / name / "wiring.py").write_text(
            f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n"
        )
    with (nursery.folder / "template.log").open("wb") as file:
        await nursery.forks.prepare(file.fileno())
    two = asyncio.create_task(nursery.spawn("two"))
    one = asyncio.create_task(nursery.spawn("one"))
    await asyncio.sleep(0)  # both have asked
    (nursery.folder / "one may be imported").touch()
    fork, log = await one
    assert isinstance(fork, Fork)
    assert (await told(log))["pid"] == fork.pid
    assert not two.done()
    (nursery.folder / "two may be imported").touch()
    await told((await two)[1])


async def test_a_template_is_started_before_it_is_needed(nursery: Nursery) -> None:
    """It imports while its supervisor looks after certificates; asked for twice, there is one."""
    with (nursery.folder / "template.log").open("wb") as file:
        await nursery.forks.prepare(file.fileno())
        await nursery.forks.prepare(file.fileno())
    made = [await nursery.spawn(name) for name in ("one", "two")]
    for _, log in made:
        await told(log)
    assert len({template_of(fork) for fork, _ in made}) == 1
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    templates = [each for each in children if b"tocsin.stack.template" in Path(f"/proc/{each}/cmdline").read_bytes()]
    assert templates == [str(template_of(made[0][0]))]


def test_a_supervisor_imports_little() -> None:
    """It is ready to start services before it knows how they are set up, what they log with and how they are traced."""
    code = (
        "import sys, tocsin.stack.commands; print(sorted({'structlog', 'pydantic_settings', 'opentelemetry', 'grpc'} & set(sys.modules)))"
    )
    done = subprocess.run((sys.executable, "-c", code), cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_services_import_may_be_forked() -> None:
    """No thread runs and nothing is open after it: a lock that a thread holds, or a connection, would be torn in every fork.

    Libraries that few ever need wait for whoever needs them.
    """
    code = f"""
        import importlib, os, sys
        before = set(os.listdir("/proc/self/fd"))
        for service in {SERVICES}:
            for module in ("config", "wiring", "__main__"):
                importlib.import_module(service + "." + module)
        from tocsin.mesh.policy import policies
        policies()
        print(sorted({{"icalendar", "webauthn"}} & set(sys.modules)))
        print(len(os.listdir("/proc/self/task")), sorted(set(os.listdir("/proc/self/fd")) - before))
    """
    done = subprocess.run((sys.executable, "-c", textwrap.dedent(code)), cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "1", "[]"]
