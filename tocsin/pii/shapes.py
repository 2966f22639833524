"""Numbers that are known by how they are written: cards, IBANs, national ids.

A text is read as groups of letters and digits with at most one sign between them. The shapes of all kinds are one tree, so that a group
that begins none of them costs one look-up, however many kinds there are.
"""

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from tocsin.pii.budget import Budget
from tocsin.pii.cards import CARD_SHAPES, is_card
from tocsin.pii.findings import PiiFinding, PiiKind
from tocsin.pii.ibans import iban_at
from tocsin.pii.national_ids import NATIONAL_IDS, NationalId

_LONGEST_GROUP: Final = 20
_CONTEXT: Final = 60
"""Characters before a number in which a word may announce it."""

# From the first digit of a group to its end: the search for a digit is what costs least.
_FROM_DIGIT: Final = re.compile(r"[0-9][A-Za-z0-9]*+")
_MOST_LETTERS: Final = 6  # before the first digit
_PREFIX: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2} ")  # "AB 12 34 56 C"
_GROUP: Final = re.compile(rf"[A-Za-z0-9]{{1,{_LONGEST_GROUP}}}+(?![A-Za-z0-9])")
_IBAN_HEAD: Final = re.compile(r"[A-Za-z]{2}[0-9]{2}")
_JOINTS: Final = "-./"
_LETTERS: Final = frozenset(string.ascii_letters)
_OUTLINE: Final = {
    **{ord(digit): "9" for digit in "0123456789"},
    **{point: "A" for first in "aA" for point in range(ord(first), ord(first) + 26)},
}


@dataclass(slots=True)
class _ShapeNode:
    """A place in the tree of shapes: groups and signs lead on; ``card`` and ``ids`` are what ends here."""

    children: dict[str, "_ShapeNode"] = field(default_factory=dict[str, "_ShapeNode"])
    card: bool = False
    ids: list[NationalId] = field(default_factory=list[NationalId])

    def child(self, part: str) -> "_ShapeNode":
        return self.children.setdefault(part, _ShapeNode())


@cache
def _tree() -> _ShapeNode:
    root = _ShapeNode()

    def leaf(shape: str) -> _ShapeNode:
        node = root
        for part in re.findall(r"[A9]+|[^A9]", shape):
            node = node.child(part)
        return node

    for shape in CARD_SHAPES:
        leaf(shape).card = True
    for row in NATIONAL_IDS:
        for shape in row.shapes:
            leaf(shape).ids.append(row)
    return root


class Announcements:
    """The words before a number; ``about`` are words that stand before the whole text, such as the names of the fields that hold it."""

    def __init__(self, text: str, about: str) -> None:
        self._text = text
        self._about = about[-_CONTEXT:].casefold().replace("_", " ")

    def any_of(self, words: tuple[str, ...], start: int) -> bool:
        """Whether one of the words announces what begins at ``start``."""
        before = self._text[max(0, start - _CONTEXT) : start].casefold()
        if start < _CONTEXT:
            before = f"{self._about} {before}"
        return any(word in before for word in words)


def shaped(text: str, wanted: Mapping[PiiKind, bool], announced: Announcements, budget: Budget) -> Iterator[PiiFinding]:
    """What is known by its shape, from left to right; of what begins at one place, the longest."""
    behind = 0
    for start in _starts(text):
        if start < behind or _continues(text, start):
            continue
        if wanted[PiiKind.IBAN] and _IBAN_HEAD.match(text, start) and budget.spend(start) and (end := iban_at(text, start)):
            yield PiiFinding(PiiKind.IBAN, start, end)
            behind = end
            continue
        best: PiiFinding | None = None
        for node, end in _walk(text, start):
            kind = _kind_of(node, text, start, end, wanted, announced, budget)
            if kind is not None:
                best = PiiFinding(kind, start, end)
        if best is not None:
            yield best
            behind = best.end


def _starts(text: str) -> Iterator[int]:
    """Where something may begin: a group with a digit after few letters, and two letters before such a group."""
    for match in _FROM_DIGIT.finditer(text):
        digit = start = match.start()
        while start and digit - start <= _MOST_LETTERS and text[start - 1] in _LETTERS:
            start -= 1
        if digit - start > _MOST_LETTERS:
            continue
        if start == digit and _PREFIX.match(text, digit - 3):
            yield digit - 3
        yield start


def _walk(text: str, start: int) -> Iterator[tuple[_ShapeNode, int]]:
    """The places of the tree at which something ends that begins at ``start``."""
    node, position = _tree(), start
    while (group := _GROUP.match(text, position)) is not None:
        following = node.children.get(group[0].translate(_OUTLINE))
        if following is None:
            return
        position = group.end()
        if (following.card or following.ids) and not _goes_on(text, position):
            yield following, position
        sign = text[position : position + 1]
        joined = following.children.get(sign)
        if joined is None:
            return
        node, position = joined, position + 1


def _continues(text: str, start: int) -> bool:
    """Whether what begins there is the rest of something longer, such as a UUID or a version."""
    return start > 1 and text[start - 1] in _JOINTS and text[start - 2].isalnum()


def _goes_on(text: str, end: int) -> bool:
    return end + 1 < len(text) and text[end] in _JOINTS and text[end + 1].isalnum()


def _kind_of(
    node: _ShapeNode,
    text: str,
    start: int,
    end: int,
    wanted: Mapping[PiiKind, bool],
    announced: Announcements,
    budget: Budget,
) -> PiiKind | None:
    written = text[start:end]
    if node.card and wanted[PiiKind.CARD] and is_card(written):
        return PiiKind.CARD
    if node.ids and wanted[PiiKind.NATIONAL_ID]:
        for row in node.ids:
            if (not row.words or announced.any_of(row.words, start)) and budget.spend(start) and row.is_valid(written):
                return PiiKind.NATIONAL_ID
    return None
