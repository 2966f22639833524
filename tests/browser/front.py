"""Stands before a gateway and makes what goes wrong in the world: slow answers, refusals, no answers, another build, cut streams."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self
from urllib.parse import urlsplit

STREAM: Final = "/v1/changes:watch"
_CHUNK: Final = 65536
_OWN: Final = frozenset({"connection", "transfer-encoding", "keep-alive"})
"""Headers of a connection, not of an answer (RFC 9110, 7.6.1)."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """What becomes of requests whose path begins so; ``gone``: they get no answer at all."""

    prefix: str = "/"
    delay: float = 0.0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    gone: bool = False


class Front:
    """A proxy on a port of its own; use it as a context manager.

    Attributes:
        faults: what goes wrong; the first that fits a path counts. The console's own files are served as they are.
        answers: pieces of a body in place of the gateway's, by path, with their content type.
        rewrite: changes the console's page.
        asked: the paths that were asked for, with their queries.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self.faults: list[Fault] = []
        self.answers: dict[str, tuple[str, Callable[[str], Iterable[bytes]]]] = {}
        self.rewrite: Callable[[bytes], bytes] | None = None
        self.asked: list[str] = []
        self._streams: set[http.client.HTTPConnection] = set()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's word
                """Nothing."""

        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", lambda request: self._handle(request))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        """Begins to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends."""
        self.cut()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def origin(self) -> str:
        """Where it is; localhost counts as secure."""
        return f"http://localhost:{self._server.server_port}"

    @property
    def streams(self) -> int:
        """How many streams of changes are open; one that its reader has left counts until something is written to it."""
        return len(self._streams)

    def cut(self) -> None:
        """Breaks every open stream."""
        for connection in list(self._streams):
            with contextlib.suppress(OSError):  # its far end was faster
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        fault = next((each for each in self.faults if request.path.startswith(each.prefix)), None)
        if fault is not None and (not request.path.startswith("/console") or fault.gone):
            if fault.gone:
                request.close_connection = True
                return
            time.sleep(fault.delay)
            if fault.status:
                self._refuse(request, fault)
                return
        try:
            self._answer(request)
        except (OSError, http.client.HTTPException):
            request.close_connection = True

    def _refuse(self, request: BaseHTTPRequestHandler, fault: Fault) -> None:
        body = b'{"title": "Unavailable", "detail": "it is away", "code": "UNAVAILABLE"}'
        request.send_response(fault.status)
        for name, value in {"content-type": "application/problem+json", "content-length": str(len(body)), **fault.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        kind, pieces = self.answers.get(request.path.partition("?")[0], ("", None))
        if pieces is None:
            self._pass(request)
            return
        request.send_response(200)
        request.send_header("content-type", kind)
        request.end_headers()
        for piece in pieces(request.path):
            request.wfile.write(piece)
            request.wfile.flush()

    def _pass(self, request: BaseHTTPRequestHandler) -> None:
        connection = http.client.HTTPConnection(str(self._upstream.hostname), self._upstream.port, timeout=300)
        length = int(request.headers.get("content-length") or 0)
        # A page that is to be changed is needed whole and as it is, whatever the browser has and takes.
        left = _OWN if self.rewrite is None else _OWN | {"if-none-match", "accept-encoding"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in left}
        connection.request(request.command, request.path, body=request.rfile.read(length) or None, headers=headers)
        answer = connection.getresponse()
        is_stream = request.path.startswith(STREAM)
        if is_stream:
            self._streams.add(connection)
        try:
            self._copy(request, answer)
        finally:
            self._streams.discard(connection)
            connection.close()

    def _copy(self, request: BaseHTTPRequestHandler, answer: http.client.HTTPResponse) -> None:
        is_page = request.path.startswith("/console") and (answer.getheader("content-type") or "").startswith("text/html")
        page = self.rewrite(answer.read()) if is_page and self.rewrite is not None else None
        request.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OWN and not (page is not None and name.lower() in {"content-length", "etag"}):
                request.send_header(name, value)
        request.end_headers()
        while piece := page if page is not None else answer.read1(_CHUNK):
            request.wfile.write(piece)
            request.wfile.flush()
            if page is not None:
                return
