"""Time zones, in the whole house from the tzdata package: the machine's own database may be older, and nobody could say which was used."""

from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import Final
from zoneinfo import ZoneInfo

import tzdata

TZDATA_VERSION: Final[str] = tzdata.IANA_VERSION
"""Version of the IANA database that local times are computed with, such as "2025b"."""


class NoSuchZone(LookupError):
    """The time zone is not in the IANA database; names are case-sensitive."""


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1024)
def zone(key: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        NoSuchZone: there is none.
    """
    return ZoneInfo.from_file(BytesIO(zone_file(key)), key=key)


def zone_file(key: str) -> bytes:
    """The compiled zone (RFC 9636) of an IANA name.

    Raises:
        NoSuchZone: there is none.
    """
    if key not in _names():
        raise NoSuchZone(f"{key!r} is not a time zone of the IANA database {TZDATA_VERSION}, such as Europe/Paris")
    return files("tzdata").joinpath("zoneinfo", *key.split("/")).read_bytes()
