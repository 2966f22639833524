"""`tocsin alarm preview`."""

from typing import Annotated, Any

import typer

from tocsin.cli.alarms import CountOption, CronOption, ExcludeOption, RruleOption, When, ZoneOption, trigger_of
from tocsin.cli.output import write_json, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import instant, rfc3339
from tocsin.clock import SystemClock


def preview(
    cron: CronOption = None,
    rrule: RruleOption = None,
    daily: Annotated[str | None, typer.Option("--daily", help="Every day at a time of day: 14:30 or 14:30:00.")] = None,
    every: Annotated[str | None, typer.Option("--every", help="At an interval: 30s, 5m, 1h30m.")] = None,
    count: CountOption = None,
    time_zone: ZoneOption = None,
    exclude: ExcludeOption = None,
    gap: Annotated[str | None, typer.Option("--gap", help="DST policy for local times that do not exist: SHIFT, OFFSET or SKIP.")] = None,
    overlap: Annotated[str | None, typer.Option("--overlap", help="DST policy for local times that exist twice: FIRST or BOTH.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="Start of the preview. Default: now.")] = None,
    number: Annotated[int, typer.Option("--number", min=1, max=1000, help="Number of due times.")] = 10,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Preview the next due times of a rule, with the effect of DST changes. Stores nothing."""
    clock = SystemClock()
    when = When(
        at=None, daily=daily, every=every, cron=cron, rrule=rrule, once=False, count=count, time_zone=time_zone, exclude=exclude or ()
    )
    trigger = trigger_of(when, clock=clock)
    dst = {name: value.upper() for name, value in (("gap", gap), ("overlap", overlap)) if value is not None}
    body: dict[str, Any] = {"trigger": {**trigger, **({"dst": dst} if dst else {})}, "count": number}
    if since is not None:
        body["from"] = rfc3339(instant(since, now=clock.now(), zone=time_zone, option="--from"))
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.call("POST", "/v1/alarms:preview", body=body)
    if as_json:
        write_json(answer)
        return
    rows = [(item.get("time", "-"), item["localTime"], item["label"].lower()) for item in answer.get("occurrences", [])]
    write_table(("time", "local time", "label"), rows, empty="The rule has no due times.")
