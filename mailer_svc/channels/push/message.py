"""What a push message says, cut to what a push service takes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from pydantic import Field

from mailer_svc.channels.http import HttpProviderConfig
from mailer_svc.channels.push.subscription import encode
from mailer_svc.domain import Priority, SendJob

URGENCY: Final = {Priority.CRITICAL: "high", Priority.NORMAL: "normal", Priority.BULK: "low"}
"""RFC 8030, 5.3: what a phone with little power still wakes up for."""

LONGEST_TTL: Final = 28 * 86400
"""Seconds for which Firebase and OneSignal keep a message, at most."""

_ELLIPSIS: Final = "…"
_TITLE_OCTETS: Final = 400  # phones show some 50 characters
_ACTIONS: Final = 3
_LABEL_OCTETS: Final = 100
_URL_OCTETS: Final = 500


class PushProviderConfig(HttpProviderConfig):
    """What can be set for every provider of push."""

    ttl_seconds: int = Field(default=86400, ge=0, le=LONGEST_TTL, description="A message is kept for a device that is off for so long.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushMessage:
    """The parts of a push message: ``actions`` are buttons (label, URL), ``body`` is as long as it was written.

    ``answers`` are those of the URLs to which an empty POST answers.
    """

    title: str
    body: str
    actions: tuple[tuple[str, str], ...]
    delivery: str
    answers: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Where a click leads; empty: nowhere."""
        return self.actions[0][1] if self.actions else ""


def message_of(job: SendJob) -> PushMessage:
    """What a delivery says: a title that fits everywhere, and the buttons that are short enough for a push message."""
    content = job.content
    buttons = [action for action in content.actions if len(_json(action.url)) <= _URL_OCTETS][:_ACTIONS]
    return PushMessage(
        title=cut(content.subject, _TITLE_OCTETS),
        body=content.text,
        actions=tuple((cut(action.label, _LABEL_OCTETS), action.url) for action in buttons),
        delivery=job.id,
        answers=tuple(action.url for action in buttons if action.answers),
    )


def topic_of(delivery: str) -> str:
    """The name under which a push service replaces a message by its repetition: 32 characters of base64url (RFC 8030, 5.4)."""
    return encode(blake2b(delivery.encode(), digest_size=24).digest())


def fitted(document: Callable[[str], Mapping[str, Any]], text: str, octets: int) -> bytes:
    """The JSON of ``document``, which holds the text that it is given once, with as much of ``text`` as ``octets`` have room for."""
    return _json(document(cut(text, octets - len(_json(document(""))))))


def cut(text: str, octets: int) -> str:
    """The beginning of ``text`` that has at most ``octets`` in a JSON string (UTF-8, quotes aside), with an ellipsis if it was cut."""
    if _size(text) <= octets:
        return text
    low, high = 0, max(0, min(len(text), octets))  # characters that fit, and that may
    while low < high:
        middle = (low + high + 1) // 2
        if _size(text[:middle]) + len(_ELLIPSIS.encode()) <= octets:
            low = middle
        else:
            high = middle - 1
    return text[:low] + _ELLIPSIS if octets >= len(_ELLIPSIS.encode()) else ""


def _size(text: str) -> int:
    return len(_json(text)) - 2


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
