"""Tables of resources: the header names the fields, each record is a resource.

A column is a field by its path in JSON or proto names ("trigger.cron", "action.notify.to", "labels.team"); a form of tables may let some be
named without a prefix ("cron", "to", "handler"), and have columns of its own. An empty cell is a field that is not set, and a list is
parted by semicolons.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from tocsin.errors import InvalidInput
from tocsin.protojson.codec import load_json
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, MessageType, as_object
from tocsin.protojson.text import convert

Put: TypeAlias = Callable[[dict[str, JsonValue], str], None]
"""Puts the text of a cell into the JSON object of a resource."""

_QUOTED: Final = {mark: re.compile(rf'"([^"]*(?:""[^"]*)*)"({mark}|\Z)') for mark in (",", ";", "\t")}
_INTEGER: Final = re.compile(r"-?[0-9]{1,9}")
_WORDS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableForm:
    """What tables of one resource look like.

    Attributes:
        noun: what a record is, with its article: "an alarm".
        prefixes: of fields that may be named without them, in the order in which they are tried; the empty one first.
        aliases: paths by other names of columns.
        own: columns that are no field of the resource, with what their cells do.
    """

    noun: str
    prefixes: Sequence[str] = ("",)
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    own: Mapping[str, Put] = field(default_factory=dict[str, Put])


class Table:
    """What the columns of one table mean."""

    def __init__(self, message_type: MessageType, header: str, *, form: TableForm, delimiter: str = ",") -> None:
        """Reads the header; ``delimiter`` stands between cells.

        Raises:
            InvalidInput: a column is no field, or two are the same one.
        """
        self._delimiter = delimiter
        self._names = [name.strip() for name in cells(header, delimiter)]
        self._columns = [_column(message_type, name, form) for name in self._names]
        seen: dict[str, str] = {}
        for name, (path, _) in zip(self._names, self._columns, strict=True):
            if path in seen:
                raise InvalidInput.at(name, f"sets the same field as column {seen[path]!r}")
            seen[path] = name

    def value(self, record: str) -> dict[str, JsonValue]:
        """The JSON object of a record.

        Raises:
            InvalidInput: it has too many or too few cells, its quotes are broken, or a cell cannot be read.
        """
        found = cells(record, self._delimiter)
        if len(found) != len(self._columns):
            raise InvalidInput(f"has {len(found)} cells, but the header has {len(self._columns)}")
        made: dict[str, JsonValue] = {}
        for text, (_, put) in zip(found, self._columns, strict=True):
            if text:
                put(made, text)
        return made


def cells(record: str, delimiter: str = ",") -> list[str]:
    """The cells of a record (RFC 4180), with another ``delimiter`` if need be.

    Raises:
        InvalidInput: something stands behind a quote that closes.
    """
    if '"' not in record:
        return record.split(delimiter)
    found: list[str] = []
    at = 0
    while True:
        if record.startswith('"', at):
            match = _QUOTED[delimiter].match(record, at)
            if match is None:
                raise InvalidInput(f"has an unclosed quote, or text after a closing quote (column {at + 1})")
            found.append(match[1].replace('""', '"'))
            at = match.end()
            if not match[2]:
                return found
            continue
        end = record.find(delimiter, at)
        if end < 0:
            return [*found, record[at:]]
        found.append(record[at:end])
        at = end + 1


def _column(message_type: MessageType, name: str, form: TableForm) -> tuple[str, Put]:
    """The path of the field that a column names, and what its cells do."""
    if not name:
        raise InvalidInput("The header has a column without a name.")
    if (own := form.own.get(name)) is not None:
        return name, own
    wanted = form.aliases.get(name, name)
    for prefix in form.prefixes:
        found = _resolve(message_type, f"{prefix}{wanted}".split("."))
        if found is not None:
            fields, keys = found
            path = ".".join([*(field.name for field in fields), *keys])
            return path, _put(fields, keys, name)
    raise InvalidInput.at(name, f"is not a field of {form.noun}")


def _resolve(message_type: MessageType, names: Sequence[str]) -> tuple[list[MessageField], list[str]] | None:
    """The fields along a path, and what is left of it inside of a map or of free JSON."""
    fields: list[MessageField] = []
    inner: MessageType | None = message_type
    for index, name in enumerate(names):
        if inner is None or (field := inner.fields.get(name)) is None:
            return None
        fields.append(field)
        rest = list(names[index + 1 :])
        if field.map:
            return (fields, [".".join(rest)]) if rest and all(rest) else None
        if field.kind is FieldKind.FREE:
            return (fields, rest) if all(rest) else None
        inner = None if field.repeated or field.kind is not FieldKind.MESSAGE else field.message
    return None if fields[-1].kind is FieldKind.MESSAGE else (fields, [])


def _put(fields: Sequence[MessageField], keys: Sequence[str], name: str) -> Put:
    last = fields[-1]
    path = [field.json_name for field in fields] + list(keys)
    outer, key = path[:-1], path[-1]
    read = _reader(last, free=last.kind is FieldKind.FREE and bool(keys))

    def put(into: dict[str, JsonValue], text: str) -> None:
        for step in outer:
            inner = as_object(into.setdefault(step, {}))
            if inner is None:
                raise InvalidInput.at(name, f"sets {step}, which another column also sets")
            into = inner
        if key in into:
            raise InvalidInput.at(name, f"sets {key}, which another column also sets")
        into[key] = read(text, name)

    return put


def _reader(field: MessageField, *, free: bool) -> Callable[[str, str], JsonValue]:
    if free or field.map:
        return lambda text, _: text
    if field.kind is FieldKind.FREE:
        return lambda text, name: _json(text, name)
    if field.repeated:
        return lambda text, name: [_single(field, part.strip(), name) for part in text.split(";") if part.strip()]
    return lambda text, name: _single(field, text, name)


def _single(field: MessageField, text: str, name: str) -> JsonValue:
    if field.kind is FieldKind.BOOL and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if field.kind is FieldKind.INTEGER and _INTEGER.fullmatch(text):
        return int(text)
    return convert(field, text, name)


def _json(text: str, name: str) -> JsonValue:
    try:
        return load_json(text.encode(), name="The value")
    except InvalidInput as error:
        raise InvalidInput.at(name, error.message) from error
