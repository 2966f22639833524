"""From the parts of an HTTP request to the wire bytes of an RPC: one plan per route.

The order is that of google/api/http.proto: body, then query, then path. The path always wins; the query never touches what the path or
the body owns. Whoever could overwrite ``name`` from the side would reach what the path did not name.
"""

import base64
import uuid
from typing import Protocol

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor

from gateway.transcoding.contract import HTTP_BODY, Contract, behavior, is_uuid
from gateway.transcoding.fast_binding import FastBinder
from gateway.transcoding.forms import FormBinder
from gateway.transcoding.incoming import Incoming
from gateway.transcoding.leniency import Leniency
from gateway.transcoding.options import STRICT, Transcoding
from gateway.transcoding.passing import Passed
from gateway.transcoding.query import ParameterRefused, QueryBinder, parse_query
from gateway.transcoding.rendering import RESUME_FIELD
from gateway.transcoding.template import PathTemplate, TemplateError
from tocsin.api.mesh.v1 import http_pb2 as door_pb2
from tocsin.errors import FieldViolation, InvalidInput
from tocsin.protojson.codec import load_json
from tocsin.protojson.fast import FastPathMiss
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, MessageType, as_object
from tocsin.protojson.text import convert, put

_NOT_IN_A_MASK = frozenset({field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER})


class Binder(Protocol):
    """Makes request messages of one route."""

    @property
    def takes_body(self) -> bool:
        """Whether the route takes a body."""
        ...

    @property
    def takes_forms(self) -> bool:
        """Whether the body may be a form."""
        ...

    @property
    def takes_files(self) -> bool:
        """Whether it may be a form with files (multipart/form-data)."""
        ...

    @property
    def raw_body(self) -> bool:
        """Whether the body is passed on as it is, whatever its type."""
        ...

    @property
    def headers(self) -> tuple[bytes, ...]:
        """The request headers that are passed on, in lower case."""
        ...

    @property
    def passed(self) -> frozenset[str]:
        """The fields of the request that the door fills alone."""
        ...

    def bind(self, incoming: Incoming) -> bytes:
        """Wire bytes of the request message.

        Raises:
            InvalidInput: something in the request does not fit; the error names the field.
        """
        ...

    def as_written(self, error: InvalidInput) -> InvalidInput:
        """``error`` with its paths as the client wrote them."""
        ...


class RequestBinder:
    """The binder of a rule of google.api.http."""

    def __init__(
        self,
        *,
        contract: Contract,
        request: Descriptor,
        template: PathTemplate,
        http_method: str,
        body: str,
        door: door_pb2.Http | None = None,
        raw: bool = True,
        transcoding: Transcoding = STRICT,
    ) -> None:
        """Compiles the plan.

        Args:
            contract: where the types are.
            request: the request type.
            template: the path template.
            http_method: the HTTP method.
            body: the rule's ``body``: empty, "*", or a field of the request.
            door: what else of a request is passed on; nothing unless given.
            raw: whether a google.api.HttpBody is the body as it is; else it is JSON like any other message.
            transcoding: what is taken beyond the strict form.

        Raises:
            TemplateError: the rule or the door names a field that does not exist or cannot be bound.
        """
        self._codec = contract.codec(request)
        self._variables = {item.field_path: bindable(self._codec.message_type, item.field_path, template) for item in template.variables}
        self._whole = body == "*"
        self._body_field = self._body(body, template)
        self._passed = Passed(door or door_pb2.Http(), self._codec.message_type)
        self._transcoding = transcoding
        self._leniency = Leniency.of(transcoding)
        self._query = self._query_binder()
        self.raw_body = raw and self._is_raw(request)
        self._form = self._form_binder()
        self.takes_forms = self.takes_files = self._form is not None
        self._mask = self._mask_field(request) if http_method == "PATCH" and self._body_field else None
        self._mask_exclude = self._not_in_mask(request)
        self._generated = tuple(self._codec.message_type.fields[item.name] for item in request.fields if is_uuid(item))
        self._resume = self._resume_field()
        self._fast = self._fast_binder(contract, request)

    def _query_binder(self) -> QueryBinder:
        """Binds parameters to the fields that neither the path, the body nor a header has."""
        owned = {*self._variables, *self._passed.fields, *([self._body_field.name] if self._body_field else [])}
        return QueryBinder(message_type=self._codec.message_type, owned=owned, transcoding=self._transcoding)

    def _resume_field(self) -> MessageField | None:
        """The field that takes a resume token, if there is one."""
        found = self._codec.message_type.fields.get(RESUME_FIELD)
        return found if found is not None and found.kind is FieldKind.STRING else None

    @property
    def headers(self) -> tuple[bytes, ...]:
        """The request headers that it passes on, in lower case."""
        return self._passed.headers

    @property
    def passed(self) -> frozenset[str]:
        """The fields of the request that the door fills alone."""
        return self._passed.fields

    @property
    def takes_body(self) -> bool:
        """Whether the rule has a ``body``."""
        return self._whole or self._body_field is not None

    def bind(self, incoming: Incoming) -> bytes:
        """Wire bytes of the request message.

        Raises:
            InvalidInput: something in the request does not fit; the error names the field.
        """
        if self._fast is not None and incoming.is_body_alone:
            try:
                return self._fast.bind(incoming.body, incoming.variables, incoming.request_id)
            except FastPathMiss:
                pass  # the fallback below tells what it is
        if self._whole and self._codec.own_form is not None:
            return self._own_form(incoming)
        message = self._read_body(incoming)
        if parameters := self._parameters(incoming):
            if self._whole:
                raise InvalidInput.at(parameters[0][0], "unknown query parameter: this method reads all fields from its body")
            self._query.bind(parameters, message)
        paths = self._mask_paths(message)
        self._passed.put(
            message,
            headers=incoming.headers,
            query_string=incoming.query_string,
            method=incoming.method,
            address=incoming.address,
        )
        for path, fields in self._variables.items():
            put(message, fields, convert(fields[-1], incoming.variables[path], path))
        for made in self._generated:
            if not message.get(made.json_name) and not message.get(made.name):
                put(message, (made,), incoming.request_id or str(uuid.uuid4()))
        if self._resume is not None and incoming.last_event_id:
            put(message, (self._resume,), incoming.last_event_id)
        exact = None if self._mask is None or paths is None else {self._mask.name: paths}
        return self._codec.to_wire(message, exact=exact)

    def as_written(self, error: InvalidInput) -> InvalidInput:
        """``error`` with its paths as the client wrote them: without the field that the rule binds the body to."""
        if self._body_field is not None and not isinstance(error, ParameterRefused):
            prefix = f"{self._body_field.json_name}."
            error.violations = tuple(FieldViolation(item.field.removeprefix(prefix), item.description) for item in error.violations)
            error.message = error.message.removeprefix(prefix)
        return error

    def _parameters(self, incoming: Incoming) -> list[tuple[str, str]]:
        """The query, without what is not for the message."""
        return [] if self._passed.takes_query else self._query.for_message(parse_query(incoming.query_string))

    def _own_form(self, incoming: Incoming) -> bytes:
        if parameters := self._parameters(incoming):
            raise InvalidInput.at(parameters[0][0], "unknown query parameter: this method reads all from its body")
        if not incoming.body:
            raise InvalidInput(f"The body must be {self._codec.message_type.type_name} in JSON.")
        return self._codec.own_form_to_wire(load_json(incoming.body))

    def _value(self, incoming: Incoming) -> JsonValue:
        """The value of the body."""
        if self.raw_body:
            return {"contentType": incoming.content_type, "data": base64.b64encode(incoming.body).decode()}
        if self._form is not None and incoming.is_form:
            return self._form.urlencoded(incoming.body)
        if self._form is not None and incoming.is_multipart:
            return self._form.multipart(incoming.body, incoming.content_type)
        value = load_json(incoming.body)
        if self._leniency is None:
            return value
        if self._body_field is not None:
            return self._leniency.field(self._body_field, value)
        return self._leniency.strict(self._codec.message_type, value)

    def _read_body(self, incoming: Incoming) -> dict[str, JsonValue]:
        if not incoming.body:
            return {}
        if not self.takes_body:
            raise InvalidInput("This method accepts no body.")
        value = self._value(incoming)
        if self._body_field is not None:
            return {self._body_field.json_name: value}
        if (found := as_object(value)) is None:
            raise InvalidInput("The body must be a JSON object.")
        return found

    def _mask_paths(self, message: dict[str, JsonValue]) -> list[str] | None:
        """The paths of the mask of a PATCH by the names of the contract; None if there is no mask, or it names no fields.

        Without a mask, PATCH changes the fields that its body names (AIP-134); output-only ones do not count (AIP-203).
        """
        message_type = None if self._body_field is None else self._body_field.message
        if self._mask is None or self._body_field is None or message_type is None:
            return None
        given = message.get(self._mask.json_name, message.get(self._mask.name))
        if isinstance(given, str) and given:
            found = [message_type.resolve(path) for path in given.split(",")]
            return [".".join(field.name for field in fields) for fields in found if fields] if all(found) else None
        body = as_object(message.get(self._body_field.json_name))
        if body is None or self._mask.json_name in message or self._mask.name in message:
            return None
        named = [message_type.fields[key] for key in body if key in message_type.fields]
        return [field.name for field in named if field.name not in self._mask_exclude]

    def _fast_binder(self, contract: Contract, request: Descriptor) -> FastBinder | None:
        """The fast path of the route; None if it has none.

        A mask is made of the names in the body, and a path may bind another thing than a text of its own: that is for the fallback.
        """
        if not self.takes_body or self.raw_body or self._mask is not None or self._passed.fields or self._codec.own_form is not None:
            return None
        field = self._body_field
        body = request if field is None else request.fields_by_name[field.name].message_type
        if body is None or (field is not None and (field.kind is not FieldKind.MESSAGE or field.repeated or field.map)):
            return None
        try:
            return FastBinder(
                request=self._codec,
                body=contract.codec(body),
                body_field=field,
                variables=self._variables,
                generated=self._generated,
            )
        except LookupError:
            return None

    def _form_binder(self) -> FormBinder | None:
        """What reads forms; None unless they are asked for, and the body is an object of fields."""
        field = self._body_field
        target = self._codec.message_type if field is None else field.message
        if not (self._transcoding.forms and self.takes_body) or self.raw_body or target is None:
            return None
        if field is not None and (field.kind is not FieldKind.MESSAGE or field.repeated or field.map):
            return None
        if field is None and self._codec.own_form is not None:
            return None
        return FormBinder(target, QueryBinder(message_type=target, transcoding=self._transcoding))

    def _body(self, body: str, template: PathTemplate) -> MessageField | None:
        if body in ("", "*"):
            return None
        field = self._codec.message_type.fields.get(body)
        if field is None or field.name != body:
            raise TemplateError(f"path template {template.text!r}: {self._codec.message_type.type_name} has no field {body!r} for the body")
        if any(path == body for path in self._variables):
            raise TemplateError(f"path template {template.text!r}: the field {body!r} is both path and body")
        return field

    def _is_raw(self, request: Descriptor) -> bool:
        if self._body_field is None:
            return self._whole and request.full_name == HTTP_BODY
        found = request.fields_by_name[self._body_field.name].message_type
        return found is not None and found.full_name == HTTP_BODY and not self._body_field.repeated

    def _mask_field(self, request: Descriptor) -> MessageField | None:
        masks = [item.name for item in request.fields if self._codec.message_type.fields[item.name].kind is FieldKind.FIELD_MASK]
        return self._codec.message_type.fields[masks[0]] if masks else None

    def _not_in_mask(self, request: Descriptor) -> frozenset[str]:
        """Fields of the resource that a derived mask leaves out: those of the path, and those that only the server sets."""
        resource = request.fields_by_name[self._body_field.name].message_type if self._body_field else None
        if self._body_field is None or resource is None:
            return frozenset()
        prefix = f"{self._body_field.name}."
        in_path = {path.removeprefix(prefix) for path in self._variables if path.startswith(prefix)}
        server_set = {item.name for item in resource.fields if _NOT_IN_A_MASK & behavior(item)}
        return frozenset(in_path | server_set)


def bindable(request: MessageType, path: str, template: PathTemplate) -> tuple[MessageField, ...]:
    """The fields along ``path``, which a variable of ``template`` sets.

    Raises:
        TemplateError: there is no such field, or it is no single value.
    """
    fields = request.resolve(path)
    if fields is None:
        raise TemplateError(f"path template {template.text!r}: {request.type_name} has no field {path!r}")
    last = fields[-1]
    if last.repeated or last.map or last.kind in (FieldKind.MESSAGE, FieldKind.FREE, FieldKind.NULL):
        raise TemplateError(f"path template {template.text!r}: the field {path!r} cannot stand in a path")
    return fields
