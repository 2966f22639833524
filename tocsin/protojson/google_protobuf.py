"""The converter that google.protobuf's json_format is. It takes more than ProtoJSON does, which `tocsin.protojson.strictness` refuses."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from tocsin.protojson import strictness
from tocsin.protojson.fields import MAX_DEPTH, JsonValue, MessageField
from tocsin.protojson.printing import Printing, dumped

_DEPTH: Final = 2 * MAX_DEPTH
"""Levels that it descends: those of the message have been counted, those of free-form JSON as well."""


class GoogleConverter:
    """Converts one message type (`tocsin.protojson.converters.Converter`)."""

    __slots__ = ("_class", "_descriptor", "_pool")

    def __init__(self, descriptor: Descriptor) -> None:
        """Makes the converter of a type."""
        self._descriptor = descriptor
        self._pool = descriptor.file.pool
        self._class = message_factory.GetMessageClass(descriptor)

    def read_value(self, value: JsonValue) -> Message:
        """The message that JSON means."""
        strictness.check(self._descriptor, value)
        try:
            return json_format.ParseDict(cast("Any", value), self._class(), descriptor_pool=self._pool, max_recursion_depth=_DEPTH)
        except (AttributeError, AssertionError) as error:  # what it makes of a number where it awaits text
            raise ValueError(str(error)) from error

    def read_text(self, text: bytes) -> Message:
        """The same of a text."""
        return self.read_value(json.loads(text))

    def read_wire(self, wire: bytes) -> Message:
        """The message of wire bytes."""
        return self._class.FromString(wire)

    def wire(self, message: Message) -> bytes:
        """The wire bytes of a message."""
        return message.SerializeToString()

    def value(self, message: Message, printing: Printing) -> JsonValue:
        """The JSON of a message."""
        return cast(
            "JsonValue",
            json_format.MessageToDict(
                message,
                preserving_proto_field_name=printing.proto_names,
                use_integers_for_enums=printing.enums_as_numbers,
                always_print_fields_with_no_presence=printing.defaults,
                descriptor_pool=self._pool,
            ),
        )

    def text(self, message: Message, printing: Printing) -> str:
        """The same as text."""
        return dumped(self.value(message, printing), printing)

    def field(self, number: int) -> Callable[[Message], Any]:
        """What reads the field of that number."""
        name = self._descriptor.fields_by_number[number].name
        return lambda message: getattr(message, name)

    def wrapper(self, field: MessageField) -> Callable[[Message], Message]:
        """What makes a message whose only field ``field`` is the message given."""

        def wrap(inner: Message) -> Message:
            message = self._class()
            getattr(message, field.name).MergeFromString(inner.SerializeToString())  # the same type, perhaps of another pool
            return message

        return wrap

    def text_setter(self, fields: Sequence[MessageField], *, keeps: bool) -> Callable[[Message, str], None]:
        """What sets the text at the end of ``fields``."""
        *outer, last = (field.name for field in fields)

        def set_text(message: Message, text: str) -> None:
            for name in outer:
                message = getattr(message, name)
            if not (keeps and getattr(message, last)):
                setattr(message, last, text)

        return set_text
