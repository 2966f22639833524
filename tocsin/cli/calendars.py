"""`tocsin calendar`."""

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, proto_duration, time_of_day, zone_of
from tocsin.client import Client
from tocsin.errors import AlreadyExists
from tocsin.resource_names import resource_path

_MOST_BYTES: Final = 1_048_576
_SAID: Final = ("displayName", "timeZone", "dates", "windows", "ics")

CalendarArgument = Annotated[str, typer.Argument(help="Name or id of the calendar.")]


def make_calendar() -> typer.Typer:
    """The commands of `tocsin calendar`."""
    group = typer.Typer(no_args_is_help=True, help="Calendars that triggers share: holidays, business days.", epilog=EXIT_CODES)
    for name, command in (
        ("put", put_calendar),
        ("list", list_calendars),
        ("show", show_calendar),
        ("delete", delete_calendar),
        ("export", export_calendars),
        ("import", import_calendars),
    ):
        group.command(name, epilog=EXIT_CODES)(command)
    return group


def put_calendar(
    calendar: CalendarArgument,
    file: Annotated[Path | None, typer.Option("--file", help="An .ics file, or - for stdin.")] = None,
    date: Annotated[
        list[str] | None,
        typer.Option("--date", help="A date 2026-12-25, a range 2026-12-24/2026-12-26, a local time or an instant; repeatable."),
    ] = None,
    cron: Annotated[list[str] | None, typer.Option("--cron", help="Windows that begin by a cron expression; repeatable.")] = None,
    rrule: Annotated[list[str] | None, typer.Option("--rrule", help="Windows that begin by a recurrence; repeatable.")] = None,
    on_calendar: Annotated[
        list[str] | None, typer.Option("--on-calendar", help="Windows that begin by a calendar expression of systemd; repeatable.")
    ] = None,
    end: Annotated[str | None, typer.Option("--end", help="Local time at which these windows end: 17:00.")] = None,
    length: Annotated[str | None, typer.Option("--duration", help="How long these windows last: 2h.")] = None,
    time_zone: Annotated[str | None, typer.Option("--time-zone", help="IANA time zone of its local times.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Display name.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a calendar, or change one to what is given."""
    if time_zone is not None:
        zone_of(time_zone)
    window: dict[str, Any] = {}
    if end is not None:
        window["end"] = time_of_day(end, option="--end")
    if length is not None:
        window["duration"] = proto_duration(duration(length, option="--duration"))
    begins = [{"cron": text} for text in cron or ()] + [{"rrule": text} for text in rrule or ()]
    begins += [{"onCalendar": text} for text in on_calendar or ()]
    said = {
        "displayName": name,
        "timeZone": time_zone,
        "dates": date,
        "windows": [{**begin, **window} for begin in begins] or None,
        "ics": None if file is None else _text(file),
    }
    body = {key: value for key, value in said.items() if value is not None}
    with connect(state=state, url=url, api_key=api_key) as client:
        done, words = _put(client, {"name": _full(calendar), **body})
    if as_json:
        write_json(done)
    else:
        write_line(f"{done['name']} {words}: {len(done.get('dates', ()))} dates, {len(done.get('windows', ()))} windows")


def list_calendars(
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of them.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List calendars."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages("/v1/calendars", "calendars", {}), limit))
    if as_json:
        write_json({"calendars": found})
        return
    rows = [
        (one["name"], one.get("displayName", ""), one.get("timeZone", ""), str(len(one.get("dates", ()))), str(len(one.get("windows", ()))))
        for one in found
    ]
    write_table(("calendar", "name", "zone", "dates", "windows"), rows, empty="No calendars.")


def show_calendar(calendar: CalendarArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Show a calendar, as JSON."""
    with connect(state=state, url=url, api_key=api_key) as client:
        write_json(client.call("GET", _path(calendar)))


def delete_calendar(calendar: CalendarArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Delete a calendar that no alarm uses."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", _path(calendar))
    write_line(f"{_full(calendar)} deleted")


def export_calendars(
    file: Annotated[Path, typer.Argument(help="File of NDJSON; - for stdout.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Write all calendars, a line of JSON each."""
    with connect(state=state, url=url, api_key=api_key) as client:
        lines = [
            json.dumps({key: one[key] for key in ("name", *_SAID) if key in one}, ensure_ascii=False)
            for one in client.pages("/v1/calendars", "calendars", {})
        ]
    text = "".join(line + "\n" for line in lines)
    if str(file) == "-":
        sys.stdout.write(text)
    else:
        file.write_text(text, encoding="utf-8")


def import_calendars(
    file: Annotated[Path, typer.Argument(help="File that an export wrote; - for stdin.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Create or replace the calendars of a file; what the file does not name stays."""
    with connect(state=state, url=url, api_key=api_key) as client:
        for number, line in enumerate(_text(file, most=None).splitlines(), 1):
            if not line.strip():
                continue
            try:
                given: Any = json.loads(line)
            except ValueError as error:
                raise typer.BadParameter(f"line {number} is not JSON: {error}", param_hint="FILE") from None
            if not isinstance(given, dict) or not isinstance(given.get("name"), str):  # pyright: ignore[reportUnknownMemberType]
                raise typer.BadParameter(f"line {number} is no calendar with a name", param_hint="FILE")
            done, words = _put(client, {"displayName": "", "timeZone": "", "dates": [], "windows": [], **given})
            write_line(f"{done['name']} {words}")


def _put(client: Client, calendar: dict[str, Any]) -> tuple[dict[str, Any], str]:
    try:
        return client.call("POST", "/v1/calendars", body=calendar), "created"
    except AlreadyExists:
        mask = ",".join(key for key in _SAID if key in calendar)
        return client.call("PATCH", _path(calendar["name"]), body=calendar, params={"updateMask": mask}), "changed"


def _text(file: Path, *, most: int | None = _MOST_BYTES) -> str:
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    if most is not None and len(data) > most:
        raise typer.BadParameter(f"has {len(data)} bytes; {most} is the most", param_hint="--file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter("is not UTF-8", param_hint="--file") from None


def _full(calendar: str) -> str:
    return calendar if "/" in calendar else f"calendars/{calendar}"


def _path(calendar: str) -> str:
    return resource_path(_full(calendar), "calendars")
