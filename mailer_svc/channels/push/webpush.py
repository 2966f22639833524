"""Web Push: a request to the push service of a browser, with no account anywhere (RFC 8030, 8291, 8292)."""

import re
from typing import Any, Final

from pydantic import Field, field_validator

from mailer_svc.channels.http import HttpProvider
from mailer_svc.channels.push.encryption import CODING, MAX_PLAINTEXT, encrypt
from mailer_svc.channels.push.message import URGENCY, PushMessage, PushProviderConfig, fitted, message_of, topic_of
from mailer_svc.channels.push.subscription import PREFIX, parse
from mailer_svc.channels.push.vapid import Vapid, installation_key
from mailer_svc.channels.spec import Parts, ProviderKind
from mailer_svc.domain import SendJob, SendOutcome, SendResult
from tocsin.egress.client import HttpAnswer, HttpRequest

_SUBJECT: Final = re.compile(r"mailto:[^@\s]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+|https://(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(?:[:/?]\S*)?")
_NOWHERE: Final = re.compile(r"\.(?:local|localhost|internal|invalid)(?:[:/?]|$)")
_ANOTHER_KEY: Final = ("mismatch", "do not correspond")  # Apple and Mozilla; Google


def checked_subject(value: str) -> str:
    """``value``, if every push service takes it.

    Raises:
        ValueError: it is no URI by which somebody can be reached. Apple takes no message then, and says only that the token is bad.
    """
    if not _SUBJECT.fullmatch(value) or _NOWHERE.search(value):
        raise ValueError("must be mailto: with an address, or an https URL, of a domain of the public internet")
    return value


class WebPushConfig(PushProviderConfig):
    """What can be set for Web Push."""

    subject: str = Field(max_length=320, description='How operators of push services reach you: "mailto:ops@example.com" or an https URL.')

    @field_validator("subject")
    @classmethod
    def _reachable(cls, value: str) -> str:
        return checked_subject(value)


class WebPushApi:
    """The push services of the browsers; which one, the subscription says."""

    base = ""
    idempotent = False

    def __init__(self, *, vapid: Vapid, ttl: int) -> None:
        """Takes who we are, and the seconds for which a push service keeps a message for a device that is off."""
        self._vapid = vapid
        self._ttl = ttl

    def build(self, job: SendJob) -> HttpRequest:
        """The request for a delivery, whose message only the browser can read.

        Raises:
            AddressInvalid: its address is no subscription.
        """
        subscription = parse(job.to)
        message = message_of(job)
        plaintext = fitted(lambda body: _document(message, body), message.body, MAX_PLAINTEXT)
        headers = {
            "content-type": "application/octet-stream",
            "content-encoding": CODING,
            "ttl": str(self._ttl),
            "urgency": URGENCY[job.priority],
            "topic": topic_of(job.id),
            "authorization": self._vapid.authorization(subscription.origin),
        }
        return HttpRequest(url=str(subscription.endpoint), headers=headers, body=encrypt(plaintext, subscription))

    async def authorize(self, request: HttpRequest) -> HttpRequest:
        """It is signed already."""
        return request

    async def renew(self, refused: HttpRequest) -> bool:
        """There is one key alone."""
        del refused
        return False

    def classify(self, answer: HttpAnswer) -> SendOutcome:
        """What a push service's answer means."""
        return classify(answer)


def _document(message: PushMessage, body: str) -> dict[str, Any]:
    """What the service worker gets; ``action`` is what ``notificationclick`` tells of a button, so it is its URL.

    To those of the URLs that are in ``answers`` the worker may send an empty POST itself.
    """
    data: dict[str, Any] = {"delivery": f"deliveries/{message.delivery}", "url": message.url}
    if message.answers:
        data["answers"] = message.answers
    return {
        "title": message.title,
        "body": body,
        "actions": [{"action": url, "title": label} for label, url in message.actions],
        "data": data,
    }


def classify(answer: HttpAnswer) -> SendOutcome:
    """What a push service's answer means (RFC 8030, 5 and 8.4; RFC 8292, 4.2)."""
    status = answer.status
    detail = f"{status} {answer.text()}".strip()
    if answer.ok:
        return SendOutcome(SendResult.SENT, status, reference=answer.headers.get("location", "")[:500])
    if status in (404, 410):
        return SendOutcome(SendResult.GONE, status, detail)
    if status in (400, 401, 403):
        if any(words in answer.text().lower() for words in _ANOTHER_KEY):
            return SendOutcome(SendResult.GONE, status, f"the subscription was made with another key: {detail}")
        return SendOutcome(SendResult.MISCONFIGURED, status, f"the push service refuses our key or subject: {detail}")
    if status == 429:
        return SendOutcome(SendResult.PROVIDER_DOWN, status, detail, retry_after=answer.retry_after)
    if status >= 500 or status == 408:
        return SendOutcome(SendResult.DEFERRED, status, detail, retry_after=answer.retry_after)
    return SendOutcome(SendResult.REFUSED, status, detail)


def make(name: str, config: WebPushConfig, parts: Parts) -> HttpProvider:
    """A provider that signs with the installation's key."""
    vapid = Vapid(key=lambda: installation_key(parts.web_push_key, parts.key), subject=config.subject, clock=parts.clock)
    api = WebPushApi(vapid=vapid, ttl=config.ttl_seconds)
    return HttpProvider(name=name, kind=WEBPUSH.name, api=api, config=config, parts=parts, takes=WEBPUSH.takes)


WEBPUSH: Final = ProviderKind(name="webpush", config=WebPushConfig, make=make, takes=lambda address: address.startswith(PREFIX))
