"""Routes of earlier systems over HTTP: what they take, how they answer, and what they do with what is meant to hurt."""

import json
from collections.abc import AsyncGenerator
from typing import Final

import httpx2
import pytest

from tests.integration.gateway.support import Book, Rig, message_type
from tocsin.errors import InvalidInput, PermissionDenied, ResourceExhausted, TocsinError, Unauthenticated

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def stranger(rig: Rig) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client without a token."""
    async with rig.client(None) as made:
        yield made


async def test_query_form_and_json_are_taken_and_answered_in_snake_case(rig: Rig, client: httpx2.AsyncClient) -> None:
    """With a slash at the end or without."""
    fields = {"title": "Emma", "pages": 5}
    for path in ("/add-book", "/add-book/"):
        for answer in (
            await client.post(path, params=fields),
            await client.post(path, data=fields),
            await client.post(path, json=fields),
        ):
            assert answer.status_code == 200, answer.text
            assert answer.json() == {"name": "shelves/1/books/1", "title": "Emma", "page_count": 5}
    assert rig.shelf.calls[0]["tenant"] == "acme"


async def test_lists_are_there_when_they_are_empty(client: httpx2.AsyncClient) -> None:
    """And HEAD and OPTIONS are as everywhere."""
    assert (await client.get("/book-list")).json() == {"books": []}
    assert (await client.head("/book-list/")).status_code == 200
    assert (await client.options("/add-book/")).headers["allow"] == "OPTIONS, POST"
    assert (await client.put("/add-book")).headers["allow"] == "OPTIONS, POST"


async def test_errors_of_the_contract_and_of_the_service_are_in_snake_case(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Rules of the contract, whose paths are JSON's elsewhere, and members of the details."""
    refused = await client.post("/add-book", data={"title": "x" * 81, "pages": 0})
    assert refused.status_code == 400
    document = refused.json()
    bad = next(item for item in document["details"] if item["@type"].endswith("BadRequest"))
    assert "title" in [item["field"] for item in bad["field_violations"]]

    async def act(_: object) -> object:
        raise ResourceExhausted(retry_after=3)

    rig.shelf.act = act
    late = await client.post("/add-book", data={"title": "x", "pages": 5})
    assert (late.status_code, late.headers["retry-after"]) == (429, "3")
    assert {"retry_delay": "3.000s"}.items() <= late.json()["details"][-1].items()
    assert (await client.get("/book", headers={"authorization": "Bearer x"})).status_code == 401


BODIES: Final[list[tuple[str, bytes, int]]] = [
    (FORM, b"title=Emma", 200),
    (f"{FORM}; charset=utf-8", b"title=Emma", 200),
    (f'{FORM.upper()} ; charset="UTF-8"', b"title=Emma", 200),
    (f"{FORM}; charset=latin-1", b"title=\xe9", 415),
    (f"{FORM}; charset=utf-16", "title=Emma".encode("utf-16"), 415),
    ("multipart/form-data; boundary=x", b"--x--", 415),
    ("text/plain", b"title=Emma", 415),
    ("application/json; charset=latin-1", b'{"title": "x"}', 415),
    (FORM, b"title=%E9", 400),
    (FORM, b"title=\xe9", 400),
    (FORM, b"title=%00", 400),
    (FORM, b"title=%u0041", 400),
    (FORM, b"title=%", 400),
    (FORM, b"title=%ED%A0%80", 400),
    (FORM, b"%74itle=Em%6Da", 200),
    (FORM, b"title%00=x", 400),
    (FORM, b"title=a&%74itle=b", 400),
    (FORM, b"title[]=a", 400),
    (FORM, b"title;x=a", 400),
    (FORM, b"&&title=Emma&&", 200),
    (FORM, b"title=a\r\nx: y", 200),
    (FORM, b"=", 400),
    (FORM, b"a=&" * 501, 400),
    (FORM, b"&" * 4000, 400),
    (FORM, b"title=" + b"x" * 4090, 400),
    (FORM, b"title=" + b"x" * 5000, 413),
    (FORM, b'{"title": "Emma"}', 400),
    (FORM, b"labels={" + b'"a":{' * 200, 400),
    ("application/json", b"title=Emma", 400),
    ("application/json", b'{"title": "Emma", "title": "Anna"}', 400),
]
QUERIES: Final[list[tuple[str, int]]] = [
    ("&".join(f"authors={number}" for number in range(501)), 400),
    ("&".join(["a=1"] * 10_000), 400),
    ("title=" + "%41" * 300, 400),
    ("title=%00", 400),
    ("title=%C0%AF", 400),
    ("title=Emma&title", 400),
    ("TITLE=Emma", 400),
    ("title=Emma&authors=a&authors=b", 200),
]


async def test_hostile_bodies_and_queries_are_refused_or_taken_and_never_more(client: httpx2.AsyncClient) -> None:
    """Bounded, clear, and no fault of the server's: a query with ten thousand fields costs a look at it."""
    wrong: list[tuple[object, int, str]] = []
    for content_type, content, status in BODIES:
        answer = await client.post("/add-book?pages=5", content=content, headers={"content-type": content_type})
        if answer.status_code != status or not _is_clear(answer):
            wrong.append(((content_type, content[:100]), answer.status_code, answer.text[:400]))
    for query, status in QUERIES:
        answer = await client.post(f"/add-book?{query}&pages=5")
        if answer.status_code != status or not _is_clear(answer):
            wrong.append((query[:100], answer.status_code, answer.text[:400]))
    assert wrong == []


def _is_clear(answer: httpx2.Response) -> bool:
    if answer.status_code < 400:
        return True
    return answer.headers["content-type"] == "application/problem+json" and len(answer.content) < 4000


TOKEN = {"grant_type": "password", "username": "ann", "password": "x"}


async def test_a_token_endpoint_answers_as_oauth_says(stranger: httpx2.AsyncClient) -> None:
    """Not stored; credentials of a client are tolerated."""
    for headers in ({}, {"authorization": "Basic YXBwOnNlY3JldA=="}):
        for answer in (
            await stranger.post("/token", data=TOKEN, headers=headers),
            await stranger.post("/token/", json=TOKEN, headers=headers),
        ):
            assert (answer.status_code, answer.json()) == (200, {"title": "ann", "page_count": 3})
            assert answer.headers["cache-control"] == "no-store"


ERRORS: Final[list[tuple[TocsinError, int, str]]] = [
    (Unauthenticated("The name or the password is wrong."), 400, "invalid_grant"),
    (InvalidInput.at("password", "is required"), 400, "invalid_request"),
    (InvalidInput("Not this.", reason="UNSUPPORTED_GRANT_TYPE"), 400, "unsupported_grant_type"),
    (InvalidInput("Not that.", reason="INVALID_SCOPE"), 400, "invalid_scope"),
    (PermissionDenied("Closed."), 400, "unauthorized_client"),
    (ResourceExhausted(retry_after=7), 429, "temporarily_unavailable"),
    (TocsinError("secret"), 500, "server_error"),
]


async def test_errors_of_a_token_endpoint_are_those_of_oauth(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """RFC 6749, 5.2: a word for programs, a text for people, nothing stored."""
    for error, status, name in ERRORS:

        async def act(_: object, error: TocsinError = error) -> object:
            raise error

        rig.shelf.act = act
        answer = await stranger.post("/token/", data=TOKEN)
        assert (answer.status_code, answer.json()["error"]) == (status, name)
        assert set(answer.json()) == {"error", "error_description"}
        assert {answer.headers[key] for key in ("content-type", "cache-control", "pragma")} == {"application/json", "no-store", "no-cache"}
        assert answer.headers.get("retry-after") == ("7" if status == 429 else None)
        assert "www-authenticate" not in answer.headers


BAD_TOKENS: Final[list[tuple[str, bytes, str, int]]] = [
    ("/token", b"", FORM, 400),
    ("/token", b"username=", FORM, 400),
    ("/token", b"username=a&username=b", FORM, 400),
    ("/token?username=a&password=b", b"", FORM, 400),
    ("/token", b"{", "application/json", 400),
    ("/token", b"<a/>", "text/xml", 415),
    ("/token", b"username=" + b"x" * 2048, FORM, 413),
    ("/token", b"username=%zz%22%5c%0a\xc3\xa9", FORM, 400),
]


async def test_a_bad_request_for_a_token_is_told_in_the_same_words(stranger: httpx2.AsyncClient) -> None:
    """Also what never reaches the service."""
    for url, content, content_type, status in BAD_TOKENS:
        answer = await stranger.post(url, content=content, headers={"content-type": content_type})
        assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request"), (url, content)
        assert all(" " <= char <= "~" and char not in '"\\' for char in answer.json()["error_description"])


async def test_a_document_shows_these_routes_as_they_are(client: httpx2.AsyncClient) -> None:
    """Names, media types, errors; one of the two slashes; the example is taken."""
    document = (await client.get("/openapi.json")).json()
    paths = document["paths"]
    assert {"/add-book", "/book", "/book-list/", "/lend/{name}", "/echo", "/token"} <= paths.keys()
    assert not {"/add-book/", "/book-list"} & paths.keys()
    add = paths["/add-book"]["post"]
    assert add["requestBody"]["content"].keys() == {"application/json", FORM}
    schema = add["requestBody"]["content"]["application/json"]["schema"]
    assert {"title", "pages", "create_time"} <= schema["properties"].keys()
    assert schema["required"] == ["title"]
    assert {"title", "pages", "authors"} <= {item["name"] for item in add["parameters"]}
    reply = add["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert {"page_count", "create_time"} <= document["components"]["schemas"][reply]["properties"].keys()
    example = {"pages": 5, **add["requestBody"]["content"]["application/json"]["example"]}
    assert (await client.post("/add-book", json=example)).status_code == 200
    assert (await client.post("/add-book", data=example)).status_code == 200
    token = paths["/token"]["post"]
    assert token["responses"]["default"] == {"$ref": "#/components/responses/TokenProblem"}
    assert "parameters" not in token
    assert token["requestBody"]["required"] is True


async def test_a_fault_is_told_in_the_words_of_the_route(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """The last resort, too."""
    rig.shelf.act = lambda _: (_ for _ in ()).throw(RuntimeError("inside"))
    answer = await stranger.post("/token", json=TOKEN)
    assert (answer.status_code, json.loads(answer.content)["error"]) == (500, "server_error")
    assert message_type("Book") is Book
