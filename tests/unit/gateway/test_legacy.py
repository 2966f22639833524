"""Routes of earlier systems: query, form and JSON make one message, in the contract's own names."""

import json
from typing import Any

import pytest

from gateway.transcoding.binding import Incoming
from gateway.transcoding.legacy import LegacyBinder
from gateway.transcoding.query import MAX_PARAMETERS
from gateway.transcoding.routes import build_router, build_routes
from gateway.transcoding.template import TemplateError, parse
from tests.unit.gateway.contracts import contract, message_type, pool
from tocsin.api.mesh.v1 import http_pb2
from tocsin.errors import FieldViolation, InvalidInput

ROUTER = build_router(build_routes(contract()))


def bind(method: str, target: str, body: bytes = b"", *, form: bool = False) -> Any:
    """The request message that an HTTP request becomes."""
    path, _, query = target.partition("?")
    match = ROUTER.match(method, path)
    incoming = Incoming(variables=match.variables, query_string=query.encode("latin-1"), body=body, is_form=form)
    try:
        wire = match.target.binder.bind(incoming)
    except InvalidInput as error:
        raise match.target.binder.as_written(error) from None
    return message_type(match.target.rpc.descriptor.input_type.name).FromString(wire)


@pytest.mark.parametrize(
    ("target", "body", "form"),
    [
        ("/add-book?title=Emma&pages=5", b"", False),
        ("/add-book/?title=Emma&page_count=5", b"", False),
        ("/add-book?title=Emma&pageCount=5", b"", False),
        ("/add-book", b"title=Emma&pages=5", True),
        ("/add-book", b'{"title": "Emma", "pages": 5}', False),
        ("/add-book/", b'{"title": "Emma", "page_count": 5}', False),
        ("/add-book", b'{"title": "Emma", "pageCount": "5"}', False),
        ("/add-book?title=Emma", b"pages=5", True),
        ("/add-book?pages=5", b'{"title": "Emma"}', False),
    ],
)
def test_query_form_and_json_make_the_same_message(target: str, body: bytes, form: bool) -> None:
    """Each alone, or one with the other; under the contract's name, JSON's, or the one that its users know."""
    message = bind("POST", target, body, form=form)
    assert (message.book.title, message.book.page_count, len(message.request_id)) == ("Emma", 5, 36)


@pytest.mark.parametrize("path", ["/book-list", "/book-list/"])
def test_a_get_takes_a_query_with_and_without_a_slash(path: str) -> None:
    """As it is written in the contract, and the other way round."""
    message = bind("GET", f"{path}?page_size=5&authors=a&authors=b")
    assert (message.page_size, list(message.authors)) == (5, ["a", "b"])


def test_a_get_takes_no_body() -> None:
    """Nobody would read it."""
    with pytest.raises(InvalidInput, match="no body"):
        bind("GET", "/book?name=x", b"{}")


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("b=True", "b", True), ("b=1", "b", True), ("b=no", "b", False), ("b=OFF", "b", False), ("i64=-5", "i64", -5),
        ("e=RED", "e", 1), ("s=a%20b+c", "s", "a b c"), ("s=", "s", ""), ("d=1.5", "d", 1.5),
        ("numbers=1&numbers=2", "numbers", [1, 2]), ("numbers=1", "numbers", [1]), ("by_name={\"a\": 1}", "by_name", {"a": 1}),
        ("child={\"s\": \"x\"}", "child.s", "x"), ("child.s=x", "child.s", "x"), ("child.child.s=x", "child.child.s", "x"),
    ],
)  # fmt: skip
def test_text_becomes_the_value_of_its_field(query: str, field: str, value: object) -> None:
    """As in any query; yes and no as people write them; JSON where an object is wanted."""
    found: Any = bind("POST", f"/echo?{query}")
    for name in field.split("."):
        found = getattr(found, name)
    assert (list(found) if isinstance(value, list) else dict(found) if isinstance(value, dict) else found) == value


def test_free_json_may_come_as_text() -> None:
    """An event's data in a query is JSON."""
    assert dict(bind("POST", '/echo?object={"a": "b"}').object) == {"a": "b"}


@pytest.mark.parametrize(
    ("target", "body", "form", "field"),
    [
        ("/add-book?zz=1", b"", False, "zz"),
        ("/add-book", b"zz=1", True, "zz"),
        ("/add-book", b'{"zz": 1}', False, "zz"),
        ("/add-book?book.title=x", b"", False, "title"),
        ("/add-book?title=a&title=b", b"", False, "title"),
        ("/add-book", b"title=a&title=b", True, "title"),
        ("/add-book?title=a", b"title=b", True, "title"),
        ("/add-book?title=a", b'{"title": "b"}', False, "title"),
        ("/add-book?pages=1&page_count=2", b"", False, "pages"),
        ("/add-book", b'{"pages": 1, "page_count": 2}', False, "pages"),
        ("/add-book", b'{"pages": 1, "pageCount": 2}', False, "pages"),
        ("/add-book?pages=x", b"", False, "pages"),
        ("/add-book", b'{"pages": "x"}', False, "pages"),
        ("/add-book?authors=a", b'{"authors": ["b"]}', False, "authors"),
        ("/add-book?labels=x", b"", False, "labels"),
        ("/lend/b1?name=b2", b"", False, "name"),
        ("/lend/b1", b'{"name": "b2"}', False, "name"),
        ("/echo?child.s=x", b'{"child": {"i32": 1}}', False, "child.s"),
        ("/echo?child={}&child.s=x", b"", False, "child.s"),
        ("/echo?child.by_name.x=1", b"", False, "child.by_name.x"),
        ("/echo?b=maybe", b"", False, "b"),
        ("/echo", b'{"child": {"doubleValue": "x"}}', False, "child.double_value"),
        ("/echo", b'{"children": [{"i32": 1}, {"boolValue": 3}]}', False, "children[1].bool_value"),
        ("/echo", b'{"byNumber": {"1": {"boolValue": 3}}}', False, 'by_number["1"].bool_value'),
        ("/add-book?%zz=1", b"", False, "query"),
        ("/add-book", b"title=%ff", True, "body"),
        ("/add-book?title=%c3", b"", False, "query"),
        ("/add-book?" + "&".join(["authors=a"] * (MAX_PARAMETERS + 1)), b"", False, "query"),
        ("/add-book", b"&" * 100_000, True, "body"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(target: str, body: bytes, form: bool, field: str) -> None:
    """The name is the one of this route: snake_case, or what its users know."""
    with pytest.raises(InvalidInput) as refused:
        bind("POST", target, body, form=form)
    assert [item.field for item in refused.value.violations] == [field]
    assert refused.value.message.startswith(f"{field}: ")
    assert len(refused.value.message) < 400


@pytest.mark.parametrize("body", [b"[]", b'"title=a"', b"{", b"title=a", b"null"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    """It was said to be JSON."""
    with pytest.raises(InvalidInput):
        bind("POST", "/add-book", body)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("book.pageCount", "pages"),
        ("book.title", "title"),
        ("book.labels['a.bC']", "labels['a.bC']"),
        ("book.createTime", "create_time"),
        ("book.authors[2]", "authors[2]"),
        ("requestId", "requestId"),
    ],
)
def test_errors_of_the_service_are_in_the_words_of_the_route(written: str, shown: str) -> None:
    """The path loses the field that the route binds; names are the contract's, or the alias."""
    error = InvalidInput(f"{written}: is wrong", violations=[FieldViolation(written, "is wrong"), FieldViolation("book.title", "too")])
    made = ROUTER.match("POST", "/add-book").target.binder.as_written(error)
    assert (made.violations[0].field, made.violations[1].field, made.message) == (shown, "title", f"{shown}: is wrong")


def test_an_answer_has_the_names_of_the_contract() -> None:
    """A page still has its list; free-form JSON and the keys of maps are left as they are."""
    page = message_type("ListBooksResponse")(books=[{"title": "x", "page_count": 3, "labels": {"aB": "c"}}], next_page_token="y")
    renderer = ROUTER.match("GET", "/book-list").target.renderer
    assert json.loads(renderer.render(page.SerializeToString()).data) == {
        "books": [{"title": "x", "page_count": 3, "labels": {"aB": "c"}}],
        "next_page_token": "y",
    }
    assert json.loads(renderer.render(b"").data) == {"books": []}


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"grant_type=password&username=ann&password=x&client_id=app&scope=", True),
        (b'{"grant_type": "password", "username": "ann", "password": "x", "extra": {"a": [1]}, "scope": ""}', False),
        (b"username=ann&password=x&username=", True),
    ],
)
def test_a_token_endpoint_reads_as_oauth_says(body: bytes, form: bool) -> None:
    """Unknown parameters are ignored, empty ones as if not given (RFC 6749, 3.2)."""
    message = bind("POST", "/token", body, form=form)
    assert (message.username, message.password, message.scope) == ("ann", "x", "")


@pytest.mark.parametrize(
    ("target", "body"),
    [("/token", b"username=a&username=b"), ("/token?username=a", b""), ("/token?x=1", b"username=a"), ("/token/?&&a", b"")],
)
def test_a_token_endpoint_refuses_what_oauth_forbids(target: str, body: bytes) -> None:
    """A parameter twice, or in the query, which ends in logs (RFC 6749, 3.2 and 2.3.1)."""
    with pytest.raises(InvalidInput):
        bind("POST", target, body, form=True)


@pytest.mark.parametrize(
    ("path", "option"),
    [
        ("/x", {"body": "zz"}),
        ("/x", {"body": "parent"}),
        ("/x", {"aliases": {"a": "zz"}}),
        ("/x", {"aliases": {"a": "parent", "parent": "book"}}),
        ("/x", {"body": "book", "aliases": {"a": "parent"}}),
        ("/x/{zz}", {}),
        ("/x/{book}", {}),
    ],
)
def test_an_option_that_cannot_be_stops_the_start(path: str, option: dict[str, Any]) -> None:
    """Bodies are messages, aliases stand for fields of theirs, and a field has one name in an alias's place."""
    descriptor = pool().FindMessageTypeByName("shelf.v1.CreateBookRequest")
    with pytest.raises(TemplateError):
        LegacyBinder(
            contract=contract(), request=descriptor, template=parse(path), http_method="POST", option=http_pb2.LegacyRoute(**option)
        )
