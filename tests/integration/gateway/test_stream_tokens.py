"""Streams that a URL alone opens, by a stream token."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from tests.integration.gateway.support import Rig, change
from tests.integration.gateway.test_connect import emit
from tocsin.alerts import AlertKind

pytestmark = pytest.mark.asyncio(loop_scope="module")

WATCH = "/v1/books:watch"
SSE = {"accept": "text/event-stream"}


@pytest_asyncio.fixture(loop_scope="module")
async def rig(module_rig: Rig) -> Rig:
    """The gateway of this module, with a token "good" for the watch."""
    module_rig.shelf.forget()
    module_rig.alerts.all.clear()
    module_rig.shelf.changes = emit(change("a", "t1"))
    module_rig.stream_tokens.known = {("good", WATCH): module_rig.token("books:read"), ("narrow", WATCH): module_rig.token("books:write")}
    return module_rig


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a credential of its own."""
    async with rig.client(token=None) as made:
        yield made


async def test_it_opens_the_stream_of_its_path(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """As an EventSource does: by the URL, again after a break, with the last event's id; the service never sees the token."""
    answer = await stranger.get(f"{WATCH}?resumeToken=t0&access_token=good", headers=SSE)
    assert (answer.status_code, "id: t1" in answer.text) == (200, True)
    assert (rig.shelf.requests[0].resume_token, rig.shelf.calls[0]["tenant"]) == ("t0", "acme")
    assert "good" not in str(rig.shelf.calls[0]["metadata"])
    answer = await stranger.get(f"{WATCH}?access_token=good", headers={**SSE, "last-event-id": "t1"})
    assert (answer.status_code, rig.shelf.requests[1].resume_token) == (200, "t1")


@pytest.mark.parametrize(
    ("query", "headers", "status", "reason"),
    [
        ("access_token=bad", {}, 401, "STREAM_TOKEN_REFUSED"),
        ("access_token=", {}, 401, "STREAM_TOKEN_REFUSED"),
        ("access_token=%C3%A4", {}, 401, "STREAM_TOKEN_REFUSED"),
        (f"access_token={'x' * 5000}", {}, 401, "STREAM_TOKEN_REFUSED"),
        ("access_token=narrow", {}, 403, "SCOPE_MISSING"),
        ("access_token=good&access_token=good", {}, 400, "INVALID_INPUT"),
        ("access_token=good", {"authorization": "Bearer x"}, 400, "HEADERS_INVALID"),
    ],
)
async def test_what_is_not_good_opens_nothing(
    rig: Rig, stranger: httpx2.AsyncClient, query: str, headers: dict[str, str], status: int, reason: str
) -> None:
    """Refused before any service hears of it."""
    answer = await stranger.get(f"{WATCH}?{query}", headers={**SSE, **headers})
    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (status, reason)
    assert rig.shelf.requests == []
    assert (AlertKind.TOKEN_INVALID in rig.alerts.kinds) == (reason == "STREAM_TOKEN_REFUSED")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/books"), ("POST", "/v1/books:count"), ("POST", "/shelf.v1.ShelfService/WatchBooks"), ("GET", "/debug/services")],
)
async def test_it_is_good_nowhere_else(rig: Rig, stranger: httpx2.AsyncClient, method: str, path: str) -> None:
    """Neither at other paths, nor as a header."""
    rig.stream_tokens.known[("good", path)] = rig.token()
    answer = await stranger.request(method, f"{path}?access_token=good", headers={"content-type": "application/connect+json"})
    assert answer.status_code in (200, 400, 401)
    assert answer.status_code != 200 or b"unauthenticated" in answer.content
    answer = await stranger.get(WATCH, headers={"authorization": "Bearer good"})
    assert answer.status_code == 401
    assert rig.shelf.requests == []


async def test_it_stands_in_no_log(rig: Rig, stranger: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    """The access log names the route; nothing else tells of the query."""
    await stranger.get(f"{WATCH}?access_token=good", headers=SSE)
    await stranger.get(f"{WATCH}?access_token=secret-1", headers=SSE)
    captured = capsys.readouterr()
    assert "access_token" not in captured.err + captured.out
    assert "secret-1" not in captured.err + captured.out
