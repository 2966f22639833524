"""`tocsin import oncall|healthchecks|crontab|ics|celery FILE`."""

import socket
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from typer.core import TyperGroup

from tocsin.cli.imports.applying import apply_plan, known_pings
from tocsin.cli.imports.calendar_files import read_calendar_alarms, read_shared_calendar
from tocsin.cli.imports.celery_beats import read_beats
from tocsin.cli.imports.crontabs import CrontabOptions, read_crontab
from tocsin.cli.imports.healthchecks import read_checks
from tocsin.cli.imports.oncall import read_oncall
from tocsin.cli.imports.plan import Audience, ImportPlan
from tocsin.cli.imports.reading import read_text
from tocsin.cli.imports.report import note_refusals, report_json, show_report
from tocsin.cli.output import EXIT_CODES, write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect, target_of, trusted
from tocsin.cli.words import duration, zone_of
from tocsin.clock import SystemClock
from tocsin.exit_codes import ExitCode

_SYSTEM_FILES: Final = (Path("/etc/crontab"), Path("/etc/cron.d"))
_OWN: Final = "file"
_NO_URL: Final = "http://tocsin.example:8000"

FileArgument = Annotated[str, typer.Argument(help="The file; - for stdin.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be made; ask no server.")]
PartialOption = Annotated[bool, typer.Option("--partial", help="Exit with 0 although something cannot be taken.")]
ToOption = Annotated[
    list[str] | None, typer.Option("--to", help="Who is told: an address, recipients/…, groups/… or rotations/…; repeatable.")
]
PolicyOption = Annotated[str | None, typer.Option("--policy", help="Id of the escalation policy that says who is told.")]
ImportZoneOption = Annotated[str, typer.Option("--time-zone", help="IANA time zone of times that name none.")]


def import_oncall(
    file: FileArgument,
    name: Annotated[str | None, typer.Option("--name", help="Id of the rotation of an .ics file. Default: the name of the file.")] = None,
    dry_run: DryRunOption = False,
    partial: PartialOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import users, schedules, escalation chains and integrations of Grafana OnCall, or the .ics of a schedule."""
    plan = read_oncall(read_text(file), name=name or Path(file).stem, now=SystemClock().micros())
    _carry_out(plan, dry_run=dry_run, partial=partial, state=state, url=url, api_key=api_key, as_json=as_json)


def import_healthchecks(
    file: FileArgument,
    to: ToOption = None,
    policy: PolicyOption = None,
    dry_run: DryRunOption = False,
    partial: PartialOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import checks of healthchecks.io: the answer of GET /api/v3/checks/. Their ping URLs keep their paths."""
    plan = read_checks(read_text(file), _audience(to, policy), now=SystemClock().micros())
    _carry_out(plan, dry_run=dry_run, partial=partial, state=state, url=url, api_key=api_key, as_json=as_json)


def import_crontab(
    file: FileArgument,
    host: Annotated[str | None, typer.Option("--host", help="Machine whose crontab it is. Default: this one.")] = None,
    system: Annotated[
        bool | None, typer.Option("--system/--user", help="Whether lines name a user. Default: for /etc/crontab and /etc/cron.d.")
    ] = None,
    time_zone: ImportZoneOption = "UTC",
    grace: Annotated[str, typer.Option("--grace", help="How late a job may end before somebody is told.")] = "30m",
    action: Annotated[
        str, typer.Option("--action", help="heartbeat watches the jobs; task or webhook runs something here instead.")
    ] = "heartbeat",
    handler: Annotated[str, typer.Option("--handler", help="Handler that --action task runs, with the command as its input.")] = "",
    webhook_url: Annotated[str, typer.Option("--webhook-url", help="URL that --action webhook calls.")] = "",
    to: ToOption = None,
    policy: PolicyOption = None,
    output: Annotated[Path | None, typer.Option("--output", help="File for the crontab with pings. Default: stdout.")] = None,
    dry_run: DryRunOption = False,
    partial: PartialOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a crontab: a heartbeat for each job, and the crontab with a ping behind each command."""
    zone_of(time_zone)
    _check_action(action, handler=handler, webhook_url=webhook_url)
    machine = host or socket.gethostname()
    address, pings = (url or _NO_URL, {}) if dry_run else _pings_there(machine, state=state, url=url, api_key=api_key)
    options = CrontabOptions(
        host=machine,
        system=_is_system(file) if system is None else system,
        time_zone=time_zone,
        grace=round(duration(grace, option="--grace").total_seconds()),
        url=address.rstrip("/"),
        audience=_audience(to, policy, needed=False),
        pings=pings,
        new_ping=(lambda: "{ping}") if dry_run else (lambda: str(uuid.uuid4())),
        task=handler,
        webhook=webhook_url,
    )
    plan = read_crontab(read_text(file), options, now=SystemClock().micros())
    lines = plan.crontab if action == "heartbeat" else []
    plan.crontab = lines if as_json and output is None else []
    _carry_out(plan, dry_run=dry_run, partial=True, state=state, url=url, api_key=api_key, as_json=as_json)
    _hand_out(lines, None if dry_run else output, told=not as_json)
    _end(plan, partial=partial)


def _check_action(action: str, *, handler: str, webhook_url: str) -> None:
    if action not in ("heartbeat", "task", "webhook") or (action == "task") != bool(handler) or (action == "webhook") != bool(webhook_url):
        msg = "must be heartbeat, task with --handler, or webhook with --webhook-url"
        raise typer.BadParameter(msg, param_hint="--action")


def _pings_there(machine: str, *, state: Path, url: str | None, api_key: str | None) -> tuple[str, dict[str, str]]:
    """The gateway's URL, and the pings that jobs of the machine have already."""
    address, _ = target_of(state=state, url=url, api_key=api_key)
    with connect(state=state, url=url, api_key=api_key) as client:
        return address, known_pings(client, machine)


def _hand_out(crontab: list[str], output: Path | None, *, told: bool) -> None:
    """Writes a crontab into a file, or shows it where the rest is told."""
    text = "".join(line + "\n" for line in crontab)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    elif text and told:
        write_line("\nThe crontab with pings, to take over by hand:")
        sys.stdout.write(text)


def import_ics(
    file: FileArgument,
    calendar: Annotated[str | None, typer.Option("--calendar", help="Make a shared calendar with this id instead of alarms.")] = None,
    time_zone: ImportZoneOption = "UTC",
    to: ToOption = None,
    policy: PolicyOption = None,
    dry_run: DryRunOption = False,
    partial: PartialOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import events of an .ics file: an alarm at each reminder, or at the beginning of an event without one."""
    zone_of(time_zone)
    text = read_text(file)
    if calendar is not None:
        plan = read_shared_calendar(text, calendar, time_zone=time_zone)
    else:
        plan = read_calendar_alarms(text, _audience(to, policy), time_zone=time_zone, now=SystemClock().micros())
    _carry_out(plan, dry_run=dry_run, partial=partial, state=state, url=url, api_key=api_key, as_json=as_json)


def import_celery(
    file: FileArgument,
    publish: Annotated[
        str,
        typer.Option("--publish", help="Publish messages there instead of running handlers: broker:queue, broker:stream or broker:topic."),
    ] = "",
    time_zone: ImportZoneOption = "UTC",
    dry_run: DryRunOption = False,
    partial: PartialOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a beat schedule of Celery: its JSON, or a dump of django-celery-beat."""
    zone_of(time_zone)
    if publish and not all(publish.partition(":")):
        msg = f"{publish!r} is not broker:queue"
        raise typer.BadParameter(msg, param_hint="--publish")
    plan = read_beats(read_text(file), action=publish or "task", time_zone=time_zone, now=SystemClock().micros())
    _carry_out(plan, dry_run=dry_run, partial=partial, state=state, url=url, api_key=api_key, as_json=as_json)


def _audience(to: list[str] | None, policy: str | None, *, needed: bool = True) -> Audience:
    if to and policy:
        msg = "give --to or --policy, not both"
        raise typer.BadParameter(msg)
    found = Audience.of(to or (), policy)
    if needed and not found:
        msg = "say who is told, by --to or --policy"
        raise typer.BadParameter(msg)
    return found


def _is_system(file: str) -> bool:
    path = Path(file).absolute()
    return path == _SYSTEM_FILES[0] or _SYSTEM_FILES[1] in path.parents


def _carry_out(plan: ImportPlan, *, dry_run: bool, partial: bool, state: Path, url: str | None, api_key: str | None, as_json: bool) -> None:
    """Makes what the plan says unless that is only wanted to be seen; tells what became of it.

    Raises:
        Exit: something was not taken, and that is not fine.
    """
    applied = None
    if not dry_run:
        address, key = target_of(state=state, url=url, api_key=api_key)
        with connect(state=state, url=url, api_key=api_key) as client:
            applied = apply_plan(plan, client, url=address, api_key=key, verify=trusted(state=state, url=url))
        note_refusals(plan, applied)
    if as_json:
        write_json(report_json(plan, applied, full=dry_run))
    else:
        show_report(plan, applied)
    if not partial:
        _end(plan, partial=False)


def _end(plan: ImportPlan, *, partial: bool) -> None:
    if plan.refused and not partial:
        raise typer.Exit(ExitCode.FAILED)


class _ImportGroup(TyperGroup):
    """`tocsin import alarms.ndjson` and `tocsin import recipients FILE` are commands as well, without a name of their own."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride] - the class of its own click
        """Reads what follows as that of the command for files of our own, unless a format is named."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_OWN, *args]
        return super().parse_args(ctx, args)


def make_import(own: Callable[..., None]) -> typer.Typer:
    """The commands of `tocsin import`; ``own`` is that for what `tocsin export` writes."""
    group = typer.Typer(
        cls=_ImportGroup,
        no_args_is_help=True,
        help="Import resources from NDJSON or CSV, or what people have elsewhere.",
        epilog=EXIT_CODES,
    )
    commands = {
        _OWN: own,
        "oncall": import_oncall,
        "healthchecks": import_healthchecks,
        "crontab": import_crontab,
        "ics": import_ics,
        "celery": import_celery,
    }
    for word, command in commands.items():
        group.command(word, epilog=EXIT_CODES)(command)
    return group
