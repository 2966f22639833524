"""ntfy: a topic of the operator's server, or of any other by its URL (https://docs.ntfy.sh/publish/#publish-as-json)."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import Field, SecretStr

from mailer_svc.channels.addresses import is_url, pattern_address, url_address
from mailer_svc.channels.answers import by_status, member, sent, text_of
from mailer_svc.channels.http import BaseUrl, HttpProvider, HttpProviderConfig, PlainApi
from mailer_svc.channels.limits import HttpSettings, limits_of
from mailer_svc.channels.spec import ChannelSpec, Configured, Parts, ProviderKind
from mailer_svc.channels.texts import cut, octets, plain_body
from mailer_svc.domain import MessageAction, Priority, SendJob, SendOutcome
from mailer_svc.ports import Provider
from tocsin.egress.client import HttpAnswer, HttpRequest

_MESSAGE_OCTETS: Final = 4096
_TITLE_OCTETS: Final = 250
_ACTIONS: Final = 3
_PRIORITIES: Final = {Priority.CRITICAL: 5, Priority.NORMAL: 3, Priority.BULK: 2}


class NtfySettings(HttpSettings):
    """What can be set for ntfy."""

    ntfy_url: BaseUrl = Field("", description="The ntfy server of topics, such as https://ntfy.sh; empty: only URLs of topics.")
    ntfy_token: SecretStr | None = Field(None, description="Access token there.")


class NtfyConfig(HttpProviderConfig):
    """What can be set for an ntfy server."""

    url: BaseUrl = Field(default="", description="The server of topics; empty: only URLs of topics.")
    token: SecretStr = Field(default=SecretStr(""), description="Access token there.")


def build(job: SendJob, config: NtfyConfig) -> HttpRequest:
    """The request for a message; the token goes to the operator's server alone."""
    url = config.url
    server, topic = job.to.rsplit("/", 1) if is_url(job.to) else (url, job.to)
    token = config.token.get_secret_value() if url and server == url else ""
    return HttpRequest.of_json(f"{server}/", _document(job, topic), {"authorization": f"Bearer {token}"} if token else None)


def _document(job: SendJob, topic: str) -> dict[str, Any]:
    content = job.content
    actions = [_button(action) for action in content.actions[:_ACTIONS]]
    return {
        "topic": topic,
        "title": cut(content.subject, _TITLE_OCTETS, octets),
        "message": cut(plain_body(content) or content.subject, _MESSAGE_OCTETS, octets),
        "priority": _PRIORITIES[job.priority],
        **({"actions": actions, "click": content.actions[0].url} if actions else {}),
    }


def _button(action: MessageAction) -> dict[str, Any]:
    """A button that opens a page, or answers on the phone itself, and takes the notification away (ntfy's "http" action)."""
    if action.answers:
        return {"action": "http", "label": action.label, "url": action.url, "method": "POST", "clear": True}
    return {"action": "view", "label": action.label, "url": action.url}


def classify(answer: HttpAnswer) -> SendOutcome:
    """What an answer means."""
    if answer.ok:
        return sent(answer, member(answer, "id"))
    return by_status(answer, text_of(member(answer, "error")))


def normal(text: str) -> str:
    """A topic as it is, or the URL of one."""
    return url_address("ntfy")(text) if is_url(text) else pattern_address("ntfy")(text)


def takes(config: NtfyConfig, address: str) -> bool:
    """Topics need a server."""
    return bool(config.url) or is_url(address)


def make(name: str, config: NtfyConfig, parts: Parts) -> Provider:
    """A sender to one server, and to those that addresses name."""
    api = PlainApi(config, build=build, classify=classify, base=config.url, idempotent=False)
    return HttpProvider(name=name, kind="ntfy", api=api, config=config, parts=parts, takes=lambda address: takes(config, address))


NTFY = ProviderKind(name="ntfy", config=NtfyConfig, make=make)


def configured(settings: NtfySettings) -> Sequence[Configured]:
    """Always: a topic may be named by its URL."""
    token = settings.ntfy_token or SecretStr("")
    return [("ntfy", NTFY, NtfyConfig(url=settings.ntfy_url, token=token, **limits_of(settings, "ntfy")))]


CHANNEL = ChannelSpec(name="ntfy", settings=NtfySettings, normal_address=normal, kinds=[NTFY], configured=configured)
