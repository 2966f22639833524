"""What both clients share of the network: where the gateway is, with which credential, and what its failures mean."""

import os
import socket
import ssl
from collections.abc import Iterator
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx2

from tocsin_client.calls import Request
from tocsin_client.errors import DeadlineExceeded, InvalidInput, NotSent, TocsinError, Unauthenticated, Unavailable, of_answer
from tocsin_client.streams import SILENCE_SECONDS
from tocsin_client.version import __version__

_CONNECT_SECONDS: Final = 10.0
# What an answer may take beyond the time that the contract gives the call: the way there and back.
_GRACE_SECONDS: Final = 5.0
_UNSENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)
_CUT: Final = (httpx2.ReadError, httpx2.RemoteProtocolError)
# How OpenSSL, before 3.2 and since, calls an answer that is not TLS.
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_MOST_CAUSES: Final = 20


class Gateway:
    """A gateway and the credential for it. Neither its text nor its errors hold the credential."""

    __slots__ = ("_timeout", "headers", "host", "url")

    def __init__(self, url: str, api_key: str | None, timeout: float | None) -> None:
        """Checks what was given.

        Raises:
            InvalidInput: the URL is not one of a gateway.
            Unauthenticated: the credential has an invalid character.
        """
        self.url, self.host = _checked(url)
        self._timeout = timeout
        self.headers = {"User-Agent": f"tocsin-client/{__version__}", **({"Authorization": _authorization(api_key)} if api_key else {})}

    def sent(self, request: Request, *, timeout: float | None = None, streams: bool = False) -> dict[str, Any]:
        """A request as httpx2 takes it; ``timeout`` replaces that of the client."""
        given = self._timeout if timeout is None else timeout
        seconds = request.timeout + _GRACE_SECONDS if given is None else given
        read = SILENCE_SECONDS if streams else seconds
        return {
            "method": request.method,
            "url": self.url + request.target,
            "headers": request.headers,
            "content": request.content,
            "timeout": httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS), read=read),
        }

    def failure(self, error: httpx2.HTTPError | httpx2.InvalidURL | httpx2.StreamError) -> TocsinError:
        """What a failure of the network means. Of its text nothing is taken over but the kind: it may quote a header."""
        kind = type(error).__name__
        if isinstance(error, _UNSENT):
            return NotSent(f"{self.host} cannot be reached: {_why(error) or kind}")
        if isinstance(error, httpx2.TimeoutException):
            return DeadlineExceeded(f"{self.host} did not answer in time")
        if isinstance(error, httpx2.LocalProtocolError | httpx2.InvalidURL):
            return InvalidInput(f"the request is no valid HTTP: {kind}")
        hint = "" if self.secure or not isinstance(error, _CUT) else "; if it wants TLS, the URL begins with https://"
        return Unavailable(f"the connection to {self.host} failed: {kind}{hint}")

    def refusal(self, answer: httpx2.Response) -> TocsinError:
        """The error of an answer whose body was read."""
        return of_answer(answer.status_code, answer.content, host=self.host, retry_after=answer.headers.get("retry-after"))

    @property
    def secure(self) -> bool:
        """Whether it is spoken to by TLS: without, there is nobody to trust, and loading the authorities takes time."""
        return self.url.startswith("https:")

    def __repr__(self) -> str:
        """The URL, without the credential."""
        return repr(self.url)


def environment() -> tuple[str, str | None]:
    """The gateway and the key that the environment names, as the `tocsin` command reads them.

    Raises:
        InvalidInput: it names no gateway.
    """
    if not (url := os.environ.get("TOCSIN_CLIENT_URL")):
        msg = "set TOCSIN_CLIENT_URL, such as http://127.0.0.1:8000"
        raise InvalidInput(msg)
    return url, os.environ.get("TOCSIN_CLIENT_API_KEY")


def _checked(url: str) -> tuple[str, str]:
    """The URL without a slash at its end, and host and port."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment) and (parts.port or 1) > 0
        safe = parts.username is None and parts.password is None
    except ValueError:
        sound = safe = False
        parts = None
    if parts is None or not sound:
        msg = "the URL of a gateway is like http://127.0.0.1:8000"
        raise InvalidInput.at("url", msg)
    if not safe:
        msg = "a URL with a password in it ends up in logs: give api_key"
        raise InvalidInput.at("url", msg)
    return url.rstrip("/"), parts.netloc


def _why(error: BaseException) -> str:
    """What kept a connection from being made, told by the kind of what caused the error; empty for anything else."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); SSL_CERT_FILE names an authority of your own"
        if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
            return "it does not answer in TLS; without TLS the URL begins with http://"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection is refused; nothing listens there"
        if isinstance(cause, socket.gaierror):
            return "its name cannot be resolved"
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from; of several that came together, all."""
    waiting = [error]
    for _ in range(_MOST_CAUSES):
        if not waiting:
            return
        found = waiting.pop(0)
        yield found
        if (cause := found.__cause__ or found.__context__) is not None:
            waiting.append(cause)
        if isinstance(found, BaseExceptionGroup):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", found).exceptions)


def _authorization(credential: str) -> str:
    """The value of the header (RFC 6750, 2.1); white space around the credential is left out.

    Raises:
        Unauthenticated: it has a character that no credential has; the words tell where, never what.
    """
    text = credential.strip()
    # Looked for here, so that no library meets it: each shows the whole text in its error.
    strange = next((place for place, character in enumerate(text, 1) if not "!" <= character <= "~"), None)
    if not text or strange is not None:
        where = f"contains an invalid character at position {strange}" if text else "is empty"
        msg = f"The API key {where}."
        raise Unauthenticated(msg)
    return f"Bearer {text}"
