"""What converts between JSON, messages and wire bytes: one of two libraries, which the operator chooses.

protobuf-py (Rust) is ten times as fast, and young; google.protobuf's json_format is slow, and will be there. `tocsin.protojson.codec`
decides what either gets, so that a client sees no difference.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

from google.protobuf import json_format, message
from google.protobuf.descriptor import Descriptor

from tocsin.protojson import google_protobuf
from tocsin.protojson.fields import JsonValue, MessageField
from tocsin.protojson.printing import Printing
from tocsin.telemetry import get_logger

try:
    from tocsin.protojson import protobuf_py
except ImportError:  # it has no wheel for this machine, or stands in the way of another package
    protobuf_py = None

_log = get_logger(__name__)

JsonCodec: TypeAlias = Literal["protobuf-py", "protobuf"]
"""The library that converts."""

Message: TypeAlias = Any
"""A message, in the class of the library that made it."""

FAILURES: Final = (ValueError, TypeError, OverflowError, RecursionError, LookupError, json_format.Error, message.Error)
"""What the methods of a `Converter` raise."""


class Converter(Protocol):
    """Converts messages of one type. Each method raises one of `FAILURES`, which explains nothing."""

    def read_value(self, value: JsonValue) -> Message:
        """The message that JSON means."""
        ...

    def read_text(self, text: bytes) -> Message:
        """The same of a text that `tocsin.protojson.fast` has checked."""
        ...

    def read_wire(self, wire: bytes) -> Message:
        """The message of wire bytes."""
        ...

    def wire(self, message: Message) -> bytes:
        """The wire bytes of a message of any type."""
        ...

    def value(self, message: Message, printing: Printing) -> JsonValue:
        """The JSON of a message of any type; 64-bit integers are text."""
        ...

    def text(self, message: Message, printing: Printing) -> str:
        """The same as compact JSON text."""
        ...

    def field(self, number: int) -> Callable[[Message], Any]:
        """What reads the field of that number."""
        ...

    def wrapper(self, field: MessageField) -> Callable[[Message], Message]:
        """What makes a message of this type whose only field ``field`` is the message given."""
        ...

    def text_setter(self, fields: Sequence[MessageField], *, keeps: bool) -> Callable[[Message, str], None]:
        """What sets the text at the end of ``fields``, single texts and messages; one that ``keeps`` leaves a text that is there."""
        ...


class Converters:
    """The converters of the types of one contract."""

    def __init__(self, *, descriptor_set: bytes, codec: JsonCodec = "protobuf-py") -> None:
        """Makes them of a serialized google.protobuf.FileDescriptorSet that holds its imports.

        protobuf-py that cannot be imported is replaced by google.protobuf, with a warning.
        """
        self._fast = protobuf_py.RustTypes(descriptor_set) if protobuf_py is not None and codec == "protobuf-py" else None
        if protobuf_py is None and codec == "protobuf-py":
            _warn_once()

    def of(self, descriptor: Descriptor) -> Converter:
        """The converter of one message type.

        Raises:
            LookupError: the contract does not hold the type.
        """
        return google_protobuf.GoogleConverter(descriptor) if self._fast is None else self._fast.of(descriptor.full_name)


@functools.cache
def _warn_once() -> None:
    _log.warning("json codec replaced", missing="protobuf-py", taken="protobuf")
