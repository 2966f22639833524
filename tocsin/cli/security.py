"""`tocsin security`: security alerts."""

import time
from itertools import islice
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.client import Client
from tocsin.errors import DeadlineExceeded, Unavailable

_RETRY_SECONDS: Final = 1.0
_FILTER_HELP: Final = 'Conditions joined by AND, such as kind="PII_FOUND" AND severity="HIGH" (AIP-160).'


def make_security() -> typer.Typer:
    """The group `tocsin security`."""
    group = typer.Typer(no_args_is_help=True, help="Show security alerts.", epilog=EXIT_CODES)
    group.callback()(_nothing)
    group.command("alerts", epilog=EXIT_CODES)(alerts)
    return group


def _nothing() -> None:
    """Without it, a group of one command would be that command."""


def alerts(
    condition: Annotated[str, typer.Option("--filter", help=_FILTER_HELP)] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep running and show alerts as they are raised or counted.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of alerts.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List security alerts, newest first."""
    if follow and condition:
        msg = "--filter cannot be combined with --follow"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=api_key) as client:
        if follow:
            _follow(client, as_json=as_json)
            return
        found = list(islice(client.list_security_alerts(filter=condition), limit))
    if as_json:
        write_json({"alerts": found})
    else:
        headings = ("alert", "last", "severity", "kind", "count", "place", "detail")
        write_table(headings, map(_row, found), empty="No security alerts.")


def _follow(client: Client, *, as_json: bool) -> None:
    token = ""
    while True:
        try:
            for change in client.watch_security_alerts(resume_token=token):
                token = change.get("resumeToken", token)
                alert = change.get("alert", {})
                write_json(alert) if as_json else write_line("  ".join(part for part in _row(alert)[1:] if part))
        except (Unavailable, DeadlineExceeded):
            time.sleep(_RETRY_SECONDS)


def _row(alert: dict[str, Any]) -> tuple[str, str, str, str, str, str, str]:
    return (
        alert.get("name", "").rpartition("/")[2],
        alert.get("lastTime", ""),
        alert.get("severity", ""),
        alert.get("kind", ""),
        str(alert.get("count", "")),
        alert.get("latest") or alert.get("place", ""),
        alert.get("detail", ""),
    )
