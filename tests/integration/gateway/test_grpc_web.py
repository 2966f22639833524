"""gRPC-Web at the HTTP port, by its text (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md)."""

import base64
import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.integration.gateway.support import Book, Rig, change, message_type
from tests.integration.gateway.test_connect import BOMB, emit
from tests.integration.gateway.web_rpc import NAME, SERVICE, Frame, framed, frames, message, status, trailers
from tocsin.errors import InvalidInput, ResourceExhausted

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET_BOOK, WATCH, COUNT, COPY = SERVICE + "GetBook", SERVICE + "WatchBooks", SERVICE + "CountBooks", SERVICE + "CopyBooks"
BINARY, TEXT = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}, {"content-type": "application/grpc-web-text"}
REQUEST = framed(message(False, name=NAME))


@pytest_asyncio.fixture(loop_scope="module")
async def rig(module_rig: Rig) -> Rig:
    """The gateway of this module, as if nothing had been."""
    module_rig.shelf.forget()
    return module_rig


@pytest_asyncio.fixture(loop_scope="module")
async def client(rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with every scope."""
    async with rig.client() as made:
        yield made


def decoded(text: bytes) -> list[Frame]:
    """The messages of a body in base64, of which each has padding of its own."""
    found = b""
    at = 0
    while at < len(text):
        end = next((quad + 4 for quad in range(at, len(text), 4) if b"=" in text[quad : quad + 4]), len(text))
        found += base64.b64decode(text[at:end], validate=True)
        at = end
    return frames(found)


@pytest.mark.parametrize(
    "kind", ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text", "application/grpc-web-text+proto"]
)
async def test_a_unary_rpc_answers_with_a_message_and_trailers(rig: Rig, client: httpx2.AsyncClient, kind: str) -> None:
    """The answer is of the type of the request; bodies of the text types are base64."""
    text = "text" in kind
    answer = await client.post(GET_BOOK, content=base64.b64encode(REQUEST) if text else REQUEST, headers={"content-type": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    found, last = decoded(answer.content) if text else frames(answer.content)
    assert (found.flags, Book.FromString(found.data).name) == (0, NAME)
    assert trailers(last) == {"grpc-status": "0"}
    assert rig.shelf.calls[0]["tenant"] == "acme"


async def test_messages_may_be_json(client: httpx2.AsyncClient) -> None:
    """As connect-go takes them."""
    answer = await client.post(GET_BOOK, content=framed(message(True, name=NAME)), headers={"content-type": "application/grpc-web+json"})
    assert frames(answer.content)[0].json == {"name": NAME, "title": "Emma"}


@pytest.mark.parametrize("headers", [BINARY, TEXT])
async def test_an_error_stands_in_the_head(rig: Rig, client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    """Trailers-Only: the status, its text in percent-encoding, and the google.rpc.Status."""

    async def refuse(_: Any) -> Any:
        raise InvalidInput.at("title", "ist öde: 100 %\n")

    rig.shelf.act = refuse
    answer = await client.post(GET_BOOK, content=base64.b64encode(REQUEST) if headers is TEXT else REQUEST, headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert (answer.headers["content-type"], answer.headers["grpc-status"]) == (headers["content-type"], "3")
    assert answer.headers["grpc-message"] == "title: ist %C3%B6de: 100 %25%0A"
    found = status(answer.headers)
    info = message_type("google.rpc.ErrorInfo")()
    assert found.details[0].Unpack(info)
    assert (info.reason, info.metadata["trace_id"]) == ("INVALID_INPUT", answer.headers["x-trace-id"])


async def test_without_a_credential_nobody_is_called(rig: Rig) -> None:
    """Authentication stands before everything, and is told in the protocol."""
    async with rig.client(token=None) as stranger:
        answer = await stranger.post(GET_BOOK, content=REQUEST, headers=BINARY)
    assert (answer.status_code, answer.headers["grpc-status"]) == (200, "16")
    assert rig.shelf.requests == []


async def test_a_stream_of_answers_ends_with_trailers(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Well, or with the error; in base64 as well."""
    rig.shelf.changes = emit(change("a", "t1"), change("b", "t2"))
    answer = await client.post(WATCH, content=framed(b""), headers=BINARY)
    *found, last = frames(answer.content)
    assert [message_type("WatchBooksResponse").FromString(item.data).resume_token for item in found] == ["t1", "t2"]
    assert trailers(last)["grpc-status"] == "0"
    rig.shelf.changes = emit(change("a"), ResourceExhausted(retry_after=2))
    answer = await client.post(WATCH, content=base64.b64encode(framed(b"")), headers=TEXT)
    first, last = decoded(answer.content)
    assert (first.flags, trailers(last)["grpc-status"], trailers(last)["retry-after"]) == (0, "8", "2")
    assert status(trailers(last)).code == 8


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("path", [COUNT, COPY])
async def test_requests_may_stream_as_far_as_http_1_lets_them(rig: Rig, client: httpx2.AsyncClient, path: str, text: bool) -> None:
    """No browser can, but other clients of gRPC-Web; each piece of base64 has padding of its own."""
    sent = [framed(message(False, title=title, page_count=1)) for title in "abc"]
    body = b"".join(base64.b64encode(item) for item in sent) if text else b"".join(sent)

    async def trickle() -> AsyncIterator[bytes]:
        for at in range(len(body)):
            yield body[at : at + 1]

    answer = await client.post(path, content=trickle(), headers=TEXT if text else BINARY)
    *found, last = decoded(answer.content) if text else frames(answer.content)
    assert trailers(last) == {"grpc-status": "0"}
    assert len(found) == (1 if path == COUNT else 3)


async def test_compressed_messages(rig: Rig, client: httpx2.AsyncClient) -> None:
    """grpc-encoding says how; grpc-accept-encoding asks for it."""
    rig.shelf.changes = emit(change("x" * 2000), change("short"))
    headers = {**BINARY, "grpc-encoding": "gzip", "grpc-accept-encoding": "identity,gzip"}
    answer = await client.post(WATCH, content=framed(gzip.compress(b""), flags=1), headers=headers)
    assert answer.headers["grpc-encoding"] == "gzip"
    long, short, last = frames(answer.content)
    assert (long.flags, short.flags, last.flags) == (1, 0, 0x80)
    assert len(message_type("WatchBooksResponse").FromString(gzip.decompress(long.data)).book.title) == 2000


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"", BINARY, 3),
        (REQUEST + REQUEST, BINARY, 3),
        (REQUEST[:-1], BINARY, 3),
        (framed(b"", flags=1), BINARY, 3),
        (framed(b"", flags=0x80), BINARY, 3),
        (framed(b"", flags=0x42), BINARY, 3),
        (b"\0\xff\xff\xff\xff", BINARY, 3),
        (framed(BOMB[:2000], flags=1), {**BINARY, "grpc-encoding": "gzip"}, 3),
        (framed(b"", flags=1), {**BINARY, "grpc-encoding": "snappy"}, 12),
        (REQUEST, {**BINARY, "grpc-timeout": "soon"}, 3),
        (REQUEST, TEXT, 3),
        (b"****", TEXT, 3),
        (b"QQ=Q", TEXT, 3),
        (b"=" * 64, TEXT, 3),
        (base64.b64encode(REQUEST)[:-4], TEXT, 3),
    ],
)
async def test_bad_frames_are_the_clients_mistake(
    rig: Rig, client: httpx2.AsyncClient, body: bytes, headers: dict[str, str], code: int
) -> None:
    """Each is told in the head; no service is asked."""
    answer = await client.post(GET_BOOK, content=body, headers=headers)
    assert (answer.status_code, int(answer.headers["grpc-status"])) == (200, code), answer.headers
    assert rig.shelf.requests == []


@pytest.mark.parametrize("text", [base64.b64encode(REQUEST), base64.b64encode(REQUEST).rstrip(b"="), base64.urlsafe_b64encode(REQUEST)])
async def test_either_alphabet_padded_or_not(client: httpx2.AsyncClient, text: bytes) -> None:
    """As RFC 4648 has them."""
    answer = await client.post(GET_BOOK, content=text, headers=TEXT)
    assert trailers(decoded(answer.content)[-1]) == {"grpc-status": "0"}


async def test_garbage_in_a_message_is_the_clients_mistake(client: httpx2.AsyncClient) -> None:
    """What is no protobuf is told by the service, as over gRPC."""
    answer = await client.post(GET_BOOK, content=framed(b"\xff\xff\xff"), headers=BINARY)
    assert answer.headers["grpc-status"] == "3", answer.headers
