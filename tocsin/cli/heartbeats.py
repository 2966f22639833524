"""`tocsin heartbeat`, `tocsin statuspage`: how what is watched stands, the pings that are kept, and what is shown of it to everybody."""

from itertools import islice
from typing import Annotated, Any

import typer

from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.client import resource_path
from tocsin.errors import NotFound

_Alarm = Annotated[str, typer.Argument(help="Name of the alarm, or its id.")]


def show_all(
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of them.")] = 200,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List heartbeats, checks and thresholds, and how each stands."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages("/v1/status", "standings", {}), limit))
    if as_json:
        write_json({"standings": found})
    else:
        titles = ("alarm", "name", "kind", "state", "last", "expected", "took", "incident")
        write_table(titles, map(_row, found), empty="Nothing is watched.")


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    names = ("alarm", "displayName", "kind", "state", "seenTime", "expectedTime", "lastDuration", "incident")
    return tuple(str(each.get(name, "")) for name in names)


def pings(
    alarm: _Alarm,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the pings of a heartbeat that are kept, newest first."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(client.pages(f"{resource_path(_named(alarm), 'alarms')}/pings", "pings", {"pageSize": "100"}))
    if as_json:
        write_json({"pings": found})
    else:
        write_table(("came", "kind", "exit", "took", "from", "client", "text"), map(_ping_row, found), empty="No pings are kept.")


def _ping_row(each: dict[str, Any]) -> tuple[str, ...]:
    kind = str(each.get("kind", "")).removeprefix("PING_KIND_").lower()
    lines = str(each.get("text", "")).splitlines()
    about = (each.get("exitStatus", ""), each.get("duration", ""), each.get("address", ""), each.get("userAgent", ""))
    return (str(each.get("receiveTime", "")), kind, *map(str, about), lines[0][:60] if lines else "")


def ping_key(
    policy: Annotated[str | None, typer.Option("--policy", help="Id of the escalation policy for heartbeats that pings make.")] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="Make another key; the one before is forgotten.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the key by which pings name heartbeats by their slugs; make it where there is none."""
    with connect(state=state, url=url, api_key=api_key) as client:
        try:
            found = client.call("GET", "/v1/pingKey")
        except NotFound:
            found = {}
        if not found or rotate or policy is not None:
            body = {} if rotate else {"key": found.get("key", "")}
            body["escalationPolicy"] = found.get("escalationPolicy", "") if policy is None else _policy(policy)
            found = client.call("PUT", "/v1/pingKey", body=body, params={"rotate": "true"} if rotate else None)
    if as_json:
        write_json(found)
    else:
        write_line(f"{found['key']}  (/ping/{found['key']}/SLUG)")


def _policy(policy: str) -> str:
    return policy if not policy or policy.startswith("escalationPolicies/") else f"escalationPolicies/{policy}"


def show_page(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Show what everybody may see, as JSON."""
    with connect(state=state, url=url, api_key=api_key) as client:
        write_json(client.call("GET", "/v1/statusPage"))


def set_page(
    slug: Annotated[str, typer.Argument(help="Name of the page in its address: /status/SLUG.")],
    title: Annotated[str, typer.Option("--title", help="Title of the page.")] = "",
    alarm: Annotated[list[str] | None, typer.Option("--alarm", help="Alarm that it shows; repeatable.")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="It shows those with all of these, name=value; repeatable.")] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Do not show the page; badges go on.")] = False,
    rotate: Annotated[bool, typer.Option("--rotate-badge-key", help="Make another key of badges.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what everybody may see: a page, and badges."""
    labels = {name: value for name, _, value in (text.partition("=") for text in label or ())}
    body = {"enabled": not hidden, "slug": slug, "title": title, "alarms": [_named(name) for name in alarm or ()], "labels": labels}
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("PUT", "/v1/statusPage", body=body, params={"rotateBadgeKey": "true"} if rotate else None)
    if as_json:
        write_json(found)
    else:
        write_line(f"/status/{found['slug']}{' (hidden)' if hidden else ''}; badges: /badge/{found['badgeKey']}/NAME.svg")


def _named(alarm: str) -> str:
    return alarm if alarm.startswith("alarms/") else f"alarms/{alarm}"


def make_heartbeat() -> typer.Typer:
    """The commands of `tocsin heartbeat`."""
    app = typer.Typer(no_args_is_help=True, help="See how what is watched stands, and what pings said.", epilog=EXIT_CODES)
    for word, command in {"list": show_all, "pings": pings, "key": ping_key}.items():
        app.command(word, epilog=EXIT_CODES)(command)
    return app


def make_status_page() -> typer.Typer:
    """The commands of `tocsin statuspage`."""
    app = typer.Typer(no_args_is_help=True, help="Show everybody how some of it stands.", epilog=EXIT_CODES)
    for word, command in {"show": show_page, "set": set_page}.items():
        app.command(word, epilog=EXIT_CODES)(command)
    return app
