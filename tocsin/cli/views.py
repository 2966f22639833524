"""`tocsin forecast`, `tocsin stats`, `tocsin usage` and `tocsin replans`: how the scheduler does, and what comes."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final

import typer

from tocsin.cli.audit import past
from tocsin.cli.output import write_json, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import rfc3339

_BAR: Final = 40
_MEGABYTE: Final = 1024 * 1024


def forecast(
    since: Annotated[str | None, typer.Option("--from", help="First minute: 2026-12-01T09:00:00Z, or 'in 2h'. Default: now.")] = None,
    minutes: Annotated[int, typer.Option("--minutes", min=1, max=1440, help="Number of minutes.")] = 1440,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the planned firings: their number per hour, and the busiest minute."""
    params: dict[str, str | int] = {"minutes": minutes}
    if since is not None:
        params["startTime"] = rfc3339(past(since, option="--from"))
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", "/v1/forecast", params=params)
    if as_json:
        write_json(found)
        return
    write_table(("hour", "firings", "busiest minute", ""), _hours(found.get("minutes", ())), empty="No planned firings.")


def stats(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Show scheduler statistics: totals, time index, lateness, overdue firings and owners of shards."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", "/v1/scheduler/stats")
    if as_json:
        write_json(found)
        return
    write_table(("scheduler", ""), [(name, str(value)) for name, value in _numbers(found)], empty="")


def usage(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Show what your tenant uses of its quotas."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", "/v1/usage")
    if as_json:
        write_json(found)
        return
    rows = [(str(each["name"]), str(each.get("used", 0)), str(each.get("limit", "any number"))) for each in found.get("quotas", ())]
    write_table(("quota", "used", "limit"), rows, empty="There are no quotas.")


def replans(
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of alarms.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the alarms whose next due time changed with the time-zone database, newest first."""
    with connect(state=state, url=url, api_key=api_key) as client:
        moved = list(islice(client.pages("/v1/scheduler/replans", "replans", {}), limit))
    if as_json:
        write_json({"replans": moved})
        return
    rows = [
        (one["alarm"], one["time"], f"{one.get('tzdataBefore') or '-'} to {one['tzdataAfter']}", one["dueBefore"], one.get("dueAfter", "-"))
        for one in moved
    ]
    write_table(("alarm", "when", "time zones", "due before", "due after"), rows, empty="No due time has changed.")


def _hours(minutes: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    hours: dict[str, list[tuple[int, str]]] = {}
    for minute in minutes:
        at = minute["startTime"]
        hours.setdefault(at[:13], []).append((int(minute["fires"]), at[11:16]))
    most = max((sum(fires for fires, _ in hour) for hour in hours.values()), default=0)
    return [_hour(name, hour, most) for name, hour in hours.items()]


def _hour(name: str, minutes: list[tuple[int, str]], most: int) -> tuple[str, str, str, str]:
    total = sum(fires for fires, _ in minutes)
    fires, at = max(minutes, key=lambda minute: minute[0])
    return f"{name.replace('T', ' ')}:00Z", str(total), f"{at} ({fires})", "█" * max(1, round(_BAR * total / most))


def _numbers(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "replica", f"{found.get('replica', '')} since {found.get('startTime', '-')}"
    for name in ("alarms", "outcomes", "queued"):
        yield name, ", ".join(f"{count} {word.lower()}" for word, count in sorted(found.get(name, {}).items())) or "none"
    yield "with processors", f"{found.get('leased', 0)} firings, {found.get('processors', 0)} processors"
    spread = [int(bucket["alarms"]) for bucket in found.get("indexSpread", ())]
    busiest = f", at most {max(spread)} in a second" if spread else ""
    yield "time index", f"{found.get('indexAlarms', 0)} alarms within {found.get('horizonSeconds', 0):g} s{busiest}"
    yield "lateness", _lateness(found.get("lateness", ()))
    yield "oldest overdue", f"{found.get('oldestOverdueSeconds', 0):.3f} s"
    memory = int(found.get("memoryBytes", 0)) / _MEGABYTE
    yield "process", f"{memory:.0f} MB, {found.get('cpuSeconds', 0):.1f} s of CPU"
    yield "time zones", found.get("tzdataVersion", "")
    for replica in found.get("replicas", ()):
        shards = f"{replica.get('shardCount', 0)} shards {replica.get('shards', '')}".rstrip()
        yield "shards", f"{replica['owner']} at {replica.get('address', '')}: {shards}"
    yield "free shards", found.get("freeShards", 0)


def _lateness(buckets: list[dict[str, Any]]) -> str:
    """The bounds below which half, 99 and all of a hundred fires are."""
    total = int(buckets[-1].get("fires", 0)) if buckets else 0
    if not total:
        return "no firings"
    bounds = [(bucket["atMostSeconds"], int(bucket.get("fires", 0))) for bucket in buckets]
    parts = [(share, next(bound for bound, fires in bounds if fires >= share * total)) for share in (0.5, 0.99, 1.0)]
    return ", ".join(f"{share:.0%} within {bound} s" for share, bound in parts) + f" of {total}"
