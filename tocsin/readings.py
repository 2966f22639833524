"""What may come from outside beyond the contract's own rules: the same at the door, which takes a call on for later, and at its service."""

from typing import Final

from tocsin.api.scheduler.v1 import trigger_service_pb2 as pb
from tocsin.errors import InvalidInput

CLOCK_AHEAD: Final = 300_000_000
"""A reading from a clock that is ahead by more microseconds is refused."""


def check_reading(reading: pb.Reading, *, now: int) -> None:
    """Returns if a reading was not measured in the future.

    Args:
        reading: what was measured; its time is one (`tocsin.mesh.values`).
        now: microseconds since the Unix epoch.

    Raises:
        InvalidInput: it was.
    """
    if reading.HasField("time") and reading.time.ToMicroseconds() > now + CLOCK_AHEAD:
        raise InvalidInput.at("reading.time", "is more than five minutes in the future; check the clock of the sender")
