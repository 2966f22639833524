"""The converter that protobuf-py is, which is touched here and nowhere else.

protobuf-py 0.7.0 converts straight from descriptors, in Rust. Three things about it are handled around it. It parses JSON text without a
limit on nesting and overflows the stack, so it gets values that the standard library has parsed and whose depth has been checked, or text
that `tocsin.protojson.fast` has checked. It takes the last of several members of a oneof, which `MessageType.check` refuses. And its errors
do not tell where the bad value stands, which `tocsin.protojson.explain` finds out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from google.protobuf import descriptor_pb2
from protobuf import (
    DescField,
    DescFieldValueMessage,
    DescMessage,
    Message,
    Registry,
    message_from_json_value,
    message_to_json_value,
)
from protobuf.wkt import FileDescriptorSet

from tocsin.protojson.fields import JsonValue, MessageField
from tocsin.protojson.printing import Printing, dumped


class RustTypes:
    """The types of a contract."""

    def __init__(self, descriptor_set: bytes) -> None:
        """Reads a serialized google.protobuf.FileDescriptorSet."""
        self._registry = FileDescriptorSet.from_binary(_without_comments(descriptor_set)).to_registry()

    def of(self, name: str) -> "RustConverter":
        """The converter of one type.

        Raises:
            LookupError: the contract does not hold the type.
        """
        found = self._registry.message(name)
        if found is None:
            raise LookupError(f"the descriptor set does not hold {name}")
        return RustConverter(found.type, self._registry)


def _without_comments(descriptor_set: bytes) -> bytes:
    """The same descriptors without the places and comments of their sources, two thirds of the bytes, which no conversion asks for."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set)
    for file in files.file:
        file.ClearField("source_code_info")
    return files.SerializeToString()


class RustConverter:
    """Converts one message type (`tocsin.protojson.converters.Converter`)."""

    __slots__ = ("_fields", "_registry", "_type")

    def __init__(self, wire_type: type[Message], registry: Registry) -> None:
        """Makes the converter of ``wire_type``."""
        self._type = wire_type
        self._registry = registry
        self._fields = {item.number: item for item in wire_type.desc().fields}

    def read_value(self, value: JsonValue) -> Message:
        """The message that JSON means."""
        return message_from_json_value(self._type, cast("Any", value), registry=self._registry)

    def read_text(self, text: bytes) -> Message:
        """The same of a text whose depth has been checked."""
        return self._type.from_json(text, registry=self._registry)

    def read_wire(self, wire: bytes) -> Message:
        """The message of wire bytes."""
        return self._type.from_binary(wire)

    def wire(self, message: Message) -> bytes:
        """The wire bytes of a message."""
        return message.to_binary()

    def value(self, message: Message, printing: Printing) -> JsonValue:
        """The JSON of a message."""
        return cast("JsonValue", message_to_json_value(message, registry=self._registry, **_flags(printing)))

    def text(self, message: Message, printing: Printing) -> str:
        """The same as text."""
        if printing.indent:
            return dumped(self.value(message, printing), printing)
        return message.to_json(registry=self._registry, **_flags(printing))

    def field(self, number: int) -> Callable[[Message], Any]:
        """What reads the field of that number."""
        descriptor = self._fields[number]
        return lambda message: message[descriptor]

    def wrapper(self, field: MessageField) -> Callable[[Message], Message]:
        """What makes a message whose only field ``field`` is the message given."""
        descriptor = self._fields[field.number]

        def wrap(inner: Message) -> Message:
            message = self._type()
            message[descriptor] = inner
            return message

        return wrap

    def text_setter(self, fields: Sequence[MessageField], *, keeps: bool) -> Callable[[Message, str], None]:
        """What sets the text at the end of ``fields``."""
        described = [self._fields[fields[0].number]]
        for field in fields[1:]:
            described.append(next(item for item in _type_of(described[-1]).fields if item.number == field.number))
        *outer, last = described
        path = [(item, _type_of(item).type) for item in outer]

        def set_text(message: Message, text: str) -> None:
            for item, wire_type in path:
                inner = cast("Message | None", message[item])
                if inner is None:
                    inner = message[item] = wire_type()
                message = inner
            if not (keeps and message[last]):
                message[last] = text

        return set_text


def _type_of(field: DescField) -> DescMessage:
    """The type of a field that is a message."""
    if not isinstance(field.value, DescFieldValueMessage):
        raise LookupError(f"{field.name} is no message")
    return field.value.message


def _flags(printing: Printing) -> Mapping[str, Any]:
    return {
        "use_proto_field_name": printing.proto_names,
        "print_enums_as_ints": printing.enums_as_numbers,
        "always_emit_implicit": printing.defaults,
    }
