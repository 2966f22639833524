"""Stream tokens in a URL: for a browser's EventSource and WebSocket, which send no Authorization header (RFC 6750, 2.3)."""

from typing import Final, NamedTuple

from gateway.ports import StreamTokenExchange
from tocsin.errors import InvalidInput, Unauthenticated

_PARAMETER: Final = b"access_token"
_MOST: Final = 4000


class StreamTokenRefused(Unauthenticated):
    """The stream token is not valid, has ended, or is for another path."""


class ShownToken(NamedTuple):
    """What a query shows: a token, if any, and the query without it."""

    token: bytes | None
    query: bytes


def shown_token(query: bytes) -> ShownToken:
    """The token of a query, which goes no further.

    Raises:
        InvalidInput: there are several.
    """
    if _PARAMETER not in query:
        return ShownToken(None, query)
    parts = query.split(b"&")
    tokens = [value for name, _, value in (part.partition(b"=") for part in parts) if name == _PARAMETER]
    if len(tokens) > 1:
        raise InvalidInput.at("access_token", "given twice")
    rest = b"&".join(part for part in parts if part.partition(b"=")[0] != _PARAMETER)
    return ShownToken(tokens[0] if tokens else None, rest)


class StreamTokenDoor:
    """Turns a stream token into the Authorization header that it stands for."""

    def __init__(self, *, exchange: StreamTokenExchange) -> None:
        """Takes what exchanges tokens."""
        self._exchange = exchange

    async def open(self, token: bytes, *, path: str) -> bytes:
        """The header that ``token`` stands for at ``path``.

        Raises:
            StreamTokenRefused: it is not valid there.
            Unavailable: that cannot be known now.
        """
        if not token.isascii() or not 0 < len(token) <= _MOST:
            raise StreamTokenRefused
        try:
            return b"Bearer " + (await self._exchange.exchange(token.decode(), path)).encode()
        except (Unauthenticated, InvalidInput) as error:
            raise StreamTokenRefused from error
