"""The document in OpenAPI 3.0's words, for Swagger UI 4, which does not read 3.1. ``/openapi.json`` stays the truth."""

from collections.abc import Callable
from typing import Any, cast

from gateway.openapi.schema import Schema

_UNKNOWN = ("propertyNames", "contentEncoding", "contentMediaType", "not", "oneOf")


def to_3_0(document: Schema) -> Schema:
    """The same document, without what 3.0 cannot say (https://spec.openapis.org/oas/v3.0.4)."""
    found = cast("Schema", _walk(document))
    found["openapi"] = "3.0.3"
    found["info"] = {**found["info"], "license": {"name": document["info"]["license"]["name"]}}
    for item in found["paths"].values():
        for operation in item.values():
            # 3.0 allows no scopes on a bearer scheme; x-scopes names them.
            operation["security"] = [{name: [] for name in entry} for entry in operation["security"]]
    return found


def _walk(value: Any) -> Any:
    if isinstance(value, list):
        return [_walk(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    found = {key: _walk(item) for key, item in cast("Schema", value).items()}
    if "$ref" in found and len(found) > 1:
        return {"allOf": [{"$ref": found.pop("$ref")}], **_schema(found)}
    return _schema(found) if _is_schema(found) else found


def _is_schema(value: Schema) -> bool:
    return isinstance(value.get("type"), str | list) or "allOf" in value or "anyOf" in value


def _schema(value: Schema) -> Schema:
    for word, rewrite in _REWRITES.items():
        if word in value:
            rewrite(value)
    for word in _UNKNOWN:
        value.pop(word, None)
    return value


def _type(value: Schema) -> None:
    if isinstance(value["type"], list):
        value["type"] = next(item for item in cast("list[str]", value["type"]) if item != "null")
        value["nullable"] = True
    elif value["type"] == "null":
        value.update({"type": "string", "enum": [None], "nullable": True})


def _const(value: Schema) -> None:
    value["enum"] = [value.pop("const")]


def _examples(value: Schema) -> None:
    if isinstance(value["examples"], list) and value["examples"]:
        value["example"] = cast("list[Any]", value.pop("examples"))[0]


def _exclusive(word: str, bound: str) -> Callable[[Schema], None]:
    def rewrite(value: Schema) -> None:
        if not isinstance(value[word], bool):
            value[bound] = value[word]
            value[word] = True

    return rewrite


def _all_of(value: Schema) -> None:
    """Choices become words: Swagger UI shows each alternative as a type of its own, which they are not."""
    if isinstance(value["allOf"], list) and not any("$ref" in item for item in cast("list[Schema]", value["allOf"])):
        value.pop("allOf")


def _any_of(value: Schema) -> None:
    last = cast("list[Schema]", value.pop("anyOf"))[-1]
    value.update({key: item for key, item in last.items() if key not in value})


_REWRITES: dict[str, Callable[[Schema], None]] = {
    "type": _type,
    "const": _const,
    "examples": _examples,
    "exclusiveMinimum": _exclusive("exclusiveMinimum", "minimum"),
    "exclusiveMaximum": _exclusive("exclusiveMaximum", "maximum"),
    "allOf": _all_of,
    "anyOf": _any_of,
}
