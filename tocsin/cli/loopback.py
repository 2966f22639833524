"""Where a browser comes back to after a sign-in for this program: a port of this machine, for one answer (RFC 8252, 7.3)."""

import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from tocsin.errors import DeadlineExceeded
from tocsin.html_page import html_page

_FIELDS_MOST: Final = 20
_LONGEST: Final = 16 * 1024
_STALL_SECONDS: Final = 5.0


class LoopbackListener:
    """Listens on 127.0.0.1. Whatever does not know the sign-in's state, such as a page that tries ports, is refused and forgotten."""

    def __init__(self, *, port: int = 0) -> None:
        """Listens.

        Args:
            port: 0 takes any free one.

        Raises:
            OSError: the port is in use.
        """
        self._found: Mapping[str, str] | None = None
        self._path, self._state = "", ""
        listener = self

        class LoopbackRequest(BaseHTTPRequestHandler):
            """Takes one request."""

            timeout = _STALL_SECONDS
            server_version, sys_version = "tocsin", ""

            def do_GET(self) -> None:
                """Takes what the browser brings."""
                good = listener.take(self.path)
                text = "You may close this window, and go on in the terminal." if good else "This is no answer to the sign-in."
                page = html_page(language="en", title="Tocsin", content=f"<p>{text}</p>").encode()
                self.send_response(200 if good else 404)
                for name, value in _HEADERS.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
                """Says nothing: the path holds the code."""

        self._server = HTTPServer(("127.0.0.1", port), LoopbackRequest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.server_close()

    @property
    def origin(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, target: str) -> bool:
        """Whether a request is the answer that is waited for; it is kept then."""
        parts = urlsplit(target) if len(target) <= _LONGEST else urlsplit("")
        try:
            fields = dict(parse_qsl(parts.query, max_num_fields=_FIELDS_MOST, errors="strict"))
        except ValueError:
            return False
        if parts.path != self._path or not self._state or fields.get("state") != self._state:
            return False
        self._found = fields
        return True

    def wait(self, *, path: str, state: str, seconds: float) -> Mapping[str, str]:
        """The parameters that the browser brought.

        Raises:
            DeadlineExceeded: it did not come back in time.
        """
        self._path, self._state = path, state
        end = time.monotonic() + seconds
        while self._found is None:
            self._server.timeout = end - time.monotonic()
            if self._server.timeout <= 0:
                raise DeadlineExceeded(f"The browser did not come back within {seconds:g} s.")
            self._server.handle_request()
        return self._found


_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
