"""Says in the error of a resource that is not there which one was asked for."""

import re
from collections.abc import Iterator
from typing import Final

from google.protobuf.message import Message

from tocsin.errors import NotFound, default_message, sayable

_SUFFIX: Final = "NotFound"
_DEPTH: Final = 2
"""How deep names stand in a request: in it, and in the resource that it brings."""
_BEFORE_Y: Final = re.compile(r"[^aeiou]y\Z")


def name_absent(error: NotFound, request: object) -> None:
    """Changes the words of an error: where it says no more than "There is no such alarm.", it names the alarm that the request names.

    The collection follows from the class (AIP-122): ``EscalationPolicyNotFound`` is of ``escalationPolicies/{id}``. A request that
    names nothing of it, such as one whose resource was found and something that belongs to it was not, leaves the error as it is; so does
    one that names two of the collection, of which either may be the one.
    """
    kind = type(error).__name__
    if not isinstance(request, Message) or not kind.endswith(_SUFFIX) or kind == _SUFFIX or error.message != default_message(type(error)):
        return
    collection = _collection(kind.removesuffix(_SUFFIX))
    names = {found for text in _texts(request, _DEPTH) if (found := _within(text, collection))}
    if len(names) == 1:
        (name,) = names
        error.message = sayable(f"{error.message.removesuffix('.')}: {name}")


def _collection(kind: str) -> str:
    word = kind[:1].lower() + kind[1:]
    return f"{word[:-1]}ies" if _BEFORE_Y.search(word) else f"{word}s"


def _within(name: str, collection: str) -> str:
    """The name up to the resource of the collection: users/1 of users/1/sessions/2; empty if it has none."""
    segments = name.split("/")
    place = next((place for place in range(len(segments) - 1) if segments[place] == collection and segments[place + 1]), None)
    return "" if place is None else "/".join(segments[: place + 2])


def _texts(message: Message, depth: int) -> Iterator[str]:
    """The texts of a message, and of the messages in it; what is repeated is no name of what is asked for."""
    inner: list[Message] = []
    for _, value in message.ListFields():
        if isinstance(value, str):
            yield value
        elif isinstance(value, Message) and depth > 1:
            inner.append(value)
    for each in inner:
        yield from _texts(each, depth - 1)
