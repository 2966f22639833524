import functools
import json
import uuid
from typing import Any

import pytest

from gateway.transcoding.binding import Incoming, RequestBinder
from gateway.transcoding.contract import Contract
from gateway.transcoding.query import MAX_PARAMETERS
from gateway.transcoding.rendering import ResponseRenderer
from gateway.transcoding.router import Router
from gateway.transcoding.routes import Route, build_router, build_routes
from gateway.transcoding.template import TemplateError, parse
from tests.unit.gateway.contracts import contract, message_type, pool
from tocsin.api.mesh.v1 import http_pb2
from tocsin.errors import InvalidInput
from tocsin.protojson.codec import UnreadableReply

pytestmark = pytest.mark.usefixtures("each_codec")


@functools.cache
def router(whole: Contract) -> Router[Route]:
    """What finds the routes of a contract."""
    return build_router(build_routes(whole))


def bind(method: str, target: str, body: bytes = b"", *, content_type: str = "application/json", last_event_id: str | None = None) -> Any:
    """The request message that an HTTP request becomes."""
    path, _, query = target.partition("?")
    match = router(contract()).match(method, path)
    wire = match.target.binder.bind(
        Incoming(variables=match.variables, query_string=query.encode(), body=body, content_type=content_type, last_event_id=last_event_id)
    )
    return message_type(match.target.rpc.descriptor.input_type.name).FromString(wire)


def route(method: str, path: str) -> Route:
    """The route of a path."""
    return router(contract()).match(method, path).target


BOOK = "/v1/shelves/1/books/2"


def test_body_query_and_path_make_one_message() -> None:
    """Each part of the request lands where the rule puts it."""
    message = bind("POST", "/v1/shelves/1/books?validate_only=true", b'{"title": "Emma", "pageCount": 5}')
    assert (message.parent, message.book.title, message.book.page_count, message.validate_only) == ("shelves/1", "Emma", 5, True)


def test_the_path_wins_over_the_body() -> None:
    """A name in the body, under either spelling, never reaches what the path did not name."""
    assert bind("PATCH", BOOK, b'{"name": "shelves/9/books/9", "title": "x"}').book.name == "shelves/1/books/2"
    assert bind("POST", f"{BOOK}:lend", b'{"name": "shelves/9/books/9", "reader": "ann"}').name == "shelves/1/books/2"
    assert bind("GET", "/v1/echo/5/RED/true").child.i64 == 5


@pytest.mark.parametrize(
    ("method", "target", "field"),
    [
        ("GET", f"{BOOK}?name=shelves/9/books/9", "name"),
        ("PATCH", f"{BOOK}?book.name=shelves/9/books/9", "book.name"),
        ("PATCH", f"{BOOK}?book.title=x", "book.title"),
        ("POST", "/v1/shelves/1/books?book.title=x", "book.title"),
        ("POST", "/v1/shelves/1/books?parent=shelves/9", "parent"),
        ("POST", f"{BOOK}:lend?reader=x", "reader"),
        ("GET", "/v1/echo/5/RED/true?child.i64=6", "child.i64"),
        ("GET", "/v1/books?zz=1", "zz"),
        ("GET", "/v1/books?page_size=1&pageSize=2", "pageSize"),
        ("GET", "/v1/books?page_size=1&page_size=2", "page_size"),
        ("GET", "/v1/books?page_size=x", "pageSize"),
        ("GET", "/v1/books?page_size=", "pageSize"),
        ("GET", "/v1/echo?child=x", "child"),
        ("GET", "/v1/echo?children.s=x", "children.s"),
        ("GET", "/v1/echo?byName.a=1", "byName.a"),
        ("GET", "/v1/echo?object=x", "object"),
        ("GET", "/v1/echo?b=yes", "b"),
        ("GET", "/v1/echo?b=1", "b"),
        ("GET", "/v1/echo?e=PURPLE", "e"),
        ("GET", "/v1/echo?raw=!", "raw"),
        ("GET", "/v1/echo?time=yesterday", "time"),
        ("GET", "/v1/echo?span=five", "span"),
        ("GET", "/v1/echo?oneText=a&oneNumber=1", "oneNumber"),
        ("GET", "/v1/echo?s=%zz", "query"),
        ("GET", "/v1/echo?s=%ff", "query"),
        ("GET", "/v1/echo?" + "numbers=1&" * (MAX_PARAMETERS + 1), "query"),
        ("GET", "/v1/echo/x/RED/true", "child.i64"),
        ("GET", "/v1/echo/5/RED/yes", "b"),
        ("GET", "/v1/echo?=1", ""),
    ],
)
def test_what_does_not_fit_is_refused(method: str, target: str, field: str) -> None:
    """A query parameter that is unknown, repeated, not of its type, or owned by path or body is named in the error."""
    with pytest.raises(InvalidInput) as caught:
        bind(method, target)
    assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("s=a+b%20c%C3%BC", {"s": "a b cü"}),
        ("i32=-5&u64=18446744073709551615", {"i32": -5, "u64": "18446744073709551615"}),
        ("d=NaN&f=1.5", {"d": "NaN", "f": 1.5}),
        ("b=true", {"b": True}),
        ("raw=-_8", {"raw": "+/8="}),
        ("raw=%2B/8=", {"raw": "+/8="}),
        ("e=RED", {"e": "RED"}),
        ("e=2", {"e": "BLUE"}),
        ("numbers=1&numbers=2&colours=RED&colours=2", {"numbers": ["1", "2"], "colours": ["RED", "BLUE"]}),
        ("child.child.s=x&child.i32=5", {"child": {"child": {"s": "x"}, "i32": 5}}),
        ("long_field_name=a", {"longFieldName": "a"}),
        ("longFieldName=a&otherName=b", {"longFieldName": "a", "otherName": "b"}),
        ("time=2026-12-01T09:00:00Z&span=1.5s", {"time": "2026-12-01T09:00:00Z", "span": "1.500s"}),
        ("times=2026-12-01T09:00:00Z", {"times": ["2026-12-01T09:00:00Z"]}),
        ("mask=long_field_name,child.i32", {"mask": "longFieldName,child.i32"}),
        ("boolValue=false&int64Value=5&stringValue=", {"boolValue": False, "int64Value": "5", "stringValue": ""}),
        ("maybeText=&maybeNumber=0", {"maybeText": "", "maybeNumber": 0}),
        ("&&s=a&", {"s": "a"}),
        ("", {}),
    ],
)
def test_query_parameters_of_every_type(query: str, expected: dict[str, Any]) -> None:
    """Text becomes the value that its field takes, nested and repeated ones too."""
    found = route("GET", "/v1/echo")
    wire = found.binder.bind(Incoming(variables={}, query_string=query.encode()))
    assert json.loads(found.renderer.render(wire).data) == expected


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    """Where the body is the message, it is an object."""
    with pytest.raises(InvalidInput, match="JSON object"):
        bind("POST", f"{BOOK}:lend", body)
    if body != b"null":
        with pytest.raises(InvalidInput, match="book"):
            bind("POST", "/v1/shelves/1/books", body)


def test_bytes_without_a_body_rule_are_refused() -> None:
    """A method without a body rule takes no bytes."""
    with pytest.raises(InvalidInput, match="accepts no body"):
        bind("GET", BOOK, b"{}")


@pytest.mark.parametrize(
    ("target", "body", "paths"),
    [
        (BOOK, b'{"title": "x", "pageCount": 3}', ["title", "page_count"]),
        (BOOK, b'{"page_count": null, "labels": {}}', ["page_count", "labels"]),
        (BOOK, b'{"name": "x", "createTime": "2026-01-01T00:00:00Z", "title": "x"}', ["title"]),
        (f"{BOOK}?updateMask=title", b'{"pageCount": 3}', ["title"]),
        (BOOK, b"{}", []),
        (BOOK, b"", []),
    ],
)
def test_patch_without_a_mask_changes_what_its_body_names(target: str, body: bytes, paths: list[str]) -> None:
    """The derived mask holds the keys that are present, nulls too, but not what only the server or the path sets."""
    assert list(bind("PATCH", target, body).update_mask.paths) == paths


def test_an_unset_request_id_is_filled_with_a_fresh_uuid() -> None:
    """Creates become safe to retry without the client's help; an id that the client gave stays (AIP-4235)."""
    first, second = (bind("POST", "/v1/shelves/1/books", b"{}").request_id for _ in range(2))
    assert uuid.UUID(first).version == 4
    assert first != second
    assert bind("POST", "/v1/shelves/1/books?requestId=mine", b"{}").request_id == "mine"
    assert bind("POST", "/books/", b'{"request_id": "mine"}').request_id == "mine"
    assert uuid.UUID(bind("POST", "/books/", b'{"requestId": ""}').request_id)


def test_last_event_id_resumes_a_watch() -> None:
    """The browser's header wins over the token in the address, which it repeats unchanged when it reconnects."""
    assert bind("GET", "/v1/books:watch?resume_token=old", last_event_id="new").resume_token == "new"
    assert bind("GET", "/v1/books:watch?resume_token=old").resume_token == "old"


def test_http_body_takes_and_gives_any_bytes() -> None:
    """google.api.HttpBody carries bytes of any type both ways."""
    message = bind("PUT", f"{BOOK}/cover", b"\x89PNG\x00", content_type="image/png")
    assert (message.cover.content_type, message.cover.data, message.name) == ("image/png", b"\x89PNG\x00", "shelves/1/books/2")
    reply = route("GET", f"{BOOK}/cover").renderer.render(message.cover.SerializeToString())
    assert (reply.content_type, reply.data) == ("image/png", b"\x89PNG\x00")


def test_response_body_shows_one_field() -> None:
    """The field stands alone, and empty when it is not set."""
    page = message_type("ListBooksResponse")(books=[{"title": "x"}], next_page_token="y")
    found = route("GET", "/v1/titles")
    assert json.loads(found.renderer.render(page.SerializeToString()).data) == [{"title": "x"}]
    assert found.renderer.render(b"").data == b"[]"


def test_the_contract_decides_what_is_routed() -> None:
    """Internal RPCs and those without a rule have no route."""
    names = {item.rpc.descriptor.name for item in build_routes(contract())}
    assert names == {
        "CreateBook", "GetBook", "ListBooks", "UpdateBook", "DeleteBook", "LendBook", "PutCover", "GetCover", "WatchBooks", "Hello",
        "Knock", "Echo", "CountBooks", "CopyBooks", "ScanBooks", "ShowSlip", "SendSlip", "TakeNotice", "Admit",
        "LeaveNote",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/{zz}", ""), ("/v1/{book}", ""), ("/v1/{book.labels}", ""), ("/v1/{book.authors}", ""), ("/v1/x", "zz"),
     ("/v1/{parent}", "parent"),
     ("/v1/{book.zz}", "*"), ("/v1/x", "requestId")],
)  # fmt: skip
def test_a_rule_that_names_no_usable_field_stops_the_start(path: str, body: str) -> None:
    """A path variable is a single value, and a body is a field of the request."""
    request = pool().FindMessageTypeByName("shelf.v1.CreateBookRequest")
    descriptor = next(item for item in build_routes(contract()) if item.rpc.descriptor.name == "CreateBook").rpc.descriptor.input_type
    assert descriptor.full_name == request.full_name
    with pytest.raises(TemplateError):
        RequestBinder(contract=contract(), request=descriptor, template=parse(path), http_method="POST", body=body)
    with pytest.raises(TemplateError):
        ResponseRenderer(contract=contract(), response=descriptor, response_body="zz")


@pytest.mark.parametrize(
    "door",
    [
        {"headers": ["x-a"]},
        {"headers_field": "headers"},
        {"headers": ["x-a"], "headers_field": "zz"},
        {"headers": ["x-a"], "headers_field": "query"},
        {"headers": ["X-A"], "headers_field": "headers"},
        {"headers": ["authorization"], "headers_field": "headers"},
        {"headers": ["cookie"], "headers_field": "headers"},
        {"query_field": "zz"},
        {"query_field": "headers"},
        {"query_field": "body"},
        {"method_field": "headers"},
        {"address_field": "zz"},
    ],
)
def test_a_door_that_cannot_be_stops_the_start(door: dict[str, Any]) -> None:
    """Headers go into a map of texts, the query into a text, and credentials nowhere."""
    descriptor = pool().FindMessageTypeByName("shelf.v1.TakeNoticeRequest")
    option = http_pb2.Http(**door)
    with pytest.raises(TemplateError):
        RequestBinder(contract=contract(), request=descriptor, template=parse("/x"), http_method="POST", body="body", door=option)


@pytest.mark.parametrize(
    ("response_body", "door"),
    [
        ("", {"status_field": "status"}),
        ("page", {"status_field": "zz"}),
        ("page", {"status_field": "page"}),
        ("page", {"response_headers": ["etag"]}),
        ("page", {"response_headers_field": "headers"}),
        ("page", {"response_headers": ["etag"], "response_headers_field": "status"}),
        ("", {"response_headers": ["etag"], "response_headers_field": "headers"}),
        ("page", {"response_headers": ["ETag"], "response_headers_field": "headers"}),
        ("page", {"response_headers": ["set-cookie"], "response_headers_field": "headers"}),
        ("page", {"response_headers": ["content-security-policy"], "response_headers_field": "headers"}),
        ("page", {"response_headers": ["access-control-allow-origin"], "response_headers_field": "headers"}),
        ("page", {"response_headers": ["x y"], "response_headers_field": "headers"}),
    ],
)
def test_a_head_that_cannot_be_stops_the_start(response_body: str, door: dict[str, Any]) -> None:
    """The status is an int32 beside the body, the headers a map of texts, and some are not a service's to set."""
    descriptor = pool().FindMessageTypeByName("shelf.v1.SlipPage")
    with pytest.raises(TemplateError):
        ResponseRenderer(contract=contract(), response=descriptor, response_body=response_body, door=http_pb2.Http(**door))


@pytest.mark.parametrize(
    "headers",
    [
        {"set-cookie": "a=b"},
        {"cache-control": ""},
        {"cache-control": "a\r\nset-cookie: b"},
        {"cache-control": "ü"},
        {"cache-control": "x" * 1001},
        {"etag": "bare"},
        {"etag": '"a"b"'},
    ],
)
def test_headers_that_cannot_be_sent_are_no_answer(headers: dict[str, str]) -> None:
    """Only what the contract names, in visible ASCII, leaves; an entity tag is quoted (RFC 9110, 8.8.3)."""
    answer = message_type("SlipPage")(headers=headers)
    with pytest.raises(UnreadableReply):
        route("GET", "/s/x").renderer.render(answer.SerializeToString())
