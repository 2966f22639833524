"""The one client for HTTP requests that leave the installation (docs/adr/0025).

It follows no redirect, takes no proxy from the environment, keeps no cookie and decodes no answer; an answer, its headers and the time it
takes have bounds. Nothing of it is logged: a webhook's URL is a secret.
"""

import asyncio
import json
import os
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final, cast

import msgspec

from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.connection import BrokenAnswer
from tocsin.egress.network import Connector, Resolve, SystemResolver, TargetForbidden, default_tls
from tocsin.egress.pool import HttpPool
from tocsin.egress.urls import HttpUrl, UrlRefused, parse_url, why_never

OnSend = Callable[[], Awaitable[None]]
"""Awaited when a connection stands, right before the first byte of the request; what it raises stops the request."""

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_OWN_HEADERS: Final = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect", "upgrade", "te", "trailer"}
_DETAIL: Final = 200
_SAFE: Final = ("GET", "HEAD")
_CONNECTIONS_TRIED: Final = 2  # one that was kept may have ended while `on_send` was awaited
_DAY_SECONDS: Final = 86400.0


class RequestRefused(Exception):
    """The request can never be sent: its URL, its address or a header is not one that it may have. Nothing was sent."""


class NotConnected(Exception):
    """There was no connection; nothing was sent."""


class NoAnswer(Exception):
    """The request was sent, in part at least, and no whole answer came: nobody knows whether the far end took it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of a client; the names tell the units.

    Attributes:
        connections: open at once.
        connect_seconds: for finding an address, connecting and TLS.
        total_seconds: from the first step to the last byte of the answer, however it trickles.
        answer_bytes: of an answer's body that are read; the rest is left.
    """

    connections: int = 16
    connect_seconds: float = 10.0
    total_seconds: float = 30.0
    answer_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request. Whom it is for, how long it is and what becomes of the connection are the client's to say."""

    method: str = "POST"
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def of_json(cls, url: str, content: object, headers: Mapping[str, str] | None = None) -> "HttpRequest":
        """A POST of ``content`` as JSON."""
        try:
            body = msgspec.json.encode(content)
        except UnicodeEncodeError:  # half of a surrogate pair; a question mark stands for it
            body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return cls(url=url, headers={"content-type": "application/json", **(headers or {})}, body=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An answer; names of headers in lower case, ``whole`` unless its body was longer than the bound.

    ``certificate`` is the far end's, as `ssl.SSLSocket.getpeercert` shows it; empty without TLS.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True
    certificate: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def ok(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> float | None:
        """Seconds that it asks to wait (RFC 9110, 10.2.3), at most a day; None: it does not say. A date counts from its ``Date``."""
        text = self.headers.get("retry-after", "")
        if text.isascii() and text.isdigit():
            return min(float(text[:9]), _DAY_SECONDS)
        try:
            seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(self.headers.get("date", ""))).total_seconds()
        except (TypeError, ValueError, OverflowError):  # no date, one with a zone and one without, or one of no calendar
            return None
        return min(max(0.0, seconds), _DAY_SECONDS)

    def json(self) -> Mapping[str, Any]:
        """The members of the JSON object that it is; none if it is anything else."""
        try:
            value: object = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}

    def text(self) -> str:
        """The beginning of the body, for a person."""
        return self.body[: 4 * _DETAIL].decode("utf-8", "replace")[:_DETAIL]


class HttpClient:
    """Sends requests; connections are kept open for a while for those that follow."""

    def __init__(
        self,
        *,
        allowed: AllowedTargets | None,
        https_only: bool = False,
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            allowed: what may be reached besides the public internet, for URLs that users give; None for the operator's own URLs.
            https_only: plain HTTP goes to no URL whose host is not opened by ``allowed``, as a name or an address.
            limits: bounds.
            tls: how certificates are checked; by the authorities of the system unless given.
            resolve: finds addresses; the system's resolver unless given.
        """
        self._allowed = allowed
        self._https_only = https_only
        self._limits = limits or HttpLimits()
        self._own_resolver = None if resolve else SystemResolver()
        self._pool = HttpPool(
            connector=Connector(allowed=allowed, resolve=resolve or cast("SystemResolver", self._own_resolver)),
            tls=tls or default_tls(),
            most=self._limits.connections,
            connect_seconds=self._limits.connect_seconds,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()
        if self._own_resolver:
            self._own_resolver.close()

    async def send(self, request: HttpRequest, *, on_send: OnSend | None = None, total_seconds: float | None = None) -> HttpAnswer:
        """Sends one request, once; one that only reads (GET, HEAD) again if the connection that was kept for it has ended meanwhile.

        Args:
            request: what to send.
            on_send: awaited right before the first byte.
            total_seconds: bounds it instead of the client's limit, if that is longer.

        Raises:
            RequestRefused: it may never be sent.
            NotConnected: nothing was sent.
            NoAnswer: it was sent, and no answer came, or only a part of one.
        """
        url = self._target(request)
        data = _encoded(request, url)
        notice = _SendNotice(on_send)
        try:
            async with asyncio.timeout(min(total_seconds or self._limits.total_seconds, self._limits.total_seconds)):
                return await self._exchange(url, data, notice, method=request.method)
        except TargetForbidden as error:
            raise RequestRefused(str(error)) from error
        except (BrokenAnswer, OSError) as error:
            raise (NoAnswer if notice.sending else NotConnected)(failure_words(error)) from error

    def _target(self, request: HttpRequest) -> HttpUrl:
        try:
            url = parse_url(request.url)
        except UrlRefused as error:
            raise RequestRefused(f"its URL {error}") from None
        if self._allowed is not None:
            if words := why_never(url, self._allowed):
                raise RequestRefused(words)
            if self._https_only and url.scheme == "http" and not self._allowed.has_host(url.host):
                raise RequestRefused("plain HTTP goes to hosts alone that the operator opened")
        return url

    async def _exchange(self, url: HttpUrl, data: bytes, notice: "_SendNotice", *, method: str) -> HttpAnswer:
        for _ in range(_CONNECTIONS_TRIED):
            connection = await self._pool.take(url)
            try:
                await notice.give()
                if connection.usable:
                    found = await connection.exchange(data, most=self._limits.answer_bytes, bodiless=method == "HEAD")
                    return HttpAnswer(**found._asdict())
            except (BrokenAnswer, OSError):
                # Ended by the far end while the request left: what only reads may go again (RFC 9112, 9.3.1).
                if method not in _SAFE or not connection.ended_while_kept:
                    raise
            finally:
                self._pool.give_back(connection)
        raise BrokenAnswer("the far end closes connections at once")


class _SendNotice:
    """Asks, once, before a request begins to leave, and notes that it does."""

    def __init__(self, on_send: OnSend | None) -> None:
        self._on_send = on_send
        self.sending = False

    async def give(self) -> None:
        """The next step is the first byte."""
        if not self.sending:
            if self._on_send:
                await self._on_send()
            self.sending = True


def _encoded(request: HttpRequest, url: HttpUrl) -> bytes:
    """What goes over the wire."""
    if not _HEADER_NAME.fullmatch(request.method):
        raise RequestRefused("its method is none")
    headers = {"host": url.authority, "user-agent": "Tocsin", "accept-encoding": "identity", **check_headers(request.headers)}
    if request.body or request.method not in ("GET", "HEAD"):
        headers["content-length"] = str(len(request.body))
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return f"{request.method} {url.target} HTTP/1.1\r\n{lines}\r\n".encode("ascii") + request.body


def check_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers as they are sent, names in lower case.

    Raises:
        RequestRefused: one has a character that no header has, or is the client's own to say.
    """
    for name, value in headers.items():
        if not (value == "" or _HEADER_VALUE.fullmatch(value)):
            raise RequestRefused(f"its header {name[:64]!r} holds a character that no header has")
    return {_checked_name(name): value for name, value in headers.items()}


@lru_cache(maxsize=256)
def _checked_name(name: str) -> str:
    """The name of a header as it is written."""
    if not _HEADER_NAME.fullmatch(name):
        raise RequestRefused(f"its header {name[:64]!r} holds a character that no header has")
    lower = name.lower()
    if lower in _OWN_HEADERS:
        raise RequestRefused(f"its header {name[:64]!r} is not for a caller to say")
    return lower


def failure_words(error: BaseException) -> str:
    """What went wrong with a connection, for a person: without addresses."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not good: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or type(cause).__name__}"
        if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
            return os.strerror(cause.errno)  # the error's own words hold the address
        cause = cause.__cause__ or next((inner for inner in cause.args if isinstance(inner, BaseException)), None)  # the engine cuts chains
    return str(error)[:_DETAIL] or type(error).__name__
