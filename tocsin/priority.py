"""How urgent a firing is, and every job and message that comes of it. Pure."""

from enum import IntEnum


class Priority(IntEnum):
    """The most urgent first; the numbers are those of ``tocsin.api.scheduler.v1.Priority`` and of the services' tables."""

    CRITICAL = 1
    NORMAL = 2
    BULK = 3
