"""Whether an alarm may wait for what it says it waits for."""

from scheduler_svc.triggers.conditions import conditions_of
from scheduler_svc.triggers.state import SignalKind, deadline, kind_of
from tocsin.errors import InvalidInput
from tocsin.recurrence import Event, Micros, Overlapping, Trigger


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
    if kind_of(trigger) is SignalKind.HEARTBEAT and deadline(trigger, seen=now) is None:
        raise InvalidInput.at("trigger.endTime", "is before the first ping could be late")
