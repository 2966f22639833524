"""Slack by incoming webhooks (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks), and what speaks like it."""

from collections.abc import Sequence
from typing import Final

from mailer_svc.channels.addresses import url_address
from mailer_svc.channels.answers import by_status, ended, sent
from mailer_svc.channels.http import HttpProviderConfig, http_kind
from mailer_svc.channels.limits import HttpSettings, limits_of
from mailer_svc.channels.spec import ChannelSpec, Configured
from mailer_svc.channels.texts import cut, plain_body
from mailer_svc.domain import SendJob, SendOutcome, SendResult
from tocsin.egress.client import HttpAnswer, HttpRequest

_TEXT_CHARS: Final = 12_000  # three times of it, escaped, fits into the 40,000 that Slack takes
_GONE: Final = ("invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled", "user_not_found")


class SlackConfig(HttpProviderConfig):
    """What can be set for Slack."""


def build(job: SendJob, _config: SlackConfig) -> HttpRequest:
    """The request for a message: the subject in bold, the text, a link for each action."""
    content = job.content
    lines = [f"*{_escaped(content.subject)}*", _escaped(cut(plain_body(content), _TEXT_CHARS))]
    lines += [f"<{_escaped(action.url).replace('|', '%7C')}|{_escaped(action.label)}>" for action in content.actions]
    return HttpRequest.of_json(job.to, {"text": "\n".join(line for line in lines if line)})


def _escaped(text: str) -> str:
    """What Slack reads as this very text, so that nobody is called by ``<!channel>`` and no link looks like another."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def classify(answer: HttpAnswer) -> SendOutcome:
    """What an answer means; a webhook has no credentials but its URL."""
    if answer.ok:
        return sent(answer)
    if answer.text().strip() in _GONE:
        return ended(answer, SendResult.GONE)
    return by_status(answer, gone=(404, 410), own=(401, 403, 407))


SLACK = http_kind(name="slack", config=SlackConfig, build=build, classify=classify)


def configured(settings: HttpSettings) -> Sequence[Configured]:
    """Always: the address holds all that is needed."""
    return [("slack", SLACK, SlackConfig(**limits_of(settings, "slack")))]


CHANNEL = ChannelSpec(name="slack", settings=HttpSettings, normal_address=url_address("slack"), kinds=[SLACK], configured=configured)
