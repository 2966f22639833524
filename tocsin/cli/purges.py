"""`tocsin alarm purge`."""

from typing import Annotated

import typer

from tocsin.cli.output import counted, warn, write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect


def purge(
    condition: Annotated[
        str, typer.Option("--filter", help='Conditions joined by AND, such as labels.batch="7" (AIP-160); "*" means every alarm.')
    ],
    force: Annotated[bool, typer.Option("--force", help="Remove them. Default: count them.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the alarms that match a filter, or count them."""
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.purge_alarms(filter=condition, force=force)
        count = step = int(answer.get("purgeCount", 0))
        while force and answer.get("more") and step:
            answer = client.purge_alarms(filter=condition, force=True)
            step = int(answer.get("purgeCount", 0))
            count += step
    sample, more = answer.get("purgeSample", []), bool(answer.get("more"))
    if as_json:
        write_json({"purgeCount": count, "more": more} | ({} if force else {"purgeSample": sample}))
    elif force:
        write_line(f"{counted(count, 'alarm')} removed")
    else:
        for name in sample:
            write_line(name)
        write_line(f"{'At least ' if more else ''}{counted(count, 'alarm')} would be removed; --force removes them.")
    if force and more:
        warn("filter", "others were changed meanwhile; run the command again")
