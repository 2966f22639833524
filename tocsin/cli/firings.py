"""`tocsin watch`: firings as they happen."""

import time
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.client import Client
from tocsin.errors import DeadlineExceeded, Unavailable

_RETRY_SECONDS: Final = 0.5
_LONGEST_RETRY_SECONDS: Final = 10.0


def watch(
    alarm: Annotated[str, typer.Option("--alarm", help="Watch only firings of this alarm.")] = "",
    count: Annotated[int, typer.Option("--count", min=0, help="Exit after this many changes; 0: never.")] = 0,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every change of a firing as it happens. With --json, one object per line. Resumes after a broken connection."""
    name = alarm if not alarm or "/" in alarm else f"alarms/{alarm}"
    with connect(state=state, url=url, api_key=api_key) as client:
        _watch(client, alarm=name, count=count, as_json=as_json)


def _watch(client: Client, *, alarm: str, count: int, as_json: bool) -> None:
    token, shown, wait, connected = "", 0, _RETRY_SECONDS, False
    while True:
        try:
            for change in client.watch_firings(alarm=alarm, resume_token=token):
                token, wait, connected = change.get("resumeToken", token), _RETRY_SECONDS, True
                write_json(change) if as_json else write_line(_line(change.get("firing", {})))
                shown += 1
                if shown == count:
                    return
        except (Unavailable, DeadlineExceeded):
            if not connected and wait >= _LONGEST_RETRY_SECONDS:
                raise
        time.sleep(wait)
        wait = min(wait * 2, _LONGEST_RETRY_SECONDS)


def _line(firing: dict[str, Any]) -> str:
    parts = (
        firing.get("dueTime", ""),
        firing.get("alarm") or firing.get("name", ""),
        firing.get("outcome", ""),
        firing.get("state", ""),
        f"attempt {firing['attempts']}" if firing.get("attempts") else "",
        firing.get("error") or firing.get("reason", ""),
    )
    return "  ".join(part for part in parts if part)
