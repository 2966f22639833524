"""`tocsin mesh check`: what is wrong between the processes of the mesh, before a call finds out."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect

_CLOCK_SECONDS: Final = 0.5

Picture = Mapping[str, Any]


def check(
    days: Annotated[float, typer.Option("--days", min=0, help="Report certificates that expire within so many days.")] = 1.0,
    clock: Annotated[
        float, typer.Option("--clock", min=0, help="Report clocks that are more seconds apart from the gateway's.")
    ] = _CLOCK_SECONDS,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check reachability, certificates, clocks, versions and policies of every process. Exits with 1 when anything is found."""
    with connect(state=state, url=url, api_key=api_key) as client:
        picture = client.call("GET", "/v1/mesh")
    found = list(findings(picture, days=days, clock=clock))
    if as_json:
        write_json({"findings": found, "processes": list(_checked(picture))})
    else:
        for process in _checked(picture):
            write_line(_line(process))
        for finding in found:
            write_line(f"FOUND {finding['kind']}: {finding['service']} at {finding['address']}: {finding['detail']}")
        if not found:
            write_line("nothing is wrong")
    if found:
        raise typer.Exit(1)


def findings(picture: Picture, *, days: float, clock: float) -> Iterator[dict[str, str]]:
    """What is wrong in a picture of the mesh.

    Args:
        picture: as GetMesh answers.
        days: a certificate that expires sooner is a finding.
        clock: seconds; a clock that is farther from the gateway's is a finding.
    """
    replicas: defaultdict[str, list[Picture]] = defaultdict(list)
    for process in picture.get("processes", ()):
        if not process.get("reachable"):
            yield _finding("unreachable", process, "it does not answer")
            continue
        replicas[process["service"]].append(process)
        left = _days_left(picture, process)
        if left is not None and left < days:
            yield _finding("certificate", process, "it has expired" if left < 0 else f"it expires in {left:.2f} days")
        offset = _offset(process)
        if abs(offset) > clock:
            yield _finding("clock", process, f"it is {abs(offset):.3f} s {'ahead' if offset > 0 else 'behind'}")
    yield from _different(picture, replicas)


def _different(picture: Picture, replicas: Mapping[str, list[Picture]]) -> Iterator[dict[str, str]]:
    everybody = [process for process in picture.get("processes", ()) if process.get("reachable")]
    own = next((process["status"].get("version", "") for process in everybody if process["service"] == "gateway"), "")
    for process in everybody:
        version = process["status"].get("version", "")
        if version != own:
            yield _finding("version", process, f"{version or 'unknown'}, and the gateway has {own or 'unknown'}")
    for processes in replicas.values():
        first = processes[0]
        for process in processes[1:]:
            if _digest(process) != _digest(first) and process["status"].get("version") == first["status"].get("version"):
                yield _finding("policy", process, f"its policies differ from those of {first['address']}")


def _checked(picture: Picture) -> Iterator[dict[str, Any]]:
    """Each process with what was looked at."""
    for process in picture.get("processes", ()):
        status = process.get("status", {})
        left = _days_left(picture, process)
        yield {
            "service": process["service"],
            "address": process["address"],
            "reachable": bool(process.get("reachable")),
            "version": status.get("version", ""),
            "certificateDays": None if left is None else round(left, 2),
            "clockOffsetSeconds": round(_offset(process), 3),
            "policyDigest": _digest(process),
        }


def _line(process: Mapping[str, Any]) -> str:
    where = f"{process['service']} at {process['address']}"
    if not process["reachable"]:
        return f"{where:<40} does not answer"
    days = "no certificate" if process["certificateDays"] is None else f"certificate {process['certificateDays']:g} days"
    clock = f"clock {process['clockOffsetSeconds']:+.3f} s"
    return f"{where:<40} version {process['version']}, {days}, {clock}, policies {process['policyDigest']}"


def _days_left(picture: Picture, process: Picture) -> float | None:
    expires = process.get("status", {}).get("certificateExpireTime")
    if not expires:
        return None
    return (datetime.fromisoformat(expires) - datetime.fromisoformat(picture["time"])).total_seconds() / 86_400


def _offset(process: Picture) -> float:
    return float(process.get("clockOffset", "0s").removesuffix("s"))


def _digest(process: Picture) -> str:
    return process.get("status", {}).get("policyDigest", "")


def _finding(kind: str, process: Picture, detail: str) -> dict[str, str]:
    return {"kind": kind, "service": process["service"], "address": process["address"], "detail": detail}
