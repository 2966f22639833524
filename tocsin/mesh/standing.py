"""A limit for the calls of one method, while what its handlers wait for cannot keep up.

A database or another service may be overloaded while the process is not. Its calls wait there, in the order of their coming, until most
die of their deadlines, and those that matter most with them. That some calls are slow is no sign of it: a slow method, a dependency that
hangs for a few, a lock. It is one when a queue never empties (CoDel, RFC 8289): when for half a second even the fastest call was slow, and
used up a quarter of the time that its caller gave it, while ever more were under way, or some of them died of their deadlines. Then only so
many calls may be under way as keep the fastest near what it was, or below a twentieth of its time (DAGOR, WeChat's overload control, takes
20 of 500 ms); the others are refused, but for critical ones. Twenty are never too many, so that nobody of a few callers is refused.

Whatever else makes calls slow must not lead to refusals for long. A queue that drains needs no limit. Where nothing is answered
something is broken, and a limit would only keep out those who come when it is mended. And a queue becomes shorter with a limit: where
calls are as slow as before there is none, and the limit goes, for longer each time.
"""

import math
from collections.abc import Callable
from typing import Final

_WINDOW_SECONDS: Final = 0.1
_ENOUGH: Final = 10
"""Calls that ended, without which a window says nothing."""
_INTERVAL_SECONDS: Final = 0.5
"""For how long even the fastest call of each window must be slow before there is a limit."""
_USED: Final = 0.25
_USED_WITHIN: Final = 0.05
"""Shares of its time that the fastest call may use up before there is a limit, and under it."""
_TOLERANCE: Final = 4
"""The fastest call may take so many times as long as when nothing was wrong."""
_LONGEST_SECONDS: Final = 10.0
"""What takes longer is no sign of too much load: a long poll does."""
_EXPIRED: Final = 0.05
"""A call that ended by no answer with less than this share of its time left has passed its deadline, but for the time on the wire."""
_DYING: Final = 0.05
"""Share of the calls of a window that passed their deadlines, from which on callers are hurt."""
_DEVIATIONS: Final = 4.0
"""A queue grows when more calls are under way than when they became slow, by so many standard deviations: calls come at random."""
_WATCH_SECONDS: Final = 5.0
"""Within which it must grow: a rising number of callers makes more calls under way as well."""
_DRAINING: Final = 0.9
"""The fastest call takes so much less than before: the queue drains."""
_LEAST: Final = 20
_SHRINKING: Final = 0.8
_GROWTH: Final = 1.1
_GROWTH_WHEN_FAST: Final = 1.5
"""By so much the limit changes in a window."""
_UNBOUND_SECONDS: Final = 5.0
"""There is no limit any more when nothing was refused for so long."""
_SILENT_SECONDS: Final = 1.0
"""Nor when no call was answered for so long, beyond what the fastest took before."""
_HELPED: Final = 0.7
"""The fastest call takes so much less under a limit, if it is of use."""
_IN_VAIN: Final = 5.0
"""Times that callers wait, for which it may be of none: what waits when it comes has to drain, beside calls that are never refused.
Windows in which it was of use count against those in which it was not."""
_PAUSE_SECONDS: Final = 60.0
_LONGEST_PAUSE_SECONDS: Final = 3600.0
"""For how long there is no limit after one that was in vain, the first time, and at most: it doubles."""
_DRIFT: Final = 1.01
"""What the fastest call takes when nothing is wrong may grow by so much in a window."""
_NONE: Final = float("inf")


class StandingLimit:
    """How many calls of one method may be under way. Belongs to one event loop.

    Attributes:
        value: the limit; infinite while nothing is wrong.
        under_way: calls that have begun and not ended.
    """

    __slots__ = (
        *("_answered_at", "_ended", "_expired", "_fastest", "_in_vain", "_now", "_patience", "_pause", "_pile", "_recent", "_refused_at"),
        *("_resumes_at", "_since", "_slow_for", "_slow_since", "_used", "_usual", "under_way", "value"),
    )

    def __init__(self, *, now: Callable[[], float], usual: float | None = None) -> None:
        """No limit.

        Args:
            now: monotonic seconds.
            usual: seconds that the fastest calls take when nothing is wrong; None if nobody knows, and the first calls are to tell.
        """
        self._now = now
        self.value = _NONE
        self.under_way = 0
        self._usual = _NONE if usual is None else usual
        self._slow_since: float | None = None
        self._slow_for = self._recent = self._patience = self._in_vain = 0.0
        self._pile = 0
        self._pause, self._resumes_at = _PAUSE_SECONDS, -_NONE
        self._refused_at = self._answered_at = now()
        self._open(self._refused_at)

    def refuses(self, share: float) -> bool:
        """Whether one more would be too many, of calls that may fill so much of the limit."""
        if self.under_way < self.value * share:
            return False
        now = self._now()
        if now - self._refused_at > _UNBOUND_SECONDS or now - self._answered_at > _SILENT_SECONDS + self._recent:
            self._lift()
            return False
        self._refused_at = now
        return True

    def ended(self, begun: float, *, passed: bool, left: float | None) -> None:
        """A call is over.

        Args:
            begun: when it began.
            passed: it was answered.
            left: seconds that its caller would still have waited; None if for ever.
        """
        self.under_way -= 1
        now = self._now()
        if passed:
            self._answered_at = now
        took = now - begun
        if took > _LONGEST_SECONDS or left is None or not (passed or left <= _EXPIRED * took):
            return  # it failed, or its caller has gone: neither says anything about a queue
        self._ended += 1
        if not passed:
            self._expired += 1
        self._fastest = min(self._fastest, took)
        self._used = min(self._used, took / (took + left) if took else 0.0)
        if self._ended >= _ENOUGH and now - self._since >= _WINDOW_SECONDS:
            self._weigh(now)
            self._open(now)

    def _open(self, now: float) -> None:
        self._since = now
        self._ended = self._expired = 0
        self._fastest = self._used = _NONE

    def _weigh(self, now: float) -> None:
        if self._expired == self._ended:
            self._slow_since = None  # nothing was answered: that is no queue, or nobody's any more
            return
        self._recent = self._fastest
        slow = self._fastest > _TOLERANCE * self._usual
        if not slow:
            self._usual = min(self._usual * _DRIFT, self._fastest)
        if self.value != _NONE:
            self._steer(now, slow=slow)
        elif not slow or self._used <= _USED:
            self._slow_since = None
        elif self._slow_since is None or self._fastest < _DRAINING * self._slow_for:
            self._watch(now)
        elif now - self._slow_since >= _INTERVAL_SECONDS and self._hurts() and now >= self._resumes_at:
            self._limit(now)
        elif now - self._slow_since > _WATCH_SECONDS:
            self._watch(now)

    def _watch(self, now: float) -> None:
        self._slow_since, self._slow_for, self._pile = now, self._fastest, self.under_way

    def _hurts(self) -> bool:
        return self.under_way > self._pile + _DEVIATIONS * math.sqrt(self._pile) or self._expired >= _DYING * self._ended

    def _limit(self, now: float) -> None:
        self._refused_at, self._in_vain = now, 0.0
        self._slow_for, self._patience = self._fastest, self._fastest / self._used
        # Little's law: what is under way while so many calls pass and each takes as long as it may.
        self.value = max(_LEAST, self._ended / (now - self._since) * _TOLERANCE * self._usual)

    def _steer(self, now: float, *, slow: bool) -> None:
        less = slow and self._used > _USED_WITHIN
        helps = not less or self._fastest < _HELPED * self._slow_for
        passed = min(now - self._since, self._patience)  # a window may have been open since long before
        self._in_vain = max(0.0, self._in_vain + (-passed if helps else passed))
        if self._in_vain > _IN_VAIN * self._patience:
            self._give_up(now)
        elif less:
            self.value = max(_LEAST, self.value * _SHRINKING)
        elif self._refused_at >= self._since:
            self.value = self.value * (_GROWTH if slow else _GROWTH_WHEN_FAST) + 1
        elif now - self._refused_at > _UNBOUND_SECONDS:
            self._pause = _PAUSE_SECONDS
            self._lift()

    def _give_up(self, now: float) -> None:
        """Fewer calls under way are no faster: they do not wait for each other."""
        self._usual = self._fastest
        self._resumes_at = now + self._pause
        self._pause = min(_LONGEST_PAUSE_SECONDS, 2 * self._pause)
        self._lift()

    def _lift(self) -> None:
        self.value, self._slow_since = _NONE, None
