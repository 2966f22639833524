"""`tocsin alarm list`."""

from itertools import islice
from typing import Annotated, Any

import typer

from tocsin.cli.output import write_json, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect


def show(
    condition: Annotated[str, typer.Option("--filter", help='Conditions joined by AND, such as state="ACTIVE" (AIP-160).')] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of alarms.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List alarms."""
    with connect(state=state, url=url, api_key=api_key) as client:
        alarms = list(islice(client.list_alarms(filter=condition), limit))
    if as_json:
        write_json({"alarms": alarms})
        return
    rows = [
        (alarm["name"], alarm.get("displayName", ""), alarm.get("state", ""), alarm.get("nextFireTime", "-"), rule_words(alarm["trigger"]))
        for alarm in alarms
    ]
    write_table(("alarm", "name", "state", "next", "rule"), rows, empty="No alarms.")


def rule_words(trigger: dict[str, Any]) -> str:
    """The rule of a trigger in a few words."""
    zone = f" {trigger['timeZone']}" if trigger.get("timeZone") else ""
    if "at" in trigger:
        return f"at {trigger['at']}"
    if "atLocal" in trigger:
        return f"at {trigger['atLocal']}{zone}"
    if "every" in trigger:
        return f"every {trigger['every']}"
    if "cron" in trigger:
        return f"cron {trigger['cron']}{zone}"
    if "onCalendar" in trigger:
        return f"on {trigger['onCalendar']}{zone}"
    if "rrule" in trigger:
        return f"{' '.join(trigger['rrule'].split())}{zone}"
    if "daily" in trigger:
        return f"{'daily' if trigger['daily'].get('recurring', True) else 'once'} {trigger['daily']['time']}{zone}"
    return ", ".join(sorted(trigger))
