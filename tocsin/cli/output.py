"""What commands write: JSON and tables to stdout, errors and warnings to stderr; and the exit codes."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.config import ConfigError
from tocsin.errors import (
    CircuitOpen,
    DeadlineExceeded,
    PermissionDenied,
    TocsinError,
    Unauthenticated,
    Unavailable,
)
from tocsin.lifecycle import ExitCode
from tocsin.stack.commands import PortsInUse

_PIPE_WIDTH: Final = 1000
EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 the request was refused or failed; 2 invalid command line; 69 no answer, or not in time; "
    "70 internal error; 75 port in use; 77 API key missing or without permission; 78 invalid settings; 130 interrupted."
)


def exit_code(error: TocsinError) -> ExitCode:
    """The exit code that tells a script what kind of failure it was."""
    if isinstance(error, ConfigError):
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


def write_json(value: object) -> None:
    """Writes one JSON document as one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def write_line(text: str) -> None:
    """Writes a line of text, without markup."""
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
