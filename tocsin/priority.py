"""How urgent a firing is, and every job and message that comes of it. Pure."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class Priority(IntEnum):
    """The most urgent first; the numbers are those of ``tocsin.api.scheduler.v1.Priority`` and of the services' tables."""

    CRITICAL = 1
    NORMAL = 2
    BULK = 3


_KNOWN: Final[Mapping[int, Priority]] = {int(priority): priority for priority in Priority}


def nearest(stored: int) -> Priority:
    """The priority of a stored number; NORMAL for one that no version knows: what is waiting by it is let go, and holds up nobody."""
    return _KNOWN.get(stored, Priority.NORMAL)
