"""Files that come from elsewhere: read with bounds, and refused with the reason."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from tocsin.errors import InvalidInput

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of a file; what is larger is split by who has it."""

_PACKED: Final = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "packed by gzip"),
    (b"BZh", "packed by bzip2"),
    (b"\xfd7zXZ", "packed by xz"),
)
_WIDE: Final = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_FIELD: Final = "FILE"


def read_text(file: str, *, most: int = MOST_BYTES) -> str:
    """The text of a file, of the standard input for ``-``; without a byte order mark.

    Raises:
        InvalidInput: it cannot be read, is too large, packed, or not UTF-8; the reason tells the line.
    """
    try:
        if file == "-":
            data = sys.stdin.buffer.read(most + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(most + 1)
    except OSError as error:
        raise InvalidInput.at(_FIELD, f"{file} cannot be read: {error.strerror or error}") from None
    for magic, words in _PACKED:
        if data.startswith(magic):
            raise InvalidInput.at(_FIELD, f"is {words}; unpack it first")
    for mark, name in _WIDE:
        if data.startswith(mark):
            raise InvalidInput.at(_FIELD, f"is {name}; store it as UTF-8")
    if len(data) > most:
        raise InvalidInput.at(_FIELD, f"is larger than {most // 1024 // 1024} MiB; split it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput.at(_FIELD, f"is not UTF-8: byte {data[error.start]:#04x} in line {line}") from None
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise InvalidInput.at(_FIELD, f"is no text: there is a NUL in line {line}")
    return text


def read_json(text: str) -> object:
    """The JSON document of a text.

    Raises:
        InvalidInput: it is none, or lies too deep in itself; the reason tells the place.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise InvalidInput.at(_FIELD, f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise InvalidInput.at(_FIELD, "is JSON that lies too deep in itself") from None
    except ValueError as error:  # a number of thousands of digits
        raise InvalidInput.at(_FIELD, f"is not JSON: {error}") from None


def _no_number(text: str) -> float:
    msg = f"{text} is no number"
    raise ValueError(msg)


def wrong(place: str, reason: str) -> InvalidInput:
    """The error for something in the file that has another form than it should."""
    return InvalidInput.at(place, reason)


def members(value: object, place: str) -> Mapping[str, Any]:
    """The members of a JSON object.

    Raises:
        InvalidInput: it is none.
    """
    if not isinstance(value, dict):
        raise wrong(place, f"must be an object, not {_kind(value)}")
    return cast("Mapping[str, Any]", value)


def items(value: object, place: str) -> Sequence[object]:
    """The items of a JSON list; none of null.

    Raises:
        InvalidInput: it is none.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong(place, f"must be a list, not {_kind(value)}")
    return cast("list[object]", value)


def text_of(source: Mapping[str, Any], key: str, place: str, *, default: str = "") -> str:
    """A text among members; ``default`` without one or for null.

    Raises:
        InvalidInput: it is something else.
    """
    value = source.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise wrong(f"{place}.{key}", f"must be a text, not {_kind(value)}")
    return storable(value)


def number_of(source: Mapping[str, Any], key: str, place: str, *, default: int = 0) -> int:
    """A whole number among members; ``default`` without one or for null.

    Raises:
        InvalidInput: it is something else.
    """
    value = source.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 10**12:
        raise wrong(f"{place}.{key}", f"must be a whole number, not {_kind(value)}")
    return value


def texts_of(source: Mapping[str, Any], key: str, place: str) -> list[str]:
    """The texts of a list among members.

    Raises:
        InvalidInput: it is no list, or holds something else.
    """
    found = items(source.get(key), f"{place}.{key}")
    for number, value in enumerate(found):
        if not isinstance(value, str):
            raise wrong(f"{place}.{key}[{number}]", f"must be a text, not {_kind(value)}")
    return [storable(str(value)) for value in found]


def storable(text: str) -> str:
    """The text without what no database holds: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return f"the number {str(value)[:20]}"
        case str():
            return f"the text {value[:40]!r}"
        case list():
            return "a list"
        case _:
            return "an object"
