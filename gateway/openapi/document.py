"""The OpenAPI 3.1 document of the route table."""

from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Final

from gateway.openapi.examples import Examples
from gateway.openapi.operation import LegacyOperation, Operation, tag_of
from gateway.openapi.schema import Schema, Schemas
from gateway.transcoding.contract import Contract, Rpc
from gateway.transcoding.oauth import CODES
from gateway.transcoding.problems import PROBLEM_TYPE
from gateway.transcoding.rendering import JSON_TYPE
from gateway.transcoding.routes import Route
from gateway.transcoding.template import PathTemplate, Variable, Wildcard
from tocsin.protojson.printing import PROTO_NAMES

_DESCRIPTION = """An alarm and notification platform. You tell it *when*, *what* and *whom*; it rings, on time, once.

Every call here is also a gRPC call: this document, the routes and the validation are read from the same `.proto` files.

- **Authentication**: `Authorization: Bearer <token or API key>`. Each operation names the scope that it needs.
- **Other clients**: `POST /{x-grpc-method}` by Connect or gRPC-Web; what has `x-websocket` is a WebSocket as well.
- **Errors**: RFC 9457 problem documents (`application/problem+json`) that carry the gRPC code and details.
- **Lists**: `pageSize`, `pageToken`, `nextPageToken` (AIP-158).
- **Updates**: without `updateMask`, the fields that the body names change (AIP-134).
- **Retries**: operations with `requestId` are safe to repeat with the same id (AIP-155); one is made up for you if you give none.
- **Streams**: `Accept: text/event-stream` for Server-Sent Events, otherwise newline-delimited JSON.
"""


_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_ERRORS: Final[Schema] = {
    "Problem": {
        "description": "The error, with its gRPC code and details.",
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
    "TokenProblem": {
        "description": "The error, as OAuth 2.0 has it (RFC 6749, 5.2).",
        "content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/TokenProblem"}}},
    },
}


def build_document(*, contract: Contract, routes: Sequence[Route]) -> Schema:
    """The document for every route."""
    schemas = Schemas(contract=contract)
    services = {route.rpc.policy.service: route.rpc for route in routes}
    paths = _paths(contract, schemas, routes)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Tocsin",
            "version": metadata.version("tocsin"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag_of(rpc), "description": contract.comment(name)} for name, rpc in services.items()],
        **_groups(services.values()),
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Problem": _problem_schema(), "TokenProblem": _token_problem_schema()},
            "responses": _ERRORS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An access token (JWT) or an API key (`tk_…`)."}
            },
        },
    }


def _paths(contract: Contract, schemas: Schemas, routes: Sequence[Route]) -> dict[str, Schema]:
    snake, examples = schemas.printed(PROTO_NAMES), Examples(components=schemas.components)
    paths: dict[str, Schema] = {}
    operations: list[Schema] = []
    for route in routes:
        path, names = _path(route.template)
        if route.legacy is None:
            operation = Operation(contract=contract, schemas=schemas.printed(route.rpc.transcoding.printing), route=route, names=names)
        elif route.documented:
            operation = LegacyOperation(contract=contract, schemas=snake, route=route, names=names, option=route.legacy)
        else:
            continue
        item, made = paths.setdefault(path, {}), operation.build()
        operations.append(made)
        if route.http_method.lower() in _METHODS:
            item[route.http_method.lower()] = made
        else:  # OpenAPI 3.1 has no place for other methods, 3.2 has one of this name
            item.setdefault("x-additionalOperations", {})[route.http_method] = made
    for made in operations:
        examples.add_to(made)
    return paths


def _groups(rpcs: Iterable[Rpc]) -> Schema:
    """The tags by contract (x-tagGroups, which readers of documents know), if there is more than one."""
    groups: dict[str, list[str]] = {}
    for rpc in rpcs:
        groups.setdefault(rpc.contract.name or "Tocsin", []).append(tag_of(rpc))
    return {"x-tagGroups": [{"name": name, "tags": tags} for name, tags in groups.items()]} if len(groups) > 1 else {}


def _path(template: PathTemplate) -> tuple[str, dict[str, list[str]]]:
    """The template in OpenAPI's form, where a parameter is one segment, and the parameters of each variable."""
    names: dict[str, list[str]] = {variable.field_path: [] for variable in template.variables}
    parts: list[str] = []
    taken: set[str] = set()
    for index, segment in enumerate(template.segments):
        if not isinstance(segment, Wildcard):
            parts.append(segment)
            continue
        owner = next((item for item in template.variables if index in template.places(item)), None)
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
    before = template.segments[index - 1] if index > template.places(owner).start else None
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


def _token_problem_schema() -> Schema:
    names = [*CODES, "mfa_required", "temporarily_unavailable", "server_error"]
    return {
        "type": "object",
        "description": "An error of the token endpoint (RFC 6749, 5.2).",
        "properties": {
            "error": {"type": "string", "enum": names, "description": "What is wrong."},
            "error_description": {"type": "string", "description": "What is wrong, for people."},
            "challenge": {"type": "string", "description": "With mfa_required: what the grant second_factor answers."},
            "methods": {"type": "string", "description": "With mfa_required: what answers it, separated by commas."},
        },
        "required": ["error"],
        "examples": [{"error": "invalid_grant", "error_description": "The name or the password is wrong."}],
    }
