"""What commands write: JSON and tables to stdout, errors and warnings to stderr; and the exit codes."""

import json
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.errors import (
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    PermissionDenied,
    SettingsAtFault,
    TocsinError,
    Unauthenticated,
    Unavailable,
)
from tocsin.exit_codes import ExitCode
from tocsin.stack.layout import PortsInUse

_PIPE_WIDTH: Final = 1000
_COLUMNS: Final = 6
EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 the request was refused or failed; 2 invalid command line; 69 no answer, or not in time; "
    "70 internal error; 75 port in use; 77 API key missing or without permission; 78 invalid settings; 130 interrupted."
)


def exit_code(error: TocsinError) -> ExitCode:
    """The exit code that tells a script what kind of failure it was."""
    if isinstance(error, ConfigError | SettingsAtFault):
        return ExitCode.CONFIG
    if isinstance(error, PortsInUse):
        return ExitCode.TEMPORARY
    if isinstance(error, Unavailable | CircuitOpen | DeadlineExceeded):
        return ExitCode.UNAVAILABLE
    if isinstance(error, Unauthenticated | PermissionDenied):
        return ExitCode.DENIED
    stated = error.metadata.get("exit_code", "")
    return ExitCode(int(stated)) if stated.isdigit() and int(stated) in set(ExitCode) - {ExitCode.OK} else ExitCode.FAILED


def complain(error: TocsinError) -> None:
    """Writes an error to stderr: the message, each invalid field, and when to retry."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    lines = error.problems if isinstance(error, ConfigError) else error.message.splitlines() or [type(error).__name__]
    console.print(Text.assemble(("tocsin: ", "bold red"), "\n        ".join(lines)))
    for violation in error.violations:
        line = f"{violation.field}: {violation.description}"
        if line != error.message:
            console.print(Text(f"  {line}"))
    if error.retry_after:
        console.print(Text(f"  retry in {error.retry_after:g} s"))


def warn(field: str, reason: str) -> None:
    """Writes a warning about a field to stderr."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text.assemble(("tocsin: ", "bold yellow"), f"{field}: {reason}"))


@dataclass(slots=True)
class _Writing:
    """How a command writes: the form of its documents, how many there were, and its lines if they are to become one."""

    output: str = "json"
    documents: int = 0
    lines: list[str] | None = None


_how: Final[ContextVar[_Writing | None]] = ContextVar("_how", default=None)


@contextmanager
def writing(output: str, *, lines: bool) -> Generator[None]:
    """Within it `write_json` writes in the form ``output``; with ``lines`` what `write_line` gets becomes ``{"message": …}`` at the end."""
    how = _Writing(output, lines=[] if lines and output != "table" else None)
    token = _how.set(how)
    try:
        yield
    finally:
        told, how.lines = how.lines, None
        if told:
            write_json({"message": "\n".join(told)})
        _how.reset(token)


def write_json(value: object) -> None:
    """Writes one JSON document as one line; or in the form that the command was told."""
    how = _how.get() or _Writing()
    how.documents += 1
    if how.output == "yaml":
        sys.stdout.write("---\n" if how.documents > 1 else "")
        _write_yaml(value)
    elif how.output == "table" and isinstance(value, dict):
        _write_fields(cast("dict[str, Any]", value))
    else:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _write_yaml(value: object) -> None:
    import yaml  # it costs more than most commands, which need none

    sys.stdout.write(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def write_line(text: str) -> None:
    """Writes a line of text, without markup."""
    if (how := _how.get()) is not None and how.lines is not None:
        how.lines.append(text)
        return
    Console(soft_wrap=True, highlight=False).print(Text(text))


def counted(number: int, word: str, plural: str = "") -> str:
    """``1 alarm``, ``2 alarms``."""
    return f"{number} {word}" if number == 1 else f"{number} {plural or word + 's'}"


def write_table(headings: Sequence[str], rows: Iterable[Sequence[str | Text]], *, empty: str) -> None:
    """Writes a table, or the text ``empty`` when there are no rows."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=number == 0)  # the name of a row is what people copy
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH  # a program that reads lines wants whole ones
    console.print(table if table.row_count else Text(empty))


def shown(value: Any, *, output: str, as_json: bool = False) -> None:
    """Writes an answer as a table, as JSON or as YAML: a list by its most telling fields, one resource by all of them."""
    if as_json or output == "json":
        write_json(value)
    elif output == "yaml":
        _write_yaml(value)
        sys.stdout.flush()
    else:
        _write_fields(value)


def _write_fields(value: dict[str, Any]) -> None:
    if len(value) == 1 and isinstance(items := next(iter(value.values())), list):
        rows = [cast("dict[str, Any]", item) for item in cast("list[Any]", items) if isinstance(item, dict)]
        heads = _telling(rows)
        write_table(heads, [[_cell(row.get(head)) for head in heads] for row in rows], empty="None.")
    else:
        write_table(("field", "value"), [(key, _cell(each)) for key, each in value.items()], empty="Done.")


def _telling(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The fields that a table has room for: the name, then plain ones, in the order in which resources have them."""
    names = dict.fromkeys(key for row in rows for key, each in row.items() if not isinstance(each, dict | list))
    ordered = sorted(names, key=lambda name: (name != "name", name != "displayName", name != "state"))
    return ordered[:_COLUMNS] or list(dict.fromkeys(key for row in rows for key in row))[:_COLUMNS]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
