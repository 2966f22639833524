"""Whether an alarm may wait for what it says it waits for."""

from dataclasses import replace

from scheduler_svc.triggers.conditions import conditions_of
from scheduler_svc.triggers.state import SignalKind, deadline, kind_of, schedule_of
from tocsin.errors import InvalidInput
from tocsin.recurrence import Event, Heartbeat, Micros, Overlapping, Trigger, checked_due, is_own, rule_field, within


def check_listening(trigger: Trigger, *, now: Micros) -> None:
    """Refuses a trigger that waits for an event, a reading or a ping, and cannot.

    Raises:
        InvalidInput: a filter is wrong, a field has no meaning here, or the alarm would be over before it began.
    """
    for given, field in (
        (trigger.count, "count"),
        (trigger.dst, "dst"),
        (trigger.catch_up, "catchUp"),
        (trigger.exclude, "excludeDates"),
        (trigger.windows, "excludeWindows"),
        (trigger.calendars, "excludeCalendars"),
        (trigger.offset, "offset"),
        (trigger.jitter, "jitter"),
        (trigger.spread, "spread"),
    ):
        if given:
            raise InvalidInput.at(f"trigger.{field}", "cannot be combined with event, threshold or heartbeat, which have no schedule")
    if trigger.overlap is Overlapping.CANCEL_OTHER:
        raise InvalidInput.at("trigger.overlap", "CANCEL_OTHER needs a schedule; what comes from outside takes ALLOW, SKIP or QUEUE")
    if isinstance(trigger.spec, Event):
        conditions_of(trigger.spec.filter)
    if trigger.start is not None and trigger.end is not None and trigger.end <= trigger.start:
        raise InvalidInput.at("trigger.endTime", "must be after startTime")
    if trigger.end is not None and trigger.end <= now:
        raise InvalidInput.at("trigger.endTime", "is in the past")
    if isinstance(trigger.spec, Heartbeat) and trigger.spec.schedule is not None:
        _check_schedule(trigger, trigger.spec, now=now)
    if kind_of(trigger) is SignalKind.HEARTBEAT and deadline(trigger, seen=now) is None:
        raise InvalidInput.at("trigger.endTime", "is before the first ping could be late")


def _check_schedule(trigger: Trigger, spec: Heartbeat, *, now: Micros) -> None:
    """Refuses a schedule by which no ping can be expected."""
    times = schedule_of(trigger.time_zone, spec)
    try:
        checked_due(times, now=now, seed=spec.key)
        if is_own(times) and not is_own(replace(times, start=now)):
            raise InvalidInput.at(rule_field(times), "needs a time to count from, such as DTSTART; every is for an interval")
    except InvalidInput as error:
        raise within(error, "trigger.heartbeat") from None
