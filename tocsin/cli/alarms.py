"""`tocsin alarm add`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from tocsin.channels import CHANNELS, normal_address
from tocsin.cli.output import warn, write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import (
    duration,
    in_words,
    instant,
    json_object,
    local_time,
    proto_duration,
    rfc3339,
    time_of_day,
    variables_of,
    zone_of,
)
from tocsin.clock import Clock, SystemClock
from tocsin.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The options that make the trigger."""

    at: str | None
    daily: str | None
    every: str | None
    once: bool
    count: int | None
    time_zone: str | None
    cron: str | None = None
    rrule: str | None = None
    on_calendar: str | None = None
    before: str | None = None
    exclude_calendars: Sequence[str] = ()
    include_calendars: Sequence[str] = ()
    exclude: Sequence[str] = ()
    jitter: str | None = None


CronOption = Annotated[str | None, typer.Option("--cron", help="Cron expression: '0 9 * * MON-FRI', '@hourly'.")]
RruleOption = Annotated[
    str | None, typer.Option("--rrule", help="Recurrence rule (RFC 5545): 'FREQ=DAILY;BYHOUR=9', or lines joined by \\n.")
]
OnCalendarOption = Annotated[
    str | None, typer.Option("--on-calendar", help="Calendar expression of systemd: 'Mon..Fri *-*-* 09:00 Europe/Berlin'.")
]
BeforeOption = Annotated[str | None, typer.Option("--before", help="So much earlier than the rule says: 10m.")]
ExcludeCalendarOption = Annotated[
    list[str] | None, typer.Option("--exclude-calendar", help="Calendar within which nothing is due; repeatable.")
]
IncludeCalendarOption = Annotated[
    list[str] | None, typer.Option("--include-calendar", help="Calendar outside of which nothing is due; repeatable.")
]
CountOption = Annotated[int | None, typer.Option("--count", min=1, help="Number of firings, for a rule that repeats.")]
ZoneOption = Annotated[str | None, typer.Option("--time-zone", help="IANA time zone of local times. Default: the tenant's.")]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option("--exclude", help="Exclude a date (2026-12-25), a local time (2026-12-25T09:00:00) or an instant (with Z); repeatable."),
]


RecipientOption = Annotated[
    list[str] | None,
    typer.Option("--recipient", help="Who is told, recipients/{id} or groups/{id}, at the addresses they have; repeatable."),
]
CategoryOption = Annotated[str | None, typer.Option("--category", help="Category, by which people choose what they get.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class What:
    """The options that make the action."""

    to: Sequence[str]
    subject: str | None
    text: str | None
    template: str | None
    variables: Sequence[str]
    channels: Sequence[str]
    task: str | None
    input: str | None
    action: str | None = None
    recipients: Sequence[str] = ()
    category: str | None = None


def add(
    at: Annotated[
        str | None, typer.Option("--at", help="Once: 2026-12-01T09:00:00Z, 'in 5s', or 'tomorrow 9:00' with --time-zone.")
    ] = None,
    daily: Annotated[str | None, typer.Option("--daily", help="Every day at a time of day: 9:00, 14:30:00, 5:30pm.")] = None,
    every: Annotated[str | None, typer.Option("--every", help="At an interval: 30s, 5m, 1h30m.")] = None,
    cron: CronOption = None,
    rrule: RruleOption = None,
    on_calendar: OnCalendarOption = None,
    before: BeforeOption = None,
    exclude_calendar: ExcludeCalendarOption = None,
    include_calendar: IncludeCalendarOption = None,
    once: Annotated[bool, typer.Option("--once", help="With --daily: only once, at the next time.")] = False,
    count: CountOption = None,
    time_zone: ZoneOption = None,
    exclude: ExcludeOption = None,
    jitter: Annotated[str | None, typer.Option("--jitter", help="Delay each due time by a random part of this: 30s, 5m.")] = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="Address of the message; repeatable.")] = None,
    recipient: RecipientOption = None,
    category: CategoryOption = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Subject of the mail.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Text of the mail.")] = None,
    template: Annotated[str | None, typer.Option("--template", help="Code of a stored template; replaces --subject and --text.")] = None,
    variable: Annotated[list[str] | None, typer.Option("--var", help="Variable of the template, name=value; repeatable.")] = None,
    channel: Annotated[list[str] | None, typer.Option("--channel", help=f"Channel: {', '.join(CHANNELS)}; repeatable.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Handler to run; replaces the mail.")] = None,
    task_input: Annotated[str | None, typer.Option("--input", help="Input of the handler, as a JSON object.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Action of any kind, as a JSON object.")] = None,
    name: Annotated[str, typer.Option("--name", help="Display name.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an alarm: one of --at, --daily, --every, --cron, --rrule, --on-calendar; one of --to, --recipient, --task, --action."""
    when = When(
        at=at,
        daily=daily,
        every=every,
        cron=cron,
        rrule=rrule,
        on_calendar=on_calendar,
        before=before,
        exclude_calendars=exclude_calendar or (),
        include_calendars=include_calendar or (),
        once=once,
        count=count,
        time_zone=time_zone,
        exclude=exclude or (),
        jitter=jitter,
    )
    what = What(
        to=to or [],
        subject=subject,
        text=text,
        template=template,
        variables=variable or [],
        channels=channel or [],
        task=task,
        input=task_input,
        action=action,
        recipients=recipient or [],
        category=category,
    )
    alarm = {"displayName": name, "trigger": trigger_of(when, clock=SystemClock()), "action": action_of(what)}
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.create_alarm(alarm)
    for warning in made.get("warnings", ()):
        warn(warning.get("field", ""), warning.get("reason", ""))
    if as_json:
        write_json(made)
    else:
        write_line(f"{made['name']} created; next due time: {made.get('nextFireTime', 'none')}")


def trigger_of(when: When, *, clock: Clock) -> dict[str, Any]:
    """The trigger of the options.

    Raises:
        typer.BadParameter: not exactly one rule is given, or one is malformed.
    """
    flags = {"--at": when.at, "--daily": when.daily, "--every": when.every, "--cron": when.cron, "--rrule": when.rrule}
    flags["--on-calendar"] = when.on_calendar
    rules = [flag for flag, value in flags.items() if value is not None]
    if len(rules) != 1:
        given = "" if not rules else f", not {' and '.join(rules)}"
        msg = f"give exactly one of --at, --daily, --every, --cron, --rrule and --on-calendar{given}"
        raise typer.BadParameter(msg)
    if when.once and when.daily is None:
        msg = "--once requires --daily"
        raise typer.BadParameter(msg)
    if when.time_zone is not None:
        zone_of(when.time_zone)
    shared = _shared_of(when)
    if when.at is not None:
        said = in_words(when.at, now=clock.now(), zone=when.time_zone, option="--at")
        if when.time_zone is not None and (local := local_time(said)) is not None:
            return {"atLocal": local, **shared}
        return {"at": rfc3339(instant(said, now=clock.now(), zone=when.time_zone, option="--at")), **shared}
    if when.every is not None:
        return {"every": proto_duration(duration(when.every, option="--every")), **shared}
    if when.on_calendar is not None:
        return {"onCalendar": when.on_calendar, **shared}
    if when.cron is not None:
        return {"cron": when.cron, **shared}
    if when.rrule is not None:
        return {"rrule": when.rrule.replace("\\n", "\n"), **shared}
    return {"daily": {"time": time_of_day(when.daily or "", option="--daily"), "recurring": not when.once}, **shared}


def _shared_of(when: When) -> dict[str, Any]:
    """What every rule takes."""
    shared: dict[str, Any] = {"timeZone": when.time_zone} if when.time_zone else {}
    if when.count is not None:
        shared["count"] = when.count
    if when.exclude:
        shared["excludeDates"] = list(when.exclude)
    for field, calendars in (("excludeCalendars", when.exclude_calendars), ("includeCalendars", when.include_calendars)):
        if calendars:
            shared[field] = [name if "/" in name else f"calendars/{name}" for name in calendars]
    if when.before is not None:
        shared["offset"] = f"-{proto_duration(duration(when.before, option='--before'))}"
    if when.jitter is not None:
        shared["jitter"] = proto_duration(duration(when.jitter, option="--jitter"))
    return shared


def action_of(what: What) -> dict[str, Any]:
    """The action of the options.

    Raises:
        typer.BadParameter: options of several kinds of action are given, or of none.
    """
    mail = [what.to, what.subject, what.text, what.template, what.variables, what.channels, what.recipients, what.category]
    if what.action is not None:
        if any(mail) or what.task is not None or what.input is not None:
            msg = "--action cannot be combined with --task, --input or the options of a mail"
            raise typer.BadParameter(msg)
        return json_object(what.action, option="--action")
    if what.task is not None:
        if any(mail):
            msg = "--task cannot be combined with the options of a mail"
            raise typer.BadParameter(msg)
        return {"task": {"handler": what.task, "input": json_object(what.input or "{}", option="--input")}}
    if what.input is not None:
        msg = "--input requires --task"
        raise typer.BadParameter(msg)
    if not (what.to or what.recipients):
        msg = "give --to or --recipient with --subject and --text, or --task, or --action"
        raise typer.BadParameter(msg)
    return {"notify": message_of(what)}


def message_of(what: What) -> dict[str, Any]:
    """What the options of a message say, as a notify action or a notification has it.

    Raises:
        typer.BadParameter: an address cannot be used.
    """
    try:
        for address in what.to:
            normal_address(address, what.channels, field=address)
    except InvalidInput as error:
        raise typer.BadParameter(error.message, param_hint="--to") from None
    notify = {
        "to": list(what.to),
        "subject": what.subject,
        "text": what.text,
        "template": f"templates/{what.template.removeprefix('templates/')}" if what.template else None,
        "variables": variables_of(what.variables),
        "channels": list(what.channels),
        "recipients": [_person(name) for name in what.recipients],
        "category": f"categories/{what.category.removeprefix('categories/')}" if what.category else None,
    }
    return {name: value for name, value in notify.items() if value}


def _person(name: str) -> str:
    return name if "/" in name else f"recipients/{name}"
