"""The SDK: REST shapes in, resources and the error tree out."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from tocsin import errors
from tocsin.client import Client
from tocsin.clock import SystemClock
from tocsin.errors import FieldViolation, TocsinError
from tocsin.mesh.authority import ensure_pki

Handler = Callable[[httpx2.Request], httpx2.Response]

TYPES = "type.googleapis.com/google.rpc."


def client_of(handler: Handler, sleep: Callable[[float], None] = lambda seconds: None) -> Client:
    """A client whose gateway is ``handler``."""
    return Client(url="http://gateway", api_key="tk_1", transport=httpx2.MockTransport(handler), sleep=sleep)


def problem(status: int, code: str, *, details: list | None = None, **members: object) -> httpx2.Response:
    """A problem document as the gateway writes it."""
    return httpx2.Response(
        status, json={"code": code, "detail": "it failed", "details": details or [], **members}, headers={"retry-after": "7"}
    )


def test_a_call_carries_the_key_and_the_query() -> None:
    """Bearer authentication on every call; creates are idempotent by themselves."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"name": "alarms/1"})

    with client_of(answer) as client:
        assert client.create_alarm({"displayName": "x"}) == {"name": "alarms/1"}
    (request,) = seen
    assert (request.method, request.url.path) == ("POST", "/v1/alarms")
    assert request.headers["authorization"] == "Bearer tk_1"
    assert len(request.url.params["requestId"]) == 36
    assert json.loads(request.content) == {"displayName": "x"}


@pytest.mark.parametrize(
    ("call", "method", "path"),
    [
        (lambda client: client.get_alarm("alarms/1"), "GET", "/v1/alarms/1"),
        (lambda client: client.delete_alarm("alarms/1"), "DELETE", "/v1/alarms/1"),
        (lambda client: client.pause_alarm("alarms/1"), "POST", "/v1/alarms/1:pause"),
        (lambda client: client.resume_alarm("alarms/1"), "POST", "/v1/alarms/1:resume"),
        (lambda client: client.fire_alarm("alarms/1"), "POST", "/v1/alarms/1:fire"),
        (lambda client: client.get_message("inbox/messages/1"), "GET", "/v1/inbox/messages/1"),
        (lambda client: client.submit_task("noop"), "POST", "/v1/tasks"),
        (lambda client: client.get_task("tasks/1"), "GET", "/v1/tasks/1"),
        (lambda client: client.publish_event("a.b", {"n": 1}), "POST", "/v1/events"),
        (lambda client: client.record_reading("m", 0), "POST", "/v1/readings"),
        (lambda client: client.ping("a/b"), "POST", "/v1/pings/a%2Fb"),
        (lambda client: client.get_alarm("alarms/a?b#c"), "GET", "/v1/alarms/a%3Fb%23c"),
    ],
)
def test_each_method_calls_its_route(call: Callable[[Client], object], method: str, path: str) -> None:
    """The paths are those of the contract, and a name never breaks out of its segment."""
    seen: list[tuple[str, str]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.method, request.url.raw_path.decode().partition("?")[0]))
        return httpx2.Response(200, json={})

    with client_of(answer) as client:
        call(client)
    assert seen == [(method, path)]


def test_lists_follow_their_pages_as_they_are_consumed() -> None:
    """No page is fetched before its items are wanted."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        token = request.url.params.get("pageToken", "")
        asked.append(token)
        return httpx2.Response(200, json={"alarms": [{"name": f"alarms/{token}"}], "nextPageToken": {"": "2", "2": "3"}.get(token, "")})

    with client_of(answer) as client:
        alarms = client.list_alarms(filter='state="ACTIVE"')
        assert next(alarms) == {"name": "alarms/"}
        assert asked == [""]
        assert [alarm["name"] for alarm in alarms] == ["alarms/2", "alarms/3"]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "INVALID_ARGUMENT", errors.InvalidInput),
        (400, "FAILED_PRECONDITION", errors.FailedPrecondition),
        (401, "UNAUTHENTICATED", errors.Unauthenticated),
        (403, "PERMISSION_DENIED", errors.PermissionDenied),
        (404, "NOT_FOUND", errors.NotFound),
        (409, "ALREADY_EXISTS", errors.AlreadyExists),
        (429, "RESOURCE_EXHAUSTED", errors.ResourceExhausted),
        (500, "INTERNAL", errors.Internal),
        (503, "UNAVAILABLE", errors.Unavailable),
        (504, "DEADLINE_EXCEEDED", errors.DeadlineExceeded),
        (418, "TEAPOT", TocsinError),
    ],
)
def test_problems_become_the_error_tree(status: int, code: str, kind: type[TocsinError]) -> None:
    """With reason, fields, metadata and the time to come back."""
    details = [
        {"@type": f"{TYPES}ErrorInfo", "reason": "SOME_REASON", "metadata": {"k": "v"}},
        {"@type": f"{TYPES}BadRequest", "fieldViolations": [{"field": "trigger.at", "description": "is in the past"}]},
    ]
    with client_of(lambda request: problem(status, code, details=details)) as client, pytest.raises(TocsinError) as caught:
        client.get_alarm("alarms/1")
    error = caught.value
    assert type(error) is kind
    assert (error.message, error.error_reason, error.metadata, error.retry_after) == ("it failed", "SOME_REASON", {"k": "v"}, 7.0)
    assert error.violations == (FieldViolation("trigger.at", "is in the past"),)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx2.Response(502, text="<html>bad gateway</html>"), errors.Unavailable),
        (httpx2.Response(404, json=["not", "ours"]), errors.NotFound),
        (httpx2.Response(500, json={"message": "not ours"}), errors.Internal),
        (httpx2.Response(200, text="<html>hello</html>"), errors.Internal),
    ],
)
def test_answers_that_are_not_the_gateways_are_told_as_such(answer: httpx2.Response, kind: type[TocsinError]) -> None:
    """A proxy in between, or another server, breaks nothing."""
    with client_of(lambda request: answer) as client, pytest.raises(kind, match="gateway"):
        client.get_alarm("alarms/1")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx2.ConnectError("refused"), errors.Unavailable),
        (httpx2.RemoteProtocolError("closed"), errors.Unavailable),
        (httpx2.ReadTimeout("slow"), errors.DeadlineExceeded),
    ],
)
def test_a_gateway_that_is_away_is_unavailable(failure: Exception, kind: type[TocsinError]) -> None:
    """The library's errors never reach the caller."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        raise failure

    with client_of(answer) as client, pytest.raises(kind, match="http://gateway"):
        client.get_alarm("alarms/1")


def stream_of(*lines: str) -> Iterator[bytes]:
    """The bytes of an NDJSON stream, cut at unkind places."""
    text = "".join(line + "\n" for line in lines).encode()
    for start in range(0, len(text), 7):
        yield text[start : start + 7]


def test_a_watch_yields_messages_and_skips_heartbeats() -> None:
    """Blank lines are signs of life; the token resumes."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, content=stream_of('{"firing": {"name": "firings/1"}, "resumeToken": "a"}', "", '{"firing": {}}'))

    with client_of(answer) as client:
        changes = list(client.watch_firings(alarm="alarms/1", resume_token="z"))
    assert changes == [{"firing": {"name": "firings/1"}, "resumeToken": "a"}, {"firing": {}}]
    assert dict(seen[0].url.params) == {"alarm": "alarms/1", "resumeToken": "z"}
    assert seen[0].headers["accept"] == "application/x-ndjson"


def test_an_error_inside_of_a_stream_is_raised() -> None:
    """The last line of a broken stream is a problem document."""
    last = json.dumps({"error": {"code": "UNAVAILABLE", "detail": "the scheduler is away", "details": []}})
    with client_of(lambda request: httpx2.Response(200, content=stream_of('{"firing": {}}', last))) as client:
        changes = client.watch_firings()
        assert next(changes) == {"firing": {}}
        with pytest.raises(errors.Unavailable, match="the scheduler is away"):
            next(changes)


def test_a_refused_stream_is_an_error() -> None:
    """Before its first message it fails like any call."""
    with client_of(lambda request: problem(403, "PERMISSION_DENIED")) as client, pytest.raises(errors.PermissionDenied):
        next(client.watch_firings())


def test_waiting_for_a_task_outlives_an_absence() -> None:
    """An installation that is away for a while does not end the wait."""
    answers = iter(
        [
            httpx2.Response(200, json={"state": "QUEUED"}),
            problem(503, "UNAVAILABLE"),
            httpx2.Response(200, json={"state": "RETRYING"}),
            httpx2.Response(200, json={"state": "SUCCEEDED", "result": {"text": "HI"}}),
        ]
    )
    waits: list[float] = []
    with client_of(lambda request: next(answers), waits.append) as client:
        assert client.wait_task("tasks/1", timeout=60)["result"] == {"text": "HI"}
    assert len(waits) == 3
    assert all(0 < wait <= 1 for wait in waits)


def test_waiting_for_a_task_ends() -> None:
    """Patience is the caller's."""

    class Impatient(SystemClock):
        """A clock on which every look takes 10 s."""

        def __init__(self) -> None:
            self.seconds = 0.0

        def monotonic(self) -> float:
            self.seconds += 10
            return self.seconds

    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json={"state": "QUEUED"}))
    client = Client(url="http://gateway", transport=transport, clock=Impatient(), sleep=lambda seconds: None)
    with client, pytest.raises(errors.DeadlineExceeded, match="tasks/1 has not ended after 25 s"):
        client.wait_task("tasks/1", timeout=25)


@pytest.mark.parametrize(("asked", "hint"), [("https", "try http://"), ("http", "try https://")])
def test_a_scheme_that_the_server_does_not_speak_is_told(asked: str, hint: str, tmp_path: Path) -> None:
    """A real server of the other scheme; the error says which one to try."""
    listener = socket.create_server(("127.0.0.1", 0))
    if asked == "http":
        ensure_pki(folder=tmp_path, services=["sink"], trust_domain="tocsin.local", clock=SystemClock())
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tmp_path / "sink.pem", tmp_path / "sink-key.pem")
        listener = context.wrap_socket(listener, server_side=True)

    def serve() -> None:
        with suppress(OSError), listener, listener.accept()[0] as connection:  # an OSError: the handshake failed, as it must
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    server = threading.Thread(target=serve)
    url = f"{asked}://127.0.0.1:{listener.getsockname()[1]}"
    server.start()
    with Client(url=url) as client, pytest.raises(errors.Unavailable) as raised:
        client.call("GET", "/v1/alarms")
    server.join()
    assert url in raised.value.message
    assert hint in raised.value.message
