"""`tocsin notify` and `tocsin notification`: one message to many people, and what became of it."""

import secrets
from itertools import islice
from typing import Annotated, Any

import typer

from tocsin.channels import CHANNELS
from tocsin.cli.alarms import CategoryOption, RecipientOption, What, message_of
from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import instant, json_object, rfc3339
from tocsin.client import REACHED
from tocsin.clock import SystemClock
from tocsin.exit_codes import ExitCode
from tocsin.priority import Priority

_FILTER_HELP = 'Conditions joined by AND, such as state="PENDING" AND category="categories/news" (AIP-160).'


def notify(
    to: Annotated[list[str] | None, typer.Option("--to", help="Address of the message; repeatable.")] = None,
    recipient: RecipientOption = None,
    category: CategoryOption = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Subject.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Text.")] = None,
    template: Annotated[str | None, typer.Option("--template", help="Code of a stored template; replaces --subject and --text.")] = None,
    variable: Annotated[list[str] | None, typer.Option("--var", help="Variable of the template, name=value; repeatable.")] = None,
    channel: Annotated[list[str] | None, typer.Option("--channel", help=f"Channel: {', '.join(CHANNELS)}; repeatable.")] = None,
    priority: Annotated[str, typer.Option("--priority", help="critical, normal or bulk.")] = "normal",
    at: Annotated[str | None, typer.Option("--at", help="Later: 2026-12-01T09:00:00Z, or 'in 5m'.")] = None,
    metadata: Annotated[str | None, typer.Option("--metadata", help="Whatever you want to find again, as a JSON object.")] = None,
    request_id: Annotated[
        str | None, typer.Option("--request-id", help="Sent again with the same id, it is the same notification.")
    ] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until each of its deliveries was sent or failed.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Maximum seconds to wait.")] = 60.0,
) -> None:
    """Send a message to addresses, recipients and groups. With --wait, exit code 1 unless everybody is reached."""
    what = What(
        to=to or [],
        subject=subject,
        text=text,
        template=template,
        variables=variable or [],
        channels=channel or [],
        task=None,
        input=None,
        recipients=recipient or [],
        category=category,
    )
    if not (what.to or what.recipients):
        msg = "give --to or --recipient"
        raise typer.BadParameter(msg)
    if priority.upper() not in Priority.__members__:
        msg = f"{priority!r} is not critical, normal or bulk"
        raise typer.BadParameter(msg, param_hint="--priority")
    message = {**message_of(what), "priority": priority.upper()}
    if at is not None:
        message["sendTime"] = rfc3339(instant(at, now=SystemClock().now(), zone=None, option="--at"))
    if metadata is not None:
        message["metadata"] = json_object(metadata, option="--metadata")
    with connect(state=state, url=url, api_key=api_key) as client:
        sent = client.send_notification(message, request_id=request_id or secrets.token_hex(16))
        if wait:
            sent = client.wait_notification(sent["name"], timeout=timeout)
    if as_json:
        write_json(sent)
    elif wait:
        _tell(sent)
    else:
        write_line(f"{sent['name']} is {sent.get('state', '')}")
    states = [each.get("state") for each in sent.get("deliveries", ())]
    if wait and not (states and all(state in REACHED for state in states) and sent.get("state") == "COMPLETED"):
        raise typer.Exit(ExitCode.FAILED)


def show_all(
    condition: Annotated[str, typer.Option("--filter", help=_FILTER_HELP)] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of notifications.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List notifications, newest first."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.list_notifications(filter=condition), limit))
    if as_json:
        write_json({"notifications": found})
    else:
        write_table(("notification", "created", "send time", "state", "says"), map(_row, found), empty="No notifications.")


def show(
    notification: Annotated[str, typer.Argument(help="Name of the notification, or its id.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a notification, and how many of its deliveries are in which state and why."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.get_notification(_name(notification))
    if as_json:
        write_json(found)
    else:
        _tell(found)


def _tell(found: dict[str, Any]) -> None:
    write_line("  ".join(_row(found)))
    if found.get("detail"):
        write_line(found["detail"])
    rows = [(str(each["count"]), each.get("state", ""), each.get("reason", "")) for each in found.get("deliveries", ())]
    write_table(("deliveries", "state", "reason"), rows, empty="No deliveries yet.")


def cancel(
    notification: Annotated[str, typer.Argument(help="Name of the notification, or its id.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel a notification before its time."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.cancel_notification(_name(notification))
    write_json(found) if as_json else write_line(f"{found['name']} is {found.get('state', '')}")


def make_notification() -> typer.Typer:
    """The commands of `tocsin notification`."""
    app = typer.Typer(no_args_is_help=True, help="List, show and cancel notifications.", epilog=EXIT_CODES)
    app.command("list", epilog=EXIT_CODES)(show_all)
    app.command("get", epilog=EXIT_CODES)(show)
    app.command("cancel", epilog=EXIT_CODES)(cancel)
    return app


def _name(notification: str) -> str:
    return notification if "/" in notification else f"notifications/{notification}"


def _row(item: dict[str, Any]) -> tuple[str, str, str, str, str]:
    return (
        item["name"].rpartition("/")[2],
        item.get("createTime", ""),
        item.get("sendTime", ""),
        item.get("state", ""),
        item.get("template") or item.get("subject", ""),
    )
