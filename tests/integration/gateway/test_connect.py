"""The Connect protocol at the HTTP port, by its text (https://connectrpc.com/docs/protocol)."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.integration.gateway.support import Book, Rig, message_type
from tests.integration.gateway.web_rpc import NAME, SERVICE, book, framed, frames, message
from tocsin.errors import InvalidInput, NotFound, ResourceExhausted, Unavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET_BOOK, CREATE, LIST = SERVICE + "GetBook", SERVICE + "CreateBook", SERVICE + "ListBooks"
WATCH = SERVICE + "WatchBooks"
STREAM_JSON = {"content-type": "application/connect+json"}
FORMATS = pytest.mark.parametrize("is_json", [True, False], ids=["json", "proto"])


@pytest_asyncio.fixture(loop_scope="module")
async def rig(module_rig: Rig) -> Rig:
    """The gateway of this module, as if nothing had been."""
    module_rig.shelf.forget()
    module_rig.alerts.all.clear()
    return module_rig


@pytest_asyncio.fixture(loop_scope="module")
async def client(rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with every scope."""
    async with rig.client() as made:
        yield made


def kind(is_json: bool, *, stream: bool = False) -> dict[str, str]:
    """The head of a request."""
    return {"content-type": f"application/{'connect+' if stream else ''}{'json' if is_json else 'proto'}", "connect-protocol-version": "1"}


def emit(*changes: Any) -> Any:
    """A stream of these changes; an exception among them is raised."""

    async def changes_of(_: Any) -> AsyncIterator[Any]:
        for item in changes:
            if isinstance(item, Exception):
                raise item
            yield item

    return changes_of


@FORMATS
async def test_a_unary_rpc_is_a_post_of_its_message(rig: Rig, client: httpx2.AsyncClient, is_json: bool) -> None:
    """The path names the RPC; the answer is of the type of the request."""
    answer = await client.post(GET_BOOK, content=message(is_json, name=NAME), headers=kind(is_json))
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind(is_json)["content-type"])
    assert book(is_json, answer.content) == Book(name=NAME, title="Emma")
    assert rig.shelf.calls[0]["tenant"] == "acme"


@FORMATS
async def test_an_error_has_its_code_and_details(rig: Rig, client: httpx2.AsyncClient, is_json: bool) -> None:
    """Errors are JSON whatever the request is: the code in words, the google.rpc details in base64 and readable."""

    async def refuse(_: Any) -> Any:
        raise InvalidInput.at("title", "is dull")

    rig.shelf.act = refuse
    answer = await client.post(GET_BOOK, content=message(is_json, name=NAME), headers=kind(is_json))
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    found = answer.json()
    assert (found["code"], found["message"]) == ("invalid_argument", "title: is dull")
    info, bad = (next(item for item in found["details"] if item["type"] == f"google.rpc.{name}") for name in ("ErrorInfo", "BadRequest"))
    assert info["debug"]["metadata"]["trace_id"] == answer.headers["x-trace-id"]
    assert bad["debug"] == {"fieldViolations": [{"field": "title", "description": "is dull"}]}
    assert not bad["value"].endswith("=")
    raw = base64.b64decode(bad["value"] + "=" * (-len(bad["value"]) % 4))
    assert message_type("google.rpc.BadRequest").FromString(raw).field_violations[0].field == "title"


@pytest.mark.parametrize(
    ("error", "status", "code", "header"),
    [
        (NotFound(), 404, "not_found", None),
        (ResourceExhausted(retry_after=3), 429, "resource_exhausted", ("retry-after", "3")),
        (Unavailable(retry_after=1), 503, "unavailable", ("retry-after", "1")),
    ],
)
async def test_codes_have_their_statuses(
    rig: Rig, client: httpx2.AsyncClient, error: Exception, status: int, code: str, header: tuple[str, str] | None
) -> None:
    """The table of the protocol is that of google/rpc/code.proto."""

    async def fail(_: Any) -> Any:
        raise error

    rig.shelf.act = fail
    answer = await client.post(CREATE, content=b"{}", headers=kind(True))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert header is None or answer.headers[header[0]] == header[1]


async def test_json_is_read_as_rest_reads_it(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Unknown fields are refused, both names are taken, a page has its list, an identity is made up."""
    answer = await client.post(CREATE, content=b'{"book":{"pages":"Emma"}}', headers=kind(True))
    assert (answer.status_code, answer.json()["details"][1]["debug"]["fieldViolations"][0]["field"]) == (400, "book.pages")
    answer = await client.post(CREATE, content=b'{"book":{"title":"Emma","page_count":3}}', headers=kind(True))
    assert answer.json()["pageCount"] == 3, answer.text
    assert len(rig.shelf.requests[-1].request_id) == 36
    assert (await client.post(LIST, content=b"{}", headers=kind(True))).json() == {"books": []}


async def test_without_a_credential_nobody_is_called(rig: Rig) -> None:
    """Authentication and scope stand before everything, and are told in the protocol."""
    async with rig.client(token=None) as stranger, rig.client(token=rig.token("books:read")) as reader:
        answer = await stranger.post(GET_BOOK, content=b"{}", headers=kind(True))
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        answer = await reader.post(CREATE, content=b"{}", headers=kind(True))
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        answer = await stranger.post(WATCH, content=framed(b"{}"), headers=STREAM_JSON)
        assert (answer.status_code, frames(answer.content)[0].json["error"]["code"]) == (200, "unauthenticated")
        assert (await stranger.post(SERVICE + "Hello", content=b"{}", headers=kind(True))).json() == {"title": "hello"}
    assert [alert.detail for alert in rig.alerts.all if alert.detail.startswith("lacks")] == ["lacks books:write"]


@pytest.mark.parametrize(
    "query",
    [
        {"encoding": "json", "message": json.dumps({"name": NAME})},
        {"encoding": "json", "message": base64.urlsafe_b64encode(json.dumps({"name": NAME}).encode()).decode(), "base64": "1"},
        {"encoding": "json", "message": base64.b64encode(json.dumps({"name": NAME}).encode()).decode().rstrip("="), "base64": "1"},
        {
            "encoding": "proto",
            "message": base64.urlsafe_b64encode(message(False, name=NAME)).decode().rstrip("="),
            "base64": "1",
            "connect": "v1",
        },
        {
            "encoding": "proto",
            "message": base64.urlsafe_b64encode(gzip.compress(message(False, name=NAME))).decode(),
            "base64": "1",
            "compression": "gzip",
        },
    ],
)
async def test_what_changes_nothing_may_be_a_get(client: httpx2.AsyncClient, query: dict[str, str]) -> None:
    """The query holds the message."""
    answer = await client.get(GET_BOOK, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == f"application/{query['encoding']}"
    assert book(query["encoding"] == "json", answer.content).name == NAME


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "invalid_argument"),
        ("encoding=json", "invalid_argument"),
        ("message=%7B%7D", "invalid_argument"),
        ("encoding=xml&message=%7B%7D", "invalid_argument"),
        ("encoding=json&message=%7B%7D&message=%7B%7D", "invalid_argument"),
        ("encoding=json&message=%7B%7D&connect=v2", "invalid_argument"),
        ("encoding=json&message=***&base64=1", "invalid_argument"),
        ("encoding=json&message=%7B%7D&compression=br", "unimplemented"),
        ("encoding=proto&message=AAAA&base64=1&compression=gzip", "invalid_argument"),
        ("encoding=json&message=%FF", "invalid_argument"),
        ("&".join(f"a{number}=1" for number in range(50)), "invalid_argument"),
    ],
)
async def test_a_get_that_is_none_is_refused(rig: Rig, client: httpx2.AsyncClient, query: str, code: str) -> None:
    """Every mistake in the query is the client's."""
    answer = await client.get(f"{GET_BOOK}?{query}")
    assert answer.json()["code"] == code, answer.text
    assert rig.shelf.requests == []


async def test_what_changes_something_is_no_get(client: httpx2.AsyncClient) -> None:
    """A GET may be made by a link or a prefetch; 405 names what is left."""
    answer = await client.get(CREATE)
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        (GET_BOOK, "application/xml"),
        (GET_BOOK, ""),
        (GET_BOOK, "application/connect+json"),
        (GET_BOOK, "application/json; charset=latin-1"),
        (GET_BOOK, "application/grpc"),
        (WATCH, "application/json"),
        (WATCH, "application/proto"),
    ],
)
async def test_what_is_not_understood_is_a_415(rig: Rig, client: httpx2.AsyncClient, path: str, content_type: str) -> None:
    """The answer tells what is (RFC 9110, 15.5.16)."""
    answer = await client.post(path, content=b"{}", headers={"content-type": content_type})
    assert answer.status_code == 415
    wanted = "application/connect+json" if path == WATCH else "application/json"
    assert wanted in answer.headers["accept-post"].split(", ")
    assert rig.shelf.requests == []


async def test_another_version_is_refused(client: httpx2.AsyncClient) -> None:
    """Connect-Protocol-Version is 1."""
    answer = await client.post(GET_BOOK, content=b"{}", headers={**kind(True), "connect-protocol-version": "2"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


@pytest.mark.parametrize(("millis", "most"), [("20000", 20.0), ("9999999999", 30.0)])
async def test_the_deadline_is_the_clients_if_it_is_shorter(rig: Rig, client: httpx2.AsyncClient, millis: str, most: float) -> None:
    """Connect-Timeout-Ms is capped by the policy's timeout."""
    await client.post(GET_BOOK, content=b"{}", headers={**kind(True), "connect-timeout-ms": millis})
    assert most - 10 < rig.shelf.calls[0]["remaining"] <= most


@pytest.mark.parametrize("millis", ["-1", "1.5", "12345678901", "soon"])
async def test_a_deadline_that_is_no_number_is_refused(client: httpx2.AsyncClient, millis: str) -> None:
    """Digits, ten at most."""
    answer = await client.post(GET_BOOK, content=b"{}", headers={**kind(True), "connect-timeout-ms": millis})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


async def test_a_deadline_that_passes_is_told(rig: Rig, client: httpx2.AsyncClient) -> None:
    """As in gRPC."""

    async def sleep(_: Any) -> Any:
        await asyncio.sleep(60)

    rig.shelf.act = sleep
    answer = await client.post(GET_BOOK, content=b"{}", headers={**kind(True), "connect-timeout-ms": "50"})
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")


@FORMATS
async def test_bodies_may_be_gzip(rig: Rig, client: httpx2.AsyncClient, is_json: bool) -> None:
    """Either way; an answer that is short is not worth it."""

    async def long(_: Any) -> Any:
        return Book(title="x" * 2000)

    body = gzip.compress(message(is_json, name=NAME))
    answer = await client.post(GET_BOOK, content=body, headers={**kind(is_json), "content-encoding": "gzip"})
    assert (answer.status_code, rig.shelf.requests[0].name, "content-encoding" in answer.headers) == (200, NAME, False)
    rig.shelf.act = long
    answer = await client.post(GET_BOOK, content=message(is_json, name=NAME), headers={**kind(is_json), "accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(book(is_json, answer.content).title) == 2000
    answer = await client.post(GET_BOOK, content=message(is_json, name=NAME), headers={**kind(is_json), "accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers


BOMB = gzip.compress(b"\0" * 50_000_000)


@pytest.mark.parametrize(
    ("body", "coding", "code"),
    [
        (BOMB[:4000], "gzip", "invalid_argument"),
        (gzip.compress(b'{"name":"' + b"x" * 300_000 + b'"}'), "gzip", "invalid_argument"),
        (b"{}", "gzip", "invalid_argument"),
        (gzip.compress(b"{}")[:-4], "gzip", "invalid_argument"),
        (gzip.compress(b"{}") + b"more", "gzip", "invalid_argument"),
        (b"{}", "br", "unimplemented"),
        (b"{}", "gzip, gzip", "unimplemented"),
    ],
    ids=["half a bomb", "too large", "not compressed", "cut short", "more behind", "unknown", "twice"],
)
async def test_what_is_compressed_badly_is_refused(rig: Rig, client: httpx2.AsyncClient, body: bytes, coding: str, code: str) -> None:
    """A bomb is stopped at the most bytes of a message, not when it has gone off."""
    answer = await client.post(GET_BOOK, content=body, headers={**kind(True), "content-encoding": coding})
    assert answer.json()["code"] == code, answer.text
    assert rig.shelf.requests == []


async def test_browsers_may_send_and_read_what_the_protocols_need(rig: Rig) -> None:
    """A preflight allows the headers of connect-web and grpc-web; the answer shows theirs."""
    origin = {"origin": "https://app.example.com"}
    async with rig.client(token=None) as client:
        wanted = "connect-protocol-version,connect-timeout-ms,content-type,grpc-timeout,x-grpc-web,x-user-agent,authorization"
        asked = {**origin, "access-control-request-method": "POST", "access-control-request-headers": wanted}
        answer = await client.options(GET_BOOK, headers=asked)
        allowed = answer.headers["access-control-allow-headers"].split(", ")
        assert (answer.status_code, set(wanted.split(",")) - set(allowed)) == (204, set())
        assert "POST" in answer.headers["access-control-allow-methods"]
        answer = await client.post(GET_BOOK, content=b"{}", headers={**kind(True), **origin})
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
        assert {"grpc-status", "grpc-message", "grpc-status-details-bin"} <= set(
            answer.headers["access-control-expose-headers"].split(", ")
        )
