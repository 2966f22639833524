"""Webhooks: what is sent, and what each answer means; the far end is a real server."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from processor_svc.actions.webhook import WebhookAction, WebhookKind
from processor_svc.domain import Job, JobFailed, JobReleased, JobSucceeded
from processor_svc.turns import TenantTurns
from tests.unit.processor.kinds import SECRET, webhook_kind
from tests.unit.processor.test_worker import job
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import SECOND
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import HttpClient
from tocsin.standard_webhooks import verify
from tocsin.testing.clock import FakeClock
from tocsin.testing.http import HttpSink, Reply, SeenRequest
from tocsin.testing.waiting import eventually


@pytest.fixture
async def far_end() -> AsyncGenerator[HttpSink]:
    """A server."""
    async with HttpSink() as sink:
        yield sink


@pytest.fixture
async def kind(clock: FakeClock) -> AsyncGenerator[WebhookKind]:
    """The kind, which may reach the loopback."""
    made = webhook_kind(clock)
    yield made
    await made.stop()


def fired(clock: FakeClock, *, seconds_ago: int = 0, attempt: int = 1) -> Job:
    """A job that was due so long ago."""
    due = clock.micros() // SECOND - seconds_ago
    return job("f1")._replace(due=due, attempt=attempt, alarm="alarms/a1", origin="EVENT", context={"event": {"topic": "a.b"}})


def action(kind: WebhookKind, **fields: Any) -> WebhookAction:
    """The action of a message."""
    body = fields.pop("body", None)
    message = alarm_pb2.Webhook(**fields)
    if body is not None:
        message.body.update(body)
    return kind.decode(message)


async def test_every_try_bears_the_id_of_the_firing_and_says_what_fired(clock: FakeClock, far_end: HttpSink, kind: WebhookKind) -> None:
    """Without content of its own the body is the same at each try, and so is the id; the time is that of the attempt."""
    what = action(kind, url=f"{far_end.url}/hook?x=1", headers={"X-Team": "core"})
    for attempt in (1, 2):
        assert isinstance(await kind.run(fired(clock, seconds_ago=(attempt - 1) * 40, attempt=attempt), what), JobSucceeded)
        await clock.advance(40)
    first, second = far_end.requests
    assert (first.method, first.target, first.headers["x-team"]) == ("POST", "/hook?x=1", "core")
    assert first.body == second.body
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    said = first.json
    assert said["type"] == "alarm.fired"
    assert said["data"] == {
        "firing": "firings/f1",
        "alarm": "alarms/a1",
        "origin": "EVENT",
        "priority": "NORMAL",
        "context": {"event": {"topic": "a.b"}},
    }
    for seen in (first, second):
        assert verify(seen.headers, seen.body, secrets=[SECRET], seconds=int(seen.headers["webhook-timestamp"])) == "f1"


@pytest.mark.parametrize(
    ("fields", "method", "content_type", "body"),
    [
        ({"body": {"b": 1, "ä": [True, None]}}, "POST", "application/json", '{"b":1.0,"ä":[true,null]}'),
        ({"text": "now", "method": "PUT"}, "PUT", "text/plain; charset=utf-8", "now"),
        ({"text": "<a/>", "content_type": "application/xml", "method": "PATCH"}, "PATCH", "application/xml", "<a/>"),
        ({"method": "GET"}, "GET", None, ""),
        ({"text": "x", "method": "DELETE", "headers": {"Content-Type": "text/x"}}, "DELETE", "text/x", "x"),
    ],
)
async def test_what_is_sent(
    clock: FakeClock, far_end: HttpSink, kind: WebhookKind, fields: dict[str, Any], method: str, content_type: str | None, body: str
) -> None:
    """Content, its type, and the method are the user's."""
    assert isinstance(await kind.run(fired(clock), action(kind, url=far_end.url, **fields)), JobSucceeded)
    (seen,) = far_end.requests
    assert (seen.method, seen.headers.get("content-type")) == (method, content_type)
    if content_type == "application/json":
        assert json.loads(seen.body) == json.loads(body)
    else:
        assert seen.body.decode() == body


SILENT = Reply(raw=b"")
ANSWERS = [
    (Reply(status=200), "succeeded"),
    (Reply(status=204), "succeeded"),
    (Reply(status=301, headers={"location": "http://127.0.0.1:1/"}), "REDIRECT_REFUSED for good"),
    (Reply(status=400, body=b"no"), "HTTP_STATUS again"),
    (Reply(status=401), "HTTP_STATUS again"),
    (Reply(status=404), "HTTP_STATUS again"),
    (Reply(status=410), "ENDPOINT_GONE for good"),
    (Reply(status=429, headers={"retry-after": "7"}), "away 7"),
    (Reply(status=500), "HTTP_STATUS again"),
    (Reply(status=500, headers={"retry-after": "9"}), "HTTP_STATUS again 9"),
    (Reply(status=502), "away"),
    (Reply(status=503, headers={"retry-after": "3"}), "away 3"),
    (Reply(status=504), "away"),
    (SILENT, "NO_ANSWER again"),
    (Reply(raw=b"nonsense\r\n\r\n"), "NO_ANSWER again"),
    (Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), "NO_ANSWER again"),
]


def said_of(end: object) -> str:
    """An end in one line."""
    match end:
        case JobSucceeded():
            return "succeeded"
        case JobReleased(retry_after=wait):
            return f"away {wait:g}"
        case JobFailed(reason=reason, retryable=True, retry_after=wait):
            return f"{reason} again" + (f" {wait:g}" if wait is not None else "")
        case JobFailed(reason=reason):
            return f"{reason} for good"
        case _:
            return "?"


@pytest.mark.parametrize(("reply", "expected"), ANSWERS)
async def test_what_each_answer_means(clock: FakeClock, far_end: HttpSink, kind: WebhookKind, reply: Reply, expected: str) -> None:
    """By the table of Standard Webhooks: what is away costs no attempt."""
    far_end.script(reply)
    said = said_of(await kind.run(fired(clock), action(kind, url=far_end.url)))
    assert said == expected or (expected == "away" and said.startswith("away"))
    assert len(far_end.requests) == 1


async def test_nobody_there_is_away_and_the_wait_grows_with_the_age(clock: FakeClock, kind: WebhookKind) -> None:
    """For a day it costs no attempt; then it does."""
    what = action(kind, url="http://127.0.0.1:1/")
    waits: list[float] = []
    for age in (0, 60, 3600):
        end = await kind.run(fired(clock, seconds_ago=age), what)
        assert isinstance(end, JobReleased)
        waits.append(end.retry_after)
    assert 0.7 < waits[0] < 2 < 40 < waits[1] < 80 < 200 < waits[2] < 400
    end = await kind.run(fired(clock, seconds_ago=90_000), what)
    assert said_of(end) == "ENDPOINT_AWAY again"


async def test_the_answer_is_kept_within_bounds(clock: FakeClock, far_end: HttpSink, kind: WebhookKind) -> None:
    """Status and beginning of the body, whatever its bytes are."""
    far_end.script(Reply(status=201, body=b'{"id": 7}'))
    end = await kind.run(fired(clock), action(kind, url=far_end.url))
    assert end == JobSucceeded({"status": 201, "body": '{"id": 7}', "truncated": False})
    far_end.script(Reply(body=b"\x00\xff" * 200_000))
    end = await kind.run(fired(clock), action(kind, url=far_end.url))
    assert isinstance(end, JobSucceeded)
    assert end.output["truncated"]
    assert len(end.output["body"]) <= 8_000
    assert "\0" not in end.output["body"]


async def test_a_far_end_that_trickles_is_left(clock: FakeClock, far_end: HttpSink, kind: WebhookKind) -> None:
    """The time of the action bounds the whole exchange."""
    released = asyncio.Event()

    async def trickle(_: SeenRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n1")
        await released.wait()

    far_end.script(trickle)
    message = alarm_pb2.Webhook(url=far_end.url)
    message.timeout.FromMilliseconds(150)
    end = await kind.run(fired(clock), kind.decode(message))
    released.set()
    assert said_of(end) == "NO_ANSWER again"


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"url": "https://10.0.0.1/"}, "url", "private"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "url", "link-local"),
        ({"url": "https://user:pw@example.com/"}, "url", "user or a password"),
        ({"url": "https://127.1/"}, "url", "four decimal"),
        ({"url": "https://example.com:22/"}, "url", "another protocol"),
        ({"url": "http://example.com/"}, "url", "https"),
        ({"url": "https://example.com/", "headers": {"Host": "x"}}, "headers", "not for a caller"),
        ({"url": "https://example.com/", "headers": {"Webhook-Id": "x"}}, "headers", "signature"),
        ({"url": "https://example.com/", "headers": {"X": "a "}}, "headers", "no header has"),
    ],
)
async def test_what_can_never_be_sent_is_named(clock: FakeClock, kind: WebhookKind, fields: dict[str, Any], field: str, words: str) -> None:
    """Before an alarm is made of it."""
    (problem,) = await kind.validate(action(kind, **fields))
    assert problem.field == field
    assert words in problem.reason
    assert not problem.tentative
    assert "user:pw" not in problem.reason


async def test_what_the_guard_refuses_is_dead_and_says_no_url(clock: FakeClock) -> None:
    """A name that leads to a private address is found out when it is resolved."""

    async def names(host: str, port: int) -> list[str]:
        return ["10.0.0.7"]

    kind = webhook_kind(clock, client=HttpClient(allowed=AllowedTargets(), resolve=names))
    end = await kind.run(fired(clock), action(kind, url="https://inside.example.com/secret-path"))
    await kind.stop()
    assert isinstance(end, JobFailed)
    assert (end.reason, end.retryable) == ("REQUEST_REFUSED", False)
    assert "private" in end.message
    assert "secret-path" not in end.message


async def test_a_tenant_whose_far_end_hangs_holds_up_no_other(clock: FakeClock, far_end: HttpSink) -> None:
    """Its own turns are taken; the others' are not."""
    kind = webhook_kind(clock, turns=TenantTurns(total=4, each=2, seconds=0.05))
    hung = asyncio.Event()

    async def hang(_: SeenRequest, writer: asyncio.StreamWriter) -> None:
        await hung.wait()

    far_end.script(hang, hang, Reply())
    what = action(kind, url=far_end.url)
    hanging = [asyncio.create_task(kind.run(fired(clock), what)) for _ in range(2)]
    await eventually(lambda: len(far_end.requests) == 2)
    assert isinstance(await kind.run(fired(clock), what), JobReleased)
    assert isinstance(await kind.run(fired(clock)._replace(tenant="t2"), what), JobSucceeded)
    hung.set()
    await asyncio.gather(*hanging)
    await kind.stop()
