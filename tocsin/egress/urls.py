"""URLs of HTTP requests, read strictly (pure)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from tocsin.egress.addresses import Address, AllowedTargets, literal, why_not_public

MAX_URL_CHARS: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}
_NOT_IN_A_URL: Final = re.compile(r"[^\x21-\x7e]|[\"<>\\^`{|}]")
_BRACKETS: Final = re.compile(r"\](?::[0-9]*)?$")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")


class UrlRefused(ValueError):
    """The URL is not one that a request can go to; the words never hold the URL, for it may be a secret."""


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """A URL in parts: ``host`` is a name in lower case or an address without brackets, ``target`` the path with the query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of the header ``Host`` (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


@lru_cache(maxsize=1024)
def parse_url(text: str) -> HttpUrl:
    """The parts of an absolute URL with the scheme http or https; a name beyond ASCII becomes its IDNA 2008 form.

    Raises:
        UrlRefused: it is not one, has a user or a password, or a host that could be read in two ways.
    """
    if len(text) > MAX_URL_CHARS:
        raise UrlRefused(f"is longer than {MAX_URL_CHARS} characters")
    if not text.isprintable() or " " in text:
        raise UrlRefused("holds a blank, a line break or another character that cannot be printed")  # urlsplit would leave them out
    try:
        parts = urlsplit(text)
        host, port = _host_of(parts), parts.port
    except UrlRefused:
        raise
    except ValueError:
        raise UrlRefused("is not a URL") from None
    scheme = parts.scheme
    if scheme not in _PORTS:
        raise UrlRefused("must begin with https:// or http://")
    if "@" in parts.netloc:
        raise UrlRefused("must not hold a user or a password")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if _NOT_IN_A_URL.search(target):
        raise UrlRefused("holds a character that has to be written as %XX")
    return HttpUrl(scheme, host, _PORTS[scheme] if port is None else _port(port), target)


def why_never(url: HttpUrl, allowed: AllowedTargets) -> str:
    """Why a request of a user's may never go to ``url``, as far as it can be told without asking for its address; empty: it may."""
    if allowed.has_host(url.host):
        return ""
    if url.port not in _PORTS.values() and url.port < 1024:
        return f"port {url.port} belongs to another protocol"
    return why_never_host(url.host, allowed)


def why_never_host(host: str, allowed: AllowedTargets) -> str:
    """Why nothing of a user's may ever connect to ``host``, as far as it can be told without asking for its address; empty: it may."""
    address = literal(host)
    if allowed.has_host(host):
        return ""
    if address is None:
        return "" if "." in host or allowed.networks else "its host is not a name of the public internet"
    words = why_not_public(address, allowed)
    return f"its address is not a public one: {words}" if words else ""


def parse_host_port(text: str) -> tuple[str, int]:
    """The host and the port of ``host:port``, read as those of a URL are.

    Raises:
        UrlRefused: it is something else.
    """
    url = parse_url(f"http://{text}")
    if url.target != "/" or not text.rpartition(":")[2].isdecimal():
        raise UrlRefused("must be a host and a port, as in example.com:443")
    return url.host, url.port


def _port(port: int) -> int:
    if not port:
        raise UrlRefused("has port 0")
    return port


def _in_hexadecimal(address: Address) -> str:
    """As WHATWG's URL standard writes it; from Python 3.13 on, the last half of a mapped IPv4 address is written in decimal numbers."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        high, low = divmod(int(address.ipv4_mapped), 1 << 16)
        return f"::ffff:{high:x}:{low:x}"
    return str(address)


def _host_of(parts: SplitResult) -> str:
    """The host, as a name of DNS or an address; a dot at the end is left out, as no certificate has it."""
    host = (parts.hostname or "").removesuffix(".")
    if "[" in parts.netloc:
        address = literal(host)
        if address is None or "%" in host or not _BRACKETS.search(parts.netloc):
            raise UrlRefused("has brackets without an IPv6 address")
        return _in_hexadecimal(address)
    if not host.isascii():
        import httpx2  # for the few names that need it: its start takes as long as all of this module's others

        try:
            host = httpx2.URL(scheme="https", host=host).raw_host.decode("ascii")
        except httpx2.InvalidURL:
            raise UrlRefused("has a host that is not a name of DNS") from None
        if literal(host):
            raise UrlRefused("has an IPv4 address with characters beyond ASCII")
    if not _HOST.fullmatch(host):
        raise UrlRefused("has a host that is not a name of DNS")
    if _NUMBER.fullmatch(host.rpartition(".")[2]) and literal(host) is None:
        # WHATWG's URL standard: what ends in a number is an IPv4 address; 127.1, 0x7f.1 and 017700000001 are one to some resolvers.
        raise UrlRefused("has an IPv4 address that is not written as four decimal numbers")
    return host
