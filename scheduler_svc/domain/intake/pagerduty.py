"""Events of the PagerDuty Events API v2, and its answers. Pure.

Source: developer.pagerduty.com, Events API v2, "Send an alert event".
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, cast

import msgspec

from scheduler_svc.domain.incident_words import AlertEvent, IncidentSeverity
from scheduler_svc.domain.intake.alerts import ReadPayload, ReceivedAlert, fitted
from scheduler_svc.domain.intake.payloads import Json, RawPayload, json_of, text_of
from tocsin.errors import FieldViolation, InvalidInput

_EVENTS: Final = {"trigger": AlertEvent.TRIGGER, "acknowledge": AlertEvent.ACKNOWLEDGE, "resolve": AlertEvent.RESOLVE}
_SEVERITIES: Final = {
    "critical": IncidentSeverity.CRITICAL,
    "error": IncidentSeverity.ERROR,
    "warning": IncidentSeverity.WARNING,
    "info": IncidentSeverity.INFO,
}
_LONGEST_KEY: Final = 255
_LABELS: Final = ("source", "component", "group", "class")
_SHOWN_LINKS: Final = 20


class PagerDutyReply(NamedTuple):
    """An answer as PagerDuty gives it: the status over HTTP, and the members of its JSON."""

    status: int
    members: dict[str, str | list[str]]

    @property
    def body(self) -> bytes:
        """Its JSON."""
        return msgspec.json.encode(self.members)


def accepted(dedup_key: str) -> PagerDutyReply:
    """The event was taken."""
    return PagerDutyReply(202, {"status": "success", "message": "Event processed", "dedup_key": dedup_key})


def refused(errors: Iterable[str]) -> PagerDutyReply:
    """The event is not valid."""
    return PagerDutyReply(400, {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)})


def throttled() -> PagerDutyReply:
    """There are too many events."""
    message = "Requests for this service are arriving too quickly.  Please retry later."
    return PagerDutyReply(429, {"status": "throttle exceeded", "message": message})


def routing_key(payload: RawPayload) -> str:
    """The key of the integration that an event is for.

    Raises:
        InvalidInput: it has none.
    """
    event = json_of(payload.body)
    key = event.get("routing_key") if isinstance(event, dict) else None
    if not isinstance(key, str) or not key:
        raise InvalidInput.at("routing_key", "is missing or blank")
    return key


def read_pagerduty(payload: RawPayload) -> ReadPayload:
    """The one alert of an event.

    Raises:
        InvalidInput: with every field that is wrong.
    """
    event = json_of(payload.body)
    if not isinstance(event, dict):
        raise InvalidInput.at("body", "must be a JSON object")
    if wrong := [FieldViolation(field, reason) for field, reason in _violations(event)]:
        raise InvalidInput(violations=wrong)
    said = event.get("payload")
    about = said if isinstance(said, dict) else {}
    read = ReceivedAlert(
        title=text_of(about.get("summary")),
        event=_EVENTS[text_of(event["event_action"])],
        key=text_of(event.get("dedup_key")),
        description="\n".join(_details(event, about)),
        severity=_SEVERITIES.get(text_of(about.get("severity"))),
        labels={name: text_of(about[name]) for name in _LABELS if about.get(name)},
        url=_page(event),
    )
    return ReadPayload([fitted(read)])


def _violations(event: dict[str, Json]) -> Iterator[tuple[str, str]]:
    action, key, about = event.get("event_action"), event.get("dedup_key"), event.get("payload")
    if not isinstance(action, str) or action not in _EVENTS:
        yield "event_action", f"must be one of {', '.join(_EVENTS)}"
    if key is not None and not isinstance(key, str):
        yield "dedup_key", "must be a string"
    elif key is not None and len(key) > _LONGEST_KEY:
        yield "dedup_key", f"has {len(key)} characters; at most {_LONGEST_KEY}"
    elif not key and action in ("acknowledge", "resolve"):
        yield "dedup_key", f"is missing or blank, and {action} needs it"
    if action == "trigger" and about is None:
        yield "payload", "is missing or blank"
    elif about is not None and not isinstance(about, dict):
        yield "payload", "must be an object"
    elif action == "trigger":
        yield from _payload_violations(cast("dict[str, Json]", about))
    for name in ("links", "images"):
        if not isinstance(event.get(name) or [], list):
            yield name, "must be a list"


def _payload_violations(about: dict[str, Json]) -> Iterator[tuple[str, str]]:
    for name in ("summary", "source"):
        value = about.get(name)
        if not isinstance(value, str) or not value.strip():
            yield f"payload.{name}", "is missing or blank"
    severity = about.get("severity")
    if not isinstance(severity, str) or severity not in _SEVERITIES:
        yield "payload.severity", f"must be one of {', '.join(_SEVERITIES)}"


def _details(event: dict[str, Json], about: dict[str, Json]) -> Iterator[str]:
    details = about.get("custom_details")
    if isinstance(details, dict):
        yield from (f"{name}: {text_of(value)}" for name, value in details.items())
    elif details is not None:
        yield text_of(details)
    if client := text_of(event.get("client")):
        yield f"Seen by {client}."
    for link in _objects(event.get("links"))[:_SHOWN_LINKS]:
        yield " ".join(part for part in (text_of(link.get("text")), text_of(link.get("href"))) if part)
    for image in _objects(event.get("images"))[:_SHOWN_LINKS]:
        yield " ".join(part for part in (text_of(image.get("alt")), text_of(image.get("src"))) if part)


def _page(event: dict[str, Json]) -> str:
    hrefs = [text_of(link.get("href")) for link in _objects(event.get("links"))]
    return text_of(event.get("client_url")) or next(iter(hrefs), "")


def _objects(value: Json) -> Sequence[dict[str, Json]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
