"""Bad input gets a clear error with a field and a reason, and leaves nothing behind."""

from typing import Any

import httpx2
import pytest

from tocsin.testing.stack import RunningStack

pytestmark = pytest.mark.e2e

NOTIFY = {"to": ["ann@example.com"], "subject": "s", "text": "t"}
AT = "2030-01-01T00:00:00Z"


def alarm(**changes: Any) -> dict[str, Any]:
    """A good alarm with ``changes``, which make it a bad one."""
    return {"displayName": "bad-input", "trigger": {"at": AT}, "action": {"notify": NOTIFY}} | changes


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (alarm(colour="red"), "colour"),
        (alarm(displayName=5), "displayName"),
        (alarm(trigger={"at": "tomorrow"}), "at"),
        (alarm(trigger={"at": "2001-01-01T00:00:00Z"}), "trigger.at"),
        (alarm(trigger={"daily": {"time": "25:00"}}), "trigger.daily.time"),
        (alarm(trigger={"daily": {"time": "09:00"}, "timeZone": "Mars/Olympus"}), "trigger.timeZone"),
        (alarm(trigger={"at": AT, "every": "5s"}), "trigger"),
        (alarm(trigger={"every": "0.5s"}), "trigger.every"),
        (alarm(trigger={"every": "5s", "count": -1}), "trigger"),
        (alarm(trigger={}), "trigger"),
        (alarm(action={}), "action"),
        (alarm(action={"notify": NOTIFY | {"to": ["not an address"]}}), "action.notify.to[0]"),
        (alarm(action={"notify": NOTIFY | {"to": ["ann@example.com\r\nBcc: eve@example.com"]}}), "action.notify.to[0]"),
        (alarm(action={"notify": NOTIFY | {"subject": "hi\r\nBcc: eve@example.com"}}), "action.notify.subject"),
        (alarm(action={"notify": NOTIFY | {"channels": ["pigeon"]}}), "action.notify.channels[0]"),
        (alarm(priority="URGENT"), "priority"),
        ({"displayName": "bad-input", "action": {"notify": NOTIFY}}, "trigger"),
    ],
)
async def test_a_bad_alarm_names_its_field_and_is_not_made(client: httpx2.AsyncClient, body: dict[str, Any], field: str) -> None:
    """problem+json tells what is wrong and where; nothing is stored."""
    answer = await client.post("/v1/alarms", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["code"] == "INVALID_ARGUMENT"
    violations = [each for detail in problem["details"] for each in detail.get("fieldViolations", [])]
    assert any(field in each["field"] for each in violations), problem
    assert all(each["description"] for each in violations)
    assert (await client.get("/v1/alarms", params={"filter": 'display_name="bad-input"'})).json().get("alarms", []) == []


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("POST", "/v1/alarms", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/alarms", {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/alarms", {"content": b"\xff\xfe{}", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/alarms", {"content": b"<a/>", "headers": {"Content-Type": "application/xml"}}, 415),
        ("POST", "/v1/alarms", {"content": b" " * 6_000_000, "headers": {"Content-Type": "application/json"}}, 413),
        ("GET", "/v1/nothing", {}, 404),
        ("GET", "/v1/alarms/", {}, 404),
        ("PUT", "/v1/alarms", {}, 405),
        ("GET", "/v1/alarms?page_token=nonsense", {}, 400),
        ("GET", "/v1/alarms?page_size=-1", {}, 400),
        ("GET", "/v1/alarms?colour=red", {}, 400),
        ("GET", "/v1/alarms?filter=colour%3D1", {}, 400),
        ("GET", "/v1/alarms/%zz", {}, 400),
        ("GET", "/v1/alarms/01J00000000000000000000000", {}, 404),
        ("POST", "/v1/tasks", {"json": {"handler": "nope"}}, 400),
        ("POST", "/v1/tasks", {"json": {"handler": "uppercase", "input": {"txt": "x"}}}, 400),
        ("POST", "/run", {"json": {"key": "not-there"}}, 404),
        ("POST", "/alarms/", {"json": {"code_id": "x", "email": "nobody", "time": "14:30"}}, 400),
        ("POST", "/alarms/", {"json": {"code_id": "x", "email": "a@example.com", "time": "2:3"}}, 400),
        ("POST", "/register", {"json": {"email": "a@example.com", "password": "short"}}, 400),
    ],
)
async def test_each_mistake_has_its_status(
    client: httpx2.AsyncClient, method: str, path: str, arguments: dict[str, Any], status: int
) -> None:
    """The status tells the kind of mistake, and the body is a problem document without a trace of the inside."""
    answer = await client.request(method, path, **arguments)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["status"] == status
    assert "Traceback" not in answer.text
    assert "127.0.0.1" not in answer.text


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Bearer tk_nonsense", "Basic YTpi", "Bearer a.b.c"])
async def test_a_bad_token_is_unauthenticated(stack: RunningStack, header: str) -> None:
    """Whatever is wrong with a credential, the answer is 401 and says how to sign in."""
    async with httpx2.AsyncClient(base_url=stack.info["http"], trust_env=False) as client:
        answer = await client.get("/v1/alarms", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_without_the_scope_is_forbidden(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    """A key that may read may not write."""
    made = await client.post("/v1/apiKeys", json={"displayName": "reader", "scopes": ["alarms:read"]})
    assert made.status_code == 200, made.text
    async with stack.client(key=made.json()["secret"]) as reader:
        assert (await reader.get("/v1/alarms")).status_code == 200
        refused = await reader.post("/v1/alarms", json=alarm())
    assert refused.status_code == 403
    assert "alarms:write" in refused.text


async def test_a_key_cannot_give_what_it_does_not_have(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    """A new key carries at most the scopes of whoever makes it."""
    maker = (await client.post("/v1/apiKeys", json={"displayName": "maker", "scopes": ["keys:write"]})).json()["secret"]
    async with stack.client(key=maker) as limited:
        refused = await limited.post("/v1/apiKeys", json={"displayName": "more", "scopes": ["alarms:write"]})
    assert refused.status_code in (400, 403), refused.text


async def test_the_same_request_id_makes_one_alarm(client: httpx2.AsyncClient) -> None:
    """A retry is answered with the first alarm; another alarm under the same id is refused."""
    parameters = {"requestId": "6f0e7a54-3f0c-4c58-9f5c-0d8f0b1f9a11"}
    first = await client.post("/v1/alarms", json=alarm(displayName="once"), params=parameters)
    second = await client.post("/v1/alarms", json=alarm(displayName="once"), params=parameters)
    assert first.json()["name"] == second.json()["name"]
    other = await client.post("/v1/alarms", json=alarm(displayName="another"), params=parameters)
    assert other.status_code == 409, other.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up", "--port-base", "70000"), "port"),
        (("alarm", "add", "--at", "yesterday-ish", "--to", "a@example.com"), "at"),
        (("alarm", "add", "--every", "5m", "--to", "nobody", "--subject", "s", "--text", "t"), "to"),
        (("run", "uppercase", "{"), "JSON"),
    ],
)
def test_the_command_line_refuses_in_plain_words(stack: RunningStack, arguments: tuple[str, ...], words: str) -> None:
    """A mistake ends with a code other than zero and a sentence, never with a traceback."""
    done = stack.command(*arguments, check=False)
    assert done.returncode not in (0, 70), done.stdout
    assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
