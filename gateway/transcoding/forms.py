"""Bodies that are forms: application/x-www-form-urlencoded, and multipart/form-data (RFC 7578) with files."""

import base64
from collections.abc import Iterator
from email.message import Message
from typing import Final, NamedTuple

from gateway.transcoding.contract import HTTP_BODY
from gateway.transcoding.query import MAX_PARAMETERS, QueryBinder, parse_query
from tocsin.errors import InvalidInput
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, MessageType
from tocsin.protojson.text import put

_LONGEST_BOUNDARY: Final = 70
"""RFC 2046, 5.1.1."""
_MOST_HEADER_BYTES: Final = 8 * 1024


class Part(NamedTuple):
    """A part of multipart/form-data: its name, its type, its content."""

    name: str
    content_type: str
    data: bytes


class FormBinder:
    """Reads the fields of one message type from forms."""

    def __init__(self, message_type: MessageType, query: QueryBinder) -> None:
        """Makes the reader; ``query`` puts texts into fields, by the rules of query parameters."""
        self._message_type = message_type
        self._query = query

    def urlencoded(self, body: bytes) -> dict[str, JsonValue]:
        """The JSON object that a form means.

        Raises:
            InvalidInput: it is none, or a field of it does not fit; the error names the field.
        """
        found: dict[str, JsonValue] = {}
        self._query.bind(self._query.for_message(parse_query(body, name="body")), found)
        return found

    def multipart(self, body: bytes, content_type: str) -> dict[str, JsonValue]:
        """The JSON object that the parts mean. A file may be a field of bytes, or one of google.api.HttpBody.

        Raises:
            InvalidInput: it is none, or a field of it does not fit; the error names the field.
        """
        texts: list[tuple[str, str]] = []
        bodies: dict[str, tuple[tuple[MessageField, ...], JsonValue]] = {}
        for part in parts(body, content_type):
            fields = self._message_type.resolve(part.name)
            last = None if fields is None else fields[-1]
            data = base64.b64encode(part.data).decode()
            if fields is not None and last is not None and _is_http_body(last):
                if part.name in bodies:
                    raise InvalidInput.at(part.name, "given twice")
                bodies[part.name] = fields, {"contentType": part.content_type or "application/octet-stream", "data": data}
            elif last is not None and last.kind is FieldKind.BYTES:
                texts.append((part.name, data))
            else:
                texts.append((part.name, _text(part)))
        found: dict[str, JsonValue] = {}
        self._query.bind(self._query.for_message(texts), found)
        for fields, value in bodies.values():
            put(found, fields, value)
        return found


def parts(body: bytes, content_type: str) -> Iterator[Part]:
    """The parts of a body of multipart/form-data.

    Raises:
        InvalidInput: the boundary is missing, the body does not keep to it, or there are too many parts.
    """
    boundary = str(_parameter(content_type, "boundary") or "")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii():
        raise InvalidInput.at("content-type", "multipart/form-data needs a boundary")
    delimiter = b"\r\n--" + boundary.encode()
    first, *pieces = (b"\r\n" + body).split(delimiter, MAX_PARAMETERS + 1)
    if not pieces or not pieces[-1].startswith(b"--"):
        raise InvalidInput.at("body", f"is not multipart/form-data with this boundary, has no end, or has more than {MAX_PARAMETERS} parts")
    del first  # the preamble says nothing
    for piece in pieces[:-1]:
        head, blank, data = piece.partition(b"\r\n\r\n")
        if not blank or len(head) > _MOST_HEADER_BYTES:
            raise InvalidInput.at("body", "a part of it has no headers, or too many")
        yield _part(head, data)


def _part(head: bytes, data: bytes) -> Part:
    try:
        lines = [line.partition(":") for line in head.decode().split("\r\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise InvalidInput.at("body", "headers of a part are not UTF-8") from error
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    disposition = headers.get("content-disposition", "")
    name = _parameter(disposition, "name")
    if disposition.partition(";")[0].strip().lower() != "form-data" or not name:
        raise InvalidInput.at("body", "a part of it has no name")
    return Part(name, headers.get("content-type", ""), data)


def _parameter(header: str, name: str) -> str | None:
    """A parameter of a header such as ``form-data; name="title"``."""
    message = Message()
    message["content-type"] = header.replace("\r", " ").replace("\n", " ")
    found = message.get_param(name)
    return found if isinstance(found, str) else None


def _text(part: Part) -> str:
    try:
        return part.data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput.at(part.name, "is not UTF-8") from error


def _is_http_body(field: MessageField) -> bool:
    return field.message is not None and field.message.type_name == HTTP_BODY and not (field.repeated or field.map)
