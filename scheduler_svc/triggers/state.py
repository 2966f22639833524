"""Where an alarm stands that waits for something from outside."""

import secrets
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, NamedTuple

from scheduler_svc.triggers.topics import is_pattern
from tocsin.recurrence import Event, Heartbeat, Micros, Threshold, Trigger

_SECRET_BYTES: Final = 20


class SignalKind(IntEnum):
    """What an alarm waits for: events of a topic, or of a pattern of topics, readings, or pings. The numbers are stored."""

    EVENT = 1
    THRESHOLD = 2
    HEARTBEAT = 3
    PATTERN = 4


class Status(IntEnum):
    """Whether it is raised; the numbers are stored, and are those of the contract."""

    WAITING = 1
    OK = 2
    PENDING = 3
    RAISED = 4


class SignalState(NamedTuple):
    """A status, and since when: for PENDING, when the metric went beyond the limit."""

    status: Status
    since: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Where a threshold or a heartbeat stands; of an event there is nothing but that it waits.

    Attributes:
        status: whether it is raised.
        since: since when.
        value: the last reading; None for a heartbeat, or without one.
        seen: when the last reading was measured or the last ping came.
        secret: the key that was made for its pings; empty without one.
    """

    status: Status
    since: Micros
    value: float | None = None
    seen: Micros | None = None
    secret: str = ""


def kind_of(trigger: Trigger) -> SignalKind | None:
    """What an alarm of the trigger waits for; None when the calendar makes it due."""
    match trigger.spec:
        case Event(topic):
            return SignalKind.PATTERN if is_pattern(topic) else SignalKind.EVENT
        case Threshold():
            return SignalKind.THRESHOLD
        case Heartbeat():
            return SignalKind.HEARTBEAT
        case _:
            return None


def topic_of(trigger: Trigger, signal: Signal) -> str:
    """What finds the alarm: a pattern of topics, a metric, or the key that a client chose."""
    match trigger.spec:
        case Event(topic):
            return topic
        case Threshold(metric=metric):
            return metric
        case Heartbeat(key=key):
            return "" if signal.secret else key
        case _:
            return ""


def with_ping_key(trigger: Trigger, *, before: Signal | None = None) -> tuple[Trigger, str]:
    """The trigger with the key of its pings, and the key if it was made here, which makes it a secret; else nothing.

    ``before`` is where the alarm stood until now: a key that was made for it stays as long as the client names no other.
    """
    spec = trigger.spec
    if not isinstance(spec, Heartbeat):
        return trigger, ""
    made = before.secret if before is not None else ""
    if spec.key and spec.key != made:
        return trigger, ""
    secret = made or secrets.token_hex(_SECRET_BYTES)
    return replace(trigger, spec=replace(spec, key=secret)), secret


def initial_signal(trigger: Trigger, *, now: Micros, secret: str = "") -> Signal | None:
    """Where an alarm stands that gets this trigger at ``now``; None when the calendar makes it due."""
    return None if trigger.calendar else Signal(status=Status.WAITING, since=now, secret=secret)


def deadline(trigger: Trigger, *, seen: Micros) -> Micros | None:
    """When the next ping must have come after one at ``seen``; None when that is not before the end, and for anything but a heartbeat."""
    if not isinstance(trigger.spec, Heartbeat):
        return None
    begun = seen if trigger.start is None else max(seen, trigger.start)
    due = begun + trigger.spec.patience
    return due if trigger.end is None or due < trigger.end else None


class Outage(NamedTuple):
    """A time in which nobody could take a ping."""

    begin: Micros
    end: Micros


def after_outage(trigger: Trigger, due: Micros, *, outage: Outage | None) -> Micros | None:
    """The deadline of a heartbeat instead of ``due``, if its ping was expected, or was late, while nobody could take it.

    Whoever pings may have tried in vain, and need not try again before the next ping is expected: that one is waited for.
    """
    spec = trigger.spec
    if outage is None or not isinstance(spec, Heartbeat):
        return None
    expected = due - spec.patience + spec.every
    return deadline(trigger, seen=outage.end) if expected <= outage.end and outage.begin <= due else None


def resumed(trigger: Trigger, signal: Signal, *, now: Micros) -> tuple[Signal, Micros | None]:
    """Where an alarm stands that is resumed, and its deadline: what is raised stays so, and every wait begins anew."""
    if signal.status is Status.RAISED:
        return signal, None
    state = replace(signal, status=Status.WAITING, since=now) if signal.status is Status.PENDING else signal
    return state, deadline(trigger, seen=now)


def listens(trigger: Trigger, *, now: Micros) -> bool:
    """Whether ``now`` lies within the trigger's start and end."""
    return (trigger.start is None or trigger.start <= now) and (trigger.end is None or now < trigger.end)
