"""The command line: its commands and groups."""

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from tocsin.cli import deliveries
from tocsin.cli.alarms import add, show
from tocsin.cli.audit import audit, backfill
from tocsin.cli.bench import bench
from tocsin.cli.bulk import export_file, import_file
from tocsin.cli.events import ping, send_event, send_reading
from tocsin.cli.firings import watch
from tocsin.cli.inbox import inbox
from tocsin.cli.mesh import make_mesh
from tocsin.cli.notifications import make_notification, notify
from tocsin.cli.output import EXIT_CODES, write_line
from tocsin.cli.people import make_category, make_group, make_suppression
from tocsin.cli.previews import preview
from tocsin.cli.providers import make_provider
from tocsin.cli.recipients import make_recipient
from tocsin.cli.security import make_pii, make_security
from tocsin.cli.services import migrate, serve
from tocsin.cli.spool import make_spool
from tocsin.cli.stack import down, status, up
from tocsin.cli.tasks import run
from tocsin.cli.views import forecast, replans, stats


def make_app() -> typer.Typer:
    """The `tocsin` command."""
    app = typer.Typer(
        name="tocsin", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=True, rich_markup_mode="rich", epilog=EXIT_CODES
    )
    app.callback(help="Self-hosted alarms and notifications. `tocsin up` runs Tocsin on this machine; the other commands are its clients.")(
        _root
    )
    alarm = typer.Typer(no_args_is_help=True, help="Create, list, preview and backfill alarms.", epilog=EXIT_CODES)
    alarm.command("add", epilog=EXIT_CODES)(add)
    alarm.command("list", epilog=EXIT_CODES)(show)
    alarm.command("preview", epilog=EXIT_CODES)(preview)
    alarm.command("backfill", epilog=EXIT_CODES)(backfill)
    for command in (up, down, status, serve, migrate, bench):
        app.command(epilog=EXIT_CODES, rich_help_panel="Run Tocsin")(command)
    app.add_typer(make_mesh(), name="mesh", rich_help_panel="Run Tocsin")
    app.add_typer(make_spool(), name="spool", rich_help_panel="Run Tocsin")
    app.add_typer(alarm, name="alarm", rich_help_panel="Use Tocsin")
    event = typer.Typer(no_args_is_help=True, help="Publish events.", epilog=EXIT_CODES)
    event.command("send", epilog=EXIT_CODES)(send_event)
    app.add_typer(event, name="event", rich_help_panel="Use Tocsin")
    reading = typer.Typer(no_args_is_help=True, help="Record readings.", epilog=EXIT_CODES)
    reading.command("send", epilog=EXIT_CODES)(send_reading)
    app.add_typer(reading, name="reading", rich_help_panel="Use Tocsin")
    delivery = typer.Typer(no_args_is_help=True, help="List, show and retry deliveries.", epilog=EXIT_CODES)
    delivery.command("list", epilog=EXIT_CODES)(deliveries.show_all)
    delivery.command("show", epilog=EXIT_CODES)(deliveries.show)
    delivery.command("retry", epilog=EXIT_CODES)(deliveries.retry)
    app.add_typer(delivery, name="delivery", rich_help_panel="Use Tocsin")
    app.add_typer(make_provider(), name="provider", rich_help_panel="Use Tocsin")
    for name, made in (
        ("recipient", make_recipient()),
        ("group", make_group()),
        ("category", make_category()),
        ("suppression", make_suppression()),
    ):
        app.add_typer(made, name=name, rich_help_panel="Use Tocsin")
    app.add_typer(make_notification(), name="notification", rich_help_panel="Use Tocsin")
    app.command("notify", epilog=EXIT_CODES, rich_help_panel="Use Tocsin")(notify)
    app.add_typer(make_security(), name="security", rich_help_panel="Use Tocsin")
    app.add_typer(make_pii(), name="pii", rich_help_panel="Use Tocsin")
    app.command("import", epilog=EXIT_CODES, rich_help_panel="Use Tocsin")(import_file)
    app.command("export", epilog=EXIT_CODES, rich_help_panel="Use Tocsin")(export_file)
    for command in (inbox, watch, run, ping, audit, forecast, stats, replans):
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
