"""A trigger as it is stored: a rule and what all rules share."""

import json
from dataclasses import dataclass
from datetime import time
from typing import Any, Final

from tocsin.recurrence.specs import (
    At,
    AtLocal,
    CalendarText,
    CalendarUse,
    CatchUp,
    CatchUpMode,
    Comparison,
    Cron,
    Daily,
    DstPolicy,
    Event,
    Every,
    Gap,
    Heartbeat,
    Micros,
    OnCalendar,
    Overlap,
    Overlapping,
    Recurrence,
    Spec,
    Threshold,
    TimeWindow,
)

_dump: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_PLAIN_FIELDS: Final = ("start", "end", "count", "jitter", "offset", "spread", "spread_offset", "spent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """When an alarm fires.

    Attributes:
        spec: the rule.
        time_zone: zone of local times.
        start: no due time before it; what intervals count from.
        end: no due time at or after it.
        count: due times in all; 0 means without end.
        dst: what a change of the clocks does to a local time.
        catch_up: what happens with due times that passed while nothing could fire.
        exclude: due times left out, as they were given: local dates, local times, or instants.
        windows: due times within one of them are left out.
        calendars: shared calendars, each with a copy of what it says, by which due times are left out.
        offset: each due time comes so much later, or earlier, than the rule says; by then bounds and count are meant, exclusions are not.
        jitter: each due time moves later by a part of this that is its own.
        overlap: what happens at a due time while the firing before still runs.
        spread: the alarm may fire up to this much later.
        spread_offset: what was chosen within the spread.
        spent: due times of the count that were in the ledger when the shared calendars were read anew.
    """

    spec: Spec
    time_zone: str = "UTC"
    start: Micros | None = None
    end: Micros | None = None
    count: int = 0
    dst: DstPolicy | None = None
    catch_up: CatchUp | None = None
    exclude: tuple[str, ...] = ()
    windows: tuple[TimeWindow, ...] = ()
    calendars: tuple[CalendarUse, ...] = ()
    offset: Micros = 0
    jitter: Micros = 0
    overlap: Overlapping = Overlapping.DEFAULT
    spread: Micros = 0
    spread_offset: Micros = 0
    spent: int = 0

    @property
    def calendar(self) -> bool:
        """Whether the calendar makes it due; otherwise something from outside does."""
        return not isinstance(self.spec, Event | Threshold | Heartbeat)

    @property
    def excludes(self) -> bool:
        """Whether due times are left out."""
        return bool(self.exclude or self.windows or self.calendars)

    @property
    def limit(self) -> int | None:
        """How many due times there are at most; None without a limit."""
        if isinstance(self.spec, At | AtLocal) or (isinstance(self.spec, Daily) and not self.spec.recurring):
            return 1
        return self.count - self.spent if self.count else None

    def encode(self) -> str:
        """The stored form: compact JSON, the same text for equal triggers."""
        stored: dict[str, Any] = {**_encode_spec(self.spec), "tz": self.time_zone}
        for name in _PLAIN_FIELDS:
            value = getattr(self, name)
            if value or (value == 0 and name in ("start", "end")):
                stored[name] = value
        if self.dst is not None:
            stored["dst"] = [self.dst.gap or "", self.dst.overlap or ""]
        if self.catch_up is not None:
            stored["catch"] = [int(self.catch_up.mode), self.catch_up.limit, self.catch_up.window]
        if self.exclude:
            stored["exclude"] = self.exclude
        if self.windows:
            stored["windows"] = [_encode_window(window) for window in self.windows]
        if self.calendars:
            stored["calendars"] = [[use.id, use.version, int(use.only), encode_calendar(use.says)] for use in self.calendars]
        if self.overlap:
            stored["overlap"] = int(self.overlap)
        return _dump(stored)

    @staticmethod
    def decode(text: str) -> "Trigger":
        """The trigger that `encode` made ``text`` of."""
        stored: dict[str, Any] = json.loads(text)
        return Trigger(
            spec=_decode_spec(stored),
            time_zone=stored["tz"],
            dst=_decode_dst(stored["dst"]) if "dst" in stored else None,
            catch_up=_decode_catch_up(stored["catch"]) if "catch" in stored else None,
            exclude=tuple(stored.get("exclude", ())),
            overlap=Overlapping(stored.get("overlap", 0)),
            windows=tuple(_decode_window(window) for window in stored.get("windows", ())),
            calendars=tuple(
                CalendarUse(id=name, version=version, only=bool(only), says=decode_calendar(says))
                for name, version, only, says in stored.get("calendars", ())
            ),
            **{name: stored[name] for name in _PLAIN_FIELDS if name in stored},
        )


def encode_calendar(says: CalendarText) -> list[Any]:
    """What a calendar says as JSON: its zone, its dates, its windows."""
    return [says.time_zone, list(says.dates), [_encode_window(window) for window in says.windows]]


def decode_calendar(stored: list[Any]) -> CalendarText:
    """What `encode_calendar` made ``stored`` of."""
    time_zone, dates, windows = stored
    return CalendarText(time_zone=time_zone, dates=tuple(dates), windows=tuple(_decode_window(window) for window in windows))


def _encode_window(window: TimeWindow) -> list[Any]:
    return [_encode_spec(window.spec), window.length, window.until, window.time_zone]


def _decode_window(stored: list[Any]) -> TimeWindow:
    text, length, until, time_zone = stored
    spec = _decode_spec(text)
    if not isinstance(spec, Cron | OnCalendar | Recurrence):
        raise ValueError("a window begins by a cron expression, a calendar expression or a recurrence")
    return TimeWindow(spec=spec, length=length, until=until, time_zone=time_zone)


def _encode_spec(spec: Spec) -> dict[str, Any]:
    match spec:
        case At(instant):
            return {"at": instant}
        case AtLocal(text):
            return {"local": text}
        case Daily(at, recurring):
            return {"daily": at.isoformat(), "recurring": recurring}
        case Every(interval):
            return {"every": interval}
        case Cron(expression):
            return {"cron": expression}
        case OnCalendar(expression):
            return {"oncal": expression}
        case Recurrence(text):
            return {"rrule": text}
        case Event(topic, condition):
            return {"event": [topic, condition]}
        case Threshold():
            limit = [spec.metric, int(spec.comparison), spec.value]
            return {"threshold": [*limit, spec.for_duration, spec.hysteresis, spec.notify_resolved]}
        case Heartbeat():
            return {"heartbeat": _encode_heartbeat(spec)}


def _decode_spec(stored: dict[str, Any]) -> Spec:
    match stored:
        case {"at": instant}:
            return At(instant)
        case {"local": text}:
            return AtLocal(text)
        case {"daily": text, "recurring": recurring}:
            return Daily(time.fromisoformat(text), recurring)
        case {"every": interval}:
            return Every(interval)
        case {"cron": expression}:
            return Cron(expression)
        case {"oncal": expression}:
            return OnCalendar(expression)
        case {"rrule": text}:
            return Recurrence(text)
        case _:
            return _decode_signal(stored)


def _encode_heartbeat(spec: Heartbeat) -> list[Any]:
    """What every heartbeat has, and then, where there is one, slug and schedule."""
    stored: list[Any] = [spec.every, spec.grace, spec.key, spec.notify_resolved]
    if spec.slug or spec.schedule is not None:
        stored.append(spec.slug)
    if spec.schedule is not None:
        stored.append(_encode_spec(spec.schedule))
    return stored


def _decode_heartbeat(
    every: Micros, grace: Micros | None, key: str, notify_resolved: bool, slug: str = "", schedule: dict[str, Any] | None = None, /
) -> Heartbeat:
    expected = None if schedule is None else _decode_spec(schedule)
    if not isinstance(expected, Cron | OnCalendar | Recurrence | None):
        raise ValueError("pings are expected by a cron expression, a calendar expression or a recurrence")
    return Heartbeat(every=every, grace=grace, key=key, notify_resolved=notify_resolved, slug=slug, schedule=expected)


def _decode_signal(stored: dict[str, Any]) -> Spec:
    if "event" in stored:
        return Event(*stored["event"])
    if "heartbeat" in stored:
        return _decode_heartbeat(*stored["heartbeat"])
    metric, comparison, value, for_duration, hysteresis, notify_resolved = stored["threshold"]
    return Threshold(
        metric=metric,
        comparison=Comparison(comparison),
        value=value,
        for_duration=for_duration,
        hysteresis=hysteresis,
        notify_resolved=notify_resolved,
    )


def _decode_dst(stored: list[str]) -> DstPolicy:
    gap, overlap = stored
    return DstPolicy(gap=Gap(gap) if gap else None, overlap=Overlap(overlap) if overlap else None)


def _decode_catch_up(stored: list[Any]) -> CatchUp:
    mode, limit, window = stored
    return CatchUp(mode=CatchUpMode(mode), limit=limit, window=window)
