"""`tocsin incident`: what needs an answer."""

import secrets
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, Final

import typer

from tocsin.cli.incident_timeline import called, names_of, require_there, told, with_deliveries
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
        body["escalationPolicy"] = named("escalationPolicies", policy)
    if label:
        body["labels"] = dict(label_of(text) for text in label)
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("POST", "/v1/incidents", body=body, params={"requestId": secrets.token_hex(16)})
    _tell(made, _triggered(made), as_json=as_json)


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
        names: Mapping[str, str] = {} if as_json else names_of(client, (item.get("acknowledgedBy", "") for item in found))
    if as_json:
        write_json({"incidents": found})
    else:
        rows = [_row(item, names) for item in found]
        write_table(("incident", "since", "state", "severity", "title"), rows, empty="No incidents.")


def show(
    incident: _Incident,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an incident and its timeline: who was told, by what, what became of it, and who answered."""
    name = named("incidents", incident)
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", f"/v1/{name}")
        events = with_deliveries(client, client.pages(f"/v1/{name}/events", "events", {}))
        actors = [found.get("acknowledgedBy", ""), *(event.get("actor", "") for event in events)]
        names: Mapping[str, str] = {} if as_json else names_of(client, actors)
    if as_json:
        write_json({**found, "events": events})
        return
    write_line("  ".join(_row(found, names)))
    if found.get("mergedInto"):
        write_line(f"It is part of {found['mergedInto']}.")
    if found.get("alertCount"):
        write_line(f"It groups {found['alertCount']} alerts, {found.get('openAlertCount', 0)} of them open.")
    if found.get("heldBy"):
        write_line(f"Its steps are held back by {found['heldBy']}.")
    if found.get("nextStepTime"):
        write_line(f"The next step is due at {found['nextStepTime']}.")
    rows = [_event(event, names) for event in events]
    write_table(("time", "what", "who", "what was said"), rows, empty="Nothing has happened.")


def alerts(
    incident: _Incident,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the alerts that an incident groups."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(client.pages(f"/v1/{named('incidents', incident)}/alerts", "alerts", {}))
    if as_json:
        write_json({"alerts": found})
        return
    rows = [
        (item["dedupKey"], item.get("createTime", ""), item.get("state", ""), item.get("severity", ""), item.get("title", ""))
        for item in found
    ]
    write_table(("alert", "since", "state", "severity", "title"), rows, empty="It groups no alerts.")


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
            found = client.call("POST", f"/v1/{named('incidents', incident)}:{verb}", body={"note": note})
            names = names_of(client, [found.get("acknowledgedBy", ""), found.get("resolvedBy", "")])
        _tell(found, "noted" if verb == "note" else _standing(found, names), as_json=as_json)

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
        found = client.call("POST", f"/v1/{named('incidents', incident)}:snooze", body={"until": end, "note": note})
    _tell(found, _standing(found, {}), as_json=as_json)


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
        body["escalationPolicy"] = named("escalationPolicies", policy)
    with connect(state=state, url=url, api_key=api_key) as client:
        require_there(client, to or [])
        found = client.call("POST", f"/v1/{named('incidents', incident)}:reassign", body=body)
    _tell(found, f"is reassigned to {', '.join(to or [body.get('escalationPolicy', '')])}", as_json=as_json)


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
        found = client.call("POST", f"/v1/{named('incidents', incident)}:merge", body={"into": named("incidents", into)})
    _tell(found, f"is part of {found.get('mergedInto', '')}, and ends with it", as_json=as_json)


def make_incident() -> typer.Typer:
    """The commands of `tocsin incident`."""
    app = typer.Typer(no_args_is_help=True, help="Open, list and answer incidents.", epilog=EXIT_CODES)
    commands = {
        "trigger": trigger,
        "list": show_all,
        "show": show,
        "alerts": alerts,
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


def named(collection: str, text: str) -> str:
    """The resource name of what may be given by its id."""
    return text if text.startswith(f"{collection}/") else f"{collection}/{text}"


def label_of(text: str) -> tuple[str, str]:
    """What ``name=value`` says."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        msg = f"{text!r} is no name=value"
        raise typer.BadParameter(msg, param_hint="--label")
    return name, value


def _tell(incident: dict[str, Any], said: str, *, as_json: bool) -> None:
    write_json(incident) if as_json else write_line(f"{incident['name']} {said}")


def _triggered(incident: dict[str, Any]) -> str:
    """What a trigger has done: it opened the incident, or was counted; and whether anybody is told."""
    count = int(incident.get("triggerCount", 1))
    standing = f"is {incident.get('state', '')}"
    said = standing if count == 1 else f"was open already: it {standing}, and was triggered {count} times"
    if incident.get("heldBy"):
        return f"{said}; its steps are held back by {incident['heldBy']}"
    return said if incident.get("escalationPolicy") else f"{said}; nobody is told, for it has no policy, and no route fits"


def _standing(incident: dict[str, Any], names: Mapping[str, str]) -> str:
    """How it stands after an answer, such as "is ACKNOWLEDGED by Ann Example" and "is snoozed until …"."""
    if incident.get("snoozedUntil"):
        return f"is snoozed until {incident['snoozedUntil']}"
    state = incident.get("state", "")
    by = incident.get({"ACKNOWLEDGED": "acknowledgedBy", "RESOLVED": "resolvedBy"}.get(state, ""), "")
    return f"is {state} by {called(by, names)}" if by else f"is {state}"


def _row(item: dict[str, Any], names: Mapping[str, str]) -> tuple[str, str, str, str, str]:
    standing = item.get("state", "")
    if item.get("snoozedUntil"):
        standing = f"snoozed until {item['snoozedUntil']}"
    elif item.get("acknowledgedBy") and standing == "ACKNOWLEDGED":
        standing = f"{standing} by {called(item['acknowledgedBy'], names)}"
    elif item.get("mergedInto") and standing != "RESOLVED":
        standing = f"part of {item['mergedInto'].removeprefix('incidents/')}"
    return (item["name"].rpartition("/")[2], item.get("createTime", ""), standing, item.get("severity", ""), item.get("title", ""))


def _event(item: dict[str, Any], names: Mapping[str, str]) -> tuple[str, str, str, str]:
    actor = item.get("actor", "")
    what = item.get("kind", "") + (f" {item['step']}" if item.get("step") else "")
    who = names.get(actor, actor) + (f" ({item['via']})" if item.get("via") else "")
    return item.get("time", ""), what, who, ": ".join(part for part in (item.get("text", ""), told(item)) if part)
