"""`--output` on every command: those made from the contract have it, and here those written by hand get it.

A command that has `--json` writes what it would write then; one that writes nothing but JSON writes it in another form; one that tells what
it did in lines gives them as ``{"message": …}``.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import typer

from tocsin.cli.output import writing
from tocsin.cli.target import JsonOption, OutputOption

_OWN: Final = ("output", "format")
"""Commands that have one of these say themselves how they write."""


def with_output(group: typer.Typer) -> typer.Typer:
    """The group, each command of which has `--output`, and those of its groups."""
    for command in group.registered_commands:
        if command.callback is not None:
            command.callback = formatted(command.callback)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            with_output(inner.typer_instance)
    return group


def formatted(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with `--output` and its short form `--json`; itself where it has an own way to write, or writes nothing of its own."""
    signature = inspect.signature(command, eval_str=True)
    known = signature.parameters
    code: Any = getattr(inspect.unwrap(command), "__code__", None)
    writes = set[str](code.co_names) if code is not None else set[str]()
    if "output" in known and known["output"].annotation == OutputOption:
        return command if "as_json" in known else _shortened(command, signature)
    if any(name in known for name in _OWN) or not ("as_json" in known or writes & {"write_json", "write_line"}):
        return command
    default = "json" if "as_json" not in known and "write_json" in writes else "table"

    @functools.wraps(command)
    def run(**given: Any) -> None:
        chosen = cast("str", given.pop("output"))
        if given.pop("as_json"):
            chosen = "json"
        if "as_json" in known:
            given["as_json"] = chosen != "table"
        with writing(chosen, lines=default == "table" and "as_json" not in known):
            command(**given)

    options = (("output", OutputOption, default), ("as_json", JsonOption, False))
    return _signed(run, signature, [_option(*each) for each in options if each[0] not in known])


def _shortened(command: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    """A command that has `--output` itself, with the short form."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        if given.pop("as_json"):
            given["output"] = "json"
        command(**given)

    return _signed(run, signature, [_option("as_json", JsonOption, False)])


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _signed(run: Callable[..., Any], signature: inspect.Signature, added: Sequence[inspect.Parameter]) -> Callable[..., Any]:
    """The function with parameters that Typer reads."""
    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in signature.parameters.values()), *added]
    told: Any = run
    told.__signature__ = signature.replace(parameters=parameters)
    told.__annotations__ = {each.name: each.annotation for each in parameters}
    return run
