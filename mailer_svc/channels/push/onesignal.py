"""OneSignal: requests, and what its answers mean."""

from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import UUID, uuid5

from pydantic import Field, SecretStr

from mailer_svc.channels.http import http_kind
from mailer_svc.channels.push.message import PushMessage, PushProviderConfig, fitted, message_of, topic_of
from mailer_svc.domain import Priority, SendJob, SendOutcome, SendResult
from tocsin.egress.client import HttpAnswer, HttpRequest

PREFIX: Final = "onesignal:"
URL: Final = "https://api.onesignal.com"
_NAMESPACE: Final = UUID("7a0f4f5e-5b3c-4f39-9d43-2f0f6a6b1c51")
_OCTETS: Final = 3500  # APNs and FCM take 4,096 with what OneSignal adds
_GONE_MEMBERS: Final = ("invalid_player_ids", "invalid_subscription_ids", "invalid_aliases", "invalid_external_user_ids")
_GONE_WORDS: Final = ("not subscribed", "invalid_player_ids", "invalid_subscription_ids", "invalid_aliases")


class OneSignalConfig(PushProviderConfig):
    """What can be set for OneSignal."""

    app_id: str = Field(pattern=r"^[0-9A-Fa-f-]{36}$", description="Id of the app.")
    api_key: SecretStr = Field(description="API key of the app.")
    url: str = Field(default=URL, max_length=500, pattern=r"^https?://", description="Where it is.")


def key_of(job: SendJob) -> str:
    """The idempotency key: the same at every attempt at a delivery, known to OneSignal for thirty days."""
    return str(uuid5(_NAMESPACE, f"{job.tenant}/{job.id}"))


def build(job: SendJob, config: OneSignalConfig) -> HttpRequest:
    """The request for a delivery."""
    message = message_of(job)
    body = fitted(lambda text: _document(job, message, text, config), message.body or message.title, _OCTETS)
    headers = {
        "content-type": "application/json",
        "accept": "application/json",
        "authorization": f"Key {config.api_key.get_secret_value()}",
    }
    return HttpRequest(url=f"{config.url}/notifications", headers=headers, body=body)


def _document(job: SendJob, message: PushMessage, text: str, config: OneSignalConfig) -> dict[str, Any]:
    document: dict[str, Any] = {
        "app_id": config.app_id,
        "include_subscription_ids": [job.to.removeprefix(PREFIX)],
        "headings": {"en": message.title},
        "contents": {"en": text},
        "data": {"delivery": f"deliveries/{job.id}", "url": message.url},
        "priority": 5 if job.priority is Priority.BULK else 10,
        "ttl": config.ttl_seconds,
        "collapse_id": topic_of(job.id),
        "idempotency_key": key_of(job),
    }
    if message.actions:
        buttons = [{"id": f"action-{place}", "text": label, "url": url} for place, (label, url) in enumerate(message.actions, start=1)]
        document |= {"url": message.url, "web_buttons": buttons}
    return document


def classify(answer: HttpAnswer) -> SendOutcome:
    """What OneSignal's answer means: a 200 without an id is a refusal, whose reason stands in ``errors``, a list or an object."""
    status = answer.status
    if answer.ok:
        return _taken(answer)
    detail = f"{status} {answer.text()}".strip()
    if status in (401, 403, 404) or 300 <= status < 400:
        return SendOutcome(SendResult.MISCONFIGURED, status, detail)
    if status in (429, 503):
        return SendOutcome(SendResult.PROVIDER_DOWN, status, detail, retry_after=answer.retry_after)
    if status >= 500 or status in (408, 409):
        return SendOutcome(SendResult.DEFERRED, status, detail, retry_after=answer.retry_after)
    return SendOutcome(SendResult.GONE if _is_gone(answer.json().get("errors")) else SendResult.REFUSED, status, detail)


def _taken(answer: HttpAnswer) -> SendOutcome:
    members = answer.json()
    name, errors = members.get("id"), members.get("errors")
    if isinstance(name, str) and name:
        replayed = answer.headers.get("idempotent-replayed", "").lower() == "true"
        return SendOutcome(SendResult.SENT, answer.status, "it had the message already" if replayed else "", reference=name[:500])
    if name == "" and errors:
        return SendOutcome(SendResult.GONE if _is_gone(errors) else SendResult.REFUSED, answer.status, answer.text())
    # It may have the message: asked again with the same key, it tells.
    return SendOutcome(SendResult.DEFERRED, answer.status, "the answer names no message")


def _is_gone(errors: object) -> bool:
    """Whether the reason is the subscription."""
    if isinstance(errors, dict):
        return any(cast("Mapping[str, Any]", errors).get(name) for name in _GONE_MEMBERS)
    if isinstance(errors, list):
        return any(isinstance(item, str) and any(words in item for words in _GONE_WORDS) for item in cast("list[object]", errors))
    return False


ONESIGNAL: Final = http_kind(
    name="onesignal",
    config=OneSignalConfig,
    build=build,
    classify=classify,
    base=lambda config: config.url,
    idempotent=True,
    takes=lambda address: address.startswith(PREFIX),
)
