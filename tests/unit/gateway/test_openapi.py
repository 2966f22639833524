import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory

from gateway.openapi.document import build_document, singular
from gateway.transcoding.contract import Contract
from gateway.transcoding.routes import build_routes
from tests.unit.gateway.contracts import contract
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import PACKAGE
from tocsin.mesh.policy import contract as tocsin_contract
from tocsin.mesh.validation import RequestValidator

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture(scope="module")
def shelf() -> dict[str, Any]:
    """The document of the test contract, as a client reads it."""
    return json.loads(json.dumps(build_document(contract=contract(), routes=build_routes(contract()))))


@pytest.fixture(scope="module")
def tocsin() -> dict[str, Any]:
    """The document of Tocsin."""
    made = Contract(descriptor_set=tocsin_contract().SerializeToString(), package=PACKAGE)
    return json.loads(json.dumps(build_document(contract=made, routes=build_routes(made))))


@pytest.fixture(scope="module", params=["shelf", "tocsin"])
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Either document."""
    return request.getfixturevalue(request.param)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation with its path and method."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def test_is_structurally_valid(document: dict[str, Any]) -> None:
    """What the specification demands of a document: unique ids, declared path parameters, references that resolve."""
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= document["info"].keys()
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)) > 0
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations(document):
        assert method in METHODS
        assert path.startswith("/")
        named = re.findall(r"{(\w+)}", path)
        declared = [item["name"] for item in operation.get("parameters", []) if item["in"] == "path"]
        assert sorted(named) == sorted(declared), path
        places = [(item["in"], item["name"]) for item in operation.get("parameters", [])]
        assert len(places) == len(set(places))
        assert set(operation["tags"]) <= tags
        assert {"200", "default"} <= operation["responses"].keys()
        assert all(response.get("description") or "$ref" in response for response in operation["responses"].values())
        assert operation["summary"], operation["operationId"]
    for name in document["components"]["schemas"]:
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
    for node in nodes(document):
        if isinstance(node.get("$ref"), str):
            found: Any = document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            assert found


def test_every_public_route_is_there_and_no_internal_one(tocsin: dict[str, Any]) -> None:
    """The paths that clients rely on are documented, with their scopes."""
    assert tocsin["paths"]["/v1/alarms"]["post"]["security"] == [{"bearer": ["alarms:write"]}]
    assert tocsin["paths"]["/v1/alarms"]["post"]["x-scopes"] == ["alarms:write"]
    assert tocsin["paths"]["/token"]["post"]["security"] == []
    assert {"/alarms/", "/v1/alarms/{alarm}", "/v1/alarms/{alarm}:pause", "/v1/firings:watch"} <= tocsin["paths"].keys()
    text = json.dumps(tocsin)
    assert "ExchangeApiKey" not in text
    assert "DispatchService" not in text


@pytest.mark.parametrize(("verb", "conditional"), [("get", False), ("patch", True), ("delete", True)])
def test_etags_are_described(tocsin: dict[str, Any], verb: str, conditional: bool) -> None:
    """What shows a resource has its ETag; what changes or removes one takes If-Match, and is 412 where that does not hold."""
    alarm, group = (tocsin["paths"][f"/v1/{one}"][verb] for one in ("alarms/{alarm}", "groups/{group}"))
    assert ("ETag" in alarm["responses"]["200"].get("headers", {})) == (verb != "delete")
    assert ("412" in alarm["responses"]) == ("If-Match" in {item["name"] for item in alarm["parameters"]}) == conditional
    assert "If-Match" not in {item["name"] for item in group["parameters"]}
    assert not {"412", "headers"} & {*group["responses"], *group["responses"]["200"]}


def test_rules_become_constraints(shelf: dict[str, Any]) -> None:
    """What the service will check, the document says."""
    book = shelf["components"]["schemas"]["shelf.v1.Book"]
    properties = book["properties"]
    assert book["description"] == "A book."
    assert book["required"] == ["title"]
    assert properties["title"] == {"type": "string", "minLength": 1, "maxLength": 80, "description": "Its title."}
    assert properties["pageCount"] == {
        "type": "integer", "format": "int32", "minimum": 1, "exclusiveMaximum": 10000, "description": "How many pages it has."
    }  # fmt: skip
    assert properties["authors"] == {
        "type": "array", "items": {"type": "string"}, "maxItems": 3, "uniqueItems": True, "description": "Its authors."
    }  # fmt: skip
    assert properties["createTime"]["readOnly"] is True
    assert properties["labels"]["additionalProperties"] == {"type": "string"}
    assert book["allOf"][0]["oneOf"][:2] == [{"required": ["paper"]}, {"required": ["leather"]}]


def test_each_part_of_a_request_is_described(shelf: dict[str, Any]) -> None:
    """Path, query and body, each field in one place."""
    create = shelf["paths"]["/v1/shelves/{shelf}/books"]["post"]
    places = {item["name"]: item["in"] for item in create["parameters"]}
    assert places == {"shelf": "path", "requestId": "query", "validateOnly": "query", "Idempotency-Key": "header"}
    assert create["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/shelf.v1.Book"}
    lend = shelf["paths"]["/v1/shelves/{shelf}/books/{book}:lend"]["post"]
    assert set(lend["requestBody"]["content"]["application/json"]["schema"]["properties"]) == {"reader"}
    watch = shelf["paths"]["/v1/books:watch"]["get"]
    assert {"text/event-stream", "application/x-ndjson"} == watch["responses"]["200"]["content"].keys()
    assert {"in": "header", "name": "Last-Event-ID"}.items() <= watch["parameters"][-1].items()
    echo = shelf["paths"]["/v1/echo"]["get"]
    names = {item["name"] for item in echo["parameters"]}
    assert {"s", "numbers", "time", "child.s", "child.child.i32", "boolValue"} <= names
    assert not {"object", "byName", "children", "any", "oneNull"} & names
    assert shelf["paths"]["/v1/titles"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"


def test_the_examples_are_valid_requests(tocsin: dict[str, Any]) -> None:
    """A reader who sends an example as it stands is not told that it is malformed, nor that it breaks a rule of the contract."""
    made = Contract(descriptor_set=tocsin_contract().SerializeToString(), package=PACKAGE)
    examples = {
        operation["operationId"]: operation["requestBody"]["content"]["application/json"]["example"]
        for _, _, operation in operations(tocsin)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    checked, refused = 0, list[str]()
    for route in build_routes(made):
        example = examples.get(f"{route.rpc.descriptor.containing_service.name}_{route.rpc.policy.method}")
        if example is None or not route.primary or route.template.variables:
            continue
        wire = made.codec(route.rpc.descriptor.input_type).to_wire(example if route.body == "*" else {route.body: example})
        message = generated(route.rpc.policy.request_type).FromString(wire)
        checked += 1
        try:
            RequestValidator().check(message)
        except InvalidInput as error:
            refused.append(f"{route.rpc.path}: {error.message}: {example}")
    assert refused == []
    assert checked > 5


def generated(full_name: str) -> Any:
    """The generated class of a message."""
    package, _, _ = full_name.rpartition(".")
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(full_name))


@pytest.mark.parametrize(
    ("plural", "one"),
    [("alarms", "alarm"), ("shelves", "shelf"), ("deliveries", "delivery"), ("boxes", "box"), ("access", "access"), ("s", "s")],
)
def test_parameters_are_named_after_their_collection(plural: str, one: str) -> None:
    """A path parameter bears the name of one member."""
    assert singular(plural) == one
