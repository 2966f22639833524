"""What operators see and do, through the gateway, on a real stack."""

import json
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from tocsin.testing.stack import RunningStack

pytestmark = pytest.mark.e2e

SERVICES = {"gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc"}
LIST = "scheduler_svc/tocsin.api.scheduler.v1.AlarmService/ListAlarms"
METHOD = "/tocsin.api.scheduler.v1.AlarmService/ListAlarms"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningStack]:
    """A stack whose scheduler takes faults, and nobody else."""
    env = {"TOCSIN_SCHEDULER_FAULTS_ENABLED": "true"}
    with RunningStack(state=tmp_path_factory.mktemp("faulty") / "state", env=env) as running:
        yield running


@pytest.fixture
def operator(faulty: RunningStack) -> Generator[httpx.Client]:
    """REST with every scope, waiting for answers."""
    with httpx.Client(
        base_url=faulty.info["http"], headers={"Authorization": f"Bearer {faulty.api_key}"}, timeout=10.0, trust_env=False
    ) as client:
        yield client


def order(client: httpx.Client, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """The report of an order that went well."""
    answer = client.request(method, path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_picture_shows_every_process(operator: httpx.Client) -> None:
    """Each service with its health and its calls; the gateway's are those that it made."""
    operator.get("/v1/alarms")
    processes = operator.get("/v1/mesh").json()["processes"]
    assert {process["service"] for process in processes} == SERVICES
    assert all(process["reachable"] for process in processes)
    gateway = next(process["status"] for process in processes if process["service"] == "gateway")
    assert any(stats["method"] == METHOD and stats["target"] == "scheduler_svc" for stats in gateway["methods"])


def test_the_picture_streams(operator: httpx.Client) -> None:
    """A second one comes by itself, as server-sent events."""
    with operator.stream("GET", "/v1/mesh:watch", headers={"Accept": "text/event-stream"}) as answer:
        events = (json.loads(line.removeprefix("data:")) for line in answer.iter_lines() if line.startswith("data:"))
        first, second = next(events), next(events)
    assert first["mesh"]["time"] < second["mesh"]["time"]


def test_a_breaker_is_kept_open_and_reset_by_service(operator: httpx.Client) -> None:
    """An open circuit refuses at once, is seen in /health, and POST /circuit-breaker/reset/{service} closes it."""
    report = order(operator, "POST", f"/v1/mesh/breakers/{LIST}:open", {})
    assert {taken["service"] for taken in report["taken"]} == SERVICES
    refused = operator.get("/v1/alarms")
    assert (refused.status_code, refused.json()["code"]) == (503, "UNAVAILABLE")
    assert operator.get("/health").json()["circuitBreakers"]["scheduler"]["state"] == "OPEN"
    report = order(operator, "POST", "/circuit-breaker/reset/scheduler", {})
    assert [taken["changed"] for taken in report["taken"] if taken["service"] == "gateway"] == [[LIST]]
    assert operator.get("/v1/alarms").status_code == 200


def test_a_fault_opens_the_circuit_and_healing_closes_it(faulty: RunningStack, operator: httpx.Client) -> None:
    """Calls fail as the fault says, until the breaker spares them; when it is healed, calls pass again."""
    report = order(operator, "POST", "/v1/mesh/faults", {"service": "scheduler", "fault": {"method": METHOD, "percent": 100, "abort": 13}})
    assert [taken["service"] for taken in report["taken"]] == ["scheduler_svc"]
    statuses = [operator.get("/v1/alarms").status_code for _ in range(8)]
    assert (statuses[0], statuses[-1]) == (500, 503)
    assert faulty.command("mesh", "heal", "scheduler").stdout.strip().endswith(METHOD)
    faulty.command("mesh", "reset", "scheduler")
    assert operator.get("/v1/alarms").status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/v1/mesh/faults", {"service": "mailer", "fault": {"percent": 1, "drop": True}}, 200, "FAULTS_ENABLED"),
        ("/v1/mesh/faults", {"service": "nobody", "fault": {"percent": 1, "drop": True}}, 404, "there is no service"),
        ("/v1/mesh/faults", {"service": "scheduler", "fault": {"percent": 0}}, 400, "percent"),
        ("/v1/mesh/faults", {"service": "scheduler", "fault": {"percent": 5, "method": "AlarmService"}}, 400, "method"),
    ],
)
def test_orders_that_cannot_be_followed_say_why(operator: httpx.Client, path: str, body: Any, status: int, reason: str) -> None:
    """A process that takes no faults is named with its reason; what makes no sense is refused."""
    answer = operator.post(path, json=body)
    assert answer.status_code == status
    assert reason in answer.text


def test_the_command_shows_processes_breakers_and_methods(faulty: RunningStack) -> None:
    """One picture, as a table."""
    shown = faulty.command("mesh", "--once").stdout
    assert all(service in shown for service in SERVICES)
    assert "circuit breaker" in shown
    assert "ListAlarms" in shown
