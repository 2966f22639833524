"""What push messages say, and what the answers to them mean: Web Push, Firebase and OneSignal, by tables."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.channels.push import fcm, onesignal, webpush
from mailer_svc.channels.push.message import cut, fitted, topic_of
from mailer_svc.channels.push.vapid import KEY_BYTES, Vapid, key_of
from mailer_svc.domain import Content, MessageAction, Priority, SendJob, SendResult
from tocsin.egress.client import HttpAnswer, HttpRequest
from tocsin.errors import InvalidInput
from tocsin.testing.browser import PushReceiver
from tocsin.testing.clock import FakeClock

BROWSER = PushReceiver()
ENDPOINT = "https://push.example.net/p/1?a=b"
SENT, GONE, REFUSED = SendResult.SENT, SendResult.GONE, SendResult.REFUSED
AWAY, AGAIN, CONFIG, UNKNOWN = SendResult.PROVIDER_DOWN, SendResult.DEFERRED, SendResult.MISCONFIGURED, SendResult.UNKNOWN
HOUR = 3600

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6000) | st.sampled_from(
    ["\x01" * 5000, '"' * 5000, "😀" * 3000, "é" * 5000, ""]
)
buttons = st.lists(st.builds(MessageAction, label=st.text(st.characters(exclude_categories=("Cs",)), max_size=300), url=st.sampled_from(
    ["https://a.example/1", "https://a.example/" + "x" * 480, "https://a.example/" + "x" * 2000]
)), max_size=9).map(tuple)  # fmt: skip


def job(to: str = "", *, priority: Priority = Priority.NORMAL, content: Content | None = None, **fields: Any) -> SendJob:
    """A claimed delivery."""
    values: dict[str, Any] = {
        "id": "d" * 32, "epoch": 1, "tenant": "t1", "message_id": "<d@x>", "attempts": 0, "deferrals": 0,
        "created": 10**15, "since": 10**15, "resend": False, "traceparent": "",
    }  # fmt: skip
    given = content or Content("Pump 3", "Pressure is 9 bar.", actions=(MessageAction("Open", "https://a.example/1"),))
    return SendJob(to=to, priority=priority, content=given, **(values | fields))


def answer(status: int, content: object = b"", **headers: str) -> HttpAnswer:
    """An answer, in JSON unless it is bytes."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HttpAnswer(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body)


def web_api(clock: FakeClock | None = None, ttl: int = 60) -> webpush.WebPushApi:
    """Web Push."""
    return webpush.WebPushApi(
        vapid=Vapid(key=lambda: key_of(bytes(KEY_BYTES)), subject="mailto:ops@example.com", clock=clock or FakeClock()), ttl=ttl
    )


def fcm_api(clock: FakeClock | None = None) -> fcm.FcmApi:
    """Firebase; nothing asks for a token."""
    tokens: Any = None
    return fcm.FcmApi(url="https://fcm.example", project="p1", tokens=tokens, clock=clock or FakeClock(), ttl=60)


ONESIGNAL = onesignal.OneSignalConfig.model_validate(
    {"app_id": "1dd608f2-c6a1-11e3-851d-000c2940e62c", "api_key": "k1", "url": "https://os.example", "ttl_seconds": 60}
)


@given(texts, st.integers(-5, 5000))
def test_a_text_is_cut_between_characters(text: str, octets: int) -> None:
    """It is the beginning of the text, as long as fits."""
    found = cut(text, octets)
    size = len(json.dumps(found, ensure_ascii=False).encode()) - 2
    assert size <= max(0, octets)
    if found != text:
        assert text.startswith(found.removesuffix("…"))
        assert size > octets - 10


@given(texts, texts, buttons, st.sampled_from(Priority))
def test_whatever_it_says_it_fits(subject: str, text: str, actions: tuple[MessageAction, ...], priority: Priority) -> None:
    """Four kilobytes at Web Push and Firebase; each is JSON that says what was meant."""
    content = Content(subject, text, actions=actions)
    request = web_api().build(job(BROWSER.address(ENDPOINT), content=content, priority=priority))
    assert len(request.body) <= 4096
    shown = json.loads(BROWSER.decrypt(request.body))
    assert text.startswith(shown["body"].removesuffix("…"))
    assert len(shown["actions"]) <= 3
    assert shown["data"]["url"] == (shown["actions"][0]["action"] if shown["actions"] else "")
    by_firebase = fcm_api().build(job("fcm:t", content=content, priority=priority)).body
    assert len(by_firebase) <= 4096
    assert json.loads(by_firebase)["message"]["notification"]["title"] == shown["title"]
    assert len(onesignal.build(job("onesignal:u", content=content), ONESIGNAL).body) <= 3500


def test_the_longest_texts_use_all_the_room() -> None:
    """A message that is cut is not cut shorter than need be."""
    request = web_api().build(job(BROWSER.address(ENDPOINT), content=Content("s", "x" * 9000)))
    assert len(request.body) == 4096
    assert fitted(lambda text: {"a": text}, "abc", 11) == b'{"a":"abc"}'
    assert fitted(lambda text: {"a": text}, "abcd", 11) == '{"a":"…"}'.encode()


@pytest.mark.parametrize(("priority", "urgency"), [(Priority.CRITICAL, "high"), (Priority.NORMAL, "normal"), (Priority.BULK, "low")])
def test_a_request_of_web_push(priority: Priority, urgency: str) -> None:
    """RFC 8030, 5: to the endpoint, encrypted, with how long, how urgent, and a topic that is the delivery's."""
    request = web_api().build(job(BROWSER.address(ENDPOINT), priority=priority))
    assert (request.method, request.url) == ("POST", ENDPOINT)
    headers = dict(request.headers)
    assert headers.pop("authorization").startswith("vapid t=")
    assert headers == {
        "content-type": "application/octet-stream",
        "content-encoding": "aes128gcm",
        "ttl": "60",
        "urgency": urgency,
        "topic": topic_of("d" * 32),
    }
    assert json.loads(BROWSER.decrypt(request.body)) == {
        "title": "Pump 3",
        "body": "Pressure is 9 bar.",
        "actions": [{"action": "https://a.example/1", "title": "Open"}],
        "data": {"delivery": "deliveries/" + "d" * 32, "url": "https://a.example/1"},
    }
    buttons = (MessageAction("Ack", "https://a.example/i/1", answers=True), MessageAction("Open", "https://a.example/1"))
    answered = web_api().build(job(BROWSER.address(ENDPOINT), content=Content("s", "t", "", buttons)))
    assert json.loads(BROWSER.decrypt(answered.body))["data"]["answers"] == ["https://a.example/i/1"]
    assert len(topic_of("any text é")) == 32
    with pytest.raises(InvalidInput):
        web_api().build(job("webpush:{}"))


def test_a_request_of_firebase() -> None:
    """Tag, collapse id and topic are the delivery's, so that a message that goes out twice replaces itself."""
    request = fcm_api().build(job("fcm:token", priority=Priority.CRITICAL))
    assert request.url == "https://fcm.example/v1/projects/p1/messages:send"
    identity = topic_of("d" * 32)
    assert json.loads(request.body) == {
        "message": {
            "token": "token",
            "notification": {"title": "Pump 3", "body": "Pressure is 9 bar."},
            "data": {
                "delivery": "deliveries/" + "d" * 32,
                "url": "https://a.example/1",
                "actions": '[{"label": "Open", "url": "https://a.example/1"}]',
            },
            "android": {"priority": "HIGH", "ttl": "60s", "notification": {"tag": identity}},
            "apns": {
                "headers": {"apns-priority": "10", "apns-expiration": str(10**9 + 60), "apns-collapse-id": identity},
                "payload": {"aps": {"sound": "default", "interruption-level": "time-sensitive"}},
            },
            "webpush": {"headers": {"TTL": "60", "Urgency": "high", "Topic": identity}},
        }
    }
    bulk = json.loads(fcm_api().build(job("fcm:token", priority=Priority.BULK, content=Content("s", "t"))).body)["message"]
    assert (bulk["android"]["priority"], bulk["apns"]["headers"]["apns-priority"]) == ("NORMAL", "5")
    assert "actions" not in bulk["data"]


async def test_firebase_is_given_up_after_an_hour(clock: FakeClock) -> None:
    """Only if it put the message off: one that waited for other reasons still goes out."""
    api = fcm_api(clock)
    waiting: dict[str, Any] = {"since": clock.micros(), "attempts": 3}
    await clock.advance(HOUR - 1)
    api.build(job("fcm:t", deferrals=3, **waiting))
    await clock.advance(1)
    api.build(job("fcm:t", **waiting))
    with pytest.raises(InvalidInput, match="gave up"):
        api.build(job("fcm:t", deferrals=3, **waiting))


def test_a_request_of_onesignal() -> None:
    """The key by which OneSignal knows a repetition is the same at every attempt, and another for another delivery."""
    request = onesignal.build(job("onesignal:u1"), ONESIGNAL)
    assert (request.url, request.headers["authorization"]) == ("https://os.example/notifications", "Key k1")
    found = json.loads(request.body)
    key = found.pop("idempotency_key")
    assert UUID(key).version == 5
    assert found == {
        "app_id": ONESIGNAL.app_id,
        "include_subscription_ids": ["u1"],
        "headings": {"en": "Pump 3"},
        "contents": {"en": "Pressure is 9 bar."},
        "data": {"delivery": "deliveries/" + "d" * 32, "url": "https://a.example/1"},
        "priority": 10,
        "ttl": 60,
        "collapse_id": topic_of("d" * 32),
        "url": "https://a.example/1",
        "web_buttons": [{"id": "action-1", "text": "Open", "url": "https://a.example/1"}],
    }
    assert onesignal.key_of(job("onesignal:u1", attempts=4)) == key
    assert onesignal.key_of(job("onesignal:u1", tenant="t2")) != key
    empty = json.loads(onesignal.build(job("onesignal:u1", content=Content("Only a subject")), ONESIGNAL).body)
    assert empty["contents"] == {"en": "Only a subject"}
    assert "web_buttons" not in empty


@pytest.mark.parametrize(
    ("given", "result", "wait"),
    [
        (answer(201, location="https://push.example.net/m/1"), SENT, None),
        (answer(202), SENT, None),
        (answer(404), GONE, None),
        (answer(410, b"expired"), GONE, None),
        (answer(413), REFUSED, None),
        (answer(400, {"reason": "BadWebPushTopic"}), CONFIG, None),
        (answer(401, {"errno": 109, "message": "Invalid VAPID token"}), CONFIG, None),
        (answer(403, {"reason": "BadJwtToken"}), CONFIG, None),
        (answer(403, {"reason": "VapidPkHashMismatch"}), GONE, None),
        (answer(401, {"errno": 109, "message": "VAPID public key mismatch"}), GONE, None),
        (answer(403, b"the VAPID credentials in the authorization header do not correspond to the credentials used"), GONE, None),
        (answer(429, retry_after="120"), AWAY, 120.0),
        (answer(429), AWAY, None),
        (answer(500), AGAIN, None),
        (answer(502, b"<html>"), AGAIN, None),
        (answer(503, retry_after="7"), AGAIN, 7.0),
        (answer(302, location="https://evil.example/"), REFUSED, None),
        (answer(405), REFUSED, None),
    ],
)  # fmt: skip
def test_answers_of_push_services(given: HttpAnswer, result: SendResult, wait: float | None) -> None:
    """RFC 8030, 5 and 8.4, and what Google, Mozilla and Apple write."""
    found = webpush.classify(given)
    assert (found.result, found.code, found.retry_after) == (result, given.status, wait)
    assert found.reference == ("https://push.example.net/m/1" if given.status == 201 else "")


def fcm_error(status: int, code: object = None, *, words: str = "m", fields: object = None, **headers: str) -> HttpAnswer:
    """An error as Firebase writes it."""
    details: list[object] = [{"@type": "type.googleapis.com/google.rpc.Other"}]
    if code is not None:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if fields is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields})
    return answer(status, {"error": {"code": status, "message": words, "status": "S", "details": details}}, **headers)


NOT_A_TOKEN = "The registration token is not a valid FCM registration token"


@pytest.mark.parametrize(
    ("given", "result", "wait"),
    [
        (answer(200, {"name": "projects/p1/messages/7"}), SENT, None),
        (answer(200, {}), UNKNOWN, None),
        (answer(200, {"name": 7}), UNKNOWN, None),
        (answer(200, b"<html>"), UNKNOWN, None),
        (fcm_error(404, "UNREGISTERED"), GONE, None),
        (fcm_error(403, "SENDER_ID_MISMATCH"), GONE, None),
        (fcm_error(400, "INVALID_ARGUMENT", words=NOT_A_TOKEN), GONE, None),
        (fcm_error(400, "INVALID_ARGUMENT", fields=[{"field": "message.token"}]), GONE, None),
        (fcm_error(400, fields=[7, {"field": "message.fid"}]), GONE, None),
        (fcm_error(400, "INVALID_ARGUMENT"), REFUSED, None),
        (fcm_error(400, fields=[{"field": "message.data[0].value"}]), REFUSED, None),
        (fcm_error(400, "INVALID_ARGUMENT", fields="message.token"), REFUSED, None),
        (fcm_error(400, "INVALID_ARGUMENT", fields=[{"field": ["message.token"]}]), REFUSED, None),
        (fcm_error(401, "THIRD_PARTY_AUTH_ERROR"), CONFIG, None),
        (fcm_error(400, "APNS_AUTH_ERROR"), CONFIG, None),
        (fcm_error(401), CONFIG, None),
        (fcm_error(403), CONFIG, None),
        (fcm_error(404), CONFIG, None),
        (answer(404, b"<html>"), CONFIG, None),
        (answer(302, location="https://evil.example/"), CONFIG, None),
        (fcm_error(429, "QUOTA_EXCEEDED"), AWAY, 60.0),
        (fcm_error(429, "QUOTA_EXCEEDED", retry_after="300"), AWAY, 300.0),
        (fcm_error(429, retry_after="1"), AWAY, 10.0),
        (fcm_error(500, "INTERNAL"), AGAIN, 10.0),
        (fcm_error(503, "UNAVAILABLE", retry_after="40"), AGAIN, 40.0),
        (fcm_error(503, "UNAVAILABLE", retry_after="0"), AGAIN, 10.0),
        (answer(502, b"<html><title>Error 502</title>"), AGAIN, 10.0),
        (answer(500, {"error": "x"}), AGAIN, 10.0),
        (answer(500, {"error": {"details": 7}}), AGAIN, 10.0),
        (answer(500, {"error": {"details": ["x", {"@type": ["x"]}]}}), AGAIN, 10.0),
        (fcm_error(500, 7), AGAIN, 10.0),
        (fcm_error(500, "X" * 5000, words="Y" * 5000), AGAIN, 10.0),
        (answer(413), REFUSED, None),
    ],
)  # fmt: skip
def test_answers_of_firebase(given: HttpAnswer, result: SendResult, wait: float | None) -> None:
    """The code stands in the details; what is no JSON is told by its status."""
    found = fcm.classify(given)
    assert (found.result, found.code, found.retry_after) == (result, given.status, wait)
    assert len(found.detail) < 400
    assert found.reference == ("projects/p1/messages/7" if result is SENT else "")


@pytest.mark.parametrize(
    ("given", "result", "wait"),
    [
        (answer(200, {"id": "n1", "external_id": None}), SENT, None),
        (answer(200, {"id": "n1", "errors": {"invalid_player_ids": ["u2"]}}), SENT, None),
        (answer(200, {"id": "", "errors": ["All included players are not subscribed"]}), GONE, None),
        (answer(200, {"id": "", "errors": {"invalid_player_ids": ["u1"]}}), GONE, None),
        (answer(200, {"id": "", "errors": {"invalid_aliases": {"external_id": ["u1"]}}}), GONE, None),
        (answer(200, {"id": "", "errors": {"invalid_subscription_ids": ["u1"]}}), GONE, None),
        (answer(200, {"id": "", "errors": {"invalid_player_ids": []}}), REFUSED, None),
        (answer(200, {"id": "", "errors": ["Something else"]}), REFUSED, None),
        (answer(200, {"id": "", "errors": [7, {}]}), REFUSED, None),
        (answer(200, {"id": ""}), AGAIN, None),
        (answer(200, {"id": 7}), AGAIN, None),
        (answer(200, b"<html>"), AGAIN, None),
        (answer(200, b""), AGAIN, None),
        (answer(400, {"errors": ["Notification content must not be null for any languages."]}), REFUSED, None),
        (answer(400, {"errors": {"invalid_player_ids": ["u1"]}}), GONE, None),
        (answer(400, b"no JSON"), REFUSED, None),
        (answer(401), CONFIG, None),
        (answer(403), CONFIG, None),
        (answer(404), CONFIG, None),
        (answer(301, location="https://evil.example/"), CONFIG, None),
        (answer(409), AGAIN, None),
        (answer(413), REFUSED, None),
        (answer(429, retry_after="30"), AWAY, 30.0),
        (answer(503), AWAY, None),
        (answer(500), AGAIN, None),
        (answer(504), AGAIN, None),
    ],
)  # fmt: skip
def test_answers_of_onesignal(given: HttpAnswer, result: SendResult, wait: float | None) -> None:
    """A 200 without an id is a refusal; an answer that cannot be read is asked for again, as the far end knows our key."""
    found = onesignal.classify(given)
    assert (found.result, found.code, found.retry_after) == (result, given.status, wait)
    assert found.reference == ("n1" if result is SENT else "")


def test_onesignal_tells_that_it_had_a_message() -> None:
    """The answer to a repetition is the first one's, and the timeline says so."""
    found = onesignal.classify(answer(200, {"id": "n1"}, idempotent_replayed="true"))
    assert (found.result, found.detail) == (SENT, "it had the message already")


@pytest.mark.parametrize("kind", [webpush.WEBPUSH, fcm.FCM, onesignal.ONESIGNAL])
def test_each_takes_what_is_its_own(kind: Any) -> None:
    """An address goes to the provider that its prefix names."""
    takes: Callable[[str], bool] = kind.takes
    assert [prefix for prefix in ("webpush", "fcm", "onesignal", "smtp") if takes(f"{prefix}:x")] == [kind.name]


async def test_a_key_is_not_renewed() -> None:
    """Web Push has one key: what is refused stays refused."""
    request = HttpRequest(url=ENDPOINT)
    assert await web_api().authorize(request) is request
    assert not await web_api().renew(request)
