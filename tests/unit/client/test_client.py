"""What the client sends, when it sends it again, what it refuses, and what its errors say."""

import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx2
import pytest

from tests.unit.client.gateway import ALARM, KEY, Gateway, problem, sent
from tocsin_client import Client, RetryRule, errors, models
from tocsin_client.calls import Attempts

Handler = Callable[[httpx2.Request], httpx2.Response]

TYPES = "type.googleapis.com/google.rpc."


@pytest.mark.parametrize(
    ("call", "method", "target", "body"),
    [
        (lambda c: c.create_alarm(ALARM, request_id="r"), "POST", "/v1/alarms?requestId=r", ALARM),
        (lambda c: c.get_alarm("alarms/a?b#c"), "GET", "/v1/alarms/a%3Fb%23c", None),
        (lambda c: c.pause_alarm("alarms/1"), "POST", "/v1/alarms/1:pause", {}),
        (lambda c: c.get_message("inbox/messages/1"), "GET", "/v1/inbox/messages/1", None),
        (lambda c: c.ping("a/b"), "POST", "/v1/pings/a%2Fb", None),
        (lambda c: c.ping(".."), "POST", "/v1/pings/%2E%2E", None),
        (lambda c: c.reset_breaker("a.b/c d/.."), "POST", "/v1/mesh/breakers/a.b/c%20d/%2E%2E:reset", {}),
        (lambda c: c.get_preferences("preferences"), "GET", "/v1/preferences", None),
        (lambda c: c.get_preferences("recipients/1/preferences"), "GET", "/v1/recipients/1/preferences", None),
        (lambda c: c.get_feed("rotations/1"), "GET", "/v1/rotations/1/feed", None),
        (
            lambda c: c.update_alarm({"name": "alarms/1", "displayName": "x"}, update_mask=["display_name", "labels"]),
            "PATCH",
            "/v1/alarms/1?updateMask=display_name%2Clabels",
            {"name": "alarms/1", "displayName": "x"},
        ),
        (lambda c: c.list_alarms(filter='state="ACTIVE"').page(), "GET", "/v1/alarms?filter=state%3D%22ACTIVE%22", None),
        (
            lambda c: c.submit_task(handler="noop", input={"n": 1}, request_id="r"),
            "POST",
            "/v1/tasks",
            {"handler": "noop", "input": {"n": 1}, "requestId": "r"},
        ),
        (lambda c: c.publish_event({"topic": "a", "id": "1"}), "POST", "/v1/events", {"topic": "a", "id": "1"}),
    ],
)
def test_a_call_is_the_request_of_the_contract(call: Callable[[Client], object], method: str, target: str, body: object) -> None:
    """Path, query and body, beneath the path of the gateway, with the key."""
    gateway, client = sent()
    call(client)
    (request,) = gateway.seen
    assert (request.method, request.url.raw_path.decode()) == (method, f"/tocsin{target}")
    assert (json.loads(request.content) if request.content else None) == body
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.delete_alarm("records/k1"),
        lambda c: c.delete_alarm("alarms/"),
        lambda c: c.delete_alarm("alarms/../records/k1"),
        lambda c: c.delete_alarm("alarms/.."),
        lambda c: c.delete_alarm("alarms/a\nb"),
        lambda c: c.delete_alarm("alarms/1/firings/2"),
        lambda c: c.delete_alarm(""),
        lambda c: c.get_preferences("recipients/1"),
        lambda c: c.ping(""),
        lambda c: c.update_alarm({"displayName": "no name"}),
    ],
    ids=["other", "empty-id", "dots-within", "dots", "control", "deeper", "empty", "no-form", "no-key", "body"],
)
def test_a_wrong_name_is_refused_before_anything_is_sent(call: Callable[[Client], object]) -> None:
    """It would reach another resource."""
    gateway, client = sent()
    with pytest.raises(errors.NameInvalid) as refused:
        call(client)
    assert refused.value.violations
    assert gateway.seen == []


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda c: models.Trigger(every=cast("Any", 5)), "every"),
        (lambda c: models.Trigger(at=datetime(2026, 12, 1)), "at"),  # noqa: DTZ001 - the case
        (lambda c: models.Alarm(labels=cast("Any", ["a"])), "labels"),
        (lambda c: models.Notify(to="ann@example.com"), "to"),
        (lambda c: models.Reading(value=float("inf")), "value"),
        (lambda c: models.Reading(value=True), "value"),
        (lambda c: c.create_alarm("alarms/1"), "alarm"),
        (lambda c: c.list_alarms(page_size="many").page(), "pageSize"),
        (lambda c: c.create_alarm({"labels": {"a": float("nan")}}), None),
        (lambda c: c.create_alarm({"displayName": "\ud800"}), None),
        (lambda c: c.create_alarm({"displayName": {1, 2}}), None),
        (lambda c: c.list_alarms(filter="\ud800").page(), None),
    ],
    ids=["duration", "naive", "map", "list", "infinite", "bool", "message", "query", "nan", "surrogate", "set", "query-surrogate"],
)
def test_a_value_that_cannot_be_sent_is_refused_with_its_field(call: Callable[[Client], object], field: str | None) -> None:
    """Typed, and before anything is sent."""
    gateway, client = sent()
    with pytest.raises(errors.InvalidInput) as refused:
        call(client)
    assert [item.field for item in refused.value.violations] == ([field] if field else [])
    assert gateway.seen == []


def test_an_unknown_field_is_an_error_of_the_program() -> None:
    """As for every function."""
    with pytest.raises(TypeError, match="no field 'displayname'"):
        models.Alarm(displayname="x")  # pyright: ignore[reportCallIssue]


def test_a_message_keeps_what_it_does_not_know() -> None:
    """Read by its types, lazily; sent back whole; changed by a copy."""
    json_form = {"name": "alarms/1", "nextFireTime": "2026-12-01T09:00:00.123456789Z", "trigger": {"every": "90.5s"}, "new": [1]}
    alarm = models.Alarm.from_json(json_form)
    assert alarm.next_fire_time == datetime(2026, 12, 1, 9, 0, 0, 123456, tzinfo=UTC)
    assert alarm.trigger is not None
    assert alarm.trigger.every == timedelta(seconds=90.5)
    assert (alarm.display_name, dict(alarm.labels), alarm.state) == ("", {}, None)
    other = alarm.replace(display_name="x", trigger=None)
    assert other.to_json() == {"name": "alarms/1", "nextFireTime": json_form["nextFireTime"], "new": [1], "displayName": "x"}
    assert alarm.to_json() == json_form
    assert other != alarm
    with pytest.raises(AttributeError, match="replace"):
        alarm.name = "alarms/2"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(minutes=5), "300s"),
        (timedelta(milliseconds=-1500), "-1.500000s"),
        (timedelta(microseconds=-1), "-0.000001s"),
        ("5m", "5m"),
    ],
)
def test_durations_come_back_as_they_went(length: timedelta | str, text: str) -> None:
    """Negative ones too: -0.000001s has no sign in its whole part but the text's."""
    trigger = models.Trigger(offset=cast("Any", length))
    assert trigger.to_json() == {"offset": text}
    if isinstance(length, timedelta):
        assert trigger.offset == length


@pytest.mark.parametrize("wrong", [{"nextFireTime": 5}, {"nextFireTime": "soon"}, {"trigger": "x"}], ids=str)
def test_an_answer_of_another_form_says_so(wrong: dict) -> None:
    """When the field is read."""
    with pytest.raises(errors.UnexpectedAnswer, match="contract"):
        [value for _, value in models.Alarm.from_json(wrong)]


def test_secrets_are_not_shown() -> None:
    """Neither of the client nor of what it got."""
    gateway, client = sent(httpx2.Response(200, json={"secret": KEY}))
    made = client.create_api_key(display_name="x", scopes=["alarms:read"])
    assert made.secret == KEY
    assert KEY not in f"{client!r} {made!r} {gateway.seen[0]!r}"


@pytest.mark.parametrize(
    "failure", [httpx2.ReadError("broken"), httpx2.ConnectError(KEY), httpx2.ReadTimeout("late"), problem(503, "UNAVAILABLE")]
)
def test_no_error_holds_the_key(failure: httpx2.Response | Exception) -> None:
    """Not in its words, nor in those of what caused it, nor in their attributes."""
    gateway = Gateway(failure)
    for call in (lambda c: c.get_alarm("alarms/1"), lambda c: list(c.watch_firings())):
        with pytest.raises(errors.TocsinError) as raised, gateway.client(RetryRule(attempts=1)) as client:
            call(client)
        assert KEY not in "".join(traceback.format_exception(raised.value))
        assert (raised.value.__cause__, raised.value.__context__) == (None, None)
        assert KEY not in repr(vars(raised.value))


@pytest.mark.parametrize("key", ["", " ", "a b", "café", "tk_\x00"])
def test_a_key_that_is_none_is_refused_without_being_shown(key: str) -> None:
    """The words tell where it is wrong."""
    if key:
        with pytest.raises(errors.Unauthenticated) as refused:
            Client("http://gateway", key)
        assert key.strip() not in str(refused.value) or not key.strip()
    else:
        gateway = Gateway()
        Client("http://gateway", key, transport=httpx2.MockTransport(gateway)).get_alarm("alarms/1")
        assert "authorization" not in gateway.seen[0].headers


@pytest.mark.parametrize(
    "url", ["gateway:8000", "ftp://x", "http://", "http://u:p@x", "http://x?a=b", "http://x:99999", "http://[x", "/v1"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    """One with a password too: it would end in logs."""
    with pytest.raises(errors.InvalidInput) as refused:
        Client(url, KEY)
    assert refused.value.violations[0].field == "url"


# -- errors ----------------------------------------------------------------------------------------------------------------------


def test_an_error_says_all_that_the_problem_says() -> None:
    """Class, reason, fields, wait, trace, status."""
    info = {"@type": f"{TYPES}ErrorInfo", "reason": "INVALID_INPUT", "metadata": {"a": "b"}}
    bad = {"@type": f"{TYPES}BadRequest", "fieldViolations": [{"field": "trigger.cron", "description": "wrong"}]}
    _, client = sent(problem(400, "INVALID_ARGUMENT", info, bad, instance="urn:tocsin:trace:abc"))
    with pytest.raises(errors.InvalidInput, match=r"it failed \(trace abc\)") as raised:
        client.create_alarm(ALARM)
    error = raised.value
    assert (error.reason, error.trace_id, error.status, error.metadata) == ("INVALID_INPUT", "abc", 400, {"a": "b"})
    assert error.violations == (errors.FieldViolation("trigger.cron", "wrong"),)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(404, "NOT_FOUND"), errors.NotFound),
        (problem(409, "ABORTED"), errors.Aborted),
        (problem(400, "FAILED_PRECONDITION"), errors.FailedPrecondition),
        (problem(500, "DATA_LOSS"), errors.DataLoss),
        (problem(418, "A_NEW_ONE"), errors.TocsinError),
        (httpx2.Response(502, text="<html>"), errors.Unavailable),
        (httpx2.Response(301, headers={"location": "http://elsewhere"}), errors.TocsinError),
        (httpx2.Response(400, json={"code": "INVALID_ARGUMENT", "details": "x"}), errors.InvalidInput),
        (
            httpx2.Response(400, json={"code": "INVALID_ARGUMENT", "details": [1, {"@type": "a.BadRequest", "fieldViolations": 5}]}),
            errors.InvalidInput,
        ),
        (httpx2.Response(200, text="<html>hello</html>"), errors.UnexpectedAnswer),
        (httpx2.Response(200, json=[1]), errors.UnexpectedAnswer),
        (httpx2.Response(200, content=b"[" * 100_000), errors.UnexpectedAnswer),
    ],
    ids=["404", "409", "400", "500", "new", "proxy", "redirect", "details", "violations", "page", "list", "deep"],
)
def test_each_answer_is_its_class(answer: httpx2.Response, kind: type[errors.TocsinError]) -> None:
    """And whatever is no problem document has the class of its status."""
    gateway = Gateway(answer)
    with pytest.raises(kind):
        gateway.client(RetryRule(attempts=1)).get_alarm("alarms/1")
    assert len(gateway.seen) == 1


# -- attempts --------------------------------------------------------------------------------------------------------------------


def test_a_create_is_sent_again_with_the_same_identity() -> None:
    """As often as Retry-After asks for; a request id, the id of an event, or an Idempotency-Key."""
    for call, identity in (
        (lambda c: c.create_alarm(ALARM), lambda r: r.url.params["requestId"]),
        (lambda c: c.submit_task(handler="noop"), lambda r: json.loads(r.content)["requestId"]),
        (lambda c: c.publish_event({"topic": "a"}), lambda r: json.loads(r.content)["id"]),
        (lambda c: c.delete_alarm("alarms/1"), lambda r: r.headers["idempotency-key"]),
    ):
        gateway = Gateway(problem(503, "UNAVAILABLE", retry_after="7"), httpx2.ReadError("broken"), httpx2.Response(200, json={}))
        call(gateway.client())
        assert len({identity(request) for request in gateway.seen}) == 1
        assert len(gateway.seen) == 3
        assert gateway.slept[0] == 7
        assert 0 <= gateway.slept[1] <= 0.4


def test_an_own_idempotency_key_is_used() -> None:
    """For every attempt."""
    gateway, client = sent()
    client.delete_alarm("alarms/1", idempotency_key="mine")
    assert gateway.seen[0].headers["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    ("call", "answer", "times"),
    [
        (lambda c: c.get_alarm("alarms/1"), problem(503, "UNAVAILABLE", retry_after="31"), 1),
        (lambda c: c.get_alarm("alarms/1"), problem(503, "UNAVAILABLE"), 4),
        (lambda c: c.get_alarm("alarms/1"), problem(504, "DEADLINE_EXCEEDED"), 4),
        (lambda c: c.get_alarm("alarms/1"), problem(429, "RESOURCE_EXHAUSTED", retry_after="1"), 4),
        (lambda c: c.get_alarm("alarms/1"), problem(429, "RESOURCE_EXHAUSTED"), 1),
        (lambda c: c.get_alarm("alarms/1"), problem(404, "NOT_FOUND"), 1),
        (
            lambda c: c.delete_alarm("alarms/1"),
            problem(409, "ABORTED", {"@type": f"{TYPES}ErrorInfo", "reason": "IDEMPOTENCY_KEY_IN_USE"}),
            4,
        ),
        (lambda c: c.register(email="a@b.c", password="x"), problem(503, "UNAVAILABLE"), 1),
        (lambda c: c.register(email="a@b.c", password="x"), httpx2.ConnectError("refused"), 4),
        (lambda c: c.register(email="a@b.c", password="x"), httpx2.ReadError("broken"), 1),
        (lambda c: c.stream_events([{"topic": "a"}]), problem(503, "UNAVAILABLE"), 1),
    ],
    ids=["patience", "unavailable", "late", "rate", "quota", "gone", "in-use", "public", "never-left", "left", "upload"],
)
def test_only_what_may_pass_and_does_nothing_twice_is_sent_again(
    call: Callable[[Client], object], answer: httpx2.Response | Exception, times: int
) -> None:
    """And not beyond what the caller waits for."""
    gateway = Gateway(answer)
    with pytest.raises(errors.TocsinError):
        call(gateway.client())
    assert len(gateway.seen) == times


def test_waits_grow_and_have_an_end() -> None:
    """Full jitter, doubled each time up to the longest; the sum is bounded."""
    attempts = Attempts(RetryRule(attempts=10, first_wait=1, longest_wait=4, patience=12), draw=lambda: 1.0)
    error = errors.Unavailable()
    assert [attempts.wait(error, "always") for _ in range(6)] == [1, 2, 4, 4, None, None]
