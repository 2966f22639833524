"""`tocsin event send`, `tocsin reading send` and `tocsin ping`: signals from outside."""

import sys
from typing import Annotated

import typer

from tocsin.cli.output import counted, write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import instant, json_object, rfc3339
from tocsin.clock import Clock, SystemClock

TimeOption = Annotated[str | None, typer.Option("--time", help="Time of occurrence: 2026-12-01T09:00:00Z. Default: now.")]
SourceOption = Annotated[str, typer.Option("--source", help="Source of it, such as a host or service name.")]


def send_event(
    topic: Annotated[str, typer.Argument(help="Topic: segments joined by dots, such as orders.eu.paid.")],
    data: Annotated[str, typer.Argument(metavar="[JSON]", help="Data: a JSON object, such as '{\"total\": 120}'.")] = "{}",
    identity: Annotated[str, typer.Option("--id", help="Id of the event; a second event with the same id is ignored.")] = "",
    source: SourceOption = "",
    time: TimeOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish an event; show how many alarms it fires."""
    given = json_object(data, option="JSON")
    when = _instant(time, SystemClock())
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.publish_event(topic, given, event_id=identity, source=source, time=when)
    if as_json:
        write_json(answer)
    elif answer.get("duplicate"):
        write_line(f"{answer['id']}: duplicate, ignored")
    else:
        write_line(f"{answer['id']} fires {counted(answer.get('matched', 0), 'alarm')}")


def send_reading(
    metric: Annotated[str, typer.Argument(help="Name of the metric, such as cellar.temperature.")],
    value: Annotated[float, typer.Argument(help="The value. Put -- before a negative one: -- cellar.temperature -3.5")],
    source: SourceOption = "",
    time: TimeOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a reading; show how many alarms it triggers or resolves."""
    when = _instant(time, SystemClock())
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.record_reading(metric, value, source=source, time=when)
    if as_json:
        write_json(answer)
    elif answer.get("duplicate"):
        write_line("duplicate, ignored")
    elif not answer.get("counted"):
        write_line("recorded; older than the last reading, so no alarm is evaluated")
    else:
        raised, pending, resolved = (len(answer.get(name, ())) for name in ("raised", "pending", "resolved"))
        write_line(f"recorded; {counted(raised, 'alarm')} triggered, {pending} pending, {resolved} resolved")


def ping(
    key: Annotated[str, typer.Argument(help="Key of the heartbeat.")],
    start: Annotated[bool, typer.Option("--start", help="The job begins.")] = False,
    fail: Annotated[bool, typer.Option("--fail", help="The job has failed.")] = False,
    log: Annotated[bool, typer.Option("--log", help="Only keep what it says.")] = False,
    exit_status: Annotated[int | None, typer.Option("--exit-status", min=0, max=255, help="Exit status of the job.")] = None,
    run_id: Annotated[str, typer.Option("--run-id", help="UUID of the run: the same for its start and its end.")] = "",
    text: Annotated[str, typer.Option("--text", help="What the job says; - reads it from standard input.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a ping for a heartbeat; show when the next one is due."""
    said = [word for word, given in (("start", start), ("fail", fail), ("log", log)) if given]
    said += [str(exit_status)] if exit_status is not None else []
    if len(said) > 1:
        raise typer.BadParameter("give one of --start, --fail, --log and --exit-status")
    with connect(state=state, url=url, api_key=api_key) as client:
        body = sys.stdin.read() if text == "-" else text
        answer = client.ping(key, signal="".join(said), run_id=run_id, text=body)
    if as_json:
        write_json(answer)
    elif not answer:
        write_line("kept")
    else:
        resolved = " The missed heartbeat is resolved." if answer.get("resolved") else ""
        deadline = f"the next ping is due by {answer['deadline']}." if "deadline" in answer else "no ping is expected."
        write_line(f"{answer['alarm']}: {deadline}{resolved}")


def _instant(text: str | None, clock: Clock) -> str | None:
    return None if text is None else rfc3339(instant(text, now=clock.now(), zone=None, option="--time"))
