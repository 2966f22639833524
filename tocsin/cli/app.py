"""The command line: its commands and groups, each loaded when it is wanted.

A command is a row of a table: what it is called, and where it is. `tocsin alarm list` loads what lists alarms, and nothing of what runs
services; `tocsin --help` loads everything.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, Final

import typer

from tocsin.cli.formats import formatted, with_output
from tocsin.cli.output import EXIT_CODES, write_line
from tocsin.cli.verbs import complete, contract, group_of

_RUN: Final = "Run Tocsin"
_USE: Final = "Use Tocsin"
_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "up": (_RUN, "tocsin.cli.stack:up"),
    "down": (_RUN, "tocsin.cli.stack:down"),
    "status": (_RUN, "tocsin.cli.stack:status"),
    "serve": (_RUN, "tocsin.cli.services:serve"),
    "migrate": (_RUN, "tocsin.cli.services:migrate"),
    "backup": (_RUN, "tocsin.cli.backup:backup"),
    "restore": (_RUN, "tocsin.cli.backup:restore"),
    "bench": (_RUN, "tocsin.cli.bench:bench"),
    "open": (_USE, "tocsin.cli.stack:open_browser"),
    "login": (_USE, "tocsin.cli.login:login"),
    "notify": (_USE, "tocsin.cli.notifications:notify"),
    "preview": (_USE, "tocsin.cli.previews:preview_offline"),
    "export": (_USE, "tocsin.cli.bulk:export_file"),
    "inbox": (_USE, "tocsin.cli.inbox:inbox"),
    "watch": (_USE, "tocsin.cli.firings:watch"),
    "run": (_USE, "tocsin.cli.tasks:run"),
    "ping": (_USE, "tocsin.cli.events:ping"),
    "audit": (_USE, "tocsin.cli.audit:audit"),
    "forecast": (_USE, "tocsin.cli.views:forecast"),
    "stats": (_USE, "tocsin.cli.views:stats"),
    "usage": (_USE, "tocsin.cli.views:usage"),
    "replans": (_USE, "tocsin.cli.views:replans"),
    "apply": (_USE, "tocsin.cli.apply.command:apply"),
}
"""Commands by name: their panel in the help, and where they are."""

_GROUPS: Final[Mapping[str, tuple[str, str]]] = {
    "mesh": (_RUN, "tocsin.cli.mesh:make_mesh"),
    "new": (_RUN, "tocsin.cli.new:make_new"),
    "spool": (_RUN, "tocsin.cli.spool:make_spool"),
    "notification": (_USE, "tocsin.cli.notifications:make_notification"),
    "incident": (_USE, "tocsin.cli.incidents:make_incident"),
    "policy": (_USE, "tocsin.cli.incident_rules:make_policy"),
    "route": (_USE, "tocsin.cli.incident_rules:make_route"),
    "dependency": (_USE, "tocsin.cli.incident_rules:make_dependency"),
    "silence": (_USE, "tocsin.cli.silences:make_silence"),
    "integration": (_USE, "tocsin.cli.integrations:make_integration"),
    "heartbeat": (_USE, "tocsin.cli.heartbeats:make_heartbeat"),
    "statuspage": (_USE, "tocsin.cli.heartbeats:make_status_page"),
    "recipient": (_USE, "tocsin.cli.recipients:make_recipient"),
    "group": (_USE, "tocsin.cli.people:make_group"),
    "rotation": (_USE, "tocsin.cli.rotations:make_rotation"),
    "category": (_USE, "tocsin.cli.people:make_category"),
    "calendar": (_USE, "tocsin.cli.calendars:make_calendar"),
    "suppression": (_USE, "tocsin.cli.people:make_suppression"),
    "template": (_USE, "tocsin.cli.templates:make_templates"),
    "provider": (_USE, "tocsin.cli.providers:make_provider"),
    "security": (_USE, "tocsin.cli.security:make_security"),
    "account": (_USE, "tocsin.cli.account:make_account"),
    "user": (_USE, "tocsin.cli.members:make_user"),
    "role": (_USE, "tocsin.cli.members:make_role"),
    "invitation": (_USE, "tocsin.cli.members:make_invitation"),
    "service-account": (_USE, "tocsin.cli.programs:make_service_account"),
    "key": (_USE, "tocsin.cli.programs:make_key"),
    "identity-provider": (_USE, "tocsin.cli.identity_providers:make_identity_provider"),
    "tenant": (_USE, "tocsin.cli.tenants:make_tenant"),
    "audit-log": (_USE, "tocsin.cli.audit_log:make_audit_log"),
    "archive": (_RUN, "tocsin.cli.archive:make_archive"),
    "pii": (_USE, "tocsin.cli.pii:make_pii"),
    "context": (_USE, "tocsin.cli.login:make_context"),
}
"""Groups by name: their panel, and what makes each."""

_PARTED: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "alarm": (
        "Make, list, preview, change and fire alarms.",
        {
            "add": "tocsin.cli.alarms:add",
            "list": "tocsin.cli.alarm_list:show",
            "pause": "tocsin.cli.bulk_changes:pause",
            "resume": "tocsin.cli.bulk_changes:resume",
            "purge": "tocsin.cli.bulk_changes:purge",
            "preview": "tocsin.cli.previews:preview",
            "backfill": "tocsin.cli.audit:backfill",
        },
    ),
    "task": ("Follow and cancel tasks.", {"watch": "tocsin.cli.tasks:follow_task", "cancel": "tocsin.cli.tasks:cancel_task"}),
    "event": ("Publish events.", {"send": "tocsin.cli.events:send_event"}),
    "reading": ("Record readings.", {"send": "tocsin.cli.events:send_reading"}),
    "delivery": (
        "List, show and retry deliveries.",
        {"list": "tocsin.cli.deliveries:show_all", "show": "tocsin.cli.deliveries:show", "retry": "tocsin.cli.deliveries:retry"},
    ),
}
"""Groups whose commands are loaded one by one."""


def make_app(words: Sequence[str] = ()) -> typer.Typer:
    """The `tocsin` command, or as much of it as a command line needs.

    Args:
        words: those behind `tocsin`; where the first ones name a command, it alone is loaded, and none where only the version is asked for.
    """
    app = typer.Typer(
        name="tocsin", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=True, rich_markup_mode="rich", epilog=EXIT_CODES
    )
    app.callback(help="Self-hosted alarms and notifications. `tocsin up` runs Tocsin on this machine; the other commands are its clients.")(
        _root
    )
    first, second = (*words, "", "")[:2]
    named = first in _names() or first == "--version"
    for name, (panel, place) in _COMMANDS.items():
        if not named or name == first:
            app.command(name, epilog=EXIT_CODES, rich_help_panel=panel)(formatted(_loaded(place)))
    for name in _groups():
        if named and name != first:
            continue
        panel = _GROUPS[name][0] if name in _GROUPS else _USE
        app.add_typer(with_output(_group(name, second if named else "")), name=name, rich_help_panel=panel)
    if not named or first == "import":
        group = _loaded("tocsin.cli.imports.commands:make_import")(_loaded("tocsin.cli.bulk:import_file"))
        app.add_typer(with_output(group), name="import", rich_help_panel=_USE)
    return app


def _group(name: str, verb: str) -> typer.Typer:
    """A group, or of one that is loaded in parts the command ``verb`` alone, where it has it."""
    if name in _GROUPS:
        return complete(_loaded(_GROUPS[name][1])(), name, verb)
    if name not in _PARTED:
        return group_of(name)
    about, commands = _PARTED[name]
    group = typer.Typer(no_args_is_help=True, help=about, epilog=EXIT_CODES)
    if verb in contract().get(name, {}) and verb not in commands:
        commands = {}
    for word, place in commands.items():
        if verb not in commands or word == verb:
            group.command(word, epilog=EXIT_CODES)(_loaded(place))
    return group if verb in commands else complete(group, name, verb)


def _groups() -> list[str]:
    """The names of all groups, in the order of the help."""
    return list(dict.fromkeys([*_GROUPS, *_PARTED, *contract()]))


def _names() -> set[str]:
    return {*_COMMANDS, *_groups(), "import"}


def _loaded(place: str) -> Any:
    """What stands at ``module:name``."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata  # late: no other command has use for it, and it takes its time

        try:
            write_line(f"tocsin {metadata.version('tocsin')}")
        except metadata.PackageNotFoundError:
            write_line("tocsin, source tree (not installed)")
        raise typer.Exit


def _root(
    show_version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")] = False,
) -> None:
    """Options of `tocsin` itself."""
