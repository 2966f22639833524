"""Signatures after Standard Webhooks."""

import base64
from collections.abc import Mapping

import pytest

from tocsin.standard_webhooks import SignatureInvalid, WebhookSecret, parse_secrets, signed, verify

SECRET = WebhookSecret.parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OTHER = WebhookSecret(b"x" * 24)
BODY = b'{"test": 2432232314}'
NOW = 1_614_265_330


def test_the_signature_of_the_specification() -> None:
    """The example of the libraries of Standard Webhooks."""
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", BODY, secrets=[SECRET], seconds=NOW)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", str(NOW))


@pytest.mark.parametrize("receiver", [[SECRET], [OTHER], [WebhookSecret(b"y" * 32), OTHER]])
def test_either_secret_is_good_while_one_replaces_the_other(receiver: list[WebhookSecret]) -> None:
    """Both sign; a receiver has one, or both."""
    headers = signed("m1", BODY, secrets=[SECRET, OTHER], seconds=NOW)
    assert verify(headers, BODY, secrets=receiver, seconds=NOW + 299) == "m1"


GOOD = signed("m1", BODY, secrets=[SECRET], seconds=NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {}, {**GOOD, "webhook-id": ""}, {**GOOD, "webhook-id": "m2"}, {**GOOD, "webhook-timestamp": str(NOW + 1)},
        {**GOOD, "webhook-timestamp": ""}, {**GOOD, "webhook-timestamp": "x"}, {**GOOD, "webhook-timestamp": "٣"},
        {**GOOD, "webhook-timestamp": "9" * 5000}, {**GOOD, "webhook-timestamp": "-1"}, {**GOOD, "webhook-signature": ""},
        {**GOOD, "webhook-signature": "v1,"}, {**GOOD, "webhook-signature": "v2" + GOOD["webhook-signature"][2:]},
        {**GOOD, "webhook-signature": GOOD["webhook-signature"].swapcase()}, {**GOOD, "webhook-signature": "v1,ä\ud800"},
        {**GOOD, "webhook-signature": "v1,x " * 100_000 + GOOD["webhook-signature"]},
    ],
)  # fmt: skip
def test_a_forged_webhook_is_refused(headers: Mapping[str, str]) -> None:
    """Whatever is wrong with it, quickly."""
    with pytest.raises(SignatureInvalid):
        verify(headers, BODY, secrets=[SECRET], seconds=NOW)


@pytest.mark.parametrize("seconds", [NOW - 301, NOW + 301])
def test_a_replayed_webhook_is_refused(seconds: int) -> None:
    """Its time is part of what is signed."""
    with pytest.raises(SignatureInvalid, match="more than 300 s"):
        verify(GOOD, BODY, secrets=[SECRET], seconds=seconds)


def test_another_body_or_secret_is_refused() -> None:
    """And no secret at all."""
    for body, secrets in ((BODY + b" ", [SECRET]), (BODY, [OTHER]), (BODY, [])):
        with pytest.raises(SignatureInvalid):
            verify(GOOD, body, secrets=secrets, seconds=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_***",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        f"whsec_{base64.b64encode(b'x' * 23).decode()}",
        f"whsec_{base64.b64encode(b'x' * 65).decode()}",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_ä",
    ],
)
def test_what_is_no_secret_is_refused(text: str) -> None:
    """And not shown."""
    with pytest.raises(ValueError, match="must be whsec_") as refusal:
        WebhookSecret.parse(text)
    assert len(text) < 9 or text not in str(refusal.value)


def test_secrets_are_read_and_written() -> None:
    """With blanks between; neither repr nor an error shows them."""
    assert parse_secrets(f" {SECRET}\n{OTHER} ") == [SECRET, OTHER]
    assert "MfKQ" not in repr(SECRET)
    with pytest.raises(ValueError, match="secret 2 must be"):
        parse_secrets(f"{SECRET} whsec_x")


def test_an_id_with_a_full_stop_is_not_signed() -> None:
    """It could be read as another id with another time."""
    with pytest.raises(ValueError, match="full stop"):
        signed("a.b", BODY, secrets=[SECRET], seconds=NOW)
