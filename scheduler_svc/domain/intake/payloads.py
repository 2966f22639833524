"""Bodies as they come, and what JSON in them says: whatever is wrong is told with its field. Pure."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias, TypeVar, cast

import msgspec

from tocsin.errors import InvalidInput

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value of JSON."""

Shape = TypeVar("Shape")

_BOM: Final = b"\xef\xbb\xbf"
_PLACE: Final = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`\Z")
_ANY: Final = cast("msgspec.json.Decoder[Json]", msgspec.json.Decoder())


class NotJsonPayload(InvalidInput):
    """It is no JSON, or has what JSON cannot say."""


class RawPayload(NamedTuple):
    """A body as it was sent.

    Attributes:
        headers: those that say something of the payload, by their names in lower case.
    """

    body: bytes
    content_type: str = ""
    headers: Mapping[str, str] = {}

    @property
    def media_type(self) -> str:
        """Its type without parameters, in lower case."""
        return self.content_type.partition(";")[0].strip().lower()


def decoded(body: bytes, decoder: msgspec.json.Decoder[Shape]) -> Shape:
    """The body by the shape that the decoder knows.

    Raises:
        NotJsonPayload: it is none.
        InvalidInput: it is not JSON of that shape; the error names the field.
    """
    body = body.removeprefix(_BOM)
    if not body.strip():
        raise InvalidInput.at("body", "is empty")
    return _by_shape(body, decoder, "")


def part_of(part: msgspec.Raw, decoder: msgspec.json.Decoder[Shape], place: str) -> Shape:
    """A part of a body likewise, which stands at ``place``.

    Raises:
        InvalidInput: it is not JSON of that shape; the error names the field.
    """
    return _by_shape(part, decoder, place)


def _by_shape(text: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[Shape], within: str) -> Shape:
    whole = within or "body"
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        reason = str(error)
        found = _PLACE.search(reason)
        place = ".".join(part for part in (within, found[1] if found else "") if part)
        raise InvalidInput.at(place or whole, _said(_PLACE.sub("", reason))) from None
    except msgspec.DecodeError as error:
        raise NotJsonPayload.at(whole, f"is no JSON: {str(error).removeprefix('JSON is malformed: ')}") from None
    except UnicodeDecodeError:
        raise NotJsonPayload.at(whole, "is not UTF-8") from None
    except RecursionError:
        raise NotJsonPayload.at(whole, "is nested too deeply") from None


def json_of(body: bytes) -> Json:
    """The body, whatever JSON it is.

    Raises:
        NotJsonPayload: it is none, or has a number that no double holds.
    """
    try:
        return decoded(body, _ANY)
    except NotJsonPayload:
        raise
    except InvalidInput as error:
        raise NotJsonPayload(violations=error.violations) from None


def text_of(value: Json) -> str:
    """A value as text: objects and lists as JSON, null as nothing."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case _:
            return msgspec.json.encode(value).decode()


def _said(reason: str) -> str:
    """What msgspec says, as an error says it."""
    return f"{reason[:1].lower()}{reason[1:]}".replace("object contains", "has")
