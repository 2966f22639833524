"""Where an alarm stands that waits for something from outside."""

import re
import uuid
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from scheduler_svc.triggers.topics import is_pattern
from tocsin.recurrence import Event, Heartbeat, Micros, Rule, Threshold, TooCostly, Trigger, rule_of

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


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
        secret: the key of its pings that needs no token, made or a UUID; empty without one.
        started: when the job began that has not ended since; None without one.
        run: id of that run; empty without one.
        duration: of the last run that ended; None without one.
    """

    status: Status
    since: Micros
    value: float | None = None
    seen: Micros | None = None
    secret: str = ""
    started: Micros | None = None
    run: str = ""
    duration: Micros | None = None


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
    """The trigger with the key of its pings, and the key again if it is a secret: one that was made, or a UUID; else nothing.

    ``before`` is where the alarm stood until now: a key that was made for it stays as long as the client names no other.
    """
    spec = trigger.spec
    if not isinstance(spec, Heartbeat):
        return trigger, ""
    made = before.secret if before is not None else ""
    if is_uuid(spec.key):
        return replace(trigger, spec=replace(spec, key=spec.key.lower())), spec.key.lower()
    if spec.key and spec.key != made:
        return trigger, ""
    secret = made or str(uuid.uuid4())
    return replace(trigger, spec=replace(spec, key=secret)), secret


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID (RFC 9562, 4): as a key of pings it is a secret."""
    return _UUID.match(text) is not None


def initial_signal(trigger: Trigger, *, now: Micros, secret: str = "") -> Signal | None:
    """Where an alarm stands that gets this trigger at ``now``; None when the calendar makes it due."""
    return None if trigger.calendar else Signal(status=Status.WAITING, since=now, secret=secret)


def deadline(trigger: Trigger, *, seen: Micros) -> Micros | None:
    """When the next ping must have come after one at ``seen``; None when that is not before the end, and for anything but a heartbeat."""
    spec = trigger.spec
    if not isinstance(spec, Heartbeat):
        return None
    expected = _expected(trigger, spec, begun=seen if trigger.start is None else max(seen, trigger.start))
    due = None if expected is None else expected + spec.tolerance
    return due if due is None or trigger.end is None or due < trigger.end else None


def _expected(trigger: Trigger, spec: Heartbeat, *, begun: Micros) -> Micros | None:
    """When the ping after one at ``begun`` is expected; a schedule that says it after too many steps expects it at once."""
    if spec.schedule is None:
        return begun + spec.every
    try:
        found = _schedule(trigger.time_zone, spec).next_after(begun)
    except (TooCostly, ValueError, ArithmeticError):
        return begun  # better a false alarm than none: whoever made it has to hear of it
    return None if found is None else found.due


@lru_cache(maxsize=2048)
def _schedule(time_zone: str, spec: Heartbeat) -> Rule:
    return rule_of(schedule_of(time_zone, spec), anchor=0, seed=spec.key)


def schedule_of(time_zone: str, spec: Heartbeat) -> Trigger:
    """The times of a heartbeat's schedule, as a trigger of the calendar; "H" in them is a hash of the heartbeat's key."""
    if spec.schedule is None:
        msg = "a heartbeat without a schedule"
        raise ValueError(msg)
    return Trigger(spec=spec.schedule, time_zone=time_zone)


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
    expected = due - spec.tolerance
    return deadline(trigger, seen=outage.end) if expected <= outage.end and outage.begin <= due else None


def resumed(trigger: Trigger, signal: Signal, *, now: Micros) -> tuple[Signal, Micros | None]:
    """Where an alarm stands that is resumed, and its deadline: what is raised stays so, and every wait begins anew."""
    signal = replace(signal, started=None, run="") if signal.started is not None else signal
    if signal.status is Status.RAISED:
        return signal, None
    state = replace(signal, status=Status.WAITING, since=now) if signal.status is Status.PENDING else signal
    return state, deadline(trigger, seen=now)


def listens(trigger: Trigger, *, now: Micros) -> bool:
    """Whether ``now`` lies within the trigger's start and end."""
    return (trigger.start is None or trigger.start <= now) and (trigger.end is None or now < trigger.end)
