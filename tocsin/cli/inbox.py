"""`tocsin inbox`: the mails that the dev inbox shows instead of sending them."""

import time
from itertools import islice
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.client import Client
from tocsin.errors import Unavailable

_POLL_SECONDS: Final = 1.0


def inbox(
    message: Annotated[str | None, typer.Argument(help="Name of a mail, or its id: show this one.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep running and show mails as they arrive.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of mails.")] = 20,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the mails of the dev inbox, newest first; or show one."""
    with connect(state=state, url=url, api_key=api_key) as client:
        if message is not None:
            found = client.get_message(message if "/" in message else f"inbox/messages/{message}")
            write_json(found) if as_json else write_line(_letter(found))
        elif follow:
            _follow(client, limit=limit, as_json=as_json)
        else:
            messages = list(islice(client.list_messages(), limit))
            if as_json:
                write_json({"messages": messages})
            else:
                write_table(("message", "received", "to", "subject"), map(_row, messages), empty="The inbox is empty.")


def _follow(client: Client, *, limit: int, as_json: bool) -> None:
    """Shows what is there, the oldest first, and then what comes; an installation that is away for a while is waited for."""
    seen: set[str] = set()
    while True:
        try:
            fresh = [item for item in islice(client.list_messages(), limit) if item["name"] not in seen]
        except Unavailable:
            fresh = []
        for item in reversed(fresh):
            seen.add(item["name"])
            write_json(item) if as_json else write_line("  ".join(_row(item)))
        time.sleep(_POLL_SECONDS)


def _row(message: dict[str, Any]) -> tuple[str, str, str, str]:
    short = message["name"].rpartition("/")[2]
    return short, message.get("receivedTime", ""), ", ".join(message.get("to", ())), message.get("subject", "")


def _letter(message: dict[str, Any]) -> str:
    head = [
        f"To:       {', '.join(message.get('to', ()))}",
        f"Subject:  {message.get('subject', '')}",
        f"Received: {message.get('receivedTime', '')}",
    ]
    return "\n".join([*head, "", message.get("text") or message.get("html", "")])
