"""Whether an alarm can be made of a trigger. Every question that is asked here costs a bounded number of steps."""

from dataclasses import replace
from typing import Final

from tocsin.clock import SECOND
from tocsin.errors import InvalidInput
from tocsin.recurrence.cron import read_cron
from tocsin.recurrence.errors import TooCostly, within
from tocsin.recurrence.ical import RecurrenceText, read_recurrence
from tocsin.recurrence.offsets import offsets, zone
from tocsin.recurrence.on_calendar import read_on_calendar
from tocsin.recurrence.patterns import local_text
from tocsin.recurrence.rules import anchor_of, first_due, rule_of
from tocsin.recurrence.specs import At, AtLocal, CatchUpMode, Cron, Daily, Every, Heartbeat, Micros, OnCalendar, Recurrence, Spec
from tocsin.recurrence.steps import MOST_NEW_STEPS, asked
from tocsin.recurrence.trigger import Trigger

SHORTEST: Final[Micros] = SECOND
"""Due times of one alarm lie at least so far apart, in microseconds."""


def normalized(trigger: Trigger, *, time_zone: str) -> Trigger:
    """The trigger with what it leaves open: the zone that its rule names, or else ``time_zone``; without a spread there is no offset.

    Raises:
        BadRule: its rule cannot be read.
    """
    if not trigger.time_zone:
        trigger = replace(trigger, time_zone=_named_zone(trigger.spec) or time_zone)
    return trigger if trigger.spread or not trigger.spread_offset else replace(trigger, spread_offset=0)


def _named_zone(spec: Spec) -> str | None:
    """The zone that a rule names: that of DTSTART, of the expression, or of all lines."""
    match spec:
        case Recurrence(text):
            return read_recurrence(text).zone
        case OnCalendar(text):
            return read_on_calendar(text).zone
        case Cron(text):
            zones = {line.zone for line in read_cron(text) if line.interval is None}
            return zones.pop() if len(zones) == 1 else None
        case Heartbeat(schedule=schedule) if schedule is not None:
            try:
                return _named_zone(schedule)
            except InvalidInput as error:
                raise within(error, "trigger.heartbeat") from None
        case _:
            return None


def checked_due(trigger: Trigger, *, now: Micros, seed: str = "") -> Micros:
    """The first due time of an alarm that is made, or gets this trigger of the calendar, at ``now``.

    Raises:
        InvalidInput: no alarm can be made of it; the error names the field and the reason.
    """
    zone(trigger.time_zone)
    _check_bounds(trigger)
    if isinstance(trigger.spec, At) and trigger.spec.instant + trigger.offset <= now and _mode(trigger) is CatchUpMode.DEFAULT:
        raise InvalidInput.at("trigger.at", "is in the past; set catchUp.mode to let it fire all the same")
    if isinstance(trigger.spec, Every) and trigger.spec.interval < SHORTEST:
        raise InvalidInput.at("trigger.every", "must be at least one second")
    if isinstance(trigger.spec, AtLocal) and not _exists(trigger, trigger.spec.wall):
        raise InvalidInput.at("trigger.atLocal", f"does not exist in {trigger.time_zone}; set dst.gap to say what happens then")
    if isinstance(trigger.spec, Recurrence):
        _check_recurrence(trigger, read_recurrence(trigger.spec.text))
    if not trigger.excludes and not isinstance(trigger.spec, Recurrence | Cron):
        due = first_due(trigger, now=now, seed=seed)  # no trigger of the kind costs much
    else:
        due = _measured_due(trigger, now=now, seed=seed)
    if due is None:
        raise _never_due(trigger, now=now)
    return due


def _measured_due(trigger: Trigger, *, now: Micros, seed: str) -> Micros | None:
    """The first due time of a trigger that may cost much.

    Raises:
        TooCostly: to find it, and the next one from there, takes too many steps.
        BadRule: one of several rules has no due time.
    """

    def ask() -> Micros | None:
        if isinstance(trigger.spec, Recurrence):
            for found in read_recurrence(trigger.spec.text).sets:
                local = offsets(found.zone or trigger.time_zone)
                found.check_parts(local, begin=local.begin(anchor_of(trigger, now=now) // SECOND))
        due = first_due(trigger, now=now, seed=seed)
        if due is not None:
            # Read once more: a rule that has been asked remembers something.
            rule_of(trigger, anchor=anchor_of(trigger, now=now), seed=seed).next_after(due)
        return due

    try:
        return asked(ask, most=MOST_NEW_STEPS)
    except TooCostly as error:
        raise TooCostly.at(rule_field(trigger), error.violations[0].description) from None


def _check_bounds(trigger: Trigger) -> None:
    if trigger.start is not None and trigger.end is not None and trigger.end <= trigger.start:
        raise InvalidInput.at("trigger.endTime", "must be after startTime")
    if trigger.spread_offset > trigger.spread:
        raise InvalidInput.at("trigger.spreadOffset", "cannot be more than spread")


def _check_recurrence(trigger: Trigger, found: RecurrenceText) -> None:
    single = found.single
    if single is not None and not _exists(trigger, single.wall):
        wall = local_text(single.wall)
        raise single.word.refused(f"{wall} does not exist in {trigger.time_zone}; set dst.gap to say what happens then")


def _exists(trigger: Trigger, wall: int) -> bool:
    """Whether there is a local time, or it is said what happens without it."""
    local = offsets(trigger.time_zone)
    return (trigger.dst is not None and trigger.dst.gap is not None) or local.local(local.instant(wall)) == wall


def _never_due(trigger: Trigger, *, now: Micros) -> InvalidInput:
    """Why a rule has no due time."""
    field = rule_field(trigger)
    for left_out, without in (
        ("trigger.excludeDates", replace(trigger, exclude=())),
        ("trigger.excludeWindows", replace(trigger, windows=())),
        ("trigger.excludeCalendars", replace(trigger, calendars=tuple(use for use in trigger.calendars if use.only))),
        ("trigger.includeCalendars", replace(trigger, calendars=tuple(use for use in trigger.calendars if not use.only))),
        ("trigger", replace(trigger, exclude=(), windows=(), calendars=())),
    ):
        if without != trigger and first_due(without, now=now) is not None:
            return InvalidInput.at(left_out, "leaves no due time")
    trigger = replace(trigger, exclude=(), windows=(), calendars=())
    bounded = trigger.start is not None or trigger.end is not None
    if bounded and first_due(replace(trigger, start=None, end=None, spread_offset=0), now=now) is not None:
        return InvalidInput.at(field, "has no due time between startTime and endTime that is still to come")
    return InvalidInput.at(field, "has no due time to come: it means no time that exists, all are excluded, or all have passed")


def rule_field(trigger: Trigger) -> str:
    """The field of the rule, by its JSON name."""
    match trigger.spec:
        case At():
            return "trigger.at"
        case AtLocal():
            return "trigger.atLocal"
        case Daily():
            return "trigger.daily"
        case Every():
            return "trigger.every"
        case Cron():
            return "trigger.cron"
        case OnCalendar():
            return "trigger.onCalendar"
        case Recurrence():
            return "trigger.rrule"
        case _:
            return "trigger"


def _mode(trigger: Trigger) -> CatchUpMode:
    return trigger.catch_up.mode if trigger.catch_up is not None else CatchUpMode.DEFAULT
