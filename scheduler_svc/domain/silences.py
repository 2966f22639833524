"""Silences: incidents that nobody is told about for a time. Pure."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

import msgspec

from scheduler_svc.domain.matchers import CompiledMatchers, SilenceMatcher
from tocsin.errors import NotFound, ResourceExhausted
from tocsin.recurrence import Interval, Micros, TimeWindow, cover_of
from tocsin.recurrence.steps import asked

SILENCED: Final = "SILENCED"
"""Reason of a step that a silence holds back."""

MOST_SILENCES: Final = 1000
"""Silences of a tenant that are not over."""

_MOST_JOINED: Final = 50
"""Stretches that follow each other without a gap are shown as one, up to so many."""


class SilenceNotFound(NotFound):
    """There is no such silence."""


class TooManySilences(ResourceExhausted):
    """The tenant has as many silences as it may have."""


class SilenceState(IntEnum):
    """Whether a silence holds; the numbers are those of the contract."""

    PENDING = 1
    ACTIVE = 2
    EXPIRED = 3


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """A silence of a tenant.

    Attributes:
        start: it holds from here on, inclusive.
        end: and not from here on.
        window: it holds only in these windows; None: all the time.
        zone: of the windows, unless they name one.
    """

    id: str
    tenant: str
    matchers: tuple[SilenceMatcher, ...]
    start: Micros
    end: Micros
    comment: str
    author: str
    created: Micros
    window: TimeWindow | None = None
    zone: str = ""


class SilenceTimes:
    """A silence, ready to be asked when it holds, and about what."""

    def __init__(self, silence: Silence) -> None:
        """Reads its rule.

        Raises:
            InvalidInput: its rule is not valid.
        """
        self.silence = silence
        self.matchers = CompiledMatchers(silence.matchers)
        window = silence.window
        self._windows = None if window is None else cover_of(window, window.time_zone or silence.zone or "UTC")

    def until(self, now: Micros) -> Micros | None:
        """Until when it holds at least; None: it does not hold now.

        Raises:
            TooCostly: its rule takes too many steps to tell.
        """
        silence = self.silence
        if not silence.start <= now < silence.end:
            return None
        if self._windows is None:
            return silence.end
        windows = self._windows
        found = asked(lambda: windows.end_at(now))
        return None if found is None else min(found, silence.end)

    def next_start(self, now: Micros) -> Micros | None:
        """When it begins to hold next, at ``now`` or later; None: never again."""
        silence, begin = self.silence, max(now, self.silence.start)
        if self._windows is not None:
            windows = self._windows
            found = asked(lambda: windows.next_start(begin))
        else:
            found = begin
        return found if found is not None and found < silence.end else None

    def state(self, now: Micros) -> SilenceState:
        """Whether it holds."""
        if self.until(now) is not None:
            return SilenceState.ACTIVE
        return SilenceState.EXPIRED if now >= self.silence.end else SilenceState.PENDING

    def windows(self, now: Micros) -> Iterator[Interval]:
        """Its windows that are not over, in order; each costs what two questions cost. One that goes on has begun at ``now``."""
        begin = self.next_start(now)
        while begin is not None:
            end = begin
            for _ in range(_MOST_JOINED):
                further = self.until(end)
                if further is None:
                    break
                end = further
            yield Interval(begin, end)
            begin = self.next_start(end)
