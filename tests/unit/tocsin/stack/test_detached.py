"""Detached stacks, `down` and `status`, orphans, and what a person sees."""

import asyncio
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.tocsin.stack.support import CLOCK, REPOSITORY, alive, kill_and_reap
from tocsin.errors import FailedPrecondition, Unavailable
from tocsin.lifecycle import ExitCode
from tocsin.stack.child import rotate
from tocsin.stack.commands import DownResult, Stack, detach, down, status
from tocsin.stack.layout import SERVICES
from tocsin.stack.spawning import Interpreters
from tocsin.stack.stack_file import is_running, read_stack_file
from tocsin.stack.supervisor import Supervisor
from tocsin.stack.view import TableView, welcome

DRIVER = """
    import asyncio, json, os, sys
    from pathlib import Path
    from rich.console import Console
    from tocsin.clock import SystemClock
    from tocsin.stack.commands import Stack, up
    from tocsin.stack.layout import Layout, Port
    from tocsin.stack.view import LineView
    data = json.loads(sys.argv[1])
    ports = tuple(Port(**port) for port in data["ports"])
    layout = Layout(state=Path(data["state"]), host="127.0.0.1", ports=ports)
    stack = Stack(layout=layout, programs=data["programs"], env=dict(os.environ), forked=False, state_flag="")
    sys.exit(asyncio.run(up(stack, view=LineView(console=Console(), layout=layout), clock=SystemClock(), show_key=False)))
"""


def driver(stack: Stack) -> list[str]:
    """The command that runs ``stack`` in the foreground of another process."""
    data = {
        "state": str(stack.layout.state),
        "ports": [dataclasses.asdict(port) for port in stack.layout.ports],
        "programs": dict(stack.programs),
    }
    return [sys.executable, "-c", textwrap.dedent(DRIVER), json.dumps(data)]


@pytest.fixture
async def detached(make_stack: Callable[..., Stack]) -> AsyncIterator[Stack]:
    """A stack that runs by itself."""
    stack = make_stack()
    await detach(stack, argv=driver(stack), clock=CLOCK, timeout=60)
    yield stack
    await down(stack.layout.state, clock=CLOCK, timeout=30)


async def test_detach_returns_when_everything_is_healthy(make_stack: Callable[..., Stack]) -> None:
    """The text shows the addresses and, once, the key, which is in no log; `down` drains it."""
    stack = make_stack()
    text = await detach(stack, argv=driver(stack), clock=CLOCK, timeout=60)
    picture, health = await status(stack.layout.state)
    assert picture is not None
    assert picture.healthy
    assert health is None  # the fake gateway's port answers nothing
    assert stack.layout.http_url in text
    assert "tk_secret" in text
    assert all("tk_secret" not in log.read_text() for log in (stack.layout.state / "logs").iterdir())
    assert os.getsid(picture.supervisor) == picture.supervisor
    assert await down(stack.layout.state, clock=CLOCK, timeout=30) is DownResult.STOPPED
    assert await down(stack.layout.state, clock=CLOCK, timeout=30) is DownResult.NOT_RUNNING
    assert await status(stack.layout.state) == (None, None)


async def test_detach_tells_why_a_stack_ended_at_once(make_stack: Callable[..., Stack]) -> None:
    """The words of the service that refused reach the terminal."""
    stack = make_stack(mailer_svc="refuse")
    with pytest.raises(FailedPrecondition, match="mailer_svc: TOCSIN_NONSENSE") as caught:
        await detach(stack, argv=driver(stack), clock=CLOCK, timeout=60)
    assert caught.value.metadata["exit_code"] == str(int(ExitCode.CONFIG))


async def test_detach_gives_up_on_a_stack_that_is_never_healthy(make_stack: Callable[..., Stack]) -> None:
    """It is stopped again and the logs are named."""
    stack = make_stack(mailer_svc="never ready")
    with pytest.raises(Unavailable, match="was not healthy after 2 s"):
        await detach(stack, argv=driver(stack), clock=CLOCK, timeout=2)
    assert await down(stack.layout.state, clock=CLOCK, timeout=30) in {DownResult.STOPPED, DownResult.NOT_RUNNING}


async def test_a_killed_supervisor_leaves_no_orphans_and_a_new_stack_starts(detached: Stack, make_stack: Callable[..., Stack]) -> None:
    """Kill -9 of the supervisor: its services die with it, the stale picture fools nobody, the ports are free for the next `up`."""
    picture = read_stack_file(detached.layout.state)
    assert picture is not None
    os.kill(picture.supervisor, signal.SIGKILL)
    stack = dataclasses.replace(make_stack(), layout=detached.layout)
    await detach(stack, argv=driver(stack), clock=CLOCK, timeout=60)
    assert not any(alive(service.pid) for service in picture.services.values() if service.pid)
    after, _ = await status(detached.layout.state)
    assert after is not None
    assert after.healthy
    assert after.supervisor != picture.supervisor


async def test_status_of_a_killed_stack_is_not_running(detached: Stack) -> None:
    """The stale picture is still there, and is not believed."""
    picture = read_stack_file(detached.layout.state)
    assert picture is not None
    await asyncio.to_thread(kill_and_reap, picture.supervisor)
    assert detached.layout.stack_file.exists()
    assert await status(detached.layout.state) == (None, None)
    assert await down(detached.layout.state, clock=CLOCK, timeout=1) is DownResult.NOT_RUNNING


async def test_down_kills_what_does_not_end(detached: Stack) -> None:
    """A stopped (SIGSTOP) supervisor cannot drain; it is killed and its services with it."""
    picture = read_stack_file(detached.layout.state)
    assert picture is not None
    os.kill(picture.supervisor, signal.SIGSTOP)
    assert await down(detached.layout.state, clock=CLOCK, timeout=0.2) is DownResult.KILLED
    assert not is_running(detached.layout.state)
    assert not any(alive(service.pid) for service in picture.services.values() if service.pid)


def test_the_launcher_refuses_an_absent_supervisor() -> None:
    """A supervisor that died between spawn and start leaves nothing behind."""
    launcher = REPOSITORY / "tocsin/stack/launcher.py"
    done = subprocess.run([sys.executable, "-I", "-S", launcher, "1", "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the supervisor died" in done.stderr


# -- what a person sees --------------------------------------------------------------------------------------------------------


def test_the_welcome_can_be_pasted(make_stack: Callable[..., Stack]) -> None:
    """The curl line is one line, reads the key from its file and makes an alarm a few seconds ahead."""
    layout = make_stack().layout
    text = welcome(layout, new_key=None, state_flag="--state x")
    (line,) = [line for line in text.splitlines() if line.strip().startswith("curl")]
    assert f"{layout.http_url}/v1/alarms" in line
    assert f"$(cat {layout.api_key_file})" in line
    body = json.loads(line.partition("-d '")[2].rstrip("'"))
    assert body["trigger"] == {"every": "5s", "count": 1}
    assert "tocsin inbox --state x" in text


def test_the_table_shows_every_service(make_stack: Callable[..., Stack]) -> None:
    """Service, state, port, pid and restarts, live on a terminal."""
    stack = make_stack()
    supervisor = Supervisor(
        layout=stack.layout, programs=stack.programs, spawner=Interpreters(), env={}, pid=1, clock=CLOCK, on_change=lambda child: None
    )
    output = io.StringIO()
    with TableView(console=Console(file=output, force_terminal=True, width=100), layout=stack.layout) as view:
        view.watch(supervisor.children.values())
        view.say("above the table")
    for name in SERVICES:
        assert name in output.getvalue()
    assert str(stack.layout.port("gateway", "http")) in output.getvalue()
    assert "above the table" in output.getvalue()


def test_a_large_log_is_moved_aside_at_the_start(tmp_path: Path) -> None:
    """Logs are bounded: four files of about ten megabytes a service."""
    log = tmp_path / "a.log"
    for _ in range(5):
        log.write_bytes(b"x" * (10 * 1024 * 1024))
        rotate(log)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.log.1", "a.log.2", "a.log.3"]
    log.write_bytes(b"small")
    rotate(log)
    assert log.read_bytes() == b"small"
