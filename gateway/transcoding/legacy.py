"""Routes as an earlier system had them: fields as query, form or JSON, names of the contract (snake_case), errors in the same words."""

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.descriptor import Descriptor

from gateway.transcoding.binding import bindable
from gateway.transcoding.contract import Contract, is_uuid
from gateway.transcoding.incoming import Incoming
from gateway.transcoding.query import parse_query
from gateway.transcoding.template import PathTemplate, TemplateError
from tocsin.api.mesh.v1 import http_pb2 as door_pb2
from tocsin.errors import FieldViolation, InvalidInput
from tocsin.protojson.codec import NotJson, load_json
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, MessageType, as_object
from tocsin.protojson.text import convert, parent_of, put

_TRUTHS: Final[Mapping[str, JsonValue]] = {
    "true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip
_JSON_KINDS: Final = frozenset({FieldKind.FREE, FieldKind.MESSAGE})
# One step of a field's path: a name, or a subscript, which stays as it is.
_STEP: Final = re.compile(r"\[[^\]]*\]?|[^.\[]+")


class LegacyBinder:
    """Makes request messages of one legacy route (tocsin/api/mesh/v1/http.proto, LegacyRoute)."""

    raw_body = False
    headers: tuple[bytes, ...] = ()
    passed: frozenset[str] = frozenset()

    def __init__(
        self, *, contract: Contract, request: Descriptor, template: PathTemplate, http_method: str, option: door_pb2.LegacyRoute
    ) -> None:
        """Compiles the plan.

        Raises:
            TemplateError: the path or the option names a field that does not exist or cannot be bound.
        """
        self._codec = contract.codec(request)
        whole = self._codec.message_type
        self._variables = {item.field_path: bindable(whole, item.field_path, template) for item in template.variables}
        self._outer = _outer(whole, option.body)
        self._target = whole if self._outer is None or self._outer.message is None else self._outer.message
        self._aliases = dict(option.aliases)
        self._shown = {field: alias for alias, field in sorted(self._aliases.items(), reverse=True)}
        if wrong := sorted(name for name in self._shown if name not in self._target.fields or name in self._aliases):
            raise TemplateError(f"{template.text}: {wrong} are not fields of {self._target.type_name} that can have another name")
        self._generated = tuple(whole.fields[item.name] for item in request.fields if is_uuid(item))
        self._oauth = option.dialect == door_pb2.LegacyRoute.RFC_6749
        self.takes_body = self.takes_forms = http_method != "GET"
        self.takes_files = False

    @property
    def aliases(self) -> Mapping[str, str]:
        """The names that the document uses, by field."""
        return self._shown

    @property
    def takes_query(self) -> bool:
        """Whether fields may come in the query."""
        return not self._oauth

    def bind(self, incoming: Incoming) -> bytes:
        """Wire bytes of the request message.

        Raises:
            InvalidInput: something in the request does not fit; the error names the field.
        """
        if incoming.body and not self.takes_body:
            raise InvalidInput("This method accepts no body.")
        given: dict[str, JsonValue] = {}
        texts = parse_query(incoming.query_string)
        if self._oauth and texts:
            raise InvalidInput.at("query", "is not read: send the parameters in the body")
        if incoming.is_form:
            texts += parse_query(incoming.body, name="body")
        elif incoming.body:
            given = self._json(incoming.body)
        self._put_texts(texts, given)
        message: dict[str, JsonValue] = given if self._outer is None else {self._outer.json_name: given}
        for path, fields in self._variables.items():
            put(message, fields, convert(fields[-1], incoming.variables[path], path))
        for field in self._generated:
            if not message.get(field.json_name) and not message.get(field.name):
                put(message, (field,), incoming.request_id or str(uuid.uuid4()))
        return self._codec.to_wire(message)

    def as_written(self, error: InvalidInput) -> InvalidInput:
        """``error`` with its paths in the words of this route: the contract's names, or what stands for them here."""
        renamed = {item.field: self._word(item.field) for item in error.violations}
        error.violations = tuple(FieldViolation(renamed[item.field], item.description) for item in error.violations)
        for old, new in renamed.items():
            if error.message.startswith(f"{old}: "):
                error.message = f"{new}{error.message.removeprefix(old)}"
                break
        return error

    def _json(self, body: bytes) -> dict[str, JsonValue]:
        """The fields of a JSON body, by the names of the contract."""
        found = as_object(load_json(body))
        if found is None:
            raise InvalidInput("The body must be a JSON object, or a form.")
        given: dict[str, JsonValue] = {}
        for name, value in found.items():
            if (field := self._field(name)) is None:
                if not self._oauth:
                    raise InvalidInput.at(name, "unknown field")
            elif field.name in given:
                raise InvalidInput.at(name, "given twice, under two names")
            elif not (self._oauth and value == ""):
                given[field.name] = value
        return given

    def _field(self, name: str) -> MessageField | None:
        """The field that a name stands for; None if there is none, or if the path sets it."""
        field = self._target.fields.get(self._aliases.get(name, name))
        return None if field is None or (self._outer is None and field.name in self._variables) else field

    def _put_texts(self, texts: Iterable[tuple[str, str]], given: dict[str, JsonValue]) -> None:
        """Puts the parameters of a query and of a form among the fields.

        Raises:
            InvalidInput: one names no field, cannot be its value, or is given twice.
        """
        lists: dict[str, list[JsonValue]] = {}
        seen = set(given)
        for name, text in texts:
            if self._oauth and not text:
                continue
            fields = self._resolved(name)
            if fields is None:
                if self._oauth:
                    continue
                raise InvalidInput.at(name, "unknown field")
            path = ".".join(item.name for item in fields)
            value = _value(fields[-1], text, name)
            if (listed := lists.get(path)) is not None:
                listed.append(value)
                continue
            if any(path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.") for other in seen):
                raise InvalidInput.at(name, "given twice")
            seen.add(path)
            if fields[-1].repeated and not isinstance(value, list):
                value = lists[path] = [value]
            parent_of(given, fields)[fields[-1].json_name] = value

    def _resolved(self, name: str) -> tuple[MessageField, ...] | None:
        first, dot, rest = name.partition(".")
        if (head := self._field(first)) is None:
            return None
        return self._target.resolve(f"{head.name}{dot}{rest}")

    def _word(self, path: str) -> str:
        """A path of JSON names in the words of this route; what is below free-form JSON stays as it is."""
        if self._outer is not None:
            for name in (self._outer.json_name, self._outer.name):
                path = path.removeprefix(f"{name}.")
        words: list[str] = []
        kind: MessageType | None = self._target
        for step in _STEP.findall(path):
            if step.startswith("["):
                words.append(step)
                continue
            field = kind.fields.get(step) if kind is not None else None
            word = step if field is None else field.name
            words.append(f".{word}" if words else self._shown.get(word, word))
            kind = None if field is None or field.kind is not FieldKind.MESSAGE else field.message
        return "".join(words)


def _outer(whole: MessageType, body: str) -> MessageField | None:
    if not body:
        return None
    found = whole.fields.get(body)
    if found is None or found.message is None or found.repeated or found.map:
        raise TemplateError(f"{whole.type_name}: {body!r} must be a message")
    return found


def _value(field: MessageField, text: str, name: str) -> JsonValue:
    """The value of a parameter: as in a query, yes and no as people write them, and JSON where an object is wanted.

    Raises:
        InvalidInput: the text is none.
    """
    if field.map or field.kind in _JSON_KINDS:
        try:
            return load_json(text.encode(), name=name)
        except NotJson as error:
            raise InvalidInput.at(name, f"must be {field.type_name} in JSON") from error
    if field.kind is FieldKind.BOOL and (truth := _TRUTHS.get(text.lower())) is not None:
        return truth
    return convert(field, text, name)
