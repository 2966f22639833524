"""Alarms that wait for something from outside: the triggers that users draw, and what their topics and filters mean, said once more."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.recurrence import Comparison, Cron, Event, Heartbeat, Overlapping, Threshold, Trigger

_SECOND: Final = 1_000_000
TOPICS: Final = ("order", "order.paid", "order.sent", "order.paid.late", "disk.full")
_PATTERNS: Final = ("order.paid", "order.sent", "disk.full", "order.*", "order.**", "*.full", "*", "**", "nobody.says.this")
METRICS: Final = ("load", "heat")
LEVELS: Final = (40.0, 50.0, 60.0)
SCHEDULES: Final = {f"*/{minutes} * * * *": minutes for minutes in (2, 5, 10)}
"""Schedules of heartbeats, each with its minutes from one ping to the next; all divide an hour, and the epoch begins with one."""
_KEYS: Final = ("backup", "mail", "rain", "tide")


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, as its publisher knows it."""

    topic: str
    source: str
    data: Mapping[str, Any]


_FILTERS: Final[Mapping[str, Callable[[Happening], bool]]] = {
    "": lambda _: True,
    "data.level >= 3": lambda event: event.data.get("level", -1.0) >= 3,
    'data.kind = "x"': lambda event: event.data.get("kind") == "x",
    'data.kind != "x" AND data.level < 4': lambda event: event.data.get("kind", "x") != "x" and event.data.get("level", 9.0) < 4,
    'source = "till"': lambda event: event.source == "till",
}
"""Filters of events with what each of them means."""


def matches(spec: Event, event: Happening) -> bool:
    """Whether an alarm of this trigger waits for the event: by a look at all of its segments, not by the service's way of doing it."""
    return _alike(spec.topic.split("."), event.topic.split(".")) and _FILTERS[spec.filter](event)


def _alike(pattern: list[str], topic: list[str]) -> bool:
    if pattern == ["**"]:
        return True
    if not pattern or not topic:
        return pattern == topic
    return pattern[0] in ("*", topic[0]) and _alike(pattern[1:], topic[1:])


def waiting(draw: random.Random, *, now: int, left: int) -> Trigger:
    """A trigger that something from outside makes due."""
    made = Trigger(spec=draw.choice([_event, _threshold, _heartbeat])(draw))
    overlap = draw.choice(list(Overlapping)) if draw.random() < 0.3 else Overlapping.DEFAULT
    end = now + 1800 * _SECOND + draw.randrange(max(left, _SECOND)) if draw.random() < 0.15 else None
    start = now + draw.randrange(1200 * _SECOND) if draw.random() < 0.1 else None
    return Trigger(spec=made.spec, overlap=overlap, start=start, end=end)


def period_of(spec: Heartbeat) -> int:
    """Microseconds from one ping to the next, at most."""
    return SCHEDULES[spec.schedule.expression] * 60 * _SECOND if isinstance(spec.schedule, Cron) else spec.every


def _event(draw: random.Random) -> Event:
    return Event(draw.choice(_PATTERNS), draw.choice(["", "", *_FILTERS]))


def _threshold(draw: random.Random) -> Threshold:
    return Threshold(
        metric=draw.choice(METRICS),
        comparison=draw.choice(list(Comparison)),
        value=draw.choice(LEVELS),
        for_duration=draw.choice([0, 0, 30, 120, 600]) * _SECOND,
        hysteresis=draw.choice([0.0, 2.0, 10.0]),
        notify_resolved=draw.random() < 0.8,
    )


def _heartbeat(draw: random.Random) -> Heartbeat:
    scheduled = draw.random() < 0.4
    return Heartbeat(
        every=0 if scheduled else draw.choice([60, 120, 300, 900]) * _SECOND,
        schedule=Cron(draw.choice(list(SCHEDULES))) if scheduled else None,
        grace=draw.choice([None, 5 * _SECOND, 30 * _SECOND]),
        key=draw.choice(["", "", *_KEYS]),
        notify_resolved=draw.random() < 0.8,
    )
