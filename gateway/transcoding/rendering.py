"""From the answer of an RPC to an HTTP body: one plan per route."""

import base64
import re
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Protocol

from google.protobuf.descriptor import Descriptor

from gateway.transcoding.contract import HTTP_BODY, Contract
from gateway.transcoding.incoming import Incoming
from gateway.transcoding.options import STRICT, Transcoding
from gateway.transcoding.passing import AnswerHead
from gateway.transcoding.selection import Selection, chosen_fields, chosen_printing, selected
from gateway.transcoding.template import TemplateError
from tocsin.api.mesh.v1 import http_pb2 as door_pb2
from tocsin.mesh.policy import RESUME_FIELD
from tocsin.protojson.codec import Codec, UnreadableReply
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, as_object
from tocsin.protojson.printing import PLAIN, PROTO_NAMES, Printing, dumped

JSON_TYPE = "application/json"
NDJSON_TYPE = "application/x-ndjson"

_ANY_TYPE = "application/octet-stream"
# What may stand in a header (RFC 9110, 5.5); a type is shorter than this.
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,200}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseBody:
    """An HTTP body.

    Attributes:
        content_type: of the body.
        data: the body.
        status: HTTP status of the answer.
        headers: what else the service says in its head, by names in lower case.
    """

    content_type: str
    data: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class AnswerRenderer(Protocol):
    """Makes HTTP bodies of the answers of one route."""

    @property
    def raw(self) -> bool:
        """Whether the body is the service's own, with its type."""
        ...

    def chosen(self, incoming: Incoming) -> "AnswerRenderer":
        """The renderer for what a client chooses of the answer, or of how it is written.

        Raises:
            InvalidInput: what it chooses is not there.
        """
        ...

    def render(self, wire: bytes) -> ResponseBody:
        """The HTTP body of an answer.

        Raises:
            UnreadableReply: the answer is not what the contract says, or cannot be sent over HTTP.
        """
        ...

    def elements(self, wire: bytes) -> list[bytes]:
        """The JSON texts of an answer of a stream.

        Raises:
            UnreadableReply: the answer is not what the contract says.
        """
        ...

    def resume_token(self, wire: bytes) -> str:
        """The token after which a watch can be resumed; empty if the answer has none."""
        ...


class LegacyRenderer:
    """The renderer of a legacy route: the whole answer, in names of the contract (snake_case)."""

    raw = False

    def __init__(self, *, contract: Contract, response: Descriptor) -> None:
        """Compiles the plan."""
        self._codec = contract.codec(response)

    def chosen(self, incoming: Incoming) -> AnswerRenderer:
        """Itself: there is no choice."""
        del incoming
        return self

    def render(self, wire: bytes) -> ResponseBody:
        """The HTTP body of an answer.

        Raises:
            UnreadableReply: the answer is not what the contract says.
        """
        return ResponseBody(content_type=JSON_TYPE, data=self._codec.to_json(wire, PROTO_NAMES))

    def elements(self, wire: bytes) -> list[bytes]:
        """As `render`: legacy routes have no streams."""
        return [self.render(wire).data]

    def resume_token(self, wire: bytes) -> str:
        """None."""
        del wire
        return ""


class ResponseRenderer:
    """The renderer of a rule of google.api.http."""

    def __init__(
        self,
        *,
        contract: Contract,
        response: Descriptor,
        response_body: str,
        door: door_pb2.Http | None = None,
        transcoding: Transcoding = STRICT,
    ) -> None:
        """Compiles the plan.

        Args:
            contract: where the types are.
            response: the response type.
            response_body: the field that is the body; empty for the whole response.
            door: names the fields that are the status and the headers; none unless given.
            transcoding: how answers are shown.

        Raises:
            TemplateError: one of them names no field, or one of another kind.
        """
        self._codec: Codec = contract.codec(response)
        self._transcoding = transcoding
        self._printing = transcoding.printing
        self._selection: Selection = {}
        self._field: MessageField | None = None
        self._empty: JsonValue = None
        self.raw = response.full_name == HTTP_BODY
        if response_body:
            item = response.fields_by_name.get(response_body)
            if item is None:
                raise TemplateError(f"{response.full_name} has no field {response_body!r} for the response body")
            self._field = self._codec.message_type.fields[response_body]
            self._empty = _empty(self._field)
            self.raw = item.message_type is not None and item.message_type.full_name == HTTP_BODY and not item.is_repeated
        self._head = AnswerHead(door or door_pb2.Http(), self._codec.message_type, beside_body=self._field is not None)
        self._token = self._codec.text_field(RESUME_FIELD) if _is_text(self._codec.message_type.fields.get(RESUME_FIELD)) else None

    def chosen(self, incoming: Incoming) -> "AnswerRenderer":
        """The renderer for a client that chooses fields or a way of writing, where the contract lets it.

        Raises:
            InvalidInput: what it chooses is not there.
        """
        options = self._transcoding
        if self.raw or not (options.printing_by_client or options.fields_parameter):
            return self
        printing = chosen_printing(incoming.accept, self._printing) if options.printing_by_client else self._printing
        shown = self._codec.message_type if self._field is None else self._field.message
        selection: Selection = {}
        if options.fields_parameter and shown is not None:
            selection = chosen_fields(incoming.query_string, options.fields_parameter, shown)
        return self if printing == self._printing and not selection else self._written(printing, selection)

    def _written(self, printing: Printing, selection: Selection | None = None) -> "ResponseRenderer":
        made = copy(self)
        made._printing = printing  # noqa: SLF001 - its own copy
        made._selection = self._selection if selection is None else selection  # noqa: SLF001
        return made

    def render(self, wire: bytes) -> ResponseBody:
        """The HTTP body of an answer.

        Raises:
            UnreadableReply: the answer is not what the contract says, or cannot be sent over HTTP.
        """
        success = self._transcoding.status
        if self._field is None and not self.raw:
            if self._selection:
                value: JsonValue = selected(self._codec.message_type, self._codec.to_value(wire, self._printing), self._selection)
                return ResponseBody(content_type=JSON_TYPE, data=self._dumped(value), status=success)
            return ResponseBody(content_type=JSON_TYPE, data=self._codec.to_json(wire, self._printing), status=success)
        whole = self._codec.to_value(wire, PLAIN if self.raw else self._printing)
        part = whole if self._field is None else whole.get(self._name(self._field), self._empty)
        plain = self.raw or not self._printing.proto_names
        status, headers = self._head.of(whole if plain else self._codec.to_value(wire), success)
        if not self.raw:
            return ResponseBody(content_type=JSON_TYPE, data=self._dumped(self._part(part)), status=status, headers=headers)
        body = as_object(part) or {}
        content_type = str(body.get("contentType") or _ANY_TYPE)
        if not _HEADER_VALUE.match(content_type):
            raise UnreadableReply
        data = base64.b64decode(str(body.get("data") or ""))
        return ResponseBody(content_type=content_type, data=data, status=status, headers=headers)

    def elements(self, wire: bytes) -> list[bytes]:
        """The JSON texts of an answer of a stream: one, or one for each element when ``response_body`` names a list.

        Raises:
            UnreadableReply: the answer is not what the contract says.
        """
        if self._printing.indent:
            return self._written(replace(self._printing, indent=False)).elements(wire)  # a line each
        if self._field is None or not self._field.repeated:
            return [self.render(wire).data]
        if self._printing is PLAIN and not self._selection:
            return self._codec.to_json_list(wire, self._field)
        found = self._part(self._codec.to_value(wire, self._printing).get(self._name(self._field)))
        return [self._dumped(item) for item in found] if isinstance(found, list) else []

    def resume_token(self, wire: bytes) -> str:
        """The token after which a watch can be resumed; empty if the answer has none."""
        return self._token(wire) if self._token else ""

    def _name(self, field: MessageField) -> str:
        return field.name if self._printing.proto_names and not self.raw else field.json_name

    def _part(self, value: JsonValue) -> JsonValue:
        """What is selected of the field that is the body."""
        kind = None if self._field is None else self._field.message
        if kind is None or not self._selection:
            return value
        return (
            [selected(kind, item, self._selection) for item in value] if isinstance(value, list) else selected(kind, value, self._selection)
        )

    def _dumped(self, value: JsonValue) -> bytes:
        return dumped(value, self._printing).encode()


def _is_text(field: MessageField | None) -> bool:
    return field is not None and field.kind is FieldKind.STRING and not field.repeated


def _empty(field: MessageField) -> JsonValue:
    """What JSON shows for a field that is not set."""
    if field.repeated:
        return []
    if field.map or field.kind is FieldKind.MESSAGE:
        return {}
    return _DEFAULTS.get(field.kind)


_DEFAULTS: Mapping[FieldKind, JsonValue] = {
    FieldKind.STRING: "",
    FieldKind.BYTES: "",
    FieldKind.BOOL: False,
    FieldKind.INTEGER: 0,
    FieldKind.FLOAT: 0,
}
