"""What a firing is about, as messages say it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, cast

from processor_svc.domain import Job, Json, NotifyAction

_RESOLVED: Final = "Resolved: "
_LONGEST_SUBJECT: Final = 900  # characters, as in the contract


def context_text(job: Job) -> str:
    """What a template may use beside the variables of its action: the firing's context and its ``origin``, as a JSON object."""
    return json.dumps({"origin": job.origin, **job.context}, ensure_ascii=False, separators=(",", ":"))


def resolution(job: Job, action: NotifyAction) -> NotifyAction:
    """What an inline message says when the signal has resolved: its own words for it, or what resolved and when."""
    subject = action.resolved_subject or f"{_RESOLVED}{action.subject}"[:_LONGEST_SUBJECT]
    text, html = action.resolved_text, action.resolved_html
    if not (text or html):
        text = "\n".join([f"This is over: {action.subject}", "", *_facts(job.context)]).rstrip() + "\n"
    return replace(action, subject=subject, text=text, html=html)


def _facts(context: Mapping[str, Json]) -> Iterator[str]:
    reading, heartbeat = (_object(context.get(name)) for name in ("reading", "heartbeat"))
    if "metric" in reading:
        yield f"{reading['metric']} is {reading.get('value', '')} since {reading.get('time', '')}."
    if "raisedTime" in heartbeat:
        yield f"It was raised at {heartbeat['raisedTime']}."
    if "pingTime" in heartbeat:
        yield f"The last ping came at {heartbeat['pingTime']}."


def _object(value: Json) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", value) if isinstance(value, dict) else {}
