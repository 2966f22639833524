"""PagerDuty by the Events API v2 (https://developer.pagerduty.com/docs/send-alert-event)."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import Field

from mailer_svc.channels.addresses import pattern_address
from mailer_svc.channels.answers import by_status, ended, member, sent, text_of
from mailer_svc.channels.http import BaseUrl, HttpProviderConfig, http_kind
from mailer_svc.channels.limits import HttpSettings, limits_of
from mailer_svc.channels.spec import ChannelSpec, Configured
from mailer_svc.channels.texts import cut, octets, plain_body
from mailer_svc.domain import MessageEvent, Priority, SendJob, SendOutcome, SendResult
from tocsin.clock import from_micros
from tocsin.egress.client import HttpAnswer, HttpRequest

_SUMMARY_CHARS: Final = 1024
_TEXT_OCTETS: Final = 100_000  # of 512 KB
_SEVERITIES: Final = {Priority.CRITICAL: "critical", Priority.NORMAL: "warning", Priority.BULK: "info"}
_EVENTS: Final = {MessageEvent.TRIGGER: "trigger", MessageEvent.ACKNOWLEDGE: "acknowledge", MessageEvent.RESOLVE: "resolve"}
_LIMIT_SECONDS: Final = 60.0  # its limits are per minute


class PagerDutySettings(HttpSettings):
    """What can be set for PagerDuty."""

    pagerduty_url: BaseUrl = Field("https://events.pagerduty.com", description="The Events API; https://events.eu.pagerduty.com in Europe.")
    pagerduty_source: str = Field("tocsin", min_length=1, max_length=255, description="What PagerDuty shows as the source of events.")


class PagerDutyConfig(HttpProviderConfig):
    """What can be set for PagerDuty."""

    url: BaseUrl = Field(default="https://events.pagerduty.com", min_length=1, description="The Events API.")
    source: str = Field(default="tocsin", min_length=1, max_length=255, description="What is shown as the source of events.")


def build(job: SendJob, config: PagerDutyConfig) -> HttpRequest:
    """The event for a message; its key is the alert's, or the delivery's, so that one that comes again is the same."""
    content = job.content
    common = {
        "routing_key": job.to,
        "event_action": _EVENTS[content.alert.event],
        "dedup_key": content.alert.key or job.id,
        "client": "Tocsin",
    }
    if content.alert.event is not MessageEvent.TRIGGER:
        return HttpRequest.of_json(f"{config.url}/v2/enqueue", common)  # nothing of the alert is told anew
    payload: dict[str, Any] = {
        "summary": cut(content.subject, _SUMMARY_CHARS),
        "source": config.source,
        "severity": _SEVERITIES[job.priority],
        "timestamp": from_micros(job.created).isoformat(),
        "custom_details": {"text": cut(plain_body(content), _TEXT_OCTETS, octets), "delivery": f"deliveries/{job.id}"},
        **({"group": job.category} if job.category else {}),
    }
    links = [{"href": action.url, "text": action.label} for action in content.actions]
    return HttpRequest.of_json(f"{config.url}/v2/enqueue", {**common, "payload": payload, "links": links})


def classify(answer: HttpAnswer) -> SendOutcome:
    """What an answer means; there are no credentials but the routing key, which is the address."""
    if answer.ok:
        return sent(answer, member(answer, "dedup_key"))
    words = text_of(member(answer, "message"))
    if answer.status == 429:
        return ended(answer, SendResult.PROVIDER_DOWN, words, retry_after=answer.retry_after or _LIMIT_SECONDS)
    return by_status(answer, words, own=(401, 403, 407), away=())


PAGERDUTY = http_kind(
    name="pagerduty", config=PagerDutyConfig, build=build, classify=classify, base=lambda config: config.url, idempotent=True
)


def configured(settings: PagerDutySettings) -> Sequence[Configured]:
    """Always: the address is the routing key."""
    config = PagerDutyConfig(url=settings.pagerduty_url, source=settings.pagerduty_source, **limits_of(settings, "pagerduty"))
    return [("pagerduty", PAGERDUTY, config)]


CHANNEL = ChannelSpec(
    name="pagerduty",
    settings=PagerDutySettings,
    normal_address=pattern_address("pagerduty"),
    kinds=[PAGERDUTY],
    configured=configured,
    repeatable=True,
)
