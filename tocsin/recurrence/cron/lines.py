"""Texts of several cron expressions: a line each, as in a crontab.

A line may begin with the time zone that it is in, ``CRON_TZ=`` or ``TZ=``; such a word alone on its line is for all lines that follow.
A line that begins with ``#``, and what follows a blank and ``#``, is a comment. Other variables of a crontab mean nothing here, and
neither does the command of a line if it begins with ``/``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tocsin.clock import DAY, HOUR, MINUTE, SECOND
from tocsin.recurrence.cron.expression import MACROS, CronExpression, arranged, is_hashed, parse_words
from tocsin.recurrence.cron.words import FIELD, CronWord, words_of
from tocsin.recurrence.errors import BadRule, UnknownZone
from tocsin.recurrence.offsets import zone
from tocsin.recurrence.specs import Micros

MOST_EXPRESSIONS: Final = 50
_LINE: Final = re.compile(r"[^\r\n]+")
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*")
_ZONE: Final = re.compile(r"(CRON_TZ|TZ)=(\"?)(.*)\2", re.IGNORECASE)
_VARIABLE: Final = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*\s*=")
_USER: Final = re.compile(r"[a-z_][a-z0-9_-]*\$?")
_LENGTH: Final = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|us|µs|ns|[dhms]))+")
_UNIT: Final = re.compile(r"(?<![0-9.])([0-9.]++)([a-zµ]++)")
_UNITS: Final = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": SECOND // 1000, "us": 1, "µs": 1, "ns": 0.001}
_LONGEST: Final[Micros] = 3653 * DAY


@dataclass(frozen=True, slots=True)
class CronLine:
    """One expression: its words, the zone that it names, or else the interval of an ``@every``."""

    words: tuple[CronWord, ...]
    zone: str | None
    interval: Micros | None
    hashed: bool

    @property
    def text(self) -> str:
        """The expression alone, without macro, zone and comment; empty for an interval."""
        return "" if self.interval is not None else " ".join(word.text for word in self.words)

    @property
    def days(self) -> tuple[str, str, str]:
        """Its day of month, month and day of week, in capitals."""
        _, _, fields = arranged(self.words)
        month_day, month, weekday = (word.text.upper() for word in fields[3:])
        return month_day, month, weekday

    def expression(self, seed: str) -> CronExpression:
        """What it says; ``seed`` is what its hashes are drawn from."""
        return parse_words(self.words, seed)


@lru_cache(maxsize=1024)
def read_cron(text: str) -> tuple[CronLine, ...]:
    """The expressions of a text.

    Raises:
        BadRule: one is not valid, there is none, or there are too many; the error tells line and position.
    """
    found: list[CronLine] = []
    ambient: str | None = None
    for line in _lines(text):
        named, words = _named_zone(words_of(line), ambient)
        if not words:
            ambient = named
            continue
        if len(found) == MOST_EXPRESSIONS:
            raise line.refused(f"more than {MOST_EXPRESSIONS} expressions")
        read = _read(_without_command(words), named)
        if read.interval is None:
            read.expression("")
        found.append(read)
    if not found:
        raise BadRule.at_position(FIELD, 0, "0 fields: there is no expression")
    return tuple(found)


def _lines(text: str) -> Iterator[CronWord]:
    """The lines that have something beside comments and variables."""
    lines = [(found.start(), _COMMENT.sub("", found.group())) for found in _LINE.finditer(text)]
    several = sum(bool(line.strip()) for _, line in lines) > 1
    number, counted = 0, 0
    for at, line in lines:
        number += text.count("\n", counted, at)
        counted = at
        variable = _VARIABLE.match(line) is not None and _ZONE.match(line.lstrip()) is None
        if line.strip() and not variable:
            yield CronWord(line, at, number + 1 if several else None)


def _named_zone(words: Sequence[CronWord], ambient: str | None) -> tuple[str | None, Sequence[CronWord]]:
    """The zone that a line begins with, else the one before it, and the words behind it."""
    found = _ZONE.fullmatch(words[0].text)
    if found is None:
        return ambient, words
    try:
        return zone(found[3]).key, words[1:]
    except UnknownZone as error:
        raise words[0].part(found[3], found.start(3)).refused(f"{found[1]}: {error.violations[0].description}") from None


def _without_command(words: Sequence[CronWord]) -> Sequence[CronWord]:
    """The words of the expression: those before a path and, in the table of the system, the user before it."""
    for index, word in enumerate(words):
        if word.text.startswith("/"):
            fields = 1 if words[0].text.startswith("@") else 5
            user = index == fields + 1 and _USER.fullmatch(words[index - 1].text) is not None
            return words[: index - user] if index else words
    return words


def _read(words: Sequence[CronWord], named: str | None) -> CronLine:
    first = words[0]
    if not first.text.startswith("@"):
        return CronLine(tuple(words), named, None, is_hashed(words))
    name = first.text.lower()
    if name == "@every":
        return CronLine(tuple(words), None, _interval(words), hashed=False)
    if name == "@reboot":
        raise first.refused("@reboot: an alarm knows no machine that starts; use a time")
    if name not in MACROS:
        raise first.refused(f"{first.text} is not known; macros are {', '.join(MACROS)}, @every")
    if len(words) > 1:
        raise words[1].refused(f"{first.text} stands alone")
    return CronLine(tuple(CronWord(text, first.at, first.line) for text in MACROS[name].split()), named, None, hashed=False)


def _interval(words: Sequence[CronWord]) -> Micros:
    """The length behind ``@every``, as Go writes it: 1h30m, 90s, 1.5h."""
    word = words[1] if len(words) > 1 else words[0]
    if len(words) != 2 or not _LENGTH.fullmatch(word.text):
        raise word.refused("@every needs a length, such as 5m, 90s or 1h30m")
    length = round(sum(float(number) * _UNITS[unit] for number, unit in _UNIT.findall(word.text)))
    if not SECOND <= length <= _LONGEST:
        raise word.refused("@every: the length must be from 1s to ten years")
    return length
