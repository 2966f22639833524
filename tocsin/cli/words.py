"""What people write for times, durations and inputs, as the contract wants it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast
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


def instant(text: str, *, now: datetime, zone: str | None, option: str) -> datetime:
    """``in 5s``, ``2026-12-01T09:00:00Z``, or a local time together with a zone; always in UTC."""
    if text.strip().lower().startswith("in "):
        return now + duration(text.strip()[3:], option=option)
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        msg = f"{text!r} is neither a time such as 2026-12-01T09:00:00Z nor one such as 'in 5s'"
        raise typer.BadParameter(msg, param_hint=option) from None
    if found.tzinfo is None:
        if zone is None:
            msg = f"{text!r} has no offset: write {found.isoformat()}Z, {found.isoformat()}+02:00, or give --time-zone"
            raise typer.BadParameter(msg, param_hint=option)
        local = found.replace(tzinfo=zone_of(zone))
        if local.astimezone(UTC).astimezone(local.tzinfo).replace(tzinfo=None) != found:
            msg = f"{text!r} does not exist in {zone}: the clocks are put forward then"
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
