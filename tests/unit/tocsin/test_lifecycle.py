"""Lifecycle: ordered start and stop, signals, and exit codes that tell what went wrong."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tocsin.lifecycle import App, Component, ExitCode, can_listen

REPOSITORY = Path(__file__).parents[3]


@dataclass(slots=True)
class Part:
    """Writes down what happens to it."""

    name: str
    log: list[str]
    fail_on: str = ""
    address: str = "127.0.0.1:1"
    url: str = "http://127.0.0.1:2"
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event | None = None

    async def start(self) -> None:
        self.log.append(f"start {self.name}")
        self.entered.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.fail_on == "start":
            raise ConnectionError(self.name)

    async def wait(self) -> None:
        await self.entered.wait()

    async def stop(self) -> None:
        self.log.append(f"stop {self.name}")
        if self.fail_on == "stop":
            raise ConnectionError(self.name)


def app_of(log: list[str], *components: Component) -> App:
    """An app with both servers around ``components``."""
    return App(name="a", components=components, server=Part("grpc", log), http=Part("http", log), ready=lambda app: log.append("ready"))


async def test_parts_start_in_order_and_stop_in_reverse() -> None:
    """Servers open last and close first, so no request meets a part that is not there."""
    log: list[str] = []
    app = app_of(log, Part("database", log), Part("mesh", log))
    await app.start()
    assert log == ["start database", "start mesh", "start grpc", "start http", "ready"]
    log.clear()
    await app.stop()
    assert log == ["stop http", "stop grpc", "stop mesh", "stop database"]


async def test_start_and_stop_may_be_called_twice_in_any_order() -> None:
    """The second call of each does nothing; a stopped app can be started again."""
    log: list[str] = []
    app = app_of(log)
    await app.stop()
    await asyncio.gather(app.start(), app.start())
    await asyncio.gather(app.stop(), app.stop())
    assert log == ["start grpc", "start http", "ready", "stop http", "stop grpc"]
    await app.start()
    assert log[-1] == "ready"


async def test_a_failed_start_stops_what_had_started() -> None:
    """Nothing is left half open; the part that failed lets go as well, those behind it were never touched."""
    log: list[str] = []
    app = app_of(log, Part("database", log), Part("mesh", log, fail_on="start"), Part("worker", log))
    with pytest.raises(ConnectionError, match="mesh"):
        await app.start()
    assert log == ["start database", "start mesh", "stop mesh", "stop database"]


async def test_a_cancelled_start_stops_what_had_started() -> None:
    """A signal during the start leaves nothing behind."""
    log: list[str] = []
    slow = Part("mesh", log, hold=asyncio.Event())
    app = app_of(log, Part("database", log), slow)
    starting = asyncio.create_task(app.start())
    await slow.entered.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert log[-2:] == ["stop mesh", "stop database"]


async def test_a_part_that_fails_to_stop_does_not_keep_the_others_open() -> None:
    """Every stop runs; the failure is raised at the end."""
    log: list[str] = []
    app = app_of(log, Part("database", log), Part("mesh", log, fail_on="stop"))
    await app.start()
    with pytest.raises(ConnectionError, match="mesh"):
        await app.stop()
    assert log[-1] == "stop database"


def test_addresses_are_those_of_the_servers() -> None:
    """Only what is there is listed; asking for an absent server says so."""
    log: list[str] = []
    assert app_of(log).addresses() == {"grpc": "127.0.0.1:1", "http": "http://127.0.0.1:2"}
    bare = App(name="bare", components=[], server=None)
    assert bare.addresses() == {}
    with pytest.raises(LookupError, match="bare has no gRPC server"):
        _ = bare.address
    with pytest.raises(LookupError, match="bare has no HTTP server"):
        _ = bare.http_url


PROGRAM = """
    import asyncio, os, sys
    from pathlib import Path
    from pydantic import Field
    from tocsin.config import ServiceSettings
    from tocsin.lifecycle import App, run
    from tocsin.telemetry import Telemetry

    class SchedulerSettings(ServiceSettings):
        service = "scheduler"

    class Server:
        '''A listener of the simplest kind; what it does at stop is chosen by the test.'''

        def __init__(self, settings):
            self.settings, self.server, self.over = settings, None, asyncio.Event()

        @property
        def address(self):
            return "%s:%s" % self.server.sockets[0].getsockname()[:2]

        async def start(self):
            if MODE == "key":
                self.settings.tls_key_file.read_bytes()
            if MODE == "slow start":
                print("starting", flush=True)
                await asyncio.Event().wait()
            if MODE == "broken":
                raise ValueError("the frobnicator is bent")
            try:
                self.server = await asyncio.start_server(lambda r, w: None, self.settings.host, self.settings.port)
            except OSError as error:
                if MODE == "grpc":
                    raise RuntimeError("Failed to bind to address 127.0.0.1") from None
                if MODE == "uvicorn":
                    sys.exit(1)
                raise

        async def wait(self):
            if MODE == "deaf":
                raise ConnectionError("nobody accepts any more")
            if MODE != "gone":
                await self.over.wait()

        async def stop(self):
            self.over.set()
            if self.server:
                self.server.close()
            if MODE == "slow stop":
                print("stopping", flush=True)
                await asyncio.Event().wait()

    def build(settings, clock):
        return App(
            name="scheduler_svc",
            components=[Telemetry(service="scheduler_svc", settings=settings)],
            server=Server(settings),
            ready=lambda app: print("ready", flush=True),
        )

    sys.exit(run("scheduler_svc", SchedulerSettings, build))
"""


@dataclass(frozen=True, slots=True)
class Program:
    """Runs a small service as a real process."""

    path: Path

    def start(self, mode: str = "", **env: str) -> "subprocess.Popen[str]":
        """The process; its environment has nothing of Tocsin but ``env``."""
        self.path.write_text(f"MODE = {mode!r}\n" + textwrap.dedent(PROGRAM), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, str(self.path)],
            cwd=self.path.parent,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, mode: str = "", **env: str) -> tuple[int, str]:
        """Runs it to its end; its exit code and what it wrote to stderr."""
        process = self.start(mode, **env)
        _, stderr = process.communicate(timeout=60)
        return process.returncode, stderr


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program of this test."""
    return Program(tmp_path / "program.py")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def until(process: "subprocess.Popen[str]", line: str) -> None:
    """Reads the process's stdout up to ``line``."""
    assert process.stdout is not None
    for found in process.stdout:
        if found.strip() == line:
            return
    pytest.fail(f"the process ended without {line!r}: {process.stderr.read() if process.stderr else ''}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_zero(program: Program, number: signal.Signals) -> None:
    """The ready line tells the bound addresses; the stop is orderly and silent but for the log."""
    process = program.start()
    until(process, "ready")
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == ExitCode.OK
    assert '"event": "ready"' in stderr
    assert '"grpc": "127.0.0.1:' in stderr
    assert '"metrics": "http://127.0.0.1:' in stderr
    assert stderr.strip().splitlines()[-1].count('"event": "stopped"') == 1


def test_a_second_signal_ends_at_once(program: Program) -> None:
    """A drain that hangs can be left."""
    process = program.start("slow stop")
    until(process, "ready")
    process.send_signal(signal.SIGTERM)
    until(process, "stopping")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_signal_during_the_start_ends_with_zero(program: Program) -> None:
    """Nobody waits for a start that is not wanted any more."""
    process = program.start("slow start")
    until(process, "starting")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == ExitCode.OK


def test_an_unknown_setting_is_a_configuration_error(program: Program) -> None:
    """Exit code 78 and plain words, without a traceback."""
    code, stderr = program.run(TOCSIN_SCHEDULER_PROT="9002", TOCSIN_LOG_LEVEL="loud")
    assert code == ExitCode.CONFIG
    assert "TOCSIN_SCHEDULER_PROT: there is no such setting; did you mean TOCSIN_SCHEDULER_PORT?" in stderr
    assert "TOCSIN_LOG_LEVEL" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("mode", ["", "grpc", "uvicorn"])
def test_a_port_in_use_names_the_setting_and_the_port(program: Program, taken: int, mode: str) -> None:
    """However the server reports it: asyncio's OSError, gRPC's RuntimeError, uvicorn's exit."""
    code, stderr = program.run(mode, TOCSIN_SCHEDULER_PORT=str(taken))
    assert code == ExitCode.TEMPORARY
    assert f"TOCSIN_SCHEDULER_PORT: port {taken} on 127.0.0.1 is in use by another process" in stderr
    assert "Traceback" not in stderr


def test_a_metrics_port_in_use_names_its_setting(program: Program, taken: int) -> None:
    """The second port of a service is told apart from the first."""
    code, stderr = program.run(TOCSIN_SCHEDULER_METRICS_PORT=str(taken))
    assert code == ExitCode.TEMPORARY
    assert f"TOCSIN_SCHEDULER_METRICS_PORT: port {taken}" in stderr


def test_an_unreadable_key_file_names_the_file_and_the_setting(program: Program, tmp_path: Path) -> None:
    """The person sees which file is wrong and what points at it."""
    missing = tmp_path / "nowhere" / "key.pem"
    code, stderr = program.run("key", TOCSIN_SCHEDULER_TLS_KEY_FILE=str(missing))
    assert code == ExitCode.CONFIG
    assert f"TOCSIN_SCHEDULER_TLS_KEY_FILE: cannot use {missing}: No such file or directory" in stderr
    assert "Traceback" not in stderr


def test_an_unexpected_failure_is_told_with_its_traceback(program: Program) -> None:
    """A defect keeps its details in the log and still ends with one plain line."""
    code, stderr = program.run("broken")
    assert code == ExitCode.SOFTWARE
    assert "Traceback" in stderr
    assert stderr.strip().splitlines()[-1] == "scheduler_svc: it cannot run: ValueError: the frobnicator is bent"


@pytest.mark.parametrize(
    ("mode", "words"), [("deaf", "ConnectionError: nobody accepts any more"), ("gone", "RuntimeError: the gRPC server")]
)
def test_a_service_whose_server_ended_ends(program: Program, mode: str, words: str) -> None:
    """It lets go of everything and fails, so that whoever supervises it starts another: a process that takes no calls is of no use."""
    code, stderr = program.run(mode)
    assert code == ExitCode.SOFTWARE
    assert '"event": "stopped"' in stderr
    assert f"scheduler_svc: it cannot run: {words}" in stderr.strip().splitlines()[-1]


def test_can_listen_tells_a_taken_port_from_a_free_one(taken: int) -> None:
    """The check that the supervisor makes before it starts anything."""
    assert not can_listen("127.0.0.1", taken)
    assert can_listen("127.0.0.1", 0)
    assert not can_listen("192.0.2.1", 0)
