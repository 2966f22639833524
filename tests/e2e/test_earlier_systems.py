"""The lines that users of the earlier systems type, as they stand: each is sent to a real stack, and its answer has the shape they know.

A line is what somebody pastes into a shell. ``$NAME`` stands for what an earlier line of the same journey was answered, or for something
that is new in each run (``$ID``), as people use a variable of the shell.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any, Final

import httpx2
import pytest

from tests.e2e.curl import parse_curl
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

AT: Final = "http://localhost:8000"
JSON: Final = "-H 'Content-Type: application/json'"
AUTH: Final = "-H 'Authorization: Bearer $TOKEN'"
ANY: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A command line and its answer.

    Attributes:
        text: the line.
        status: HTTP status of the answer.
        shape: members of the answer by name: a type, a value, `ANY`, or a pattern for text.
        keeps: variables for later lines, and the members of the answer that they are.
        camel: whether the answer has names in lowerCamelCase, as those of health.
        as_typed: whether the slash at the end of its path is never turned, as it is none of an earlier system.
    """

    text: str
    status: int = 200
    shape: Mapping[str, Any]
    keeps: Mapping[str, str] = field(default_factory=dict[str, str])
    camel: bool = False
    as_typed: bool = False


ALARM: Final = {
    "name": re.compile("alarms/.+"),
    "labels": {"code_id": "TEST_001"},
    "next_fire_time": re.compile(r".+T14:30:00Z"),
    "state": "ACTIVE",
}
ALARMS: Final = [
    Line(
        text=f"""curl -X POST {AT}/alarms/ {AUTH} {JSON}
          -d '{{"code_id": "TEST_001", "email": "test@example.com", "time": "14:30:00", "is_recurring": false}}'""",
        shape=ALARM,
    ),
    Line(
        text=f"curl -X POST '{AT}/alarms/?code_id=TEST_001&email=test@example.com&time=14:30:00&is_recurring=True' {AUTH}",
        shape={**ALARM, "action": {"notify": {"to": ["test@example.com"], "subject": ANY, "text": ANY}}},
    ),
    Line(text=f"curl {AT}/alarms/ {AUTH} -d code_id=TEST_001 -d email=test@example.com -d time=14:30:00", shape=ALARM),
    Line(text=f"curl {AT}/alarms/ {AUTH}", shape={"alarms": list}),
    Line(text=f"curl '{AT}/alarms/?page_size=1' {AUTH}", shape={"alarms": list, "next_page_token": str}),
    Line(
        text=f'curl -X POST {AT}/alarms/ {AUTH} {JSON} -d \'{{"code_id": "x"}}\'',
        status=400,
        shape={"code": "INVALID_ARGUMENT", "detail": str},
    ),
    Line(text=f"curl {AT}/health", shape={"status": re.compile("healthy|degraded"), "services": dict, "circuitBreakers": dict}, camel=True),
    Line(text=f"curl -I {AT}/health", shape={}),
    Line(text=f"curl {AT}/health/", shape={"overall_status": re.compile("healthy|degraded"), "circuit_breakers": dict}, camel=True),
    Line(text=f"curl {AT}/scheduler/health", shape={"status": "healthy", "replicas": 1, "circuitBreaker": dict}, camel=True),
    Line(text=f"curl {AT}/scheduler/debug/performance -H 'Authorization: Bearer $OPERATOR'", shape={"lateness": list, "memory_bytes": str}),
    Line(text=f"curl {AT}/scheduler/debug/scheduler-stats -H 'Authorization: Bearer $OPERATOR'", shape={"alarms": dict, "replicas": list}),
    Line(text=f"curl {AT}/scheduler/debug/scheduler-stats {AUTH}", status=403, shape={"code": "PERMISSION_DENIED"}),
    Line(text=f"curl {AT}/debug/services {AUTH}", status=403, shape={"code": "PERMISSION_DENIED"}),
    Line(text=f"curl {AT}/debug/services -H 'Authorization: Bearer $OPERATOR'", shape={"services": list}, camel=True),
]

PAIR: Final = {
    "access_token": re.compile(r"[\w-]+\.[\w-]+\.[\w-]+"),
    "token_type": "Bearer",
    "expires_in": int,
    "refresh_token": str,
    "scope": re.compile(r"[a-z]+:[a-z]+( [a-z]+:[a-z]+)*"),
}
TEST: Final = {"test_id": str, "sensor_type": "temperature", "status": str}
MADE: Final = {"user": re.compile("users/.+"), "tenant": re.compile("tenants/.+")}
SENSORS: Final = [
    Line(text=f'curl -X POST {AT}/register {JSON} -d \'{{"username": "user-$ID", "password": "test_pass123"}}\'', shape=MADE),
    Line(text=f"curl -X POST {AT}/register -d 'username=form-$ID&password=test_pass123'", shape=MADE),
    Line(text=f"curl -X POST '{AT}/register?username=query-$ID&password=test_pass123'", shape=MADE),
    Line(text=f'curl -X POST {AT}/register {JSON} -d \'{{"name": "name-$ID", "password": "test_pass123"}}\'', shape=MADE),
    Line(
        text=f"""curl -X POST {AT}/register {JSON}
          -d '{{"name": "Ann Smith", "email": "ann-$ID@example.com", "password": "test_pass123"}}'""",
        shape=MADE,
    ),
    Line(
        text=f"""curl -X POST {AT}/register {JSON}
          -d '{{"username": "both-$ID", "email": "both-$ID@example.com", "password": "test_pass123"}}'""",
        shape=MADE,
    ),
    Line(text=f"curl -X POST {AT}/register -d 'username=USER-$ID&password=test_pass123'", status=409, shape={"code": "ALREADY_EXISTS"}),
    Line(text=f"curl -X POST {AT}/register -d 'username=a&password=short'", status=400, shape={"code": "INVALID_ARGUMENT"}),
    Line(
        text=f"curl -X POST {AT}/token -d 'username=user-$ID&password=test_pass123'",
        shape=PAIR,
        keeps={"TOKEN": "access_token", "REFRESH": "refresh_token"},
    ),
    Line(text=f"curl -X POST {AT}/token -d 'grant_type=password&username=name-$ID&password=test_pass123'", shape=PAIR),
    Line(text=f"curl -X POST {AT}/token -d grant_type=password -d username=both-$ID -d password=test_pass123", shape=PAIR),
    Line(
        text=f"curl -X POST {AT}/token -d 'grant_type=password&username=BOTH-$ID@example.com&password=test_pass123&client_id='",
        shape=PAIR,
    ),
    Line(text=f"curl -u app:secret {AT}/token -d 'grant_type=password&username=ann-$ID@example.com&password=test_pass123'", shape=PAIR),
    Line(text=f'curl -X POST {AT}/token {JSON} -d \'{{"username": "form-$ID", "password": "test_pass123"}}\'', shape=PAIR),
    Line(text=f'curl -X POST {AT}/token {JSON} -d \'{{"email": "ann-$ID@example.com", "password": "test_pass123"}}\'', shape=PAIR),
    Line(
        text=f"curl {AT}/token -d 'grant_type=password&username=user-$ID&password=test_pass123&scope=events:write profile:read'",
        shape={**PAIR, "scope": "events:write profile:read"},
    ),
    Line(text=f"curl {AT}/token -d 'grant_type=refresh_token&refresh_token=$REFRESH'", shape=PAIR, keeps={"NEXT": "refresh_token"}),
    Line(
        text=f"curl {AT}/token -d 'grant_type=refresh_token&refresh_token=$NEXT&scope=events:read'",
        shape={**PAIR, "scope": "events:read profile:read"},
    ),
    # Used twice, it ends its session, and the access tokens of that at every gateway.
    Line(text=f"curl {AT}/token -d 'grant_type=refresh_token&refresh_token=$REFRESH'", status=400, shape={"error": "invalid_grant"}),
    Line(text=f"curl -X POST {AT}/token -d 'username=user-$ID&password=test_pass123'", shape=PAIR, keeps={"TOKEN": "access_token"}),
    Line(text=f"curl {AT}/token -d 'username=user-$ID&password=wrong_pass'", status=400, shape={"error": "invalid_grant"}),
    Line(text=f"curl {AT}/token -d 'grant_type=password&username=user-$ID'", status=400, shape={"error": "invalid_request"}),
    Line(text=f"curl {AT}/token -d 'grant_type=refresh_token'", status=400, shape={"error": "invalid_request"}),
    Line(text=f"curl {AT}/token -d 'grant_type=client_credentials'", status=400, shape={"error": "unsupported_grant_type"}),
    Line(
        text=f"curl {AT}/token -d 'username=user-$ID&password=test_pass123&scope=mesh:write'",
        status=400,
        shape={"error": "invalid_scope", "error_description": str},
    ),
    Line(
        text=f"curl {AT}/verify {AUTH}",
        shape={"subject": re.compile("users/.+"), "tenant": str, "scopes": list, "expire_time": str, "time_zone": "UTC"},
    ),
    Line(text=f"curl {AT}/verify", status=401, shape={"code": "UNAUTHENTICATED"}),
    Line(
        text=f'curl -X POST {AT}/send-event {AUTH} {JSON} -d \'{{"event_type": "sensor.temperature", "data": {{"valueC": 21.5}}}}\'',
        shape={"id": str},
    ),
    Line(
        text=f'curl -X POST {AT}/send-event {AUTH} {JSON} -d \'{{"event_type": "sensor.pressure", "payload": {{"value": 1}}}}\'',
        shape={"id": str},
    ),
    Line(text=f"curl -X POST '{AT}/send-event?event_type=sensor.temperature' {AUTH}", shape={"id": str}),
    Line(text=f"curl {AT}/send-event {AUTH} -d event_type=sensor.temperature --data-urlencode 'data={{\"value\": 3}}'", shape={"id": str}),
    Line(text=f"curl -X POST {AT}/send-event {AUTH} {JSON} -d '{{}}'", status=400, shape={"detail": re.compile("event_type: .+")}),
    Line(text=f"curl -X POST {AT}/test/temperature {AUTH}", shape=TEST, keeps={"TEST": "test_id"}),
    Line(text=f"curl -X POST {AT}/test/sensor/temperature {AUTH}", shape=TEST),
    Line(text=f'curl -X POST {AT}/test/temperature {AUTH} {JSON} -d \'{{"minimum": -20, "maximum": 50}}\'', shape=TEST),
    Line(text=f"curl -X POST '{AT}/test/temperature?maximum=50' {AUTH}", shape=TEST),
    Line(text=f"curl {AT}/test/$TEST {AUTH}", shape={**TEST, "status": re.compile("pending|failed")}),
    Line(text=f"curl {AT}/test/nothing {AUTH}", status=404, shape={"code": "NOT_FOUND"}),
    Line(text=f"curl -X POST {AT}/test/temperature", status=401, shape={"code": "UNAUTHENTICATED"}),
    Line(text=f"curl -X POST '{AT}/test/temperature?minimum=2&maximum=1' {AUTH}", status=400, shape={"code": "INVALID_ARGUMENT"}),
    Line(text=f"curl {AT}/stats {AUTH}", shape={"events": "4", "topics": {"sensor.temperature": "3", "sensor.pressure": "1"}}),
    Line(text=f"curl {AT}/logs {AUTH}", shape={"logs": list}),
    Line(text=f"curl '{AT}/logs?page_size=1' {AUTH}", shape={"logs": list, "next_page_token": str}),
    Line(text=f"curl -X POST {AT}/circuit-breaker/reset/scheduler -H 'Authorization: Bearer $OPERATOR'", shape={"taken": list}),
    Line(text=f"curl -X POST {AT}/circuit-breaker/reset/scheduler {AUTH}", status=403, shape={"code": "PERMISSION_DENIED"}),
]

RECORD: Final = {"key": "test1", "value": "hello", "update_time": str}
TASKS: Final = [
    Line(text=f"curl -X POST '{AT}/add?key=test1&value=hello' {AUTH}", shape=RECORD),
    Line(text=f"curl -X POST {AT}/add {AUTH} -d key=test1 -d value=hello", shape=RECORD),
    Line(text=f'curl -X POST {AT}/add {AUTH} {JSON} -d \'{{"key": "test1", "value": "hello"}}\'', shape=RECORD),
    Line(
        text=f"curl -X POST '{AT}/run?key=test1' {AUTH}", shape={"task_id": str, "task": re.compile("tasks/.+")}, keeps={"TASK": "task_id"}
    ),
    Line(text=f'curl -X POST {AT}/run {AUTH} {JSON} -d \'{{"key": "test1"}}\'', shape={"task_id": str}),
    Line(text=f"curl {AT}/run {AUTH} -d key=test1", shape={"task_id": str}),
    Line(text=f"curl -X POST '{AT}/write?key=test2&value=%C3%A9+%26' {AUTH}", shape={"key": "test2", "value": "é &"}),
    Line(text=f'curl -X POST {AT}/write {AUTH} {JSON} -d \'{{"key": "test3", "value": "x"}}\'', shape={"key": "test3", "value": "x"}),
    Line(text=f"curl '{AT}/read?key=test2' {AUTH}", shape={"key": "test2", "value": "é &", "update_time": str}),
    Line(text=f"curl '{AT}/read?key=nothing' {AUTH}", status=404, shape={"code": "NOT_FOUND"}),
    Line(text=f"curl -X POST '{AT}/run?key=nothing' {AUTH}", status=404, shape={"code": "NOT_FOUND"}),
    Line(text=f"curl -X POST '{AT}/add?key=test1&content=hello' {AUTH}", status=400, shape={"detail": re.compile("content: .+")}),
    Line(text=f"curl -X POST '{AT}/add?key=test1&value=hello'", status=401, shape={"code": "UNAUTHENTICATED"}),
    Line(
        text=f"curl -X POST '{AT}/add?key=test1&value=hello' -H 'Authorization: Bearer nonsense'",
        status=401,
        shape={"code": "UNAUTHENTICATED"},
    ),
]

TAKEN: Final = {"notification_id": str, "status": re.compile("pending|failed"), "timestamp": str}
NOTIFICATIONS: Final = [
    Line(
        text=f"""curl -X POST {AT}/v1/templates {AUTH} {JSON}
          -d '{{"name": "templates/welcome_email", "subject": "Welcome {{{{ name }}}}", "text": "See {{{{ link }}}}"}}'""",
        shape={"name": "templates/welcome_email"},
        camel=True,
        as_typed=True,
    ),
    Line(
        text=f"""curl -X POST {AT}/api/v1/register/ {AUTH} {JSON} -d '{{"name": "Ann", "email": "ann-$ID@example.com",
          "push_token": "cP1-token_$ID", "preferences": {{"email": true, "push": false}}}}'""",
        shape={"user_id": str, "name": "Ann", "email": str},
    ),
    Line(text=f"curl {AT}/api/v1/register/ {AUTH} -d name=Ann -d email=nonsense", status=400, shape={"detail": re.compile("email: .+")}),
    Line(text=f"curl -X POST {AT}/api/v1/register/ {JSON} -d '{{}}'", status=401, shape={"code": "UNAUTHENTICATED"}),
    Line(
        text=f"""curl -X POST {AT}/api/v1/notifications/ {AUTH} {JSON} -d '{{"notification_type": "inbox",
          "user_id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "template_code": "welcome_email",
          "variables": {{"name": "Ann", "link": "https://example.com/", "meta": {{"plan": "free"}}}},
          "request_id": "req-$ID", "priority": 2, "metadata": {{"source": "shop"}}}}'""",
        shape=TAKEN,
        keeps={"NOTIFICATION": "notification_id"},
    ),
    Line(
        text=f"""curl -X POST {AT}/api/v1/notifications/ {AUTH} -d notification_type=inbox -d user_id=ann -d template_code=welcome_email
          --data-urlencode 'variables={{"name": "Ann", "link": "x"}}'""",
        shape=TAKEN,
    ),
    Line(
        text=f"curl '{AT}/api/v1/notifications/status?notification_id=$NOTIFICATION' {AUTH}", shape={"notification_id": str, "status": str}
    ),
    Line(text=f"curl '{AT}/api/v1/notifications/status?request_id=req-$ID' {AUTH}", shape={"notification_id": str, "status": str}),
    Line(
        text=f'curl -X POST {AT}/api/v1/notifications/status {AUTH} {JSON} -d \'{{"notification_id": "$NOTIFICATION"}}\'',
        shape={"notification_id": str, "status": str},
    ),
    Line(
        text=f"""curl -X POST {AT}/api/v1/inbox/status/ {AUTH} {JSON}
          -d '{{"notification_id": "$NOTIFICATION", "status": "delivered", "timestamp": "2026-11-12T10:00:00Z", "error": ""}}'""",
        shape={"deliveries": list},
    ),
    Line(
        text=f"curl {AT}/api/v1/email/status/ {AUTH} -d notification_id=$NOTIFICATION -d status=failed -d 'error=mailbox full'",
        status=404,
        shape={"code": "NOT_FOUND"},
    ),
    Line(
        text=f"curl -X POST '{AT}/api/v1/push/status/?notification_id=$NOTIFICATION&status=lost' {AUTH}",
        status=400,
        shape={"detail": re.compile("status: .+")},
    ),
    Line(text=f"curl '{AT}/api/v1/notifications/status?notification_id=none' {AUTH}", status=404, shape={"code": "NOT_FOUND"}),
    Line(
        text=f"curl {AT}/api/v1/notifications/ {AUTH} -d notification_type=inbox -d user_id=ann -d template_code=nothing",
        status=400,
        shape={"detail": re.compile("template_code: .+")},
    ),
    Line(
        text=f"curl -X POST '{AT}/api/v1/notifications/?user_id=ann&template_code=welcome_email&notification_type=pigeon' {AUTH}",
        status=400,
        shape={"detail": re.compile("notification_type: .+")},
    ),
]

SYSTEMS: Final = {"alarms": ALARMS, "sensors": SENSORS, "tasks": TASKS, "notifications": NOTIFICATIONS}


@pytest.fixture
async def known(stack: RunningStack) -> dict[str, str]:
    """What the shell of a user knows: a token of a tenant of their own, and the operator's key."""
    async with stack.client() as client:
        name = f"shell-{secrets.token_hex(6)}"
        made = await client.post("/register", data={"username": name, "password": "test_pass123"})
        assert made.status_code == 200, made.text
        token = await client.post("/token", data={"username": name, "password": "test_pass123"})
    return {"ID": secrets.token_hex(4), "TOKEN": token.json()["access_token"], "OPERATOR": stack.api_key}


@pytest.mark.parametrize("turned", [False, True], ids=["as-typed", "slash-turned"])
@pytest.mark.parametrize("lines", SYSTEMS.values(), ids=SYSTEMS)
async def test_their_lines_work_as_they_stand(stack: RunningStack, known: dict[str, str], lines: Sequence[Line], turned: bool) -> None:
    """Each line, with the slash at the end of its path that it has, and with it the other way round."""
    async with httpx2.AsyncClient(base_url=stack.info["http"], timeout=60, trust_env=False) as shell:
        for line in lines:
            answer = await paste(shell, Template(line.text).substitute(known), turned=turned and not line.as_typed)
            assert answer.status_code == line.status, (line.text, answer.text)
            document = answer.json() if answer.content else {}
            assert not mismatches(document, line.shape), (line.text, document, mismatches(document, line.shape))
            assert line.camel or not camel_names(document), (line.text, document)
            known.update({name: document[member] for name, member in line.keeps.items()})


async def test_a_task_that_was_run_has_its_result(stack: RunningStack, known: dict[str, str]) -> None:
    """The id that /run answers with leads to the transformed value."""
    async with httpx2.AsyncClient(base_url=stack.info["http"], timeout=60, trust_env=False) as shell:
        token = known["TOKEN"]
        await paste(shell, f"curl -X POST '{AT}/add?key=test1&value=hello' -H 'Authorization: Bearer {token}'")
        run = await paste(shell, f"curl -X POST '{AT}/run?key=test1' -H 'Authorization: Bearer {token}'")
        task = run.json()["task_id"]

        async def done() -> bool:
            answer = await paste(shell, f"curl {AT}/v1/tasks/{task} -H 'Authorization: Bearer {token}'")
            return answer.json().get("result") == {"text": "HELLO"}

        await eventually(done)


async def paste(shell: httpx2.AsyncClient, text: str, *, turned: bool = False) -> httpx2.Response:
    """Sends what a line sends; with the slash at the end of its path the other way round if ``turned``."""
    request = parse_curl(text)
    path, question, query = request.target.partition("?")
    if turned:
        path = path.removesuffix("/") if path.endswith("/") else f"{path}/"
    return await shell.request(request.method, f"{path}{question}{query}", headers=request.headers, content=request.body)


def mismatches(found: Any, shape: Any, where: str = "") -> list[str]:
    """Where an answer has another shape; members that the shape does not name do not matter."""
    if shape is ANY:
        return []
    if isinstance(shape, Mapping):
        if not isinstance(found, dict):
            return [f"{where} is {found!r}"]
        return [item for name, inner in shape.items() for item in mismatches(found.get(name), inner, f"{where}.{name}")]
    if isinstance(shape, type):
        return [] if isinstance(found, shape) else [f"{where} is {found!r}"]
    if isinstance(shape, re.Pattern):
        return [] if isinstance(found, str) and shape.fullmatch(found) else [f"{where} is {found!r}"]
    return [] if found == shape else [f"{where} is {found!r}"]


def camel_names(value: Any, *, free: frozenset[str] = frozenset({"data"})) -> list[str]:
    """Names of an answer that are not in snake_case; those within JSON of a user's own do not count."""
    if isinstance(value, list):
        return [name for item in value for name in camel_names(item, free=free)]
    if not isinstance(value, dict):
        return []
    inner = [name for key, item in value.items() if key not in free for name in camel_names(item, free=free)]
    return [*inner, *(name for name in value if re.search("[a-z][A-Z]", name))]
