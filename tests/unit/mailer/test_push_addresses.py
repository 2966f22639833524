"""Addresses of push: one text for one address, and nothing that no message could go to."""

import json
from typing import Any

import pytest

from mailer_svc.channels.push.addresses import normal_address
from mailer_svc.channels.push.subscription import encode, parse
from tocsin.addresses import AddressInvalid
from tocsin.testing.browser import PushReceiver

BROWSER = PushReceiver()
ENDPOINT = "https://push.example.net/p/1"
GOOD: dict[str, Any] = BROWSER.subscription(ENDPOINT)
KEYS: dict[str, str] = GOOD["keys"]
TOKEN = "fcm:" + "dZ1:APA91b-_.x" * 10
UUID = "onesignal:1DD608F2-c6a1-11e3-851d-000c2940e62c"


def address(**members: Any) -> str:
    """A subscription, with some members replaced; those that are None are left out."""
    return "webpush:" + json.dumps({name: value for name, value in (GOOD | members).items() if value is not None})


def test_one_subscription_is_one_address() -> None:
    """However it is written: order, blanks, padding, the other base64, a time of its end, the case of the host."""
    normal = normal_address(address())
    padded = {name: value + "=" * (-len(value) % 4) for name, value in KEYS.items()}
    other = {name: value.replace("-", "+").replace("_", "/") for name, value in KEYS.items()}
    written = [
        address(keys=padded),
        address(keys=other),
        address(endpoint="https://PUSH.example.net/p/1"),
        address(endpoint="https://push.example.net:443/p/1"),
        address(expirationTime=1790000000000),
        "webpush:" + json.dumps({"keys": dict(reversed(KEYS.items())), "endpoint": ENDPOINT}, indent=1),
        normal,
    ]
    assert {normal_address(text) for text in written} == {normal}
    assert parse(normal).origin == "https://push.example.net"
    assert parse(address(endpoint="https://push.example.net:8443/x?a=b")).origin == "https://push.example.net:8443"


@pytest.mark.parametrize("text", [TOKEN, UUID])
def test_tokens_stay_as_they_are(text: str) -> None:
    """But for the case of a UUID, which means nothing."""
    assert normal_address(text) == (text.lower() if text is UUID else text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must begin with webpush:, fcm:, onesignal:"),
        ("ann@example.com", "must begin with"),
        ("WEBPUSH:{}", "must begin with"),
        ("fcm:", "a registration token of Firebase"),
        ("fcm:short", "a registration token"),
        (TOKEN + "\n", "a registration token"),
        (TOKEN + '"', "a registration token"),
        ("fcm:" + "a" * 1001, "a registration token"),
        ("onesignal:1", "a UUID"),
        (UUID + "0", "a UUID"),
        ("webpush:", "must be"),
        ("webpush:[]", "must be a JSON object"),
        ("webpush:" + "[" * 2000, "must be"),
        ("webpush:{}", "keys must be a JSON object"),
        ('webpush:{"endpoint": "https://a.example", "endpoint": "https://b.example"}', "must be"),
        (address(keys=None), "keys must be a JSON object"),
        (address(keys=[]), "keys must be a JSON object"),
        (address(name="x"), "holds 'name'"),
        (address(keys=KEYS | {"x": "y"}), "keys holds 'x'"),
        (address(keys={"auth": KEYS["auth"]}), "keys.p256dh must be 65 octets"),
        (address(keys=KEYS | {"p256dh": 7}), "keys.p256dh must be 65 octets"),
        (address(keys=KEYS | {"p256dh": KEYS["p256dh"][:-1]}), "keys.p256dh must be 65 octets"),
        (address(keys=KEYS | {"p256dh": KEYS["p256dh"] + "AAAA" * 40}), "keys.p256dh must be 65 octets"),
        (address(keys=KEYS | {"p256dh": "é" + KEYS["p256dh"][1:]}), "keys.p256dh must be 65 octets"),
        (address(keys=KEYS | {"p256dh": encode(b"\x04" + bytes(64))}), "not a point of the curve"),
        (address(keys=KEYS | {"p256dh": encode(b"\x04" + b"\xff" * 64)}), "not a point of the curve"),
        (address(keys=KEYS | {"p256dh": encode(bytes(65))}), "not a point of the curve"),
        (address(keys=KEYS | {"auth": ""}), "keys.auth must be 16 octets"),
        (address(keys=KEYS | {"auth": encode(bytes(17))}), "keys.auth must be 16 octets"),
        (address(keys=KEYS | {"auth": KEYS["auth"][:-1] + "_"}), "keys.auth must be 16 octets"),
        (address(endpoint=None), "endpoint must be"),
        (address(endpoint=1), "endpoint must be"),
        (address(endpoint=""), "endpoint"),
        (address(endpoint="http://push.example.net/p"), "endpoint"),
        (address(endpoint="ftp://push.example.net/p"), "endpoint"),
        (address(endpoint="https:///p"), "endpoint"),
        (address(endpoint="https://user:secret@push.example.net/p"), "endpoint"),
        (address(endpoint="https://push.example.net/p#x"), "endpoint"),
        (address(endpoint="https://push.example.net\\@evil.example/"), "endpoint"),
        (address(endpoint="https://push.example.net:99999/"), "endpoint"),
        (address(endpoint="https://[::1/"), "endpoint"),
        (address(endpoint="https://push.example.net/a b"), "endpoint"),
        (address(endpoint="https://push.example.net/\r\nx: y"), "endpoint"),
        (address(endpoint="https://push.example.net/é"), "endpoint"),
        (address(endpoint="https://push.example.net/" + "a" * 1600), "endpoint"),
        (address(endpoint="https://0x7f.1/p"), "endpoint"),
    ],
    ids=lambda value: "subscription" if value.startswith("webpush:") else None,  # its keys are new each time
)
def test_what_nobody_is_reached_by_is_refused(text: str, words: str) -> None:
    """With the field, and a reason that repeats neither keys nor endpoint."""
    with pytest.raises(AddressInvalid) as raised:
        normal_address(text)
    (violation,) = raised.value.violations
    assert violation.field == "to"
    assert words in violation.description
    assert "secret" not in violation.description
    assert KEYS["auth"] not in violation.description
