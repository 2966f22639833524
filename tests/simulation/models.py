"""What an alarm that waits for something from outside must do, said in a second way and as simply as can be."""

from dataclasses import dataclass, field
from typing import Final

from scheduler_svc.domain import AlarmState, Origin
from scheduler_svc.triggers.messages import PingKind
from tests.simulation.waiting import period_of
from tocsin.recurrence import Comparison, Event, Heartbeat, Threshold, Trigger

_SIGNS: Final = {
    Comparison.GREATER_THAN: (1, False),
    Comparison.GREATER_OR_EQUAL: (1, True),
    Comparison.LESS_THAN: (-1, False),
    Comparison.LESS_OR_EQUAL: (-1, True),
}
"""In which direction is beyond, and whether the value itself is."""

Expected = tuple[int, int]
"""The origin and the due time of a firing."""


@dataclass(slots=True)
class Watcher:
    """An alarm as the journal tells it, and the state that its reference model is in.

    Attributes:
        since: when it got its trigger.
        raised: whether it is, and ``overdue``: the deadline that raised it, of a heartbeat.
        beyond: since when its metric is beyond the limit, for a threshold that is not raised.
        deadline: when its ping is late, for a heartbeat that is not raised.
        seen: when the last end of a run was told, or since when it waits for one.
        begun: when the run began that has not ended, and ``run``: its id.
    """

    id: str
    tenant: str
    key: str
    state: int
    trigger: Trigger
    since: int
    raised: bool = False
    overdue: int = 0
    beyond: int | None = None
    deadline: int | None = None
    seen: int = 0
    begun: int | None = None
    run: str = ""
    done: set[str] = field(default_factory=set[str])

    @property
    def active(self) -> bool:
        """Whether it may fire."""
        return self.state == AlarmState.ACTIVE

    @property
    def event(self) -> Event | None:
        """What it waits for, if that is an event."""
        return self.trigger.spec if isinstance(self.trigger.spec, Event) else None

    @property
    def threshold(self) -> Threshold | None:
        """Likewise for a metric."""
        return self.trigger.spec if isinstance(self.trigger.spec, Threshold) else None

    @property
    def heartbeat(self) -> Heartbeat | None:
        """Likewise for a ping."""
        return self.trigger.spec if isinstance(self.trigger.spec, Heartbeat) else None

    def listens(self, at: int, *, margin: int = 0) -> bool:
        """Whether an instant lies between its start and its end; by a ``margin`` at least, or at most when that is negative."""
        start, end = self.trigger.start, self.trigger.end
        return (start is None or start + margin <= at) and (end is None or at < end - margin)

    def begin(self, now: int) -> None:
        """It got its trigger."""
        self.raised, self.beyond, self.deadline = False, None, self.deadline_after(now)
        self.seen, self.begun, self.run = now, None, ""

    def resume(self, now: int) -> None:
        """It was paused, and waits anew; what is raised stays so."""
        self.beyond = None
        self.deadline = None if self.raised else self.deadline_after(now)
        self.seen, self.begun, self.run = now, None, ""

    # -- pings --------------------------------------------------------------------------------------------------------------------------

    def deadline_after(self, seen: int) -> int | None:
        """When the next ping is late after one at ``seen``; None if that is not before the end."""
        spec, trigger = self.heartbeat, self.trigger
        if spec is None:
            return None
        first, period = max(seen, trigger.start or seen), period_of(spec)
        late = (first + period if spec.schedule is None else (first // period + 1) * period) + self.grace
        return late if trigger.end is None or late < trigger.end else None

    @property
    def grace(self) -> int:
        """How late a ping may be, and how long a run may take."""
        spec = self.heartbeat
        return 60_000_000 if spec is None or spec.grace is None else spec.grace

    def hear(self, kind: PingKind, *, run: str, sent: int, received: int) -> list[Expected]:
        """A ping that counts: the firings that it must lead to."""
        spec = self.heartbeat
        if spec is None or kind is PingKind.LOG:
            return []
        if kind is PingKind.START:
            if not self.raised:
                self.deadline = self._earlier(self._without_run(), received + self.grace)
            self.begun, self.run = sent, run
            return []
        self._end(kind, run=run, received=received)
        was, self.raised = self.raised, kind is PingKind.FAIL
        if self.raised:
            self.deadline, self.overdue = None, self.overdue if was else received
            return [] if was else [(int(Origin.RAISED), received)]
        self.deadline = self._earlier(self.deadline_after(received), None if self.begun is None else self.begun + self.grace)
        if was and self.deadline is not None and self.deadline <= self.overdue:
            self.raised, self.deadline = True, None  # heard late, and no answer to what raised it
            return []
        return [(int(Origin.RESOLVED), received)] if was and spec.notify_resolved else []

    def _end(self, kind: PingKind, *, run: str, received: int) -> None:
        """A run has ended: that which goes on, unless it is surely another one."""
        self.seen = received
        other = run not in ("", self.run) and kind is PingKind.SUCCESS
        if self.begun is not None and not (other and received < self.begun + self.grace):
            self.begun, self.run = None, ""

    def _without_run(self) -> int | None:
        """The deadline if nothing ran."""
        if self.begun is None or self.deadline is None:
            return self.deadline
        return max(self.deadline, self.deadline_after(self.seen) or 0)

    @staticmethod
    def _earlier(*instants: int | None) -> int | None:
        return min((instant for instant in instants if instant is not None), default=None)

    # -- readings -----------------------------------------------------------------------------------------------------------------------

    @property
    def ripe(self) -> int | None:
        """When the wait of a metric that is beyond its limit is over."""
        spec = self.threshold
        return None if spec is None or self.beyond is None else self.beyond + spec.for_duration

    def read(self, value: float, at: int) -> list[Expected]:
        """A reading: the firings that it must lead to."""
        spec, done = self.threshold, list[Expected]()
        assert spec is not None
        if self.ripe is not None and self.ripe <= at:
            done += self.ripen()
        distance = _distance(spec, value)
        if self.raised:
            if distance <= -spec.hysteresis and not _beyond(spec, value):
                self.raised = False
                done += [(int(Origin.RESOLVED), at)] if spec.notify_resolved else []
        elif not _beyond(spec, value):
            self.beyond = None
        else:
            self.beyond = at if self.beyond is None else self.beyond
            if not spec.for_duration:
                done += self.ripen()
        return done

    def ripen(self) -> list[Expected]:
        """The wait is over: it is raised."""
        ripe, self.raised, self.beyond = self.ripe, True, None
        assert ripe is not None
        return [(int(Origin.RAISED), ripe)]


def _distance(spec: Threshold, value: float) -> float:
    """How far the value is beyond the limit; negative on the good side."""
    return _SIGNS[spec.comparison][0] * (value - spec.value)


def _beyond(spec: Threshold, value: float) -> bool:
    distance = _distance(spec, value)
    return distance > 0 or (distance == 0 and _SIGNS[spec.comparison][1])
