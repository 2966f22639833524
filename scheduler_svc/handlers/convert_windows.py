"""Windows and shared calendars between protobuf and the domain."""

from collections.abc import Iterable
from datetime import time

from scheduler_svc.handlers.times import length_of, set_length
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import InvalidInput
from tocsin.recurrence import CalendarUse, Cron, OnCalendar, Recurrence, TimeWindow, Trigger

COLLECTION = "calendars/"


def window_of(message: alarm_pb2.Window, *, field: str) -> TimeWindow:
    """The window.

    Raises:
        InvalidInput: it has two ends.
    """
    length = length_of(message.duration) if message.HasField("duration") else 0
    if length and message.end:
        raise InvalidInput.at(f"{field}.end", "does not go with duration")
    until = time.fromisoformat(message.end) if message.end else None
    return TimeWindow(
        spec=_begin_of(message, field),
        length=length,
        until=None if until is None else until.hour * 3600 + until.minute * 60 + until.second,
        time_zone=message.time_zone,
    )


def _begin_of(message: alarm_pb2.Window, field: str) -> Cron | Recurrence | OnCalendar:
    match message.WhichOneof("begin"):
        case "cron":
            return Cron(message.cron)
        case "rrule":
            return Recurrence(message.rrule)
        case "on_calendar":
            return OnCalendar(message.on_calendar)
        case None:
            raise InvalidInput.at(field, "needs a beginning: cron, rrule or onCalendar")


def windows_of(messages: Iterable[alarm_pb2.Window], *, field: str) -> tuple[TimeWindow, ...]:
    """The windows of a list.

    Raises:
        InvalidInput: one has two ends.
    """
    return tuple(window_of(message, field=f"{field}[{number}]") for number, message in enumerate(messages))


def set_window(message: alarm_pb2.Window, window: TimeWindow) -> None:
    """Sets ``message``, which is empty, to the window."""
    match window.spec:
        case Cron(text):
            message.cron = text
        case Recurrence(text):
            message.rrule = text
        case OnCalendar(text):
            message.on_calendar = text
    if window.length:
        set_length(message.duration, window.length)
    if window.until is not None:
        message.end = time(window.until // 3600, window.until // 60 % 60, window.until % 60).isoformat()
    message.time_zone = window.time_zone


def uses_of(message: alarm_pb2.Trigger) -> tuple[CalendarUse, ...]:
    """The shared calendars that a trigger names, without what they say."""
    excluded = (CalendarUse(id=name.removeprefix(COLLECTION)) for name in message.exclude_calendars)
    only = (CalendarUse(id=name.removeprefix(COLLECTION), only=True) for name in message.include_calendars)
    return (*excluded, *only)


def set_exclusions(message: alarm_pb2.Trigger, trigger: Trigger) -> None:
    """Sets the windows and the calendars of ``message``, which has none."""
    for window in trigger.windows:
        set_window(message.exclude_windows.add(), window)
    message.exclude_calendars.extend(f"{COLLECTION}{use.id}" for use in trigger.calendars if not use.only)
    message.include_calendars.extend(f"{COLLECTION}{use.id}" for use in trigger.calendars if use.only)
