"""`tocsin incident`, `tocsin policy`, `tocsin silence`: what needs an answer, and whom it goes to until somebody answers."""

import json
import secrets
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import instant, rfc3339
from tocsin.clock import SystemClock

_FILTER_HELP: Final = 'Conditions joined by AND, such as state="TRIGGERED" AND severity="CRITICAL" (AIP-160).'
_Incident = Annotated[str, typer.Argument(help="Name of the incident, or its id.")]
_Note = Annotated[str, typer.Option("--note", help="Why, for the timeline.")]


def trigger(
    title: Annotated[str, typer.Argument(help="What it is, in a line.")],
    policy: Annotated[str | None, typer.Option("--policy", help="Id of the escalation policy; without one nobody is told.")] = None,
    key: Annotated[str, typer.Option("--key", help="Key by which the next trigger finds it again.")] = "",
    severity: Annotated[str, typer.Option("--severity", help="critical, error, warning or info.")] = "error",
    description: Annotated[str, typer.Option("--description", help="What there is to know.")] = "",
    label: Annotated[list[str] | None, typer.Option("--label", help="Label, name=value; repeatable.")] = None,
    link: Annotated[str, typer.Option("--link", help="URL with more about it.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open an incident, or count one more trigger of the open one with the same key."""
    body: dict[str, Any] = {"title": title, "severity": severity.upper(), "dedupKey": key, "description": description, "url": link}
    if policy:
        body["escalationPolicy"] = _named("escalationPolicies", policy)
    if label:
        body["labels"] = dict(_label(text) for text in label)
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("POST", "/v1/incidents", body=body, params={"requestId": secrets.token_hex(16)})
    _tell(made, as_json=as_json)


def show_all(
    condition: Annotated[str, typer.Option("--filter", help=_FILTER_HELP)] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of incidents.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List incidents, newest first."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages("/v1/incidents", "incidents", {"filter": condition}), limit))
    if as_json:
        write_json({"incidents": found})
    else:
        write_table(("incident", "since", "state", "severity", "title"), map(_row, found), empty="No incidents.")


def show(
    incident: _Incident,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an incident and its timeline: who was told, by what, and who answered."""
    name = _named("incidents", incident)
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", f"/v1/{name}")
        events = list(client.pages(f"/v1/{name}/events", "events", {}))
    if as_json:
        write_json({**found, "events": events})
        return
    write_line("  ".join(_row(found)))
    if found.get("nextStepTime"):
        write_line(f"The next step is due at {found['nextStepTime']}.")
    write_table(("time", "what", "who", "what was said"), map(_event, events), empty="Nothing has happened.")


def _answer(verb: str, about: str) -> Any:
    def command(
        incident: _Incident,
        note: _Note = "",
        state: StateOption = STATE,
        url: UrlOption = None,
        api_key: KeyOption = None,
        as_json: JsonOption = False,
    ) -> None:
        with connect(state=state, url=url, api_key=api_key) as client:
            found = client.call("POST", f"/v1/{_named('incidents', incident)}:{verb}", body={"note": note})
        _tell(found, as_json=as_json)

    command.__doc__ = about
    return command


def snooze(
    incident: _Incident,
    until: Annotated[str, typer.Argument(help="Until when: 2026-12-01T09:00:00Z, or 'in 30m'.")],
    note: _Note = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take no step until a time; then begin again with the first one."""
    end = rfc3339(instant(until, now=SystemClock().now(), zone=None, option="UNTIL"))
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", f"/v1/{_named('incidents', incident)}:snooze", body={"until": end, "note": note})
    _tell(found, as_json=as_json)


def reassign(
    incident: _Incident,
    policy: Annotated[str | None, typer.Option("--policy", help="Id of the policy that takes over.")] = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="recipients/…, groups/… or rotations/…; repeatable.")] = None,
    note: _Note = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give it to another policy, or to people, who are told at once."""
    body: dict[str, Any] = {"note": note, "targets": to or []}
    if policy:
        body["escalationPolicy"] = _named("escalationPolicies", policy)
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", f"/v1/{_named('incidents', incident)}:reassign", body=body)
    _tell(found, as_json=as_json)


def merge(
    incident: _Incident,
    into: Annotated[str, typer.Argument(help="The incident that it becomes part of.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make it part of another incident, with which it ends."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", f"/v1/{_named('incidents', incident)}:merge", body={"into": _named("incidents", into)})
    _tell(found, as_json=as_json)


def policies(
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List escalation policies, by name."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(client.pages("/v1/escalationPolicies", "escalationPolicies", {}))
    if as_json:
        write_json({"escalationPolicies": found})
        return
    rows = [(item["name"].rpartition("/")[2], item.get("displayName", ""), _steps(item)) for item in found]
    write_table(("policy", "name", "steps"), rows, empty="No escalation policies.")


def policy(
    name: Annotated[str, typer.Argument(help="Id of the policy.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Show an escalation policy as JSON: what `apply` takes."""
    with connect(state=state, url=url, api_key=api_key) as client:
        write_json(client.call("GET", f"/v1/{_named('escalationPolicies', name)}"))


def apply(
    file: Annotated[Path, typer.Argument(help="The policy as JSON, with its name; - reads the standard input.", allow_dash=True)],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an escalation policy, or change the one of that name into it."""
    try:
        document: object = json.loads(sys.stdin.read() if str(file) == "-" else file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{file} cannot be read: {error}"
        raise typer.BadParameter(msg) from None
    body = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    if not isinstance(body.get("name"), str):
        msg = 'the file must be a JSON object with a name, such as "escalationPolicies/nights"'
        raise typer.BadParameter(msg)
    name = _named("escalationPolicies", body["name"])
    with connect(state=state, url=url, api_key=api_key) as client:
        known = any(item["name"] == name for item in client.pages("/v1/escalationPolicies", "escalationPolicies", {}))
        if known:
            made = client.call("PATCH", f"/v1/{name}", body={**body, "name": name}, params={"updateMask": "*"})
        else:
            made = client.call("POST", "/v1/escalationPolicies", body={**body, "name": name})
    write_json(made) if as_json else write_line(f"{made['name']}: {_steps(made)}")


def remove(
    name: Annotated[str, typer.Argument(help="Id of the policy.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Remove an escalation policy; open incidents keep the steps that they began with."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", f"/v1/{_named('escalationPolicies', name)}")
    write_line(f"{_named('escalationPolicies', name)} is removed")


def silence_add(
    match: Annotated[list[str], typer.Option("--match", help="name=value or name!=value; a * stands for any characters; repeatable.")],
    length: Annotated[str, typer.Option("--for", help="For how long: 90s, 30m, 2h, 7d.")],
    comment: Annotated[str, typer.Option("--comment", help="Why.")],
    start: Annotated[str | None, typer.Option("--from", help="When it begins: 2026-12-01T09:00:00Z, or 'in 1h'; now unless given.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell nobody about some incidents for a time."""
    now = SystemClock().now()
    begin = now if start is None else instant(start, now=now, zone=None, option="--from")
    end = instant(f"in {length}", now=begin, zone=None, option="--for")
    body: dict[str, Any] = {"matchers": [_matcher(text) for text in match], "endTime": rfc3339(end), "comment": comment}
    if start is not None:
        body["startTime"] = rfc3339(begin)
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("POST", "/v1/silences", body=body)
    write_json(made) if as_json else write_line(f"{made['name']} is {made.get('state', '')} until {made.get('endTime', '')}")


def silence_list(
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List silences, newest first."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(client.pages("/v1/silences", "silences", {}))
    if as_json:
        write_json({"silences": found})
        return
    rows = [
        (item["name"].rpartition("/")[2], item.get("state", ""), item.get("endTime", ""), _matchers(item), item.get("comment", ""))
        for item in found
    ]
    write_table(("silence", "state", "until", "about", "why"), rows, empty="No silences.")


def silence_expire(
    silence: Annotated[str, typer.Argument(help="Name of the silence, or its id.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a silence now; what it held back goes on."""
    with connect(state=state, url=url, api_key=api_key) as client:
        ended = client.call("POST", f"/v1/{_named('silences', silence)}:expire", body={})
    write_json(ended) if as_json else write_line(f"{ended['name']} is {ended.get('state', '')}")


def make_silence() -> typer.Typer:
    """The commands of `tocsin silence`."""
    app = typer.Typer(no_args_is_help=True, help="Tell nobody about some incidents for a time.", epilog=EXIT_CODES)
    for word, command in {"add": silence_add, "list": silence_list, "expire": silence_expire}.items():
        app.command(word, epilog=EXIT_CODES)(command)
    return app


def make_incident() -> typer.Typer:
    """The commands of `tocsin incident`."""
    app = typer.Typer(no_args_is_help=True, help="Open, list and answer incidents.", epilog=EXIT_CODES)
    commands = {
        "trigger": trigger,
        "list": show_all,
        "show": show,
        "ack": _answer("acknowledge", "Say that you have it: later steps are not taken."),
        "unack": _answer("unacknowledge", "Give it back: its steps begin again."),
        "resolve": _answer("resolve", "Say that it is over."),
        "snooze": snooze,
        "reassign": reassign,
        "note": _answer("note", "Write a note into its timeline."),
        "merge": merge,
    }
    for word, command in commands.items():
        app.command(word, epilog=EXIT_CODES)(command)
    return app


def make_policy() -> typer.Typer:
    """The commands of `tocsin policy`."""
    app = typer.Typer(no_args_is_help=True, help="List, show and change escalation policies.", epilog=EXIT_CODES)
    for word, command in {"list": policies, "show": policy, "apply": apply, "delete": remove}.items():
        app.command(word, epilog=EXIT_CODES)(command)
    return app


def _named(collection: str, text: str) -> str:
    return text if text.startswith(f"{collection}/") else f"{collection}/{text}"


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        msg = f"{text!r} is no name=value"
        raise typer.BadParameter(msg, param_hint="--label")
    return name, value


def _matcher(text: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    if not (name.removesuffix("!") and equals):
        msg = f"{text!r} is neither name=value nor name!=value"
        raise typer.BadParameter(msg, param_hint="--match")
    return {"label": name.removesuffix("!"), "value": value, "negate": name.endswith("!")}


def _matchers(silence: dict[str, Any]) -> str:
    return ", ".join(f"{each['label']}{'!=' if each.get('negate') else '='}{each.get('value', '')}" for each in silence.get("matchers", ()))


def _tell(incident: dict[str, Any], *, as_json: bool) -> None:
    write_json(incident) if as_json else write_line(f"{incident['name']} is {incident.get('state', '')}")


def _row(item: dict[str, Any]) -> tuple[str, str, str, str, str]:
    standing = item.get("state", "")
    if item.get("snoozedUntil"):
        standing = f"snoozed until {item['snoozedUntil']}"
    elif item.get("acknowledgedBy") and standing == "ACKNOWLEDGED":
        standing = f"{standing} by {item['acknowledgedBy'].rpartition('/')[2]}"
    return (item["name"].rpartition("/")[2], item.get("createTime", ""), standing, item.get("severity", ""), item.get("title", ""))


def _event(item: dict[str, Any]) -> tuple[str, str, str, str]:
    what = item.get("kind", "") + (f" {item['step']}" if item.get("step") else "")
    who = item.get("actor", "") + (f" ({item['via']})" if item.get("via") else "")
    return item.get("time", ""), what, who, item.get("text", "") or item.get("firing", "")


def _steps(item: dict[str, Any]) -> str:
    told = [", ".join(step.get("targets", ())) + f" (wait {step.get('wait', '0s')})" for step in item.get("steps", ())]
    times = f", {item['repeat'] + 1} times" if item.get("repeat") else ""
    return " > ".join(told) + times
