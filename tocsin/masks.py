"""Which fields an update changes (AIP-134, AIP-161)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from tocsin.errors import InvalidInput
from tocsin.listing import snake_case

ALL_FIELDS: Final = "*"


def fields_to_change(mask: FieldMask, given: Message, writable: Sequence[str]) -> Collection[str]:
    """The fields to change: those of the mask; without one those that are set; with ``*`` all.

    Fields that are not ``writable`` are passed over: a client that sends back what it has read names them, too (AIP-161, AIP-203).

    Raises:
        InvalidInput: the mask names something else than fields of the resource, or something beside ``*``.
    """
    paths = paths_of(mask)
    if paths == [ALL_FIELDS]:
        return writable
    for path in paths:
        if path not in given.DESCRIPTOR.fields_by_name:
            raise InvalidInput.at("updateMask", f"there is no field {path!r}; known are {', '.join(writable)}")
    found = paths or [field.name for field, _ in given.ListFields()]
    return [name for name in writable if name in found]


def check_left(mask: FieldMask, given: Message, stored: Message, left: Mapping[str, str], *, at: str) -> None:
    """Refuses another value for a field that this call leaves as it is: passed over, the caller would believe it changed.

    The value that is stored is taken, for a client sends back what it has read. ``left`` says of each field why it is left and what
    changes it; ``at`` is the name of the resource in the request.

    Raises:
        InvalidInput: a field would be another.
    """
    paths = paths_of(mask)
    for name in fields_to_change(mask, given, tuple(left)):
        if (name in paths or getattr(given, name)) and getattr(given, name) != getattr(stored, name):
            raise InvalidInput.at(f"{at}.{given.DESCRIPTOR.fields_by_name[name].json_name}", left[name])


def paths_of(mask: FieldMask) -> list[str]:
    """The paths of a mask, the first part of each by the contract's name; JSON's is taken as well, as everywhere.

    Raises:
        InvalidInput: there is something beside ``*``.
    """
    paths = [snake_case(head) + dot + rest for head, dot, rest in (path.partition(".") for path in mask.paths)]
    if ALL_FIELDS in paths and len(set(paths)) > 1:
        raise InvalidInput.at("updateMask", f"{ALL_FIELDS} means every field, and stands alone")
    return list(dict.fromkeys(paths))
