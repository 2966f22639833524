"""How what is watched stands. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from scheduler_svc.domain.alarms import Alarm, AlarmState
from scheduler_svc.triggers import Signal, Status, unstarted_deadline
from tocsin.errors import AlreadyExists
from tocsin.recurrence import Heartbeat, Micros, Threshold


class PingKeyTaken(AlreadyExists):
    """Another tenant has this ping key."""


class StatusSlugTaken(AlreadyExists):
    """Another tenant's status page has this name."""


class WatchKind(IntEnum):
    """What is watched; the numbers are those of the contract."""

    HEARTBEAT = 1
    CHECK = 2
    THRESHOLD = 3


class StandingState(IntEnum):
    """How it stands; the numbers are those of the contract."""

    NEW = 1
    UP = 2
    STARTED = 3
    LATE = 4
    DOWN = 5
    PAUSED = 6


_WORST: Final = (
    StandingState.DOWN,
    StandingState.LATE,
    StandingState.STARTED,
    StandingState.UP,
    StandingState.NEW,
    StandingState.PAUSED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a heartbeat, a check or a threshold stands; times are unset where there are none."""

    alarm: str
    name: str
    labels: Mapping[str, str]
    kind: WatchKind
    state: StandingState
    since: Micros | None = None
    seen: Micros | None = None
    expected: Micros | None = None
    deadline: Micros | None = None
    duration: Micros | None = None
    started: Micros | None = None
    value: float | None = None
    incident: str = ""
    slug: str = ""


def standing_of(alarm: Alarm, *, now: Micros, incident: str = "", reading: tuple[float, Micros] | None = None) -> Standing:
    """How an alarm stands; ``reading`` is the latest of a check: 1, or 0 when it failed."""
    spec, signal = alarm.trigger.spec, alarm.signal
    if isinstance(spec, Heartbeat) and signal is not None:
        return _heartbeat(alarm, spec, signal, now=now, incident=incident)
    if isinstance(spec, Threshold) and signal is not None:
        return Standing(
            alarm=alarm.id,
            name=_name(alarm),
            labels=alarm.labels,
            kind=WatchKind.THRESHOLD,
            state=_paused(alarm) or _BY_STATUS.get(signal.status, StandingState.NEW),
            since=signal.since,
            seen=signal.seen,
            value=signal.value,
            incident=incident,
        )
    return _check(alarm, incident=incident, reading=reading)


_BY_STATUS: Final = {
    Status.WAITING: StandingState.NEW,
    Status.OK: StandingState.UP,
    Status.PENDING: StandingState.LATE,
    Status.RAISED: StandingState.DOWN,
}


def _heartbeat(alarm: Alarm, spec: Heartbeat, signal: Signal, *, now: Micros, incident: str) -> Standing:
    last = unstarted_deadline(alarm.trigger, signal, alarm.due)
    expected = None if last is None else last - spec.tolerance
    state = _BY_STATUS.get(signal.status, StandingState.NEW)
    if alarm.due is not None and alarm.due <= now:
        state = StandingState.DOWN  # it is about to be raised
    elif state is not StandingState.DOWN and signal.started is not None:
        state = StandingState.STARTED
    elif state is not StandingState.DOWN and expected is not None and expected <= now:
        state = StandingState.LATE
    paused = _paused(alarm)
    return Standing(
        alarm=alarm.id,
        name=_name(alarm),
        labels=alarm.labels,
        kind=WatchKind.HEARTBEAT,
        state=paused or state,
        since=signal.since,
        seen=signal.seen,
        expected=None if paused else expected,
        deadline=None if paused else alarm.due,
        duration=signal.duration,
        started=signal.started,
        incident=incident,
        slug=spec.slug,
    )


def _check(alarm: Alarm, *, incident: str, reading: tuple[float, Micros] | None) -> Standing:
    state = StandingState.NEW if reading is None else StandingState.UP if reading[0] else StandingState.DOWN
    return Standing(
        alarm=alarm.id,
        name=_name(alarm),
        labels=alarm.labels,
        kind=WatchKind.CHECK,
        state=_paused(alarm) or state,
        seen=None if reading is None else reading[1],
        expected=alarm.due if alarm.state is AlarmState.ACTIVE else None,
        value=None if reading is None else reading[0],
        incident=incident,
    )


def _paused(alarm: Alarm) -> StandingState | None:
    return None if alarm.state is AlarmState.ACTIVE else StandingState.PAUSED


def _name(alarm: Alarm) -> str:
    slug = alarm.trigger.spec.slug if isinstance(alarm.trigger.spec, Heartbeat) else ""
    return alarm.display_name or slug or alarm.key or alarm.id


def worst(states: Iterable[StandingState]) -> StandingState:
    """The worst of several; NEW of none."""
    return min(states, key=_WORST.index, default=StandingState.NEW)


def has_labels(standing: Standing, labels: Mapping[str, str]) -> bool:
    """Whether it has all of the labels."""
    return all(standing.labels.get(name) == value for name, value in labels.items())
