"""Gotify: an application of the operator's server, by its token (https://gotify.net/docs/pushmsg)."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import Field

from mailer_svc.channels.addresses import pattern_address
from mailer_svc.channels.answers import by_status, ended, member, number_of, sent, text_of
from mailer_svc.channels.http import BaseUrl, HttpProviderConfig, http_kind
from mailer_svc.channels.limits import HttpSettings, limits_of
from mailer_svc.channels.spec import ChannelSpec, Configured
from mailer_svc.channels.texts import cut, plain_body
from mailer_svc.domain import Priority, SendJob, SendOutcome, SendResult
from tocsin.egress.client import HttpAnswer, HttpRequest

_MESSAGE_CHARS: Final = 60_000
_PRIORITIES: Final = {Priority.CRITICAL: 8, Priority.NORMAL: 5, Priority.BULK: 2}


class GotifySettings(HttpSettings):
    """What can be set for Gotify."""

    gotify_url: BaseUrl = Field("", description="The Gotify server, such as https://gotify.example.com; empty: there is none.")


class GotifyConfig(HttpProviderConfig):
    """What can be set for a Gotify server."""

    url: BaseUrl = Field(min_length=1, description="The server.")


def build(job: SendJob, config: GotifyConfig) -> HttpRequest:
    """The request for a message; the address is the token of the application that shows it."""
    content = job.content
    extras: dict[str, Any] = {"client::display": {"contentType": "text/plain"}}
    if content.actions:
        extras["client::notification"] = {"click": {"url": content.actions[0].url}}
    document = {
        "title": content.subject,
        "message": cut(plain_body(content) or content.subject, _MESSAGE_CHARS),
        "priority": _PRIORITIES[job.priority],
        "extras": extras,
    }
    return HttpRequest.of_json(f"{config.url}/message", document, {"x-gotify-key": job.to})


def classify(answer: HttpAnswer) -> SendOutcome:
    """What an answer means; a token that Gotify itself does not know is an application that was deleted."""
    if answer.ok:
        return sent(answer, member(answer, "id"))
    words = text_of(member(answer, "errorDescription"))
    if answer.status == 401 and number_of(member(answer, "errorCode")) == 401:
        return ended(answer, SendResult.GONE, words)
    return by_status(answer, words)


GOTIFY = http_kind(name="gotify", config=GotifyConfig, build=build, classify=classify, base=lambda config: config.url)


def configured(settings: GotifySettings) -> Sequence[Configured]:
    """The server, if one is set."""
    if not settings.gotify_url:
        return ()
    return [("gotify", GOTIFY, GotifyConfig(url=settings.gotify_url, **limits_of(settings, "gotify")))]


CHANNEL = ChannelSpec(
    name="gotify",
    settings=GotifySettings,
    normal_address=pattern_address("gotify"),
    kinds=[GOTIFY],
    configured=configured,
    missing="No Gotify server is configured (TOCSIN_MAILER_GOTIFY_URL)",
)
