"""Where a JSON object breaks the form of its message: the place of the value that the converter refused, and what it must be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tocsin.errors import InvalidInput
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, MessageType, as_object


def explain(message_type: MessageType, value: Mapping[str, JsonValue], *, accepts: Callable[[JsonValue], bool]) -> InvalidInput:
    """The error for a refused JSON object, found by trying ever smaller parts of the whole.

    Args:
        message_type: its type.
        value: the object.
        accepts: tells whether the converter takes a value as a whole message.
    """
    return _in_object(message_type, value, _Place(accepts=accepts)) or InvalidInput("The body is not valid.")


_EXPLAINED_DEPTH = 16
"""Levels that an explanation descends: each level converts once more what lies below it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a message at which a value can be tried alone."""

    accepts: Callable[[JsonValue], bool]
    path: str = ""
    depth: int = 0

    def member(self, name: str, key: str) -> "_Place":
        """The member of an object here; ``key`` is the name as the client wrote it."""
        path = f"{self.path}.{key}" if self.path else key
        return _Place(accepts=lambda value: self.accepts({name: value}), path=path, depth=self.depth + 1)

    def entry(self, key: str) -> "_Place":
        """The value under a key of a map here."""
        return _Place(accepts=lambda value: self.accepts({key: value}), path=f'{self.path}["{key}"]', depth=self.depth)

    def element(self, index: int) -> "_Place":
        """An element of a list here."""
        return _Place(accepts=lambda value: self.accepts([value]), path=f"{self.path}[{index}]", depth=self.depth)

    def refused(self, reason: str) -> InvalidInput:
        """The error for this place."""
        return InvalidInput.at(self.path, reason)


def _in_object(message_type: MessageType, value: Mapping[str, JsonValue], place: _Place) -> InvalidInput | None:
    """The error for the first refused member of an object; None if each is accepted alone."""
    for key, item in value.items():
        found = message_type.fields[key]
        inner = place.member(found.json_name, key)
        if not inner.accepts(item):
            return _in_field(found, item, inner)
    return None


def _in_field(found: MessageField, value: JsonValue, place: _Place) -> InvalidInput:
    if found.repeated:
        if not isinstance(value, list):
            return place.refused(f"must be a list; each element {found.type_name}")
        index = _first_refused(len(value), lambda low, high: place.accepts(value[low:high]))
        return _in_value(found, value[index], place.element(index))
    if found.map:
        if not isinstance(value, dict):
            return place.refused("must be an object")
        items = list(value.items())
        key, item = items[_first_refused(len(items), lambda low, high: place.accepts(dict(items[low:high])))]
        return _in_value(found, item, place.entry(key))
    return _in_value(found, value, place)


def _first_refused(count: int, accepts: Callable[[int, int], bool]) -> int:
    """The index of a refused item, by halving; ``accepts`` tells whether a range of items is taken."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if accepts(low, middle):
            low = middle
        else:
            high = middle
    return low


def _in_value(found: MessageField, value: JsonValue, place: _Place) -> InvalidInput:
    inner = as_object(value)
    if found.kind is FieldKind.MESSAGE and found.message is not None and inner is not None and place.depth < _EXPLAINED_DEPTH:
        return _in_object(found.message, inner, place) or place.refused(f"must be {found.type_name}")
    if isinstance(value, str) and found.kind is FieldKind.STRING:
        return place.refused("must be text that UTF-8 can express")
    return place.refused(f"must be {found.type_name}")
