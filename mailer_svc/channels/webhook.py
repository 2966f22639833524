"""Webhooks: a POST to a URL of the user's, signed after Standard Webhooks."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import Field, SecretStr, field_validator

from mailer_svc.channels.addresses import url_address
from mailer_svc.channels.answers import by_status, sent
from mailer_svc.channels.http import HttpProvider, HttpProviderConfig
from mailer_svc.channels.limits import HttpSettings, limits_of
from mailer_svc.channels.spec import ChannelSpec, Configured, Parts, ProviderKind
from mailer_svc.channels.texts import cut, octets
from mailer_svc.domain import SendJob, SendOutcome, SendResult, person_name
from mailer_svc.ports import Provider
from tocsin.clock import SECOND, Clock, from_micros
from tocsin.egress.client import HttpAnswer, HttpRequest
from tocsin.standard_webhooks import parse_secrets, signed

_TEXT_OCTETS: Final = 8_000
"""Of text and of HTML each: a body stays below the 20 KB that Standard Webhooks recommends."""


class WebhookSettings(HttpSettings):
    """What can be set for webhooks."""

    webhook_secrets: SecretStr | None = Field(
        None,
        description="Secrets that webhooks are signed with (Standard Webhooks), the newest first, with blanks between: whsec_ and base64 "
        "of 24 to 64 octets. While one replaces another, both sign. None: there are no webhooks.",
    )

    @field_validator("webhook_secrets")
    @classmethod
    def _readable_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        parse_secrets(value.get_secret_value() if value else "")
        return value


class WebhookConfig(HttpProviderConfig):
    """What can be set for a sender of webhooks."""

    concurrency: int = Field(default=64, ge=1, le=1000, description="Messages that are under way at once, at most.")
    secrets: SecretStr = Field(description="Secrets to sign with, the newest first, with blanks between: whsec_ and base64.")

    @field_validator("secrets")
    @classmethod
    def _readable_secrets(cls, value: SecretStr) -> SecretStr:
        if not parse_secrets(value.get_secret_value()):
            raise ValueError("must hold a secret")
        return value


class WebhookApi:
    """Receivers know a message by its id, so it may be sent again whenever nobody answered."""

    base = ""
    idempotent = True

    def __init__(self, config: WebhookConfig, *, clock: Clock) -> None:
        self._secrets = parse_secrets(config.secrets.get_secret_value())
        self._clock = clock

    def build(self, job: SendJob) -> HttpRequest:
        """The request of an attempt now."""
        request = HttpRequest.of_json(job.to, document(job))
        headers = signed(job.id, request.body, secrets=self._secrets, seconds=self._clock.micros() // SECOND)
        return HttpRequest(url=job.to, headers={**request.headers, **headers}, body=request.body)

    async def authorize(self, request: HttpRequest) -> HttpRequest:
        """The signature is all."""
        return request

    async def renew(self, refused: HttpRequest) -> bool:
        """There is no other."""
        del refused
        return False

    def classify(self, answer: HttpAnswer, /) -> SendOutcome:
        """2xx: it has it; 410: it wants no more; 3xx: not followed; anything else may be otherwise soon."""
        if answer.ok:
            return sent(answer)
        outcome = by_status(answer, gone=(410,), own=(401, 403, 407))
        again = outcome.result is SendResult.REFUSED and not 300 <= answer.status < 400
        return SendOutcome(SendResult.DEFERRED, outcome.code, outcome.detail, outcome.retry_after) if again else outcome


def document(job: SendJob) -> dict[str, Any]:
    """The body of the webhook for a message; a part that is too long is cut, and the HTML left out then."""
    content = job.content
    return {
        "type": "message",
        "timestamp": from_micros(job.created).isoformat().replace("+00:00", "Z"),
        "data": {
            "delivery": f"deliveries/{job.id}",
            "recipient": person_name(job.recipient_id),
            "category": job.category,
            "priority": job.priority.name,
            "subject": content.subject,
            "text": cut(content.text, _TEXT_OCTETS, octets),
            "html": content.html if octets(content.html) <= _TEXT_OCTETS else "",
            "actions": [{"label": action.label, "url": action.url} for action in content.actions],
        },
    }


def make(name: str, config: WebhookConfig, parts: Parts) -> Provider:
    """A sender of webhooks."""
    return HttpProvider(name=name, kind=WEBHOOK.name, api=WebhookApi(config, clock=parts.clock), config=config, parts=parts)


WEBHOOK = ProviderKind(name="webhook", config=WebhookConfig, make=make)


def configured(settings: WebhookSettings) -> Sequence[Configured]:
    """The sender, if there is a secret."""
    if settings.webhook_secrets is None:
        return ()
    return [("webhook", WEBHOOK, WebhookConfig(secrets=settings.webhook_secrets, **limits_of(settings, "webhook")))]


CHANNEL = ChannelSpec(
    name="webhook",
    settings=WebhookSettings,
    normal_address=url_address("webhook"),
    kinds=[WEBHOOK],
    configured=configured,
    repeatable=True,
    missing="Webhooks have no secret to be signed with (TOCSIN_MAILER_WEBHOOK_SECRETS: whsec_ and what `openssl rand -base64 32` gives)",
)
