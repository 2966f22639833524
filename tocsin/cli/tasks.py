"""`tocsin run`: a handler, run now; `tocsin task`: what becomes of it."""

import json
from typing import Annotated, Any

import typer

from tocsin.cli.output import write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import json_object
from tocsin.exit_codes import ExitCode

TaskName = Annotated[str, typer.Argument(help="The task, tasks/… or its id.")]


def follow_task(
    name: TaskName, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Show a task, its progress and its changes until it ends. With --json, one object per line."""
    with connect(state=state, url=url, api_key=api_key) as client:
        for told in client.watch_task(_full(name)):
            write_json(told) if as_json else write_line(_line(told))


def cancel_task(
    name: TaskName, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Cancel a task. One that has ended stays as it is."""
    with connect(state=state, url=url, api_key=api_key) as client:
        task = client.cancel_task(_full(name))
    write_json(task) if as_json else write_line(f"{task['name']} is {task.get('state', '')}")


def _full(name: str) -> str:
    return name if "/" in name else f"tasks/{name}"


def _line(told: dict[str, Any]) -> str:
    if "task" in told:
        task = told["task"]
        return "  ".join(part for part in (task.get("name", ""), task.get("state", ""), task.get("error", "")) if part)
    progress = told.get("progress", {})
    return f"{100 * progress.get('fraction', 0.0):3.0f} %  {progress.get('message', '')}".rstrip()


def run(
    handler: Annotated[str, typer.Argument(help="Name of the handler, such as uppercase.")],
    data: Annotated[str, typer.Argument(metavar="[JSON]", help='Input: a JSON object, such as \'{"text": "hello"}\'.')] = "{}",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the result.")] = True,
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Maximum seconds to wait.")] = 60.0,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a handler as a task and show its result. Exit code 1 if the task fails."""
    given = json_object(data, option="JSON")
    with connect(state=state, url=url, api_key=api_key) as client:
        task = client.submit_task(handler, given)
        if wait:
            task = client.wait_task(task["name"], timeout=timeout)
    failed = task.get("state") in ("FAILED", "CANCELLED")
    if as_json:
        write_json(task)
    elif failed:
        write_line(f"{task['name']} failed after {task.get('attempts', 0)} attempts: {task.get('error', '')}")
    elif wait:
        write_line(json.dumps(task.get("result", {}), indent=2, ensure_ascii=False))
    else:
        write_line(task["name"])
    if failed:
        raise typer.Exit(ExitCode.FAILED)
