"""Who was asked about which incident, and the token of a link that lets them answer."""

from dataclasses import dataclass
from typing import Final

from mailer_svc.domain.errors import AnswerLinkExpired, AnswerLinkInvalid
from mailer_svc.domain.sealed_links import SealedTexts
from tocsin.clock import DAY

LASTING: Final = 7 * DAY
"""Microseconds that a link lasts: an answer that comes later is about something else by then."""

_FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class AnswerLink:
    """What a link says.

    Attributes:
        tenant: whose incident it is.
        incident: its id.
        recipient_id: who was asked.
        expires: when the link ends, microseconds since the epoch.
    """

    tenant: str
    incident: str
    recipient_id: str
    expires: int


class AnswerTokens:
    """Seals and opens what links say."""

    def __init__(self, key: bytes) -> None:
        """Takes a key of `mailer_svc.domain.sealed_links.KEY_BYTES`."""
        self._sealed = SealedTexts(key)

    def seal(self, link: AnswerLink) -> str:
        """The token, of characters that need no escape in a URL."""
        return self._sealed.seal((link.tenant, link.incident, link.recipient_id, str(link.expires)))

    def open(self, token: str, *, now: int) -> AnswerLink:
        """What a token says.

        Raises:
            AnswerLinkInvalid: it is none of ours.
            AnswerLinkExpired: its time is over.
        """
        parts = self._sealed.open(token, _FIELDS)
        if parts is None or not parts[3].isdigit():
            raise AnswerLinkInvalid
        link = AnswerLink(parts[0], parts[1], parts[2], int(parts[3]))
        if link.expires <= now:
            raise AnswerLinkExpired
        return link
