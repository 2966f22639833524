"""`tocsin up`, `down` and `status`, as functions that a program can call."""

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import httpx2

from tocsin.client import Client
from tocsin.clock import Clock
from tocsin.errors import FailedPrecondition, TocsinError, Unavailable
from tocsin.exit_codes import ExitCode
from tocsin.setting_names import PREFIX
from tocsin.stack.child import ChildState
from tocsin.stack.layout import GATEWAY, IMPORT_ORDER, Layout, PortsInUse, log_folder, plan, ports_in_use
from tocsin.stack.renewal import Certificates
from tocsin.stack.sign_in import sign_in_link
from tocsin.stack.spawning import CAN_FORK, Forks, Interpreters, Spawner
from tocsin.stack.stack_file import ServiceStatus, StackRunning, StackStatus, is_running, locked, read_stack_file, supervisor_of
from tocsin.stack.supervisor import ServiceRefused, Supervisor, tail
from tocsin.stack.view import TolerantView, View, welcome
from tocsin.unfinished_restore import refuse_unfinished

_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600
_DYING_SECONDS: Final = 1.0
_ORPHAN_SECONDS: Final = 3.0
_POLL_SECONDS: Final = 0.05
_HEALTH_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What to run, and where."""

    layout: Layout
    programs: Mapping[str, Sequence[str]]
    env: Mapping[str, str]
    forked: bool
    """Whether the programs are the services of Tocsin, which a template forks."""
    state_flag: str
    """What a further command needs to find this stack; shown to the person."""


class DownResult(StrEnum):
    """How `down` found or left the stack."""

    STOPPED = "stopped"
    KILLED = "killed"
    NOT_RUNNING = "not running"


def stack_of(
    *, state: Path, base: int | None, env: Mapping[str, str], programs: Mapping[str, Sequence[str]], forked: bool = False
) -> Stack:
    """Plans a stack, whose services are ``forked`` from one template where the system allows it.

    Raises:
        ConfigError: the ports cannot be laid out.
    """
    layout = plan(state=state, base=base, env=env)
    flag = "" if layout.state == Path("var").resolve() else f"--state {shlex.quote(str(state))}"
    return Stack(layout=layout, programs=programs, env=env, forked=forked and CAN_FORK, state_flag=flag)


async def up(stack: Stack, *, view: View, clock: Clock, show_key: bool, show_link: bool = False) -> int:
    """Runs the stack until a signal ends it. Returns the exit code.

    The first SIGINT, SIGTERM or SIGHUP drains the services; a second one kills them.

    Args:
        stack: what to run.
        view: shows it.
        clock: the machine's.
        show_key: whether a new API key may be shown; not where the output is kept.
        show_link: whether a sign-in link may; likewise.

    Raises:
        StackRunning: another stack runs on the state folder.
        PortsInUse: somebody else holds a port.
        RestoreUnfinished: a restore to the state folder was cut off.
        OSError: the state folder cannot be used.
    """
    layout = stack.layout
    _make_folders(layout)
    await _check_folder(layout, clock)
    with locked(layout.state):
        refuse_unfinished(layout.state)
        await _check_ports(layout, clock)
        new_start, view = not layout.api_key_file.exists(), TolerantView(view)
        supervisor = Supervisor(
            layout=layout,
            programs=stack.programs,
            spawner=_spawner(stack),
            env=stack.env,
            pid=os.getpid(),
            clock=clock,
            on_change=view.changed,
        )
        with view, _signals(supervisor) as told:
            view.watch(supervisor.children.values())
            return await _run(stack, supervisor, view, told, clock, show_key=show_key and new_start, show_link=show_link)


async def detach(stack: Stack, *, argv: Sequence[str], clock: Clock, timeout: float, show_link: bool = False) -> str:
    """Starts the stack in a session of its own and returns once it is healthy: what a newcomer needs next.

    Args:
        stack: what to run.
        argv: the command that runs it in the foreground, beginning with the path of the program.
        clock: the machine's.
        timeout: seconds after which a stack that is not healthy is stopped again.
        show_link: whether a sign-in link may be in the text; not where the output is kept.

    Raises:
        StackRunning, PortsInUse: as `up`.
        FailedPrecondition: the stack ended at once; the message is what it said.
        Unavailable: it was not healthy in time.
    """
    layout = stack.layout
    _make_folders(layout)
    await _check_folder(layout, clock)
    await _check_ports(layout, clock)
    new_start = not layout.api_key_file.exists()
    log = layout.log_file("supervisor")
    pid = _spawn(argv, stack.env, log)
    try:
        async with asyncio.timeout(timeout):
            await _until_healthy(stack, pid, log, clock)
    except TimeoutError:
        os.kill(pid, signal.SIGTERM)
        msg = f"the stack was not healthy after {timeout:g} s and is stopped again; see {log_folder(layout.state)}\n{tail(log)}"
        raise Unavailable(msg) from None
    link = await _link(layout) if show_link else None
    return welcome(layout, new_key=_key(layout) if new_start else None, link=link, state_flag=stack.state_flag)


async def down(state: Path, *, clock: Clock, timeout: float) -> DownResult:
    """Drains and stops the stack of a state folder; after ``timeout`` seconds it is killed.

    The kernel kills the services of a supervisor that is killed.
    """
    pid = supervisor_of(state)
    if pid is None:
        return DownResult.NOT_RUNNING
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if await _until(lambda: not is_running(state), clock, timeout):
        return DownResult.STOPPED
    picture = read_stack_file(state)
    stragglers = [service.pid for service in picture.services.values() if service.pid] if picture else []
    for straggler in (pid, *stragglers):
        with contextlib.suppress(ProcessLookupError):
            os.kill(straggler, signal.SIGKILL)
    await _until(lambda: not is_running(state) and not any(map(_exists, stragglers)), clock, _ORPHAN_SECONDS)
    return DownResult.KILLED


async def status(state: Path) -> tuple[StackStatus | None, dict[str, Any] | None]:
    """The living stack of a state folder with the gateway's own view of its health; None for what is not there."""
    picture = read_stack_file(state) if is_running(state) else None
    if picture is None:
        return None, None
    async with httpx2.AsyncClient(timeout=_HEALTH_SECONDS, trust_env=False) as client:
        seen = await asyncio.gather(*(_seen(service, client) for service in picture.services.values()))
    return replace(picture, services=dict(zip(picture.services, seen, strict=True))), await _health(picture)


async def _seen(service: ServiceStatus, client: httpx2.AsyncClient) -> ServiceStatus:
    """The service as it is, whatever the picture says: the process and its port are asked, for the file may be old."""
    alive = service.pid is not None and _exists(service.pid)
    try:
        ready = (await client.get(service.metrics.replace("/metrics", "/readyz"))).is_success
    except (httpx2.HTTPError, OSError):
        ready = False
    if ready:
        return replace(service, state=ChildState.HEALTHY.value, pid=service.pid if alive else None)
    if not alive:
        return replace(service, state=ChildState.RESTARTING.value if service.pid is None else "dead", pid=None)
    return replace(service, state=ChildState.UNHEALTHY.value if service.state == ChildState.HEALTHY.value else service.state)


async def _health(picture: StackStatus) -> dict[str, Any] | None:
    try:
        async with httpx2.AsyncClient(timeout=_HEALTH_SECONDS, trust_env=False, verify=picture.verify()) as client:
            return (await client.get(f"{picture.http}/health")).json()
    except (httpx2.HTTPError, OSError, ValueError):
        return None


async def _run(
    stack: Stack, supervisor: Supervisor, view: View, told: asyncio.Event, clock: Clock, *, show_key: bool, show_link: bool
) -> int:
    stopping = asyncio.create_task(told.wait())
    getting_ready = asyncio.create_task(supervisor.wait_ready())
    certificates = _certificates(stack, clock)
    try:
        await supervisor.prepare()
        certificates.ensure()
        certificates.keep(view.say)
        await supervisor.start()
        await asyncio.wait((stopping, getting_ready), return_when=asyncio.FIRST_COMPLETED)
        if getting_ready.done():
            getting_ready.result()
            link = await _link(stack.layout) if show_link else None
            view.say(welcome(stack.layout, new_key=_key(stack.layout) if show_key else None, link=link, state_flag=stack.state_flag))
            await stopping
    except ServiceRefused as error:
        view.say(error.message)
        supervisor.kill()  # nothing was taken yet: whoever waits for the reason need not wait for a drain
        return ExitCode.CONFIG
    finally:
        for task in (stopping, getting_ready):
            task.cancel()
        await asyncio.wait((stopping, getting_ready))
        await certificates.stop()
        await supervisor.stop()
    return ExitCode.OK


def _spawner(stack: Stack) -> Spawner:
    if not stack.forked:
        return Interpreters()
    env = stack.layout.environment(GATEWAY, stack.env)
    return Forks(services=IMPORT_ORDER, env={name: value for name, value in env.items() if not name.upper().startswith(PREFIX)})


async def _check_folder(layout: Layout, clock: Clock) -> None:
    """Waits a moment for the folder: a supervisor that was killed may be dying right now."""
    if not await _until(lambda: not is_running(layout.state), clock, _DYING_SECONDS):
        raise StackRunning.on(layout.state)


async def _check_ports(layout: Layout, clock: Clock) -> None:
    """Waits a moment for ports: the services of a supervisor that was killed may be dying right now."""
    if not await _until(lambda: not ports_in_use(layout), clock, _ORPHAN_SECONDS if layout.stack_file.exists() else 0):
        raise PortsInUse("\n".join(ports_in_use(layout)))


def _spawn(argv: Sequence[str], env: Mapping[str, str], log: Path) -> int:
    """Starts a program in a session of its own, away from this terminal. Returns its process id."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, _PRIVATE_FILE),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(argv[0], list(argv), dict(env), file_actions=files, setsid=True)


async def _until_healthy(stack: Stack, pid: int, log: Path, clock: Clock) -> None:
    while True:
        exit_code = _exit_code(pid)
        if exit_code is not None:
            words = tail(log).strip() or f"the stack ended with exit code {exit_code}"
            raise FailedPrecondition(words, metadata={"exit_code": str(exit_code)})
        picture = read_stack_file(stack.layout.state)
        if picture is not None and picture.supervisor == pid and picture.healthy:
            return
        await clock.sleep(_POLL_SECONDS)


def _exit_code(pid: int) -> int | None:
    """The exit code of a child of this process; None while it runs."""
    ended, code = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(code) if ended else None


def _exists(pid: int) -> bool:
    """Whether there is such a process; a killed one holds its ports until it is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _until(condition: Callable[[], bool], clock: Clock, timeout: float) -> bool:
    """Whether ``condition`` came true within ``timeout`` seconds."""
    end = clock.monotonic() + timeout
    while not condition():
        if clock.monotonic() >= end:
            return False
        await clock.sleep(_POLL_SECONDS)
    return True


@contextlib.contextmanager
def _signals(supervisor: Supervisor) -> Generator[asyncio.Event]:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        if told.is_set():
            supervisor.kill()
        told.set()

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in handled:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield told
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _make_folders(layout: Layout) -> None:
    layout.state.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    log_folder(layout.state).mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)


def _certificates(stack: Stack, clock: Clock) -> Certificates:
    return Certificates(state=stack.layout.state, trust_domain=stack.env.get("TOCSIN_TRUST_DOMAIN") or "tocsin.local", clock=clock)


async def _link(layout: Layout) -> str | None:
    """A sign-in link of the owner; None where the folder's key cannot make one any more, which is told when somebody asks for it."""
    picture, key = read_stack_file(layout.state), _key(layout)
    if picture is None or not key:
        return None

    def make() -> str:
        with Client(url=picture.http, api_key=key, timeout=_HEALTH_SECONDS, verify=picture.verify()) as client:
            return sign_in_link(client, url=picture.http)

    try:
        return await asyncio.to_thread(make)
    except TocsinError:
        return None


def _key(layout: Layout) -> str | None:
    try:
        return layout.api_key_file.read_text(encoding="utf-8").strip()
    except OSError:
        return None


__all__ = ["DownResult", "PortsInUse", "Stack", "StackRunning", "detach", "down", "stack_of", "status", "up"]
