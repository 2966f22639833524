"""The supervisor of one machine: ports, restarts, the picture, one stack a folder, no orphans."""

import asyncio
import dataclasses
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tocsin.clock import SystemClock
from tocsin.config import ConfigError
from tocsin.errors import FailedPrecondition, Unavailable
from tocsin.lifecycle import ExitCode
from tocsin.stack.child import Backoff, State, rotate
from tocsin.stack.commands import Ended, PortsInUse, Stack, detach, down, stack_of, status, up
from tocsin.stack.layout import SERVICES, STOP_ORDER, Layout, plan, ports_in_use
from tocsin.stack.picture import ServicePicture, StackPicture, StackRunning, is_running, locked, read_picture, write_picture
from tocsin.stack.supervisor import ServiceRefused, Supervisor
from tocsin.stack.view import LineView, TableView, welcome

REPOSITORY = Path(__file__).parents[3]
CLOCK = SystemClock()

# A service reduced to what its supervisor sees: a readiness page on its metrics port, a log, an answer to SIGTERM.
FAKE = """
    import os, signal, socket, sys
    name = sys.argv[1]
    mode = os.environ.get("FAKE_" + name.upper(), "")
    if mode == "refuse":
        sys.exit(print(name + ": TOCSIN_NONSENSE: there is no such setting", flush=True) or 78)
    if mode == "die":
        sys.exit(3)

    def end(number, frame):
        if mode == "deaf":
            return
        with open(os.environ["FAKE_TRACE"], "a") as trace:
            trace.write(name + "\\n")
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    if name == "auth_svc":
        with open(os.path.join(os.environ["TOCSIN_STATE_DIR"], "dev-api-key"), "w") as file:
            file.write("tk_secret\\n")
    port = int(os.environ["TOCSIN_" + name.removesuffix("_svc").upper() + "_METRICS_PORT"])
    status = b"503 Service Unavailable" if mode == "never ready" else b"200 OK"
    page = socket.create_server(("127.0.0.1", port))
    while True:
        asking, _ = page.accept()
        asking.recv(65536)
        asking.sendall(b"HTTP/1.1 " + status + b"\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
        asking.close()
"""


@pytest.fixture
def make_stack(tmp_path: Path) -> Callable[..., Stack]:
    """Plans a stack of fake services on free ports."""
    program = tmp_path / "fake.py"
    program.write_text(textwrap.dedent(FAKE), encoding="utf-8")

    def make(**modes: str) -> Stack:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "FAKE_TRACE": str(tmp_path / "trace")}
        env.update({f"FAKE_{name.upper()}": mode for name, mode in modes.items()})
        programs = {name: (sys.executable, "-S", str(program), name) for name in SERVICES}
        return stack_of(state=tmp_path / "var", base=0, env=env, programs=programs)

    return make


class Running:
    """`up` in a task, with what it printed."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.output = io.StringIO()
        self.view = LineView(console=Console(file=self.output, width=200), layout=stack.layout)
        self.task = asyncio.create_task(up(stack, view=self.view, clock=CLOCK, show_key=True))

    async def until(self, condition: Callable[[StackPicture], bool]) -> StackPicture:
        """The picture once ``condition`` holds; the error of `up` if it ends before."""
        while True:
            picture = read_picture(self.stack.layout.state)
            if picture is not None and condition(picture):
                return picture
            if self.task.done():
                pytest.fail(f"up ended with {self.task.result()}: {self.output.getvalue()}")
            await asyncio.sleep(0.02)

    async def healthy(self) -> StackPicture:
        """The picture once everything is healthy."""
        return await self.until(lambda picture: picture.healthy)

    async def end(self) -> int:
        """Stops it as a person would."""
        if not self.task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        return await self.task


@pytest.fixture
async def run(make_stack: Callable[..., Stack]) -> AsyncIterator[Callable[..., Running]]:
    """Runs stacks of fake services, and stops them at the end."""
    started: list[Running] = []

    def begin(**modes: str) -> Running:
        started.append(Running(make_stack(**modes)))
        return started[-1]

    yield begin
    for running in started:
        if not running.task.done():
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in {"Z", "X"}


def kill_and_reap(pid: int) -> None:
    """Kills a child of this process and waits until it is gone."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


# -- ports ---------------------------------------------------------------------------------------------------------------------


def ports(layout: Layout) -> dict[tuple[str, str], int]:
    """Every port by service and kind."""
    return {(port.service, port.kind): port.number for port in layout.ports}


def test_the_usual_ports() -> None:
    """HTTP 8000, edge 8001, services 9001 to 9004, metrics 9100 to 9104."""
    assert ports(plan(state=Path("var"), base=None, env={})) == {
        ("gateway", "http"): 8000,
        ("gateway", "grpc"): 8001,
        ("auth_svc", "grpc"): 9001,
        ("scheduler_svc", "grpc"): 9002,
        ("processor_svc", "grpc"): 9003,
        ("mailer_svc", "grpc"): 9004,
        ("gateway", "metrics"): 9100,
        ("auth_svc", "metrics"): 9101,
        ("scheduler_svc", "metrics"): 9102,
        ("processor_svc", "metrics"): 9103,
        ("mailer_svc", "metrics"): 9104,
    }


@given(st.integers(min_value=1, max_value=65535 - 24))
def test_a_base_moves_all_ports_together(base: int) -> None:
    """N, N+1, N+11 to N+14, N+20 to N+24; it goes before the environment."""
    layout = plan(state=Path("var"), base=base, env={"TOCSIN_AUTH_PORT": "7"})
    assert sorted(port.number - base for port in layout.ports) == [0, 1, 11, 12, 13, 14, 20, 21, 22, 23, 24]
    assert layout.http_url == f"http://127.0.0.1:{base}"
    assert layout.address("mailer_svc") == f"127.0.0.1:{base + 14}"


def test_base_zero_takes_free_ports_below_the_ephemeral_range() -> None:
    """A restarted service finds its port again: no outgoing connection can have taken it."""
    layout = plan(state=Path("var"), base=0, env={})
    numbers = [port.number for port in layout.ports]
    assert len(set(numbers)) == 11
    assert all(20_000 <= number < 32_000 for number in numbers)
    assert ports_in_use(layout) == []


def test_the_environment_moves_single_ports() -> None:
    """The user's own settings win over the usual ports."""
    layout = plan(state=Path("var"), base=None, env={"TOCSIN_GATEWAY_HTTP_PORT": "8080", "TOCSIN_SCHEDULER_METRICS_PORT": "7000"})
    assert layout.http_url == "http://127.0.0.1:8080"
    assert layout.metrics_url("scheduler_svc") == "http://127.0.0.1:7000/metrics"


@pytest.mark.parametrize(
    ("base", "env", "words"),
    [
        (None, {"TOCSIN_AUTH_PORT": "x"}, "TOCSIN_AUTH_PORT: must be a port number (got 'x')"),
        (None, {"TOCSIN_AUTH_PORT": "-1"}, "TOCSIN_AUTH_PORT: must be a port number"),
        (None, {"TOCSIN_AUTH_PORT": "70000"}, "TOCSIN_AUTH_PORT: port 70000 is not between 0 and 65535"),
        (65520, {}, "--port-base 65520: must be a port between 0 and 65511"),
        (-5, {}, "--port-base -5: must be a port"),
        (None, {"TOCSIN_AUTH_PORT": "9002"}, "scheduler_svc (gRPC) and auth_svc (gRPC) (TOCSIN_AUTH_PORT) both want port 9002"),
    ],
)
def test_ports_that_cannot_be_are_refused(base: int | None, env: Mapping[str, str], words: str) -> None:
    """Before anything starts, by the name of the flag or the setting."""
    with pytest.raises(ConfigError) as caught:
        plan(state=Path("var"), base=base, env=env)
    assert words in str(caught.value)


def test_a_port_in_use_names_who_needs_it_and_what_moves_it() -> None:
    """The person can act on the message."""
    layout = plan(state=Path("var"), base=0, env={})
    port = next(port for port in layout.ports if (port.service, port.kind) == ("scheduler_svc", "grpc"))
    with socket.create_server(("127.0.0.1", port.number)):
        assert ports_in_use(layout) == [
            f"port {port.number} is in use: scheduler_svc (gRPC) needs it; set TOCSIN_SCHEDULER_PORT or --port-base"
        ]


def test_the_environment_of_a_child() -> None:
    """The user's settings pass through and win, the client's do not pass, the ports and the folder are the stack's."""
    layout = plan(state=Path("var"), base=100, env={})
    user = {
        "HOME": "/h",
        "TOCSIN_CLIENT_API_KEY": "k",
        "TOCSIN_DRAIN_SECONDS": "9",
        "TOCSIN_MAILER_SMTP_HOST": "mx",
        "TOCSIN_AUTH_PORT": "7",
    }
    env = layout.environment("auth_svc", user)
    assert env["HOME"] == "/h"
    assert "TOCSIN_CLIENT_API_KEY" not in env
    assert env["TOCSIN_DRAIN_SECONDS"] == "9"
    assert env["TOCSIN_MAILER_SMTP_HOST"] == "mx"
    assert (env["TOCSIN_AUTH_PORT"], env["TOCSIN_AUTH_METRICS_PORT"]) == ("111", "121")
    assert env["TOCSIN_SCHEDULER_TARGET"] == "127.0.0.1:112"
    assert env["TOCSIN_STATE_DIR"] == str(Path("var").resolve())


@pytest.mark.parametrize(
    ("user", "cache"),
    [
        ({"HOME": "/home/ann"}, "/home/ann/.cache/tocsin/pycache"),
        ({"HOME": "/home/ann", "XDG_CACHE_HOME": "/cache"}, "/cache/tocsin/pycache"),
        ({}, str(Path("var").resolve() / "pycache")),
    ],
)
def test_compiled_code_is_cached_where_the_source_tree_must_stay_clean(user: dict[str, str], cache: str) -> None:
    """PYTHONDONTWRITEBYTECODE would make every restart compile every library."""
    layout = plan(state=Path("var"), base=100, env={})
    env = layout.environment("auth_svc", {"PYTHONDONTWRITEBYTECODE": "1", **user})
    assert "PYTHONDONTWRITEBYTECODE" not in env
    assert env["PYTHONPYCACHEPREFIX"] == cache
    assert "PYTHONPYCACHEPREFIX" not in layout.environment("auth_svc", user)


@pytest.mark.parametrize(("host", "reached"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")])
def test_addresses_are_reachable_whatever_the_host_is(host: str, reached: str) -> None:
    """A wildcard is for listening, not for connecting."""
    assert plan(state=Path("var"), base=100, env={"TOCSIN_HOST": host}).http_url == f"http://{reached}:100"


# -- restarts ------------------------------------------------------------------------------------------------------------------


def test_backoff_doubles_to_five_seconds_and_starts_again_after_a_healthy_life() -> None:
    """A crash loop slows down; a service that worked for ten seconds is back at once."""
    backoff = Backoff()
    assert [backoff.after(0) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert backoff.after(9.9) == 5.0
    assert backoff.after(10.0) == 0.1
    assert backoff.after(0) == 0.2


async def test_a_killed_service_comes_back_on_its_ports(run: Callable[..., Running]) -> None:
    """Kill -9 of one process: a new pid, one restart more, the same addresses, the others untouched."""
    running = run()
    before = await running.healthy()
    victim = before.services["scheduler_svc"]
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    after = await running.until(lambda picture: picture.healthy and picture.services["scheduler_svc"].restarts == 1)
    assert after.services["scheduler_svc"].pid not in {None, victim.pid}
    assert after.services["scheduler_svc"].grpc == victim.grpc
    assert after.services["gateway"] == before.services["gateway"]
    assert await running.end() == ExitCode.OK
    assert "ended with signal 9" in running.output.getvalue()


async def test_a_service_that_keeps_dying_is_shown_with_its_restarts(run: Callable[..., Running]) -> None:
    """One broken service neither stops the others nor hides."""
    running = run(mailer_svc="die")
    picture = await running.until(
        lambda picture: (
            picture.services["mailer_svc"].restarts >= 2
            and all(s.state == "healthy" for n, s in picture.services.items() if n != "mailer_svc")
        )
    )
    assert not picture.healthy
    assert await running.end() == ExitCode.OK
    assert "ended with exit code 3" in running.output.getvalue()


async def test_a_service_that_refuses_its_settings_ends_the_start(run: Callable[..., Running]) -> None:
    """No restart mends a setting: the stack stops again and shows the service's own words."""
    running = run(scheduler_svc="refuse")
    assert await running.task == ExitCode.CONFIG
    assert "scheduler_svc: TOCSIN_NONSENSE: there is no such setting" in running.output.getvalue()
    assert not is_running(running.stack.layout.state)


async def test_wait_ready_raises_the_words_of_the_service(make_stack: Callable[..., Stack]) -> None:
    """For programs that embed the supervisor."""
    stack = make_stack(auth_svc="refuse")
    (stack.layout.state / "logs").mkdir(parents=True)
    supervisor = Supervisor(layout=stack.layout, programs=stack.programs, env=stack.env, pid=1, clock=CLOCK, on_change=lambda child: None)
    await supervisor.start()
    await supervisor.start()
    with pytest.raises(ServiceRefused, match="TOCSIN_NONSENSE"):
        await supervisor.wait_ready()
    await supervisor.stop()
    await supervisor.stop()


# -- start and stop ------------------------------------------------------------------------------------------------------------


async def test_a_stack_starts_healthy_and_drains_in_order(run: Callable[..., Running], tmp_path: Path) -> None:
    """The gateway is asked to end first; afterwards nothing runs and no picture claims so."""
    running = run()
    picture = await running.healthy()
    pids = [service.pid for service in picture.services.values()]
    assert await running.end() == ExitCode.OK
    assert (tmp_path / "trace").read_text().split() == list(STOP_ORDER)
    assert not any(alive(pid) for pid in pids if pid)
    assert not running.stack.layout.stack_file.exists()
    assert not is_running(running.stack.layout.state)


async def test_the_picture_says_everything_a_program_needs(run: Callable[..., Running]) -> None:
    """The shape of stack.json, whole at every moment."""
    running = run()
    await running.healthy()
    layout = running.stack.layout
    data = json.loads(layout.stack_file.read_text())
    assert data["http"] == layout.http_url
    assert data["grpc"] == layout.address("gateway")
    assert data["api_key_file"] == str(layout.state / "dev-api-key")
    assert data["supervisor"] == os.getpid()
    assert set(data["services"]) == set(SERVICES)
    for name, service in data["services"].items():
        assert alive(service["pid"])
        assert service["grpc"] == layout.address(name)
        assert service["metrics"] == layout.metrics_url(name)
        assert (service["state"], service["restarts"]) == ("healthy", 0)


async def test_the_state_folder_is_private(run: Callable[..., Running]) -> None:
    """Folders 0700, keys and logs 0600."""
    running = run()
    await running.healthy()
    state = running.stack.layout.state
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "pki").stat().st_mode) == 0o700
    keys = list((state / "pki").glob("*-key.pem"))
    assert len(keys) == 6
    for file in (*keys, *(state / "logs").glob("*.log")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


async def test_the_key_is_shown_at_the_first_start_alone(run: Callable[..., Running]) -> None:
    """It was made by auth_svc; later starts show only where it is."""
    first = run()
    await first.healthy()
    assert await first.end() == ExitCode.OK
    assert first.output.getvalue().count("tk_secret") == 1
    second = run()
    await second.healthy()
    assert await second.end() == ExitCode.OK
    assert "tk_secret" not in second.output.getvalue()
    assert str(second.stack.layout.api_key_file) in second.output.getvalue()


async def test_a_service_that_does_not_end_is_killed(make_stack: Callable[..., Stack]) -> None:
    """Patience has a limit."""
    stack = make_stack(processor_svc="deaf")
    (stack.layout.state / "logs").mkdir(parents=True)
    supervisor = Supervisor(
        layout=stack.layout, programs=stack.programs, env=stack.env, pid=1, clock=CLOCK, on_change=lambda child: None, patience=0.3
    )
    await supervisor.start()
    await supervisor.wait_ready()
    await supervisor.stop()
    assert supervisor.children["processor_svc"].last_exit == -signal.SIGKILL
    assert {child.state for child in supervisor.children.values()} == {State.STOPPED}


async def test_a_second_signal_kills(run: Callable[..., Running]) -> None:
    """A drain that hangs can be left."""
    running = run(gateway="deaf")
    picture = await running.healthy()
    os.kill(os.getpid(), signal.SIGINT)
    await running.until(lambda picture: picture.services["gateway"].state == "stopping")
    os.kill(os.getpid(), signal.SIGINT)
    await running.task
    assert not any(alive(service.pid) for service in picture.services.values() if service.pid)


async def test_a_signal_during_the_start_stops_the_stack(run: Callable[..., Running]) -> None:
    """Nobody has to wait for a start that is not wanted any more."""
    running = run(mailer_svc="never ready")
    await running.until(lambda picture: picture.services["gateway"].state == "healthy")
    assert await running.end() == ExitCode.OK


# -- one stack a folder --------------------------------------------------------------------------------------------------------


async def test_two_stacks_on_one_folder_are_refused(run: Callable[..., Running], make_stack: Callable[..., Stack]) -> None:
    """The second one touches nothing, in the foreground and detached."""
    running = run()
    before = await running.healthy()
    with pytest.raises(StackRunning, match="already runs"):
        await Running(make_stack()).task
    with pytest.raises(StackRunning, match="already runs"):
        await detach(make_stack(), argv=["false"], clock=CLOCK, patience=5)
    assert read_picture(running.stack.layout.state) == before
    assert await running.end() == ExitCode.OK


async def test_ports_in_use_end_the_start_before_anything_runs(make_stack: Callable[..., Stack]) -> None:
    """Nothing half done: no process, no picture."""
    stack = make_stack()
    words = r"gateway \(HTTP\) needs it; set TOCSIN_GATEWAY_HTTP_PORT or --port-base"
    with socket.create_server(("127.0.0.1", stack.layout.port("gateway", "http"))), pytest.raises(PortsInUse, match=words):
        await Running(stack).task
    assert not stack.layout.stack_file.exists()


def test_a_picture_that_is_not_ours_is_no_picture(tmp_path: Path) -> None:
    """A damaged or foreign file never breaks a command."""
    assert read_picture(tmp_path) is None
    for text in ("", "[]", "{}", '{"services": []}', '{"services": {"a": {}}}', '{"services": {}, "extra": 1}'):
        (tmp_path / "stack.json").write_text(text)
        assert read_picture(tmp_path) is None


def test_a_picture_round_trips(tmp_path: Path) -> None:
    """What is written is what is read, and no temporary file stays."""
    service = ServicePicture(pid=None, state="restarting", restarts=3, grpc="a:1", metrics="http://a:2/metrics")
    picture = StackPicture(supervisor=1, http="http://a", grpc="a:3", api_key_file="k", services={"gateway": service})
    write_picture(tmp_path / "stack.json", picture)
    assert read_picture(tmp_path) == picture
    assert not picture.healthy
    assert dataclasses.replace(picture, services={}).healthy
    assert [file.name for file in tmp_path.iterdir()] == ["stack.json"]


def test_the_lock_is_let_go(tmp_path: Path) -> None:
    """A folder can be used again, and a look at it takes no lock away."""
    assert not is_running(tmp_path)
    with locked(tmp_path):
        assert is_running(tmp_path)
        assert is_running(tmp_path)
    assert not is_running(tmp_path)
    with locked(tmp_path):
        pass


# -- detached, down, status ----------------------------------------------------------------------------------------------------

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
    stack = Stack(layout=layout, programs=data["programs"], env=dict(os.environ), state_flag="")
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
    await detach(stack, argv=driver(stack), clock=CLOCK, patience=60)
    yield stack
    await down(stack.layout.state, clock=CLOCK, patience=30)


async def test_detach_returns_when_everything_is_healthy(make_stack: Callable[..., Stack]) -> None:
    """The text shows the addresses and, once, the key, which is in no log; `down` drains it."""
    stack = make_stack()
    text = await detach(stack, argv=driver(stack), clock=CLOCK, patience=60)
    picture, health = await status(stack.layout.state)
    assert picture is not None
    assert picture.healthy
    assert health is None  # the fake gateway's port answers nothing
    assert stack.layout.http_url in text
    assert "tk_secret" in text
    assert all("tk_secret" not in log.read_text() for log in (stack.layout.state / "logs").iterdir())
    assert os.getsid(picture.supervisor) == picture.supervisor
    assert await down(stack.layout.state, clock=CLOCK, patience=30) is Ended.STOPPED
    assert await down(stack.layout.state, clock=CLOCK, patience=30) is Ended.NOT_RUNNING
    assert await status(stack.layout.state) == (None, None)


async def test_detach_tells_why_a_stack_ended_at_once(make_stack: Callable[..., Stack]) -> None:
    """The words of the service that refused reach the terminal."""
    stack = make_stack(mailer_svc="refuse")
    with pytest.raises(FailedPrecondition, match="mailer_svc: TOCSIN_NONSENSE") as caught:
        await detach(stack, argv=driver(stack), clock=CLOCK, patience=60)
    assert caught.value.metadata["exit_code"] == str(int(ExitCode.CONFIG))


async def test_detach_gives_up_on_a_stack_that_is_never_healthy(make_stack: Callable[..., Stack]) -> None:
    """It is stopped again and the logs are named."""
    stack = make_stack(mailer_svc="never ready")
    with pytest.raises(Unavailable, match="was not healthy after 2 s"):
        await detach(stack, argv=driver(stack), clock=CLOCK, patience=2)
    assert await down(stack.layout.state, clock=CLOCK, patience=30) in {Ended.STOPPED, Ended.NOT_RUNNING}


async def test_a_killed_supervisor_leaves_no_orphans_and_a_new_stack_starts(detached: Stack, make_stack: Callable[..., Stack]) -> None:
    """Kill -9 of the supervisor: its services die with it, the stale picture fools nobody, the ports are free for the next `up`."""
    picture = read_picture(detached.layout.state)
    assert picture is not None
    os.kill(picture.supervisor, signal.SIGKILL)
    stack = dataclasses.replace(make_stack(), layout=detached.layout)
    await detach(stack, argv=driver(stack), clock=CLOCK, patience=60)
    assert not any(alive(service.pid) for service in picture.services.values() if service.pid)
    after, _ = await status(detached.layout.state)
    assert after is not None
    assert after.healthy
    assert after.supervisor != picture.supervisor


async def test_status_of_a_killed_stack_is_not_running(detached: Stack) -> None:
    """The stale picture is still there, and is not believed."""
    picture = read_picture(detached.layout.state)
    assert picture is not None
    await asyncio.to_thread(kill_and_reap, picture.supervisor)
    assert detached.layout.stack_file.exists()
    assert await status(detached.layout.state) == (None, None)
    assert await down(detached.layout.state, clock=CLOCK, patience=1) is Ended.NOT_RUNNING


async def test_down_kills_what_does_not_end(detached: Stack) -> None:
    """A stopped (SIGSTOP) supervisor cannot drain; it is killed and its services with it."""
    picture = read_picture(detached.layout.state)
    assert picture is not None
    os.kill(picture.supervisor, signal.SIGSTOP)
    assert await down(detached.layout.state, clock=CLOCK, patience=0.2) is Ended.KILLED
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
    supervisor = Supervisor(layout=stack.layout, programs=stack.programs, env={}, pid=1, clock=CLOCK, on_change=lambda child: None)
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
