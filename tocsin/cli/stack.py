"""`tocsin up`, `down` and `status`."""

import asyncio
import dataclasses
import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from tocsin.cli.output import write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect, target_of
from tocsin.clock import SystemClock
from tocsin.exit_codes import ExitCode
from tocsin.stack import commands
from tocsin.stack.sign_in import sign_in_link
from tocsin.stack.stack_file import StackStatus, read_stack_file
from tocsin.stack.supervisor import programs
from tocsin.stack.view import view_for

_DETACH_SECONDS: Final = 120.0


def up(
    state: StateOption = STATE,
    port_base: Annotated[
        int | None,
        typer.Option("--port-base", help="First port N: HTTP N, gRPC N+1, services N+11 to N+14, metrics N+20 to N+24; 0: any free ports."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", "--daemon", help="Return once every service is healthy; `tocsin down` stops them.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="With --detach: seconds to wait for every service to be healthy.")
    ] = _DETACH_SECONDS,
    fork: Annotated[
        bool, typer.Option(help="On Linux: fork the services from one process that has imported them, which takes less time and memory.")
    ] = True,
    detached: Annotated[bool, typer.Option("--detached-supervisor", hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the five services on this machine: restart one that exits, drain on Ctrl-C. Settings come from TOCSIN_* variables."""
    if as_json and not detach:
        msg = "--json requires --detach"
        raise typer.BadParameter(msg)
    stack = commands.stack_of(state=state, base=port_base, env=os.environ, programs=programs(sys.executable), forked=fork)
    clock = SystemClock()
    if not detach:
        view = view_for(Console(highlight=False), stack.layout)
        raise typer.Exit(asyncio.run(commands.up(stack, view=view, clock=clock, show_key=not detached, show_link=_is_terminal())))
    again = [sys.executable, "-m", "tocsin.cli", "up", "--detached-supervisor", "--state", str(stack.layout.state)]
    if not fork:
        again.append("--no-fork")
    if port_base is not None:
        again += ["--port-base", str(port_base)]
    text = asyncio.run(commands.detach(stack, argv=again, clock=clock, timeout=timeout, show_link=not as_json and _is_terminal()))
    if as_json:
        picture = read_stack_file(stack.layout.state)
        write_json(dataclasses.asdict(picture) if picture else {})
    else:
        write_line(text)


def _is_terminal() -> bool:
    """Whether a person reads the output, and no file or pipe keeps it."""
    return sys.stdout.isatty()


def open_browser(
    user: Annotated[
        str, typer.Option("--user", help="Id of the user to sign in. Default: the owner of the tenant, or its first administrator.")
    ] = "",
    only_print: Annotated[bool, typer.Option("--print", help="Write the link and open nothing.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Sign in with a browser: make a link that works once, within ten minutes, and open it."""
    address, _ = target_of(state=state, url=url, api_key=api_key)
    with connect(state=state, url=url, api_key=api_key) as client:
        link = sign_in_link(client, url=address, user=user)
    if only_print or not webbrowser.open(link):
        write_line(link)


def down(
    state: StateOption = STATE,
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to drain before services are killed.")] = 90.0,
    as_json: JsonOption = False,
) -> None:
    """Drain and stop the stack of a state folder. Exit code 1 if it had to be killed."""
    ended = asyncio.run(commands.down(state, clock=SystemClock(), timeout=timeout))
    if as_json:
        write_json({"result": ended.value})
    else:
        words = {
            commands.DownResult.STOPPED: "The stack is stopped.",
            commands.DownResult.NOT_RUNNING: f"No stack runs on {state}.",
            commands.DownResult.KILLED: f"The stack did not end within {timeout:g} s and was killed.",
        }
        write_line(words[ended])
    raise typer.Exit(ExitCode.FAILED if ended is commands.DownResult.KILLED else ExitCode.OK)


def status(state: StateOption = STATE, as_json: JsonOption = False) -> None:
    """Show the services of a state folder and their health. Exit code 1 if one is not healthy, 69 if no stack runs."""
    picture, health = asyncio.run(commands.status(state))
    if as_json:
        write_json({"running": picture is not None, **(dataclasses.asdict(picture) if picture else {}), "health": health})
    elif picture is None:
        write_line(f"No stack runs on {state}.")
    else:
        _show(picture, health, state)
    if picture is None:
        raise typer.Exit(ExitCode.UNAVAILABLE)
    raise typer.Exit(ExitCode.OK if picture.healthy else ExitCode.FAILED)


def _show(picture: StackStatus, health: dict[str, Any] | None, state: Path) -> None:
    rows = [
        (
            name,
            Text(service.state, style="green" if service.state == "healthy" else "red"),
            service.grpc,
            str(service.pid or "-"),
            str(service.restarts),
        )
        for name, service in picture.services.items()
    ]
    write_table(("service", "state", "gRPC", "pid", "restarts"), rows, empty="")
    write_line(f"\nREST {picture.http}   gRPC {picture.grpc}   state {state}")
    if health is None:
        write_line("The gateway does not answer.")
        return
    write_line(f"health: {health.get('status', 'unknown')}")
    breakers: dict[str, dict[str, Any]] = health.get("circuitBreakers", {})
    for name, breaker in breakers.items():
        if breaker.get("state", "CLOSED") != "CLOSED":
            write_line(f"circuit breaker {name}: {breaker['state']}")
