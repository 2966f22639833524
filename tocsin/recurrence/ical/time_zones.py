"""Which IANA zone a TZID means.

A name of the IANA database, a Windows name, a path that ends with the one or the other; else what the VTIMEZONE of that name says: the name
in its X-LIC-LOCATION, or the first well-known zone that has the same offsets around the time that the calendar is about. The rules of a
VTIMEZONE themselves are not used: there is one source of zones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tocsin.recurrence.days import year_start
from tocsin.recurrence.errors import BadRule, UnknownZone
from tocsin.recurrence.ical.lines import Property, Word
from tocsin.recurrence.ical.parts import RuleParts, parse_parts
from tocsin.recurrence.ical.rule_patterns import rule_pattern
from tocsin.recurrence.ical.values import moment_of
from tocsin.recurrence.ical.windows_zones import WINDOWS_ZONES
from tocsin.recurrence.offsets import offsets, zone
from tocsin.recurrence.patterns import DAY, Pattern, Within
from tocsin.recurrence.steps import spend

TODAY: Final = 20_454
"""2026-01-01: when a hint is asked about that nothing else dates."""
_SIGNS: Final = {"+": 1, "-": -1}
_YEARS: Final = 2
_COST: Final = 40
_PARTS_OF_A_NAME: Final = 3
_BY_LOWER_NAME: Final = {name.lower(): key for name, key in WINDOWS_ZONES.items()}


@dataclass(slots=True)
class Observance:
    """A STANDARD or DAYLIGHT part of a VTIMEZONE: from when on which offset holds."""

    start: int = 0
    before: int = 0
    offset: int = 0
    rules: list[RuleParts] = field(default_factory=list[RuleParts])
    _patterns: list[Pattern] | None = None

    def read(self, line: Property) -> None:
        """Takes one of its lines.

        Raises:
            BadRule: it cannot be read.
        """
        match line.name.text:
            case "DTSTART":
                self.start = moment_of(line.value, None).wall
            case "TZOFFSETFROM":
                self.before = _offset_of(line.value)
            case "TZOFFSETTO":
                self.offset = _offset_of(line.value)
            case "RRULE":
                self.rules.append(parse_parts(line.value))
            case _:
                pass

    def onset(self, wall: int) -> int | None:
        """The last time, in local time before it, at or before ``wall`` at which it began to hold; None when it never did until then."""
        if wall < self.start:
            return None
        latest = self.start
        if self._patterns is None:
            self._patterns = [found for rule in self.rules if (found := self._pattern(rule)) is not None]
        for pattern in self._patterns:
            found = pattern.next_at(max(self.start, wall - 400 * DAY))
            while found is not None and found <= wall:
                spend(1)
                latest, found = max(latest, found), pattern.next_at(found + 1)
        return latest

    def _pattern(self, rule: RuleParts) -> Pattern | None:
        found = rule_pattern(rule, first=self.start, implied=False)
        if found is None:
            return None
        last = None if rule.until is None else rule.until.wall + (self.before if rule.until.zone else 0)
        return Within(found, first=self.start, last=last)


@dataclass(slots=True)
class ZoneHint:
    """What a VTIMEZONE says."""

    location: str = ""
    observances: list[Observance] = field(default_factory=list[Observance])

    def offset(self, second: int) -> int | None:
        """The offset at an instant, in seconds; None when it says nothing about it."""
        begun = [(onset - part.before, part.offset) for part in self.observances if (onset := part.onset(second + part.before)) is not None]
        return max(begun)[1] if begun else None


class ZoneNames:
    """The names of zones in a text, with the hints that it has for them."""

    def __init__(self, hints: Mapping[str, ZoneHint] | None = None) -> None:
        self._hints = hints or {}
        self._known: dict[str, str | None] = {}

    def resolved(self, named: Word, *, near: int) -> Word:
        """The word with the IANA name that it means; ``near`` is a day that the calendar is about.

        Raises:
            BadRule: it means none.
        """
        if named.text not in self._known:
            self._known[named.text] = self._resolve(named.text, near)
        key = self._known[named.text]
        if key is None:
            raise self._unknown(named)
        return named._replace(text=key)

    def _resolve(self, text: str, near: int) -> str | None:
        key = known_zone(text)
        hint = self._hints.get(text)
        if key is not None or hint is None:
            return key
        return known_zone(hint.location) or _matching(hint, near) or _matching(hint, TODAY)

    def _unknown(self, named: Word) -> BadRule:
        try:
            zone(named.text)
        except UnknownZone as error:
            why = error.violations[0].description
        else:
            why = "is no zone"
        more = ", and no well-known zone has the offsets of its VTIMEZONE" if named.text in self._hints else ""
        return named.refused(f"TZID: {why}{more}")


def known_zone(text: str) -> str | None:
    """The IANA zone that a name stands for: its own, a Windows name, or a path that ends with one; None when it stands for none."""
    pieces = text.strip().strip("/").split("/")
    for length in range(min(len(pieces), _PARTS_OF_A_NAME), 0, -1):
        name = "/".join(pieces[-length:])
        windows = _BY_LOWER_NAME.get(name.lower())
        if windows is not None:
            return windows
        try:
            return zone(name).key
        except UnknownZone:
            continue
    return None


def _matching(hint: ZoneHint, near: int) -> str | None:
    """The first of the well-known zones that has the same offsets in each month of two years from ``near`` on."""
    samples = [(max(near, year_start(1971)) + month * 30) * DAY for month in range(12 * _YEARS)]
    wanted = [hint.offset(second) for second in samples]
    if any(offset is None for offset in wanted):
        return None
    for key in ("UTC", *dict.fromkeys(WINDOWS_ZONES.values())):
        spend(_COST)
        local = offsets(key)
        if all(local.local(second) - second == offset for second, offset in zip(samples, wanted, strict=True)):
            return key
    return None


def _offset_of(word: Word) -> int:
    text = word.text.strip()
    digits = text[1:]
    if text[:1] not in _SIGNS or not digits.isdecimal() or len(digits) not in (4, 6):
        raise word.refused(f"{text[:40]!r} is not an offset such as +0100")
    return _SIGNS[text[0]] * (int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:] or 0))
