"""SendGrid v3: requests, what its answers mean, and the events that it tells later (signed, see `events`)."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import Field, SecretStr, field_validator

from mailer_svc.channels.http import HttpProviderConfig
from mailer_svc.channels.mime import InlineImage, inline_images
from mailer_svc.channels.outgoing import OutgoingMail
from mailer_svc.channels.spec import CallbackRefused, CallbackRequest
from mailer_svc.domain import ReportKind, SendJob, SendOutcome, SendResult, StatusReport, printable
from tocsin.addresses import parse_mailbox
from tocsin.clock import SECOND
from tocsin.egress.client import HttpAnswer, HttpRequest
from tocsin.errors import InvalidInput

NAME: Final = "sendgrid"
URL: Final = "https://api.sendgrid.com"
_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
_WINDOW_SECONDS: Final = 600
_MAX_EVENTS: Final = 10_000
_DETAIL: Final = 500
_RESET_SECONDS: Final = 60.0
_KINDS: Final = {
    "processed": ReportKind.NOTED,
    "deferred": ReportKind.NOTED,
    "delivered": ReportKind.DELIVERED,
    "bounce": ReportKind.BOUNCED,
    "dropped": ReportKind.DROPPED,
    "spamreport": ReportKind.COMPLAINED,
    "unsubscribe": ReportKind.OPTED_OUT,
    "group_unsubscribe": ReportKind.UNSUBSCRIBED,
}
_OF_THE_ADDRESS: Final = ("bounced address", "unsubscribed address", "spam reporting address", "invalid")
"""How the reasons of drops begin that are about the address
(https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event)."""


class SendGridConfig(HttpProviderConfig):
    """What can be set for SendGrid."""

    api_key: SecretStr = Field(description="API key that may send mail.")
    sender: str = Field(max_length=320, description='Sender, verified there: "ann@example.com" or "Ann <ann@example.com>".')
    reply_to: str = Field(default="", max_length=320, description="Where answers go, in the same form; empty: to the sender.")
    unsubscribe_address: str = Field(default="", max_length=320, description="Address that List-Unsubscribe names beside the link.")
    webhook_key: str = Field(
        default="", max_length=500, description="Verification key of its signed event webhook (base64); empty: no event is believed."
    )
    url: str = Field(default=URL, max_length=500, pattern=r"^https?://", description="Where it is; https://api.eu.sendgrid.com for the EU.")

    @field_validator("sender", "reply_to", "unsubscribe_address")
    @classmethod
    def _one_mailbox(cls, value: str) -> str:
        try:
            return value and (parse_mailbox(value, field="it") and value)
        except InvalidInput as error:
            raise ValueError(error.violations[0].description) from None

    @field_validator("webhook_key")
    @classmethod
    def _public_key(cls, value: str) -> str:
        if value:
            _key(value)
        return value


def build(job: SendJob, config: SendGridConfig, outgoing: OutgoingMail) -> HttpRequest:
    """The request for a mail. What is not its content names the delivery alone: custom_args stay with SendGrid for ever."""
    content = job.content
    html, images = inline_images(content.html)
    parts = [("text/plain", content.text), ("text/html", html)]
    written = [{"type": kind, "value": value} for kind, value in parts if value] or [{"type": "text/plain", "value": " "}]
    leaving = outgoing.leaving_headers(job)
    off = {"enable": False}
    document: dict[str, Any] = {
        "personalizations": [{"to": [_mailbox(job.to, job.recipient_name)], "custom_args": {"delivery": job.id}}],
        "from": _parsed(config.sender),
        "subject": content.subject,
        "content": written,
        "headers": {"Message-ID": job.message_id, "Auto-Submitted": "auto-generated", **leaving},
        # Links stay as they were written, and nobody is watched.
        "tracking_settings": {"click_tracking": {**off, "enable_text": False}, "open_tracking": off, "subscription_tracking": off},
    }
    if images:
        document["attachments"] = [_attachment(number, image) for number, image in enumerate(images, 1)]
    if answers := outgoing.reply_to(job) or config.reply_to:
        document["reply_to"] = _parsed(answers)
    return HttpRequest.of_json(f"{config.url}/v3/mail/send", document, {"authorization": f"Bearer {config.api_key.get_secret_value()}"})


def _attachment(number: int, image: InlineImage) -> dict[str, str]:
    """An image that the HTML names by its content id."""
    kind = image.kind.partition("/")[2]
    return {
        "content": base64.b64encode(image.data).decode(),
        "type": image.kind,
        "filename": f"image-{number}.{kind}",
        "disposition": "inline",
        "content_id": image.name,
    }


def _parsed(text: str) -> dict[str, str]:
    mailbox = parse_mailbox(text, field="from")
    return _mailbox(mailbox.address, mailbox.name)


def _mailbox(address: str, name: str) -> dict[str, str]:
    return {"email": address, **({"name": printable(name)} if name else {})}


def classify(answer: HttpAnswer) -> SendOutcome:
    """What SendGrid's answer means; it knows no message again, so silence is an outcome that nobody knows."""
    status = answer.status
    if answer.ok:
        return SendOutcome(SendResult.SENT, status, reference=answer.headers.get("x-message-id", "")[:200])
    detail = f"{status} {_words(answer)}".strip()[:_DETAIL]
    if status in (401, 403, 404) or 300 <= status < 400:
        return SendOutcome(SendResult.MISCONFIGURED, status, detail)
    if status == 429:
        return SendOutcome(SendResult.PROVIDER_DOWN, status, detail, retry_after=_reset(answer))
    if status >= 500 or status in (408, 425):
        return SendOutcome(SendResult.DEFERRED, status, detail, retry_after=answer.retry_after)
    return SendOutcome(SendResult.REFUSED, status, detail)


def _words(answer: HttpAnswer) -> str:
    """The reasons that it gives, by field."""
    errors: object = answer.json().get("errors")
    found = (
        [cast("Mapping[str, object]", error) for error in cast("list[object]", errors) if isinstance(error, dict)]
        if isinstance(errors, list)
        else []
    )
    return "; ".join(f"{error.get('field') or ''} {error.get('message') or ''}".strip() for error in found[:5]) or answer.text()


def _reset(answer: HttpAnswer) -> float:
    """Seconds until it takes more: an instant since the epoch in ``X-RateLimit-Reset``, counted from its own ``Date``."""
    if answer.retry_after is not None:
        return answer.retry_after
    try:
        now = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
        return min(max(0.0, float(answer.headers.get("x-ratelimit-reset", "")) - now), 3600.0)
    except (TypeError, ValueError, OverflowError):
        return _RESET_SECONDS


class _SendGridEvent(msgspec.Struct):
    """An event of the webhook; of what else it holds, nothing is read."""

    event: str
    sg_event_id: str = ""
    delivery: str = ""
    type: str = ""
    reason: str = ""
    response: str = ""
    status: str = ""


_EVENT: Final = msgspec.json.Decoder(_SendGridEvent)
_BATCH: Final = msgspec.json.Decoder(list[msgspec.Raw])


def events(config: SendGridConfig, request: CallbackRequest) -> Sequence[StatusReport]:
    """What a call of the signed event webhook tells; events that we do not know, or that name no delivery of ours, are left out.

    Raises:
        CallbackRefused: it is not signed with the key, or was signed too long ago.
    """
    _verify(config, request)
    try:
        batch = _BATCH.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CallbackRefused("The body is not a list of events") from None
    return [report for raw in batch[:_MAX_EVENTS] if (report := _report(raw)) is not None]


def _report(raw: msgspec.Raw) -> StatusReport | None:
    try:
        told = _EVENT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # it costs itself alone
    kind = _KINDS.get(told.event)
    if kind is None or not told.delivery:
        return None
    words = " ".join(part for part in (told.event, told.type, told.status, told.reason or told.response) if part)
    return StatusReport(
        kind=kind,
        delivery=told.delivery[:128],
        detail=printable(words[:_DETAIL]),
        soft=_is_soft(kind, told),
        event=told.sg_event_id[:200],
    )


def _is_soft(kind: ReportKind, told: _SendGridEvent) -> bool:
    """Whether the event says nothing of the address: a bounce that was a block, or a drop for what the message is."""
    if kind is ReportKind.DROPPED:
        return not told.reason.casefold().startswith(_OF_THE_ADDRESS)
    return kind is ReportKind.BOUNCED and told.type == "blocked"


def _verify(config: SendGridConfig, request: CallbackRequest) -> None:
    """ECDSA on P-256 with SHA-256 over the timestamp's header and the body as it came."""
    stamp = request.headers.get(_TIMESTAMP, "")
    if not config.webhook_key:
        raise CallbackRefused("No key is set to verify events with")
    try:
        signature = base64.b64decode(request.headers.get(_SIGNATURE, ""), validate=True)
        _key(config.webhook_key).verify(signature, stamp.encode() + request.body, ECDSA(SHA256()))
    except (binascii.Error, InvalidSignature, ValueError):
        raise CallbackRefused("The signature is not SendGrid's") from None
    if not stamp.isascii() or not stamp.isdigit() or abs(int(stamp[:12]) - request.now // SECOND) > _WINDOW_SECONDS:
        raise CallbackRefused("The call was signed too long ago")


@lru_cache(maxsize=64)
def _key(text: str) -> EllipticCurvePublicKey:
    """A key as SendGrid shows it: base64 of SubjectPublicKeyInfo, without the lines of PEM.

    Raises:
        ValueError: it is none, or of another curve.
    """
    try:
        key: object = load_der_public_key(base64.b64decode(text, validate=True))
    except Exception:  # noqa: BLE001 - the library raises its own errors for what it does not support
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("must be the verification key that SendGrid shows (base64, P-256)")
    return key
