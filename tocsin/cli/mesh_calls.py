"""`tocsin mesh tap` and `tocsin mesh top`: calls one by one as they pass, and method by method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from google.rpc.code_pb2 import Code
from rich.console import Console
from rich.live import Live
from rich.table import Table

from tocsin.cli.output import write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.errors import Unavailable

_CODES: Final = ("ERROR", *Code.keys())
_PIPE_WIDTH: Final = 300

Picture = Mapping[str, Any]


def tap(
    service: Annotated[str, typer.Argument(help="Service that is called: scheduler, or one outside of the mesh. Default: every one.")] = "",
    method: Annotated[str, typer.Option("--method", help="Method, in full or its end: CreateAlarm, AlarmService/CreateAlarm.")] = "",
    caller: Annotated[str, typer.Option("--caller", help="Service that calls, such as gateway.")] = "",
    tenant: Annotated[str, typer.Option("--tenant", help="Id of the tenant.")] = "",
    code: Annotated[str, typer.Option("--code", help="Code that the calls end with, such as not_found; error for all but ok.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="Exit after so many calls. Default: go on until Ctrl-C.")] = 0,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show calls as they end, from every replica: who called what, code, duration, sizes, trace. Never what they carry."""
    wanted = code.upper()
    if wanted and wanted not in _CODES:
        msg = f"{code!r} is not a status code; use one of {', '.join(name.lower() for name in _CODES)}"
        raise typer.BadParameter(msg, param_hint="--code")
    asked = {"service": service, "filter.method": method, "filter.caller": caller, "filter.tenant": tenant, "filter.code": wanted}
    shown = 0
    with connect(state=state, url=url, api_key=api_key) as client:
        for message in client.stream("/v1/mesh/calls:watch", {name: value for name, value in asked.items() if value}):
            if message.get("missed"):
                _note(f"{message['service']} at {message['address']}: NOT SHOWN: {message['missed']}")
            if int(message.get("dropped", 0)):
                _note(f"{message['service']} at {message['address']}: {message['dropped']} calls were left out")
            for call in message.get("calls", ()):
                _show({"service": message["service"], "address": message["address"], **call}, as_json=as_json)
                shown += 1
                if shown == limit:
                    return
    raise Unavailable("the gateway ended the stream")


def _note(text: str) -> None:
    typer.echo(text, err=True)


def _show(call: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(call)
        return
    time = datetime.fromisoformat(call["endTime"]).astimezone().strftime("%H:%M:%S.%f")[:-3]
    code = call["code"] + (f" {call['reason']}" if call.get("reason", call["code"]) != call["code"] else "")
    milliseconds = float(call.get("duration", "0s").removesuffix("s")) * 1000
    sizes = f"{call.get('requestBytes', 0)}/{call.get('responseBytes', 0)} B"
    who = f"{call.get('caller') or '-'} -> {call.get('target') or call['service']}"
    method = "/".join(part.rpartition(".")[2] for part in call["method"].split("/")[1:])
    what = f"{who:<28} {method:<40} {code:<22} {milliseconds:>9.1f} ms {sizes:>14}"
    write_line(f"{time}  {what}  {call.get('tenant') or '-'} {call.get('trace', '')}")


@dataclass(slots=True)
class MethodTraffic:
    """What one method of a service was called, over all replicas.

    Attributes:
        service: that serves it.
        method: full path.
        calls: that ended.
        errors: those of them that ended with a code other than OK.
        in_flight: calls under way.
        buckets: calls by how long they took.
    """

    service: str
    method: str
    calls: int
    errors: int
    in_flight: int
    buckets: list[int]


def top(
    seconds: Annotated[int, typer.Option("--seconds", min=1, max=60, help="Seconds between two tables.")] = 2,
    once: Annotated[bool, typer.Option("--once", help="Watch once, print the table and exit.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the methods that are called, busiest first: rate, errors, p50, p99 and calls in flight, live until Ctrl-C."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    before: Picture | None = None
    with (
        connect(state=state, url=url, api_key=api_key) as client,
        Live(console=console, screen=console.is_terminal and not (once or as_json), auto_refresh=False) as live,
    ):
        for message in client.stream("/v1/mesh:watch", {"intervalSeconds": str(seconds)}):
            now = message.get("mesh", {})
            rows = [] if before is None else rows_between(before, now)
            if before is None:
                before = now
                continue
            before = now
            if as_json:
                write_json({"methods": rows})
            else:
                live.update(_table(rows), refresh=True)
            if once:
                return
    raise Unavailable("the gateway ended the stream")


def rows_between(before: Picture, now: Picture) -> list[dict[str, Any]]:
    """The methods that were called between two pictures of the mesh, busiest first, as JSON has them.

    A process that began anew in between counts from nothing.
    """
    seconds = (datetime.fromisoformat(now["time"]) - datetime.fromisoformat(before["time"])).total_seconds()
    known, found, bounds = _counts(before), dict[tuple[str, str], MethodTraffic](), list[float]()
    for (incarnation, service, method), stats in _counts(now).items():
        old = known.get((incarnation, service, method), {})
        buckets = _difference(stats, old)
        row = found.setdefault((service, method), MethodTraffic(service, method, 0, 0, 0, [0] * len(buckets)))
        row.calls += int(stats.get("calls", 0)) - int(old.get("calls", 0))
        row.errors += int(stats.get("errors", 0)) - int(old.get("errors", 0))
        row.in_flight += stats.get("inFlight", 0)
        row.buckets = [one + other for one, other in zip(row.buckets, buckets, strict=True)]
    for process in now.get("processes", ()):
        bounds = process.get("status", {}).get("bucketBounds", bounds)
    busy = [row for row in found.values() if row.calls or row.in_flight]
    return [_row(row, seconds, bounds) for row in sorted(busy, key=lambda row: (-row.calls, row.service, row.method))]


def _row(traffic: MethodTraffic, seconds: float, bounds: Sequence[float]) -> dict[str, Any]:
    return {
        "service": traffic.service,
        "method": traffic.method,
        "callsPerSecond": round(traffic.calls / seconds, 2) if seconds > 0 else 0.0,
        "errorPercent": round(100 * traffic.errors / traffic.calls, 2) if traffic.calls else 0.0,
        "p50Seconds": _quantile(traffic.buckets, bounds, 0.5),
        "p99Seconds": _quantile(traffic.buckets, bounds, 0.99),
        "inFlight": traffic.in_flight,
    }


def _counts(picture: Picture) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """What was served, by process, service and method; of services outside of the mesh, what its processes asked of them."""
    return {
        (process["status"].get("incarnation", ""), stats.get("target") or process["service"], stats["method"]): stats
        for process in picture.get("processes", ())
        for stats in process.get("status", {}).get("methods", ())
        if not stats.get("target") or stats["target"] in process["status"].get("foreignServices", ())
    }


def _difference(stats: Mapping[str, Any], old: Mapping[str, Any]) -> list[int]:
    buckets = [int(count) for count in stats.get("buckets", ())]
    before = [int(count) for count in old.get("buckets", ())] or [0] * len(buckets)
    return [one - other for one, other in zip(buckets, before, strict=True)]


def _quantile(buckets: Sequence[int], bounds: Sequence[float], share: float) -> float | None:
    """Seconds that this share of the calls did not exceed, as the bound of their bucket; None where there is none."""
    wanted, seen = share * sum(buckets), 0
    for count, bound in zip(buckets, bounds, strict=False):
        seen += count
        if wanted and seen >= wanted:
            return bound
    return None


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("service", "method", "calls/s", "errors", "p50", "p99", "in flight"):
        table.add_column(heading, justify="left" if heading in ("service", "method") else "right", overflow="fold")
    for row in rows:
        times = ["-" if row[name] is None else f"{row[name] * 1000:g} ms" for name in ("p50Seconds", "p99Seconds")]
        method = row["method"].rpartition(".")[2]
        table.add_row(row["service"], method, f"{row['callsPerSecond']:g}", f"{row['errorPercent']:g} %", *times, str(row["inFlight"]))
    return table
