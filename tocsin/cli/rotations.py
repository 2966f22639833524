"""`tocsin rotation`: who is on call."""

from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from tocsin.cli.feeds import make_feed
from tocsin.cli.output import EXIT_CODES, shown, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, OutputOption, StateOption, UrlOption, connect
from tocsin.cli.words import instant, rfc3339, zone_of
from tocsin.clock import SystemClock
from tocsin.resource_names import resource_path

_LARGEST = 4 * 1024 * 1024
_READ_ONLY = ("createTime", "updateTime", "revision")
_KINDS = ("add", "remove", "replace")

RotationArgument = Annotated[str, typer.Argument(help="Name or id of the rotation.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Maximum number of them.")]
AtOption = Annotated[str | None, typer.Option("--at", help="Then instead of now: an RFC 3339 time, or 'in 2h'.")]
ZoneOption = Annotated[
    str | None, typer.Option("--time-zone", help="Time zone of local times and of the table; the rotation's own if none is given.")
]


def make_rotation() -> typer.Typer:
    """The commands of `tocsin rotation`."""
    group = typer.Typer(no_args_is_help=True, help="Rotations: who is on call.", epilog=EXIT_CODES)
    for name, command in (
        ("apply", apply),
        ("list", list_rotations),
        ("show", show_rotation),
        ("export", export_rotations),
        ("on-call", on_call),
        ("preview", preview_rotation),
        ("history", history),
        ("delete", delete_rotation),
    ):
        group.command(name, epilog=EXIT_CODES)(command)
    overrides = typer.Typer(no_args_is_help=True, help="Overrides: somebody else for a time.", epilog=EXIT_CODES)
    for name, command in (("add", add_override), ("list", list_overrides), ("remove", remove_override)):
        overrides.command(name, epilog=EXIT_CODES)(command)
    group.add_typer(overrides, name="override")
    group.add_typer(make_feed("rotations"), name="feed")
    return group


def apply(
    file: Annotated[
        Path, typer.Argument(help="YAML or JSON: a rotation, or a list of them, as `tocsin rotation export` writes it; - for stdin.")
    ],
    output: OutputOption = "table",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Create the rotations of a file, or make those that are there what it says."""
    from tocsin.cli.apply.command import apply_kind  # it knows the contract, which the other commands need not load

    apply_kind("rotation", file, state=state, url=url, api_key=api_key, output=output)


def list_rotations(
    limit: LimitOption = 100, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List rotations."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages("/v1/rotations", "rotations", {}), limit))
    if as_json:
        write_json({"rotations": found})
        return
    rows = [
        (one["name"], one.get("displayName", ""), one.get("timeZone", ""), str(len(one.get("layers", []))), _calendars(one))
        for one in found
    ]
    write_table(("rotation", "name", "time zone", "layers", "calendars"), rows, empty="No rotations.")


def show_rotation(
    rotation: RotationArgument,
    output: OutputOption = "yaml",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Show a rotation as YAML, as `apply` takes it."""
    with connect(state=state, url=url, api_key=api_key) as client:
        shown(_applicable(client.call("GET", _path(rotation))), output=output)


def export_rotations(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Write all rotations as YAML, or JSON, as `apply` takes them."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = [_applicable(one) for one in client.pages("/v1/rotations", "rotations", {})]
    if as_json:
        write_json(found)
    else:
        write_line(_yaml(found))


def on_call(
    rotation: Annotated[str | None, typer.Argument(help="Name or id of the rotation; all unless given.")] = None,
    at: AtOption = None,
    recipient: Annotated[str | None, typer.Option("--recipient", help="Only where this recipient is on call.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say who is on call."""
    params = {"at": rfc3339(instant(at, now=SystemClock().now(), zone=None, option="--at"))} if at else {}
    with connect(state=state, url=url, api_key=api_key) as client:
        if rotation is not None:
            found = [client.call("GET", f"{_path(rotation)}:onCall", params=params)]
        else:
            if recipient is not None:
                params["recipient"] = _person(recipient)
            found = list(client.pages("/v1/onCall", "onCall", params))
    if as_json:
        write_json({"onCall": found})
        return
    rows = [(one["rotation"], *_who(one.get("interval", {})), one.get("interval", {}).get("endTime", "-")) for one in found]
    write_table(("rotation", "on call", "why", "labels", "until"), rows, empty="Nobody is on call.")


def preview_rotation(
    rotation: RotationArgument,
    begin: Annotated[str | None, typer.Option("--from", help="Where it begins; now unless given.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Where it ends; four weeks later unless given.")] = None,
    zone: ZoneOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the schedule, with gaps and double cover."""
    with connect(state=state, url=url, api_key=api_key) as client:
        shown: str = zone or client.call("GET", _path(rotation)).get("timeZone", "UTC")
        params = {
            name: rfc3339(instant(text, now=SystemClock().now(), zone=shown, option=f"--{name}"))
            for name, text in (("from", begin), ("to", end))
            if text is not None
        }
        found = client.call("GET", f"{_path(rotation)}:preview", params=params)
    if as_json:
        write_json(found)
        return
    rows = [(_local(one["startTime"], shown), _local(one["endTime"], shown), *_who(one)) for one in found.get("intervals", [])]
    write_table((f"from ({shown})", "to", "on call", "why", "labels"), rows, empty="There is no rotation in this time.")


def history(
    rotation: RotationArgument,
    limit: LimitOption = 20,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what a rotation was, the newest first; also of one that is gone."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages(f"{_path(rotation)}/revisions", "revisions", {}), limit))
    if as_json:
        write_json({"revisions": found})
        return
    rows = [
        (str(one.get("revision", 0)), one.get("updateTime", ""), one.get("displayName", ""), str(len(one.get("layers", []))) or "removed")
        for one in found
    ]
    write_table(("revision", "since", "name", "layers"), rows, empty="No revisions.")


def delete_rotation(rotation: RotationArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Delete a rotation; who was on call can still be asked."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", _path(rotation))
    write_line(f"{_full(rotation)} deleted")


def add_override(
    rotation: RotationArgument,
    kind: Annotated[str, typer.Argument(help="add, remove or replace.")],
    recipients: Annotated[list[str], typer.Argument(help="recipients/ID, or ids.")],
    end: Annotated[str, typer.Option("--to", help="When it ends: an RFC 3339 time, 'in 8h', or a local time.")],
    begin: Annotated[str | None, typer.Option("--from", help="When it begins; now unless given.")] = None,
    comment: Annotated[str, typer.Option("--comment", help="Why.")] = "",
    zone: ZoneOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put somebody else on call for a time."""
    if kind not in _KINDS:
        msg = f"{kind!r} is not one of {', '.join(_KINDS)}"
        raise typer.BadParameter(msg, param_hint="kind")
    with connect(state=state, url=url, api_key=api_key) as client:
        local: str = zone or client.call("GET", _path(rotation)).get("timeZone", "UTC")
        now = SystemClock().now()
        body = {
            "kind": kind.upper(),
            "recipients": [_person(one) for one in recipients],
            "startTime": rfc3339(instant(begin, now=now, zone=local, option="--from") if begin else now),
            "endTime": rfc3339(instant(end, now=now, zone=local, option="--to")),
            "comment": comment,
        }
        found = client.call("POST", f"{_path(rotation)}/overrides", body=body)
        if as_json:
            write_json(found)
            return
        times = {"from": found["startTime"], "to": found["endTime"]}
        comes = client.call("GET", f"{_path(rotation)}:preview", params=times).get("intervals", [])
    write_line(f"{found['name']} holds from {_local(found['startTime'], local)} to {_local(found['endTime'], local)} ({local})")
    for one in comes:
        if "GAP" in one.get("labels", ()):
            write_line(f"nobody is on call from {_local(one['startTime'], local)} to {_local(one['endTime'], local)}")


def list_overrides(
    rotation: RotationArgument,
    ended: Annotated[bool, typer.Option("--ended", help="Those that have ended, too.")] = False,
    limit: LimitOption = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List overrides; where two contradict each other, the later one wins."""
    params = {"showEnded": "true"} if ended else {}
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages(f"{_path(rotation)}/overrides", "overrides", params), limit))
    if as_json:
        write_json({"overrides": found})
        return
    rows = [
        (one["name"], one["kind"].lower(), _ids(one), one["startTime"], one["endTime"], one.get("author", ""), one.get("comment", ""))
        for one in found
    ]
    write_table(("override", "kind", "who", "from", "to", "author", "comment"), rows, empty="No overrides.")


def remove_override(
    override: Annotated[str, typer.Argument(help="Name of the override: rotations/ID/overrides/ID.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Take an override back."""
    rotation, _, identity = override.partition("/overrides/")
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", resource_path(f"{_path(rotation).removeprefix('/v1/')}/overrides/{identity}", f"{_full(rotation)}/overrides"))
    write_line(f"{override} taken back")


def _calendars(rotation: dict[str, Any]) -> str:
    """What is wrong with the calendars of its layers."""
    states = [layer.get("calendarState", {}) for layer in rotation.get("layers", ())]
    errors = [state["error"] for state in states if state.get("error")]
    lost = sum(len(state.get("unmatched", ())) for state in states)
    return "; ".join([*errors, *([f"{lost} events of nobody"] if lost else [])]) or "-"


def _applicable(rotation: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rotation.items() if key not in _READ_ONLY}


def _yaml(what: dict[str, Any] | list[dict[str, Any]]) -> str:
    return yaml.safe_dump(what, sort_keys=False, allow_unicode=True).rstrip()


def _who(interval: dict[str, Any]) -> tuple[str, str, str]:
    layer = interval.get("layerDisplayName") or (f"layer {interval['layer']}" if interval.get("layer") else "")
    overrides = [name.rpartition("/")[2] for name in interval.get("overrides", [])]
    why = ", ".join(part for part in (layer, *(f"override {one}" for one in overrides)) if part)
    return _ids(interval) or "nobody", why or "-", ", ".join(interval.get("labels", [])).lower().replace("_", " ") or "-"


def _ids(one: dict[str, Any]) -> str:
    return ", ".join(name.partition("/")[2] for name in one.get("recipients", []))


def _local(instant_of: str, zone: str) -> str:
    return datetime.fromisoformat(instant_of).astimezone(zone_of(zone)).strftime("%a %Y-%m-%d %H:%M")


def _person(name: str) -> str:
    return name if "/" in name else f"recipients/{name}"


def _full(name: str) -> str:
    return name if "/" in name else f"rotations/{name}"


def _path(name: str) -> str:
    return resource_path(_full(name), "rotations")
