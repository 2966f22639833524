"""Discord by webhooks (https://discord.com/developers/docs/resources/webhook#execute-webhook)."""

from collections.abc import Sequence
from typing import Final

from mailer_svc.channels.addresses import url_address
from mailer_svc.channels.answers import by_status, ended, member, number_of, sent, text_of
from mailer_svc.channels.http import HttpProviderConfig, http_kind
from mailer_svc.channels.limits import HttpSettings, limits_of
from mailer_svc.channels.spec import ChannelSpec, Configured
from mailer_svc.channels.texts import cut, plain_body, utf16
from mailer_svc.domain import Content, Priority, SendJob, SendOutcome, SendResult
from tocsin.egress.client import HttpAnswer, HttpRequest

_TITLE_UNITS: Final = 256
_DESCRIPTION_UNITS: Final = 4096
_LINKS_UNITS: Final = 2400  # of these; a link by which somebody answers an incident has some 200
_BETWEEN: Final = " · "
_ACTIONS: Final = 3
_COLOURS: Final = {Priority.CRITICAL: 0xD92D20, Priority.NORMAL: 0x2E90FA, Priority.BULK: 0x98A2B3}
_UNKNOWN_WEBHOOK: Final = 10015
_INVALID_TOKEN: Final = 50027


class DiscordConfig(HttpProviderConfig):
    """What can be set for Discord."""


def build(job: SendJob, _config: DiscordConfig) -> HttpRequest:
    """The request for a message; nobody is mentioned by what it says."""
    content = job.content
    links = _links(content)
    body = cut(plain_body(content), _DESCRIPTION_UNITS - utf16(links) - 2, utf16)
    description = "\n\n".join(part for part in (body, links) if part)
    embed = {"title": cut(content.subject, _TITLE_UNITS, utf16), "description": description, "color": _COLOURS[job.priority]}
    url = f"{job.to}{'&' if '?' in job.to else '?'}wait=true"
    return HttpRequest.of_json(url, {"embeds": [embed], "allowed_mentions": {"parse": []}})


def _links(content: Content) -> str:
    """A link for each action, as long as there is room."""
    links = ""
    for action in content.actions[:_ACTIONS]:
        longer = f"{links}{_BETWEEN if links else ''}[{cut(action.label, 80)}]({action.url})"
        links = longer if utf16(longer) <= _LINKS_UNITS else links
    return links


def classify(answer: HttpAnswer) -> SendOutcome:
    """What an answer means; ``wait=true`` makes Discord tell the id of the message."""
    if answer.ok:
        return sent(answer, member(answer, "id"))
    words, code = text_of(member(answer, "message")), number_of(member(answer, "code"))
    if answer.status == 404 or code in (_UNKNOWN_WEBHOOK, _INVALID_TOKEN):
        return ended(answer, SendResult.GONE, words)
    return by_status(answer, words, own=(401, 403, 407))


DISCORD = http_kind(name="discord", config=DiscordConfig, build=build, classify=classify)


def configured(settings: HttpSettings) -> Sequence[Configured]:
    """Always: the address holds all that is needed."""
    return [("discord", DISCORD, DiscordConfig(**limits_of(settings, "discord")))]


CHANNEL = ChannelSpec(name="discord", settings=HttpSettings, normal_address=url_address("discord"), kinds=[DISCORD], configured=configured)
