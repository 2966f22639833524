"""`tocsin recipient rules`: by which channels somebody is told of incidents, one after the other."""

import re
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import EXIT_CODES, write_json
from tocsin.cli.target import STATE, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, json_object, proto_duration
from tocsin.resource_names import resource_path

WhoArgument = Annotated[str, typer.Argument(help="Name or id of the recipient.")]

_STEP: Final = re.compile(r"\s*(?P<channel>[^=\s]+)(?:=(?P<address>.*?))?(?:\s+after\s+(?P<after>.+?))?\s*", re.DOTALL)
_EXAMPLES: Final = "'push', 'sms after 5m' or 'email=ann@example.com after 10m'"


def make_rules() -> typer.Typer:
    """The commands of `tocsin recipient rules`."""
    group = typer.Typer(no_args_is_help=True, help="How a recipient is told of incidents.", epilog=EXIT_CODES)
    group.command("get", epilog=EXIT_CODES)(show_rules)
    group.command("set", epilog=EXIT_CODES)(set_rules)
    return group


def show_rules(recipient: WhoArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Show personal rules as JSON."""
    with connect(state=state, url=url, api_key=api_key) as client:
        write_json(client.call("GET", _rules_path(recipient)))


def set_rules(
    recipient: WhoArgument,
    urgent: Annotated[
        list[str] | None, typer.Option("--urgent", help=f"Step for CRITICAL and ERROR incidents: {_EXAMPLES}; repeatable, in order.")
    ] = None,
    other: Annotated[list[str] | None, typer.Option("--other", help="Step for WARNING and INFO incidents, likewise; repeatable.")] = None,
    none: Annotated[bool, typer.Option("--none", help="No rules: the default channel, at once.")] = False,
    document: Annotated[str | None, typer.Option("--document", help="All rules as a JSON object.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Replace all personal rules. Shows them as JSON."""
    if sum((bool(urgent or other), none, document is not None)) != 1:
        msg = "give --urgent and --other, or else --none, or --document"
        raise typer.BadParameter(msg)
    body = {"urgent": _steps(urgent, "--urgent"), "other": _steps(other, "--other")}
    if document is not None:
        body = json_object(document, option="--document")
    with connect(state=state, url=url, api_key=api_key) as client:
        write_json(client.call("PUT", _rules_path(recipient), body=body))


def _steps(texts: list[str] | None, option: str) -> list[dict[str, Any]]:
    return [_step(text, option) for text in texts or ()]


def _step(text: str, option: str) -> dict[str, Any]:
    found = _STEP.fullmatch(text)
    if found is None:
        msg = f"{text!r} is not a step such as {_EXAMPLES}"
        raise typer.BadParameter(msg, param_hint=option)
    made: dict[str, Any] = {"channel": found["channel"]}
    if found["address"]:
        made["address"] = found["address"]
    if found["after"]:
        made["after"] = proto_duration(duration(found["after"], option=option))
    return made


def _rules_path(recipient: str) -> str:
    full = recipient if "/" in recipient else f"recipients/{recipient}"
    return f"{resource_path(full, 'recipients', field='recipient')}/rules"
