"""Files of calendar programs (.ics): of each event an alarm, at its beginning or at its reminders; or one shared calendar of all."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, Final

from tocsin.cli.imports.plan import Audience, ImportPlan, one_line
from tocsin.cli.imports.reading import storable
from tocsin.errors import InvalidInput
from tocsin.recurrence import Recurrence, Trigger, checked_due, normalized
from tocsin.recurrence.ical.entries import CalendarEntry, Reminder, calendar_entries
from tocsin.recurrence.ical.lines import Source, Word
from tocsin.recurrence.ical.values import length_of

MOST_CALENDAR_BYTES: Final = 1_048_576
MOST_EVENT_BYTES: Final = 262_144

_LONGEST_SECONDS: Final = 2_678_400
_DAY: Final = 86_400
_ABSOLUTE: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")


def read_calendar_alarms(text: str, audience: Audience, *, time_zone: str, now: int) -> ImportPlan:
    """The alarms of a file's events.

    Args:
        text: of the file.
        audience: who is told.
        time_zone: of times that have none.
        now: microseconds since the epoch.

    Raises:
        BadRule: it is no calendar.
    """
    found = calendar_entries(text)
    plan = ImportPlan()
    for entry in found.entries:
        name = one_line(storable(entry.summary)) or "(no title)"
        place = f"line {entry.line}"
        if entry.cancelled:
            plan.change(place, name, "is cancelled, and left out")
            continue
        if len(entry.text.encode()) > MOST_EVENT_BYTES:
            plan.refuse(place, name, f"has more than {MOST_EVENT_BYTES // 1024} KiB of times")
            continue
        for number, (reminder, trigger) in enumerate(_triggers(entry, found.zone or time_zone, plan, name)):
            try:
                _check(trigger, found.zone or time_zone, now)
            except InvalidInput as error:
                plan.refuse(place, name, _why(error))
                break
            body = {
                "displayName": name,
                "labels": {"import": "ics"},
                "trigger": trigger,
                "action": audience.notify(name, storable(entry.description)),
            }
            plan.take("alarms", _key(entry, number if reminder is not None else 0), body, place)
    for kind, line in found.others[:1000]:
        plan.refuse(f"line {line}", kind, "only events (VEVENT) are taken")
    return plan


def read_shared_calendar(text: str, name: str, *, time_zone: str) -> ImportPlan:
    """A shared calendar of all events of a file.

    Raises:
        BadRule: it is no calendar.
        InvalidInput: it is too large for one.
    """
    found = calendar_entries(text)
    if len(text.encode()) > MOST_CALENDAR_BYTES:
        raise InvalidInput.at("FILE", f"is larger than {MOST_CALENDAR_BYTES // 1024} KiB, which a calendar has at most")
    plan = ImportPlan()
    zone = found.zone or time_zone
    full = name if "/" in name else f"calendars/{name}"
    plan.take("calendars", full, {"displayName": one_line(storable(found.name)), "timeZone": zone, "ics": text}, "line 1")
    for kind, line in found.others[:1000]:
        plan.refuse(f"line {line}", kind, "only events (VEVENT) are taken")
    return plan


def _triggers(entry: CalendarEntry, zone: str, plan: ImportPlan, name: str) -> list[tuple[Reminder | None, dict[str, Any]]]:
    """A trigger for each reminder; for an event without any, its beginning."""
    base = {"rrule": entry.text, "timeZone": zone}
    found: list[tuple[Reminder | None, dict[str, Any]]] = []
    for reminder in entry.reminders:
        place = f"line {entry.line}"
        if reminder.repeats:
            plan.change(place, name, "its reminder rings once, not repeatedly")
        if _ABSOLUTE.fullmatch(reminder.trigger):
            at = _instant(reminder.trigger)
            if at is None:
                plan.refuse(place, name, f"its reminder {reminder.trigger} is a time that does not exist")
            else:
                found.append((reminder, {"at": at.isoformat().replace("+00:00", "Z")}))
            continue
        offset = _offset(reminder.trigger)
        if offset is None:
            plan.refuse(place, name, f"its reminder {reminder.trigger[:40]!r} cannot be read, or is more than 31 days away")
            continue
        if reminder.from_end:
            plan.change(place, name, "its reminder counts from the beginning of the event, not from its end")
        found.append((reminder, {**base, **({"offset": f"{offset}s"} if offset else {})}))
    return found or ([] if entry.reminders else [(None, base)])


def _instant(text: str) -> datetime | None:
    """The instant of a TRIGGER such as 20261231T150000Z; None of one that no calendar has."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _offset(text: str) -> int | None:
    """Seconds of a TRIGGER such as -PT15M."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    try:
        length = length_of(Word(digits, 0, Source(1, (0,), (0,))))
    except InvalidInput:
        return None
    seconds = sign * (length.days * _DAY + length.seconds)
    return seconds if abs(seconds) <= _LONGEST_SECONDS else None


def _check(trigger: dict[str, Any], zone: str, now: int) -> None:
    """Whether an alarm can be made of it.

    Raises:
        InvalidInput: it cannot.
    """
    if "at" in trigger:
        if datetime.fromisoformat(trigger["at"]).timestamp() * 1e6 <= now:
            raise InvalidInput.at("TRIGGER", "its reminder is over")
        return
    offset = int(str(trigger.get("offset", "0s")).removesuffix("s"))
    wanted = Trigger(spec=Recurrence(trigger["rrule"]), time_zone="", offset=offset * 1_000_000)
    checked_due(normalized(wanted, time_zone=zone), now=now)


def _why(error: InvalidInput) -> str:
    return error.violations[0].description if error.violations else error.message


def _key(entry: CalendarEntry, number: int) -> str:
    """What an alarm is known by: the UID, or a hash of one that is too long or has other characters."""
    parts = [entry.uid, entry.occurrence, str(number) if number else ""]
    key = "ics/" + "/".join(part for part in parts if part)
    if len(key) <= 128 and key.isascii() and key.isprintable():
        return key
    return "ics/" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
