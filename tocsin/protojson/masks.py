"""Field masks in JSON, whatever the names of the contract are.

protobuf writes the path ``foo_bar`` as ``fooBar``, and has no JSON for a path that would not come back from that: ``line_1``, ``foo_``,
``URL``. Here such a path is written as the contract has it, and read so. Both converters refuse it, which is when `taken` and `set_aside`
are asked: they put an empty mask in its place, and `put_back` and `shown` the paths in the place of that.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from tocsin.protojson.fields import JsonValue
from tocsin.protojson.paths import is_odd, of_contract, written

_MASK: Final = "google.protobuf.FieldMask"
_ANY: Final = "google.protobuf.Any"
_PATHS: Final = re.compile(r"[A-Za-z_]\w*(?:[.,][A-Za-z_]\w*)*\Z", re.ASCII)
_Step: TypeAlias = tuple[FieldDescriptor | None, int | str | None]
"""A field, and the index or key of one of its values; no field for the member "value" of an Any."""

_IN_ANY: Final[_Step] = (None, None)


class Odd(NamedTuple):
    """A mask whose paths JSON has no form for, and the way to it."""

    steps: tuple[_Step, ...]
    paths: Sequence[str]


def reaches_masks(descriptor: Descriptor) -> bool:
    """Whether a message of this type may hold a mask, at any depth."""
    seen: set[str] = set()
    types = [descriptor]
    while types:
        each = types.pop()
        if each.full_name in (_MASK, _ANY):
            return True
        if each.full_name not in seen:
            seen.add(each.full_name)
            types += [field.message_type for field in each.fields if field.message_type is not None]
    return False


def taken(descriptor: Descriptor, value: JsonValue) -> list[Odd]:
    """Empties the odd masks in ``value``, the JSON of a message, and tells what stood in them."""
    found: list[Odd] = []
    if isinstance(value, dict):
        _take(descriptor, value, (), found)
    return found


def _take(descriptor: Descriptor, value: dict[str, JsonValue], steps: tuple[_Step, ...], found: list[Odd]) -> None:
    if descriptor.full_name == _ANY:
        kind = _packed(descriptor, value.get("@type"))
        if kind is not None and kind.full_name in (_MASK, _ANY):
            _take_single(kind, value, "value", (*steps, _IN_ANY), found)
        elif kind is not None:
            _take(kind, value, steps, found)
        return
    names = {field.name: field for field in descriptor.fields} | {field.json_name: field for field in descriptor.fields}
    for name, item in value.items():
        field = names.get(name)
        if field is not None and (kind := _kind(field)) is not None:
            for holder, key, step in _places(field, value, name, item):
                _take_single(kind, holder, key, (*steps, step), found)


def _take_single(kind: Descriptor, holder: Any, key: int | str, way: tuple[_Step, ...], found: list[Odd]) -> None:
    single: JsonValue = holder[key]
    if kind.full_name == _MASK and isinstance(single, str) and "_" in single and (paths := odd_paths(single)):
        found.append(Odd(way, paths))
        holder[key] = ""
    elif isinstance(single, dict):
        _take(kind, single, way, found)


def _packed(descriptor: Descriptor, url: object) -> Descriptor | None:
    """The type of what an Any holds; None if it is not known."""
    try:
        return descriptor.file.pool.FindMessageTypeByName(url.rpartition("/")[2]) if isinstance(url, str) else None
    except KeyError:
        return None


def _places(field: FieldDescriptor, value: Any, name: str, item: JsonValue) -> Iterator[tuple[Any, int | str, _Step]]:
    """Where single values of a field stand: what holds each, its key there, and the step to it."""
    if _is_map(field):
        yield from ((item, key, (field, key)) for key in (item if isinstance(item, dict) else ()))
    elif field.is_repeated:
        yield from ((item, index, (field, index)) for index in range(len(item) if isinstance(item, list) else 0))
    else:
        yield value, name, (field, None)


def odd_paths(text: JsonValue) -> list[str]:
    """The paths of a mask in JSON; none if it is not one."""
    return of_contract(text) if isinstance(text, str) and _PATHS.match(text) else []


def put_back(descriptor: Descriptor, wire: bytes, odd: Sequence[Odd]) -> bytes:
    """Wire bytes of the message with the paths in its masks again."""
    message: Any = message_factory.GetMessageClass(descriptor).FromString(wire)
    for steps, paths in odd:
        _put_back(message, steps, paths)
    return cast("bytes", message.SerializeToString())


def _put_back(message: Any, steps: Sequence[_Step], paths: Sequence[str]) -> None:
    if message.DESCRIPTOR.full_name == _ANY:
        kind = cast("Descriptor", _packed(message.DESCRIPTOR, message.type_url))
        inner = message_factory.GetMessageClass(kind).FromString(message.value)
        _put_back(inner, steps[1:] if steps[:1] == (_IN_ANY,) else steps, paths)
        message.value = inner.SerializeToString()
    elif not steps:
        message.paths.extend(paths)
    else:
        (field, key), *rest = steps
        found = getattr(message, cast("FieldDescriptor", field).name)
        if key is not None:
            found = found[key] if isinstance(key, int) else found[next(known for known in found if _json_key(known) == key)]
        _put_back(found, tuple(rest), paths)


def set_aside(descriptor: Descriptor, wire: bytes) -> tuple[bytes, list[Odd]]:
    """Wire bytes of a message with its odd masks emptied, and what stood in them.

    Raises:
        DecodeError: the bytes are no message of this type.
    """
    message: Any = message_factory.GetMessageClass(descriptor).FromString(wire)
    found: list[Odd] = []
    _set_aside(message, (), found)
    return message.SerializeToString(), found


def _set_aside(message: Any, steps: tuple[_Step, ...], found: list[Odd]) -> None:
    descriptor = cast("Descriptor", message.DESCRIPTOR)
    if descriptor.full_name == _MASK:
        paths = list(message.paths)
        if any(is_odd(path) for path in paths):
            found.append(Odd(steps, paths))
            del message.paths[:]
        return
    if descriptor.full_name == _ANY:
        _in_any(message, steps, found)
        return
    for field, item in message.ListFields():
        if _kind(field) is None:
            continue
        if _is_map(field):
            members: list[tuple[Any, int | str | None]] = [(item[key], _json_key(key)) for key in item]
        elif field.is_repeated:
            members = [(each, index) for index, each in enumerate(item)]
        else:
            members = [(item, None)]
        for inner, key in members:
            _set_aside(inner, (*steps, (field, key)), found)


def _in_any(message: Any, steps: tuple[_Step, ...], found: list[Odd]) -> None:
    kind, before = _packed(message.DESCRIPTOR, message.type_url), len(found)
    if kind is None:
        return  # the converter tells what is wrong with it
    try:
        inner = message_factory.GetMessageClass(kind).FromString(message.value)
    except DecodeError:
        return
    _set_aside(inner, (*steps, _IN_ANY) if kind.full_name in (_MASK, _ANY) else steps, found)
    if len(found) > before:
        message.value = inner.SerializeToString()


def shown(value: JsonValue, odd: Sequence[Odd], *, proto_names: bool) -> JsonValue:
    """``value``, the JSON of a message whose masks `set_aside` has emptied, with the paths in them."""
    for steps, paths in odd:
        text = ",".join(written(path) for path in paths)
        if not steps:
            return text
        keys = [key for step in steps for key in _json_steps(step, proto_names=proto_names)]
        holder: Any = value
        for key in keys[:-1]:
            holder = holder[key]
        holder[keys[-1]] = text
    return value


def _json_steps(step: _Step, *, proto_names: bool) -> Iterator[int | str]:
    field, key = step
    yield "value" if field is None else field.name if proto_names else field.json_name
    if key is not None:
        yield key


def _kind(field: FieldDescriptor) -> Descriptor | None:
    """The message type of a field's single values; None if they are no messages."""
    kind = field.message_type
    return kind.fields_by_name["value"].message_type if kind is not None and _is_map(field) else kind


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _json_key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
