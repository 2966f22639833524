"""`tocsin spool`: calls that the gateway accepted while their service was away, and that failed for good."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import EXIT_CODES, counted, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.client import Client
from tocsin.errors import InvalidInput

_PATH: Final = "/v1/spooledCalls"
_COLLECTION: Final = "spooledCalls/"

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Names of calls, as `tocsin spool list` shows them, such as 1-42.", show_default=False),
]
AllOption = Annotated[bool, typer.Option("--all", help="Every failed call; with --tenant, every one of that tenant.")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Only calls of this tenant.")]


def make_spool() -> typer.Typer:
    """The words behind `tocsin spool`."""
    spool = typer.Typer(help="Inspect, retry and drop failed calls in the gateway's spool.", epilog=EXIT_CODES, no_args_is_help=True)
    for name, command in (("list", show_all), ("show", show), ("retry", retry), ("drop", drop)):
        spool.command(name, epilog=EXIT_CODES)(command)
    return spool


def show_all(
    tenant: TenantOption = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the calls that failed for good, and count the waiting ones."""
    with connect(state=state, url=url, api_key=api_key) as client:
        summary = client.call("GET", _PATH, params={"pageSize": 1})
        if as_json:
            known = {field: value for field, value in summary.items() if field != "nextPageToken"}
            write_json({**known, "spooledCalls": list(_calls(client, tenant))})
            return
        write_table(
            ("name", "tenant", "method", "accepted", "tries", "reason", "message"),
            (_row(call) for call in _calls(client, tenant)),
            empty="No failed calls.",
        )
    since = f", the oldest since {summary['oldestAcceptTime']}" if "oldestAcceptTime" in summary else ""
    write_line(
        f"spool {summary.get('spool', 1)}: {summary.get('waiting', 0)} calls wait ({summary.get('waitingBytes', 0)} bytes){since}; "
        f"{summary.get('setAside', 0)} failed"
    )


def show(
    name: Annotated[str, typer.Argument(help="Name of the call, such as 1-42.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Show a failed call with its request, as JSON."""
    with connect(state=state, url=url, api_key=api_key) as client:
        write_json(client.call("GET", f"{_PATH}/{_number(name)}"))


def retry(
    names: NamesArgument = None,
    every: AllOption = False,
    tenant: TenantOption = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Queue failed calls for forwarding again."""
    with connect(state=state, url=url, api_key=api_key) as client:
        count = _each(client, names, tenant, every=every, order=lambda number: client.call("POST", f"{_PATH}/{number}:retry", body={}))
    write_line(f"{counted(count, 'call')} queued again")


def drop(
    names: NamesArgument = None,
    every: AllOption = False,
    tenant: TenantOption = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Drop failed calls for good."""
    with connect(state=state, url=url, api_key=api_key) as client:
        count = _each(client, names, tenant, every=every, order=lambda number: client.call("DELETE", f"{_PATH}/{number}"))
    write_line(f"{counted(count, 'call')} dropped")


def _each(client: Client, names: list[str] | None, tenant: str, *, every: bool, order: Callable[[str], object]) -> int:
    """Gives the order for each of the calls; how many there are."""
    if every == bool(names):
        raise InvalidInput("give names of calls, or --all")
    numbers = [_number(name) for name in names or [call["name"] for call in _calls(client, tenant)]]
    for number in numbers:
        order(number)
    return len(numbers)


def _calls(client: Client, tenant: str) -> Iterator[dict[str, Any]]:
    yield from client.pages(_PATH, "spooledCalls", {"tenant": tenant} if tenant else {})


def _number(name: str) -> str:
    """The last part of a name.

    Raises:
        InvalidInput: it is no name of a call.
    """
    number = name.removeprefix(_COLLECTION)
    spool, _, place = number.partition("-")
    if not (spool.isdecimal() and place.isdecimal() and number.isascii()):
        raise InvalidInput(f"{name!r} is not the name of a spooled call, such as 1-42")
    return number


def _row(call: dict[str, Any]) -> tuple[str, ...]:
    method = call.get("method", "").rpartition("/")[2]
    return (
        *(call["name"].removeprefix(_COLLECTION), call.get("tenant", ""), method, call.get("acceptTime", "")),
        *(str(call.get("tries", 0)), call.get("reason", ""), call.get("message", "")),
    )
