"""`tocsin alarm preview` at a server, `tocsin preview` without one."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tocsin.cli.alarms import CountOption, CronOption, ExcludeOption, RruleOption, When, ZoneOption, trigger_of
from tocsin.cli.output import write_json, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, instant, rfc3339, zone_of
from tocsin.clock import SECOND, SystemClock, from_micros
from tocsin.recurrence import CalendarUse, Trigger, describe, normalized, previewed, reduced, spec_of

_MOST_BYTES: Final = 1_048_576
_LONGEST_NAME: Final = 255


def preview(
    cron: CronOption = None,
    rrule: RruleOption = None,
    daily: Annotated[str | None, typer.Option("--daily", help="Every day at a time of day: 14:30 or 14:30:00.")] = None,
    every: Annotated[str | None, typer.Option("--every", help="At an interval: 30s, 5m, 1h30m.")] = None,
    count: CountOption = None,
    time_zone: ZoneOption = None,
    exclude: ExcludeOption = None,
    gap: Annotated[str | None, typer.Option("--gap", help="DST policy for local times that do not exist: SHIFT, OFFSET or SKIP.")] = None,
    overlap: Annotated[str | None, typer.Option("--overlap", help="DST policy for local times that exist twice: FIRST or BOTH.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="Start of the preview. Default: now.")] = None,
    number: Annotated[int, typer.Option("--number", min=1, max=1000, help="Number of due times.")] = 10,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Preview the next due times of a rule, with the effect of DST changes. Stores nothing."""
    clock = SystemClock()
    when = When(
        at=None, daily=daily, every=every, cron=cron, rrule=rrule, once=False, count=count, time_zone=time_zone, exclude=exclude or ()
    )
    trigger = trigger_of(when, clock=clock)
    dst = {name: value.upper() for name, value in (("gap", gap), ("overlap", overlap)) if value is not None}
    body: dict[str, Any] = {"trigger": {**trigger, **({"dst": dst} if dst else {})}, "count": number}
    if since is not None:
        body["from"] = rfc3339(instant(since, now=clock.now(), zone=time_zone, option="--from"))
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.call("POST", "/v1/alarms:preview", body=body)
    if as_json:
        write_json(answer)
        return
    rows = [(item.get("time", "-"), item["localTime"], item["label"].lower()) for item in answer.get("occurrences", [])]
    write_table(("time", "local time", "label"), rows, empty="The rule has no due times.")


def preview_offline(
    rule: Annotated[str, typer.Argument(help="Cron lines, iCalendar, systemd OnCalendar; or a file of it, or - for stdin.")],
    time_zone: Annotated[str, typer.Option("--time-zone", help="IANA time zone of local times, where the rule names none.")] = "UTC",
    since: Annotated[str | None, typer.Option("--from", help="Start of the preview. Default: now.")] = None,
    number: Annotated[int, typer.Option("--number", min=1, max=1000, help="Number of due times.")] = 10,
    exclude: ExcludeOption = None,
    exclude_file: Annotated[Path | None, typer.Option("--exclude-ics", help="An .ics file within whose events nothing is due.")] = None,
    offset: Annotated[str | None, typer.Option("--before", help="So much earlier than the rule says: 10m.")] = None,
    seed: Annotated[str, typer.Option("--seed", help="Id of the alarm that the hash H is drawn from.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Preview the next due times of a rule on this machine: no server is asked."""
    zone_of(time_zone)
    now = SystemClock().now()
    begin = now if since is None else instant(since, now=now, zone=time_zone, option="--from")
    trigger = Trigger(
        spec=spec_of(_rule_text(rule)),
        time_zone="",
        calendars=() if exclude_file is None else (CalendarUse(id="file", says=reduced(_rule_text(str(exclude_file)))),),
        offset=0 if offset is None else -round(duration(offset, option="--before").total_seconds() * SECOND),
    )
    shown = previewed(trigger, since=begin, number=number, time_zone=time_zone, seed=seed, exclude=exclude or ())
    told = [("-" if one.due is None else rfc3339(from_micros(one.due)), one.local, one.label.name) for one in shown]
    if as_json:
        given = normalized(trigger, time_zone=time_zone)
        occurrences = [{"localTime": local, "label": label, **({} if due == "-" else {"time": due})} for due, local, label in told]
        write_json({"description": describe(given), "timeZone": given.time_zone, "occurrences": occurrences})
        return
    write_table(
        ("time", "local time", "label"), [(due, local, label.lower()) for due, local, label in told], empty="The rule has no due times."
    )


def _rule_text(rule: str) -> str:
    """The rule itself, or the text of the file that it names."""
    try:
        if rule == "-":
            return sys.stdin.buffer.read(_MOST_BYTES).decode("utf-8")
        file = Path(rule)
        if len(rule) <= _LONGEST_NAME and "\n" not in rule and file.is_file():
            with file.open("rb") as opened:
                return opened.read(_MOST_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter("is not UTF-8", param_hint="RULE") from None
    return rule.replace("\\n", "\n")
