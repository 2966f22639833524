"""`tocsin alarm purge`, and `tocsin alarm pause` and `resume`, of one alarm or of all that match a filter."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

from tocsin.cli.output import counted, shown, warn, write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, OutputOption, StateOption, UrlOption, connect
from tocsin.cli.verbs import command_of, completed_names, contract

_FILTER = 'Conditions joined by AND, such as labels.team="payments" (AIP-160); "*" means every alarm.'
_FilterOption = Annotated[str | None, typer.Option("--filter", help=f"Instead of a name: every one that matches. {_FILTER}")]


def purge(
    condition: Annotated[str, typer.Option("--filter", help=_FILTER)],
    force: Annotated[bool, typer.Option("--force", help="Remove them. Default: count them.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the alarms that match a filter, or count them."""
    with connect(state=state, url=url, api_key=api_key) as client:
        done = _all(client.purge_alarms, "purge", condition, force)
    if as_json:
        write_json(done)
    else:
        _tell(done, "purge", "removed", force)
    _warn_of_more(done, force)


def pause(
    name: Annotated[
        str | None, typer.Argument(help="The alarm.", autocompletion=completed_names("alarm", "pause"), show_default=False)
    ] = None,
    condition: _FilterOption = None,
    force: Annotated[bool, typer.Option("--force", help="Pause those that match. Default: count them.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; `resume --filter 'pause_reason=\"…\"'` ends no other pause.")] = "",
    output: OutputOption = "table",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop an alarm, or all that match a filter, from firing."""
    said = {"reason": reason} if reason else {}
    _turn("pause", "paused", name, condition, said, force=force, output=output, as_json=as_json, state=state, url=url, api_key=api_key)


def resume(
    name: Annotated[
        str | None, typer.Argument(help="The alarm.", autocompletion=completed_names("alarm", "resume"), show_default=False)
    ] = None,
    condition: _FilterOption = None,
    force: Annotated[bool, typer.Option("--force", help="Resume those that match. Default: count them.")] = False,
    output: OutputOption = "table",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a paused alarm, or all that match a filter, fire again."""
    _turn("resume", "resumed", name, condition, {}, force=force, output=output, as_json=as_json, state=state, url=url, api_key=api_key)


def _turn(
    verb: str,
    done: str,
    name: str | None,
    condition: str | None,
    said: dict[str, str],
    *,
    force: bool,
    output: str,
    as_json: bool,
    **where: Any,
) -> None:
    if (name is None) == (condition is None):
        raise typer.BadParameter("give either the NAME of an alarm or --filter", param_hint="NAME")
    if condition is None:
        if force:
            raise typer.BadParameter("goes with --filter", param_hint="--force")
        command_of(contract()["alarm"][verb])(name=name, **said, output=output, as_json=as_json, **where)
        return
    with connect(**where) as client:
        change = partial(client.pause_alarms, **said) if verb == "pause" else client.resume_alarms
        found = _all(change, verb, condition, force)
    if as_json or output != "table":
        shown(found, output=output, as_json=as_json)
    else:
        _tell(found, verb, done, force)
    _warn_of_more(found, force)


def _all(change: Callable[..., Any], verb: str, condition: str, force: bool) -> dict[str, Any]:
    """What the call answers; with ``force`` what all calls together do that it takes."""
    answer = change(filter=condition, force=force)
    count = step = int(answer.get(f"{verb}Count", 0))
    while force and answer.get("more") and step:
        answer = change(filter=condition, force=True)
        step = int(answer.get(f"{verb}Count", 0))
        count += step
    sample = {} if force else {f"{verb}Sample": answer.get(f"{verb}Sample", [])}
    return {f"{verb}Count": count, "more": bool(answer.get("more")), **sample}


def _tell(found: dict[str, Any], verb: str, done: str, force: bool) -> None:
    alarms = counted(found[f"{verb}Count"], "alarm")
    if force:
        write_line(f"{alarms} {done}")
        return
    for name in found[f"{verb}Sample"]:
        write_line(name)
    write_line(f"{'At least ' if found['more'] else ''}{alarms} would be {done}; --force {verb if verb != 'purge' else 'remove'}s them.")


def _warn_of_more(found: dict[str, Any], force: bool) -> None:
    if force and found["more"]:
        warn("filter", "others were changed meanwhile; run the command again")
