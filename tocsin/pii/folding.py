"""Text as a detector reads it: digits and signs of any script as ASCII, HTML entities as what they stand for, nothing invisible.

Each position of the folded text leads back to the original one.
"""

import html
import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

# What has no width, and HTML's character references (WHATWG HTML, 13.5). Bounded, so that the search is linear.
_HIDDEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]+"
    "|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
)
_BMP: Final = 0x10000


class _Folds(dict[int, int]):
    """The ASCII character that reads the same, by code point; made as they are met, for all of Unicode would take a second."""

    def __missing__(self, point: int) -> int:
        folded = _folded(chr(point))
        if point < _BMP or folded != point:
            self[point] = folded
        return folded


def _folded(character: str) -> int:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return ord(str(digit))
    category = unicodedata.category(character)
    if category == "Zs":
        return ord(" ")
    if category == "Pd" or character == "\u2212":  # the minus sign
        return ord("-")
    plain = unicodedata.normalize("NFKC", character)
    return ord(plain) if len(plain) == 1 and plain.isascii() else ord(character)


_FOLDS: Final = _Folds()


@dataclass(frozen=True, slots=True)
class Folded:
    """Folded text.

    Attributes:
        text: what a detector reads.
        starts: where its pieces begin; none when each character stands where it stood.
        pieces: for each, where it begins in the original, and the length there of what was replaced; 0 for what was kept.
    """

    text: str
    starts: tuple[int, ...] = ()
    pieces: tuple[tuple[int, int], ...] = ()

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original text."""
        if not self.starts:
            return start, end
        return self._place(start)[0], self._place(end - 1)[1]

    def _place(self, position: int) -> tuple[int, int]:
        number = bisect_right(self.starts, position) - 1
        begin, replaced = self.pieces[number]
        if replaced:
            return begin, begin + replaced
        found = begin + position - self.starts[number]
        return found, found + 1


def fold(text: str) -> Folded:
    """Folds a text."""
    plain = text if text.isascii() else text.translate(_FOLDS)
    if "&" not in text and plain is text:
        return Folded(text)
    parts: list[str] = []
    starts: list[int] = []
    pieces: list[tuple[int, int]] = []
    length = behind = 0
    for match in _HIDDEN.finditer(text):
        shown = html.unescape(match[0]) if match[0][0] == "&" else ""
        if shown.startswith("&"):
            continue  # a name that HTML does not know
        begin, end = match.span()
        for part, where in ((plain[behind:begin], (behind, 0)), (shown.translate(_FOLDS), (begin, end - begin))):
            if part:
                starts.append(length)
                pieces.append(where)
                parts.append(part)
                length += len(part)
        behind = end
    if not behind:
        return Folded(plain)
    if behind < len(text):
        starts.append(length)
        pieces.append((behind, 0))
        parts.append(plain[behind:])
    return Folded("".join(parts), tuple(starts), tuple(pieces))
