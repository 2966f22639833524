"""CloudEvents 1.0 over HTTP: in binary mode, structured, and in batches. Pure.

Source: cloudevents/spec, spec.md, http-protocol-binding.md, formats/json-format.md, and the extension "severity".
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import unquote

from scheduler_svc.domain.incident_words import AlertEvent, IncidentSeverity
from scheduler_svc.domain.intake.alerts import MOST_ALERTS, ReadPayload, ReceivedAlert, digest, event_of, fitted, read_each, severity_of
from scheduler_svc.domain.intake.payloads import Json, RawPayload, json_of, text_of
from tocsin.errors import InvalidInput

_STRUCTURED: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_HEADER: Final = "ce-"
_REQUIRED: Final = ("id", "source", "type")
_ATTRIBUTE: Final = re.compile(r"[a-z0-9]{1,63}\Z")
_NO_LABELS: Final = frozenset({"data", "data_base64", "datacontenttype", "dataschema", "id", "specversion", "time"})
_TITLES: Final = ("title", "summary", "message")
_TEXTS: Final = ("description", "message", "details")
_STATES: Final = ("state", "status")
_KEYS: Final = ("dedupKey", "dedup_key", "key")
_NUMBERS: Final = ((21, IncidentSeverity.CRITICAL), (17, IncidentSeverity.ERROR), (13, IncidentSeverity.WARNING))
"""Least numbers of severities, by the scale of OpenTelemetry that the extension uses: FATAL, ERROR, WARN."""

CloudEvent = dict[str, Json]


def read_cloudevents(payload: RawPayload, read: "Callable[[CloudEvent, str], ReceivedAlert] | None" = None) -> ReadPayload:
    """The alerts that the events are.

    Args:
        payload: one event or a batch.
        read: makes an alert of an event, instead of what is usual; gets its place in the batch as well.

    Raises:
        InvalidInput: they are no CloudEvents 1.0.
    """
    batched, events = _events(payload)

    def one(event: Json, place: int) -> ReceivedAlert:
        where = f"[{place}]" if batched else ""
        checked = _checked(event, where)
        return _once(checked, (read or usual_alert)(checked, where))

    return read_each(events, one)


def _events(payload: RawPayload) -> tuple[bool, list[Json]]:
    """Whether they are a batch, and what should be the events."""
    if payload.media_type == _BATCH:
        batch = json_of(payload.body)
        if not isinstance(batch, list) or not batch:
            raise InvalidInput.at("body", "must be a list of events")
        if len(batch) > MOST_ALERTS:
            raise InvalidInput.at("body", f"has {len(batch)} events; at most {MOST_ALERTS}")
        return True, batch
    if payload.media_type == _STRUCTURED:
        return False, [json_of(payload.body)]
    if payload.media_type.startswith("application/cloudevents"):
        raise InvalidInput.at("content-type", f"{payload.media_type[:100]!r} is not supported; JSON is")
    return False, [_binary(payload)]


def usual_alert(event: CloudEvent, place: str) -> ReceivedAlert:
    """What the attributes and the data of an event usually say."""
    given = event.get("data")
    data: Mapping[str, Json] = given if isinstance(given, dict) else {}
    kind, subject = text_of(event["type"]), text_of(event.get("subject"))
    source = text_of(event["source"])
    told = given if isinstance(given, str) else ""
    words = [*(text_of(data.get(name)) for name in _STATES), kind.rpartition(".")[2]]
    read = ReceivedAlert(
        title=_first(data, _TITLES) or " ".join(part for part in (kind, subject) if part),
        event=next((said for word in words if (said := event_of(word))), AlertEvent.TRIGGER),
        key=_first(data, _KEYS) or (f"{source} {subject}" if subject else ""),
        description=_first(data, _TEXTS) or told,
        severity=_severity(event, data),
        labels={name: text_of(value) for name, value in event.items() if name not in _NO_LABELS},
        url=_first(data, ("url", "link")),
    )
    if not read.key and read.event is not AlertEvent.TRIGGER:
        raise InvalidInput.at(f"{place}.subject".lstrip("."), f"is missing: the event is a {read.event.name}, and nothing says of what")
    return fitted(read)


def _severity(event: CloudEvent, data: Mapping[str, Json]) -> IncidentSeverity | None:
    """By the extension, or by the data."""
    if found := severity_of(text_of(event.get("severitytext")) or text_of(data.get("severity"))):
        return found
    number = event.get("severitynumber")
    if not isinstance(number, int | float):
        return None
    return next((severity for least, severity in _NUMBERS if number >= least), IncidentSeverity.INFO)


def _first(data: Mapping[str, Json], names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := text_of(data.get(name)))), "")


def _once(event: CloudEvent, alert: ReceivedAlert) -> ReceivedAlert:
    """Source and id together are unique for each event (spec.md, id)."""
    return alert._replace(once=digest(text_of(event["source"]), text_of(event["id"])))


def _binary(payload: RawPayload) -> Json:
    """The event whose attributes are headers, percent-encoded (http-protocol-binding.md, 3.1.3.2), and whose data are the body."""
    event: CloudEvent = {
        name.removeprefix(_HEADER): unquote(value, errors="replace") for name, value in payload.headers.items() if name.startswith(_HEADER)
    }
    if not event:
        raise InvalidInput.at("ce-id", f"is missing: the event is in its headers, or the type of the body is {_STRUCTURED}")
    if payload.content_type:
        event["datacontenttype"] = payload.content_type
    if payload.body:
        event["data"] = _data(payload.body, payload.media_type)
    return event


def _data(body: bytes, media_type: str) -> Json:
    if media_type.endswith(("/json", "+json")) or not media_type:
        return json_of(body)
    return body.decode("utf-8", "replace")


def _checked(event: Json, place: str) -> CloudEvent:
    """The event, if it is one.

    Raises:
        InvalidInput: it is no object, lacks what every event has, or is of another version.
    """
    if not isinstance(event, dict):
        raise InvalidInput.at(place or "body", "must be an object")
    version = event.get("specversion")
    if version != "1.0":
        raise InvalidInput.at(f"{place}.specversion".lstrip("."), 'is missing; it is "1.0"' if version is None else 'must be "1.0"')
    for name in _REQUIRED:
        value = event.get(name)
        if not isinstance(value, str) or not value:
            raise InvalidInput.at(f"{place}.{name}".lstrip("."), "is missing or no text")
    for name, value in event.items():
        if name not in ("data", "data_base64") and (not _ATTRIBUTE.match(name) or isinstance(value, dict | list)):
            raise InvalidInput.at(f"{place}.{name[:63]}".lstrip("."), "is no attribute: lower-case letters and digits, with a simple value")
    if isinstance(encoded := event.get("data_base64"), str):
        return event | {"data": _unpacked(encoded, text_of(event.get("datacontenttype")), place)}
    return event


def _unpacked(encoded: str, content_type: str, place: str) -> Json:
    try:
        body = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput.at(f"{place}.data_base64".lstrip("."), "is no base64") from None
    return _data(body, content_type.partition(";")[0].strip().lower() or "application/octet-stream")
