"""`--output`: every command has it, and writes what it was told to."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from tocsin.cli.app import make_app
from tocsin.cli.formats import formatted
from tocsin.cli.output import shown, write_json, write_line, write_table
from tocsin.cli.target import JsonOption

FILES = {"serve", "export", "calendar export"}
"""What writes a log or a file."""


def listing(name: str, as_json: JsonOption = False) -> None:
    """Has the short form alone."""
    write_json({"names": [name]}) if as_json else write_table(("name",), [(name,)], empty="none")


def document(name: str) -> None:
    """Writes nothing but JSON."""
    write_json({"name": name})


def deed(name: str, fail: Annotated[bool, typer.Option("--fail")] = False) -> None:
    """Tells what it did."""
    write_line(f"{name} deleted")
    if fail:
        raise typer.Exit(1)


def stream(name: str, as_json: JsonOption = False) -> None:
    """Writes several."""
    for number in range(2):
        write_json({name: number}) if as_json else write_line(name)


def run(command: Callable[..., None], *words: str) -> tuple[int, str]:
    """Exit code and output."""
    app = typer.Typer()
    app.command()(formatted(command))
    done = CliRunner().invoke(app, ["x", *words])
    return done.exit_code, done.stdout


def _commands(command: Any, path: str = "") -> dict[str, Any]:
    if hasattr(command, "commands"):
        return {name: each for word, inner in command.commands.items() for name, each in _commands(inner, f"{path} {word}".strip()).items()}
    return {path: command}


def test_every_command_has_it() -> None:
    """But for what writes files or a log; and none twice."""
    found = _commands(typer.main.get_command(make_app()))
    options = {name: [word for each in command.params for word in each.opts] for name, command in found.items()}
    assert {name for name, words in options.items() if "--output" not in words and "--format" not in words} == FILES
    assert [name for name, words in options.items() if words.count("--output") > 1 or words.count("--json") > 1] == []


@pytest.mark.parametrize(
    ("command", "table", "value"),
    [
        (listing, "name\nx", {"names": ["x"]}),
        (deed, "x deleted", {"message": "x deleted"}),
        (document, "field  value\nname   x", {"name": "x"}),
    ],
)
def test_a_command_writes_as_it_is_told(command: Callable[..., None], table: str, value: object) -> None:
    """The same in all forms, and the short form before the long one."""
    assert "\n".join(line.rstrip() for line in run(command, "--output", "table")[1].splitlines()) == table
    assert json.loads(run(command, "--output", "json")[1]) == value
    assert json.loads(run(command, "--json", "--output", "yaml")[1]) == value
    text = run(command, "-o", "yaml")[1]
    assert yaml.safe_load(text) == value
    assert not text.startswith(("{", "---"))
    assert run(command, "-o", "xml")[0] == 2


def test_the_default_is_what_it_was() -> None:
    """A table, a line; JSON where there is no other form."""
    assert run(listing)[1].startswith("name")
    assert run(deed)[1] == "x deleted\n"
    assert json.loads(run(document)[1]) == {"name": "x"}


def test_several_documents_are_told_apart() -> None:
    """A line each as JSON, divided as YAML."""
    assert [json.loads(line) for line in run(stream, "--json")[1].splitlines()] == [{"x": 0}, {"x": 1}]
    assert list(yaml.safe_load_all(run(stream, "-o", "yaml")[1])) == [{"x": 0}, {"x": 1}]


def test_what_was_said_before_a_failure_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """And the exit code stays; the next command in the process writes as ever."""
    assert run(deed, "--fail", "--json") == (1, '{"message": "x deleted"}\n')
    shown({"a": 1}, output="json")
    assert capsys.readouterr().out == '{"a": 1}\n'
