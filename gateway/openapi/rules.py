"""The buf.validate rules of a field as JSON Schema constraints (https://protovalidate.com/schemas/standard-rules/)."""

from collections.abc import Mapping
from typing import Any, cast

from google.protobuf import descriptor_pool, json_format
from google.protobuf.descriptor import FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

import tocsin.api.validate  # puts buf.validate into the default pool

Rules = Mapping[str, Any]
Constraints = dict[str, Any]

_PACKAGE = tocsin.api.validate.DESCRIPTOR.package


def _extension(options: Message, name: str) -> Rules:
    # The extension has no generated class: its descriptor is the key.
    key = cast("Any", descriptor_pool.Default().FindExtensionByName(f"{_PACKAGE}.{name}"))
    extensions = cast("Any", options).Extensions
    return json_format.MessageToDict(extensions[key], preserving_proto_field_name=True)


def field_rules(field: FieldDescriptor) -> Rules:
    """The rules of a field, by their names in validate.proto; 64-bit numbers are strings."""
    return _extension(field.GetOptions(), "field")


def is_required(field: FieldDescriptor) -> bool:
    """Whether the field must be set."""
    return bool(field_rules(field).get("required"))


def needs_one(oneof: OneofDescriptor) -> bool:
    """Whether one member of the oneof must be set."""
    return bool(_extension(oneof.GetOptions(), "oneof").get("required"))


def constraints(rules: Rules) -> Constraints:
    """The JSON Schema keywords that say what ``rules`` say; what JSON Schema cannot say is left out."""
    if rules.get("ignore") == "IGNORE_ALWAYS":
        return {}
    found: Constraints = {}
    for kind, inner in rules.items():
        if kind == "string":
            found |= _string(inner)
        elif kind == "repeated":
            found |= _repeated(inner)
        elif kind == "map":
            found |= _map(inner)
        elif kind in _NUMBERS:
            found |= _number(inner)
    if found and rules.get("ignore") == "IGNORE_IF_ZERO_VALUE" and "string" in rules:
        # The type stands in the alternative as well: generators of clients look at each of them alone.
        found = {"anyOf": [{"const": ""}, {"type": "string", **found}]}
    return found


_NUMBERS = frozenset(
    {"int32", "uint32", "sint32", "fixed32", "sfixed32", "float", "double"},
)
_STRING_WORDS: Mapping[str, str] = {"min_len": "minLength", "max_len": "maxLength", "max_bytes": "maxLength", "pattern": "pattern"}
_FORMATS = ("email", "uuid", "hostname", "ipv4", "ipv6", "uri")


def _string(rules: Rules) -> Constraints:
    found: Constraints = {word: _plain(rules[name]) for name, word in _STRING_WORDS.items() if name in rules}
    if "len" in rules:
        found |= {"minLength": _plain(rules["len"]), "maxLength": _plain(rules["len"])}
    if "in" in rules:
        found["enum"] = list(rules["in"])
    if "const" in rules:
        found["const"] = rules["const"]
    for name in _FORMATS:
        if rules.get(name):
            found["format"] = name
    return found


def _repeated(rules: Rules) -> Constraints:
    found = _renamed(rules, {"min_items": "minItems", "max_items": "maxItems"})
    if rules.get("unique"):
        found["uniqueItems"] = True
    if items := constraints(rules.get("items", {})):
        found["items"] = items
    return found


def _map(rules: Rules) -> Constraints:
    found = _renamed(rules, {"min_pairs": "minProperties", "max_pairs": "maxProperties"})
    if keys := constraints(rules.get("keys", {})):
        found["propertyNames"] = keys
    if values := constraints(rules.get("values", {})):
        found["additionalProperties"] = values
    return found


def _number(rules: Rules) -> Constraints:
    found = _renamed(rules, {"gte": "minimum", "lte": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum", "const": "const"})
    if "in" in rules:
        found["enum"] = list(rules["in"])
    return found


def _renamed(rules: Rules, words: Mapping[str, str]) -> Constraints:
    return {word: _plain(rules[name]) for name, word in words.items() if name in rules}


def _plain(value: Any) -> Any:
    """A number, which JSON gives as text when it has 64 bits."""
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value
