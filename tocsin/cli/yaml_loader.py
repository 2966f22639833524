"""How files of resources are read: safe, no key twice, times as they are written; a resource at a time."""

import re
from collections.abc import Iterator
from math import isfinite
from typing import IO, Any, Final, cast

import yaml
from yaml import events

_DEEPEST: Final = 100
_TEXT_TAGS: Final = (None, "!", "tag:yaml.org,2002:str")
# The core schema of YAML 1.2 (10.3.2), without its octal and hexadecimal numbers, and without numbers that JSON has not.
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?P<rest>(?:\.[0-9]{1,17})?(?:[eE][-+]?[0-9]{1,3})?)")
_PARSER: Final[Any] = getattr(yaml, "CLoader", yaml.Loader)  # it makes events alone: no tag is ever constructed


class YamlRefused(ValueError):
    """A text that is no YAML, or more than plain data: what is wrong, and in which line."""

    def __init__(self, reason: str = "", line: int = 0) -> None:
        """Keeps what is wrong, and the line from 1."""
        super().__init__(f"{reason} (line {line})" if line else reason)
        self.reason, self.line = reason, line


def resources(source: IO[str] | str, *, number: int = 0, lines: dict[str, int] | None = None) -> Iterator[tuple[int, Any]]:
    """The documents of a text with the lines where they begin, and instead of one that is a list its elements; null is left out.

    Args:
        source: the text; a file is read as far as it is wanted.
        number: with ``lines``: the place of one, from 1.
        lines: takes the line of each field of that one, by its path ("trigger.cron", "steps[0].wait").

    Raises:
        YamlRefused: it is no YAML, has a key twice or one that is no text, a reference or a tag.
    """
    reader = _YamlReader(source)
    for place, (line, value) in enumerate(reader.all(number, lines), 1):
        yield line, value
        if place == number and lines is not None:
            return


def value_of(text: str) -> Any:
    """The one value of a text.

    Raises:
        YamlRefused: see `resources`; or there are several documents.
    """
    return _YamlReader(text).one()


class _YamlReader:
    """Makes values of the events of a parser."""

    def __init__(self, source: IO[str] | str) -> None:
        self._events: Iterator[Any] = cast("Any", yaml).parse(source, Loader=_PARSER)
        self._lines: dict[str, int] | None = None

    def one(self) -> Any:
        found = None
        for count, event in enumerate(self._starts()):
            if count:
                raise YamlRefused("there is more than one document", _line(event))
            found = self._value(event, "", 0)
        return found

    def all(self, wanted: int, lines: dict[str, int] | None) -> Iterator[tuple[int, Any]]:
        place = 0
        for first in self._starts():
            listed = isinstance(first, events.SequenceStartEvent) and first.tag is None
            while True:
                event = self._next() if listed else first
                if isinstance(event, events.SequenceEndEvent):
                    break
                self._lines = lines if place + 1 == wanted else None
                value = self._value(event, "", 0)
                if value is not None:
                    place += 1
                    yield _line(event), value
                if not listed:
                    break

    def _starts(self) -> Iterator[Any]:
        """The first event of each document; what belongs to it is taken between two of them."""
        while True:
            event = self._next()
            if isinstance(event, events.StreamEndEvent):
                return
            if isinstance(event, events.DocumentStartEvent):
                yield self._next()

    def _next(self) -> Any:
        try:
            return next(self._events)
        except yaml.YAMLError as error:
            mark: Any = getattr(error, "problem_mark", None)
            raise YamlRefused(str(getattr(error, "problem", None) or error), mark.line + 1 if mark is not None else 0) from None

    def _value(self, event: Any, path: str, depth: int) -> Any:
        if self._lines is not None:
            self._lines.setdefault(path, _line(event))
        if isinstance(event, events.ScalarEvent):
            return _scalar(event)
        if isinstance(event, events.AliasEvent):
            raise YamlRefused("references are not taken", _line(event))
        if event.tag is not None or depth >= _DEEPEST:
            raise YamlRefused(f"the tag {event.tag} is not taken" if event.tag is not None else "nested too deeply", _line(event))
        if isinstance(event, events.SequenceStartEvent):
            return self._list(path, depth)
        return self._object(path, depth)

    def _list(self, path: str, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._next(), events.SequenceEndEvent):
            found.append(self._value(event, f"{path}[{len(found)}]" if self._lines is not None else "", depth + 1))
        return found

    def _object(self, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self._next(), events.MappingEndEvent):
            key = _scalar(event) if isinstance(event, events.ScalarEvent) else event
            if not isinstance(key, str):
                shown = key if isinstance(event, events.ScalarEvent) else "…"
                raise YamlRefused(f"the key {shown!r} is no text", _line(event))
            if key in found:
                raise YamlRefused(f"the key {key!r} comes twice", _line(event))
            inner = "" if self._lines is None else f"{path}.{key}" if path else key
            if self._lines is not None:
                self._lines[inner] = _line(event)
            found[key] = self._value(self._next(), inner, depth + 1)
        return found


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: Any) -> Any:
    if event.tag not in _TEXT_TAGS:
        raise YamlRefused(f"the tag {event.tag} is not taken", _line(event))
    text: str = event.value
    if event.tag is not None or not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if (found := _NUMBER.fullmatch(text)) is None:
        return text
    if not found["rest"]:
        return int(text)
    return value if isfinite(value := float(text)) else text
