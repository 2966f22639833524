"""Telegram by a bot (https://core.telegram.org/bots/api#sendmessage)."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any, Final

from pydantic import Field, SecretStr, field_validator

from mailer_svc.channels.addresses import pattern_address
from mailer_svc.channels.answers import by_status, ended, member, number_of, sent, text_of
from mailer_svc.channels.http import BaseUrl, HttpProviderConfig, http_kind
from mailer_svc.channels.limits import HttpSettings, limits_of
from mailer_svc.channels.spec import ChannelSpec, Configured
from mailer_svc.channels.texts import cut, plain_body, utf16
from mailer_svc.domain import Priority, SendJob, SendOutcome, SendResult
from tocsin.egress.client import HttpAnswer, HttpRequest

_TEXT_UNITS: Final = 4096
_SUBJECT_UNITS: Final = 900
_ACTIONS: Final = 8
_LABEL_CHARS: Final = 64
_TOKEN: Final = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,100}")
# Of the words behind "Bad Request: " and "Forbidden: ": what no later message would change.
_GONE: Final = (
    "bot was blocked by the user",
    "bot was kicked",
    "chat was deleted",
    "user is deactivated",
    "chat not found",
    "bot is not a member",
    "bot can't initiate conversation",
    "bot can't send messages to bots",
    "the group chat was deleted",
    "peer_id_invalid",
)


class TelegramSettings(HttpSettings):
    """What can be set for Telegram."""

    telegram_token: SecretStr | None = Field(None, description="Token of the bot, as @BotFather gives it; none: there is no Telegram.")
    telegram_url: BaseUrl = Field("https://api.telegram.org", min_length=1, description="The Bot API server.")

    @field_validator("telegram_token")
    @classmethod
    def _is_token(cls, value: SecretStr | None) -> SecretStr | None:
        return checked_token(value) if value else value


class TelegramConfig(HttpProviderConfig):
    """What can be set for a bot."""

    token: SecretStr = Field(description="Its token, as @BotFather gives it.")
    url: BaseUrl = Field(default="https://api.telegram.org", min_length=1, description="The Bot API server.")

    @field_validator("token")
    @classmethod
    def _is_token(cls, value: SecretStr) -> SecretStr:
        return checked_token(value)


def checked_token(value: SecretStr) -> SecretStr:
    """``value``, if it can be the token of a bot: it becomes part of a path."""
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be a number, a colon and a key, as @BotFather gives it")
    return value


def build(job: SendJob, config: TelegramConfig) -> HttpRequest:
    """The request for a message: the subject in bold, the text, a button for each action."""
    content = job.content
    subject = cut(content.subject, _SUBJECT_UNITS, utf16)
    body = cut(plain_body(content), _TEXT_UNITS - utf16(subject) - 2, utf16)
    document: dict[str, Any] = {
        "chat_id": job.to if job.to.startswith("@") else int(job.to),
        "text": f"<b>{escape(subject, quote=False)}</b>\n\n{escape(body, quote=False)}".rstrip(),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": job.priority is Priority.BULK,
    }
    # Telegram refuses the whole message for a button whose URL it does not like.
    buttons = [action for action in content.actions if action.url.startswith("https://")][:_ACTIONS]
    if buttons:
        document["reply_markup"] = {
            "inline_keyboard": [[{"text": cut(button.label, _LABEL_CHARS), "url": button.url}] for button in buttons]
        }
    return HttpRequest.of_json(f"{config.url}/bot{config.token.get_secret_value()}/sendMessage", document)


def classify(answer: HttpAnswer) -> SendOutcome:
    """What an answer means. A group that became a supergroup has another id, which the answer tells."""
    words = text_of(member(answer, "description"))
    if answer.ok and member(answer, "ok") is True:
        return sent(answer, member(answer, "result", "message_id"))
    if moved := number_of(member(answer, "parameters", "migrate_to_chat_id")):
        return SendOutcome(SendResult.DEFERRED, answer.status, f"{answer.status} {words}", new_address=str(moved))
    if answer.status in (400, 403) and any(reason in words.lower() for reason in _GONE):
        return ended(answer, SendResult.GONE, words)
    if answer.status == 404:
        return ended(answer, SendResult.MISCONFIGURED, words)  # what a token looks like that is none
    if answer.status == 429:
        asked = number_of(member(answer, "parameters", "retry_after"))
        return ended(answer, SendResult.PROVIDER_DOWN, words, retry_after=float(asked) if asked else None)
    if answer.ok:
        return ended(answer, SendResult.DEFERRED, words or "not an answer of Telegram's")
    return by_status(answer, words, own=(403,))


TELEGRAM = http_kind(name="telegram", config=TelegramConfig, build=build, classify=classify, base=lambda config: config.url)


def configured(settings: TelegramSettings) -> Sequence[Configured]:
    """The bot, if there is one."""
    if settings.telegram_token is None:
        return ()
    config = TelegramConfig(token=settings.telegram_token, url=settings.telegram_url, **limits_of(settings, "telegram"))
    return [("telegram", TELEGRAM, config)]


CHANNEL = ChannelSpec(
    name="telegram",
    settings=TelegramSettings,
    normal_address=pattern_address("telegram"),
    kinds=[TELEGRAM],
    configured=configured,
    missing="No Telegram bot is configured (TOCSIN_MAILER_TELEGRAM_TOKEN)",
    codes=True,
)
