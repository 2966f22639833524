"""The field that makes a repeated call the same one, such as ``request_id``: filled in before the first attempt, so that a retry is none.

A connection may be lost after the far end has committed. Without an identity the next attempt would do it all once more.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

Request = TypeVar("Request", Message, bytes)

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_LONGER = 0x80
"""A byte of a number that is at least this has another one behind it."""


@dataclass(frozen=True, slots=True)
class RequestIdField:
    """Where a request says which call it is.

    Attributes:
        names: the path of the field, ("event", "id").
        numbers: the same in field numbers.
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]

    def ensured(self, request: Request, identity: str = "") -> Request:
        """The request, with an identity if it has none; a message that is the caller's is not changed.

        Args:
            request: a message, or its wire bytes.
            identity: which; a new UUID unless given.
        """
        if isinstance(request, bytes):
            return request if _says(request, self.numbers) else request + text_field(self.numbers, identity or str(uuid.uuid4()))
        if _last(request, self.names[:-1], self.names[-1])[1]:
            return request
        copy = type(request)()
        copy.CopyFrom(request)
        target, _ = _last(copy, self.names[:-1], self.names[-1])
        setattr(target, self.names[-1], identity or str(uuid.uuid4()))
        return copy


def _last(message: Any, way: tuple[str, ...], name: str) -> tuple[Any, str]:
    """The message that has the field, and the field's value."""
    for step in way:
        message = getattr(message, step)
    return message, getattr(message, name)


def _says(raw: bytes, numbers: tuple[int, ...]) -> bool:
    """Whether the field is set in a serialised message; what cannot be read is left for the far end to refuse."""
    try:
        found = [value for number, value in _fields(raw) if number == numbers[0]]
    except ValueError:
        return True
    if len(numbers) == 1:
        return bool(found and found[-1])  # of several values the last one counts
    return any(_says(value, numbers[1:]) for value in found)  # parts of a message are merged


def text_of(raw: bytes, number: int) -> str:
    """The text of a field of a serialised message; empty if it is not set, or is no text."""
    try:
        found = [value for at, value in _fields(raw) if at == number]
        return found[-1].decode() if found else ""
    except ValueError:
        return ""


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields that have a length, in order (https://protobuf.dev/programming-guides/encoding/).

    Raises:
        ValueError: these are no fields.
    """
    at, end = 0, len(raw)
    while at < end:
        tag, at = (raw[at], at + 1) if raw[at] < _LONGER else _varint(raw, at)  # most numbers are one byte: a call would cost more
        kind = tag & 7
        if kind == _LENGTH:
            length, at = (raw[at], at + 1) if at < end and raw[at] < _LONGER else _varint(raw, at)
            yield tag >> 3, raw[at : at + length]
            at += length
        elif kind == _VARINT:
            _, at = _varint(raw, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("an unknown kind of field")
        if at > end:
            raise ValueError("the message is cut off")


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(raw) or shift > 63:
            raise ValueError("the message is cut off")
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def text_field(numbers: tuple[int, ...], text: str) -> bytes:
    """A message with nothing but a text, at the end of a path of field numbers; behind a message it is merged into that."""
    return nested_field(numbers, text.encode())


def nested_field(numbers: tuple[int, ...], part: bytes) -> bytes:
    """A message with nothing but ``part``, a text or a message, at the end of a path of field numbers."""
    for number in reversed(numbers):
        part = _number(number << 3 | _LENGTH) + _number(len(part)) + part
    return part


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
