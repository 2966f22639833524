"""From the text of a recurrence to its sets: lines DTSTART, RRULE, RDATE, EXDATE and EXRULE, or whole events (`events`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.recurrence.errors import BadRule
from tocsin.recurrence.ical.lines import FIELD, MOST_VALUES, Property, Word
from tocsin.recurrence.ical.parts import Frequency, RuleParts, parse_parts
from tocsin.recurrence.ical.recurrence_set import RecurrenceSet
from tocsin.recurrence.ical.time_zones import TODAY, ZoneNames
from tocsin.recurrence.ical.values import Moment, moments
from tocsin.recurrence.steps import spend

_MOST_RULES: Final = 20
_PROPERTIES: Final = ("DTSTART", "RRULE", "RDATE", "EXDATE", "EXRULE")


class SetReader:
    """Reads the lines of one recurrence set."""

    def __init__(self, names: ZoneNames) -> None:
        self._names = names
        self.start: Moment | None = None
        self.rules: list[RuleParts] = []
        self.excluded_rules: list[RuleParts] = []
        self.added: list[Moment] = []
        self.excluded: list[Moment] = []

    def read(self, line: Property) -> None:
        """Takes a line.

        Raises:
            BadRule: it cannot be read, or is no part of a recurrence.
        """
        match line.name.text:
            case "DTSTART":
                if self.start is not None:
                    raise line.name.refused("DTSTART stands there twice")
                self.start = self.moment(line)
            case "RRULE" | "EXRULE":
                rules = self.rules if line.name.text == "RRULE" else self.excluded_rules
                if len(rules) == _MOST_RULES:
                    raise line.value.refused(f"more than {_MOST_RULES} rules")
                rules.append(parse_parts(line.value))
            case "RDATE":
                self.added.extend(self.moments(line, before=len(self.added)))
            case "EXDATE":
                self.excluded.extend(self.moments(line, before=len(self.excluded)))
            case other:
                raise line.name.refused(f"{other} is not a part of a recurrence; parts are {', '.join(_PROPERTIES)}")

    def moment(self, line: Property) -> Moment:
        """The one moment of a line.

        Raises:
            BadRule: it has none, or several.
        """
        found = self.moments(line)
        if len(found) > 1:
            raise line.value.refused(f"{line.name.text} has one value")
        return found[0]

    def moments(self, line: Property, *, before: int = 0) -> list[Moment]:
        """The moments of a line, in IANA zones; ``before`` is how many there are of its kind already."""
        if before + line.value.text.count(",") >= MOST_VALUES:
            raise line.value.refused(f"{line.name.text}: more than {MOST_VALUES} values")
        spend(1 + line.value.text.count(",") // 4)
        return list(moments(self.zoned(line)))

    def zoned(self, line: Property) -> Property:
        """The line with the IANA name of its zone.

        Raises:
            BadRule: it names a zone that nobody knows.
        """
        named = line.parameters.get("TZID")
        if named is None:
            return line
        return line._replace(parameters={**line.parameters, "TZID": self._names.resolved(named, near=_near(line.value))})

    def check(self) -> None:
        """Checks what the lines say together.

        Raises:
            BadRule: a rule does not go with DTSTART.
        """
        for rule in (*self.rules, *self.excluded_rules):
            if self.start is not None and self.start.dated and rule.frequency >= Frequency.HOURLY:
                raise rule.word.refused(f"FREQ={rule.frequency.name} needs a DTSTART with a time")


def _near(value: Word) -> int:
    """About the day of the first date in a value, from 1970-01-01."""
    year = value.text[:4]
    return (int(year) - 1970) * 1461 // 4 if year.isdecimal() and "1971" <= year < "9990" else TODAY


@dataclass(frozen=True, slots=True)
class RecurrenceText:
    """What a text says: one recurrence set, or one for each event."""

    sets: tuple[RecurrenceSet, ...]
    default_zone: str | None = None

    @property
    def zone(self) -> str | None:
        """The zone that it names first; None leaves it to the trigger."""
        return next((found.zone for found in self.sets if found.zone is not None), self.default_zone)

    @property
    def zones(self) -> frozenset[str]:
        """The zones that its sets begin in."""
        return frozenset(found.zone for found in self.sets if found.zone is not None)

    @property
    def anchored(self) -> bool:
        """Whether it needs to be told when it begins."""
        return any(found.anchored for found in self.sets)

    @property
    def single(self) -> Moment | None:
        """The one local time that it is; None when it is more."""
        return self.sets[0].start if len(self.sets) == 1 and self.sets[0].single else None

    @property
    def rules(self) -> Sequence[RuleParts]:
        """The RRULE of all sets."""
        return [rule for found in self.sets for rule in found.rules]


def read_lines(lines: Iterable[Property]) -> RecurrenceText:
    """The recurrence set of bare lines.

    Raises:
        BadRule: it is not valid; the error tells where.
    """
    reader = SetReader(ZoneNames())
    for line in lines:
        reader.read(line)
    if not reader.rules and not reader.added and reader.start is None:
        raise BadRule.at_position(FIELD, 0, "there is neither RRULE, RDATE nor DTSTART", line=1)
    reader.check()
    return RecurrenceText((made_set(reader),))


def made_set(reader: SetReader) -> RecurrenceSet:
    """The recurrence set of the lines that a reader has read."""
    return RecurrenceSet(
        start=reader.start,
        rules=tuple(reader.rules),
        added=tuple(reader.added),
        excluded=tuple(reader.excluded),
        excluded_rules=tuple(reader.excluded_rules),
    )
