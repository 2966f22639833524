"""What a person sees of a running stack: one live table on a terminal, plain lines elsewhere."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tocsin.stack.child import Child, ChildState
from tocsin.stack.layout import GATEWAY, Layout, log_folder

_STYLES: Final = {
    ChildState.HEALTHY: "green",
    ChildState.STARTING: "yellow",
    ChildState.UNHEALTHY: "yellow",
    ChildState.RESTARTING: "red",
    ChildState.STOPPING: "cyan",
    ChildState.STOPPED: "dim",
}
_FIRST_ALARM: Final = {
    "displayName": "first bell",
    "trigger": {"every": "5s", "count": 1},
    "action": {"notify": {"to": ["you@example.com"], "subject": "Ding", "text": "The first bell rings."}},
}


_UNSHOWN: Final = (OSError, ValueError)  # a ValueError is a file that was closed


class View(Protocol):
    """Shows a stack while it runs; a context manager around its whole life."""

    def __enter__(self) -> Self:
        """Begins to show."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends."""
        ...

    def watch(self, children: Iterable[Child]) -> None:
        """Names what is to be shown."""
        ...

    def changed(self, child: Child) -> None:
        """A child is in another state."""
        ...

    def say(self, text: str) -> None:
        """Shows lines that stay."""
        ...


class TableView:
    """One live table below the lines that stay."""

    def __init__(self, *, console: Console, layout: Layout) -> None:
        self._console = console
        self._layout = layout
        self._children: tuple[Child, ...] = ()
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4)

    def __enter__(self) -> Self:
        """Begins to show."""
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leaves the last table standing."""
        self._live.stop()

    def watch(self, children: Iterable[Child]) -> None:
        """Names the rows."""
        self._children = tuple(children)

    def changed(self, child: Child) -> None:
        """The next refresh shows it."""

    def say(self, text: str) -> None:
        """Prints above the table, in lines that can be copied whole."""
        self._console.print(Text(text), soft_wrap=True)

    def _table(self) -> Table:
        table = Table(title="tocsin", title_justify="left", title_style="bold")
        for heading in ("service", "state", "port"):
            table.add_column(heading)
        for heading in ("pid", "restarts"):
            table.add_column(heading, justify="right")
        for child in self._children:
            pid = str(child.pid) if child.pid else "-"
            state = Text(child.state.value, style=_STYLES[child.state])
            table.add_row(child.spec.name, state, _ports(self._layout, child.spec.name), pid, str(child.restarts))
        return table


class LineView:
    """A line for each change; for logs and pipes."""

    def __init__(self, *, console: Console, layout: Layout) -> None:
        self._console = console
        self._layout = layout

    def __enter__(self) -> Self:
        """Begins to show."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is left to do."""

    def watch(self, children: Iterable[Child]) -> None:
        """Every child is shown as it changes."""

    def changed(self, child: Child) -> None:
        """Prints the new state."""
        name = child.spec.name
        detail = ""
        if child.state is ChildState.RESTARTING:
            detail = f"ended with {_ending(child.last_exit)}, see {child.spec.log}"
        elif child.state is ChildState.STARTING:
            detail = f"pid {child.pid}, port {_ports(self._layout, name)}"
        self.say(f"{name:<14} {child.state.value:<10} {detail}".rstrip())

    def say(self, text: str) -> None:
        """Prints lines as they are."""
        self._console.print(Text(text), soft_wrap=True)


class TolerantView:
    """Shows what can be shown: a disk that is full, or a terminal that is gone, must not end what is shown."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __enter__(self) -> Self:
        """Begins to show."""
        with suppress(*_UNSHOWN):
            self._view.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends."""
        with suppress(*_UNSHOWN):
            self._view.__exit__(kind, error, trace)

    def watch(self, children: Iterable[Child]) -> None:
        """Names what is to be shown."""
        self._view.watch(children)

    def changed(self, child: Child) -> None:
        """A child is in another state."""
        with suppress(*_UNSHOWN):
            self._view.changed(child)

    def say(self, text: str) -> None:
        """Shows lines that stay."""
        with suppress(*_UNSHOWN):
            self._view.say(text)


def view_for(console: Console, layout: Layout) -> View:
    """The table on a terminal, lines elsewhere."""
    return TableView(console=console, layout=layout) if console.is_terminal else LineView(console=console, layout=layout)


def welcome(layout: Layout, *, new_key: str | None, state_flag: str, link: str | None = None) -> str:
    """What a newcomer needs next: addresses, the API key, a first alarm and where its mail appears.

    Args:
        layout: the running stack.
        new_key: the API key that was made at this start; it is shown this once.
        link: signs the owner in, once; without one the text says how to get it.
        state_flag: what a further command needs to find the stack, such as ``--state x``; empty for the usual folder.
    """
    key_file = shlex.quote(str(layout.api_key_file))
    headers = f"-H 'Content-Type: application/json' -H \"Authorization: Bearer $(cat {key_file})\""
    lines = [
        "",
        f"sign in         {link or f'{_command()} open {state_flag}'.rstrip()}{'   (once, within ten minutes)' if link else ''}",
        f"REST and docs   {layout.http_url}  {layout.http_url}/docs",
        f"gRPC            {layout.address(GATEWAY)}",
        f"API key         {layout.api_key_file}",
        *([f"                {new_key}   (shown this once)"] if new_key else []),
        f"logs            {log_folder(layout.state)}",
        "",
        "An alarm five seconds ahead, and its mail:",
        "",
        f"  curl -sS {layout.http_url}/v1/alarms {headers} -d {shlex.quote(json.dumps(_FIRST_ALARM))}",
        f"  {_command()} inbox {state_flag}".rstrip(),
        "",
    ]
    return "\n".join(lines)


def _command() -> str:
    """How to call `tocsin` from this folder: by name where that finds this installation, else by its path."""
    program = Path(sys.executable).with_name("tocsin")
    found = shutil.which("tocsin")
    return "tocsin" if found is not None and Path(found) == program else shlex.quote(os.path.relpath(program))


def _ports(layout: Layout, service: str) -> str:
    grpc = str(layout.port(service, "grpc"))
    return f"{layout.port(service, 'http')}, {grpc}" if service == GATEWAY else grpc


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
