import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.integration.gateway.support import Rig, violations
from tocsin.errors import AlreadyExists, InvalidInput, NotFound, ResourceExhausted
from tocsin.testing.waiting import eventually

BOOK = "/v1/shelves/1/books/2"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_request_becomes_a_call_and_its_answer_json(shared: Rig, caller: httpx2.AsyncClient) -> None:
    """Path, query and body reach the service as one message, as the tenant of the token, with a deadline and a trace."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    answer = await caller.post(
        "/v1/shelves/7/books?validateOnly=true", json={"title": "Emma", "pageCount": 5}, headers={"traceparent": trace}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"name": "shelves/7/books/1", "title": "Emma", "pageCount": 5}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-trace-id"] == trace.split("-")[1]
    request, call = shared.shelf.requests[0], shared.shelf.calls[0]
    assert (request.parent, request.book.title, request.validate_only, len(request.request_id)) == ("shelves/7", "Emma", True, 36)
    assert call["tenant"] == "acme"
    assert 20 < call["remaining"] <= 30
    assert call["trace"].split("-")[1] == trace.split("-")[1]


@pytest.mark.asyncio(loop_scope="module")
async def test_only_allowed_headers_travel(shared: Rig, caller: httpx2.AsyncClient) -> None:
    """A client cannot send what only the mesh may say."""
    spoofed = {"x-tocsin-tenant": "evil", "tocsin-scopes": "*", "grpc-status": "0", "x-forwarded-for": "1.2.3.4", "te": "evil"}
    await caller.get(BOOK, headers=spoofed)
    assert not {*spoofed} & {*shared.shelf.calls[0]["metadata"]}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [({"x-request-timeout": "20"}, 1, 20), ({"grpc-timeout": "20000m"}, 1, 20), ({"x-request-timeout": "9999"}, 20, 30)],
)
async def test_the_client_may_shorten_the_deadline(
    shared: Rig, caller: httpx2.AsyncClient, headers: dict[str, str], least: float, most: float
) -> None:
    """Less than declared counts; more has no effect."""
    assert (await caller.get(BOOK, headers=headers)).status_code == 200
    assert least < shared.shelf.calls[0]["remaining"] <= most


async def test_a_call_that_takes_too_long_is_a_504(rig: Rig, client: httpx2.AsyncClient) -> None:
    """The deadline holds, and the service is told to stop."""
    assert (await client.get(BOOK)).status_code == 200  # so that there is a connection, and the next call arrives in time
    rig.shelf.act = lambda _: asyncio.sleep(30)
    answer = await client.get(BOOK, headers={"x-request-timeout": "1"})
    assert (answer.status_code, answer.json()["code"]) == (504, "DEADLINE_EXCEEDED")
    await eventually(lambda: rig.shelf.cancelled == 1)


async def test_a_client_that_leaves_cancels_its_call(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Nobody works for a client who is gone."""
    rig.shelf.act = lambda _: asyncio.sleep(30)
    leaving = asyncio.create_task(client.get(BOOK))
    await eventually(lambda: len(rig.shelf.requests) == 1)
    leaving.cancel()
    await asyncio.wait([leaving])
    await client.aclose()
    await eventually(lambda: rig.shelf.cancelled == 1)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (NotFound("There is no such book.", reason="BOOK_NOT_FOUND"), 404, "BOOK_NOT_FOUND"),
        (AlreadyExists(), 409, "ALREADY_EXISTS"),
        (ResourceExhausted(retry_after=3), 429, "RESOURCE_EXHAUSTED"),
        (RuntimeError("secret of /srv/inside"), 500, None),
    ],
)
async def test_an_error_of_the_service_is_a_problem_document(
    rig: Rig, client: httpx2.AsyncClient, error: Exception, status: int, reason: str | None
) -> None:
    """Code, reason and details come through; the inside of a failure does not."""

    async def fail(_: Any) -> None:
        raise error

    rig.shelf.act = fail
    answer = await client.post("/v1/shelves/1/books", json={"title": "x", "pageCount": 5})
    document = answer.json()
    assert (answer.status_code, document["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("retry-after") == ("3" if status == 429 else None)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    if reason:
        assert document["details"][0]["reason"] == reason


@pytest.mark.asyncio(loop_scope="module")
async def test_violations_are_named_as_the_client_wrote_them(shared: Rig, caller: httpx2.AsyncClient) -> None:
    """Whoever sends a book as the body reads of its title, whether the gateway or the service refused it."""
    unknown = await caller.post("/v1/shelves/1/books", json={"colour": "red"})
    assert (unknown.status_code, violations(unknown)) == (400, ["colour"])
    invalid = await caller.post("/v1/shelves/1/books", json={"title": "x" * 100, "pageCount": 5})
    assert (invalid.status_code, violations(invalid)) == (400, ["title"])
    assert invalid.json()["detail"].startswith("title: ")

    async def refuse(_: Any) -> None:
        raise InvalidInput.at("book.pageCount", "too thin")

    shared.shelf.act = refuse
    refused = await caller.post("/v1/shelves/1/books", json={"title": "x", "pageCount": 5})
    assert (refused.status_code, violations(refused)) == (400, ["pageCount"])


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("GET", "/v1/books/", {}, 404),
        ("GET", "/v1/shelves/%zz/books/1", {}, 400),
        ("DELETE", "/v1/books", {}, 405),
        ("GET", f"{BOOK}:lend", {}, 405),
        ("POST", "/v1/shelves/1/books", {"content": b"<a/>", "headers": {"content-type": "application/xml"}}, 415),
        ("POST", "/v1/shelves/1/books", {"data": {"a": "b"}}, 415),
        ("POST", "/v1/shelves/1/books", {"content": b"{}", "headers": {"content-type": "application/json; charset=latin-1"}}, 415),
        ("POST", "/v1/shelves/1/books", {"content": b"{}", "headers": {"content-encoding": "gzip"}}, 415),
        ("POST", "/v1/shelves/1/books", {"content": b" " * 5000, "headers": {"content-type": "application/json"}}, 413),
        ("POST", "/v1/shelves/1/books", {"content": b"[" * 4000, "headers": {"content-type": "application/json"}}, 400),
        ("POST", "/v1/shelves/1/books", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ("POST", "/v1/shelves/1/books?book.title=x", {"json": {}}, 400),
        ("GET", f"{BOOK}?name=shelves/9/books/9", {}, 400),
        ("GET", BOOK, {"headers": {"x-request-timeout": "soon"}}, 400),
        ("GET", BOOK, {"content": b"{}"}, 400),
    ],
)
async def test_each_mistake_has_its_status_and_calls_nobody(
    shared: Rig, caller: httpx2.AsyncClient, method: str, path: str, arguments: dict[str, Any], status: int
) -> None:
    """The answer is a problem document, and the service never hears of it."""
    answer = await caller.request(method, path, **arguments)
    assert (answer.status_code, answer.json()["status"]) == (status, status), answer.text
    assert shared.shelf.requests == []
    if status == 405:
        assert "OPTIONS" in answer.headers["allow"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_without_length_is_counted(shared: Rig, caller: httpx2.AsyncClient) -> None:
    """A chunked body that grows over the limit is refused while it comes."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    answer = await caller.post("/v1/shelves/1/books", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert shared.shelf.requests == []


@pytest.mark.asyncio(loop_scope="module")
async def test_head_and_options(shared: Rig) -> None:
    """HEAD is GET without its body; OPTIONS asks nobody who they are."""
    async with shared.client() as client:
        head, get = await client.head(BOOK), await client.get(BOOK)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", get.headers["content-length"])
    async with shared.client(None) as nobody:
        options = await nobody.options(BOOK)
        assert (options.status_code, options.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH")
        assert (await nobody.options("/nowhere")).status_code == 404


@pytest.mark.asyncio(loop_scope="module")
async def test_cors_comes_before_authentication(shared: Rig) -> None:
    """A browser of an allowed origin may ask and may read even a refusal; another one may not."""
    origin = {"origin": "https://app.example.com"}
    async with shared.client(None) as nobody:
        preflight = await nobody.options(BOOK, headers={**origin, "access-control-request-method": "PATCH"})
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        refused = await nobody.get(BOOK, headers=origin)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://app.example.com")
        assert "origin" in refused.headers["vary"]
        other = await nobody.get(BOOK, headers={"origin": "https://evil.example.com"})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.asyncio(loop_scope="module")
async def test_pages_show_their_list_and_raw_bodies_pass(caller: httpx2.AsyncClient) -> None:
    """An empty page has an empty list; HttpBody carries any bytes."""
    assert (await caller.get("/v1/books")).json() == {"books": []}
    cover = await caller.get(f"{BOOK}/cover")
    assert (cover.headers["content-type"], cover.content) == ("image/png", b"\x89PNG")
    stored = await caller.put(f"{BOOK}/cover", content=b"\x00\xff", headers={"content-type": "image/gif"})
    assert (stored.status_code, stored.json()) == (200, {})


async def test_the_service_being_away_is_a_503_that_says_when_to_come_back(rig: Rig, client: httpx2.AsyncClient) -> None:
    """No address of the inside leaves."""
    await rig.servers["shelf_svc"].stop()
    answer = await client.get(BOOK)
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert int(answer.headers["retry-after"]) >= 1
    assert "127.0.0.1" not in answer.text


async def test_stopping_lets_a_request_end(rig: Rig, client: httpx2.AsyncClient) -> None:
    """What is under way is answered; new connections are refused."""
    release = asyncio.Event()

    async def wait(_: Any) -> None:
        await release.wait()

    rig.shelf.act = wait
    running = asyncio.create_task(client.get(BOOK))
    await eventually(lambda: len(rig.shelf.requests) == 1)
    stopping = asyncio.create_task(rig.running.stop())

    async def refused() -> bool:
        try:
            async with rig.client() as other:
                await other.get("/health")
        except (httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError):  # refused, or reset where it waited to be accepted
            return True
        return False

    await eventually(refused)
    release.set()
    assert (await running).status_code == 200
    await stopping


async def test_metrics_name_the_route_not_the_path(rig: Rig, client: httpx2.AsyncClient) -> None:
    """The number of time series does not depend on what clients ask for."""
    await client.get(BOOK)
    await client.get("/nowhere/at/all")
    async with httpx2.AsyncClient(trust_env=False) as scraper:
        text = (await scraper.get(rig.running.addresses()["metrics"])).text
    assert 'tocsin_gateway_http_seconds_count{method="GET",route="/v1/{name=shelves/*/books/*}",status="200"} 1.0' in text
    assert 'route="(none)",status="404"' in text
    assert "nowhere" not in text


async def test_the_log_line_holds_no_secret(rig: Rig, client: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    """Method, route, status, duration, trace, and who from where; no token, no body, no path."""
    answer = await client.post(f"{BOOK}:lend", json={"reader": "ann-the-reader"})
    await rig.running.stop()
    text = capsys.readouterr().err
    line = next(json.loads(line) for line in text.splitlines() if '"request"' in line)
    assert line["duration_ms"] > 0
    del line["duration_ms"], line["time"]
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "gateway.access",
        "service": "gateway",
        "trace_id": answer.headers["x-trace-id"],
        "tenant": "acme",
        "subject": "users/01TESTUSER0000000000000000",
        "client_address": "127.0.0.1",
        "method": "POST",
        "route": "/v1/{name=shelves/*/books/*}:lend",
        "status": 200,
    }
    assert "ann-the-reader" not in text
    assert "eyJ" not in text


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"done", "application/x-www-form-urlencoded"),  # curl --data, wget --post-data
        (b"\x00\xff" * 100, "application/octet-stream"),
        (b"done", ""),
        (b"{", "application/json"),
        (b'{"name": "other"}', "application/json"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n', "multipart/form-data; boundary=x"),
        (b"x" * 200_000, "text/plain"),
    ],
)
async def test_a_request_that_is_all_in_its_path_takes_any_body(shared: Rig, body: bytes, content_type: str) -> None:
    """What a job sends along with a ping is no reason to refuse it, however long it is, by each method that it may have."""
    headers = {"content-type": content_type} if content_type else {}
    async with shared.client(None) as client:
        for method in ("POST", "GET", "HEAD"):
            answer = await client.request(method, "/v1/knocks/door?_=123&x", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            assert method == "HEAD" or answer.json() == {"name": "door"}
        chunked = await client.post("/v1/knocks/door", content=_pieces(body), headers={**headers, "content-encoding": "gzip"})
        assert chunked.status_code == 200, chunked.text
    assert [request.name for request in shared.shelf.requests] == ["door"] * 4


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body
