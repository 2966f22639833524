"""`tocsin audit`: the ledger against the rules; `tocsin alarm backfill`: what the ledger lacks."""

from datetime import datetime
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import warn, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, instant, rfc3339
from tocsin.client import Client
from tocsin.clock import SystemClock
from tocsin.errors import Internal
from tocsin.exit_codes import ExitCode
from tocsin.resource_names import resource_path

_AGO: Final = " ago"
_SHOWN: Final = 100
_SINCE: Final = "24h ago"
"""Younger installations have less, which whoever asks for no period need not be told."""

FromOption = Annotated[str, typer.Option("--from", help="Start of the period: 2026-12-01T09:00:00Z, or '24h ago'.")]
ToOption = Annotated[str | None, typer.Option("--to", help="End of the period, exclusive. Default: now.")]


def audit(
    since: FromOption = _SINCE,
    until: ToOption = None,
    alarm: Annotated[str, typer.Option("--alarm", help="Audit only this alarm.")] = "",
    incident: Annotated[str, typer.Option("--incident", help="Audit only this incident.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute what a period must contain from rules and escalation policies, and compare the ledger. Exit code 1 on any difference.

    It goes back as far as the ledger and the rules of then are kept, and says so if the period begins earlier.
    """
    params = {"startTime": rfc3339(past(since, option="--from"))}
    if until is not None:
        params["endTime"] = rfc3339(past(until, option="--to"))
    if alarm:
        params["alarm"] = alarm if "/" in alarm else f"alarms/{alarm}"
    if incident:
        params["incident"] = incident if "/" in incident else f"incidents/{incident}"
    with connect(state=state, url=url, api_key=api_key) as client:
        summary = _audit(client, params, as_json=as_json)
    _warn_of_bounds(params if since != _SINCE else {}, summary)
    if any(int(summary.get(count, 0)) for count in ("missing", "unexpected", "unreadable")):
        raise typer.Exit(ExitCode.FAILED)


def backfill(
    alarm: Annotated[str, typer.Argument(help="Name of the alarm, or its id.")],
    since: FromOption,
    until: ToOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of firings.")] = 1_000_000,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fire the due times of a period that are not in the ledger, such as those before the alarm was created. Safe to repeat."""
    path = resource_path(alarm if "/" in alarm else f"alarms/{alarm}", "alarms", field="alarm")
    body: dict[str, Any] = {"startTime": rfc3339(past(since, option="--from"))}
    if until is not None:
        body["endTime"] = rfc3339(past(until, option="--to"))
    fired = known = 0
    with connect(state=state, url=url, api_key=api_key) as client:
        while fired < limit:
            done = client.call("POST", f"{path}:backfill", body={**body, "limit": min(limit - fired, 1000)})
            fired, known = fired + int(done.get("fired", 0)), known + int(done.get("known", 0))
            left = done.get("nextStartTime")
            if left is None:
                break
            body["startTime"] = left
        else:
            left = body["startTime"]
    if as_json:
        write_json({"fired": fired, "known": known, **({"nextStartTime": left} if left else {})})
    else:
        write_line(f"{fired} fired, {known} already in the ledger" + (f"; continue with --from {left}" if left else ""))


def past(text: str, *, option: str) -> datetime:
    """``24h ago``, or an instant."""
    now, stripped = SystemClock().now(), text.strip()
    if stripped.lower().endswith(_AGO):
        return now - duration(stripped[: -len(_AGO)], option=option)
    return instant(stripped, now=now, zone=None, option=option)


def _audit(client: Client, params: dict[str, str], *, as_json: bool) -> dict[str, Any]:
    shown, summary = 0, dict[str, Any]()
    for told in client.stream("/v1/firings:audit", params):
        summary = told.get("summary", summary)
        if as_json:
            write_json(told)
        elif "finding" in told:
            shown += 1
            if shown <= _SHOWN:
                write_line(_line(told["finding"]))
    if not summary:
        msg = "the audit ended without a summary"
        raise Internal(msg)
    if not as_json:
        if shown > _SHOWN:
            write_line(f"... and {shown - _SHOWN} more; --json shows all")
        _account(summary)
    return summary


def _line(finding: dict[str, Any]) -> str:
    step = f"step {finding['step']}" if finding.get("step") else ""
    words = (finding.get("alarm") or finding.get("incident", ""), step, finding.get("firing", ""), finding.get("detail", ""))
    return "  ".join(part for part in (finding["kind"], finding["dueTime"], *words) if part)


def _warn_of_bounds(asked: dict[str, str], summary: dict[str, Any]) -> None:
    """Says that a part of the period was not audited: no more is kept of it, or it is still to come."""
    for option, name, why in (
        ("--from", "startTime", "audited from {}; of the time before, the ledger or the rules of then are not kept"),
        ("--to", "endTime", "audited to {}; what comes later is not due yet"),
    ):
        if name in asked and abs((_instant(summary[name]) - _instant(asked[name])).total_seconds()) >= 1:
            warn(option, why.format(summary[name]))


def _instant(text: str) -> datetime:
    return instant(text, now=SystemClock().now(), zone=None, option="")


def _account(summary: dict[str, Any]) -> None:
    outcomes = sorted(summary.get("outcomes", {}).items())
    rows = [
        ("period", f"{summary['startTime']} to {summary['endTime']}"),
        ("alarms", summary.get("alarms", 0)),
        ("incidents", summary.get("incidents", 0)),
        ("due times", summary.get("expected", 0)),
        ("  of incidents", summary.get("steps", 0)),
        ("rows", summary.get("found", 0)),
        *((f"  {outcome.lower()}", count) for outcome, count in outcomes),
        ("missing", summary.get("missing", 0)),
        ("unexpected", summary.get("unexpected", 0)),
        *([("unreadable", summary["unreadable"])] if int(summary.get("unreadable", 0)) else []),
    ]
    write_table(("audit", ""), [(name, str(value)) for name, value in rows], empty="")
