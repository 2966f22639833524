"""The command line: its commands and groups."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Final

import typer

from tocsin.cli import deliveries
from tocsin.cli.account import make_account
from tocsin.cli.alarms import add, show
from tocsin.cli.audit import audit, backfill
from tocsin.cli.audit_log import make_audit_log
from tocsin.cli.bench import bench
from tocsin.cli.bulk import export_file, import_file
from tocsin.cli.calendars import make_calendar
from tocsin.cli.events import ping, send_event, send_reading
from tocsin.cli.firings import watch
from tocsin.cli.heartbeats import make_heartbeat, make_status_page
from tocsin.cli.identity_providers import make_identity_provider
from tocsin.cli.imports.commands import make_import
from tocsin.cli.inbox import inbox
from tocsin.cli.incident_rules import make_dependency, make_policy, make_route
from tocsin.cli.incidents import make_incident
from tocsin.cli.integrations import make_integration
from tocsin.cli.members import make_invitation, make_role, make_user
from tocsin.cli.mesh import make_mesh
from tocsin.cli.notifications import make_notification, notify
from tocsin.cli.output import EXIT_CODES, write_line
from tocsin.cli.people import make_category, make_group, make_suppression
from tocsin.cli.pii import make_pii
from tocsin.cli.previews import preview, preview_offline
from tocsin.cli.programs import make_key, make_service_account
from tocsin.cli.providers import make_provider
from tocsin.cli.recipients import make_recipient
from tocsin.cli.rotations import make_rotation
from tocsin.cli.security import make_security
from tocsin.cli.services import migrate, serve
from tocsin.cli.silences import make_silence
from tocsin.cli.spool import make_spool
from tocsin.cli.stack import down, open_browser, status, up
from tocsin.cli.tasks import cancel_task, follow_task, run
from tocsin.cli.templates import make_templates
from tocsin.cli.tenants import make_tenant
from tocsin.cli.views import forecast, replans, stats, usage

_RUN: Final = (("mesh", make_mesh), ("spool", make_spool))
_GROUPS: Final[tuple[tuple[str, str, dict[str, Callable[..., None]]], ...]] = (
    ("alarm", "Create, list, preview and backfill alarms.", {"add": add, "list": show, "preview": preview, "backfill": backfill}),
    ("task", "Follow and cancel tasks.", {"watch": follow_task, "cancel": cancel_task}),
    ("event", "Publish events.", {"send": send_event}),
    ("reading", "Record readings.", {"send": send_reading}),
    ("delivery", "List, show and retry deliveries.", {"list": deliveries.show_all, "show": deliveries.show, "retry": deliveries.retry}),
)
_USE: Final = (
    ("notification", make_notification),
    ("incident", make_incident),
    ("policy", make_policy),
    ("route", make_route),
    ("dependency", make_dependency),
    ("silence", make_silence),
    ("integration", make_integration),
    ("heartbeat", make_heartbeat),
    ("statuspage", make_status_page),
    ("recipient", make_recipient),
    ("group", make_group),
    ("rotation", make_rotation),
    ("category", make_category),
    ("calendar", make_calendar),
    ("suppression", make_suppression),
    ("template", make_templates),
    ("provider", make_provider),
    ("security", make_security),
    ("account", make_account),
    ("user", make_user),
    ("role", make_role),
    ("invitation", make_invitation),
    ("service-account", make_service_account),
    ("key", make_key),
    ("identity-provider", make_identity_provider),
    ("tenant", make_tenant),
    ("audit-log", make_audit_log),
    ("pii", make_pii),
)


def make_app() -> typer.Typer:
    """The `tocsin` command."""
    app = typer.Typer(
        name="tocsin", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=True, rich_markup_mode="rich", epilog=EXIT_CODES
    )
    app.callback(help="Self-hosted alarms and notifications. `tocsin up` runs Tocsin on this machine; the other commands are its clients.")(
        _root
    )
    for command in (up, down, status, serve, migrate, bench):
        app.command(epilog=EXIT_CODES, rich_help_panel="Run Tocsin")(command)
    app.command("open", epilog=EXIT_CODES, rich_help_panel="Use Tocsin")(open_browser)
    for name, make in _RUN:
        app.add_typer(make(), name=name, rich_help_panel="Run Tocsin")
    for name, about, commands in _GROUPS:
        group = typer.Typer(no_args_is_help=True, help=about, epilog=EXIT_CODES)
        for word, command in commands.items():
            group.command(word, epilog=EXIT_CODES)(command)
        app.add_typer(group, name=name, rich_help_panel="Use Tocsin")
    for name, make in _USE:
        app.add_typer(make(), name=name, rich_help_panel="Use Tocsin")
    app.command("notify", epilog=EXIT_CODES, rich_help_panel="Use Tocsin")(notify)
    app.command("preview", epilog=EXIT_CODES, rich_help_panel="Use Tocsin")(preview_offline)
    app.add_typer(make_import(import_file), name="import", rich_help_panel="Use Tocsin")
    app.command("export", epilog=EXIT_CODES, rich_help_panel="Use Tocsin")(export_file)
    for command in (inbox, watch, run, ping, audit, forecast, stats, usage, replans):
        app.command(epilog=EXIT_CODES, rich_help_panel="Use Tocsin")(command)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        try:
            write_line(f"tocsin {version('tocsin')}")
        except PackageNotFoundError:
            write_line("tocsin, source tree (not installed)")
        raise typer.Exit


def _root(
    show_version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")] = False,
) -> None:
    """Options of `tocsin` itself."""
