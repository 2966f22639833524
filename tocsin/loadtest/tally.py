"""What became of calls: done, held back by a limit, or failed; these are never counted as each other."""

import bisect
from collections import Counter
from dataclasses import dataclass, field

from tocsin.errors import ResourceExhausted, TocsinError


@dataclass(slots=True)
class CallTally:
    """Calls of one kind.

    Attributes:
        seconds: of those that were done, from the moment at which each was to begin, in order of length.
        limited: refused by a rate limit or a quota, by its name.
        failed: the others, by code.
        late: seconds by which the last call began too late: the load is more than this machine makes.
    """

    seconds: list[float] = field(default_factory=list[float])
    limited: Counter[str] = field(default_factory=Counter[str])
    failed: Counter[str] = field(default_factory=Counter[str])
    late: float = 0.0

    @property
    def calls(self) -> int:
        """All that came to an end."""
        return len(self.seconds) + self.limited.total() + self.failed.total()

    def done(self, seconds: float) -> None:
        """Counts one that was done."""
        bisect.insort(self.seconds, seconds)

    def refused(self, error: TocsinError) -> None:
        """Counts one that was not."""
        if isinstance(error, ResourceExhausted):
            self.limited[error.error_reason] += 1
        else:
            self.failed[type(error).__name__] += 1
