"""What an operator may choose for a contract of another team, beside the strict rules."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contracts.files import checked
from gateway.contracts.layers import served
from gateway.contracts.policies import ContractRules, parse_policies
from gateway.transcoding.contract import Contract
from gateway.transcoding.forms import parts
from gateway.transcoding.incoming import Incoming
from gateway.transcoding.routes import Route, build_routes
from tests.integration.gateway.foreign import FILE, kind
from tests.unit.gateway.contracts import chosen_codec, descriptor_set
from tocsin.errors import InvalidInput

pytestmark = pytest.mark.usefixtures("each_codec")

WHO = "methods: {billing.v1.Invoices: {scope: 'a:b', http: HTTP}}"


def route(method: str, http: str = "{}") -> Route:
    """The first route of a method, with options."""
    files = checked(descriptor_set(FILE))
    problems: list[str] = []
    found = served(files, ContractRules(), parse_policies(WHO.replace("HTTP", http).encode()).methods, problems)
    assert problems == []
    contract = Contract(
        descriptor_set=files.SerializeToString(),
        name="billing",
        policies={path: each.policy for path, each in found.items()},
        transcoding={path: each.transcoding for path, each in found.items()},
        codec=chosen_codec(),
    )
    return next(each for each in build_routes(contract) if each.rpc.policy.method == method)


def bound(method: str, http: str, **values: Any) -> Any:
    """The request that is made of an HTTP request."""
    found = route(method, http)
    variables = {item.field_path: "customers/7/invoices/1" for item in found.template.variables}
    return kind(found.rpc.policy.request_type).FromString(found.binder.bind(Incoming(variables=variables, **values)))


def shown(method: str, http: str, answer: Any, **values: Any) -> Any:
    """The JSON that an answer is shown as."""
    renderer = route(method, http).renderer.chosen(Incoming(variables={}, **values))
    return renderer.render(answer.SerializeToString()).data.decode()


FIRST_LINE = {"invoice.lines.0.text": "t"}


@pytest.mark.parametrize(
    ("method", "http", "values", "refused", "expected"),
    [
        ("GetInvoice", "{unknown_parameters: ignore}", {"query_string": b"trace=1"}, "trace", {"name": "customers/7/invoices/1"}),
        ("GetInvoice", "{ignored_parameters: [key]}", {"query_string": b"key=1"}, "key", {"name": "customers/7/invoices/1"}),
        ("Search", "{unknown_parameters: ignore}", {"query_string": b"trace=1", "body": b'{"pageSize":3}'}, "trace", {"page_size": 3}),
        ("CreateInvoice", "{unknown_fields: ignore}", {"body": b'{"more":{"a":1},"totalCents":2}'}, "more", {"invoice.total_cents": 2}),
        (
            "CreateInvoice",
            "{unknown_fields: ignore}",
            {"body": b'{"lines":[{"x":1,"text":"t"}]}'},
            "lines[0].x",
            {"invoice.lines.0.text": "t"},
        ),
        ("CreateInvoice", "{enums: any-case}", {"body": b'{"state":"state_paid"}'}, "state", {"invoice.state": 2}),
        ("CreateInvoice", "{enums: any-case}", {"body": b'{"state":"State-Sent"}'}, "state", {"invoice.state": 1}),
        ("GetInvoice", "{enums: any-case}", {"query_string": b"state=state_paid"}, "state", {"state": 2}),
        ("Search", "{enums: any-case}", {"body": b'{"states":["state_paid","STATE_SENT"]}'}, "states[0]", {"states": [2, 1]}),
        ("CreateInvoice", "{forms: true}", {"body": b"totalCents=5&state=STATE_PAID", "is_form": True}, "", {"invoice.state": 2}),
        ("Search", "{forms: true}", {"body": b"states=STATE_PAID&states=1", "is_form": True}, "", {"states": [2, 1]}),
        (
            "Attach",
            "{forms: true}",
            {
                "body": b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nA \xc3\xbc\r\n--x\r\n'
                b'content-disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\x89\r\n\x00\r\n--x\r\n'
                b"Content-Disposition: form-data; name=thumbnail\r\n\r\n\xff\r\n--x--\r\n",
                "is_multipart": True,
                "content_type": 'multipart/form-data; boundary="x"',
            },
            "",
            {"title": "A ü", "file.content_type": "image/png", "file.data": b"\x89\r\n\x00", "thumbnail": b"\xff"},
        ),
    ],
)
def test_what_is_taken_by_choice(method: str, http: str, values: dict[str, Any], refused: str, expected: Mapping[str, object]) -> None:
    """It is refused by the strict rules, and taken where the file says so."""
    if refused:
        with pytest.raises(InvalidInput) as caught:
            bound(method, "{}", **values)
        assert refused in [item.field.removeprefix("invoice.") for item in caught.value.violations]
    found = bound(method, http, **values)
    for path, value in expected.items():
        item: Any = found
        for name in path.split("."):
            item = item[int(name)] if name.isdigit() else getattr(item, name)
        assert (list(item) if isinstance(value, list) else item) == value, path


MANY_PARTS = b"--x\r\na: b\r\n\r\n\r\n" * 600 + b"--x--"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"is_form": True, "body": b"nope=1"}, "nope"),
        ({"is_form": True, "body": b"totalCents=1&totalCents=2"}, "totalCents"),
        ({"is_form": True, "body": b"state=%zz"}, "body"),
        ({"is_form": True, "body": b"lines=x"}, "lines"),
        ({"is_multipart": True, "content_type": "multipart/form-data", "body": b"--x--"}, "content-type"),
        ({"is_multipart": True, "content_type": f"multipart/form-data; boundary={'x' * 71}", "body": b"x"}, "content-type"),
        ({"is_multipart": True, "content_type": "multipart/form-data; boundary=x", "body": b"--x\r\nno end"}, "body"),
        ({"is_multipart": True, "content_type": "multipart/form-data; boundary=x", "body": b"--x\r\n\r\n\r\n--x--"}, "body"),
        ({"is_multipart": True, "content_type": "multipart/form-data; boundary=x", "body": b"--x\r\n\xff: 1\r\n\r\n\r\n--x--"}, "body"),
        (
            {
                "is_multipart": True,
                "content_type": "multipart/form-data; boundary=x",
                "body": b"--x\r\ncontent-disposition: form-data; name=name\r\n\r\n\xff\r\n--x--",
            },
            "name",
        ),
        (
            {"is_multipart": True, "content_type": "multipart/form-data; boundary=x", "body": b"--x\r\na: b\r\n\r\n\r\n" * 600 + b"--x--"},
            "body",
        ),
    ],
)
def test_forms_that_are_none(values: dict[str, Any], field: str) -> None:
    """They are a client's mistake, and the field is named."""
    with pytest.raises(InvalidInput) as caught:
        bound("CreateInvoice", "{forms: true}", **values)
    assert [item.field for item in caught.value.violations] == [field]


@given(st.lists(st.binary(max_size=60).filter(lambda data: b"\r\n--x" not in data), min_size=1, max_size=4))
def test_parts_are_the_bytes_that_were_sent(contents: list[bytes]) -> None:
    """Whatever they are: files are not text."""
    head = b'--x\r\ncontent-disposition: form-data; name="f"\r\n\r\n'
    body = b"\r\n".join(head + data for data in contents) + b"\r\n--x--\r\n"
    assert [part.data for part in parts(body, "multipart/form-data; boundary=x")] == contents


INVOICE = {"name": "n", "total_cents": 9007199254740993, "state": 2, "lines": [{"text": "a", "cents": 1}, {"text": "b"}]}


@pytest.mark.parametrize(
    ("http", "accept", "expected"),
    [
        ("{}", "", {"name": "n", "totalCents": "9007199254740993", "state": "STATE_PAID"}),
        ("{printing: {names: proto}}", "", {"name": "n", "total_cents": "9007199254740993", "state": "STATE_PAID"}),
        ("{printing: {enums: numbers}}", "", {"name": "n", "totalCents": "9007199254740993", "state": 2}),
        ("{printing: {int64: numbers}}", "", {"name": "n", "totalCents": 9007199254740993, "state": "STATE_PAID"}),
        ("{printing: {defaults: always}}", "", {"name": "n", "totalCents": "9007199254740993", "state": "STATE_PAID", "paidInFull": False}),
        ("{}", "application/json;enums=numbers", {"name": "n", "totalCents": "9007199254740993", "state": "STATE_PAID"}),
        ("{printing: {by_client: true}}", "application/json; enums=numbers", {"name": "n", "totalCents": "9007199254740993", "state": 2}),
        ("{printing: {by_client: true}}", "text/html, */*;names=proto;int64=numbers;q=0.5", {"total_cents": 9007199254740993}),
        ("{printing: {names: proto, by_client: true}}", 'application/json;names="json"', {"totalCents": "9007199254740993"}),
    ],
)
def test_how_answers_are_written(http: str, accept: str, expected: dict[str, object]) -> None:
    """The operator chooses for all clients, or lets them choose."""
    found = json.loads(shown("GetInvoice", http, kind("Invoice")(**INVOICE), accept=accept))
    assert {name: found.get(name) for name in expected} == expected


def test_indented() -> None:
    """Lines are broken, also where a page shows its empty list."""
    assert shown("GetInvoice", "{printing: {indent: true}}", kind("Invoice")(name="n")) == '{\n  "name": "n"\n}'
    assert shown("ListInvoices", "{printing: {indent: true}}", kind("ListInvoicesResponse")()) == '{\n  "invoices": []\n}'
    streamed = route("WatchInvoices", "{printing: {indent: true, names: proto}}").renderer
    assert streamed.elements(kind("Invoice")(total_cents=1).SerializeToString()) == [b'{"total_cents":"1"}']


@pytest.mark.parametrize("accept", ["application/json;enums=roman", "application/json;indent=99", "application/json;names="])
def test_a_choice_that_is_none(accept: str) -> None:
    """A known parameter with another value is told, not guessed; one without any is none."""
    if accept.endswith("="):
        assert shown("GetInvoice", "{printing: {by_client: true}}", kind("Invoice")(name="n"), accept=accept) == '{"name":"n"}'
        return
    with pytest.raises(InvalidInput, match="must be one of"):
        shown("GetInvoice", "{printing: {by_client: true}}", kind("Invoice")(), accept=accept)


WHOLE = {"name": "n", "totalCents": "9007199254740993", "state": "STATE_PAID", "lines": [{"text": "a", "cents": "1"}, {"text": "b"}]}


@pytest.mark.parametrize(
    ("method", "query", "expected"),
    [
        (
            "GetInvoice",
            b"",
            {"name": "n", "totalCents": "9007199254740993", "state": "STATE_PAID", "lines": [{"text": "a", "cents": "1"}, {"text": "b"}]},
        ),
        ("GetInvoice", b"fields=name", {"name": "n"}),
        ("GetInvoice", b"fields=totalCents,total_cents", {"totalCents": "9007199254740993"}),
        ("GetInvoice", b"fields=lines.text", {"lines": [{"text": "a"}, {"text": "b"}]}),
        ("GetInvoice", b"fields=lines,lines.text", {"lines": [{"text": "a", "cents": "1"}, {"text": "b"}]}),
        ("GetInvoice", b"fields=lines.text,lines", {"lines": [{"text": "a", "cents": "1"}, {"text": "b"}]}),
        ("GetInvoice", b"fields=name&fields=lines.cents", {"name": "n", "lines": [{"cents": "1"}, {}]}),
        ("GetInvoice", b"fields=labels", {}),
    ],
)
def test_parts_of_an_answer(method: str, query: bytes, expected: object) -> None:
    """The fields that the client names are shown, through lists as well."""
    assert json.loads(shown(method, "{fields_parameter: fields}", kind("Invoice")(**INVOICE), query_string=query)) == expected


@pytest.mark.parametrize("query", [b"fields=nope", b"fields=lines.nope", b"fields=name.x", b"fields=labels.a", b"fields=" + b"name," * 201])
def test_parts_that_no_answer_has(query: bytes) -> None:
    """They are refused before the call is made."""
    with pytest.raises(InvalidInput) as caught:
        shown("GetInvoice", "{fields_parameter: fields}", kind("Invoice")(), query_string=query)
    assert [item.field for item in caught.value.violations] == ["fields"]


def test_the_parameter_of_parts_is_no_field_of_the_request() -> None:
    """It is passed over where the request is read, and unknown where it is not switched on."""
    assert bound("GetInvoice", "{fields_parameter: $fields}", query_string=b"$fields=name").name == "customers/7/invoices/1"
    with pytest.raises(InvalidInput):
        bound("GetInvoice", "{}", query_string=b"fields=name")


def test_a_deep_body_is_refused_as_ever() -> None:
    """Passing over unknown fields costs no more than refusing them."""
    deep = b'{"labels":' + b'{"a":' * 500 + b"1" + b"}" * 501
    with pytest.raises(InvalidInput):
        bound("CreateInvoice", "{unknown_fields: ignore, enums: any-case}", body=deep)


def test_the_status_of_a_success_is_chosen() -> None:
    """It stands in the answer and in the document."""
    assert route("CreateInvoice", "{status: 201}").renderer.render(b"").status == 201


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        (b"", b'{"addressLine1":"x","totalCents":1}', ["address_line_1", "total_cents"]),
        (b"", b'{"address_line_1":"x"}', ["address_line_1"]),
        (b"update_mask=address_line_1,total_cents", b"{}", ["address_line_1", "total_cents"]),
        (b"updateMask=lines.text,total_cents", b"{}", ["lines.text", "total_cents"]),
        (b"update_mask=totalCents", b"{}", ["total_cents"]),
    ],
)
def test_masks_name_fields_as_the_contract_does(query: bytes, body: bytes, expected: list[str]) -> None:
    """Also those that have no form in JSON, for a digit behind an underscore is lost there."""
    assert list(bound("UpdateInvoice", "{}", query_string=query, body=body).update_mask.paths) == expected
