"""The supervisor of one machine: restarts, start and stop, the picture, one stack a folder."""

import dataclasses
import json
import os
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tests.unit.tocsin.stack.support import CLOCK, Running, alive
from tocsin.lifecycle import ExitCode
from tocsin.stack.child import Backoff, ChildState
from tocsin.stack.commands import PortsInUse, Stack, detach, status
from tocsin.stack.layout import SERVICES, STOP_ORDER
from tocsin.stack.spawning import Interpreters
from tocsin.stack.stack_file import ServiceStatus, StackRunning, StackStatus, is_running, locked, read_stack_file, write_stack_file
from tocsin.stack.supervisor import ServiceRefused, Supervisor
from tocsin.testing.waiting import eventually

# -- restarts ------------------------------------------------------------------------------------------------------------------


def test_backoff_doubles_to_five_seconds_and_starts_again_after_a_healthy_life() -> None:
    """A crash loop slows down; a service that worked for ten seconds is back at once."""
    backoff = Backoff()
    assert [backoff.after(0) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert backoff.after(9.9) == 5.0
    assert backoff.after(10.0) == 0.0
    assert backoff.after(0) == 0.1


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


@pytest.mark.parametrize("fault", ["logs", "picture", "screen"])
async def test_nothing_that_cannot_be_written_ends_the_supervision(run: Callable[..., Running], fault: str) -> None:
    """Its logs, its picture, its own output: a service that is killed meanwhile is started again, and status asks the processes."""
    running = run()
    picture = await running.healthy()
    state = running.stack.layout.state
    if fault == "logs":
        (state / "logs").rename(state / "away")
        (state / "logs").write_text("in the way")
    elif fault == "picture":
        running.stack.layout.stack_file.unlink()
        running.stack.layout.stack_file.mkdir()
    else:
        running.output.close()
    pid = picture.services["mailer_svc"].pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    os.kill(picture.services["gateway"].pid or 0, signal.SIGKILL)
    async with httpx2.AsyncClient(trust_env=False) as client:

        async def answers(name: str) -> bool:
            try:
                return (await client.get(running.stack.layout.ready_url(name))).is_success
            except httpx2.HTTPError:
                return False

        for name in ("mailer_svc", "gateway"):
            await eventually(lambda name=name: answers(name))
    if fault == "picture":
        running.stack.layout.stack_file.rmdir()
        write_stack_file(running.stack.layout.stack_file, picture)  # as old as can be
    seen, _ = await status(state)
    assert seen is not None
    assert [service.state for service in seen.services.values()] == ["healthy"] * 5
    assert (seen.services["mailer_svc"].pid is None) == (fault == "picture")
    if fault == "logs":
        (state / "logs").unlink()
        (state / "away").rename(state / "logs")
    assert await running.end() == ExitCode.OK


async def test_status_asks_the_processes(run: Callable[..., Running]) -> None:
    """A picture that says healthy of a frozen service is corrected."""
    running = run()
    picture = await running.healthy()
    pid = picture.services["processor_svc"].pid or 0
    os.kill(pid, signal.SIGSTOP)
    try:
        write_stack_file(running.stack.layout.stack_file, picture)
        seen, _ = await status(running.stack.layout.state)
        assert seen is not None
        assert seen.services["processor_svc"].state == "not ready"
        assert not seen.healthy
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await running.end() == ExitCode.OK


async def test_a_service_that_refuses_its_settings_ends_the_start(run: Callable[..., Running]) -> None:
    """No restart mends a setting: the stack stops again and shows the service's own words."""
    running = run(scheduler_svc="refuse")
    assert await running.task == ExitCode.CONFIG
    assert "scheduler_svc: TOCSIN_NONSENSE: there is no such setting" in running.output.getvalue()
    assert not is_running(running.stack.layout.state)


async def test_a_refusal_waits_for_no_drain(run: Callable[..., Running], tmp_path: Path) -> None:
    """The others are killed: none is told to drain, which would hold up the reason."""
    running = run(scheduler_svc="refuse")
    assert await running.task == ExitCode.CONFIG
    assert not (tmp_path / "trace").exists()


async def test_wait_ready_raises_the_words_of_the_service(make_stack: Callable[..., Stack]) -> None:
    """For programs that embed the supervisor."""
    stack = make_stack(auth_svc="refuse")
    (stack.layout.state / "logs").mkdir(parents=True)
    supervisor = Supervisor(
        layout=stack.layout,
        programs=stack.programs,
        spawner=Interpreters(),
        env=stack.env,
        pid=1,
        clock=CLOCK,
        on_change=lambda child: None,
    )
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
        layout=stack.layout,
        programs=stack.programs,
        spawner=Interpreters(),
        env=stack.env,
        pid=1,
        clock=CLOCK,
        on_change=lambda child: None,
        grace=0.3,
    )
    await supervisor.start()
    await supervisor.wait_ready()
    await supervisor.stop()
    assert supervisor.children["processor_svc"].last_exit == -signal.SIGKILL
    assert {child.state for child in supervisor.children.values()} == {ChildState.STOPPED}


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
        await detach(make_stack(), argv=["false"], clock=CLOCK, timeout=5)
    assert read_stack_file(running.stack.layout.state) == before
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
    assert read_stack_file(tmp_path) is None
    for text in ("", "[]", "{}", '{"services": []}', '{"services": {"a": {}}}', '{"services": {}, "extra": 1}'):
        (tmp_path / "stack.json").write_text(text)
        assert read_stack_file(tmp_path) is None


def test_a_picture_round_trips(tmp_path: Path) -> None:
    """What is written is what is read, and no temporary file stays."""
    service = ServiceStatus(pid=None, state="restarting", restarts=3, grpc="a:1", metrics="http://a:2/metrics")
    picture = StackStatus(supervisor=1, http="http://a", grpc="a:3", api_key_file="k", services={"gateway": service})
    write_stack_file(tmp_path / "stack.json", picture)
    assert read_stack_file(tmp_path) == picture
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
