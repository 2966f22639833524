"""Cross-origin requests from browsers (WHATWG Fetch, section 3.2). Credentials are bearer tokens, so cookies are never allowed."""

from collections.abc import Iterable, Sequence

from gateway.http.exchange import Exchange
from gateway.http.headers import ALLOWED_FROM_BROWSERS, SHOWN_TO_BROWSERS
from tocsin.errors import PermissionDenied

_MAX_AGE = b"600"


class OriginRefused(PermissionDenied):
    """Pages of this origin may not open WebSockets here."""


class Cors:
    """Which origins may read the answers."""

    def __init__(self, *, origins: Iterable[str]) -> None:
        """Makes the rule.

        Args:
            origins: as in "https://app.example.com"; "*" stands for any.
        """
        self._origins = frozenset(origin.rstrip("/").encode() for origin in origins)

    def mark(self, exchange: Exchange) -> None:
        """Adds what an allowed browser needs to whatever the answer will be."""
        origin = exchange.headers.get(b"origin")
        if not self._origins or (origin is None and b"*" in self._origins):
            return
        if b"*" not in self._origins:
            exchange.add_header(b"vary", b"origin")
        if origin is not None and (allowed := self._allowed(origin)):
            exchange.add_header(b"access-control-allow-origin", allowed)
            exchange.add_header(b"access-control-expose-headers", SHOWN_TO_BROWSERS)

    def preflight(self, exchange: Exchange, allowed: Sequence[str]) -> list[tuple[bytes, bytes]]:
        """Headers of the answer to a preflight; none if the request is not one, or not from an allowed origin."""
        origin = exchange.headers.get(b"origin")
        if origin is None or b"access-control-request-method" not in exchange.headers or not self._allowed(origin):
            return []
        return [
            (b"access-control-allow-methods", ", ".join(allowed).encode()),
            (b"access-control-allow-headers", ALLOWED_FROM_BROWSERS),
            (b"access-control-max-age", _MAX_AGE),
        ]

    def check_socket(self, exchange: Exchange) -> None:
        """Returns if a WebSocket comes from no browser, from a page of this host, or from an allowed one: nothing else keeps pages out.

        Raises:
            OriginRefused: it comes from elsewhere (RFC 6455, 10.2).
        """
        origin = exchange.headers.get(b"origin")
        if origin is None or self._allowed(origin) or origin.partition(b"://")[2] == exchange.headers.get(b"host", b""):
            return
        raise OriginRefused

    def _allowed(self, origin: bytes) -> bytes | None:
        if b"*" in self._origins:
            return b"*"
        return origin if origin in self._origins else None
