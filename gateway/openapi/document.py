"""The OpenAPI 3.1 document of the route table."""

import re
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.openapi.examples import Examples
from gateway.openapi.schema import Schema, Schemas
from gateway.transcoding.contract import HTTP_BODY, Contract
from gateway.transcoding.problems import PROBLEM_TYPE
from gateway.transcoding.rendering import JSON_TYPE, NDJSON_TYPE, RESUME_FIELD
from gateway.transcoding.routes import Route
from gateway.transcoding.template import PathTemplate, Variable, Wildcard

_PROBLEM = {"$ref": "#/components/responses/Problem"}
_QUERY_DEPTH = 3
_DESCRIPTION = """An alarm and notification platform. You tell it *when*, *what* and *whom*; it rings, on time, once.

Every call here is also a gRPC call: this document, the routes and the validation are read from the same `.proto` files.

- **Authentication**: `Authorization: Bearer <token or API key>`. Each operation names the scope that it needs.
- **Errors**: RFC 9457 problem documents (`application/problem+json`) that carry the gRPC code and details.
- **Lists**: `pageSize`, `pageToken`, `nextPageToken` (AIP-158).
- **Updates**: without `updateMask`, the fields that the body names change (AIP-134).
- **Retries**: operations with `requestId` are safe to repeat with the same id (AIP-155); one is made up for you if you give none.
- **Streams**: `Accept: text/event-stream` for Server-Sent Events, otherwise newline-delimited JSON.
"""


def build_document(*, contract: Contract, routes: Sequence[Route]) -> Schema:
    """The document for every route."""
    schemas = Schemas(contract=contract)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path, names = _path(route.template)
        operation = _Operation(contract=contract, schemas=schemas, route=route, names=names).build()
        paths.setdefault(path, {})[route.http_method.lower()] = operation
    services = list(dict.fromkeys(route.rpc.policy.service for route in routes))
    examples = Examples(components=schemas.components)
    for item in paths.values():
        for operation in item.values():
            examples.add_to(operation)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Tocsin",
            "version": metadata.version("tocsin"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name.rpartition(".")[2], "description": contract.comment(name)} for name in services],
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Problem": _problem_schema()},
            "responses": {
                "Problem": {
                    "description": "The error, with its gRPC code and details.",
                    "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An access token (JWT) or an API key (`tk_…`)."}
            },
        },
    }


class _Operation:
    """The description of one route."""

    def __init__(self, *, contract: Contract, schemas: Schemas, route: Route, names: dict[str, list[str]]) -> None:
        self._contract = contract
        self._schemas = schemas
        self._route = route
        self._names = names
        self._request: Descriptor = route.rpc.descriptor.input_type
        self._in_path = frozenset(variable.field_path for variable in route.template.variables)

    def build(self) -> Schema:
        route, policy = self._route, self._route.rpc.policy
        comment = self._contract.comment(f"{policy.service}.{policy.method}")
        suffix = "" if route.primary else f"_{_word(route.template)}"
        found: Schema = {
            "operationId": f"{route.rpc.descriptor.containing_service.name}_{policy.method}{suffix}",
            "tags": [route.rpc.descriptor.containing_service.name],
            "summary": comment.split(". ")[0].split("\n")[0].rstrip("."),
            "description": comment,
            "responses": {"200": self._response(), "default": _PROBLEM},
            "security": [] if policy.public else [{"bearer": [policy.scope] if policy.scope else []}],
            "x-scopes": [policy.scope] if policy.scope else [],
            "x-rate-class": policy.rate_class,
            "x-timeout-seconds": policy.timeout,
            "x-grpc-method": policy.path.lstrip("/"),
        }
        if parameters := [*self._path_parameters(), *self._query_parameters(), *self._header_parameters()]:
            found["parameters"] = parameters
        if route.body:
            found["requestBody"] = self._body()
        elif policy.path_only and route.http_method == "POST":
            found["requestBody"] = {"description": "Ignored, whatever it is.", "required": False, "content": {"*/*": {}}}
        if route.rpc.descriptor.GetOptions().deprecated:
            found["deprecated"] = True
        return found

    def _path_parameters(self) -> list[Schema]:
        return [
            {"name": name, "in": "path", "required": True, "description": self._field_comment(variable), "schema": {"type": "string"}}
            for variable in self._route.template.variables
            for name in self._names[variable.field_path]
        ]

    def _field_comment(self, variable: Variable) -> str:
        holder: Descriptor | None = self._request
        *parents, last = variable.field_path.split(".")
        for name in parents:
            holder = holder.fields_by_name[name].message_type if holder else None
        return self._contract.comment(f"{holder.full_name}.{last}") if holder else ""

    def _query_parameters(self) -> list[Schema]:
        if self._route.body == "*":
            return []
        return self._flatten(self._request, prefix="", proto="", depth=1)

    def _flatten(self, message: Descriptor, *, prefix: str, proto: str, depth: int) -> list[Schema]:
        found: list[Schema] = []
        for field in message.fields:
            path = f"{proto}{field.name}"
            if path == self._route.body or path in self._in_path or path in self._route.binder.passed:
                continue
            name = f"{prefix}{field.json_name}"
            if self._is_text(field):
                schema = self._schemas.field(field)
                found.append({"name": name, "in": "query", "description": schema.pop("description", ""), "schema": schema})
            elif field.message_type is not None and not field.is_repeated and depth < _QUERY_DEPTH and not _is_free(field.message_type):
                found.extend(self._flatten(field.message_type, prefix=f"{name}.", proto=f"{path}.", depth=depth + 1))
        return found

    def _is_text(self, field: FieldDescriptor) -> bool:
        if field.message_type is None:
            return field.enum_type is None or field.enum_type.full_name != "google.protobuf.NullValue"
        known = self._schemas.reference(field.message_type) if not field.message_type.GetOptions().map_entry else {}
        kind = known.get("type")
        return "$ref" not in known and (kind == "string" or isinstance(kind, list)) and field.message_type.full_name != HTTP_BODY

    def _header_parameters(self) -> list[Schema]:
        if not (self._route.streams and RESUME_FIELD in self._request.fields_by_name):
            return []
        text = "The id of the last event seen; the stream goes on after it."
        return [{"name": "Last-Event-ID", "in": "header", "description": text, "schema": {"type": "string"}}]

    def _body(self) -> Schema:
        if self._route.binder.raw_body:
            raw: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}
            text = "The bytes, with their type; they may stream, and be of any length." if self._route.uploads else "The bytes."
            return {"description": text, "content": {"*/*": {"schema": raw}}}
        if self._route.body != "*":
            field = self._request.fields_by_name[self._route.body]
            whole = field.message_type is not None and not field.is_repeated
            schema = self._schemas.reference(field.message_type) if whole and field.message_type else self._schemas.field(field)
        elif self._in_path:
            schema = self._schemas.object_of(self._request, without=self._in_path)
        else:
            schema = self._schemas.reference(self._request)
        if self._route.uploads:
            return {"required": True, "description": "A stream: one JSON object a line.", "content": {NDJSON_TYPE: {"schema": schema}}}
        return {"required": True, "content": {JSON_TYPE: {"schema": schema}}}

    def _response(self) -> Schema:
        reply: Descriptor = self._route.rpc.descriptor.output_type
        if self._route.renderer.raw:
            return {"description": "The bytes.", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
        if self._route.response_body:
            schema = self._schemas.field(reply.fields_by_name[self._route.response_body])
            if self._route.streams and "items" in schema:
                schema = schema["items"]
        else:
            schema = self._schemas.reference(reply)
        text = self._contract.comment(reply.full_name) or "The answer."
        if self._route.streams:
            kinds = ("text/event-stream", NDJSON_TYPE)
            return {"description": f"A stream. {text}", "content": {kind: {"schema": schema} for kind in kinds}}
        return {"description": text, "content": {JSON_TYPE: {"schema": schema}}}


def _word(template: PathTemplate) -> str:
    """A template as a part of an identifier."""
    text = template.text.removesuffix("/") + ("/slash" if template.text.endswith("/") else "")
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")


def _is_free(message: Descriptor) -> bool:
    return message.full_name.startswith("google.") or bool(message.GetOptions().map_entry)


def _path(template: PathTemplate) -> tuple[str, dict[str, list[str]]]:
    """The template in OpenAPI's form, where a parameter is one segment, and the parameters of each variable."""
    names: dict[str, list[str]] = {variable.field_path: [] for variable in template.variables}
    parts: list[str] = []
    taken: set[str] = set()
    for index, segment in enumerate(template.segments):
        if not isinstance(segment, Wildcard):
            parts.append(segment)
            continue
        owner = next((item for item in template.variables if item.start <= index and (item.end is None or index < item.end)), None)
        name = _parameter(template, index, owner)
        while name in taken:
            name += "_"
        taken.add(name)
        parts.append(f"{{{name}}}")
        if owner is not None:
            names[owner.field_path].append(name)
    verb = f":{template.verb}" if template.verb else ""
    return f"/{'/'.join(parts)}{verb}", names


def _parameter(template: PathTemplate, index: int, owner: Variable | None) -> str:
    """What to call a segment: the variable, or the singular of the collection before it."""
    if owner is None:
        return f"segment{index}"
    before = template.segments[index - 1] if index > owner.start else None
    return singular(before) if isinstance(before, str) else owner.field_path.replace(".", "_")


def singular(word: str) -> str:
    """The singular of an English plural, well enough for a name."""
    for ending, short in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("xes", "x"), ("ves", "f"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) and not word.endswith("ss"):
            return word.removesuffix(ending) + short
    return word


def _problem_schema() -> Schema:
    detail = {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]}
    properties: Schema = {
        "type": {"type": "string", "description": "Identifies the kind of error."},
        "title": {"type": "string", "description": "The HTTP status in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened."},
        "instance": {"type": "string", "description": "The trace of this request."},
        "code": {"type": "string", "description": "The gRPC code (google.rpc.Code)."},
        "message": {"type": "string", "description": "The message of the google.rpc.Status."},
        "details": {"type": "array", "description": "ErrorInfo, and BadRequest or RetryInfo (google.rpc).", "items": detail},
    }
    example = {
        "type": "urn:tocsin:error:INVALID_INPUT",
        "title": "Bad Request",
        "status": 400,
        "detail": "trigger.daily.time: must be a time of day",
        "instance": "urn:tocsin:trace:4bf92f3577b34da6a3ce929d0e0e4736",
        "code": "INVALID_ARGUMENT",
        "message": "trigger.daily.time: must be a time of day",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "INVALID_INPUT", "domain": "tocsin"}],
    }
    return {
        "type": "object",
        "description": "An error (RFC 9457) with the members of google.rpc.Status.",
        "properties": properties,
        "required": ["type", "title", "status", "detail", "code", "message", "details"],
        "examples": [example],
    }
