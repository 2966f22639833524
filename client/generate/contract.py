"""What the contract says of calls and messages, as the client needs it."""

import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from client.generate.texts import flowing
from gateway.transcoding.contract import HTTP_BODY, Contract, behavior
from gateway.transcoding.routes import Route, build_routes
from tocsin.mesh.policy import PACKAGE, contract

TAKEN: Final = frozenset({"json", "fields", "from_json", "to_json", "replace"})
"""What models have of their own."""

_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WELL_KNOWN: Final = {
    "google.protobuf.Timestamp": ("TIME", "datetime | str", "datetime"),
    "google.protobuf.Duration": ("DURATION", "timedelta | str", "timedelta"),
    "google.protobuf.FieldMask": ("MASK", "Sequence[str] | str", "Sequence[str]"),
    "google.protobuf.Struct": ("ANY", "JsonObject", "JsonObject"),
    "google.protobuf.Value": ("ANY", "Any", "Any"),
    "google.protobuf.ListValue": ("ANY", "Sequence[Any]", "Sequence[Any]"),
    "google.protobuf.Any": ("ANY", "JsonObject", "JsonObject"),
    "google.protobuf.Empty": ("ANY", "JsonObject", "JsonObject"),
}
_SCALARS: Final = {
    FieldDescriptor.CPPTYPE_STRING: ("TEXT", "str", '""'),
    FieldDescriptor.CPPTYPE_BOOL: ("BOOL", "bool", "False"),
    FieldDescriptor.CPPTYPE_DOUBLE: ("NUMBER", "float", "0.0"),
    FieldDescriptor.CPPTYPE_FLOAT: ("NUMBER", "float", "0.0"),
}


@dataclass(frozen=True, slots=True)
class Spelled:
    """How a field is written in Python: its kind, its type where it is given and where it is read, and what it is when it is not there."""

    kind: str
    given: str
    read: str
    empty: str


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of a method."""

    name: str
    json_name: str
    kind: str
    type: str
    about: str
    needed: bool


class Source:
    """The contract, and the names of its types in Python."""

    def __init__(self) -> None:
        """Reads the contract."""
        self.contract = Contract(descriptor_set=contract().SerializeToString(), package=PACKAGE)
        self._routes = [route for route in build_routes(self.contract) if route.legacy is None]

    @cached_property
    def calls(self) -> list[list[Route]]:
        """The routes of each RPC."""
        found: dict[str, list[Route]] = {}
        for route in self._routes:
            found.setdefault(route.rpc.path, []).append(route)
        return list(found.values())

    @cached_property
    def messages(self) -> dict[str, Descriptor]:
        """The messages that have a model, by full name, in the order of the calls."""
        found: dict[str, Descriptor] = {}
        for route in (routes[0] for routes in self.calls):
            reply: Descriptor = route.rpc.descriptor.output_type
            told = [reply.fields_by_name[route.response_body].message_type] if route.response_body else [reply]
            asked = [field.message_type for field in route.rpc.descriptor.input_type.fields if field.name not in route.binder.passed]
            for kind in [*asked, *(() if route.renderer.raw else told)]:
                if kind is not None:
                    self._collect(kind, found)
        return {name: kind for name, kind in found.items() if not kind.GetOptions().map_entry}

    def _collect(self, kind: Descriptor, found: dict[str, Descriptor]) -> None:
        if kind.full_name in found or kind.full_name in _WELL_KNOWN or kind.full_name == HTTP_BODY:
            return
        found[kind.full_name] = kind
        for each in kind.fields:
            if each.message_type is not None:
                self._collect(each.message_type, found)

    @cached_property
    def names(self) -> dict[str, str]:
        """The name in Python of each message: the contract's without its package. Of two, what is a resource keeps it."""
        short = {name: "".join(_inner(name)) for name in self.messages}
        twice = {word for word in short.values() if list(short.values()).count(word) > 1}
        return {
            name: f"{_package(name)}{word}" if word in twice and "name" not in self.messages[name].fields_by_name else word
            for name, word in short.items()
        }

    @cached_property
    def enums(self) -> dict[str, EnumDescriptor]:
        """The enums by their names in Python."""
        found: dict[str, EnumDescriptor] = {}
        kinds = [*self.messages.values(), *(routes[0].rpc.descriptor.input_type for routes in self.calls)]
        for kind in kinds:
            for each in kind.fields:
                if each.enum_type is not None and each.enum_type.full_name != "google.protobuf.NullValue":
                    name = "".join(_inner(each.enum_type.full_name))
                    if found.setdefault(name, each.enum_type).full_name != each.enum_type.full_name:
                        raise SystemExit(f"two enums are called {name}")
        return found

    def method_name(self, routes: Sequence[Route]) -> str:
        """The name of an RPC's method: of two, each begins with what its service is about."""
        method = routes[0].rpc.descriptor
        same = [other for other in self.calls if other[0].rpc.descriptor.name == method.name]
        owner = method.containing_service.name.removesuffix("Service") if len(same) > 1 else ""
        return snake(f"{owner}{method.name}")

    def about(self, full_name: str) -> str:
        """The comment of an element, without its example."""
        return flowing(self.contract.comment(full_name).split("\nExample: ")[0].strip())

    def spelled(self, field: FieldDescriptor, *, prefix: str = "") -> Spelled:
        """How a field is written; ``prefix`` stands before the names of models."""
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            value = self._one(kind.fields_by_name["value"], prefix)
            return Spelled(f"mapped({value.kind})", f"Mapping[str, {value.given}]", f"Mapping[str, {value.read}]", "{}")
        one = self._one(field, prefix)
        if field.is_repeated:
            return Spelled(f"many({one.kind})", f"Sequence[{one.given}]", f"Sequence[{one.read}]", "()")
        if field.has_presence and one.empty != "None":
            return Spelled(f"optional({one.kind})", one.given, f"{one.read} | None", "None")
        return Spelled(one.kind, one.given, f"{one.read} | None" if one.empty == "None" else one.read, one.empty)

    def _one(self, field: FieldDescriptor, prefix: str) -> Spelled:
        kind = field.message_type
        if kind is not None and kind.full_name in _WELL_KNOWN:
            return Spelled(*_WELL_KNOWN[kind.full_name], "None")
        if kind is not None:
            name = self.names[kind.full_name]
            return Spelled(f'message("{name}")', f"{prefix}{name} | JsonObject", f"{prefix}{name}", "None")
        if field.enum_type is not None:
            name = "".join(_inner(field.enum_type.full_name))
            known = "Any" if field.enum_type.full_name == "google.protobuf.NullValue" else f"{prefix}{name}"
            return Spelled("ENUM", known, known, "None")
        if field.type == FieldDescriptor.TYPE_BYTES:
            return Spelled("BYTES", "bytes", "bytes", 'b""')
        spelled, python, empty = _SCALARS.get(field.cpp_type, ("INTEGER", "int", "0"))
        return Spelled(spelled, python, python, empty)

    def arguments(self, routes: Sequence[Route]) -> Iterator[Argument]:
        """What the method of an RPC takes, from the path first."""
        route = routes[0]
        request: Descriptor = route.rpc.descriptor.input_type
        tops = [variable.field_path.partition(".")[0] for variable in route.template.variables]
        passed = {name for each in routes for name in each.binder.passed}
        order = sorted(request.fields, key=lambda field: (field.name not in tops, field.name != route.body))
        for field in order:
            if field.name in passed:
                continue
            about = self.about(field.full_name)
            needed = field.name in tops or field.name == route.body
            if field.message_type is not None and field.message_type.full_name == HTTP_BODY:
                yield Argument(field.name, field.json_name, "ANY", "bytes", about, needed=True)
                continue
            spelled = self.spelled(field, prefix="models.")
            if route.body == "*" or needed or _fits_query(field):
                needed = needed or field_behavior_pb2.REQUIRED in behavior(field)
                yield Argument(python_name(field.name), field.json_name, spelled.kind, spelled.given, about, needed)
            else:
                yield from self._nested(field)

    def _nested(self, field: FieldDescriptor) -> Iterator[Argument]:
        """The plain fields of a message in the query."""
        for inner in field.message_type.fields if field.message_type is not None and not field.is_repeated else ():
            if _fits_query(inner):
                spelled = self.spelled(inner, prefix="models.")
                json_name = f"{field.json_name}.{inner.json_name}"
                yield Argument(python_name(inner.name), json_name, spelled.kind, spelled.given, self.about(inner.full_name), needed=False)


def _fits_query(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is None or kind.full_name in {"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"}


def _inner(full_name: str) -> list[str]:
    """The names of a type within its package."""
    return [part for part in full_name.split(".") if part[0].isupper()]


def _package(full_name: str) -> str:
    return full_name.removeprefix("tocsin.api.").partition(".")[0].capitalize()


def python_name(name: str) -> str:
    """A field's name, changed where Python or a model has it already."""
    return f"{name}_" if keyword.iskeyword(name) or name in TAKEN else name


def snake(name: str) -> str:
    """``CreateAlarm`` as ``create_alarm``."""
    return _WORD.sub("_", name).lower()
