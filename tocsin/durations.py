"""Durations as people write them, at every door: ``90``, ``5m``, ``1h30m``, ``2 d``; answers have one form, protobuf's "300s"."""

import re
from decimal import Decimal
from typing import Final

FORMS: Final = 'a duration such as "300s", "5m", "1h30m" or "90" (seconds)'

_WIRE: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?s")
_BARE: Final = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,9})?")
_PART: Final = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|d|w)", re.IGNORECASE)
_UNITS: Final = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86_400), "w": Decimal(604_800)}
_LONGEST: Final = 100


def seconds_of(text: str) -> Decimal | None:
    """The seconds that ``text`` says; None if it is no duration.

    Several parts add up; each unit stands once, the larger before the smaller.
    """
    compact = text.strip()
    if len(compact) > _LONGEST:
        return None
    if _BARE.fullmatch(compact):
        return Decimal(compact)
    negative = compact.startswith("-")
    place, total, last = int(negative), Decimal(0), Decimal("Infinity")
    while place < len(compact):
        found = _PART.match(compact, place)
        if found is None or (unit := _UNITS[found[2].lower()]) >= last:
            return None
        total, last, place = total + Decimal(found[1]) * unit, unit, found.end()
    if last.is_infinite():
        return None
    return -total if negative else total


def canonical(value: str | float) -> str | None:
    """The form of protobuf's JSON for a duration in any form; None if it is no duration.

    A number is one of seconds. What has that form already is returned as it is, in range or not.
    """
    if isinstance(value, str) and _WIRE.fullmatch(value):
        return value
    seconds = seconds_of(value if isinstance(value, str) else f"{value:.9f}" if isinstance(value, float) else str(value))
    return None if seconds is None else written(seconds)


def written(seconds: Decimal) -> str:
    """Seconds as protobuf's JSON writes them: "1.5s"."""
    text = f"{seconds:f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}s"
