"""The wire format of protobuf (https://protobuf.dev/programming-guides/encoding), written straight from what a JSON text says.

Equal values become equal bytes, those of a deterministic serialisation: what is stored may be compared.
"""

import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from tocsin.values import ValueRefused, check_free

Payload: TypeAlias = Callable[[Any], bytes]
"""Writes a value: what stands behind its tag."""

_MASK: Final = 2**64 - 1
_SMALL: Final = tuple(bytes((number,)) for number in range(128))
_LENGTHS: Final = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_SECONDS: Final = re.compile(r"([0-9]{1,9})s")


class Unsure(ValueError):
    """The long way has to decide."""


def tag(field: FieldDescriptor) -> bytes:
    """What stands in front of a value of a field: its number, and whether it is a varint or has a length."""
    return varint(field.number << 3 | (2 if field.type in _LENGTHS else 0))


def varint(number: int) -> bytes:
    """An integer, or the number of a value of an enum; a negative one takes 64 bits."""
    if 0 <= number < 128:
        return _SMALL[number]
    rest, made = number & _MASK, bytearray()
    while rest > 127:
        made.append(rest & 127 | 128)
        rest >>= 7
    made.append(rest)
    return bytes(made)


def sized(body: bytes) -> bytes:
    """Bytes, or a message, behind their length."""
    return varint(len(body)) + body


def text(value: str) -> bytes:
    """A text."""
    body = value.encode()
    return varint(len(body)) + body


def text_field(tag: bytes) -> Payload:
    """Writes a text with its tag, unless it is empty; what most of an alarm is."""

    def write(value: str) -> bytes:
        body = value.encode()
        size = len(body)
        return tag + (_SMALL[size] if size < 128 else varint(size)) + body if size else b""

    return write


def behind_size(write: Payload) -> Payload:
    """Writes what ``write`` writes behind its length."""

    def written(value: Any) -> bytes:
        body = write(value)
        return varint(len(body)) + body

    return written


def entries(value: dict[str, str]) -> list[bytes]:
    """The entries of a map from texts to texts, in the order of their keys."""
    made = sorted((name.encode(), item) for name, item in value.items())
    return [sized(b"\x0a" + sized(name) + b"\x12" + text(item)) for name, item in made]


def instant(value: str) -> int:
    """The microseconds since 1970 of a timestamp in JSON.

    Raises:
        Unsure: it is not of the usual form.
    """
    if not _TIME.fullmatch(value):
        raise Unsure
    return (datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND


def timestamp(value: str) -> bytes:
    """A google.protobuf.Timestamp.

    Raises:
        Unsure: it is not of the usual form.
    """
    seconds, micros = divmod(instant(value), 1_000_000)
    return (b"\x08" + varint(seconds) if seconds else b"") + (b"\x10" + varint(micros * 1000) if micros else b"")


def duration(least: int, most: int | None) -> Payload:
    """Writes google.protobuf.Durations of whole seconds within bounds; raises `Unsure` at others."""

    def write(value: str) -> bytes:
        match = _SECONDS.fullmatch(value)
        seconds = int(match[1]) if match else -1
        if seconds < least or (most is not None and seconds > most):
            raise Unsure
        return b"\x08" + varint(seconds) if seconds else b""

    return write


def structure(value: dict[str, Any]) -> bytes:
    """A google.protobuf.Struct.

    Raises:
        Unsure: the rule of `tocsin.values` refuses it.
    """
    try:
        check_free(value)
    except ValueRefused as refused:
        raise Unsure from refused
    return _free(value)


def _free(value: dict[str, Any]) -> bytes:
    made = sorted((name.encode(), item) for name, item in value.items())
    return b"".join([b"\x0a" + sized(b"\x0a" + sized(name) + b"\x12" + sized(_free_value(item))) for name, item in made])


def _free_value(value: Any) -> bytes:
    if isinstance(value, str):
        return b"\x1a" + text(value)
    if isinstance(value, bool):
        return b"\x20\x01" if value else b"\x20\x00"
    if isinstance(value, int | float):
        return b"\x11" + struct.pack("<d", value)
    if value is None:
        return b"\x08\x00"
    if isinstance(value, dict):
        return b"\x2a" + sized(_free(value))  # pyright: ignore[reportUnknownArgumentType]  JSON
    return b"\x32" + sized(b"".join([b"\x0a" + sized(_free_value(item)) for item in value]))
