"""What commands on resources have in common: listed, shown, removed, told to do something."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from tocsin.cli.incidents import named
from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.resource_names import resource_path

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Maximum number of them.")]


@dataclass(frozen=True, slots=True)
class Called:
    """Whom a command calls, and as whom."""

    state: Path
    url: str | None
    api_key: str | None


def commands(words: str, given: Mapping[str, Callable[..., None]]) -> typer.Typer:
    """A group of commands by name."""
    group = typer.Typer(no_args_is_help=True, help=words, epilog=EXIT_CODES)
    for name, command in given.items():
        group.command(name, epilog=EXIT_CODES)(command)
    return group


def list_all(
    collection: str,
    heads: tuple[str, ...],
    row: Callable[[dict[str, Any]], tuple[str, ...]],
    limit: int,
    called: Called,
    *,
    as_json: bool,
    params: Mapping[str, str] | None = None,
) -> None:
    """Lists the resources of a collection."""
    with connect(state=called.state, url=called.url, api_key=called.api_key) as client:
        found = list(islice(client.pages(f"/v1/{collection}", collection, dict(params or {})), limit))
    if as_json:
        write_json({collection: found})
    else:
        write_table(heads, map(row, found), empty="None.")


def show(collection: str) -> Callable[..., None]:
    """The command that shows one resource of a collection."""

    def run(
        name: Annotated[str, typer.Argument(help="Name or id.")],
        state: StateOption = STATE,
        url: UrlOption = None,
        api_key: KeyOption = None,
    ) -> None:
        with connect(state=state, url=url, api_key=api_key) as client:
            write_json(client.call("GET", resource_path(named(collection, name), collection)))

    run.__doc__ = "Show one of them, as JSON."
    return run


def ordered(collection: str, verb: str, *, help: str) -> Callable[..., None]:  # noqa: A002 - as typer says it
    """The command that tells a resource of a collection to do ``verb``, or removes it, without one."""

    def run(
        name: Annotated[str, typer.Argument(help="Name or id.")],
        state: StateOption = STATE,
        url: UrlOption = None,
        api_key: KeyOption = None,
        as_json: JsonOption = False,
    ) -> None:
        path = resource_path(named(collection, name), collection)
        with connect(state=state, url=url, api_key=api_key) as client:
            found = client.call("POST", f"{path}:{verb}", body={}) if verb else client.call("DELETE", path)
        if as_json:
            write_json(found)
        else:
            write_line(f"{named(collection, name)}: {verb or 'delete'} done")

    run.__doc__ = help
    return run
