"""Calendars that triggers share. Pure."""

import json
from dataclasses import dataclass, field, replace
from typing import Final

from scheduler_svc.domain.alarms import Alarm, AlarmState
from tocsin.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidInput, NotFound
from tocsin.recurrence import (
    CalendarText,
    CalendarUse,
    Micros,
    Trigger,
    UnknownZone,
    calendar_cover,
    decode_calendar,
    encode_calendar,
    first_due,
    zone,
)
from tocsin.recurrence.errors import within
from tocsin.recurrence.steps import asked

MOST_SAID: Final = 65_536
"""Characters of what a calendar says, as it is stored: each alarm that uses it holds a copy."""


class CalendarNotFound(NotFound):
    """There is no such calendar."""


class CalendarExists(AlreadyExists):
    """There is a calendar of that name already."""


class CalendarChanged(Aborted):
    """The calendar was changed by somebody else; read it again."""


class CalendarInUse(FailedPrecondition):
    """The calendar is in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCalendar:
    """A calendar of a tenant; ``version`` changes with every change of it, and is its etag."""

    tenant: str
    id: str
    display_name: str = ""
    says: CalendarText = field(default_factory=CalendarText)
    version: int = 1
    created: Micros = 0
    updated: Micros = 0


def encode_says(says: CalendarText) -> str:
    """What a calendar says, as it is stored."""
    return json.dumps(encode_calendar(says), separators=(",", ":"), ensure_ascii=False)


def decode_says(text: str) -> CalendarText:
    """What `encode_says` made ``text`` of."""
    return decode_calendar(json.loads(text))


def check_calendar(calendar: SharedCalendar) -> None:
    """Refuses a calendar that no trigger could use.

    Raises:
        InvalidInput: a date, a window or the zone cannot be read, or there is too much of it.
    """
    says = calendar.says
    if len(encode_says(says)) > MOST_SAID:
        raise InvalidInput.at("calendar", f"says too much: what is stored of it has more than {MOST_SAID} characters; make several")
    if not says.dates and not says.windows:
        raise InvalidInput.at("calendar", "says nothing: it needs dates, windows or ics")
    if says.time_zone:
        try:
            zone(says.time_zone)
        except UnknownZone as error:
            raise within(error, "calendar") from None
    asked(lambda: calendar_cover(says, time_zone="UTC").end_at(0))


def with_copies(trigger: Trigger, calendars: "dict[str, SharedCalendar]") -> Trigger:
    """The trigger with a copy of what its calendars say now.

    Raises:
        InvalidInput: one is not there.
    """
    uses: list[CalendarUse] = []
    for use in trigger.calendars:
        found = calendars.get(use.id)
        if found is None:
            where = "trigger.includeCalendars" if use.only else "trigger.excludeCalendars"
            raise InvalidInput.at(where, f"there is no calendar calendars/{use.id}")
        uses.append(replace(use, version=found.version, says=found.says))
    return replace(trigger, calendars=tuple(uses))


@dataclass(frozen=True, slots=True)
class Refreshed:
    """An alarm as it was read, the trigger that it gets, and its next due time."""

    alarm: Alarm
    trigger: Trigger
    due: Micros | None
    since: Micros


def refreshed(alarm: Alarm, calendars: "dict[str, SharedCalendar]", *, now: Micros) -> Refreshed | None:
    """What becomes of an alarm whose calendars say something else now; None when nothing does, or when it must wait.

    It goes on as it was, with what is left of its count. One that is about to fire, or whose due time was moved behind where its rule
    has it, waits until it has fired: what has begun by the older calendar ends by it.
    """
    stored = alarm.trigger
    if not stored.calendars or alarm.state is AlarmState.COMPLETED or alarm.due is None or "trigger" in alarm.damaged:
        return None
    known = [use for use in stored.calendars if use.id in calendars]
    if all(calendars[use.id].version == use.version for use in known):
        return None
    if alarm.state is AlarmState.ACTIVE and alarm.due <= now + stored.jitter + stored.spread_offset:
        return None
    uses = tuple(
        replace(use, version=calendars[use.id].version, says=calendars[use.id].says) if use.id in calendars else use
        for use in stored.calendars
    )
    since = max(now, alarm.rule_since + 1)  # the rules of an alarm are told apart by when they began
    trigger = replace(stored, calendars=uses, spent=stored.spent + alarm.ordinal if stored.count else 0)
    return Refreshed(alarm, trigger, first_due(trigger, now=since, seed=alarm.id, anchor=alarm.anchor), since)
