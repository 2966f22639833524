from collections.abc import AsyncGenerator
from typing import Final

import httpx2
import pytest
import pytest_asyncio

from gateway.http.headers import MOST_PASSED_ON
from tests.integration.gateway.support import Rig, page, violations

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = "application/x-www-form-urlencoded"


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(shared: Rig) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client without a token."""
    async with shared.client(None) as made:
        yield made


async def test_a_page_is_shown_as_it_is_and_can_do_nothing(shared: Rig, stranger: httpx2.AsyncClient) -> None:
    """The bytes and their type are the service's; what they may do is the gateway's word."""
    answer = await stranger.get("/s/abc")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "<h1>abc</h1>", "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "frame-ancestors 'none'" in policy
    assert {answer.headers[name] for name in ("x-content-type-options", "referrer-policy", "cache-control")} == {
        "nosniff",
        "no-referrer",
        "no-store",
    }
    assert shared.shelf.calls[0]["tenant"] is None


async def test_get_head_and_post_are_calls_of_their_own(shared: Rig, stranger: httpx2.AsyncClient) -> None:
    """One path, two methods: who only looks does not send; HEAD is GET without its body; others are told what there is."""
    head = await stranger.head("/s/abc")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len("<h1>abc</h1>")))
    sent = await stranger.post("/s/abc", content=b"List-Unsubscribe=One-Click", headers={"content-type": FORM})
    assert (sent.status_code, sent.text) == (200, "<h1>sent</h1>")
    shown, form = shared.shelf.requests
    assert (shown.token, form.token, form.form.content_type, form.form.data) == ("abc", "abc", FORM, b"List-Unsubscribe=One-Click")
    refused = await stranger.put("/s/abc", content=b"x")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")


async def test_the_service_chooses_the_status(shared: Rig, stranger: httpx2.AsyncClient) -> None:
    """A page that says "no such link" is a 404 with its page."""
    for status in (200, 404, 410, 503):

        async def act(_: object, status: int = status) -> object:
            return page("<p>gone</p>", status=status)

        shared.shelf.act = act
        answer = await stranger.get("/s/abc")
        assert (answer.status_code, answer.text) == (status, "<p>gone</p>")


UNSENDABLE: Final = [
    (99, "text/html"),
    (600, "text/html"),
    (-1, "text/html"),
    (200, "text/html\r\nset-cookie: a=b"),
    (200, "é"),
    (200, "x" * 201),
]


async def test_what_http_cannot_say_is_an_error(shared: Rig, stranger: httpx2.AsyncClient) -> None:
    """An answer that would spoil the head of the response does not leave the gateway."""
    for status, content_type in UNSENDABLE:

        async def act(_: object, status: int = status, content_type: str = content_type) -> object:
            return page("x", status=status, content_type=content_type)

        shared.shelf.act = act
        answer = await stranger.get("/s/abc")
        assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
        assert "set-cookie" not in answer.headers


async def test_chosen_headers_travel_and_no_others(shared: Rig, stranger: httpx2.AsyncClient) -> None:
    """Those that the contract names, in lower case, several of one name as one list; a client cannot fill the field otherwise."""
    headers = [("Accept-Language", "de"), ("accept-language", "fr;q=0.5"), ("x-forwarded-for", "1.2.3.4"), ("cookie", "a=b")]
    assert (await stranger.get("/s/abc", headers=headers)).status_code == 200
    assert dict(shared.shelf.requests[0].headers) == {"accept-language": "de, fr;q=0.5"}
    refused = await stranger.get("/s/abc?headers=x")
    assert (refused.status_code, violations(refused)) == (400, ["headers"])
    endless = await stranger.get("/s/abc", headers={"accept-language": "x" * (MOST_PASSED_ON + 1)})
    assert (endless.status_code, violations(endless)) == (400, ["accept-language"])


async def test_a_raw_body_reaches_the_service_to_the_byte(shared: Rig, stranger: httpx2.AsyncClient) -> None:
    """Whatever its type, and whatever it holds: signatures are over bytes. So is the query."""
    body = b'{"a": 1,\r\n "a": NaN} \x00\xff%zz&&=\xe2\x82'
    for content_type in ["application/json", FORM, "text/plain; charset=latin-1", "application/x-protobuf", None]:
        headers = {"x-signature": "t=1,v1=ab", "x-sent": "17", **({} if content_type is None else {"content-type": content_type})}
        answer = await stranger.post("/v1/notices/acme?b=%2F&a=%zz&&x", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        request = shared.shelf.requests[-1]
        assert (request.library, request.body.data, request.body.content_type) == ("acme", body, content_type or "")
        assert (dict(request.headers), request.query) == ({"x-signature": "t=1,v1=ab", "x-sent": "17"}, "b=%2F&a=%zz&&x")


async def test_a_raw_body_is_bounded_by_its_method(shared: Rig, stranger: httpx2.AsyncClient) -> None:
    """By counted bytes, whether its length was told or not; nothing reaches the service."""

    async def pieces() -> AsyncGenerator[bytes]:
        yield b"x" * 1000
        yield b"x" * 25

    told = await stranger.post("/s/abc", content=b"x" * 1025)
    counted = await stranger.post("/s/abc", content=pieces())
    packed = await stranger.post("/s/abc", content=b"x", headers={"content-encoding": "gzip"})
    assert (told.status_code, counted.status_code, packed.status_code) == (413, 413, 415)
    assert shared.shelf.requests == []
    assert (await stranger.post("/s/abc", content=b"x" * 1024)).status_code == 200


@pytest.mark.asyncio(loop_scope="function")
async def test_a_service_that_is_away_is_told_as_any_other(rig: Rig) -> None:
    """An error of the call is a problem document, not half a page."""
    await rig.servers["shelf_svc"].stop()
    async with rig.client(None) as stranger:
        answer = await stranger.get("/s/abc")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "retry-after" in answer.headers


async def test_the_service_chooses_headers(shared: Rig, stranger: httpx2.AsyncClient) -> None:
    """What it says of caching stands in place of "no-store"; the rest of the door's own stays."""

    async def act(_: object) -> object:
        return page("<p>x</p>", headers={"cache-control": "public, max-age=60", "etag": 'W/"7"'})

    shared.shelf.act = act
    answer = await stranger.get("/s/abc")
    assert (answer.headers.get_list("cache-control"), answer.headers["etag"]) == (["public, max-age=60"], 'W/"7"')
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("status", "tags", "expected"),
    [(0, '"7"', 304), (0, 'W/"7"', 304), (0, '"1", "7"', 304), (0, "*", 304), (0, '"8"', 200), (0, None, 200), (404, '"7"', 404)],
)
async def test_who_has_it_already_gets_no_body(
    shared: Rig, stranger: httpx2.AsyncClient, status: int, tags: str | None, expected: int
) -> None:
    """If-None-Match that names the entity tag of a good answer is 304 with the same headers (RFC 9110, 15.4.5)."""

    async def act(_: object) -> object:
        return page("<p>x</p>", status=status, headers={"cache-control": "max-age=60", "etag": '"7"'})

    shared.shelf.act = act
    for method in ("GET", "HEAD"):
        answer = await stranger.request(method, "/s/abc", headers={"if-none-match": tags} if tags else {})
        assert (answer.status_code, answer.headers["etag"], answer.headers["cache-control"]) == (expected, '"7"', "max-age=60")
        assert answer.text == ("<p>x</p>" if expected != 304 and method == "GET" else "")


async def test_a_post_is_never_unmodified(shared: Rig, stranger: httpx2.AsyncClient) -> None:
    """If-None-Match of an unsafe method says nothing about its answer."""

    async def act(_: object) -> object:
        return page("<p>x</p>", headers={"etag": '"7"'})

    shared.shelf.act = act
    assert (await stranger.post("/s/abc", content=b"x", headers={"if-none-match": '"7"'})).status_code == 200


async def test_a_body_may_be_cut(shared: Rig, stranger: httpx2.AsyncClient) -> None:
    """Where the contract says so, the first bytes are passed on, and the connection goes on; method and address are the door's to say."""

    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(40):
            yield b"y" * 50_000

    for body, kept in ((b"x" * 99, 99), (b"x" * 100, 100), (b"x" * 3_000_000, 100), (pieces(), 100), (b"", 0)):
        assert (await stranger.post("/n/abc", content=body)).status_code == 200
        assert len(shared.shelf.requests[-1].note.data) == kept
    assert (await stranger.head("/n/abc")).status_code == 200
    assert (await stranger.get("/n/abc?method=X")).status_code == 400
    assert [request.method for request in shared.shelf.requests] == ["POST"] * 5 + ["HEAD"]
    assert {request.address for request in shared.shelf.requests} == {"127.0.0.1"}
