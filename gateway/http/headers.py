"""Headers: what is read of a request, and nothing else.

Only the headers named here have any effect, and none travels on as it is but those that the contract names for a method (its option
``http``), as a part of the request; so a client cannot send what only the mesh may say.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final

from gateway.transcoding.problems import HeadersInvalid

Headers = dict[bytes, bytes]

_READ = frozenset(
    {
        b"baggage", b"tracestate",
        b"accept", b"accept-encoding", b"accept-language", b"access-control-request-method", b"authorization", b"connect-accept-encoding",
        b"connect-content-encoding", b"connect-protocol-version", b"connect-timeout-ms", b"content-encoding", b"content-length",
        b"content-type", b"cookie", b"grpc-accept-encoding", b"grpc-encoding", b"grpc-timeout", b"host", b"idempotency-key",
        b"if-match", b"if-none-match",
        b"last-event-id", b"origin", b"sec-fetch-site", b"traceparent", b"transfer-encoding", b"user-agent", b"x-request-timeout",
    }
)  # fmt: skip
# A proxy and the gateway must not read two different ones (RFC 9110, section 5.3).
_SINGLE = frozenset({b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key", b"last-event-id"})
# Optional whitespace around a value is no part of it (RFC 9110, section 5.5).
_OWS = b" \t"

ALLOWED_FROM_BROWSERS = (
    b"accept, accept-language, authorization, baggage, connect-accept-encoding, connect-content-encoding, connect-protocol-version, "
    b"connect-timeout-ms, content-encoding, content-type, grpc-accept-encoding, grpc-encoding, grpc-timeout, idempotency-key, if-match, "
    b"last-event-id, traceparent, tracestate, x-grpc-web, x-request-timeout, x-user-agent"
)
"""Answer to Access-Control-Request-Headers."""
SHOWN_TO_BROWSERS = (
    b"accept-post, allow, connect-content-encoding, etag, grpc-encoding, grpc-message, grpc-status, grpc-status-details-bin, "
    b"idempotency-replayed, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-trace-id"
)
"""Value of Access-Control-Expose-Headers."""

MOST_PASSED_ON = 8192
"""Most bytes of the headers of a request that are passed on."""

NOT_STORED: Final = ((b"cache-control", b"no-store"),)
AS_A_PAGE: Final = (
    *NOT_STORED,
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
)
"""What a service shows as a page of its own can run nothing, load nothing, be framed by nobody, and tell nobody where its reader was."""
AS_A_FRAME: Final = (
    *NOT_STORED,
    (
        b"content-security-policy",
        (
            b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
            b"frame-ancestors 'self'"
        ),
    ),
    (b"referrer-policy", b"no-referrer"),
)
"""What a stranger wrote, shown in a frame of our own pages: as `AS_A_PAGE`, and it sends no form and opens nothing, on its own neither."""

_GRPC_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])\Z")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MILLIS = re.compile(rb"[0-9]{1,10}\Z")
_SECONDS = re.compile(rb"[0-9]{1,6}(?:\.[0-9]{1,6})?s?\Z")


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers that matter, by lower-case name, without the whitespace around their values.

    Raises:
        HeadersInvalid: one that must be single is given twice.
    """
    found: Headers = {}
    for name, value in raw:
        if name in _READ:
            value = value.strip(_OWS)
            if name in found:
                if name in _SINGLE:
                    raise HeadersInvalid.at(name.decode(), "given twice")
                value = found[name] + (b"; " if name == b"cookie" else b",") + value
            found[name] = value
    return found


def passed_on(raw: Iterable[tuple[bytes, bytes]], names: Collection[bytes]) -> dict[str, str]:
    """The headers called ``names``, of which several of one name are one list (RFC 9110, section 5.3).

    A name that ends in a star stands for all headers that begin so.

    Raises:
        HeadersInvalid: they are longer than `MOST_PASSED_ON`.
    """
    found: dict[str, str] = {}
    length = 0
    prefixes = tuple(name[:-1] for name in names if name.endswith(b"*"))
    for name, value in raw:
        if name in names or name.startswith(prefixes):
            key, text = name.decode("latin-1"), value.strip(_OWS).decode("latin-1")
            if (length := length + len(text)) > MOST_PASSED_ON:
                raise HeadersInvalid.at(key, f"is longer than {MOST_PASSED_ON:,} bytes, with those before it")
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def requested_timeout(headers: Headers) -> float | None:
    """Seconds that the client gives the call: ``x-request-timeout: 2.5``, ``grpc-timeout: 2500m`` or ``connect-timeout-ms: 2500``.

    Raises:
        HeadersInvalid: the value is malformed.
    """
    if (plain := headers.get(b"x-request-timeout")) is not None:
        if not _SECONDS.match(plain):
            raise HeadersInvalid.at("x-request-timeout", 'must be a number of seconds such as "2.5"')
        return float(plain.rstrip(b"s"))
    if (text := headers.get(b"grpc-timeout")) is not None:
        if (match := _GRPC_TIMEOUT.match(text)) is None:
            raise HeadersInvalid.at("grpc-timeout", 'must be a number and a unit such as "2500m"')
        return int(match[1]) * _UNITS[match[2]]
    if (millis := headers.get(b"connect-timeout-ms")) is not None:
        if not _MILLIS.match(millis):
            raise HeadersInvalid.at("connect-timeout-ms", "must be a whole number of milliseconds, of 10 digits at most")
        return int(millis) / 1000
    return None


def check_host(headers: Headers, http_version: str) -> None:
    """Returns if the request names its host, as it must from HTTP/1.1 on (RFC 9112, section 3.2).

    Raises:
        HeadersInvalid: it does not.
    """
    if b"host" not in headers and http_version != "1.0":
        raise HeadersInvalid.at("host", "is missing")


def is_plain(headers: Headers) -> bool:
    """Whether the body has no coding; names of codings have no case (RFC 9110, section 8.4.1)."""
    codings = headers.get(b"content-encoding", b"").lower().split(b",")
    return all(coding.strip(_OWS) in (b"", b"identity") for coding in codings)


def takes_gzip(headers: Headers, name: bytes = b"accept-encoding") -> bool:
    """Whether the client takes gzip: named in the header ``name``, or by ``*``, with a quality above zero (RFC 9110, section 12.5.3)."""
    return takes_coding(headers, b"gzip", name)


def takes_coding(headers: Headers, coding: bytes, name: bytes = b"accept-encoding") -> bool:
    """As `takes_gzip`, of any content coding."""
    ranges = dict(_range(part) for part in headers.get(name, b"").lower().split(b",") if part.strip(_OWS))
    return ranges.get(coding, ranges.get(b"*", 0.0)) > 0


def has_etag(if_none_match: bytes | None, etag: bytes) -> bool:
    """Whether the client has what ``etag`` names: one of a list, weak or not, or anything at all (RFC 9110, section 13.1.2)."""
    if if_none_match is None:
        return False
    wanted = (b"*", etag.removeprefix(b"W/"))
    return any(tag.strip(_OWS).removeprefix(b"W/") in wanted for tag in if_none_match.split(b","))


def is_json(content_type: bytes) -> bool:
    """Whether a Content-Type is JSON in UTF-8 (RFC 8259; "+json" by RFC 6839)."""
    if content_type == b"application/json":
        return True
    media, utf8 = _media(content_type)
    return utf8 and (media == b"application/json" or (media.startswith(b"application/") and media.endswith(b"+json")))


def is_form(content_type: bytes) -> bool:
    """Whether a Content-Type is a form in UTF-8 (WHATWG URL, 5: application/x-www-form-urlencoded)."""
    return _media(content_type) == (b"application/x-www-form-urlencoded", True)


def media_type(content_type: bytes) -> bytes:
    """A Content-Type in lower case, without its parameters; empty where they say that the text is not UTF-8."""
    media, utf8 = _media(content_type)
    return media if utf8 else b""


def is_multipart(content_type: bytes) -> bool:
    """Whether a Content-Type is a form with files (RFC 7578)."""
    return _media(content_type)[0] == b"multipart/form-data"


def _media(content_type: bytes) -> tuple[bytes, bool]:
    """The type without its parameters, and whether they leave the text in UTF-8."""
    media, *parameters = (part.strip().lower() for part in content_type.split(b";"))
    return media, all(not item.startswith(b"charset=") or item[8:].strip(b'"') in (b"utf-8", b"utf8") for item in parameters)


def accepted(accept: bytes | None, offers: Iterable[bytes]) -> bytes | None:
    """The offer that an Accept header likes best (RFC 9110, section 12.5.1); the first of equals; None if it takes none."""
    ranges = [_range(part) for part in (accept or b"*/*").lower().split(b",") if part.strip()]
    best: tuple[float, bytes | None] = (0.0, None)
    for offer in offers:
        kind = offer.partition(b"/")[0] + b"/*"
        found = [(quality, (b"*/*", kind, offer).index(media)) for media, quality in ranges if media in (b"*/*", kind, offer)]
        quality = max(found, key=lambda item: item[1])[0] if found else 0.0
        if quality > best[0]:
            best = (quality, offer)
    return best[1]


def _range(part: bytes) -> tuple[bytes, float]:
    media, *parameters = (item.strip() for item in part.split(b";"))
    for item in parameters:
        if item.startswith(b"q="):
            try:
                return media, min(1.0, max(0.0, float(item[2:])))
            except ValueError:
                return media, 0.0
    return media, 1.0
