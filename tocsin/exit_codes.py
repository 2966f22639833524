"""How a process of Tocsin ends."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a process of Tocsin ends; the numbers above 63 are those of BSD's sysexits.h."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 69
    SOFTWARE = 70
    TEMPORARY = 75
    DENIED = 77
    CONFIG = 78
