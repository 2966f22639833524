"""What Twilio tells of messages: signed with either of two tokens, and read."""

import base64
import hashlib
import hmac
from urllib.parse import urlencode

import pytest

from mailer_svc.channels import CallbackRefused, CallbackRequest
from mailer_svc.channels.sms import TwilioConfig, callback
from mailer_svc.domain.status_reports import ReportKind, StatusReport

URL = "https://tocsin.example/v1/callbacks/twilio"
CONFIG = TwilioConfig(account="AC" + "0" * 32, auth_token="new", previous_auth_token="old", sender="+15005550006")  # pyright: ignore[reportArgumentType]


def request(fields: dict[str, str], *, token: str = "new", url: str = URL) -> CallbackRequest:
    """A callback as Twilio signs it."""
    text = url + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return CallbackRequest(url=URL, headers={"x-twilio-signature": signature}, body=urlencode(fields).encode(), now=0)


def test_the_signature_of_the_documentation() -> None:
    """Twilio's own example."""
    fields = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309", "To": "+18005551212"}
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    config = CONFIG.model_copy(update={"auth_token": CONFIG.auth_token.__class__("12345")})
    headers = {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}
    assert callback(config, CallbackRequest(url=url, headers=headers, body=urlencode(fields).encode(), now=0)) == ()


@pytest.mark.parametrize("token", ["new", "old"])
@pytest.mark.parametrize(
    ("status", "code", "kind", "soft"),
    [
        ("queued", "", ReportKind.NOTED, True),
        ("sent", "", ReportKind.NOTED, True),
        ("delivered", "", ReportKind.DELIVERED, True),
        ("undelivered", "30003", ReportKind.BOUNCED, True),
        ("undelivered", "30006", ReportKind.BOUNCED, False),
        ("failed", "30008", ReportKind.BOUNCED, True),
        ("failed", "odd", ReportKind.BOUNCED, True),
        ("tomorrow", "", ReportKind.NOTED, True),
    ],
)
def test_a_status_is_read(token: str, status: str, code: str, kind: ReportKind, soft: bool) -> None:
    """The message is found by Twilio's name for it; the same status comes once."""
    fields = {"MessageSid": "SM1", "MessageStatus": status, "To": "+1", **({"ErrorCode": code} if code else {})}
    number = int(code) if code.isdigit() else 0
    expected = StatusReport(
        kind=kind, reference="SM1", detail=f"{status} {number or ''}".strip(), code=number, soft=soft, event=f"SM1:{status}"
    )
    assert list(callback(CONFIG, request(fields, token=token))) == [expected]


def test_a_stop_that_a_status_tells_of() -> None:
    """The message was dropped, and the number wants no more; each is a report of its own."""
    dropped, stopped = callback(CONFIG, request({"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "21610"}))
    assert (dropped.kind, dropped.soft, stopped.kind, stopped.soft) == (ReportKind.DROPPED, True, ReportKind.OPTED_OUT, False)
    assert dropped.event != stopped.event


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"Body": "STOP"}, ReportKind.OPTED_OUT),
        ({"Body": " stop \n"}, ReportKind.OPTED_OUT),
        ({"Body": "Unsubscribe"}, ReportKind.OPTED_OUT),
        ({"Body": "START"}, ReportKind.OPTED_IN),
        ({"Body": "arret", "OptOutType": "STOP"}, ReportKind.OPTED_OUT),
        ({"Body": "stop", "OptOutType": "START"}, ReportKind.OPTED_IN),
        ({"Body": "help", "OptOutType": "HELP"}, None),
        ({"Body": "please stop calling"}, None),
        ({"Body": "STOP" * 500}, None),
        ({"Body": ""}, None),
        ({}, None),
        ({"Body": "STOP", "From": "whatsapp:+4915112345678"}, None),
        ({"Body": "STOP", "From": ""}, None),
        ({"Body": "STOP", "From": "ACME"}, None),
    ],
)
def test_what_somebody_writes_to_our_number(fields: dict[str, str], kind: ReportKind | None) -> None:
    """To stop and to go on is heard, in Twilio's words or as it says itself; nothing else is, and of no odd sender."""
    told = callback(CONFIG, request({"MessageSid": "SM9", "From": "+4915112345678", "To": "+15005550006", **fields}))
    assert [each.kind for each in told] == ([] if kind is None else [kind])
    assert all((each.channel, each.address, each.provider) == ("sms", "+4915112345678", "twilio") for each in told)


FIELDS = {"MessageSid": "SM1", "MessageStatus": "delivered"}


@pytest.mark.parametrize(
    "forged",
    [
        request(FIELDS, token="other"),
        request(FIELDS, token=""),
        request(FIELDS, url="https://evil.example/"),
        CallbackRequest(url=URL, headers={}, body=urlencode(FIELDS).encode(), now=0),
        CallbackRequest(url=URL, headers=request(FIELDS).headers, body=urlencode({**FIELDS, "MessageStatus": "failed"}).encode(), now=0),
        CallbackRequest(url=URL, headers=request(FIELDS).headers, body=b"\xff\xfe", now=0),
        CallbackRequest(url=URL, headers=request(FIELDS).headers, body=b"a=1&" * 10_000, now=0),
        CallbackRequest(url=URL, headers={"x-twilio-signature": "ä\ud800"}, body=urlencode(FIELDS).encode(), now=0),
    ],
)
def test_a_forged_callback_is_refused(forged: CallbackRequest) -> None:
    """Also with an empty token, which is that of an installation that has only one."""
    with pytest.raises(CallbackRefused):
        callback(CONFIG.model_copy(update={"previous_auth_token": CONFIG.auth_token.__class__("")}), forged)


def test_a_callback_of_something_else_tells_nothing() -> None:
    """It is signed, and not of a message."""
    assert callback(CONFIG, request({"AccountSid": "AC1"})) == ()
