"""JSON Schemas (draft 2020-12, as in OpenAPI 3.1) of message types in protobuf's JSON form."""

import json
import re
from collections.abc import Mapping
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor

from gateway.openapi.rules import constraints, field_rules, is_required, needs_one
from gateway.transcoding.contract import Contract, behavior
from tocsin.protojson.fields import JsonValue, as_object
from tocsin.protojson.printing import PLAIN, Printing

Schema = dict[str, Any]

_INTEGER_32 = {"type": "integer", "format": "int32"}
_UNSIGNED_32: Schema = {"type": "integer", "format": "int64", "minimum": 0, "maximum": 4294967295}
_INTEGER_64: Schema = {"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"}
_UNSIGNED_64: Schema = {"type": "string", "format": "uint64", "pattern": "^[0-9]+$"}
_SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_INT32: _INTEGER_32,
    FieldDescriptor.TYPE_SINT32: _INTEGER_32,
    FieldDescriptor.TYPE_SFIXED32: _INTEGER_32,
    FieldDescriptor.TYPE_UINT32: _UNSIGNED_32,
    FieldDescriptor.TYPE_FIXED32: _UNSIGNED_32,
    FieldDescriptor.TYPE_INT64: _INTEGER_64,
    FieldDescriptor.TYPE_SINT64: _INTEGER_64,
    FieldDescriptor.TYPE_SFIXED64: _INTEGER_64,
    FieldDescriptor.TYPE_UINT64: _UNSIGNED_64,
    FieldDescriptor.TYPE_FIXED64: _UNSIGNED_64,
}
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time", "examples": ["2026-12-01T09:00:00Z"]},
    "google.protobuf.Duration": {
        "type": "string",
        "pattern": r"^-?[0-9]+(\.[0-9]+)?$|^-?( *[0-9]+(\.[0-9]+)? *(ms|[smhdwSMHDW]))+$",
        "description": 'A duration: "300s", "5m", "1h30m", or "90" for seconds. Answers say "300s".',
        "examples": ["300s", "5m"],
    },
    "google.protobuf.FieldMask": {"type": "string", "description": "Comma-separated field paths."},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Any": {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]},
    "google.protobuf.Empty": {"type": "object"},
    "google.api.HttpBody": {"type": "string", "contentMediaType": "application/octet-stream"},
}
_WRAPPED = re.compile(r"google\.protobuf\.(?:Double|Float|Int64|UInt64|Int32|UInt32|Bool|String|Bytes)Value\Z")


class Schemas:
    """Schemas by name, collected as they are referred to."""

    def __init__(self, *, contract: Contract, printing: Printing = PLAIN, components: dict[str, Schema] | None = None) -> None:
        """Makes a collection over ``contract``.

        Args:
            contract: where the types are.
            printing: how messages are written.
            components: where schemas are put; a new dictionary unless given.
        """
        self._contract = contract
        self._printing = printing
        self._suffix = _suffix(printing)
        self.components: dict[str, Schema] = {} if components is None else components

    def printed(self, printing: Printing) -> "Schemas":
        """The same collection for types that are written in another way."""
        return self if printing == self._printing else Schemas(contract=self._contract, printing=printing, components=self.components)

    def name(self, field: FieldDescriptor) -> str:
        """What a field is called."""
        return field.name if self._printing.proto_names else field.json_name

    def reference(self, message: Descriptor) -> Schema:
        """A schema for a message type: a reference, unless it has a JSON form of its own."""
        if (known := _WELL_KNOWN.get(message.full_name)) is not None:
            return dict(known)
        if _WRAPPED.match(message.full_name):
            inner = self._scalar(message.fields_by_name["value"].type)
            return {**inner, "type": [inner["type"], "null"]}
        name = f"{component_name(message.full_name)}{self._suffix}"
        if name not in self.components:
            self.components[name] = {}  # Types may contain themselves.
            self.components[name] = self.object_of(message)
        return {"$ref": f"#/components/schemas/{name}"}

    def object_of(self, message: Descriptor, *, without: frozenset[str] = frozenset(), aliases: Mapping[str, str] | None = None) -> Schema:
        """The schema of a message type, spelled out.

        Args:
            message: the type.
            without: proto names of fields that are left out.
            aliases: what to call fields, by proto name, where it is not their own name.
        """
        called = {field.name: self.name(field) for field in message.fields} | dict(aliases or {})
        fields = [field for field in message.fields if field.name not in without]
        found: Schema = {"type": "object", "properties": {called[field.name]: self.field(field) for field in fields}}
        found["additionalProperties"] = False
        text, example = split_example(self._contract.comment(message.full_name))
        if text:
            found["description"] = text
        if example is not None:
            found["examples"] = [self._renamed(message, example, called)]
        if required := [called[field.name] for field in fields if _must(field)]:
            found["required"] = required
        if choices := [
            _choice(oneof, called) for oneof in message.oneofs if len(oneof.fields) > 1 and not any(f.name in without for f in oneof.fields)
        ]:
            found["allOf"] = choices
        return found

    def _renamed(self, message: Descriptor, example: JsonValue, called: Mapping[str, str]) -> JsonValue:
        """An example with the names of this collection."""
        value = as_object(example)
        if not self._printing.proto_names or value is None:
            return example
        codec = self._contract.codec(message)
        return {called[name]: item for name, item in codec.to_value(codec.to_wire(value), self._printing).items()}

    def field(self, field: FieldDescriptor) -> Schema:
        """The schema of a field, with its rules and its comment."""
        rules = field_rules(field)
        entry = field.message_type if field.message_type is not None and field.message_type.GetOptions().map_entry else None
        if entry is not None:
            found: Schema = {"type": "object", "additionalProperties": self._single(entry.fields_by_name["value"])}
        elif field.is_repeated:
            found = {"type": "array", "items": self._single(field)}
        else:
            found = self._single(field)
        found = _merged(found, constraints(rules))
        return self._described(found, field)

    def _single(self, field: FieldDescriptor) -> Schema:
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if field.message_type is not None:
            return self.reference(field.message_type)
        return self._scalar(field.type)

    def _scalar(self, kind: int) -> Schema:
        found = _SCALARS[kind]
        if self._printing.int64_as_numbers and found.get("type") == "string" and "int64" in found.get("format", ""):
            return {"type": "integer", "format": found["format"]}
        return dict(found)

    def _enum(self, enum: EnumDescriptor) -> Schema:
        if enum.full_name == "google.protobuf.NullValue":
            return {"type": "null"}
        if self._printing.enums_as_numbers:
            return {"type": "integer", "enum": [value.number for value in enum.values]}
        name = component_name(enum.full_name)
        if name not in self.components:
            values = [value for value in enum.values if not (value.number == 0 and value.name.endswith("UNSPECIFIED"))]
            lines = [f"- `{value.name}`: {self._contract.comment(f'{enum.full_name}.{value.name}')}" for value in values]
            text = "\n".join([self._contract.comment(enum.full_name), "", *lines]).strip()
            self.components[name] = {"type": "string", "enum": [value.name for value in values], "description": text}
        return {"$ref": f"#/components/schemas/{name}"}

    def _described(self, found: Schema, field: FieldDescriptor) -> Schema:
        text = self._contract.comment(field.full_name)
        if text:
            found["description"] = text
        kinds = behavior(field)
        if field_behavior_pb2.OUTPUT_ONLY in kinds:
            found["readOnly"] = True
        if field_behavior_pb2.INPUT_ONLY in kinds:
            found["writeOnly"] = True
        if field.GetOptions().deprecated:
            found["deprecated"] = True
        if field.GetOptions().debug_redact and found.get("type") == "string":
            found["format"] = "password"
        if found.get("type") == "string" and "examples" not in found and (example := example_in(text, found)):
            found["examples"] = [example]
        return found


def _suffix(printing: Printing) -> str:
    """What tells the schemas of types that are not written in protobuf's default way."""
    words = {
        "snake_case": printing.proto_names,
        "numeric_enums": printing.enums_as_numbers,
        "numeric_int64": printing.int64_as_numbers,
    }
    return "".join(f".{word}" for word, is_so in words.items() if is_so)


def component_name(full_name: str) -> str:
    """The name of a type among the components."""
    return full_name.removeprefix("tocsin.api.")


def split_example(comment: str) -> tuple[str, JsonValue]:
    """A comment without its last line ``Example: {JSON}``, and the example; None if it has none.

    Rules between fields (CEL) cannot be turned into an example; a message that has some can bring its own.
    """
    text, marker, example = comment.rpartition("\nExample: ")
    return (text.strip(), json.loads(example)) if marker else (comment, None)


def example_in(comment: str, schema: Schema) -> JsonValue:
    """The first text in quotes of a comment that is a valid value; a comment that says "14:30:00" need not be repeated as an example."""
    for text in re.findall(r'"([^"{}…]+)"', comment):
        pattern = schema.get("pattern")
        try:
            fits = pattern is None or re.search(pattern, text) is not None
        except re.error:  # RE2 knows things that re does not
            fits = False
        if fits and len(text) <= schema.get("maxLength", len(text)) and schema.get("format") in (None, "email"):
            return text
    return None


def _must(field: FieldDescriptor) -> bool:
    """Whether it must be given, or, in a page of a list (AIP-158), whether answers always have it."""
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    owner = field.containing_type
    listed = owner is not None and "next_page_token" in owner.fields_by_name and field.is_repeated and not is_map
    return listed or is_required(field) or field_behavior_pb2.REQUIRED in behavior(field)


def _choice(oneof: OneofDescriptor, called: Mapping[str, str]) -> Schema:
    """At most one of the members, or exactly one."""
    alternatives: list[Schema] = [{"required": [called[field.name]]} for field in oneof.fields]
    if not needs_one(oneof):
        alternatives.append({"not": {"anyOf": list(alternatives)}})
    return {"oneOf": alternatives}


def _merged(schema: Schema, more: Schema) -> Schema:
    """``schema`` with constraints; those of elements and values go where these are described."""
    found = dict(schema)
    for key, value in more.items():
        inner = found.get(key)
        found[key] = {**inner, **value} if isinstance(inner, dict) and isinstance(value, dict) else value
    return found
