"""SendGrid: requests, what its answers mean, and events, which anybody may forge and nobody may sign."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from mailer_svc.channels.mime import ListLinks, MailComposer, Sender
from mailer_svc.channels.outgoing import OutgoingMail
from mailer_svc.channels.sendgrid import SendGridConfig, build, classify, events
from mailer_svc.channels.spec import CallbackRefused, CallbackRequest
from mailer_svc.domain import Content, Priority, ReportKind, SendJob, SendResult, StatusReport, UnsubscribeTokens
from tocsin.egress.client import HttpAnswer

K, R = ReportKind, SendResult
KEY = generate_private_key(SECP256R1())


def shown(key: Any = KEY) -> str:
    """A public key as SendGrid shows it."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


CONFIG = SendGridConfig(api_key=SecretStr("SG.secret"), sender="Töcsin <tocsin@example.org>", webhook_key=shown())
NOW = 1_800_000_000


def job(**fields: Any) -> SendJob:
    """A claimed delivery."""
    content, message_id = Content("Hi", "t", "<p>h</p>"), "<d1@example.org>"
    values: dict[str, Any] = {"id": "d1", "epoch": 1, "tenant": "t1", "to": "ann@example.com", "content": content, "message_id": message_id}
    values |= {"priority": Priority.NORMAL, "attempts": 0, "deferrals": 0, "created": 0, "since": 0, "resend": False, "traceparent": ""}
    return SendJob(**{**values, **fields})


def outgoing(**fields: Any) -> OutgoingMail:
    """What mails have alike."""
    sender = Sender.parse(CONFIG.sender)
    return OutgoingMail(sender=sender, composer=MailComposer(sender=sender, links=ListLinks("https://a.b/u/", "leave@a.b")), **fields)


def test_a_mail_becomes_a_request() -> None:
    """Text before HTML, the name, the key in a header; custom_args name the delivery and nobody."""
    request = build(job(recipient_name="Ann\nB"), CONFIG, outgoing())
    document = json.loads(request.body)
    assert (request.method, request.url) == ("POST", "https://api.sendgrid.com/v3/mail/send")
    assert request.headers["authorization"] == "Bearer SG.secret"
    assert document["personalizations"] == [{"to": [{"email": "ann@example.com", "name": "Ann\ufffdB"}], "custom_args": {"delivery": "d1"}}]
    assert document["from"] == {"email": "tocsin@example.org", "name": "Töcsin"}
    assert [part["type"] for part in document["content"]] == ["text/plain", "text/html"]
    assert document["headers"] == {"Message-ID": "<d1@example.org>", "Auto-Submitted": "auto-generated"}
    assert "SG.secret" not in repr(request) + repr(CONFIG)


@pytest.mark.parametrize(
    ("content", "kinds"), [(Content("s", "", "<p>"), ["text/html"]), (Content("s", "t"), ["text/plain"]), (Content("s"), ["text/plain"])]
)
def test_no_part_is_empty(content: Content, kinds: list[str]) -> None:
    """It refuses mails with an empty one."""
    document = json.loads(build(job(content=content), CONFIG, outgoing()).body)
    assert [part["type"] for part in document["content"]] == kinds
    assert all(part["value"] for part in document["content"])


def test_images_of_the_html_are_attachments() -> None:
    """Each once, named by its content as in a mail of our own; what is no image stays as it is."""
    png, gif = base64.b64encode(b"\x89PNG" * 9).decode(), base64.b64encode(b"GIF89a").decode()
    html = f'<img src="data:image/png;base64,{png}"><img src="data:image/GIF;base64,{gif}"><img src="data:image/png;base64,{png}">'
    document = json.loads(build(job(content=Content("s", "t", html + '<img src="data:image/png;base64,AB=A">')), CONFIG, outgoing()).body)
    first, second = document["attachments"]
    assert (first["content"], first["type"], first["filename"], first["disposition"]) == (png, "image/png", "image-1.png", "inline")
    assert (second["content"], second["type"], second["filename"]) == (gif, "image/gif", "image-2.gif")
    named = [f'<img src="cid:{each["content_id"]}">' for each in (first, second, first)]
    assert document["content"][1]["value"] == "".join(named) + '<img src="data:image/png;base64,AB=A">'
    assert "attachments" not in json.loads(build(job(), CONFIG, outgoing()).body)


def test_what_may_be_left_says_how() -> None:
    """As in a mail of our own."""
    tokens = UnsubscribeTokens(b"k" * 64)
    headers = json.loads(build(job(category="news", may_leave=True), CONFIG, outgoing(tokens=tokens)).body)["headers"]
    link, address = headers["List-Unsubscribe"].split(", ")
    assert tokens.open(link.removeprefix("<https://a.b/u/")[:-1]).category == "news"
    assert address.startswith("<mailto:leave@a.b?subject=")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("status", "headers", "body", "result", "retry_after"),
    [
        (202, {"x-message-id": "m1"}, b"", R.SENT, None),
        (200, {}, b"", R.SENT, None),
        (302, {"location": "http://x"}, b"", R.MISCONFIGURED, None),
        (400, {}, b'{"errors": [{"message": "Bad", "field": "subject"}]}', R.REFUSED, None),
        (400, {}, b'{"errors": "odd"}', R.REFUSED, None),
        (400, {}, b"[" * 9999, R.REFUSED, None),
        (401, {}, b"", R.MISCONFIGURED, None),
        (403, {}, b"", R.MISCONFIGURED, None),
        (413, {}, b"<html>", R.REFUSED, None),
        (429, {"retry-after": "7"}, b"", R.PROVIDER_DOWN, 7.0),
        (429, {"x-ratelimit-reset": "1800000030", "date": "Fri, 15 Jan 2027 08:00:00 GMT"}, b"", R.PROVIDER_DOWN, 30.0),
        (429, {"x-ratelimit-reset": "nan", "date": "Fri, 15 Jan 2027 08:00:00 GMT"}, b"", R.PROVIDER_DOWN, 0.0),
        (429, {}, b"", R.PROVIDER_DOWN, 60.0),
        (500, {}, b"", R.DEFERRED, None),
        (503, {}, b"\xff", R.DEFERRED, None),
    ],
)
def test_every_answer_has_an_outcome(
    status: int, headers: dict[str, str], body: bytes, result: SendResult, retry_after: float | None
) -> None:
    """Of whatever class, whatever it holds."""
    outcome = classify(HttpAnswer(status=status, headers=headers, body=body))
    assert (outcome.result, outcome.code, outcome.retry_after) == (result, status, retry_after)
    assert outcome.reference == headers.get("x-message-id", "")
    assert "Bad" in outcome.detail or b"Bad" not in body


def call(body: bytes, *, at: int = NOW, now: int = NOW, key: Any = KEY, headers: Mapping[str, str] | None = None) -> CallbackRequest:
    """A call of the webhook, signed."""
    signature = base64.b64encode(key.sign(str(at).encode() + body, ECDSA(SHA256()))).decode()
    own = {"x-twilio-email-event-webhook-signature": signature, "x-twilio-email-event-webhook-timestamp": str(at)}
    return CallbackRequest(url="https://x", headers={**own, **(headers or {})}, body=body, now=now * 10**6)


@pytest.mark.parametrize(
    ("event", "kind", "soft"),
    [
        ({"event": "processed"}, K.NOTED, False),
        ({"event": "deferred", "response": "later"}, K.NOTED, False),
        ({"event": "delivered", "response": "250 ok"}, K.DELIVERED, False),
        ({"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "no such user"}, K.BOUNCED, False),
        ({"event": "bounce", "type": "blocked", "reason": "spam"}, K.BOUNCED, True),
        ({"event": "dropped", "reason": "Bounced Address"}, K.DROPPED, False),
        ({"event": "dropped", "reason": "Spam Content (if Spam Checker app enabled)"}, K.DROPPED, True),
        ({"event": "dropped"}, K.DROPPED, True),
        ({"event": "spamreport"}, K.COMPLAINED, False),
        ({"event": "unsubscribe"}, K.OPTED_OUT, False),
        ({"event": "group_unsubscribe", "asm_group_id": 3}, K.UNSUBSCRIBED, False),
    ],
)
def test_an_event_is_read(event: dict[str, Any], kind: ReportKind, soft: bool) -> None:
    """Its delivery, its own id, and its words."""
    body = json.dumps([{"email": "ann@example.com", "delivery": "d1", "sg_event_id": "e1", **event}]).encode()
    (report,) = events(CONFIG, call(body))
    assert (report.kind, report.delivery, report.event, report.soft) == (kind, "d1", "e1", soft)
    assert event.get("reason", "") in report.detail
    assert "ann@example.com" not in report.detail


def test_what_is_odd_costs_itself() -> None:
    """Clicks and opens, events of others, and what is no event; those beside them count."""
    odd = b'[1, null, {"event": "open", "delivery": "d1"}, {"event": "delivered"}, {"event": 3}, {"event": "delivered", "delivery": "d1"}]'
    assert events(CONFIG, call(odd)) == [StatusReport(kind=K.DELIVERED, delivery="d1", detail="delivered")]


BODY = b'[{"event":"delivered","delivery":"d1"}]\r\n'


@pytest.mark.parametrize(
    "request_",
    [
        call(BODY, key=generate_private_key(SECP256R1())),
        call(BODY, at=NOW - 601),
        call(BODY, at=NOW + 601),
        call(BODY, headers={"x-twilio-email-event-webhook-timestamp": str(NOW + 1)}),
        call(BODY, headers={"x-twilio-email-event-webhook-signature": ""}),
        call(BODY, headers={"x-twilio-email-event-webhook-signature": "%%%"}),
        CallbackRequest(url="", headers={}, body=BODY, now=NOW * 10**6),
        CallbackRequest(url="", headers=call(BODY).headers, body=BODY.strip(), now=NOW * 10**6),
        call(b"{}"),
        call(b"[" * 9999),
    ],
)
def test_what_is_not_signed_is_refused(request_: CallbackRequest) -> None:
    """Another key, an old call, another time, another body by two bytes, none at all."""
    with pytest.raises(CallbackRefused):
        events(CONFIG, request_)


def test_without_a_key_nothing_is_believed() -> None:
    """Not even what is signed."""
    with pytest.raises(CallbackRefused):
        events(SendGridConfig(api_key=SecretStr("x"), sender="a@b.c"), call(BODY))


@pytest.mark.parametrize("key", ["x", "AAAA", shown(generate_private_key(SECP384R1()))])
def test_a_key_that_is_none_is_refused_when_it_is_set(key: str) -> None:
    """Not at the first event."""
    with pytest.raises(ValidationError):
        SendGridConfig(api_key=SecretStr("x"), sender="a@b.c", webhook_key=key)


@given(st.binary(max_size=200), st.text(max_size=80), st.text(max_size=20))
def test_nothing_forged_is_believed(body: bytes, signature: str, stamp: str) -> None:
    """Whatever it is."""
    headers = {"x-twilio-email-event-webhook-signature": signature, "x-twilio-email-event-webhook-timestamp": stamp}
    with pytest.raises(CallbackRefused):
        events(CONFIG, CallbackRequest(url="", headers=headers, body=body, now=0))
