"""`tocsin event send`, `tocsin reading send` and `tocsin ping`: what happens outside."""

from typing import Annotated

import typer

from tocsin.cli.output import write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import instant, json_object, rfc3339
from tocsin.clock import Clock, SystemClock

TimeOption = Annotated[str | None, typer.Option("--time", help="When it happened: 2026-12-01T09:00:00Z; now unless given.")]
SourceOption = Annotated[str, typer.Option("--source", help="Who says so.")]


def send_event(
    topic: Annotated[str, typer.Argument(help="Topic: segments joined by dots, such as orders.eu.paid.")],
    data: Annotated[str, typer.Argument(metavar="[JSON]", help="What it says: a JSON object, such as '{\"total\": 120}'.")] = "{}",
    identity: Annotated[str, typer.Option("--id", help="Identity: an event with a known id is not published again.")] = "",
    source: SourceOption = "",
    time: TimeOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish an event, and show which alarms it let go."""
    given = json_object(data, option="JSON")
    when = _instant(time, SystemClock())
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.publish_event(topic, given, event_id=identity, source=source, time=when)
    if as_json:
        write_json(answer)
    elif answer.get("duplicate"):
        write_line(f"{answer['id']} was published before")
    else:
        write_line(f"{answer['id']} let {_count(answer.get('matched', 0), 'alarm')} go")


def send_reading(
    metric: Annotated[str, typer.Argument(help="Name of the metric, such as cellar.temperature.")],
    value: Annotated[float, typer.Argument(help="The value; one below zero goes behind --, as in: -- cellar.temperature -3.5")],
    source: SourceOption = "",
    time: TimeOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a reading, and show which alarms it raised or resolved."""
    when = _instant(time, SystemClock())
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.record_reading(metric, value, source=source, time=when)
    if as_json:
        write_json(answer)
    elif answer.get("duplicate"):
        write_line("recorded before: nothing happened")
    elif not answer.get("counted"):
        write_line("older than the last reading: it decides nothing")
    else:
        raised, pending, resolved = (len(answer.get(name, ())) for name in ("raised", "pending", "resolved"))
        write_line(f"recorded; {_count(raised, 'alarm')} raised, {pending} pending, {resolved} resolved")


def ping(
    key: Annotated[str, typer.Argument(help="Key of the heartbeat.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that something is alive, and show until when the next ping must come."""
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.ping(key)
    if as_json:
        write_json(answer)
    else:
        resolved = " It had been missed, and is resolved." if answer.get("resolved") else ""
        deadline = f"the next ping is due by {answer['deadline']}." if "deadline" in answer else "no ping is expected now."
        write_line(f"{answer['alarm']}: {deadline}{resolved}")


def _instant(text: str | None, clock: Clock) -> str | None:
    return None if text is None else rfc3339(instant(text, now=clock.now(), zone=None, option="--time"))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
