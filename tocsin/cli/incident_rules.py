"""`tocsin policy`, `tocsin route`, `tocsin dependency`: what is said of incidents in general, as documents."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from tocsin.cli.incidents import label_of, named
from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.silences import matchers
from tocsin.cli.target import STATE, JsonOption, KeyOption, OutputOption, StateOption, UrlOption, connect

_File = Annotated[Path, typer.Argument(help="YAML or JSON: a document with its name, or several; - for stdin.", allow_dash=True)]
_Name = Annotated[str, typer.Argument(help="Name, or its id.")]


class Documents(NamedTuple):
    """A collection of documents with names.

    Attributes:
        kind: as `tocsin apply` calls it.
        collection: such as "escalationPolicies".
        one: one of them, in words.
        several: some of them, in words.
        heads: of the columns of a list.
        row: the columns of one.
    """

    kind: str
    collection: str
    one: str
    several: str
    heads: Sequence[str]
    row: Callable[[dict[str, Any]], Sequence[str]]

    def commands(self) -> dict[str, Any]:
        """The commands that all collections have."""
        return {"list": self._list(), "show": self._show(), "apply": self._apply(), "delete": self._delete()}

    def _list(self) -> Any:
        def command(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False) -> None:
            with connect(state=state, url=url, api_key=api_key) as client:
                found = list(client.pages(f"/v1/{self.collection}", self.collection, {}))
            if as_json:
                write_json({self.collection: found})
            else:
                write_table(self.heads, map(self.row, found), empty=f"No {self.several}.")

        command.__doc__ = f"List {self.several}."
        return command

    def _show(self) -> Any:
        def command(name: _Name, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
            with connect(state=state, url=url, api_key=api_key) as client:
                write_json(client.call("GET", f"/v1/{named(self.collection, name)}"))

        command.__doc__ = f"Show {self.one} as JSON: what `apply` takes."
        return command

    def _apply(self) -> Any:
        def command(
            file: _File, output: OutputOption = "table", state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None
        ) -> None:
            from tocsin.cli.apply.command import apply_kind  # it knows the contract, which the other commands need not load

            apply_kind(self.kind, file, state=state, url=url, api_key=api_key, output=output)

        command.__doc__ = f"Make {self.one}, or change the one of that name into it."
        return command

    def _delete(self) -> Any:
        def command(name: _Name, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
            with connect(state=state, url=url, api_key=api_key) as client:
                client.call("DELETE", f"/v1/{named(self.collection, name)}")
            write_line(f"{named(self.collection, name)} is removed")

        command.__doc__ = f"Remove {self.one}."
        return command


def match(
    label: Annotated[list[str] | None, typer.Option("--label", help="Label, name=value; repeatable.")] = None,
    severity: Annotated[str, typer.Option("--severity", help="critical, error, warning or info.")] = "error",
    source: Annotated[str, typer.Option("--source", help="Where it comes from, such as alarms/…")] = "",
    key: Annotated[str, typer.Option("--key", help="Its key.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell which route a trigger would take, and why none before it."""
    body = {"labels": dict(label_of(text) for text in label or ()), "severity": severity.upper(), "source": source, "dedupKey": key}
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", "/v1/incidentRoutes:match", body=body)
    if as_json:
        write_json(found)
        return
    for miss in found.get("missed", ()):
        write_line(f"{miss['incidentRoute']} does not fit: {matchers([miss['matcher']])}, and it is {miss.get('value', '')!r}")
    route = found.get("incidentRoute")
    if route is None:
        write_line("No route fits: it is listed, and nobody is told.")
        return
    goes = route.get("escalationPolicy") or "nobody"
    write_line(f"{route['name']} takes it, to {goes}" + (f", as an alert of {found['groupKey']}" if found.get("groupKey") else ""))


def make_policy() -> typer.Typer:
    """The commands of `tocsin policy`."""
    documents = Documents(
        "policy",
        "escalationPolicies",
        "an escalation policy",
        "escalation policies, by name",
        ("policy", "name", "steps"),
        _policy_row,
    )
    return _app("List, show and change escalation policies.", documents.commands())


def make_route() -> typer.Typer:
    """The commands of `tocsin route`."""
    documents = Documents(
        "route",
        "incidentRoutes",
        "a route",
        "routes, in the order in which they are asked",
        ("route", "position", "matchers", "groups by", "policy"),
        _route_row,
    )
    return _app("List, show, change and try routes of incidents.", {**documents.commands(), "match": match})


def make_dependency() -> typer.Typer:
    """The commands of `tocsin dependency`."""
    documents = Documents(
        "dependency",
        "incidentDependencies",
        "a dependency",
        "dependencies, by name",
        ("dependency", "while this is open", "hold back", "if equal"),
        _dependency_row,
    )
    return _app("List, show and change dependencies of incidents.", documents.commands())


def _policy_row(item: dict[str, Any]) -> Sequence[str]:
    return item["name"].rpartition("/")[2], item.get("displayName", ""), _steps(item)


def _route_row(item: dict[str, Any]) -> Sequence[str]:
    return (
        item["name"].rpartition("/")[2],
        str(item.get("position", 0)),
        matchers(item.get("matchers", ())) or "(all)",
        ", ".join(item.get("groupBy", ())),
        item.get("escalationPolicy", "") or "(nobody)",
    )


def _dependency_row(item: dict[str, Any]) -> Sequence[str]:
    return (
        item["name"].rpartition("/")[2],
        matchers(item.get("source", ())),
        matchers(item.get("target", ())),
        ", ".join(item.get("equal", ())),
    )


def _app(about: str, commands: dict[str, Any]) -> typer.Typer:
    app = typer.Typer(no_args_is_help=True, help=about, epilog=EXIT_CODES)
    for word, command in commands.items():
        app.command(word, epilog=EXIT_CODES)(command)
    return app


def _steps(item: dict[str, Any]) -> str:
    told = [", ".join(step.get("targets", ())) + f" (wait {step.get('wait', '0s')})" for step in item.get("steps", ())]
    times = f", {item['repeat'] + 1} times" if item.get("repeat") else ""
    return " > ".join(told) + times
