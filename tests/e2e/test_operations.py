"""What operators see and do, through the gateway, on a real stack."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.collector import CLIENT, CONSUMER, PRODUCER, SERVER, Collector, Seen, listening
from tocsin.telemetry import new_traceparent, trace_id_of
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.stack import RunningStack, free_port_base
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.e2e

SERVICES = {"gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc"}
LIST = "scheduler_svc/tocsin.api.scheduler.v1.AlarmService/ListAlarms"
MAIL = ("store email", "send smtp")
METHOD = "/tocsin.api.scheduler.v1.AlarmService/ListAlarms"
TEMPLATES = "/tocsin.api.mailer.v1.TemplateService/"


@pytest.fixture(scope="module")
def collector() -> Generator[Collector]:
    """Where the stack exports its traces to."""
    with listening() as collector:
        yield collector


@pytest.fixture(scope="module")
def mail_port() -> Generator[int]:
    """A mail server that takes everything, in a loop of its own."""
    loop, sink = asyncio.new_event_loop(), SmtpSink(keep=False)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(sink.start(), loop).result()
    yield sink.port
    asyncio.run_coroutine_threadsafe(sink.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, collector: Collector, mail_port: int) -> Generator[RunningStack]:
    """A stack whose scheduler takes faults, whose mailer and processor have a version, and whose every trace is recorded."""
    env = {
        "TOCSIN_SCHEDULER_FAULTS_ENABLED": "true",
        "TOCSIN_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",  # ms; OpenTelemetry's own setting, as the two below
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=of%20ours",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=trial",
        "TOCSIN_MAILER_SMTP_HOST": "127.0.0.1",
        "TOCSIN_MAILER_SMTP_PORT": str(mail_port),
        "TOCSIN_MAILER_SMTP_TLS": "none",
    }
    base = free_port_base()
    env["TOCSIN_MAILER_TARGET"] = f"ipv4:127.0.0.1:{base + 14};zone=here;version=1"  # where `tocsin up` puts it
    env["TOCSIN_PROCESSOR_TARGET"] = f"ipv4:127.0.0.1:{base + 13};version=2"
    with RunningStack(state=tmp_path_factory.mktemp("faulty") / "state", env=env, port_base=base) as running:
        yield running


@pytest.fixture
def operator(faulty: RunningStack) -> Generator[httpx2.Client]:
    """REST with every scope, waiting for answers."""
    with httpx2.Client(
        base_url=faulty.info["http"], headers={"Authorization": f"Bearer {faulty.api_key}"}, timeout=60, trust_env=False
    ) as client:
        yield client


def order(client: httpx2.Client, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """The report of an order that went well."""
    answer = client.request(method, path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_picture_shows_every_process(operator: httpx2.Client) -> None:
    """Each service with its health and its calls; the gateway's are those that it made."""
    operator.get("/v1/alarms")
    processes = operator.get("/v1/mesh").json()["processes"]
    assert {process["service"] for process in processes} == SERVICES
    assert all(process["reachable"] for process in processes)
    gateway = next(process["status"] for process in processes if process["service"] == "gateway")
    assert any(stats["method"] == METHOD and stats["target"] == "scheduler_svc" for stats in gateway["methods"])


def test_the_picture_streams(operator: httpx2.Client) -> None:
    """A second one comes by itself, as server-sent events."""
    with operator.stream("GET", "/v1/mesh:watch", headers={"Accept": "text/event-stream"}) as answer:
        events = (json.loads(line.removeprefix("data:")) for line in answer.iter_lines() if line.startswith("data:"))
        first, second = next(events), next(events)
    assert first["mesh"]["time"] < second["mesh"]["time"]


def test_a_breaker_is_kept_open_and_reset_by_service(operator: httpx2.Client) -> None:
    """An open circuit refuses at once, is seen in /health, and POST /circuit-breaker/reset/{service} closes it."""
    report = order(operator, "POST", f"/v1/mesh/breakers/{LIST}:open", {})
    assert {taken["service"] for taken in report["taken"]} == SERVICES
    refused = operator.get("/v1/alarms")
    assert (refused.status_code, refused.json()["code"]) == (503, "UNAVAILABLE")
    assert operator.get("/health").json()["circuitBreakers"]["scheduler"]["state"] == "OPEN"
    report = order(operator, "POST", "/circuit-breaker/reset/scheduler", {})
    assert [taken["changed"] for taken in report["taken"] if taken["service"] == "gateway"] == [[LIST]]
    assert operator.get("/v1/alarms").status_code == 200


def test_a_fault_opens_the_circuit_and_healing_closes_it(faulty: RunningStack, operator: httpx2.Client) -> None:
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
def test_orders_that_cannot_be_followed_say_why(operator: httpx2.Client, path: str, body: Any, status: int, reason: str) -> None:
    """A process that takes no faults is named with its reason; what makes no sense is refused."""
    answer = operator.post(path, json=body)
    assert answer.status_code == status
    assert reason in answer.text


def test_the_command_shows_processes_breakers_and_methods(faulty: RunningStack, operator: httpx2.Client) -> None:
    """One picture, as a table."""
    assert operator.get("/v1/templates").status_code == 200
    shown = faulty.command("mesh", "--once").stdout
    assert all(service in shown for service in SERVICES)
    assert "circuit breaker" in shown
    assert "ListAlarms" in shown
    edges = json.loads(faulty.command("mesh", "graph", "--seconds", "1", "--format", "json").stdout)["edges"]
    assert {"gateway", "scheduler_svc"} <= {edge["caller"] for edge in edges} | {edge["called"] for edge in edges}
    (mailer,) = [edge["endpoints"] for edge in edges if (edge["caller"], edge["called"]) == ("gateway", "mailer_svc")]
    assert [(each["zone"], each["version"], each["state"]) for each in mailer] == [("here", "1", "READY")]
    methods = json.loads(faulty.command("mesh", "top", "--seconds", "1", "--once", "--json").stdout)["methods"]
    assert {"service", "method", "callsPerSecond", "errorPercent", "p50Seconds", "p99Seconds", "inFlight"} == methods[0].keys()
    shown = faulty.command("mesh", "check").stdout
    assert shown.count("certificate 365 days") + shown.count("certificate 364.9") == len(SERVICES)
    assert shown.endswith("nothing is wrong\n")


def test_a_timeout_is_changed_while_the_services_run(faulty: RunningStack, operator: httpx2.Client) -> None:
    """An order makes slow calls fail at once; its source is shown; taken back, they are waited for again."""
    order(operator, "POST", "/v1/mesh/faults", {"service": "scheduler", "fault": {"method": METHOD, "percent": 100, "delay": "1s"}})
    assert operator.get("/v1/alarms").status_code == 200
    given = faulty.command("mesh", "policy", "set", METHOD, "--timeout", "300ms", "--for", "10m").stdout
    assert given.count(f"{METHOD} timeout: ") == len(SERVICES)
    assert operator.get("/v1/alarms").status_code == 504
    assert "(order, contract" in faulty.command("mesh", "policy", "diff").stdout
    faulty.command("mesh", "policy", "reset")
    assert operator.get("/v1/alarms").status_code == 200
    order(operator, "DELETE", "/v1/mesh/faults?service=scheduler")
    answer = operator.post("/v1/mesh/policy:set", json={"rule": {"method": METHOD, "policy": {"scope": "a:read"}}})
    assert (answer.status_code, "rule.policy.scope" in answer.text) == (400, True)


def copies(stack: RunningStack) -> float:
    """How many copies of calls that the gateway made were answered."""
    text = httpx2.get(stack.info["services"]["gateway"]["metrics"], trust_env=False).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith('tocsin_client_mirrored_total{code="OK"'))


def test_a_split_and_a_mirror_are_given_seen_and_taken_back(faulty: RunningStack, operator: httpx2.Client) -> None:
    """By the command line, in every process: what it would do, what it did, what `diff` and `get` say, and nothing of it after `reset`."""
    split = ("mesh", "policy", "split", "canary", TEMPLATES, "--to", "1=40")
    tried = faulty.command(*split, "--dry-run").stdout
    assert tried.count("canary") == len(SERVICES)
    assert "SPLIT" not in faulty.command("mesh", "policy", "diff").stdout
    assert faulty.command(*split, "--for", "10m").stdout.count("canary") == len(SERVICES)
    given = faulty.command("mesh", "policy", "mirror", "shadow", TEMPLATES, "--to", "1", "--percent", "100", "--for", "10m").stdout
    assert given.count("shadow") == len(SERVICES)
    for words in (("diff",), ("get", f"{TEMPLATES}ListTemplates")):
        shown = faulty.command("mesh", "policy", *words).stdout
        assert shown.count("SPLIT canary 1=40% (order") == shown.count("MIRROR shadow 100% to 1 (order") == len(SERVICES)
    assert "(order, about" not in faulty.command("mesh", "policy", "get", METHOD).stdout, "neither is about another service"
    before = copies(faulty)

    def copied() -> bool:
        assert operator.get("/v1/templates").status_code == 200
        return copies(faulty) > before

    asyncio.run(eventually(copied, what="a copy of a read"))
    faulty.command("mesh", "policy", "reset", "--name", "canary")
    left = faulty.command("mesh", "policy", "diff", "--json").stdout
    assert ("canary" in left, "shadow" in left) == (False, True)
    faulty.command("mesh", "policy", "reset")
    assert faulty.command("mesh", "policy", "diff").stdout.count(": as the contract says") == len(SERVICES)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("split", "a", TEMPLATES, "--to", "3=5"), 1, "no target of this process has the version '3'; there are 1, 2"),
        (("split", "a", TEMPLATES, "--to", "1=60", "--to", "2=50"), 1, "they are 110 % together"),
        (("split", "a", TEMPLATES, "--to", "1=nan"), 2, "is not VERSION=PERCENT"),
        (("split", "a", "/no.such.v1.Service/", "--to", "1=5"), 1, "/no.such.v1.Service/"),
        (("mirror", "a", f"{TEMPLATES}CreateTemplate", "--to", "1", "--percent", "5"), 1, "NO_SIDE_EFFECTS"),
    ],
    ids=[
        "no version",
        "too much together",
        "no number",
        "no service",
        "no read",
    ],
)
def test_splits_and_mirrors_that_make_no_sense_are_refused(
    faulty: RunningStack, operator: httpx2.Client, words: tuple[str, ...], code: int, said: str
) -> None:
    """With the field and the reason; no process keeps anything of them."""
    done = faulty.command("mesh", "policy", *words, check=False)
    told = " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert (done.returncode, said in told) == (code, True), told
    processes = operator.get("/v1/mesh/policy").json()["processes"]
    assert [each["policy"].get(name) for each in processes for name in ("orders", "named")] == [None] * 2 * len(SERVICES)


def traced(collector: Collector, traceparent: str, *names: str) -> list[Seen]:
    """The spans of a trace, as soon as these, as often as they are named, are among them."""
    trace = trace_id_of(traceparent)

    def missing() -> Counter[str]:
        return Counter(names) - Counter(span.name for span in collector.trace(trace))

    asyncio.run(eventually(lambda: not missing(), what=f"a trace with {names}"))
    return collector.trace(trace)


def only(spans: list[Seen], service: str, name: str) -> Seen:
    """The one span of a service with this name."""
    (found,) = [span for span in spans if (span.service, span.name) == (service, name)]
    return found


def test_one_trace_leads_from_the_request_to_the_mail(operator: httpx2.Client, collector: Collector) -> None:
    """Each call is the child of what made it; across what is stored the trace goes on, and links say where it came from."""
    traceparent, name = new_traceparent(sampled=True), METHOD[1:].replace("ListAlarms", "CreateAlarm")
    body = {
        "trigger": {"at": (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()},
        "action": {"notify": {"to": ["ann@example.com"], "subject": "traced", "text": "Rings once."}},
    }
    made = operator.post("/v1/alarms", json=body, headers={"traceparent": traceparent})
    assert made.status_code == 200, made.text
    wanted = ("POST /v1/alarms", *[name] * 2, "due notify", "claim", "dispatch notify", "fire notify", *MAIL)
    spans = traced(collector, traceparent, *wanted)
    assert collector.metadata["api-key"] == "of ours"
    assert {collector.resources[span.service]["deployment.environment.name"] for span in spans} == {"trial"}
    door = only(spans, "gateway", "POST /v1/alarms")
    assert (door.kind, door.parent, door.attributes["http.response.status_code"]) == (SERVER, traceparent[36:52], 200)
    attempt, served = only(spans, "gateway", name), only(spans, "scheduler_svc", name)
    assert (attempt.kind, attempt.parent, served.kind, served.parent) == (CLIENT, door.id, SERVER, attempt.id)
    due, claimed = only(spans, "scheduler_svc", "due notify"), only(spans, "scheduler_svc", "claim")
    assert (due.parent, due.links, claimed.parent) == (served.id, {served.id}, due.id)
    dispatched = only(spans, "scheduler_svc", "dispatch notify")
    assert (dispatched.kind, dispatched.parent, dispatched.attributes["tocsin.attempt"]) == (PRODUCER, due.id, 1)
    fired = only(spans, "processor_svc", "fire notify")
    assert (fired.kind, fired.parent, fired.links) == (CONSUMER, dispatched.id, {dispatched.id})
    assert (fired.attributes["tocsin.alarm"], fired.attributes["tocsin.end"]) == (made.json()["name"], "succeeded")
    stored, sent = only(spans, "mailer_svc", "store email"), only(spans, "mailer_svc", "send smtp")
    assert (stored.kind, stored.parent, stored.links) == (CONSUMER, fired.id, {fired.id})
    assert (sent.kind, sent.parent, sent.attributes["tocsin.result"]) == (CLIENT, fired.id, "sent")
    assert not any(span.failed for span in spans)
    known = {span.id for span in spans} | {traceparent[36:52]}
    assert [span for span in spans if span.parent not in known] == []


def test_a_recurring_firing_has_a_trace_of_its_own(operator: httpx2.Client, collector: Collector) -> None:
    """Its root is the due time, which links to the request that made the alarm; no span of it hangs in the air."""
    traceparent = new_traceparent(sampled=True)
    body = {
        "trigger": {"every": "1s"},
        "action": {"notify": {"to": ["ann@example.com"], "subject": "traced", "text": "Rings again."}},
    }
    made = operator.post("/v1/alarms", json=body, headers={"traceparent": traceparent})
    assert made.status_code == 200, made.text
    name = METHOD[1:].replace("ListAlarms", "CreateAlarm")
    served = only(traced(collector, traceparent, *[name] * 2), "scheduler_svc", name)
    found: list[dict[str, Any]] = []

    def fired() -> bool:
        answer = operator.get("/v1/firings", params={"filter": f'alarm = "{made.json()["name"]}"'})
        assert answer.status_code == 200, answer.text
        found[:] = answer.json().get("firings", [])
        return bool(found)

    asyncio.run(eventually(fired, seconds=60, what="a firing"))
    own = f"00-{found[0]['traceId']}-{'0' * 15}1-01"
    spans = traced(collector, own, "due notify", "claim", "dispatch notify", "fire notify", *MAIL)
    due = only(spans, "scheduler_svc", "due notify")
    assert (due.parent, due.links) == ("", {served.id})
    known = {span.id for span in spans} | {""}
    assert [span for span in spans if span.parent not in known] == []
    assert only(spans, "processor_svc", "fire notify").parent == only(spans, "scheduler_svc", "dispatch notify").id
    operator.delete(f"/v1/{made.json()['name']}")


def test_each_attempt_of_a_call_that_is_retried_is_seen(operator: httpx2.Client, collector: Collector) -> None:
    """Three attempts beside each other, each with its error, and so is the request."""
    get = METHOD.replace("ListAlarms", "GetAlarm")
    order(operator, "POST", "/v1/mesh/faults", {"service": "scheduler", "fault": {"method": get, "percent": 100, "abort": 14}})
    traceparent = new_traceparent(sampled=True)
    answer = operator.get("/v1/alarms/01J00000000000000000000000", headers={"traceparent": traceparent})
    order(operator, "DELETE", "/v1/mesh/faults?service=scheduler")
    assert answer.status_code == 503
    door_name = "GET /v1/{name=alarms/*}"
    spans = traced(collector, traceparent, door_name, *[get[1:]] * 6)
    door = only(spans, "gateway", door_name)
    attempts = [span for span in spans if span.kind == CLIENT]
    names = ("rpc.response.status_code", "rpc.grpc.status_code", "rpc.system.name", "rpc.method")
    told = ("UNAVAILABLE", 14, "grpc", get[1:])
    assert [(span.parent, span.failed, tuple(span.attributes[name] for name in names)) for span in attempts] == [(door.id, True, told)] * 3
    assert sorted(span.attributes["previous-rpc-attempts"] for span in attempts) == [0, 1, 2]
    assert all(span.attributes["server.address"] == "127.0.0.1" and span.attributes["server.port"] for span in attempts)
    assert {span.parent for span in spans if span.service == "scheduler_svc"} == {span.id for span in attempts}
    assert (door.failed, door.attributes["http.response.status_code"]) == (True, 503)


def test_a_call_that_an_open_circuit_refused_says_so(operator: httpx2.Client, collector: Collector) -> None:
    """One attempt that never left: its span names the circuit, and nobody else saw it."""
    order(operator, "POST", f"/v1/mesh/breakers/{LIST}:open", {})
    traceparent = new_traceparent(sampled=True)
    answer = operator.get("/v1/alarms", headers={"traceparent": traceparent})
    order(operator, "POST", "/circuit-breaker/reset/scheduler", {})
    assert answer.status_code == 503
    spans = traced(collector, traceparent, "GET /v1/alarms", METHOD[1:])
    attempt = only(spans, "gateway", METHOD[1:])
    assert (attempt.failed, attempt.attributes["error.type"]) == (True, "CIRCUIT_OPEN")
    assert {span.service for span in spans} == {"gateway"}
