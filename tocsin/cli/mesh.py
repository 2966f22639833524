"""`tocsin mesh`: the processes, their breakers and their calls, live; and an operator's orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from google.rpc.code_pb2 import Code
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tocsin.cli.mesh_calls import tap, top
from tocsin.cli.mesh_check import check
from tocsin.cli.mesh_graph import graph
from tocsin.cli.mesh_policy import make_policy
from tocsin.cli.mesh_rules import add_rules
from tocsin.cli.output import EXIT_CODES, write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, proto_duration
from tocsin.client import Client
from tocsin.errors import Unavailable
from tocsin.resource_names import path_segments, segment

_STYLES: Final = {"HEALTHY": "green", "DEGRADED": "yellow", "CLOSED": "green", "HALF_OPEN": "yellow"}
_CODES: Final = {name.lower(): number for name, number in Code.items() if number}
_PIPE_WIDTH: Final = 300
_Key = tuple[str, str, str]


def make_mesh() -> typer.Typer:
    """The words behind `tocsin mesh`."""
    mesh = typer.Typer(help="Watch and control the service mesh.", epilog=EXIT_CODES, invoke_without_command=True)
    mesh.callback()(show)
    for name, command in (
        ("reset", reset),
        ("open", keep_open),
        ("close", keep_closed),
        ("fault", fault),
        ("heal", heal),
        ("graph", graph),
        ("tap", tap),
        ("top", top),
        ("check", check),
    ):
        mesh.command(name, epilog=EXIT_CODES)(command)
    policy = make_policy()
    add_rules(policy)
    mesh.add_typer(policy, name="policy")
    return mesh


# -- watching ------------------------------------------------------------------------------------------------------------------


def show(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Print the state once and exit.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every process, circuit breaker and method live, until Ctrl-C. With --json, one object per line."""
    if context.invoked_subcommand is not None:
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH  # a program that reads lines wants whole ones
    with connect(state=state, url=url, api_key=api_key) as client:
        if as_json and once:
            write_json(client.call("GET", "/v1/mesh"))
        elif once or not console.is_terminal:
            console.print(_Watched().take(client.call("GET", "/v1/mesh")))
        else:
            _follow(client, console, as_json=as_json)


def _follow(client: Client, console: Console, *, as_json: bool) -> None:
    watched = _Watched()
    with Live(console=console, screen=not as_json, auto_refresh=False) as live:
        for message in client.stream("/v1/mesh:watch", {}):
            picture = message.get("mesh", {})
            if as_json:
                write_json(picture)
            else:
                live.update(watched.take(picture), refresh=True)
    raise Unavailable("the gateway ended the stream")


@dataclass(slots=True)
class _Counts:
    """The calls of one method at one moment."""

    calls: int
    errors: int
    buckets: Sequence[int]


class _Watched:
    """Tables of a picture; rates and latencies are those since the picture before."""

    def __init__(self) -> None:
        self._before: dict[_Key, _Counts] = {}
        self._time = ""

    def take(self, picture: Mapping[str, Any]) -> Group:
        """The tables of the next picture."""
        now: dict[_Key, _Counts] = {}
        bounds: Sequence[float] = ()
        for process in picture.get("processes", ()):
            status: Mapping[str, Any] = process.get("status", {})
            bounds = status.get("bucketBounds", bounds)
            for stats in status.get("methods", ()):
                _add(now, process["service"], stats)
        tables = Group(_processes(picture), Text(""), _breakers(picture), Text(""), self._methods(now, bounds))
        self._before = now
        return tables

    def _methods(self, now: Mapping[_Key, _Counts], bounds: Sequence[float]) -> Table:
        table = _table(
            "caller", "called", "method", "calls", "errors", "p50", "p99", title="calls since the last refresh, or since the start"
        )
        for key, counts in sorted(now.items()):
            before = self._before.get(key, _Counts(0, 0, [0] * len(counts.buckets)))
            calls, failed = counts.calls - before.calls, counts.errors - before.errors
            buckets = [one - other for one, other in zip(counts.buckets, before.buckets, strict=True)]
            if calls > 0:
                service, target, method = key
                caller, called = (service, target) if target else ("", service)
                error = Text(str(failed), style="red" if failed else "")
                table.add_row(caller, called, method, str(calls), error, _quantile(buckets, bounds, 0.5), _quantile(buckets, bounds, 0.99))
        return table


def _add(now: dict[_Key, _Counts], service: str, stats: Mapping[str, Any]) -> None:
    """Replicas of a service are added up."""
    key = (service, stats.get("target", ""), stats["method"].rpartition(".")[2])
    buckets = [int(count) for count in stats.get("buckets", ())]
    known = now.setdefault(key, _Counts(0, 0, [0] * len(buckets)))
    known.calls += int(stats.get("calls", 0))
    known.errors += int(stats.get("errors", 0))
    known.buckets = [one + other for one, other in zip(known.buckets, buckets, strict=True)]


def _processes(picture: Mapping[str, Any]) -> Table:
    table = _table("service", "address", "health", "dependencies", "faults")
    for process in picture.get("processes", ()):
        status: Mapping[str, Any] = process.get("status", {})
        health = status.get("health", "UNAVAILABLE" if not process.get("reachable") else "")
        parts = [
            f"{item['name']} {item.get('detail', '')}".strip() for item in status.get("dependencies", ()) if item.get("health") != "HEALTHY"
        ]
        table.add_row(
            process["service"],
            process["address"],
            Text(health.lower(), style=_STYLES.get(health, "red")),
            Text("; ".join(parts), style="yellow"),
            str(len(status.get("faults", ())) or ""),
        )
    return table


def _breakers(picture: Mapping[str, Any]) -> Table:
    table = _table("in", "circuit breaker", "state", "failures", "next probe")
    for process in picture.get("processes", ()):
        for breaker in process.get("status", {}).get("circuitBreakers", ()):
            if breaker.get("state") == "CLOSED" and not breaker.get("failures") and not breaker.get("forced"):
                continue
            state = breaker.get("state", "").lower() + (" (forced)" if breaker.get("forced") else " (idle)" if breaker.get("idle") else "")
            style = _STYLES.get(breaker.get("state", ""), "red")
            table.add_row(
                process["service"], breaker["id"], Text(state, style=style), str(breaker.get("failures", 0)), breaker.get("retryAfter", "")
            )
    if not table.row_count:
        table.add_row("", Text("all closed, no failures", style="green"), "", "", "")
    return table


def _table(*headings: str, title: str | None = None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left", title_style="dim")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in ("calls", "errors", "failures", "p50", "p99") else "left", overflow="fold")
    return table


def _quantile(buckets: Sequence[int], bounds: Sequence[float], share: float) -> str:
    """The bound of the bucket that holds so large a share of the calls."""
    wanted, seen = share * sum(buckets), 0
    for count, bound in zip(buckets, bounds, strict=False):
        seen += count
        if seen >= wanted:
            return f"{bound * 1000:g} ms"
    return f"over {bounds[-1]:g} s" if bounds else ""


# -- control -------------------------------------------------------------------------------------------------------------------


def reset(
    target: Annotated[str, typer.Argument(help="A service, such as scheduler, or the id of one breaker.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reset the circuit breakers of a service, or one breaker, in every process."""
    place = f"breakers/{path_segments(target)}" if "/" in target else f"services/{segment(target)}"
    path = f"/v1/mesh/{place}:reset"
    _order("POST", path, {}, state=state, url=url, api_key=api_key, as_json=as_json)


def keep_open(
    breaker: Annotated[str, typer.Argument(help="Id of the breaker, as `tocsin mesh` shows it.")],
    length: Annotated[str | None, typer.Option("--for", help="How long: 30s, 5m. Default: until it is reset.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Force a circuit breaker open in every process, until it is reset, or for a time."""
    body = {} if length is None else {"duration": proto_duration(duration(length, option="--for"))}
    _order("POST", f"/v1/mesh/breakers/{path_segments(breaker)}:open", body, state=state, url=url, api_key=api_key, as_json=as_json)


def keep_closed(
    breaker: Annotated[str, typer.Argument(help="Id of the breaker, as `tocsin mesh` shows it.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Force a circuit breaker closed in every process, until it is reset."""
    _order("POST", f"/v1/mesh/breakers/{path_segments(breaker)}:close", {}, state=state, url=url, api_key=api_key, as_json=as_json)


def fault(
    service: Annotated[str, typer.Argument(help="Service whose calls are affected, such as scheduler.")],
    percent: Annotated[float, typer.Option("--percent", min=0.001, max=100, help="Percentage of the calls.")] = 100.0,
    method: Annotated[
        str, typer.Option("--method", help="/package.Service/Method, or /package.Service/ for every method. Default: every call.")
    ] = "",
    delay: Annotated[str | None, typer.Option("--delay", help="Delay before the call: 200ms, 2s.")] = None,
    abort: Annotated[str | None, typer.Option("--abort", help="Status code that the calls end with, such as unavailable.")] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Never answer the calls.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Inject a fault: delay, abort or drop a percentage of the calls to a service. Requires TOCSIN_<SERVICE>_FAULTS_ENABLED=true there."""
    if not (delay or abort or drop):
        msg = "give --delay, --abort or --drop"
        raise typer.BadParameter(msg)
    if abort is not None and abort.lower() not in _CODES:
        msg = f"{abort!r} is not a status code; use one of {', '.join(_CODES)}"
        raise typer.BadParameter(msg, param_hint="--abort")
    wanted: dict[str, Any] = {"method": method, "percent": percent, "drop": drop, "abort": _CODES[abort.lower()] if abort else 0}
    if delay is not None:
        wanted["delay"] = proto_duration(duration(delay, option="--delay"))
    _order("POST", "/v1/mesh/faults", {"service": service, "fault": wanted}, state=state, url=url, api_key=api_key, as_json=as_json)


def heal(
    service: Annotated[str, typer.Argument(help="The service. Default: every service.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove injected faults."""
    path = f"/v1/mesh/faults?service={segment(service)}" if service else "/v1/mesh/faults"
    _order("DELETE", path, None, state=state, url=url, api_key=api_key, as_json=as_json)


def _order(
    verb: str, path: str, body: Mapping[str, Any] | None, *, state: Any, url: str | None, api_key: str | None, as_json: bool
) -> None:
    with connect(state=state, url=url, api_key=api_key) as client:
        report = client.call(verb, path, body=body)
    if as_json:
        write_json(report)
    else:
        for taken in report.get("taken", ()):
            changed = ", ".join(name or "every call" for name in taken.get("changed", ())) or "unchanged"
            write_line(f"{taken['service']} at {taken['address']}: {changed}")
        for missed in report.get("missed", ()):
            write_line(f"{missed['service']} at {missed['address']}: NOT REACHED: {missed.get('reason', '')}")
    if report.get("missed"):
        raise typer.Exit(1)
