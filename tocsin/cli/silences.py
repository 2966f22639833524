"""`tocsin silence`: incidents that nobody is told about for a time, once or in windows of maintenance."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

import typer

from tocsin.cli.incidents import named
from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, instant, proto_duration, rfc3339
from tocsin.clock import SystemClock

_Cron = Annotated[str | None, typer.Option("--cron", help="Windows that begin at the times of a cron expression; each lasts --for.")]
_Rrule = Annotated[str | None, typer.Option("--rrule", help="Likewise by an iCalendar recurrence.")]
_Zone = Annotated[str, typer.Option("--time-zone", help="IANA zone of the windows; the tenant's unless given.")]
_BY: Final = "give --cron or --rrule, not both"


def add(
    match: Annotated[list[str], typer.Option("--match", help="name=value or name!=value; a * stands for any characters; repeatable.")],
    length: Annotated[str, typer.Option("--for", help="For how long: 90s, 30m, 2h, 7d.")],
    comment: Annotated[str, typer.Option("--comment", help="Why.")],
    start: Annotated[str | None, typer.Option("--from", help="When it begins: 2026-12-01T09:00:00Z, or 'in 1h'; now unless given.")] = None,
    cron: _Cron = None,
    rrule: _Rrule = None,
    time_zone: _Zone = "",
    until: Annotated[str | None, typer.Option("--until", help="No window goes on beyond this time.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell nobody about some incidents for a time, or in windows of maintenance."""
    now = SystemClock().now()
    begin = now if start is None else instant(start, now=now, zone=None, option="--from")
    body: dict[str, Any] = {"matchers": [matcher(text, option="--match") for text in match], "comment": comment}
    if start is not None:
        body["startTime"] = rfc3339(begin)
    if cron or rrule:
        body["recurrence"] = _windows(cron, rrule, length, time_zone)
        if until is not None:
            body["endTime"] = rfc3339(instant(until, now=now, zone=None, option="--until"))
    else:
        body["endTime"] = rfc3339(instant(f"in {length}", now=begin, zone=None, option="--for"))
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("POST", "/v1/silences", body=body)
    write_json(made) if as_json else write_line(f"{made['name']} is {made.get('state', '')}{_times(made)}")


def show_all(
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List silences, newest first."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(client.pages("/v1/silences", "silences", {}))
    if as_json:
        write_json({"silences": found})
        return
    rows = [
        (
            *(item["name"].rpartition("/")[2], item.get("state", ""), _times(item).strip()),
            *(matchers(item.get("matchers", ())), item.get("comment", "")),
        )
        for item in found
    ]
    write_table(("silence", "state", "when", "about", "why"), rows, empty="No silences.")


def preview(
    silence: Annotated[str | None, typer.Argument(help="Name of the silence, or its id; none with --cron or --rrule.")] = None,
    cron: _Cron = None,
    rrule: _Rrule = None,
    length: Annotated[str, typer.Option("--for", help="How long each window lasts.")] = "1h",
    time_zone: _Zone = "",
    count: Annotated[int, typer.Option("--count", min=1, max=100, help="How many windows.")] = 10,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the next windows of a silence, or of one that could be made."""
    if bool(silence) == bool(cron or rrule):
        msg = "give a silence, or --cron or --rrule"
        raise typer.BadParameter(msg)
    body: dict[str, Any] = {"count": count}
    if silence:
        body["name"] = named("silences", silence)
    else:
        body["silence"] = {"recurrence": _windows(cron, rrule, length, time_zone)}
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", "/v1/silences:preview", body=body)
    if as_json:
        write_json(found)
        return
    rows = [(window["startTime"], window["endTime"]) for window in found.get("windows", ())]
    write_table(("from", "until"), rows, empty="No more windows.")


def expire(
    silence: Annotated[str, typer.Argument(help="Name of the silence, or its id.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a silence now; what it held back goes on."""
    with connect(state=state, url=url, api_key=api_key) as client:
        ended = client.call("POST", f"/v1/{named('silences', silence)}:expire", body={})
    write_json(ended) if as_json else write_line(f"{ended['name']} is {ended.get('state', '')}")


def make_silence() -> typer.Typer:
    """The commands of `tocsin silence`."""
    app = typer.Typer(no_args_is_help=True, help="Tell nobody about some incidents for a time.", epilog=EXIT_CODES)
    for word, command in {"add": add, "list": show_all, "preview": preview, "expire": expire}.items():
        app.command(word, epilog=EXIT_CODES)(command)
    return app


def matcher(text: str, *, option: str) -> dict[str, Any]:
    """What ``name=value`` or ``name!=value`` says."""
    name, equals, value = text.partition("=")
    if not (name.removesuffix("!") and equals):
        msg = f"{text!r} is neither name=value nor name!=value"
        raise typer.BadParameter(msg, param_hint=option)
    return {"label": name.removesuffix("!"), "value": value, "negate": name.endswith("!")}


def matchers(found: Iterable[dict[str, Any]]) -> str:
    """Matchers as they are written."""
    return ", ".join(f"{each['label']}{'!=' if each.get('negate') else '='}{each.get('value', '')}" for each in found)


def _windows(cron: str | None, rrule: str | None, length: str, time_zone: str) -> dict[str, Any]:
    if cron and rrule:
        raise typer.BadParameter(_BY, param_hint="--rrule")
    begin = {"cron": cron} if cron else {"rrule": rrule}
    return {**begin, "duration": proto_duration(duration(length, option="--for")), "timeZone": time_zone}


def _times(silence: dict[str, Any]) -> str:
    if silence.get("windowEndTime"):
        return f" until {silence['windowEndTime']}"
    if silence.get("nextWindowTime"):
        return f" again from {silence['nextWindowTime']} on"
    return f" until {silence['endTime']}" if silence.get("endTime") else ""
