"""Personal data in free-form JSON: in texts, in the names of members, and in numbers that are long enough to be one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from tocsin.pii.detection import MAX_CHARACTERS, find, redact
from tocsin.pii.findings import PiiKind
from tocsin.values import join, member

MAX_DEPTH: Final = 64
"""Objects and lists inside one another that are walked; what is deeper counts as found."""
MAX_ITEMS: Final = 100_000
"""Texts, numbers, objects and lists that are walked; the rest counts as found."""

_SHORTEST_NUMBER: Final = 10**7
"""A number below has too few digits for anything."""


@dataclass(frozen=True, slots=True)
class ScannedValue:
    """What was found.

    Attributes:
        value: what was walked, with marks in the place of what was to be redacted.
        kinds: what was found, by the path of the member that holds it; a member whose name is personal data is named by marks.
    """

    value: Any
    kinds: Mapping[str, frozenset[PiiKind]]


def scan_value(
    value: object, kinds: Collection[PiiKind], *, marked: Collection[PiiKind] = (), path: str = "", about: str = ""
) -> ScannedValue:
    """Walks a JSON value.

    Args:
        value: text, number, object, list, or a literal.
        kinds: what is looked for.
        marked: what of it gets a mark in its place; `PiiKind.UNSCANNED` goes along with any.
        path: of the value itself.
        about: what the value is about.
    """
    walk = _ValueWalk(kinds=kinds, marked=frozenset((*marked, PiiKind.UNSCANNED)) if marked else frozenset())
    return ScannedValue(walk.value(value, path, about, 0), {name: frozenset(found) for name, found in walk.found.items()})


@dataclass(slots=True)
class _ValueWalk:
    kinds: Collection[PiiKind]
    marked: frozenset[PiiKind]
    found: dict[str, set[PiiKind]] = field(default_factory=dict[str, set[PiiKind]])
    items: int = MAX_ITEMS
    characters: int = MAX_CHARACTERS

    def value(self, value: object, path: str, about: str, depth: int) -> Any:
        self.items -= 1
        if isinstance(value, str):
            return self._text(value, path, about)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return self._number(value, path, about)
        if depth >= MAX_DEPTH or self.items < 0:
            return self._unscanned(value, path)
        if isinstance(value, dict):
            return self._object(cast("dict[str, object]", value), path, about, depth + 1)
        if isinstance(value, list | tuple):
            listed = cast("Iterable[object]", value)
            return [self.value(item, f"{path}[{place}]", about, depth + 1) for place, item in enumerate(listed)]
        return value

    def _object(self, value: dict[str, object], path: str, about: str, depth: int) -> dict[str, object]:
        out: dict[str, object] = {}
        for key, item in value.items():
            findings = find(key, self.kinds) if self.characters > 0 else []
            self.characters -= len(key)
            shown = redact(key, findings)  # the name of what was found must not tell it
            inner = join(path, member(shown))
            if findings:
                self._note(inner, {each.kind for each in findings})
            name = redact(key, [each for each in findings if each.kind in self.marked])
            out[_free(name, out) if name != key else key] = self.value(item, inner, f"{about} {key}", depth)
        return out

    def _text(self, text: str, path: str, about: str) -> str:
        if self.items < 0 or (self.characters <= 0 and text):
            return self._unscanned(text, path)
        self.characters -= len(text)
        findings = find(text, self.kinds, about=about)
        if not findings:
            return text
        self._note(path, {each.kind for each in findings})
        return redact(text, [each for each in findings if each.kind in self.marked])

    def _number(self, number: float, path: str, about: str) -> float | str:
        if abs(number) < _SHORTEST_NUMBER or number != number or abs(number) >= 10**20 or number != int(number):
            return number
        written = str(int(number))
        shown = self._text(written, path, about)
        return number if shown == written else shown

    def _unscanned(self, value: Any, path: str) -> Any:
        self._note(path, {PiiKind.UNSCANNED})
        return PiiKind.UNSCANNED.mark if PiiKind.UNSCANNED in self.marked else value

    def _note(self, path: str, kinds: set[PiiKind]) -> None:
        self.found.setdefault(path, set()).update(kinds)


def _free(name: str, taken: Mapping[str, object]) -> str:
    """The name, or the first with a number behind it that is not taken: members whose names became the same mark stay apart."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free
