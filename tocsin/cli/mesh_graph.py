"""`tocsin mesh graph`: who calls whom, from live traffic."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

import typer

from tocsin.cli.output import write_json, write_line
from tocsin.cli.target import STATE, KeyOption, StateOption, UrlOption, connect
from tocsin.errors import Unavailable

_Picture = Mapping[str, Any]
_Counts = Mapping[tuple[str, str, str, str], tuple[int, int, Sequence[int]]]


class GraphFormat(StrEnum):
    """How the graph is printed."""

    TEXT = "text"
    JSON = "json"
    DOT = "dot"


@dataclass(slots=True)
class CalledAddress:
    """One endpoint of a called service.

    Attributes:
        zone: as the target says.
        version: likewise.
        states: of the connections of all callers, each once.
        calls: attempts in the time that was watched.
        errors: those that failed.
        last: when the last one began; empty before the first.
    """

    zone: str = ""
    version: str = ""
    states: set[str] = field(default_factory=set[str])
    calls: int = 0
    errors: int = 0
    last: str = ""


@dataclass(slots=True)
class TrafficEdge:
    """What one service called of another.

    Attributes:
        caller: the calling service.
        called: the called one.
        calls: attempts in the time that was watched.
        errors: those that ended with a code other than OK.
        buckets: attempts by how long they took.
        open: a circuit breaker between the two is open.
        endpoints: of the called one, as its caller sees them, by address.
    """

    caller: str
    called: str
    calls: int = 0
    errors: int = 0
    buckets: list[int] = field(default_factory=list[int])
    open: bool = False
    endpoints: dict[str, CalledAddress] = field(default_factory=dict[str, CalledAddress])


def graph(
    seconds: Annotated[int, typer.Option("--seconds", min=1, max=60, help="How long to watch the traffic.")] = 5,
    form: Annotated[GraphFormat, typer.Option("--format", help="text, json, or dot for Graphviz.")] = GraphFormat.TEXT,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Show who calls whom: rate, errors and 99th percentile of each edge, watched for some seconds."""
    with connect(state=state, url=url, api_key=api_key) as client:
        pictures = [message.get("mesh", {}) for message in islice(client.stream("/v1/mesh:watch", {"intervalSeconds": str(seconds)}), 2)]
    if len(pictures) < 2:
        raise Unavailable("the gateway ended the stream")
    rows = rows_of(*pictures)
    if form is GraphFormat.JSON:
        write_json({"edges": rows})
    elif form is GraphFormat.DOT:
        write_line(as_dot(rows))
    else:
        for row in rows:
            for line in lines_of(row):
                write_line(line)
        if not rows:
            write_line("no service called another")


def rows_of(before: _Picture, now: _Picture) -> list[dict[str, Any]]:
    """The edges between two pictures of the mesh, by caller and called, as JSON has them.

    A process that began anew in between counts from nothing.
    """
    seconds = (datetime.fromisoformat(now["time"]) - datetime.fromisoformat(before["time"])).total_seconds()
    bounds: Sequence[float] = next((status["bucketBounds"] for status in _statuses(now) if status.get("bucketBounds")), ())
    return [
        {
            "caller": edge.caller,
            "called": edge.called,
            "callsPerSecond": round(edge.calls / seconds, 2) if seconds > 0 else 0.0,
            "errorPercent": round(100 * edge.errors / edge.calls, 2) if edge.calls else 0.0,
            "p99Seconds": _quantile(edge.buckets, bounds),
            "circuitOpen": edge.open,
            "endpoints": [_endpoint(address, edge.endpoints[address], seconds) for address in sorted(edge.endpoints)],
        }
        for edge in sorted(_edges(before, now), key=lambda edge: (edge.caller, edge.called))
    ]


def _edges(before: _Picture, now: _Picture) -> list[TrafficEdge]:
    known = _counts(before)
    found: dict[tuple[str, str], TrafficEdge] = {}
    for (incarnation, caller, called, method), (calls, errors, buckets) in _counts(now).items():
        edge = found.setdefault((caller, called), TrafficEdge(caller, called, buckets=[0] * len(buckets)))
        old_calls, old_errors, old_buckets = known.get((incarnation, caller, called, method), (0, 0, [0] * len(buckets)))
        edge.calls += calls - old_calls
        edge.errors += errors - old_errors
        edge.buckets = [total + new - old for total, new, old in zip(edge.buckets, buckets, old_buckets, strict=True)]
    for status in _statuses(now):
        for breaker in status.get("circuitBreakers", ()):
            edge = found.get((status["service"], breaker.get("target", "")))
            if edge is not None and breaker.get("state") == "OPEN":
                edge.open = True
    _add_endpoints(found, before, now)
    return list(found.values())


def _add_endpoints(edges: Mapping[tuple[str, str], TrafficEdge], before: _Picture, now: _Picture) -> None:
    known = {
        (status.get("incarnation", ""), one["target"], one.get("address", "")): one
        for status in _statuses(before)
        for one in status.get("endpoints", ())
    }
    for status in _statuses(now):
        for one in status.get("endpoints", ()):
            edge = edges.get((status["service"], one["target"]))
            if edge is None:
                continue
            address = one.get("address", "")
            old = known.get((status.get("incarnation", ""), one["target"], address), {})
            shown = edge.endpoints.setdefault(address, CalledAddress())
            shown.zone, shown.version = one.get("zone", ""), one.get("version", "")
            shown.states |= {one["state"]} if one.get("state") else set[str]()
            shown.calls += int(one.get("calls", 0)) - int(old.get("calls", 0))
            shown.errors += int(one.get("errors", 0)) - int(old.get("errors", 0))
            shown.last = max(shown.last, one.get("lastCallTime", ""))


def _endpoint(address: str, called: CalledAddress, seconds: float) -> dict[str, Any]:
    return {
        "address": address,
        "zone": called.zone,
        "version": called.version,
        "state": "/".join(sorted(called.states)),
        "callsPerSecond": round(called.calls / seconds, 2) if seconds > 0 else 0.0,
        "errorPercent": round(100 * called.errors / called.calls, 2) if called.calls else 0.0,
        "lastCallTime": called.last,
    }


def _counts(picture: _Picture) -> _Counts:
    """Calls, errors and buckets by process, caller, called service and method."""
    return {
        (status.get("incarnation", ""), status["service"], stats["target"], stats["method"]): (
            int(stats.get("calls", 0)),
            int(stats.get("errors", 0)),
            [int(count) for count in stats.get("buckets", ())],
        )
        for status in _statuses(picture)
        for stats in status.get("methods", ())
        if stats.get("target")
    }


def _statuses(picture: _Picture) -> list[Mapping[str, Any]]:
    return [process["status"] for process in picture.get("processes", ()) if process.get("status")]


def _quantile(buckets: Sequence[int], bounds: Sequence[float]) -> float | None:
    """Seconds that 99 % of the calls did not exceed, as the bound of their bucket; None where there is none."""
    wanted, seen = 0.99 * sum(buckets), 0
    for count, bound in zip(buckets, bounds, strict=False):
        seen += count
        if wanted and seen >= wanted:
            return bound
    return None


def lines_of(row: Mapping[str, Any]) -> Iterator[str]:
    """The edge as text, and its endpoints where there are several, or the target says something of them."""
    yield _line(row)
    for one in _told(row):
        where = one["address"] or "whichever"
        labels = "".join(f"  {name} {one[name]}" for name in ("zone", "version") if one[name])
        rates = f"{one['callsPerSecond']:>9g}/s  {one['errorPercent']:>6g} % errors"
        yield f"  {where:<30} {rates}  {one['state'] or 'not connected'}{labels}"


def _told(row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    endpoints: Sequence[Mapping[str, Any]] = row["endpoints"]
    return endpoints if len(endpoints) > 1 or any(one["zone"] or one["version"] for one in endpoints) else ()


def _line(row: Mapping[str, Any]) -> str:
    p99 = f"p99 {row['p99Seconds'] * 1000:g} ms" if row["p99Seconds"] is not None else "p99 -"
    circuit = "  CIRCUIT OPEN" if row["circuitOpen"] else ""
    names = f"{row['caller']} -> {row['called']}"
    return f"{names:<32} {row['callsPerSecond']:>9g}/s  {row['errorPercent']:>6g} % errors  {p99}{circuit}"


def as_dot(rows: Sequence[Mapping[str, Any]]) -> str:
    """The edges in the language of Graphviz."""
    edges = [
        f"  {json.dumps(row['caller'])} -> {json.dumps(row['called'])} "
        f"[label={json.dumps(_label(row))}{', color=red' if row['circuitOpen'] else ''}];"
        for row in rows
    ]
    return "\n".join(["digraph mesh {", "  rankdir=LR;", *edges, "}"])


def _label(row: Mapping[str, Any]) -> str:
    lines = [f"{row['callsPerSecond']:g}/s, {row['errorPercent']:g} % errors"]
    for one in _told(row):
        labels = "".join(f", {name} {one[name]}" for name in ("zone", "version") if one[name])
        lines.append(f"{one['address'] or 'whichever'}{labels}: {one['callsPerSecond']:g}/s")
    return "\n".join(lines)
