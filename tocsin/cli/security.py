"""`tocsin security` and `tocsin pii`: security alerts, and personal data in texts."""

import sys
import time
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import EXIT_CODES, counted, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.client import Client
from tocsin.errors import DeadlineExceeded, InvalidInput, Unavailable

_RETRY_SECONDS: Final = 1.0
_FILTER_HELP: Final = 'Conditions joined by AND, such as kind="PII_FOUND" AND severity="HIGH" (AIP-160).'
_MOST_BYTES: Final = 131_072


def make_security() -> typer.Typer:
    """The group `tocsin security`."""
    group = typer.Typer(no_args_is_help=True, help="Show security alerts.", epilog=EXIT_CODES)
    group.callback()(_nothing)
    group.command("alerts", epilog=EXIT_CODES)(alerts)
    return group


def make_pii() -> typer.Typer:
    """The group `tocsin pii`."""
    group = typer.Typer(no_args_is_help=True, help="Find personal data, and list the policies on it.", epilog=EXIT_CODES)
    group.command("scan", epilog=EXIT_CODES)(scan)
    group.command("policies", epilog=EXIT_CODES)(policies)
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


def scan(
    file: Annotated[Path | None, typer.Argument(help="File with the text; standard input unless given.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what personal data a text holds: the text with marks, and where they stand. Nothing is stored."""
    text = _text(file)
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.scan_text(text)
    if as_json:
        write_json(answer)
        return
    write_line(answer.get("redacted", ""))
    findings = answer.get("findings", [])
    write_line(counted(len(findings), "finding"))
    for each in findings:
        write_line(f"  {each['kind']}  characters {each.get('start', 0)} to {each['end']}")


def _text(file: Path | None) -> str:
    try:
        data = sys.stdin.buffer.read(_MOST_BYTES + 1) if file is None else file.read_bytes()
    except OSError as error:
        msg = f"cannot read {file}: {error.strerror}"
        raise InvalidInput(msg) from error
    if len(data) > _MOST_BYTES:
        msg = f"the text is larger than {_MOST_BYTES:,} bytes"
        raise InvalidInput(msg)
    return data.decode("utf-8", "replace")


def policies(
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the policies on personal data."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(client.list_pii_policies())
    if as_json:
        write_json({"policies": found})
    else:
        write_table(("policy", "measure", "area", "subject", "kinds"), map(_policy, found), empty="No policies.")


def _policy(policy: dict[str, Any]) -> tuple[str, str, str, str, str]:
    short = policy["name"].rpartition("/")[2]
    return (
        short,
        policy.get("measure", ""),
        policy.get("area", "every"),
        policy.get("subject", ""),
        ", ".join(policy.get("kinds", ["every"])),
    )


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
