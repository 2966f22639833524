"""`tocsin integration`: monitoring systems whose alerts open incidents."""

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect

_KINDS: Final = "alertmanager, grafana, pagerduty, cloudevents, generic or email."
_PATH: Final = "/v1/integrations"
_Integration = Annotated[str, typer.Argument(help="Name of the integration, or its id.")]
_Kind = Annotated[str, typer.Argument(help=f"What its sender speaks: {_KINDS}")]
_DisplayName = Annotated[str | None, typer.Option("--display-name", help="Name for people.")]
_Policy = Annotated[
    str | None, typer.Option("--policy", help="Id of the escalation policy of its incidents; '' for none: a route finds it.")
]
_Severity = Annotated[str | None, typer.Option("--severity", help="Of alerts that name none: critical, error, warning or info.")]
_MappingOption = Annotated[
    Path | None,
    typer.Option("--mapping", help="JSON file that says where a payload has what; - reads the standard input.", allow_dash=True),
]
_ByGroup = Annotated[
    bool | None, typer.Option("--by-group/--by-alert", help="Alertmanager, Grafana: one incident for each group, or each alert.")
]
_Paused = Annotated[bool | None, typer.Option("--pause/--resume", help="Whether its alerts open nothing.")]
_COUNTS: Final = ("opened", "counted", "acknowledged", "resolved", "ignored")


def create(
    kind: _Kind,
    name: Annotated[str, typer.Option("--id", help="Its id; made unless given.")] = "",
    display_name: _DisplayName = None,
    policy: _Policy = None,
    severity: _Severity = None,
    mapping: _MappingOption = None,
    by_group: _ByGroup = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an integration, and show its key, once, with a line that tries it."""
    body = {"kind": kind.upper(), **_fields(display_name, policy, severity, mapping, by_group, paused=None)}
    if name:
        body["name"] = _named(name)
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("POST", _PATH, body=body)
    _tell_key(made, as_json=as_json)


def show_all(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False) -> None:
    """List integrations, by name."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(client.pages(_PATH, "integrations", {}))
    if as_json:
        write_json({"integrations": found})
    else:
        write_table(("integration", "kind", "policy", "last payload", "name"), map(_row, found), empty="No integrations.")


def show(integration: _Integration, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Show an integration as JSON."""
    with connect(state=state, url=url, api_key=api_key) as client:
        write_json(client.call("GET", f"/v1/{_named(integration)}"))


def update(
    integration: _Integration,
    display_name: _DisplayName = None,
    policy: _Policy = None,
    severity: _Severity = None,
    mapping: _MappingOption = None,
    by_group: _ByGroup = None,
    paused: _Paused = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change an integration: only what is given."""
    body = _fields(display_name, policy, severity, mapping, by_group, paused=paused)
    if not body:
        msg = "give what is to change; --help lists it"
        raise typer.BadParameter(msg)
    name = _named(integration)
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("PATCH", f"/v1/{name}", body={**body, "name": name}, params={"updateMask": ",".join(body)})
    write_json(made) if as_json else write_line("  ".join(_row(made)))


def remove(integration: _Integration, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Remove an integration and its payloads; its key is worth nothing from then on."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", f"/v1/{_named(integration)}")
    write_line(f"{_named(integration)} is removed")


def rotate_key(
    integration: _Integration,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an integration another key, and show it, once; the one before is worth nothing from then on."""
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("POST", f"/v1/{_named(integration)}:rotateKey", body={})
    _tell_key(made, as_json=as_json)


def payloads(
    integration: _Integration,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of payloads.")] = 20,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the last payloads of an integration and what became of them, newest first; --json shows their text."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages(f"/v1/{_named(integration)}/payloads", "payloads", {}), limit))
    if as_json:
        write_json({"payloads": found})
    else:
        write_table(("time", "bytes", "outcome", "alerts", "why"), map(_payload, found), empty="Nothing has come.")


def attempt(
    integration: _Integration,
    file: Annotated[
        Path | None, typer.Argument(help="The payload; - reads the standard input; the last one that came unless given.", allow_dash=True)
    ] = None,
    mapping: _MappingOption = None,
    content_type: Annotated[str, typer.Option("--content-type", help="Media type of the payload.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a payload would do, and do nothing."""
    body: dict[str, Any] = {"payload": _text(file) if file else "", "contentType": content_type}
    if mapping:
        body["mapping"] = _mapping(mapping)
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", f"/v1/{_named(integration)}:try", body=body)
    if as_json:
        write_json(found)
    else:
        write_table(("event", "severity", "key", "title"), map(_alert, found.get("alerts", [])), empty="No alerts.")


def make_integration() -> typer.Typer:
    """The commands of `tocsin integration`."""
    app = typer.Typer(no_args_is_help=True, help="Let monitoring systems open incidents.", epilog=EXIT_CODES)
    words = {"create": create, "list": show_all, "get": show, "update": update, "delete": remove}
    for word, command in {**words, "rotate-key": rotate_key, "payloads": payloads, "try": attempt}.items():
        app.command(word, epilog=EXIT_CODES)(command)
    return app


def _fields(
    display_name: str | None, policy: str | None, severity: str | None, mapping: Path | None, by_group: bool | None, *, paused: bool | None
) -> dict[str, Any]:
    """The fields that are given."""
    fields: dict[str, Any] = {
        "displayName": display_name,
        "escalationPolicy": None if policy is None else policy and f"escalationPolicies/{policy.removeprefix('escalationPolicies/')}",
        "defaultSeverity": severity and severity.upper(),
        "mapping": _mapping(mapping) if mapping else None,
        "byGroup": by_group,
        "paused": paused,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _mapping(file: Path) -> dict[str, Any]:
    try:
        document: object = json.loads(_text(file))
    except ValueError as error:
        msg = f"{file} is no JSON: {error}"
        raise typer.BadParameter(msg, param_hint="--mapping") from None
    if not isinstance(document, dict):
        msg = f"{file} must be a JSON object"
        raise typer.BadParameter(msg, param_hint="--mapping")
    return cast("dict[str, Any]", document)


def _text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, ValueError) as error:
        msg = f"{file} cannot be read: {error}"
        raise typer.BadParameter(msg) from None


def _tell_key(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(made)
        return
    write_line(f"{made['name']} ({made['kind']})")
    write_line(f"key: {made['key']}")
    write_line("Keep it: it is not shown again.")
    if made.get("example"):
        write_line(f"KEY={made['key']} URL=http://127.0.0.1:8000; {made['example']}")


def _row(item: dict[str, Any]) -> tuple[str, str, str, str, str]:
    kind = f"{item['kind']} (paused)" if item.get("paused") else item["kind"]
    policy = item.get("escalationPolicy", "").rpartition("/")[2]
    return item["name"].rpartition("/")[2], kind, policy, item.get("lastPayloadTime", ""), item.get("displayName", "")


def _payload(item: dict[str, Any]) -> tuple[str, str, str, str, str]:
    receipt = item.get("receipt", {})
    counts = ", ".join(f"{receipt[name]} {name}" for name in _COUNTS if receipt.get(name))
    why = ": ".join(part for part in (item.get("field", ""), item.get("detail", "")) if part)
    return item["receiveTime"], str(item.get("size", 0)), item["outcome"], counts, why


def _alert(item: dict[str, Any]) -> tuple[str, str, str, str]:
    return item["event"], item.get("severity", ""), item.get("dedupKey", ""), item.get("title", "")


def _named(text: str) -> str:
    return text if text.startswith("integrations/") else f"integrations/{text}"
