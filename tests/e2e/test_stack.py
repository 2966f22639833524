"""`tocsin up`, `status` and `down` with the real services."""

import json
import os
import signal
import stat
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tocsin.testing.stack import RunningStack

pytestmark = pytest.mark.e2e

SERVICES = ("auth_svc", "scheduler_svc", "processor_svc", "mailer_svc", "gateway")
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningStack]:
    """A stack that these tests may break."""
    with RunningStack(state=tmp_path_factory.mktemp("stack") / "state") as running:
        yield running


def eventually(stack: RunningStack, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What ``stack.json`` says once ``condition`` holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition(info := stack.info):
        assert time.monotonic() < end, f"{info}\n{stack.logs()}"
        time.sleep(0.05)
    return info


def is_healthy(info: dict[str, Any]) -> bool:
    """Whether every service takes work."""
    return all(service["state"] == "healthy" for service in info["services"].values())


def test_every_service_is_a_process_with_metrics(own: RunningStack) -> None:
    """The addresses in stack.json are real: each pid lives, each metrics page answers, REST says it is healthy."""
    info = own.info
    assert set(info["services"]) == set(SERVICES)
    for service in info["services"].values():
        os.kill(service["pid"], 0)
        assert "process_resident_memory_bytes" in httpx2.get(service["metrics"], trust_env=False).text
    assert httpx2.get(f"{info['http']}/health", trust_env=False).json()["status"] in {"healthy", "degraded"}
    ports = {int(service["grpc"].rpartition(":")[2]) - own.port_base for service in info["services"].values()}
    assert ports == {1, 11, 12, 13, 14}


def test_secrets_are_private_and_in_no_log(own: RunningStack) -> None:
    """The key file and the private keys are the owner's alone; no log holds the key."""
    files = [Path(own.info["api_key_file"]), *(own.state / "pki").glob("*-key.pem")]
    assert len(files) >= 6
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert all(own.api_key not in log.read_text() for log in (own.state / "logs").glob("*.log"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_is_restarted(own: RunningStack, service: str) -> None:
    """Kill -9: the others stay as they are, `status` goes on to answer, and the service comes back on its addresses."""
    before = eventually(own, is_healthy)["services"]
    own.kill(service)
    during = json.loads(own.command("status", "--json", check=False).stdout)
    assert during["running"] is True
    restarts = before[service]["restarts"] + 1
    after = eventually(own, lambda info: is_healthy(info) and info["services"][service]["restarts"] == restarts)["services"]
    assert after[service]["pid"] != before[service]["pid"]
    assert after[service]["grpc"] == before[service]["grpc"]
    assert {name: entry["pid"] for name, entry in after.items() if name != service} == {
        name: entry["pid"] for name, entry in before.items() if name != service
    }


def test_a_second_stack_on_the_folder_is_refused(own: RunningStack) -> None:
    """It changes nothing."""
    before = own.info
    done = own.command("up", "--port-base", "0", "--detach", check=False)
    assert done.returncode == 1
    assert "already runs" in done.stderr
    assert own.info["supervisor"] == before["supervisor"]


def test_ports_in_use_are_named(own: RunningStack, tmp_path: Path) -> None:
    """Another folder on the same ports: every port, its owner and what moves it; nothing is started."""
    other = RunningStack(state=tmp_path / "other", port_base=own.port_base)
    done = other.command("up", "--port-base", str(own.port_base), "--detach", check=False)
    assert done.returncode == 75
    assert f"port {own.port_base} is in use: gateway (HTTP) needs it; set TOCSIN_GATEWAY_HTTP_PORT or --port-base" in done.stderr
    assert not (other.state / "stack.json").exists()


def test_a_wrong_setting_ends_the_start_with_the_services_words(tmp_path: Path) -> None:
    """Exit code 78 and the name that was meant."""
    stack = RunningStack(state=tmp_path / "state", env={"TOCSIN_SCHEDULER_PROT": "1"})
    done = stack.command("up", "--port-base", str(stack.port_base), "--detach", check=False)
    assert done.returncode == 78, done.stderr
    assert "TOCSIN_SCHEDULER_PROT: there is no such setting; did you mean TOCSIN_SCHEDULER_PORT?" in done.stderr
    assert json.loads(stack.command("status", "--json", check=False).stdout)["running"] is False


def test_a_killed_supervisor_leaves_nothing_behind(own: RunningStack) -> None:
    """Its services die with it; a new `up` on the same folder and ports works, with the same key; `down` drains it."""
    key, before = own.api_key, own.info
    os.kill(before["supervisor"], signal.SIGKILL)
    own.start()
    after = own.info
    assert own.api_key == key
    assert after["http"] == before["http"]
    assert not {entry["pid"] for entry in before["services"].values()} & {entry["pid"] for entry in after["services"].values()}
    own.stop()
    assert not (own.state / "stack.json").exists()
    for entry in (*before["services"].values(), *after["services"].values()):
        with pytest.raises(ProcessLookupError):
            os.kill(entry["pid"], 0)
