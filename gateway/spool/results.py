"""How a forwarded call ends, and what that means for it and for those behind it; pure."""

from enum import Enum
from typing import Final

from tocsin.errors import Aborted, DataLoss, DeadlineExceeded, Internal, ResourceExhausted, TocsinError, Unavailable


class ForwardResult(Enum):
    """What the end of a try says."""

    AWAY = "away"
    """The service cannot be reached: nothing is known of the call, and every queue waits."""
    LATER = "later"
    """The service has asked for time: the queue waits."""
    SLOW = "slow"
    """There was no answer in time: the queue waits, and after many tries the call is to blame."""
    FAILED = "failed"
    """The service could not do it: the queue waits, and after some tries the call is to blame."""
    REFUSED = "refused"
    """The call is refused, and would be for ever."""


TRIES: Final = {ForwardResult.SLOW: 30, ForwardResult.FAILED: 8}
"""After so many tries that ended like this a call is set aside: that takes a quarter of an hour, or a minute."""


def result_of(error: Exception) -> ForwardResult:
    """What an error means.

    RESOURCE_EXHAUSTED with a time to come back is a limit, or load; without one it is a size, which does not change.
    """
    if isinstance(error, Unavailable):
        return ForwardResult.AWAY
    if isinstance(error, DeadlineExceeded):
        return ForwardResult.SLOW
    if isinstance(error, Aborted) or (isinstance(error, ResourceExhausted) and error.retry_after is not None):
        return ForwardResult.LATER
    if isinstance(error, Internal | DataLoss) or not isinstance(error, TocsinError):
        return ForwardResult.FAILED
    return ForwardResult.REFUSED
