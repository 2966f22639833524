"""What the command writes: JSON or tables on stdout, complaints on stderr, and the exit codes."""

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
    "Exit codes: 0 done; 1 the request was refused or failed; 2 the command line is wrong; 69 nothing answers, or not in time; "
    "70 a defect; 75 a port is in use; 77 the API key is missing or may not do this; 78 the settings are wrong; 130 interrupted."
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
    """Says on stderr what was refused, field by field, and when to come back."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    lines = error.problems if isinstance(error, ConfigError) else error.message.splitlines() or [type(error).__name__]
    console.print(Text.assemble(("tocsin: ", "bold red"), "\n        ".join(lines)))
    for violation in error.violations:
        line = f"{violation.field}: {violation.description}"
        if line != error.message:
            console.print(Text(f"  {line}"))
    if error.retry_after:
        console.print(Text(f"  try again in {error.retry_after:g} s"))


def warn(field: str, reason: str) -> None:
    """Says on stderr what to know about something that was taken all the same."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text.assemble(("tocsin: ", "bold yellow"), f"{field}: {reason}"))


def write_json(value: object) -> None:
    """One JSON document on a line of its own."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def write_line(text: str) -> None:
    """A line for people; nothing in it is taken for markup."""
    Console(soft_wrap=True, highlight=False).print(Text(text))


def write_table(headings: Sequence[str], rows: Iterable[Sequence[str | Text]], *, empty: str) -> None:
    """A table for people, or the words for an empty one."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=number == 0)  # the name of a row is what people copy
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH  # a program that reads lines wants whole ones
    console.print(table if table.row_count else Text(empty))
