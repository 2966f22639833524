"""Spans by OTLP/HTTP to far ends that do everything that a far end may do."""

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from tocsin.clock import SystemClock
from tocsin.mesh.authority import ensure_pki
from tocsin.otlp import endpoint_problem
from tocsin.telemetry.otlp_http import HttpSpanExporter

OK, FAILED = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
PROTOBUF = {"Content-Type": "application/x-protobuf"}
Answer = tuple[int, dict[str, str], bytes]


class Scripted:
    """A collector that gives the answers of its script, then takes everything."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                scripted.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                status, headers, said = scripted.answers.pop(0) if scripted.answers else (200, PROTOBUF, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listens no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def collector(*answers: Answer, tls: ssl.SSLContext | None = None) -> Generator[Scripted]:
    """One for the length of a block."""
    made = Scripted(*answers, tls=tls)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
def _http(monkeypatch: pytest.MonkeyPatch) -> None:
    """By HTTP, with all the time that a busy machine needs."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")


def spans() -> list[ReadableSpan]:
    """One span that has ended."""
    with TracerProvider().get_tracer("test").start_as_current_span("call") as span:
        pass
    assert isinstance(span, ReadableSpan)
    return [span]


def exported(port: int, *, scheme: str = "http", host: str = "127.0.0.1", path: str = "") -> tuple[SpanExportResult, str]:
    """How an export to a port ended, and why."""
    exporter = HttpSpanExporter(f"{scheme}://{host}:{port}{path}")
    return exporter.export(spans()), exporter.problem


@pytest.mark.parametrize("path", ["", "/", "/otlp", "/v1/traces", "/v1/traces/"])
def test_a_batch_is_posted_to_the_path_of_traces(path: str) -> None:
    """The signal's path is added unless it is there; the body is the request of the collector's service."""
    with collector() as far:
        assert exported(far.port, path=path) == (OK, "")
    ((posted, headers, body),) = far.requests
    assert posted == ("/otlp/v1/traces" if path == "/otlp" else "/v1/traces")
    assert headers["content-type"] == "application/x-protobuf"
    request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
    assert [span.name for span in request.resource_spans[0].scope_spans[0].spans] == ["call"]


def test_headers_and_compression_are_those_of_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those for traces before those for everything."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=no")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-team=bells,authorization=Bearer%20abc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    with collector() as far:
        assert exported(far.port) == (OK, "")
    ((_, headers, body),) = far.requests
    assert (headers["x-team"], headers["authorization"], headers["content-encoding"]) == ("bells", "Bearer abc", "gzip")
    assert trace_service_pb2.ExportTraceServiceRequest.FromString(gzip.decompress(body)).resource_spans


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_collector_that_is_busy_is_asked_again_when_it_says(status: int) -> None:
    """By seconds or by a date; the same batch."""
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    with collector((status, {"Retry-After": "0"}, b"busy"), (status, {"Retry-After": past}, b"")) as far:
        result, _ = exported(far.port)
    assert result is OK
    assert len({body for _, _, body in far.requests}) == 1
    assert len(far.requests) == 3


def test_one_that_says_later_than_there_is_time_is_given_up_at_once() -> None:
    """Nobody waits for what is dropped anyway."""
    with collector((503, {"Retry-After": "3600"}, b"")) as far:
        assert exported(far.port) == (FAILED, "HTTP 503")
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((400, PROTOBUF, b"\x08\x03"), "HTTP 400"),
        ((401, {}, b""), "HTTP 401"),
        ((404, {"Content-Type": "text/html"}, b"<html>"), "HTTP 404"),
        ((500, {}, b""), "HTTP 500"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), "HTTP 302"),
        ((200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Welcome"), "HTTP 200 with text/html, which is no answer of OTLP"),
        ((200, {}, b"hello"), "HTTP 200 with no type, which is no answer of OTLP"),
    ],
)
def test_what_is_no_answer_of_a_collector_drops_the_batch(answer: Answer, problem: str) -> None:
    """Once: it would be the same again. A page in HTML is no success, whatever its status."""
    with collector(answer) as far:
        assert exported(far.port) == (FAILED, problem)
    assert len(far.requests) == 1


PARTIAL = trace_service_pb2.ExportTraceServiceResponse(
    partial_success=trace_service_pb2.ExportTracePartialSuccess(rejected_spans=2, error_message="too old" * 100)
)
JSON = {"Content-Type": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    ("answer", "rejected", "message"),
    [
        ((200, PROTOBUF, PARTIAL.SerializeToString()), 2, ("too old" * 100)[:200]),
        ((200, JSON, b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "full", "new": 1}}'), 3, "full"),
        ((200, JSON, b'{"partialSuccess": {"errorMessage": "soon"}}'), 0, "soon"),
        ((200, JSON, b'{"partialSuccess": {"rejectedSpans": "-3"}}'), 0, ""),
        ((200, JSON, b'{"partialSuccess": {"rejectedSpans": "many"}}'), 0, ""),
        ((200, JSON, b"[" * 10_000), 0, ""),
        ((200, JSON, b"\xff"), 0, ""),
        ((200, PROTOBUF, b"\xff\xff"), 0, ""),
        ((200, JSON, b"{}"), 0, ""),
    ],
)
def test_what_was_left_out_of_a_batch_is_read(answer: Answer, rejected: int, message: str) -> None:
    """In either form. The batch was taken, whatever else the answer says."""
    with collector(answer) as far:
        exporter = HttpSpanExporter(f"http://127.0.0.1:{far.port}")
        assert exporter.export(spans()) is OK
    assert exporter.partial == (rejected, message)
    assert len(far.requests) == 1


@pytest.mark.parametrize("answer", [(200, {"Content-Type": "application/json"}, b"{}"), (202, {}, b""), (204, {}, b"")])
def test_short_answers_of_success_are_understood(answer: Answer) -> None:
    """Collectors differ in what they say of success."""
    with collector(answer) as far:
        assert exported(far.port) == (OK, "")


def test_a_certificate_that_is_trusted_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector shows one of our authority, for another name; only that authority makes it no stranger, and the name is compared."""
    ensure_pki(folder=tmp_path, services=["collector"], trust_domain="tocsin.local", clock=SystemClock())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "collector.pem", tmp_path / "collector-key.pem")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with collector(tls=context) as far:
        result, problem = exported(far.port, scheme="https", host="localhost")
        assert (result, "CERTIFICATE_VERIFY_FAILED" in problem or "timed out" in problem) == (FAILED, True)
        assert far.requests == []
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "ca.pem"))
        assert exported(far.port, scheme="https", host="localhost") == (OK, "")


def far_end(talk: Callable[[socket.socket], None]) -> socket.socket:
    """A listener that talks as it likes to everybody who connects."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener


def drips(connection: socket.socket) -> None:
    """An answer that never ends: each of its reads is quick."""
    pause = threading.Event()
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not pause.wait(0.05):
            connection.sendall(b"x-more: 1\r\n")
    except OSError:
        connection.close()


def floods(connection: socket.socket) -> None:
    """An answer without end and without a pause."""
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n\r\n")
        while True:
            connection.sendall(b"\0" * 65536)
    except OSError:
        connection.close()


def is_silent(connection: socket.socket) -> None:
    """Nothing, until the other side goes."""
    try:
        while connection.recv(65536):
            pass
    except OSError:
        connection.close()


@pytest.mark.parametrize("talk", [drips, is_silent])
def test_the_time_of_a_batch_is_a_bound_of_the_whole(talk: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of each read: otherwise this would never return."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    with far_end(talk) as listener:
        result, problem = exported(listener.getsockname()[1])
    assert result is FAILED
    assert problem


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    """What comes within the bound is judged; the connection is closed."""
    with far_end(floods) as listener:
        assert exported(listener.getsockname()[1])[0] is OK


def test_the_end_of_the_exporter_ends_what_is_under_way() -> None:
    """Whatever time it would have; afterwards it sends nothing."""
    connected = threading.Event()

    def talk(connection: socket.socket) -> None:
        connected.set()
        is_silent(connection)

    with far_end(talk) as listener:
        exporter = HttpSpanExporter(f"http://127.0.0.1:{listener.getsockname()[1]}")
        results: list[SpanExportResult] = []
        under_way = threading.Thread(target=lambda: results.append(exporter.export(spans())))
        under_way.start()
        assert connected.wait(60)
        exporter.shutdown()
        under_way.join(60)
        assert results == [FAILED]
        assert exporter.export(spans()) is FAILED


@pytest.mark.parametrize(
    ("endpoint", "variables", "problem"),
    [
        ("http://collector:4318", {}, ""),
        ("https://collector/otlp", {}, ""),
        ("http://[::1]:4318/v1/traces", {}, ""),
        ("collector:4318", {}, "must be an OTLP/HTTP endpoint"),
        ("https://", {}, "must be an OTLP/HTTP endpoint"),
        ("http://collector:no", {}, "must be an OTLP/HTTP endpoint"),
        ("http://collector:4318?a=b", {}, "must be an OTLP/HTTP endpoint"),
        ("http://me:secret@collector:4318", {}, "must be an OTLP/HTTP endpoint"),
        ("http://c:4318", {"PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL must be grpc or http/protobuf, not 'http/json'"),
        ("http://c:4318", {"COMPRESSION": "zstd"}, "OTEL_EXPORTER_OTLP_COMPRESSION must be none or gzip, not 'zstd'"),
        ("http://c:4318", {"TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP_TIMEOUT must be a number of seconds above 0, not 'soon'"),
        ("http://c:4318", {"TIMEOUT": "0"}, "OTEL_EXPORTER_OTLP_TIMEOUT must be a number of seconds above 0, not '0'"),
        ("http://c:4318", {"PROTOCOL": "grpc"}, ""),
        ("http://c:4318/v1/traces", {"PROTOCOL": "grpc"}, "must be an OTLP/gRPC endpoint"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_start(
    endpoint: str, variables: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the name of what is wrong."""
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    found = endpoint_problem(endpoint)
    assert found.startswith(problem) if problem else not found
