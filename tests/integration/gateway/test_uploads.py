"""Request bodies as streams."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.integration.gateway.support import Rig, lines, violations
from tocsin.testing.waiting import eventually

COUNT = "/v1/books:count"
COPY = "/v1/books:copy"
SCAN = "/v1/books:scan"
NDJSON = {"content-type": "application/x-ndjson"}


def book(title: str) -> str:
    """A book that keeps all rules."""
    return json.dumps({"title": title, "pageCount": 1})


def text(*titles: str) -> bytes:
    """Books, a line each."""
    return "".join(book(title) + "\n" for title in titles).encode()


def head(rig: Rig, path: str, media_type: str) -> bytes:
    """The head of a request whose body is chunked."""
    lines = f"POST {path} HTTP/1.1|Host: x|Authorization: Bearer {rig.token()}|Content-Type: {media_type}|Transfer-Encoding: chunked||"
    return lines.replace("|", "\r\n").encode()


async def trickle(*parts: bytes) -> AsyncIterator[bytes]:
    """A chunked body."""
    for part in parts:
        yield part
        await asyncio.sleep(0)


@pytest.mark.parametrize(("between", "last"), [("\n", "\n"), ("\r\n", "\r\n"), ("\n\n \n", ""), ("\n", "")])
async def test_each_line_is_a_message(rig: Rig, client: httpx2.AsyncClient, between: str, last: str) -> None:
    """An NDJSON body becomes a stream of requests; empty lines mean nothing, and the last line needs no end."""
    answer = await client.post(COUNT, content=(between.join([book("a"), book("b")]) + last).encode(), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    assert rig.shelf.requests == [["a", "b"]]


async def test_a_chunked_body_may_be_cut_anywhere(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Lines do not care how the body was cut, nor does the gateway care for its length."""
    body = text("ä", "b", "c")
    answer = await client.post(COUNT, content=trickle(*(body[at : at + 1] for at in range(len(body)))), headers=NDJSON)
    assert (answer.status_code, rig.shelf.requests) == (200, [["ä", "b", "c"]])


async def test_a_stream_is_not_bound_by_the_size_of_a_body(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Ten times the most bytes of a body pass, line by line; the rig takes 4096."""
    titles = [f"{number:080}" for number in range(400)]
    answer = await client.post(COUNT, content=text(*titles), headers=NDJSON)
    assert answer.json() == {"count": "400"}


async def test_a_line_that_is_too_long_is_a_413(client: httpx2.AsyncClient) -> None:
    """Memory stays bounded by the most bytes of a line."""
    answer = await client.post(COUNT, content=text("a", "x" * 5000), headers=NDJSON)
    assert answer.status_code == 413
    assert "Line 2 is longer than 4096 bytes" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("line", "field", "detail"),
    [(b'{"heading":"a"}', ["heading"], "line 2: heading"), (b"{", [], "line 2: "), (b'{"title":1}', ["title"], "line 2: title")],
)
async def test_a_broken_line_is_named(client: httpx2.AsyncClient, line: bytes, field: list[str], detail: str) -> None:
    """The error says which line, and what is wrong with it."""
    answer = await client.post(COUNT, content=text("a") + line, headers=NDJSON)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(detail)
    assert violations(answer) == field


@pytest.mark.parametrize(
    "headers", [{"content-type": "application/json"}, {}, {"content-type": "text/csv"}, {**NDJSON, "content-encoding": "gzip"}]
)
async def test_other_types_are_a_415(client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    """A stream of lines says that it is one."""
    assert (await client.post(COUNT, content=text("a"), headers=headers)).status_code == 415


async def test_answers_of_both_streams_come_line_by_line(client: httpx2.AsyncClient) -> None:
    """A method that streams both ways answers with lines."""
    answer = await client.post(COPY, content=text("a", "b"), headers=NDJSON)
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [line["title"] for line in lines(answer.text)] == ["a", "b"]


async def test_answers_come_while_the_body_is_under_way(rig: Rig) -> None:
    """The first answer is there before the body has ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(rig.url.rpartition(":")[2]))
    line = text("first")
    writer.write(head(rig, COPY, "application/x-ndjson") + f"{len(line):x}\r\n".encode() + line + b"\r\n")
    async with asyncio.timeout(60):
        assert b'"title":"first"' in await reader.readuntil(b"}\n")
        writer.write(b"0\r\n\r\n")
        assert await reader.readuntil(b"0\r\n\r\n")
    writer.close()


async def test_a_raw_body_goes_on_in_pieces_with_its_type(rig: Rig, client: httpx2.AsyncClient) -> None:
    """An HttpBody takes what comes, of any type; the query makes a message of its own before it, and a list in the answer becomes lines."""
    answer = await client.post(f"{SCAN}?options.skip=3", content=b"one,two", headers={"content-type": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert [request.options.skip for request in rig.shelf.requests[1:]] == [3, 0]
    assert lines(answer.text) == [{"title": "text/csv"}, {"title": "one,two"}]


async def test_a_client_that_leaves_its_upload_cancels_it(rig: Rig) -> None:
    """The service does not wait for the rest of a body that will never come."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(rig.url.rpartition(":")[2]))
    writer.write(head(rig, SCAN, "text/plain") + b"3\r\nabc\r\n")
    await eventually(lambda: len(rig.shelf.requests) > 1, what="the first piece")
    writer.transport.abort()
    await eventually(lambda: rig.shelf.cancelled == 1, what="the cancellation")


async def test_the_document_describes_streams(client: httpx2.AsyncClient) -> None:
    """OpenAPI shows what a line is, and that a raw body takes any type."""
    paths: Any = (await client.get("/openapi.json")).json()["paths"]
    assert paths["/v1/books:count"]["post"]["requestBody"]["content"].keys() == {"application/x-ndjson"}
    assert paths["/v1/books:scan"]["post"]["requestBody"]["content"].keys() == {"*/*"}
    shown = paths["/v1/books:scan"]["post"]["responses"]["200"]["content"]["application/x-ndjson"]["schema"]
    assert shown == {"$ref": "#/components/schemas/shelf.v1.Book"} or shown["$ref"].endswith("Book")
