"""`tocsin delivery`: what became of messages, and sending them again."""

from itertools import islice
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import counted, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect

_FILTER_HELP: Final = 'Conditions joined by AND, such as state="DEAD" AND to="ann@example.com" (AIP-160).'
_MOST_AT_ONCE: Final = 1000
_SAID: Final = {
    "recipient": "recipient",
    "category": "category",
    "notification": "notification",
    "reason": "reason",
    "holdTime": "held until",
    "digest": "went out in",
}


def show_all(
    condition: Annotated[str, typer.Option("--filter", help=_FILTER_HELP)] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of deliveries.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List deliveries, newest first."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.list_deliveries(filter=condition), limit))
    if as_json:
        write_json({"deliveries": found})
    else:
        write_table(("delivery", "created", "to", "state", "attempts", "subject"), map(_row, found), empty="No deliveries.")


def show(
    delivery: Annotated[str, typer.Argument(help="Name of the delivery, or its id.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a delivery with its timeline."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.get_delivery(_name(delivery))
    if as_json:
        write_json(found)
        return
    write_line("  ".join(str(part) for part in _row(found)))
    for name in ("recipient", "category", "notification", "reason", "holdTime", "digest"):
        if found.get(name):
            write_line(f"{_SAID[name]}: {found[name]}")
    for event in found.get("timeline", ()):
        words = (
            event.get("time", ""),
            event.get("state", ""),
            event.get("provider", ""),
            str(event.get("code") or ""),
            event.get("detail", ""),
        )
        write_line("  ".join(part for part in words if part))


def retry(
    delivery: Annotated[str | None, typer.Argument(help="Name of the delivery, or its id.")] = None,
    condition: Annotated[str, typer.Option("--filter", help=f"Retry every delivery that matches. {_FILTER_HELP}")] = "",
    every: Annotated[bool, typer.Option("--all", help="Retry every DEAD delivery.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Retry DEAD deliveries, or one whose outcome is unknown."""
    if sum((delivery is not None, bool(condition), every)) != 1:
        msg = "give a delivery, or --filter, or --all"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=api_key) as client:
        if delivery is not None:
            found = client.retry_delivery(_name(delivery))
            write_json(found) if as_json else write_line(f"{found['name']} is {found.get('state', '')}")
            return
        names: dict[str, None] = {}  # in order; one that is dead again at once does not make this go on for ever
        more = True
        while more:
            answer = client.retry_deliveries(filter=condition, limit=_MOST_AT_ONCE)
            known = len(names)
            names.update(dict.fromkeys(answer.get("deliveries", ())))
            more = bool(answer.get("more")) and len(names) > known
    write_json({"deliveries": list(names)}) if as_json else write_line(f"{counted(len(names), 'delivery', 'deliveries')} queued again")


def _name(delivery: str) -> str:
    return delivery if "/" in delivery else f"deliveries/{delivery}"


def _row(delivery: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    return (
        delivery["name"].rpartition("/")[2],
        delivery.get("createTime", ""),
        delivery.get("to") or delivery.get("recipient", ""),
        ": ".join(part for part in (delivery.get("state", ""), delivery.get("reason", "")) if part),
        str(delivery.get("attempts", 0)),
        delivery.get("subject", ""),
    )
