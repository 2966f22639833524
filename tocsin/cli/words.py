"""What people write for times, durations and inputs, as the contract wants it."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import typer

from tocsin import zones
from tocsin.durations import seconds_of


def duration(text: str, *, option: str) -> timedelta:
    """``90``, ``5m``, ``1h30m``, ``2 d``: seconds unless a unit stands there."""
    seconds = seconds_of(text)
    if seconds is None or seconds < 0:
        msg = f"{text!r} is not a duration such as 30s, 5m, 1h30m or 2d"
        raise typer.BadParameter(msg, param_hint=option)
    try:
        return timedelta(seconds=float(seconds))
    except OverflowError:
        msg = f"{text!r} is too long"
        raise typer.BadParameter(msg, param_hint=option) from None


_CLOCK: Final = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?(?::([0-9]{2}))?\s*(am|pm)?")
_NAMED_TIMES: Final = {"noon": "12:00", "midnight": "00:00"}
_DAYS: Final = {"today": 0, "tomorrow": 1}
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def time_of_day(text: str, *, option: str) -> str:
    """``9:00``, ``09:00:30``, ``9 am``, ``5:30pm``, ``noon`` or ``midnight`` as the contract wants it: ``09:00``, or with seconds."""
    words = text.strip().lower()
    found = _CLOCK.fullmatch(_NAMED_TIMES.get(words, words))
    if found is not None and (found[2] or found[4]):
        hour, minute, second = (int(part or 0) for part in found.groups()[:3])
        if found[4]:
            hour = hour % 12 + (12 if found[4] == "pm" else 0) if 1 <= hour <= 12 else 24
        if hour < 24 and minute < 60 and second < 60:
            return f"{hour:02}:{minute:02}" + (f":{second:02}" if found[3] else "")
    msg = f"{text!r} is not a time of day such as 9:00, 09:00:30 or 5:30pm"
    raise typer.BadParameter(msg, param_hint=option)


def in_words(text: str, *, now: datetime, zone: str | None, option: str) -> str:
    """``today 17:30``, ``tomorrow 9:00``, ``friday at 9am`` as a local time in ISO 8601; another text as it is."""
    day, _, clock = text.strip().lower().partition(" ")
    if day not in _DAYS and day not in _WEEKDAYS:
        return text
    if zone is None:
        msg = f"{text!r} is a local time; give --time-zone, such as Europe/Paris"
        raise typer.BadParameter(msg, param_hint=option)
    today = now.astimezone(zone_of(zone)).date()
    ahead = _DAYS[day] if day in _DAYS else (_WEEKDAYS.index(day) - today.weekday() - 1) % 7 + 1
    return f"{today + timedelta(days=ahead)}T{time_of_day(clock.strip().removeprefix('at '), option=option)}"


def instant(text: str, *, now: datetime, zone: str | None, option: str) -> datetime:
    """``in 5s``, ``2026-12-01T09:00:00Z``, or a local time together with a zone, ``tomorrow 9:00`` as well; always in UTC."""
    if text.strip().lower().startswith("in "):
        return now + duration(text.strip()[3:], option=option)
    try:
        found = datetime.fromisoformat(in_words(text, now=now, zone=zone, option=option).strip())
    except ValueError:
        msg = f"{text!r} is not a time such as 2026-12-01T09:00:00Z, 'in 5s' or 'tomorrow 9:00'"
        raise typer.BadParameter(msg, param_hint=option) from None
    if found.tzinfo is None:
        if zone is None:
            msg = f"{text!r} has no UTC offset; write {found.isoformat()}Z or {found.isoformat()}+02:00, or give --time-zone"
            raise typer.BadParameter(msg, param_hint=option)
        local = found.replace(tzinfo=zone_of(zone))
        if local.astimezone(UTC).astimezone(local.tzinfo).replace(tzinfo=None) != found:
            msg = f"{text!r} does not exist in {zone}: clocks go forward at that time"
            raise typer.BadParameter(msg, param_hint=option)
        found = local
    return found.astimezone(UTC)


def local_time(text: str) -> str | None:
    """A time without an offset, in whole seconds, as the contract wants it; None for any other."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found.isoformat() if found.tzinfo is None and not found.microsecond else None


def zone_of(name: str) -> ZoneInfo:
    """The IANA time zone ``name``."""
    try:
        return zones.zone(name)
    except zones.NoSuchZone as error:
        raise typer.BadParameter(str(error), param_hint="--time-zone") from None


def rfc3339(moment: datetime) -> str:
    """The contract's form of an instant."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def proto_duration(length: timedelta) -> str:
    """The contract's form of a duration, such as ``300s`` or ``1.5s``."""
    return f"{length.total_seconds():f}".rstrip("0").rstrip(".") + "s"


def json_object(text: str, *, option: str) -> dict[str, Any]:
    """A JSON object written on the command line."""
    try:
        value: Any = json.loads(text)
    except ValueError as error:
        msg = f"not valid JSON: {error}"
        raise typer.BadParameter(msg, param_hint=option) from None
    if not isinstance(value, dict):
        msg = 'must be a JSON object, such as {"text": "hello"}'
        raise typer.BadParameter(msg, param_hint=option)
    return cast("dict[str, Any]", value)


def variables_of(items: Iterable[str]) -> dict[str, str]:
    """The variables that ``--var name=value`` gives.

    Raises:
        typer.BadParameter: one has another form.
    """
    found: dict[str, str] = {}
    for item in items:
        name, sign, value = item.partition("=")
        if not sign or not name:
            msg = f"{item!r} is not name=value"
            raise typer.BadParameter(msg, param_hint="--var")
        found[name] = value
    return found
