"""Time zones, always from the tzdata package: the machine's own database may be older, and nobody could say which one was used."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

import tzdata

from tocsin.errors import InvalidInput

TZDATA_VERSION: Final[str] = tzdata.IANA_VERSION
"""Version of the IANA database that local times are computed with, such as "2025b"."""

_SECOND: Final = timedelta(seconds=1)


class UnknownZone(InvalidInput):
    """There is no such time zone."""


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1024)
def zone(key: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        UnknownZone: tzdata has none of that name; the spelling counts.
    """
    if key not in _names():
        raise UnknownZone.at("trigger.timeZone", f"{key!r} is not a time zone of the IANA database {TZDATA_VERSION}")
    with files("tzdata").joinpath("zoneinfo", *key.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=key)


def instants(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """The first and the second instant of a naive local time, equal when there is one; None in a gap (PEP 495).

    Raises:
        OverflowError: the instant lies outside the years 1 to 9999.
    """
    before = wall.replace(tzinfo=zone, fold=0)
    after = wall.replace(tzinfo=zone, fold=1)
    first, second = before.astimezone(UTC), after.astimezone(UTC)
    return (first, second) if first <= second else None


def end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after the gap that the naive local time ``wall`` falls into."""
    # In a gap the offset of fold=1 puts the instant before the change, that of fold=0 after it (PEP 495): the change lies between.
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC).replace(microsecond=0)
    late = wall.replace(tzinfo=zone, fold=0).astimezone(UTC).replace(microsecond=0) + _SECOND
    offset = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + (late - early) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return late
