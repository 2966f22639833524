"""Slows down whoever guesses the password of one account (pure)."""

from collections import OrderedDict
from dataclasses import dataclass

from auth_svc.domain import TooManyAttempts
from tocsin.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleRule:
    """After ``free`` failures, each new attempt waits twice as long, from one second to ``longest``; ``window`` without any forgets.

    Times are seconds; ``capacity`` is the number of accounts remembered.
    """

    free: int = 5
    longest: float = 30.0
    window: float = 900.0
    capacity: int = 10_000


@dataclass(slots=True)
class _Record:
    failures: int
    last: float


class LoginThrottle:
    """Counts failed sign-ins of each account, in the memory of this replica.

    It never locks an account: the wait is bounded, so that a stranger can slow its owner down but not keep them out, and a success
    forgets all. It takes any name, so that it tells nobody which accounts exist. When more accounts than ``capacity`` fail, the ones
    that failed longest ago are forgotten.
    """

    def __init__(self, *, clock: Clock, rule: ThrottleRule) -> None:
        self._clock = clock
        self._rule = rule
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def attempt(self, account: str) -> None:
        """Counts an attempt as failed until `succeeded` or `excused` says otherwise, so that attempts at the same time count as well.

        Raises:
            TooManyAttempts: it has to wait; ``retry_after`` says how long. Such an attempt does not count.
        """
        now = self._clock.monotonic()
        record = self._records.get(account)
        if record is None or now - record.last >= self._rule.window:
            record = _Record(failures=0, last=now)
        wait = self._delay(record.failures) - (now - record.last)
        if wait > 0:
            raise TooManyAttempts(retry_after=wait)
        record.failures += 1
        record.last = now
        self._records[account] = record
        self._records.move_to_end(account)
        while len(self._records) > self._rule.capacity:
            self._records.popitem(last=False)

    def succeeded(self, account: str) -> None:
        """The password was right: forgets the failures."""
        self._records.pop(account, None)

    def excused(self, account: str) -> None:
        """The attempt never got as far as the password."""
        record = self._records.get(account)
        if record is not None:
            record.failures -= 1
            if record.failures <= 0:
                del self._records[account]

    def _delay(self, failures: int) -> float:
        beyond = failures - self._rule.free
        return 0.0 if beyond < 0 else min(self._rule.longest, 2.0 ** min(beyond, 30))
