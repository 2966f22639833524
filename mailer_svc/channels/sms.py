"""SMS by Twilio (https://www.twilio.com/docs/messaging/api/message-resource), and what it tells of them later."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, SecretStr, model_validator

from mailer_svc.channels.addresses import pattern_address
from mailer_svc.channels.answers import by_status, ended, member, number_of, sent, text_of
from mailer_svc.channels.http import BaseUrl, HttpProvider, HttpProviderConfig, PlainApi
from mailer_svc.channels.limits import HttpSettings, limits_of
from mailer_svc.channels.spec import CallbackRefused, CallbackRequest, ChannelSpec, Configured, Parts, ProviderKind
from mailer_svc.channels.texts import cut, whole
from mailer_svc.domain import SendJob, SendOutcome, SendResult
from mailer_svc.domain.status_reports import ReportKind, StatusReport
from mailer_svc.ports import Provider
from tocsin.egress.client import HttpAnswer, HttpRequest
from tocsin.errors import InvalidInput

_NAME: Final = "sms"
_normal: Final = pattern_address(_NAME)
_LONGEST_CHARS: Final = 1600
_VALIDITY_SECONDS: Final = 14_400
_GONE: Final = (21211, 21214, 21217, 21614)  # no such number, or not a mobile one
_STOPPED: Final = (21610,)  # its owner answered STOP; https://www.twilio.com/docs/api/errors/21610
_OURS: Final = (20003, 20008, 21212, 21606, 21603, 21659, 21660, 21701, 21703)  # credentials, and the number or service to send from
_THROTTLED: Final = (20429, 14107, 63038)
_HARD: Final = (30004, 30005, 30006, 21614)
_RESULTS: Final = (
    (_GONE, SendResult.GONE),
    (_STOPPED, SendResult.OPTED_OUT),
    (_OURS, SendResult.MISCONFIGURED),
    (_THROTTLED, SendResult.PROVIDER_DOWN),
)
_WORDS: Final = {
    **dict.fromkeys(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"), ReportKind.OPTED_OUT),
    **dict.fromkeys(("START", "YES", "UNSTOP"), ReportKind.OPTED_IN),
}
"""What Twilio itself understands (https://help.twilio.com/articles/223134027); with Advanced Opt-Out it says so in ``OptOutType``."""
_CALLBACK_FIELDS: Final = 100
_KINDS: Final = {
    "delivered": ReportKind.DELIVERED,
    "read": ReportKind.DELIVERED,
    "undelivered": ReportKind.BOUNCED,
    "failed": ReportKind.BOUNCED,
}


class SmsSettings(HttpSettings):
    """What can be set for SMS."""

    sms_account: str = Field("", pattern="^(AC[0-9a-f]{32})?$", description="SID of the Twilio account; empty: there is no SMS.")
    sms_auth_token: SecretStr | None = Field(None, description="The account's auth token.")
    sms_previous_auth_token: SecretStr | None = Field(
        None, description="The auth token before, while one replaces the other: callbacks may be signed with either."
    )
    sms_from: str = Field(
        "",
        pattern=r"^(\+[1-9][0-9]{6,14}|MG[0-9a-f]{32}|[A-Za-z0-9 ]{1,11}|[0-9]{3,8})?$",
        description="Number, sender or messaging service.",
    )
    sms_max_chars: int = Field(480, ge=70, le=_LONGEST_CHARS, description="Characters of an SMS at most; each 153 or so cost a message.")
    sms_url: BaseUrl = Field("https://api.twilio.com", min_length=1, description="Twilio's API.")

    @model_validator(mode="after")
    def _complete_sms(self) -> "SmsSettings":
        if self.sms_account and not (self.sms_auth_token and self.sms_from):
            raise ValueError("TOCSIN_MAILER_SMS_ACCOUNT needs TOCSIN_MAILER_SMS_AUTH_TOKEN and TOCSIN_MAILER_SMS_FROM")
        return self


class TwilioConfig(HttpProviderConfig):
    """What can be set for an account at Twilio."""

    account: str = Field(pattern="^AC[0-9a-f]{32}$", description="Its SID.")
    auth_token: SecretStr = Field(description="Its auth token.")
    previous_auth_token: SecretStr = Field(default=SecretStr(""), description="The one before, which callbacks may still be signed with.")
    sender: str = Field(
        pattern=r"^(\+[1-9][0-9]{6,14}|MG[0-9a-f]{32}|[A-Za-z0-9 ]{1,11}|[0-9]{3,8})$", description="Number, sender or messaging service."
    )
    max_chars: int = Field(default=480, ge=70, le=_LONGEST_CHARS, description="Characters of an SMS at most.")
    url: BaseUrl = Field(default="https://api.twilio.com", min_length=1, description="Twilio's API.")


def build(job: SendJob, config: TwilioConfig, *, callback_url: str = "") -> HttpRequest:
    """The request for a message."""
    fields = {
        "To": job.to,
        "MessagingServiceSid" if config.sender.startswith("MG") else "From": config.sender,
        "Body": cut(whole(job.content), config.max_chars),
        "ValidityPeriod": str(_VALIDITY_SECONDS),
        **({"StatusCallback": callback_url} if callback_url else {}),
    }
    user = f"{config.account}:{config.auth_token.get_secret_value()}".encode()
    headers = {"authorization": f"Basic {base64.b64encode(user).decode()}", "content-type": "application/x-www-form-urlencoded"}
    url = f"{config.url}/2010-04-01/Accounts/{config.account}/Messages.json"
    return HttpRequest(url=url, headers=headers, body=urlencode(fields).encode())


def classify(answer: HttpAnswer) -> SendOutcome:
    """What an answer means: Twilio's own code says more than the status."""
    if answer.ok:
        return sent(answer, member(answer, "sid"))
    code = number_of(member(answer, "code"))
    words = f"{code} {text_of(member(answer, 'message'))}" if code else ""
    for codes, result in _RESULTS:
        if code in codes:
            return ended(answer, result, words)
    return by_status(answer, words, own=(403,), away=(429, 503))


def callback(config: TwilioConfig, request: CallbackRequest) -> Sequence[StatusReport]:
    """What Twilio tells of a message (https://www.twilio.com/docs/usage/security#validating-requests)."""
    try:
        fields = parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=_CALLBACK_FIELDS)
    except ValueError:  # UnicodeDecodeError is one
        raise CallbackRefused("the callback is not a form") from None
    signature = request.headers.get("x-twilio-signature", "").encode("utf-8", "replace")
    tokens = [token.get_secret_value() for token in (config.auth_token, config.previous_auth_token) if token.get_secret_value()]
    matches = [hmac.compare_digest(_signature(token, request.url, fields), signature) for token in tokens]
    if not any(matches):
        raise CallbackRefused("the callback is not signed by Twilio")
    values = dict(fields)
    return _of_message(values) if "MessageStatus" in values else _of_sender(values)


def _of_message(values: Mapping[str, str]) -> Sequence[StatusReport]:
    """What became of a message of ours."""
    status, sid, code = values["MessageStatus"][:32], values.get("MessageSid", "")[:64], values.get("ErrorCode", "")
    if not sid or not status:
        return ()
    number = int(code) if code.isascii() and code.isdigit() and len(code) < 9 else 0
    told = StatusReport(
        kind=_KINDS.get(status, ReportKind.NOTED),
        reference=sid,
        detail=f"{status} {number or ''}".strip(),
        code=number,
        soft=number not in _HARD,
        event=f"{sid}:{status}",
    )
    if number not in _STOPPED:
        return [told]
    stopped = replace(told, kind=ReportKind.OPTED_OUT, soft=False, event=f"{sid}:{status}:stop")
    return [replace(told, kind=ReportKind.DROPPED), stopped]


def _of_sender(values: Mapping[str, str]) -> Sequence[StatusReport]:
    """What somebody wrote to our number: to stop, or to go on; nothing else is heard."""
    word = values.get("OptOutType") or values.get("Body", "")[:32].strip()
    kind, sender, sid = _WORDS.get(word.upper()), values.get("From", ""), values.get("MessageSid", "")[:64]
    if kind is None or not sender:
        return ()
    try:
        address = _normal(sender)
    except InvalidInput:
        return ()  # no number, such as the name of a sender or "whatsapp:+1"
    return [
        StatusReport(
            kind=kind,
            provider=TWILIO.name,
            detail=f"answered {word.upper()}",
            channel=_NAME,
            address=address,
            event=f"{sid}:{word.upper()}",
        )
    ]


def _signature(token: str, url: str, fields: Sequence[tuple[str, str]]) -> bytes:
    text = url + "".join(f"{name}{value}" for name, value in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), text.encode("utf-8", "replace"), hashlib.sha1).digest())


def make(name: str, config: TwilioConfig, parts: Parts) -> Provider:
    """An account, which tells of its messages where people reach the gateway."""
    own = partial(build, callback_url=parts.callback_url(name))
    api = PlainApi(config, build=own, classify=classify, base=config.url, idempotent=False)
    return HttpProvider(name=name, kind=TWILIO.name, api=api, config=config, parts=parts)


TWILIO = ProviderKind(name="twilio", config=TwilioConfig, make=make, callback=callback)


def configured(settings: SmsSettings) -> Sequence[Configured]:
    """The account, if there is one."""
    if not settings.sms_account or settings.sms_auth_token is None:
        return ()
    config = TwilioConfig(
        account=settings.sms_account,
        auth_token=settings.sms_auth_token,
        previous_auth_token=settings.sms_previous_auth_token or SecretStr(""),
        sender=settings.sms_from,
        max_chars=settings.sms_max_chars,
        url=settings.sms_url,
        **limits_of(settings, "twilio"),
    )
    return [("twilio", TWILIO, config)]


CHANNEL = ChannelSpec(
    name=_NAME,
    settings=SmsSettings,
    normal_address=_normal,
    kinds=[TWILIO],
    configured=configured,
    missing="No account at Twilio is configured (TOCSIN_MAILER_SMS_ACCOUNT)",
    codes=True,
)
