"""Spans over OTLP/HTTP, in protobuf.

OpenTelemetry's own exporter is not used: every status below 400 is success to it, of a page in HTML and of a redirect too, it reads answers
of any length, bounds each read and not the whole, and cannot be ended while it waits for a far end that has frozen.

Everything here runs in the thread that exports; `HttpSpanExporter.shutdown` may be called from any.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp; docs/adr/0063
"""

import gzip
import random
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.util.re import parse_env_headers

from tocsin import otlp
from tocsin.clock import SystemClock
from tocsin.telemetry.otlp_answers import JSON, PROTOBUF, WHOLE, PartialSuccess

_UNDERSTOOD: Final = (PROTOBUF, JSON)
_LATER: Final = frozenset({429, 502, 503, 504})
_MOST_BYTES: Final = 64 * 1024
"""Of an answer; a longer one is none of a collector."""
_FIRST_WAIT: Final = 1.0
_MOST_WAIT: Final = 30.0
_MOST_TOLD: Final = 100
_SOCKET: Final = socket.socket


class NotTaken(Exception):
    """The collector did not take a batch.

    Attributes:
        later: whether it may take it later.
        after: seconds after which, if it said so.
    """

    def __init__(self, reason: str, *, later: bool, after: float | None = None) -> None:
        """Says why."""
        super().__init__(reason)
        self.later = later
        self.after = after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Far:
    """The far end, as the endpoint and OpenTelemetry's variables describe it."""

    host: str
    port: int
    path: str
    headers: Mapping[str, str]
    zipped: bool
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, endpoint: str) -> "_Far":
        parts = urlsplit(otlp.traces_url(endpoint))
        secure = parts.scheme == "https"
        zipped = otlp.variable("COMPRESSION").lower() == "gzip"
        headers = {"content-type": PROTOBUF, "connection": "close", **({"content-encoding": "gzip"} if zipped else {})}
        headers.update(parse_env_headers(otlp.variable("HEADERS"), liberal=True))
        port = parts.port or (443 if secure else 80)
        return cls(
            host=parts.hostname or "", port=port, path=parts.path, headers=headers, zipped=zipped, tls=_trusted() if secure else None
        )


def _trusted() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=otlp.variable("CERTIFICATE") or None)
    if certificate := otlp.variable("CLIENT_CERTIFICATE"):
        context.load_cert_chain(certificate, otlp.variable("CLIENT_KEY") or None)
    return context


class HttpSpanExporter(SpanExporter):
    """Posts batches, one at a time, each tried again until its time is over."""

    def __init__(self, endpoint: str) -> None:
        """Connects nothing.

        Args:
            endpoint: a URL; the path of the signal is added. Everything else is said by OpenTelemetry's variables.

        Raises:
            OSError: a file of certificates cannot be read.
        """
        self._far = _Far.of(endpoint)
        self._timeout = otlp.timeout()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.problem = ""
        """Why the last batch was not taken."""
        self.partial = WHOLE
        """What the collector said of the last one that it took."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends them, or gives them up when the time is over, the far end wants none of them, or this one was shut down."""
        body = encode_spans(spans).SerializeToString()
        if self._far.zipped:
            body = gzip.compress(body)
        deadline, wait = time.monotonic() + self._timeout, _FIRST_WAIT
        while not self._ended.is_set():
            try:
                self._attempt(body, deadline)
            except NotTaken as error:
                self.problem = str(error)
                pause = error.after if error.after is not None else wait * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
                if not error.later or time.monotonic() + pause >= deadline:
                    break
                self._ended.wait(pause)
                wait = min(2 * wait, _MOST_WAIT)
            else:
                return SpanExportResult.SUCCESS
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Ends what is under way; nothing is sent afterwards."""
        self._ended.set()
        self._abort()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True

    def _attempt(self, body: bytes, deadline: float) -> None:
        # A socket's timeout bounds one read; a far end that sends a byte now and then is ended by this.
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._abort()

        watch = threading.Timer(max(0.0, deadline - time.monotonic()), expire)
        watch.daemon = True
        watch.start()
        try:
            self._post(body, deadline)
            if expired.is_set() or self._ended.is_set():
                raise TimeoutError("it was ended")  # what was read by then may look like the whole of an answer
        except (OSError, HTTPException, ValueError) as error:
            raise NotTaken(f"{type(error).__name__}: {error}"[:_MOST_TOLD], later=True) from error
        finally:
            watch.cancel()
            with self._lock:
                open_one, self._socket = self._socket, None
            if open_one is not None:
                open_one.close()

    def _post(self, body: bytes, deadline: float) -> None:
        far = self._far
        connection = HTTPConnection(far.host, far.port)
        connection.sock = self._connected(deadline)
        try:
            connection.request("POST", far.path, body, dict(far.headers))
            answer = connection.getresponse()
            self.partial = _judge(answer, answer.read(_MOST_BYTES))
        finally:
            connection.close()

    def _connected(self, deadline: float) -> socket.socket:
        """A connection to the first address that takes one.

        Raises:
            OSError: none does.
        """
        far, last = self._far, OSError("it has no address")
        for family, kind, number, _, address in socket.getaddrinfo(far.host, far.port, type=socket.SOCK_STREAM):
            raw = socket.socket(family, kind, number)
            try:
                self._hold(raw, deadline)
                raw.connect(address)
                if far.tls is None:
                    return raw
                secured = far.tls.wrap_socket(raw, server_hostname=far.host)
                self._hold(secured, deadline)
            except OSError as error:
                last = error
                raw.close()
            else:
                return secured
        raise last

    def _hold(self, one: socket.socket, deadline: float) -> None:
        """Lets `shutdown` and the end of the time end what is done on a socket."""
        one.settimeout(max(0.001, deadline - time.monotonic()))
        with self._lock:
            self._socket = one
        if self._ended.is_set():
            raise OSError("it was shut down")

    def _abort(self) -> None:
        with self._lock:
            if self._socket is not None:
                try:
                    _SOCKET.shutdown(self._socket, socket.SHUT_RDWR)  # under TLS too; that of an SSLSocket would take it from its reader
                except OSError:
                    return  # it is not connected, or was closed


def _judge(answer: HTTPResponse, body: bytes) -> PartialSuccess:
    """Returns what the answer says, if it is a collector's that has taken the batch.

    Raises:
        NotTaken: it is not.
    """
    kind = (answer.getheader("content-type") or "").partition(";")[0].strip().lower()
    if answer.status in _LATER:
        raise NotTaken(f"HTTP {answer.status}", later=True, after=_seconds(answer.getheader("retry-after")))
    if not 200 <= answer.status < 300:
        raise NotTaken(f"HTTP {answer.status}", later=False)
    if (body or kind) and kind not in _UNDERSTOOD:
        raise NotTaken(f"HTTP {answer.status} with {kind[:_MOST_TOLD] or 'no type'}, which is no answer of OTLP", later=False)
    return PartialSuccess.of_body(kind, body)


def _seconds(retry_after: str | None) -> float | None:
    """What Retry-After says (RFC 9110, 10.2.3); None for what says nothing."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - SystemClock().now().timestamp())
    except (ValueError, TypeError, OverflowError):
        return None
