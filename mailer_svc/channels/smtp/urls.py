"""SMTP servers as URLs, for settings that hold several (pure)."""

from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit


class TlsMode(StrEnum):
    """How a connection is encrypted: not at all, by STARTTLS (mandatory then), or from the first byte."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


_SCHEMES: Final = {"smtp": (TlsMode.NONE, 25), "smtp+starttls": (TlsMode.STARTTLS, 587), "smtps": (TlsMode.IMPLICIT, 465)}


class SmtpUrl(NamedTuple):
    """What a URL says of a server."""

    host: str
    port: int
    tls: TlsMode
    username: str
    password: str


def parse_urls(text: str) -> list[SmtpUrl]:
    """The servers that ``text`` names: URLs with white space between.

    ``smtp://host`` is without TLS, ``smtp+starttls://user:password@host:587`` demands STARTTLS, ``smtps://user:password@host`` is TLS from
    the first byte. Characters with a meaning in URLs are written as %XX.

    Raises:
        ValueError: one of them is none; its place is named, and not what it says, for it may hold a password.
    """
    return [_parse(url, place) for place, url in enumerate(text.split(), start=1)]


def _parse(url: str, place: int) -> SmtpUrl:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"URL {place} is malformed") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"URL {place} must begin with {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
    if not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"URL {place} must be a host, with a port, a user and a password if need be, and nothing else")
    tls, usual = _SCHEMES[parts.scheme]
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if username and tls is TlsMode.NONE:
        raise ValueError(f"URL {place} has a user: a password is not sent without TLS")
    return SmtpUrl(host, port or usual, tls, username, password)
