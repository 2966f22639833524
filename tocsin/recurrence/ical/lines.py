"""Lines of iCalendar text (RFC 5545, section 3.1): unfolds them, and knows of every piece where in the text it stands."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tocsin.recurrence.errors import BadRule

FIELD: Final = "trigger.rrule"
MOST_VALUES: Final = 20_000
MOST_LINES: Final = 1000
MOST_LINES_OF_EVENTS: Final = 20_000
MOST_PARTS: Final = 1000
_NAME: Final = re.compile(r"[A-Za-z0-9-]+")
# A value in quotes may have colons and semicolons (section 3.1). What repeats never gives back, so that no line takes long.
_LINE: Final = re.compile(r'(?P<name>[^;:]*+)(?:;(?:"[^"]*+"|[^;:"]++)*+)*+:')
_PHYSICAL: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_BYTE_ORDER_MARK: Final = "\ufeff"
_PARAMETER: Final = re.compile(r';(?P<key>[^=;:"]*+)=?(?P<given>(?:"[^"]*+"|[^;:"]++)*+)')


@dataclass(frozen=True, slots=True)
class Source:
    """An unfolded line, and for its pieces where in the whole text they began."""

    line: int
    starts: Sequence[int]
    origins: Sequence[int]

    def refused(self, at: int, why: str) -> BadRule:
        """The error for the character ``at`` of the line."""
        piece = bisect_right(self.starts, at) - 1
        return BadRule.at_position(FIELD, self.origins[piece] + at - self.starts[piece], why, line=self.line)


class Word(NamedTuple):
    """A piece of a line."""

    text: str
    at: int
    source: Source

    def split(self, separator: str, *, most: int = MOST_PARTS) -> "Iterator[Word]":
        """The words between separators.

        Raises:
            BadRule: there are more than ``most``.
        """
        at = self.at
        if self.text.count(separator) >= most:
            raise self.refused(f"more than {most} values with {separator!r} between them")
        for text in self.text.split(separator):
            yield Word(text, at, self.source)
            at += len(text) + 1

    def partition(self, separator: str) -> "tuple[Word, bool, Word]":
        """The words before and after the first separator, and whether there is one."""
        before, found, after = self.text.partition(separator)
        return Word(before, self.at, self.source), bool(found), Word(after, self.at + len(before) + len(found), self.source)

    def refused(self, why: str) -> BadRule:
        """The error for this word."""
        return self.source.refused(self.at, why)


class Property(NamedTuple):
    """A line: its name in capitals, its parameters by their names in capitals, and its value."""

    name: Word
    parameters: dict[str, Word]
    value: Word


def properties(text: str) -> Iterator[Property]:
    """The lines of ``text``; a line that is only a recurrence rule may stand without its name.

    Raises:
        BadRule: a line has no value.
    """
    for word in logical_lines(text):
        if word.text[:5].upper() == "FREQ=" or word.text[:7].upper() == "RSCALE=":
            yield Property(Word("RRULE", word.at, word.source), {}, word)
        else:
            yield property_of(word)


def logical_lines(text: str, *, most: int = MOST_LINES) -> Iterator[Word]:
    """The unfolded lines of ``text`` that are not empty, up to ``most``.

    Raises:
        BadRule: there are too many.
    """
    for number, word in enumerate(_unfolded(text)):
        if number >= most:
            raise word.refused(f"more than {most} lines")
        yield word


def name_of(word: Word) -> str:
    """The name that a line begins with, in capitals; empty when it begins with none."""
    found = _NAME.match(word.text)
    return "" if found is None else found.group().upper()


def property_of(word: Word) -> Property:
    """What a line says.

    Raises:
        BadRule: it has no value.
    """
    found = _LINE.match(word.text)
    if found is None:
        raise word.refused("a line is NAME:value, as in RRULE:FREQ=DAILY, or just FREQ=DAILY")
    name, begin = found["name"], word.at + found.end()
    if not _NAME.fullmatch(name):
        raise word.refused(f"{name!r} is not the name of a property")
    named = {
        parameter["key"].upper(): Word(parameter["given"].strip('"'), word.at + parameter.start("given"), word.source)
        for parameter in _PARAMETER.finditer(word.text, found.end("name"), found.end() - 1)
    }
    return Property(Word(name.upper(), word.at, word.source), named, Word(word.text[found.end() :], begin, word.source))


def _unfolded(text: str) -> Iterator[Word]:
    """Each logical line: one that begins with a space or a tab goes on with the one before."""
    pieces: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    first = length = 0
    position = int(text.startswith(_BYTE_ORDER_MARK))
    for number, physical in enumerate(_PHYSICAL.finditer(text, position), 1):
        line = physical.group()
        content = line.rstrip("\r\n")
        folded = bool(pieces) and content[:1] in (" ", "\t")
        if pieces and not folded:
            yield Word("".join(pieces), 0, Source(first, starts, origins))
            pieces, starts, origins, length = [], [], [], 0
        skipped = 1 if folded else len(content) - len(content.lstrip())
        piece = content[skipped:].rstrip() if not folded else content[skipped:]
        if piece:
            first = first if pieces else number
            pieces.append(piece)
            starts.append(length)
            origins.append(position + skipped)
            length += len(piece)
        position += len(line)
    if pieces:
        yield Word("".join(pieces), 0, Source(first, starts, origins))
