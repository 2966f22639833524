"""What the OpenAPI document says of one route."""

import re
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.openapi.schema import Schema, Schemas
from gateway.transcoding.contract import HTTP_BODY, Contract, Rpc
from gateway.transcoding.etags import etag_number, etag_place
from gateway.transcoding.rendering import JSON_TYPE, NDJSON_TYPE, RESUME_FIELD
from gateway.transcoding.routes import Route
from gateway.transcoding.template import PathTemplate, Variable
from tocsin.api.mesh.v1 import http_pb2 as door_pb2

PROBLEM: Final[dict[str, Any]] = {"$ref": "#/components/responses/Problem"}
"""The answer for an error."""

TOKEN_PROBLEM: Final[dict[str, Any]] = {"$ref": "#/components/responses/TokenProblem"}
"""The answer for an error of a token endpoint."""

_IF_MATCH: Final[dict[str, Any]] = {
    "name": "If-Match",
    "in": "header",
    "description": 'The etag of the resource in quotes, as in "3", that it must still have; * is any.',
    "schema": {"type": "string"},
}
_ETAG: Final[dict[str, Any]] = {"description": "The etag of the resource in quotes, for If-Match.", "schema": {"type": "string"}}
_FORM_TYPE = "application/x-www-form-urlencoded"
_QUERY_DEPTH = 3


class Operation:
    """The description of one route."""

    def __init__(self, *, contract: Contract, schemas: Schemas, route: Route, names: dict[str, list[str]]) -> None:
        """Prepares the description.

        Args:
            contract: where the comments are.
            schemas: where the types are described.
            route: what is described.
            names: the parameters that each variable of the path has become.
        """
        self._contract = contract
        self._schemas = schemas
        self._route = route
        self._names = names
        self._request: Descriptor = route.rpc.descriptor.input_type
        self._in_path = frozenset(variable.field_path for variable in route.template.variables)

    def build(self) -> Schema:
        """The operation object."""
        route, policy = self._route, self._route.rpc.policy
        comment = self._contract.comment(f"{policy.service}.{policy.method}")
        kind = route.http_method.lower()
        suffix = "" if route.primary else f"_{f'{kind}_' if route.legacy is not None or self._shares_path() else ''}{_word(route.template)}"
        found: Schema = {
            "operationId": f"{tag_of(route.rpc).replace('.', '_')}_{policy.method}{suffix}",
            "tags": [tag_of(route.rpc)],
            "summary": comment.split(". ")[0].split("\n")[0].rstrip("."),
            "description": self._description(comment),
            "responses": {
                str(route.rpc.transcoding.status): self._response(),
                **self._conditions(),
                "default": self._error(),
            },
            "security": [] if policy.public else [{"bearer": [policy.scope] if policy.scope else []}],
            "x-scopes": [policy.scope] if policy.scope else [],
            "x-rate-class": policy.rate_class,
            "x-timeout-seconds": policy.timeout,
            "x-grpc-method": policy.path.lstrip("/"),
        }
        if route.streams or route.uploads:
            found["x-websocket"] = True
        if parameters := [*self._path_parameters(), *self._query_parameters(), *self._selection(), *self._header_parameters()]:
            found["parameters"] = parameters
        if route.binder.takes_body:
            found["requestBody"] = self._body()
        elif policy.path_only and route.http_method == "POST":
            found["requestBody"] = {"description": "Ignored, whatever it is.", "required": False, "content": {"*/*": {}}}
        if route.rpc.descriptor.GetOptions().deprecated:
            found["deprecated"] = True
        return found

    def _shares_path(self) -> bool:
        """Whether two of the RPC's additional bindings have this path, with different HTTP methods."""
        rule, path = self._route.rpc.rule, self._route.template.text
        if rule is None:
            return False
        return sum(path in (each.get, each.put, each.post, each.delete, each.patch) for each in rule.additional_bindings) > 1

    def _description(self, comment: str) -> str:
        return comment

    def _error(self) -> Schema:
        return PROBLEM

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

    def _selection(self) -> list[Schema]:
        """The parameter that names the fields of the answer, where there is one."""
        name = self._route.rpc.transcoding.fields_parameter
        if not name or self._route.renderer.raw or self._route.legacy is not None:
            return []
        text = "The fields of the answer that are shown, as a comma-separated list of paths; all unless given."
        return [{"name": name, "in": "query", "description": text, "schema": {"type": "string"}}]

    def _flatten(self, message: Descriptor, *, prefix: str, proto: str, depth: int) -> list[Schema]:
        found: list[Schema] = []
        for field in message.fields:
            path = f"{proto}{field.name}"
            if path == self._route.body or path in self._in_path or path in self._route.binder.passed:
                continue
            name = f"{prefix}{self._called(field, top=not prefix)}"
            if self._is_text(field):
                schema = self._schemas.field(field)
                found.append({"name": name, "in": "query", "description": schema.pop("description", ""), "schema": schema})
            elif field.message_type is not None and not field.is_repeated and depth < _QUERY_DEPTH and not _is_free(field.message_type):
                found.extend(self._flatten(field.message_type, prefix=f"{name}.", proto=f"{path}.", depth=depth + 1))
        return found

    def _called(self, field: FieldDescriptor, *, top: bool) -> str:
        del top
        return self._schemas.name(field)

    def _is_text(self, field: FieldDescriptor) -> bool:
        if field.message_type is None:
            return field.enum_type is None or field.enum_type.full_name != "google.protobuf.NullValue"
        known = self._schemas.reference(field.message_type) if not field.message_type.GetOptions().map_entry else {}
        kind = known.get("type")
        return "$ref" not in known and (kind == "string" or isinstance(kind, list)) and field.message_type.full_name != HTTP_BODY

    def _header_parameters(self) -> list[Schema]:
        if self._route.streams and RESUME_FIELD in self._request.fields_by_name:
            text = "The id of the last event seen; the stream goes on after it."
            return [{"name": "Last-Event-ID", "in": "header", "description": text, "schema": {"type": "string"}}]
        if self._route.http_method == "GET" or self._route.streams or self._route.uploads or self._route.rpc.policy.public:
            return []
        text = "A key of your own for this request. Sent again with it, the request does nothing more, and is answered as the first time."
        key: Schema = {"name": "Idempotency-Key", "in": "header", "description": text, "schema": {"type": "string", "maxLength": 257}}
        return [key, *([_IF_MATCH] if self._conditional() else [])]

    def _conditional(self) -> bool:
        """Whether it changes or removes something that has an etag."""
        changes = self._route.http_method in ("PATCH", "PUT", "DELETE")
        return changes and self._route.legacy is None and bool(etag_place(self._request, self._route.body))

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
        binder = self._route.binder
        kinds = (JSON_TYPE, *((_FORM_TYPE,) if binder.takes_forms else ()), *(("multipart/form-data",) if binder.takes_files else ()))
        return {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}

    def _conditions(self) -> Schema:
        """The answers to a request whose condition does not hold."""
        if self._conditional():
            return {"412": PROBLEM}
        tagged = "etag" in self._route.rpc.door.response_headers and self._route.http_method == "GET"
        return {"304": {"description": "The client has it, as If-None-Match says."}} if tagged else {}

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
            content: Schema = {kind: {"schema": schema} for kind in ("text/event-stream", NDJSON_TYPE)}
            if self._route.rpc.transcoding.streams == "array":
                content = {JSON_TYPE: {"schema": {"type": "array", "items": schema}}, **content}
            return {"description": f"A stream. {text}", "content": content}
        shown: Schema = {"description": text, "content": {JSON_TYPE: {"schema": schema}}}
        tagged = not self._route.response_body and etag_number(reply)
        return {**shown, "headers": {"ETag": _ETAG}} if tagged else shown


class LegacyOperation(Operation):
    """The description of a legacy route: its fields as query, form or JSON, names of the contract or those that its users know."""

    def __init__(
        self, *, contract: Contract, schemas: Schemas, route: Route, names: dict[str, list[str]], option: door_pb2.LegacyRoute
    ) -> None:
        """Prepares the description; ``schemas`` have names of the contract, and ``option`` is what the contract says of the route."""
        super().__init__(contract=contract, schemas=schemas, route=route, names=names)
        self._token = option.dialect == door_pb2.LegacyRoute.RFC_6749
        self._shown = {field: alias for alias, field in sorted(option.aliases.items(), reverse=True)}
        outer = self._request.fields_by_name[option.body].message_type if option.body else None
        self._target: Descriptor = self._request if outer is None else outer

    def _description(self, comment: str) -> str:
        text = "As an earlier system had it, with and without a slash at its end; names are in snake_case."
        if self._token:
            return f"{comment}\n\n{text} The token endpoint of OAuth 2.0 (RFC 6749): a form, or JSON."
        more = " Each field may be in the query, in a form or in JSON." if self._route.binder.takes_body else ""
        return f"{comment}\n\n{text}{more}"

    def _error(self) -> Schema:
        return TOKEN_PROBLEM if self._token else PROBLEM

    def _query_parameters(self) -> list[Schema]:
        return [] if self._token else self._flatten(self._target, prefix="", proto="", depth=1)

    def _called(self, field: FieldDescriptor, *, top: bool) -> str:
        return self._shown.get(field.name, field.name) if top else field.name

    def _body(self) -> Schema:
        schema = self._schemas.object_of(self._target, without=self._in_path, aliases=self._shown)
        if self._token:
            schema["additionalProperties"] = True
        return {"required": self._token, "content": {kind: {"schema": schema} for kind in (JSON_TYPE, _FORM_TYPE)}}


def tag_of(rpc: Rpc) -> str:
    """What the service of an RPC is called: by its name alone if it is Tocsin's own, else in full, for others may have one of that name."""
    service = rpc.descriptor.containing_service
    return service.full_name if rpc.contract.name else service.name


def _word(template: PathTemplate) -> str:
    """A template as a part of an identifier."""
    text = template.text.removesuffix("/") + ("/slash" if template.text.endswith("/") else "")
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")


def _is_free(message: Descriptor) -> bool:
    return message.full_name.startswith("google.") or bool(message.GetOptions().map_entry)
