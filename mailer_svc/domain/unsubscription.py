"""What somebody leaves with one click, and the token of a link that says so."""

from dataclasses import astuple, dataclass
from typing import Final

from mailer_svc.domain.errors import UnsubscribeTokenInvalid
from mailer_svc.domain.sealed_links import SealedTexts

_FIELDS: Final = 5


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """Who leaves what.

    Attributes:
        tenant: whose messages they are.
        recipient_id: who gets them; empty for an address that belongs to nobody.
        address: where they came.
        category: what is left.
        channel: how they came.
    """

    tenant: str
    recipient_id: str
    address: str
    category: str
    channel: str


class UnsubscribeTokens:
    """Seals and opens what links say; a token holds for ever."""

    def __init__(self, key: bytes) -> None:
        """Takes a key of `mailer_svc.domain.sealed_links.KEY_BYTES`."""
        self._sealed = SealedTexts(key)

    def seal(self, what: Unsubscription) -> str:
        """The token, of characters that need no escape in a URL."""
        return self._sealed.seal(astuple(what))

    def open(self, token: str) -> Unsubscription:
        """What a token says.

        Raises:
            UnsubscribeTokenInvalid: it is none of ours.
        """
        parts = self._sealed.open(token, _FIELDS)
        if parts is None:
            raise UnsubscribeTokenInvalid
        return Unsubscription(*parts)
