"""The cookies of a browser's session (RFC 6265bis), and where they are taken: only of requests that come from pages of this gateway."""

import re
from ipaddress import ip_address
from typing import Final, NamedTuple

from gateway.http.headers import Headers
from gateway.transcoding.problems import HeadersInvalid
from tocsin.errors import FailedPrecondition, PermissionDenied, Unauthenticated

MOST_COOKIE_BYTES: Final = 16 * 1024
_SECRET: Final = re.compile(rb"t[bdx]_[A-Za-z0-9_-]{32,128}\Z")
_PORT: Final = re.compile(rb"[0-9]{1,5}\Z")
_HTTPS, _HTTP = 443, 80


class CrossSiteRefused(PermissionDenied):
    """A browser's session is taken of pages of this gateway alone: the request must say Sec-Fetch-Site: same-origin, or its own Origin."""


class InsecureSite(FailedPrecondition):
    """A browser signs in over https, or at localhost: over plain http anybody on the way could take its session."""


class CookieAmbiguous(Unauthenticated):
    """Several cookies claim to be the session of this browser: remove the cookies of this host, and sign in again."""


class Site(NamedTuple):
    """Where a browser sees this gateway.

    Attributes:
        secure: whether it came by TLS.
        host: the Host header.
        port: the one that the browser connected to.
        local: whether the host is this machine, where plain http is as good (Secure Contexts, 3.1).
    """

    secure: bool
    host: bytes
    port: int
    local: bool

    @classmethod
    def of(cls, host: bytes, *, secure: bool) -> "Site":
        """What a Host header says."""
        name, port = host, b""
        if not host.endswith(b"]"):
            before, colon, after = host.rpartition(b":")
            if colon and _PORT.match(after):
                name, port = before, after
        number = int(port) if port else (_HTTPS if secure else _HTTP)
        return cls(secure, host, number, _is_local(name.lower()))

    @property
    def usable(self) -> bool:
        """Whether a browser may have a session here."""
        return self.secure or self.local

    def cookie(self, kind: str = "") -> bytes:
        """The name of a cookie. Cookies know no port, so that the name has it: two installations on one host do not disturb each other.

        ``__Host-`` makes browsers refuse one that another host, another path or plain http has set (RFC 6265bis, 4.1.3.2).
        """
        return f"{'__Host-' if self.secure else ''}tocsin-{kind}{self.port}".encode()

    def is_origin(self, origin: bytes) -> bool:
        """Whether ``origin`` is this one (RFC 6454, 6.1)."""
        scheme, separator, host = origin.partition(b"://")
        if not separator or scheme != (b"https" if self.secure else b"http"):
            return False
        return Site.of(host, secure=self.secure)[2:] == self[2:] and _bare(host) == _bare(self.host)


def _is_local(name: bytes) -> bool:
    if name == b"localhost" or name.endswith(b".localhost"):
        return True
    try:
        return ip_address(name.decode("latin-1").strip("[]")).is_loopback
    except ValueError:
        return False


def _bare(host: bytes) -> bytes:
    """The host without its port."""
    if host.endswith(b"]"):
        return host.lower()
    before, colon, after = host.rpartition(b":")
    return (before if colon and _PORT.match(after) else host).lower()


def shown_secret(headers: Headers, name: bytes) -> str | None:
    """The secret in the cookie ``name``; None without one. What is no secret is empty.

    Raises:
        HeadersInvalid: the header is too long to be looked at.
        CookieAmbiguous: there are several; one of them another server of this host may have set.
    """
    header = headers.get(b"cookie")
    if header is None:
        return None
    if len(header) > MOST_COOKIE_BYTES:
        raise HeadersInvalid.at("cookie", f"is longer than {MOST_COOKIE_BYTES:,} bytes: remove the cookies of this host")
    pairs = (part.strip(b" \t").partition(b"=") for part in header.split(b";"))
    values = [value for found, _, value in pairs if found == name]
    if len(values) > 1:
        raise CookieAmbiguous
    if not values:
        return None
    return values[0].decode() if _SECRET.match(values[0]) else ""


def set_cookie(site: Site, name: bytes, secret: str, *, seconds: int, same_site: str = "Strict") -> bytes:
    """The value of Set-Cookie; with 0 seconds it removes the cookie."""
    attributes = f"; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{'; Secure' if site.secure else ''}"
    return name + b"=" + secret.encode() + attributes.encode()


def require_same_origin(headers: Headers, site: Site, *, safe: bool, strangers: bool = False) -> None:
    """Returns if a request comes from a page of this gateway.

    SameSite lets other ports of a host through, and whatever else is of the same site: Sec-Fetch-Site does not (Fetch Metadata, 2.4).

    Args:
        headers: of the request.
        site: where the browser sees this gateway.
        safe: whether it changes nothing and ends at once; then it may be what somebody typed, or an old browser's that says nothing.
        strangers: whether a request that says neither may pass, which no browser of today sends.

    Raises:
        CrossSiteRefused: it comes from elsewhere, or does not say where from.
    """
    fetched, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if fetched is not None:
        if fetched == b"same-origin" or (safe and fetched == b"none"):
            return
    elif origin is not None:
        if site.is_origin(origin):
            return
    elif safe or strangers:
        return
    raise CrossSiteRefused
