"""Which fields an update changes (AIP-134, AIP-161)."""

from collections.abc import Collection, Sequence

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from tocsin.errors import InvalidInput
from tocsin.listing import snake_case


def fields_to_change(mask: FieldMask, given: Message, writable: Sequence[str]) -> Collection[str]:
    """The fields to change: those of the mask; without one those that are set; with ``*`` all.

    Fields that only the server writes are passed over: a client that sends back what it has read sends them, too (AIP-203).

    Raises:
        InvalidInput: the mask names something else than fields of the resource.
    """
    paths = [snake_case(path) for path in mask.paths]
    if "*" in paths:
        return writable
    known = {field.name for field in given.DESCRIPTOR.fields}
    for path in paths:
        if path not in known:
            raise InvalidInput.at("updateMask", f"there is no field {path!r}; known are {', '.join(writable)}")
    found = paths or [field.name for field, _ in given.ListFields()]
    return [name for name in writable if name in found]
