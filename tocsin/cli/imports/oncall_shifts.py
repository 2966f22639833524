"""Shifts of Grafana OnCall as layers of a rotation.

A shift that is plain turns becomes turns, which people can edit. Any other becomes the recurrence that OnCall makes of it, one event for
each group of users, and so do all shifts of a level that has several: they are on call together where they overlap, as there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.cli.imports.plan import one_line
from tocsin.cli.imports.reading import items, number_of, text_of, texts_of, wrong

Note = Callable[[str, str], None]
"""Takes a place and what is not quite as it was."""

WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY
_UNITS: Final = {"hourly": ("HOURS", 3600), "daily": ("DAYS", _DAY), "weekly": ("WEEKS", _WEEK), "monthly": ("", 0)}
_LONGEST: Final = {"HOURS": 8784, "DAYS": 366, "WEEKS": 52}
_MOST_TOGETHER: Final = 20
_MOST_GROUPS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCallShift:
    """A shift, checked.

    Attributes:
        place: in the file.
        name: for people.
        kind: its type.
        level: of two that overlap the greater one wins.
        zone: of its times.
        start: local time.
        until: local time at which it recurs no more.
        seconds: how long one lasts.
        frequency: how it recurs; empty: it does not.
        interval: units from one to the next.
        by_day: weekdays, 0 is Monday.
        rule: further parts of its recurrence.
        week_start: 0 is Monday.
        groups: names of recipients who are on call together, in the order of their turns.
    """

    place: str
    name: str
    kind: str
    level: int
    zone: str
    start: datetime
    until: datetime | None
    seconds: int
    frequency: str
    interval: int
    by_day: tuple[int, ...]
    rule: str
    week_start: int
    groups: tuple[tuple[str, ...], ...]


def shift_of(source: Mapping[str, Any], place: str, *, zone: str, people: Mapping[str, str]) -> OnCallShift:
    """A shift of the file.

    Args:
        source: as the API answers it.
        place: where it stands.
        zone: of the schedule.
        people: names of recipients by the ids of users.

    Raises:
        InvalidInput: it cannot be taken.
    """
    kind, frequency = text_of(source, "type", place), text_of(source, "frequency", place)
    if kind not in ("single_event", "recurrent_event", "rolling_users", "override"):
        raise wrong(f"{place}.type", f"{kind[:40]!r} is not known")
    if kind in ("single_event", "override"):
        frequency = ""
    elif frequency not in _UNITS:
        raise wrong(f"{place}.frequency", f"{frequency[:40]!r} is not hourly, daily, weekly or monthly")
    seconds = number_of(source, "duration", place)
    if not 60 <= seconds <= 366 * _DAY:
        raise wrong(f"{place}.duration", f"must be a minute to a year, not {seconds} seconds")
    return OnCallShift(
        place=place,
        name=one_line(text_of(source, "name", place), most=100),
        kind=kind,
        level=number_of(source, "level", place),
        zone=text_of(source, "time_zone", place) or zone,
        start=_local(text_of(source, "start", place), f"{place}.start"),
        until=_until(source, place),
        seconds=seconds,
        frequency=frequency,
        interval=min(max(1, number_of(source, "interval", place, default=1)), 1000),
        by_day=tuple(sorted(_weekday(day, f"{place}.by_day") for day in texts_of(source, "by_day", place))),
        rule=_rule_parts(source, place),
        week_start=_weekday(text_of(source, "week_start", place) or "SU", f"{place}.week_start"),
        groups=_groups(source, kind, place, people),
    )


def layers_of(shifts: Sequence[OnCallShift], *, zone: str, note: Note) -> list[dict[str, Any]]:
    """The layers of a rotation, the lower levels first."""
    levels: dict[int, list[OnCallShift]] = {}
    for shift in shifts:
        levels.setdefault(shift.level, []).append(shift)
    layers: list[dict[str, Any]] = []
    for level in sorted(levels):
        mine = levels[level]
        plain = _turns(mine[0], zone) if len(mine) == 1 else None
        if plain is not None:
            layers.append(plain)
            continue
        for shift in mine:
            if shift.frequency == "daily" and shift.by_day and len(shift.groups) > 1:
                note(f"{shift.place}.by_day", "turns change each day, also on days that by_day leaves out: compare the preview")
        names = ", ".join(dict.fromkeys(shift.name for shift in mine if shift.name))
        layers.append({"displayName": one_line(names, most=100), "shifts": [one for shift in mine for one in _events(shift)]})
    return layers


def _turns(shift: OnCallShift, zone: str) -> dict[str, Any] | None:
    """A layer of turns; None for a shift that is no such thing."""
    unit, length = _UNITS.get(shift.frequency, ("", 0))
    if not unit or shift.zone != zone or shift.rule or shift.interval > _LONGEST[unit] or shift.start.second:
        return None
    whole = shift.seconds == shift.interval * length
    layer: dict[str, Any] = {
        "displayName": shift.name,
        "participants": [{"recipients": list(group)} for group in shift.groups],
        "turnUnit": unit,
        "turnCount": shift.interval,
        "start": f"{shift.start:%Y-%m-%dT%H:%M}",
    }
    if shift.until is not None:
        if not whole:
            return None  # its last shift may begin before that time, and end after it
        layer["end"] = f"{shift.until:%Y-%m-%dT%H:%M}"
    if whole and not shift.by_day:
        return layer
    hours = _hours(shift)
    if hours is None:
        return None
    layer["hours"] = hours
    if shift.by_day:
        layer |= {"handOverTime": "00:00", "handOverWeekday": shift.week_start + 1} if unit == "WEEKS" else {}
    return layer


def _hours(shift: OnCallShift) -> list[dict[str, Any]] | None:
    """The hours of the week of a shift that recurs each week, or each day; None if it is not made of such."""
    if (
        shift.interval != 1
        or shift.seconds % 60
        or shift.frequency not in ("daily", "weekly")
        or (shift.frequency == "daily" and shift.by_day)
    ):
        return None
    begin = shift.start.hour * 60 + shift.start.minute
    days = shift.by_day or (tuple(range(7)) if shift.frequency == "daily" else (shift.start.weekday(),))
    minutes = shift.seconds // 60
    if minutes > 1440:
        if len(days) > 1 or minutes > 7 * 1440:
            return None
        days = tuple((min(days) + ahead) % 7 for ahead in range(-(-minutes // 1440)))
    if shift.by_day and len(shift.groups) > 1 and begin + minutes > 1440 and (shift.week_start - 1) % 7 in days:
        return None  # it goes on into the week of the next turn
    last = minutes % 1440 or 1440
    rows = [
        {"weekday": day + 1, "start": _clock(begin), "end": _clock(begin + (last if minutes <= 1440 or place == len(days) - 1 else 1440))}
        for place, day in enumerate(days)
    ]
    return rows if len(rows) <= 50 else None


def _events(shift: OnCallShift) -> list[dict[str, Any]]:
    """An event for each group of users, with the recurrence of its turns."""
    return [{"recipients": list(group), "event": _event(shift, number)} for number, group in enumerate(shift.groups)]


def _event(shift: OnCallShift, number: int) -> str:
    start = _shifted(shift, number)
    lines = [f"DTSTART;TZID={shift.zone}:{start:%Y%m%dT%H%M%S}", f"DURATION:PT{shift.seconds}S"]
    if shift.frequency:
        parts = [f"FREQ={shift.frequency.upper()}", f"INTERVAL={shift.interval * len(shift.groups)}"]
        if shift.by_day:
            parts.append("BYDAY=" + ",".join(WEEKDAYS[day] for day in shift.by_day))
        if shift.frequency == "weekly":
            parts.append(f"WKST={WEEKDAYS[shift.week_start]}")
        if shift.until is not None:
            parts.append(f"UNTIL={max(shift.until, start):%Y%m%dT%H%M%S}")
        lines.append("RRULE:" + ";".join(part for part in (*parts, shift.rule) if part))
    return "\n".join(("BEGIN:VEVENT", *lines, "END:VEVENT"))


def _shifted(shift: OnCallShift, number: int) -> datetime:
    """When the turns of the group begin, on the first of the days that the shift has."""
    unit, length = _UNITS.get(shift.frequency, ("", 0))
    ahead = number * shift.interval
    start = shift.start + timedelta(seconds=ahead * length) if unit else _months_later(shift.start, ahead)
    if shift.by_day and shift.frequency in ("weekly", "daily"):
        while start.weekday() not in shift.by_day:
            start += timedelta(days=1)
    return start


def _months_later(start: datetime, months: int) -> datetime:
    month = start.month - 1 + months
    return start.replace(year=start.year + month // 12, month=month % 12 + 1, day=min(start.day, 28) if months else start.day)


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def _local(text: str, place: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        raise wrong(place, f"{text[:40]!r} is no local time such as 2020-09-10T08:00:00") from None
    if not 1970 <= found.year <= 2200:
        raise wrong(place, f"the year {found.year} is not taken")
    return found.replace(tzinfo=None, microsecond=0)


def _until(source: Mapping[str, Any], place: str) -> datetime | None:
    text = text_of(source, "until", place)
    return _local(text, f"{place}.until") if text else None


def _weekday(text: str, place: str) -> int:
    if text not in WEEKDAYS:
        raise wrong(place, f"{text[:20]!r} is not one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(text)


def _rule_parts(source: Mapping[str, Any], place: str) -> str:
    parts: list[str] = []
    for key, name, low, high in (("by_month", "BYMONTH", 1, 12), ("by_monthday", "BYMONTHDAY", -31, 31)):
        found = items(source.get(key), f"{place}.{key}")
        for number in found:
            if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high or not number:
                raise wrong(f"{place}.{key}", f"holds {str(number)[:20]!r}")
        if found:
            parts.append(f"{name}={','.join(map(str, found))}")
    return ";".join(parts)


def _groups(source: Mapping[str, Any], kind: str, place: str, people: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Who is on call, with the group first that begins."""
    if kind in ("rolling_users", "override") and source.get("rolling_users"):
        rows = items(source["rolling_users"], f"{place}.rolling_users")
        groups = [texts_of({"users": row}, "users", f"{place}.rolling_users[{at}]") for at, row in enumerate(rows[: _MOST_GROUPS + 1])]
        begin = number_of(source, "start_rotation_from_user_index", place)
        groups = [*groups[begin:], *groups[:begin]] if 0 < begin < len(groups) else groups
    else:
        groups = [texts_of(source, "users", place)]
    groups = [group for group in groups if group]
    if not groups:
        raise wrong(place, "has no users")
    if len(groups) > _MOST_GROUPS or any(len(group) > _MOST_TOGETHER for group in groups):
        raise wrong(place, f"has more than {_MOST_GROUPS} turns, or more than {_MOST_TOGETHER} users in one")
    unknown = next((user for group in groups for user in group if user not in people), None)
    if unknown is not None:
        raise wrong(place, f"names the user {unknown[:40]!r}, who is not among the users of the file")
    return tuple(tuple(dict.fromkeys(people[user] for user in group)) for group in groups)
