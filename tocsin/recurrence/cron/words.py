"""Pieces of a cron text, each of which knows where it stands."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from tocsin.recurrence.errors import BadRule

FIELD: Final = "trigger.cron"
_WORD: Final = re.compile(r"\S+")


class CronWord(NamedTuple):
    """A piece of the text, where it begins in the whole text, and the number of its line; None when there is one line only."""

    text: str
    at: int
    line: int | None = None

    def split(self, separator: str) -> Iterator["CronWord"]:
        """The pieces between separators."""
        at = self.at
        for text in self.text.split(separator):
            yield CronWord(text, at, self.line)
            at += len(text) + len(separator)

    def part(self, text: str, offset: int) -> "CronWord":
        """A piece of it that begins ``offset`` characters behind its beginning."""
        return CronWord(text, self.at + offset, self.line)

    def refused(self, why: str) -> BadRule:
        """The error for this piece."""
        return BadRule.at_position(FIELD, self.at, why, line=self.line)


def words_of(line: CronWord) -> list[CronWord]:
    """The words of a line."""
    return [line.part(found.group(), found.start()) for found in _WORD.finditer(line.text)]
