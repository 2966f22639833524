"""Commands for the calls of the contract that have none of their own: made from `contract.json`, which `make gen` writes.

They know nothing of alarms or recipients; what a call takes is in its row.
"""

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from tocsin.cli.documents import document, edited
from tocsin.cli.output import EXIT_CODES, shown
from tocsin.cli.target import STATE, JsonOption, KeyOption, OutputOption, StateOption, UrlOption, connect
from tocsin.cli.wire import arguments, option_of, path_for, taken
from tocsin.client import Client

Row = Mapping[str, Any]

_SCALARS: Final[Mapping[str, type]] = {"INTEGER": int, "NUMBER": float, "BOOL": bool}
_LIMIT: Final = 100


@functools.cache
def contract() -> Mapping[str, Mapping[str, Row]]:
    """The calls by group and verb."""
    return json.loads(resources.files("tocsin.cli").joinpath("contract.json").read_text(encoding="utf-8"))


def complete(group: typer.Typer, name: str, wanted: str = "") -> typer.Typer:
    """Adds the calls of a group that it has no commands for; where one of them is wanted, it alone."""
    rows = contract().get(name, {})
    known = {command.name for command in group.registered_commands} | {inner.name for inner in group.registered_groups}
    for verb, row in rows.items():
        if verb not in known and (wanted not in rows or verb == wanted):
            group.command(verb, epilog=EXIT_CODES, rich_help_panel="Calls of the contract")(command_of(row))
    if "edit" not in known and wanted not in rows and "get" in rows and "update" in rows and rows["update"]["body"] not in ("", "*"):
        group.command("edit", epilog=EXIT_CODES, rich_help_panel="Calls of the contract")(_editor(rows["get"], rows["update"]))
    return group


def group_of(name: str) -> typer.Typer:
    """A group that has no commands of its own."""
    about = f"Calls of the contract about {name.replace('-', ' ')}s."
    return complete(typer.Typer(no_args_is_help=True, help=about, epilog=EXIT_CODES), name)


def command_of(row: Row) -> Callable[..., None]:
    """The command of a call."""

    def run(**given: Any) -> None:
        where = {name: given.pop(name) for name in ("state", "url", "api_key")}
        output, as_json, limit = given.pop("output"), given.pop("as_json"), given.pop("limit", _LIMIT)
        body = document(given.pop("file", None), given.pop("set_", ()) or ())
        call = arguments(row, given, body)
        with connect(**where) as client:
            if row["streams"]:
                for each in islice(client.stream(call.path, call.query), limit):
                    shown(each, output="json" if output == "table" else output, as_json=True)
            elif row["items"]:
                found = list(islice(_paged(client, call.path, row["items"], call.query), limit))
                shown({row["items"]: found}, output=output, as_json=as_json)
            else:
                shown(client.call(row["method"], call.path, body=call.body, params=call.query), output=output, as_json=as_json)

    return _signed(run, row, [*_parameters(row), *_shared(row)])


def _paged(client: Client, path: str, key: str, query: Mapping[str, Any]) -> Iterator[Any]:
    return client.pages(path, key, cast("Mapping[str, str]", query))


def _editor(get: Row, update: Row) -> Callable[..., None]:
    """The command that opens a resource in an editor and changes the fields that were changed there."""

    def run(**given: Any) -> None:
        where = {name: given.pop(name) for name in ("state", "url", "api_key")}
        output, as_json = given.pop("output"), given.pop("as_json")
        with connect(**where) as client:
            before = client.call("GET", arguments(get, given, {}).path)
            changes = edited(before)
            if not changes:
                typer.echo("nothing was changed", err=True)
                return
            call = arguments(update, {}, {**changes, "name": before["name"]})
            shown(client.call(update["method"], call.path, body=call.body, params=call.query), output=output, as_json=as_json)

    row = {**get, "about": "Opens it in $EDITOR, and changes the fields that you changed."}
    return _signed(run, row, [*_parameters(row), *_shared(row)])


def _signed(run: Callable[..., None], row: Row, parameters: Sequence[inspect.Parameter]) -> Callable[..., None]:
    """The function with parameters that Typer reads."""
    run.__doc__ = row["about"].split("\n")[0] or row["method"]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    cast("Any", run).__signature__ = inspect.Signature(list(parameters))
    return run


def _parameters(row: Row) -> Iterator[inspect.Parameter]:
    for each in row["params"]:
        if each["place"] == "path":
            argument = typer.Argument(help=each["about"], autocompletion=_names(row), show_default=False)
            if each["needed"]:
                yield _parameter(each["name"], Annotated[str, argument], inspect.Parameter.empty)
            else:  # a file may tell it
                yield _parameter(each["name"], Annotated[str | None, argument], None)
        elif each["name"] != row["body"]:
            kind, option = _kind(each["kind"]), option_of(each)
            told = typer.Option(option, help=each["about"], show_default=False)
            yield _parameter(each["name"], Annotated[kind | None, told], None)


def _kind(kind: str) -> Any:
    """The type of an option: what is no plain value is written as JSON."""
    return list[str] if kind.startswith("many(") else _SCALARS.get(kind.removeprefix("optional(").removesuffix(")"), str)


def _shared(row: Row) -> Iterator[inspect.Parameter]:
    if row["body"] not in ("", "*"):
        yield _parameter("file", Annotated[Path | None, typer.Option("--file", "-f", help="YAML or JSON; - for standard input.")], None)
        words = "One field, as path=value: trigger.every=5m; repeatable."
        yield _parameter("set_", Annotated[list[str] | None, typer.Option("--set", help=words)], None)
    if row["items"] or row["streams"]:
        yield _parameter("limit", Annotated[int, typer.Option("--limit", min=1, help="Maximum number of them.")], _LIMIT)
    yield _parameter("output", OutputOption, "table")
    yield _parameter("state", StateOption, STATE)
    yield _parameter("url", UrlOption, None)
    yield _parameter("api_key", KeyOption, None)
    yield _parameter("as_json", JsonOption, default=False)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def completed_names(group: str, verb: str) -> Callable[[typer.Context, str], list[str]]:
    """What completes the name in a call of the contract."""

    def found(context: typer.Context, incomplete: str) -> list[str]:
        return _names(contract()[group][verb])(context, incomplete)

    return found


def _names(row: Row) -> Callable[[typer.Context, str], list[str]]:
    """What completes a name: those that the gateway lists, as many as a page holds."""

    def found(context: typer.Context, incomplete: str) -> list[str]:
        collection = path_for(row)
        params = context.params
        try:
            with connect(state=params.get("state") or STATE, url=params.get("url"), api_key=params.get("api_key")) as client:
                page = client.call("GET", f"/v1/{collection}", params={"pageSize": 200}) if collection else {}
        except Exception:  # noqa: BLE001 - who presses a key wants names or nothing, never a traceback
            return []
        names = (str(item.get("name", "")) for items in page.values() if isinstance(items, list) for item in cast("list[Any]", items))
        return [name for each in names for name in taken(each, collection, incomplete)]

    return found
