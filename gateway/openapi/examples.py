"""Examples of request bodies, made from their schemas: a reader who sends one changed for his needs is close to what works."""

import re
from collections.abc import Mapping
from typing import Any, cast

from gateway.openapi.schema import Schema
from gateway.transcoding.rendering import JSON_TYPE

_DEPTH = 6
_TEXTS = ("example", "14:30:00", "alarms:read", "ann@example.com", "en")
_BY_FORMAT = {
    "date-time": "2026-12-01T09:00:00Z",
    "email": "ann@example.com",
    "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "int64": "1",
    "uint64": "1",
    "password": "a long and secret phrase",
}


class Examples:
    """Makes examples of schemas."""

    def __init__(self, *, components: Mapping[str, Schema]) -> None:
        """Makes the maker; ``components`` are what references point to."""
        self._components = components

    def add_to(self, operation: Schema) -> None:
        """Gives the JSON body of an operation an example."""
        media = operation.get("requestBody", {}).get("content", {}).get(JSON_TYPE)
        if media is not None:
            media["example"] = self.of(media["schema"], 0)

    def of(self, schema: Schema, depth: int) -> Any:
        """A value that the schema takes, as far as it says what it takes."""
        if "$ref" in schema:
            return self.of(self._components[schema["$ref"].rpartition("/")[2]], depth)
        if schema.get("examples"):
            return schema["examples"][0]
        if "anyOf" in schema:
            rest = {key: value for key, value in schema.items() if key != "anyOf"}
            return self.of({**rest, **schema["anyOf"][-1]}, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = cast("list[str]", kind)[0]
        return self._of_type(str(kind), schema, depth)

    def _of_type(self, kind: str, schema: Schema, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth + 1)
            case "array":
                return [self.of(schema["items"], depth + 1)] if depth < _DEPTH else []
            case "integer" | "number":
                return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
            case "boolean":
                return False
            case "string":
                return _text(schema)
            case _:
                return None

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        """The members that must be there, the first of each choice, and what else is a plain value."""
        if depth > _DEPTH:
            return {}
        required = set(schema.get("required", ()))
        alternatives = [[option["required"][0] for option in item["oneOf"] if "required" in option] for item in schema.get("allOf", ())]
        chosen = {names[0] for names in alternatives}
        others = {name for names in alternatives for name in names[1:]}
        found: dict[str, Any] = {}
        for name, inner in schema.get("properties", {}).items():
            if inner.get("readOnly") or name in others or name in ("requestId", "etag"):
                continue
            telling = depth == 1 and inner.get("examples") and inner.get("format") != "date-time"
            if name in required or name in chosen or telling or _never_empty(inner):
                found[name] = self.of(inner, depth)
        return found


def _text(schema: Schema) -> str:
    """A text of the right form: by format, or the first of a few that the pattern takes."""
    if (known := _BY_FORMAT.get(schema.get("format", ""))) is not None:
        return known
    pattern = str(schema.get("pattern", ""))
    collection = re.match(r"\^(\w+/)", pattern)
    candidates = [*_TEXTS, f"{collection[1]}example" if collection else "example"]
    try:
        return next((text for text in candidates if re.search(pattern, text)), "example")[: schema.get("maxLength", 64)]
    except re.error:  # RE2 knows things that re does not
        return "example"


def _never_empty(schema: Schema) -> bool:
    """Whether a text may not be left out, because the empty one breaks its rules."""
    pattern = schema.get("pattern")
    try:
        return "minLength" in schema or (isinstance(pattern, str) and schema.get("format") is None and re.search(pattern, "") is None)
    except re.error:  # RE2 knows things that re does not
        return False
