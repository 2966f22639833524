"""Instants and lengths of time between protobuf and microseconds."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tocsin.clock import SECOND
from tocsin.errors import InvalidInput
from tocsin.recurrence import END_OF_TIME, Micros

_FIRST_SECOND = -62_135_596_800
_NANOS = 1_000_000_000
_LONGEST = 315_576_000_000 * SECOND
"""What a Duration can be (google/protobuf/duration.proto)."""


def micros_of(value: Timestamp, *, field: str) -> Micros:
    """The instant, rounded up to microseconds: what is due must never be early.

    Raises:
        InvalidInput: it lies outside the years 1 to 9999, or its nanoseconds do not fit.
    """
    micros = value.seconds * SECOND - -value.nanos // 1000
    if not 0 <= value.nanos < _NANOS or value.seconds < _FIRST_SECOND or micros > END_OF_TIME:
        raise InvalidInput.at(field, "must be a time in the years 1 to 9999")
    return micros


def length_of(value: Duration) -> Micros:
    """The length of time, rounded up to microseconds."""
    return value.seconds * SECOND - -value.nanos // 1000


def set_instant(target: Timestamp, micros: Micros | None) -> None:
    """Sets a timestamp; None leaves it unset, and so does what lies outside the years 1 to 9999, which JSON cannot say."""
    if micros is not None and _FIRST_SECOND * SECOND <= micros <= END_OF_TIME:
        target.seconds, rest = divmod(micros, SECOND)
        target.nanos = rest * 1000
        target.SetInParent()


def set_length(target: Duration, micros: Micros) -> None:
    """Writes a length of time into a message's duration, zero too."""
    seconds, rest = divmod(abs(micros), SECOND)
    sign = -1 if micros < 0 else 1  # both parts have the sign of the whole
    target.seconds, target.nanos = sign * seconds, sign * rest * 1000
    target.SetInParent()


def set_measured(target: Duration, micros: Micros | None) -> None:
    """Writes a stored length of time, if there is one, and it is one that a Duration can be."""
    if micros is not None and abs(micros) <= _LONGEST:
        set_length(target, micros)
