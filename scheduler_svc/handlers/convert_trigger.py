"""Triggers between protobuf and the domain."""

from datetime import time

from scheduler_svc.handlers.convert_windows import set_exclusions, uses_of, windows_of
from scheduler_svc.handlers.times import length_of, micros_of, set_instant, set_length
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import InvalidInput
from tocsin.recurrence import (
    At,
    AtLocal,
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
    OnCalendar,
    Overlap,
    Overlapping,
    Recurrence,
    Spec,
    Threshold,
    Trigger,
)

_GAPS = {alarm_pb2.DstPolicy.SHIFT: Gap.SHIFT, alarm_pb2.DstPolicy.SKIP: Gap.SKIP, alarm_pb2.DstPolicy.OFFSET: Gap.OFFSET}
_OVERLAPS = {alarm_pb2.DstPolicy.FIRST: Overlap.FIRST, alarm_pb2.DstPolicy.BOTH: Overlap.BOTH}
_NAME_ZONES = frozenset(("rrule", "cron", "on_calendar", "heartbeat"))
"""The rules that may name a zone in their text."""
_GAP_NUMBERS = {gap: number for number, gap in _GAPS.items()}
_OVERLAP_NUMBERS = {overlap: number for number, overlap in _OVERLAPS.items()}


def trigger_of(message: alarm_pb2.Trigger, *, time_zone: str = "") -> Trigger:
    """The trigger; one that names no zone is in ``time_zone``, unless its rule may name one in its text.

    Raises:
        InvalidInput: a time cannot be used, or there is no rule.
    """
    return Trigger(
        spec=_spec_of(message),
        time_zone=message.time_zone or ("" if message.WhichOneof("rule") in _NAME_ZONES else time_zone),
        start=micros_of(message.start_time, field="trigger.startTime") if message.HasField("start_time") else None,
        end=micros_of(message.end_time, field="trigger.endTime") if message.HasField("end_time") else None,
        count=message.count,
        dst=_dst_of(message.dst) if message.HasField("dst") else None,
        catch_up=_catch_up_of(message.catch_up) if message.HasField("catch_up") else None,
        exclude=tuple(message.exclude_dates),
        windows=windows_of(message.exclude_windows, field="trigger.excludeWindows"),
        calendars=uses_of(message),
        offset=length_of(message.offset) if message.HasField("offset") else 0,
        jitter=length_of(message.jitter) if message.HasField("jitter") else 0,
        overlap=Overlapping(message.overlap) if message.overlap else Overlapping.DEFAULT,
        spread=length_of(message.spread) if message.HasField("spread") else 0,
        spread_offset=length_of(message.spread_offset) if message.HasField("spread_offset") else 0,
    )


def _spec_of(message: alarm_pb2.Trigger) -> Spec:
    match message.WhichOneof("rule"):
        case "at":
            return At(micros_of(message.at, field="trigger.at"))
        case "at_local":
            return AtLocal(message.at_local)
        case "every":
            return Every(length_of(message.every))
        case "daily":
            daily = message.daily
            return Daily(time.fromisoformat(daily.time), daily.recurring if daily.HasField("recurring") else True)
        case "cron":
            return Cron(message.cron)
        case "rrule":
            return Recurrence(message.rrule)
        case "on_calendar":
            return OnCalendar(message.on_calendar)
        case "event":
            return Event(message.event.topic, message.event.filter)
        case "threshold":
            return _threshold_of(message.threshold)
        case "heartbeat":
            return _heartbeat_of(message.heartbeat)
        case None:
            raise InvalidInput.at("trigger", "needs a rule, such as at, atLocal, daily, every, cron, rrule, onCalendar or event")


def _threshold_of(message: alarm_pb2.Threshold) -> Threshold:
    return Threshold(
        metric=message.metric,
        comparison=Comparison(message.comparison),
        value=message.value,
        for_duration=length_of(message.for_duration),
        hysteresis=message.hysteresis,
        notify_resolved=message.notify_resolved if message.HasField("notify_resolved") else True,
    )


def _heartbeat_of(message: alarm_pb2.Heartbeat) -> Heartbeat:
    return Heartbeat(
        every=length_of(message.every),
        grace=length_of(message.grace) if message.HasField("grace") else None,
        key=message.key,
        notify_resolved=message.notify_resolved if message.HasField("notify_resolved") else True,
        schedule=_schedule_of(message),
        slug=message.slug,
    )


def _schedule_of(message: alarm_pb2.Heartbeat) -> Cron | OnCalendar | Recurrence | None:
    if message.cron:
        return Cron(message.cron)
    if message.on_calendar:
        return OnCalendar(message.on_calendar)
    return Recurrence(message.rrule) if message.rrule else None


def _dst_of(message: alarm_pb2.DstPolicy) -> DstPolicy:
    return DstPolicy(gap=_GAPS.get(message.gap), overlap=_OVERLAPS.get(message.overlap))


def _catch_up_of(message: alarm_pb2.CatchUp) -> CatchUp:
    window = length_of(message.window) if message.HasField("window") else None
    return CatchUp(mode=CatchUpMode(message.mode), limit=message.limit, window=window)


def set_trigger(message: alarm_pb2.Trigger, trigger: Trigger) -> None:
    """Sets ``message``, which is empty, to the trigger as clients see it."""
    message.time_zone = trigger.time_zone
    message.count = trigger.count
    message.exclude_dates.extend(trigger.exclude)
    message.overlap = alarm_pb2.Trigger.Overlap.ValueType(trigger.overlap)
    set_instant(message.start_time, trigger.start)
    set_instant(message.end_time, trigger.end)
    for target, length in (
        (message.jitter, trigger.jitter),
        (message.offset, trigger.offset),
        (message.spread, trigger.spread),
        (message.spread_offset, trigger.spread_offset),
    ):
        if length:
            set_length(target, length)
    set_exclusions(message, trigger)
    _set_spec(message, trigger.spec)
    if trigger.dst is not None:
        message.dst.SetInParent()
        message.dst.gap = _GAP_NUMBERS[trigger.dst.gap] if trigger.dst.gap else alarm_pb2.DstPolicy.GAP_UNSPECIFIED
        message.dst.overlap = _OVERLAP_NUMBERS[trigger.dst.overlap] if trigger.dst.overlap else alarm_pb2.DstPolicy.OVERLAP_UNSPECIFIED
    if trigger.catch_up is not None:
        message.catch_up.SetInParent()
        message.catch_up.mode = alarm_pb2.CatchUp.Mode.ValueType(trigger.catch_up.mode)
        message.catch_up.limit = trigger.catch_up.limit
        if trigger.catch_up.window is not None:
            set_length(message.catch_up.window, trigger.catch_up.window)


def _set_spec(message: alarm_pb2.Trigger, spec: Spec) -> None:
    match spec:
        case At(instant):
            set_instant(message.at, instant)
        case AtLocal(text):
            message.at_local = text
        case Every(interval):
            set_length(message.every, interval)
        case Daily(at, recurring):
            message.daily.time = at.isoformat()
            message.daily.recurring = recurring
        case Cron(expression):
            message.cron = expression
        case Recurrence(text):
            message.rrule = text
        case OnCalendar(expression):
            message.on_calendar = expression
        case Event(topic, condition):
            message.event.topic = topic
            message.event.filter = condition
        case Threshold():
            _set_threshold(message.threshold, spec)
        case Heartbeat():
            _set_heartbeat(message.heartbeat, spec)


def _set_threshold(message: alarm_pb2.Threshold, spec: Threshold) -> None:
    message.metric = spec.metric
    message.comparison = alarm_pb2.Threshold.Comparison.ValueType(spec.comparison)
    message.value = spec.value
    message.hysteresis = spec.hysteresis
    message.notify_resolved = spec.notify_resolved
    if spec.for_duration:
        set_length(message.for_duration, spec.for_duration)


def _set_heartbeat(message: alarm_pb2.Heartbeat, spec: Heartbeat) -> None:
    match spec.schedule:
        case Cron(expression):
            message.cron = expression
        case OnCalendar(expression):
            message.on_calendar = expression
        case Recurrence(text):
            message.rrule = text
        case None:
            set_length(message.every, spec.every)
    message.key = spec.key
    message.slug = spec.slug
    message.notify_resolved = spec.notify_resolved
    if spec.grace is not None:
        set_length(message.grace, spec.grace)
