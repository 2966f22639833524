"""`tocsin security`: security alerts, and who is told of them."""

import time
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.client import Client
from tocsin.errors import DeadlineExceeded, Unavailable

_POLICY: Final = "/v1/security/alertPolicy"
_RETRY_SECONDS: Final = 1.0
_FILTER_HELP: Final = 'Conditions joined by AND, such as kind="PII_FOUND" AND severity="HIGH" (AIP-160).'


def make_security() -> typer.Typer:
    """The group `tocsin security`."""
    group = typer.Typer(no_args_is_help=True, help="Show security alerts, and say who is told of them.", epilog=EXIT_CODES)
    group.command("alerts", epilog=EXIT_CODES)(alerts)
    group.command("policy", epilog=EXIT_CODES)(policy)
    return group


class Telling(StrEnum):
    """When people are told of an alert."""

    AT_ONCE = "at-once"
    DAILY = "daily"
    NEVER = "never"

    @property
    def member(self) -> str:
        """As the API has it."""
        return self.name


ToOption = Annotated[
    list[str] | None,
    typer.Option("--to", help='"owners", "admins", an address, users/ID, recipients/ID, groups/ID, rotations/ID; or "nobody". Repeatable.'),
]
KindOption = Annotated[list[str] | None, typer.Option("--kind", metavar="KIND=WHEN", help="When a kind is told; KIND= as its severity.")]
TellingOption = Annotated[Telling | None, typer.Option(help="When alerts of this severity are told.")]


def policy(
    to: ToOption = None,
    high: TellingOption = None,
    medium: TellingOption = None,
    low: TellingOption = None,
    kind: KindOption = None,
    hour: Annotated[int | None, typer.Option("--hour", min=0, max=23, help="Hour of the daily mail, in the tenant's time zone.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who is told of security alerts, and when; change what is given."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", _POLICY)
        given = {"high": high, "medium": medium, "low": low}
        changed: dict[str, Any] = {name: when.member for name, when in given.items() if when is not None}
        if hour is not None:
            changed["digestHour"] = hour
        if to:
            changed["to"] = [] if to == ["nobody"] else to
        if kind:
            changed["kinds"] = _kinds(found.get("kinds", []), kind)
        if changed:
            found = client.call("PUT", _POLICY, body={**found, **changed, "unreached": []})
    if as_json:
        write_json(found)
        return
    rows = [("to", ", ".join(found.get("to", [])) or "nobody"), *((name, found.get(name, "")) for name in given)]
    if unreached := found.get("unreached"):
        rows.insert(1, ("leads to nobody", f"{', '.join(unreached)} (owners are told instead)"))
    rows += [(rule["kind"], rule["delivery"]) for rule in found.get("kinds", [])]
    write_table(("", ""), [*rows, ("daily at", f"{found.get('digestHour', 0)}:00"), ("reaches", str(found.get("reached", 0)))], empty="")


def _kinds(there: list[dict[str, str]], changes: list[str]) -> list[dict[str, str]]:
    """The rules by kind, once ``changes`` ("KIND=WHEN") are made."""
    rules = {rule["kind"]: rule["delivery"] for rule in there}
    for change in changes:
        kind, _, when = change.partition("=")
        if when and when not in set(Telling):
            msg = f"{change}: say KIND=at-once, KIND=daily, KIND=never, or KIND="
            raise typer.BadParameter(msg)
        rules.pop(kind, None)
        if when:
            rules[kind] = Telling(when).member
    return [{"kind": kind, "delivery": delivery} for kind, delivery in rules.items()]


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
