"""Time zones of triggers."""

from zoneinfo import ZoneInfo

from tocsin import zones
from tocsin.errors import InvalidInput


class UnknownZone(InvalidInput):
    """There is no such time zone."""


def zone(key: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        UnknownZone: there is none.
    """
    try:
        return zones.zone(key)
    except zones.NoSuchZone as error:
        raise UnknownZone.at("trigger.timeZone", str(error)) from None
