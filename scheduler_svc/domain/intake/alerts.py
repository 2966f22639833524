"""Alerts, as every form is read, and the words that monitoring systems share. Pure."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from scheduler_svc.domain.incident_words import AlertEvent, IncidentSeverity
from tocsin.errors import InvalidInput

MOST_ALERTS: Final = 10_000
"""Alerts in one payload."""

MOST_LABELS: Final = 64
_LONGEST_NAME: Final = 63
_LONGEST_VALUE: Final = 1024
_LONGEST_TITLE: Final = 500
_LONGEST_KEY: Final = 255
_LONGEST_URL: Final = 2048
_MOST_DESCRIPTION: Final = 16_384
_MOST_BYTES_A_CHARACTER: Final = 4
_TOLD: Final = 3
"""Alerts that were left out of whose faults is told."""

Part = TypeVar("Part")

_URL: Final = re.compile(r"https?://[\x21-\x7e]+\Z")
_LINE_BREAKS: Final = re.compile(r"[\r\n\u2028\u2029]+")


class ReceivedAlert(NamedTuple):
    """An alert, as it was read from a payload.

    Attributes:
        key: within the integration; empty if the sender gives none: then the alert is an incident of its own.
        severity: None if the sender says nothing of it.
        once: identity of the event within the integration, by which it counts once; empty: it counts each time.
    """

    title: str
    event: AlertEvent = AlertEvent.TRIGGER
    key: str = ""
    description: str = ""
    severity: IncidentSeverity | None = None
    labels: Mapping[str, str] = {}
    url: str = ""
    once: str = ""


class ReadPayload(NamedTuple):
    """What a payload says.

    Attributes:
        alerts: in its order.
        note: what else is worth knowing of it; mostly empty.
    """

    alerts: Sequence[ReceivedAlert]
    note: str = ""


_SEVERITIES: Final = {
    IncidentSeverity.CRITICAL: "critical crit page emergency emerg fatal disaster alert sev0 sev1 p0 p1 blocker urgent severe",
    IncidentSeverity.ERROR: "error err high major sev2 p2 average",
    IncidentSeverity.WARNING: "warning warn medium minor sev3 p3 moderate degraded",
    IncidentSeverity.INFO: "info information informational notice debug trace none low ok sev4 sev5 p4 p5 unknown",
}
_SEVERITY_OF: Final = {word: severity for severity, words in _SEVERITIES.items() for word in words.split()}
_EVENTS: Final = {
    AlertEvent.TRIGGER: (
        "trigger triggered firing fire alert alerting alarm open opened new problem down failed failure failing fail error critical "
        "warning unhealthy active bad nodata no_data"
    ),
    AlertEvent.ACKNOWLEDGE: "acknowledge acknowledged acknowledgement ack acked",
    AlertEvent.RESOLVE: (
        "resolve resolved ok okay closed close clear cleared recovery recovered up normal healthy good success successful passing inactive "
        "expired fixed done"
    ),
}
_EVENT_OF: Final = {word: event for event, words in _EVENTS.items() for word in words.split()}


def severity_of(word: str) -> IncidentSeverity | None:
    """What a word that is commonly used means as a severity; None if it means none."""
    return _SEVERITY_OF.get(word) or _SEVERITY_OF.get(word.strip().lower())


def event_of(word: str) -> AlertEvent | None:
    """What a word that is commonly used means as a state; None if it means none."""
    return _EVENT_OF.get(word) or _EVENT_OF.get(word.strip().lower())


def read_each(parts: Sequence[Part], read: Callable[[Part, int], ReceivedAlert], *, note: str = "") -> ReadPayload:
    """Reads a list alert by alert: one that is none costs itself, and is told of; its neighbours ring.

    Args:
        parts: the list.
        read: makes the alert of an element and its place.
        note: what else is worth knowing.

    Raises:
        InvalidInput: none of them is one; it tells of the first.
    """
    alerts, wrong = list[ReceivedAlert](), list[InvalidInput]()
    for place, part in enumerate(parts):
        try:
            alerts.append(read(part, place))
        except InvalidInput as error:
            wrong.append(error)
    if not alerts and wrong:
        raise wrong[0]
    if wrong:
        more = "; …" if len(wrong) > _TOLD else ""
        told = f"{len(wrong)} of {len(parts)} alerts were left out: {'; '.join(error.message for error in wrong[:_TOLD])}{more}."
        note = f"{note} {told}" if note else told
    return ReadPayload(alerts, note)


def fitted(alert: ReceivedAlert) -> ReceivedAlert:
    """The alert as an incident can hold it: what is too long or too much is cut, and what no line can hold is replaced."""
    title = alert.title
    if len(title) > _LONGEST_TITLE or not title.isprintable() or not title:
        title = _line(title) or "Alert"
    description = alert.description
    if not description.isprintable() or len(description) * _MOST_BYTES_A_CHARACTER > _MOST_DESCRIPTION:
        description = _text(description)
    url = alert.url if len(alert.url) <= _LONGEST_URL and _URL.match(alert.url) else ""
    return ReceivedAlert(title, alert.event, alert.key, description, alert.severity, _labels(alert.labels), url, alert.once)


def incident_key(integration: str, key: str) -> str:
    """The key of the incident of an alert: the sender's within its integration; a hash of it where it is too long or holds controls."""
    whole = f"integrations/{integration}/{key}"
    if len(whole) <= _LONGEST_KEY and whole.isprintable():
        return whole
    return f"integrations/{integration}/{digest(key)}"


def digest(*parts: str) -> str:
    """128 bits of a hash of texts, in hexadecimal digits: the same for the same texts."""
    whole = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    if len(labels) > MOST_LABELS:
        labels = dict(islice(labels.items(), MOST_LABELS))
    for name, value in labels.items():
        if len(name) > _LONGEST_NAME or len(value) > _LONGEST_VALUE or not name or not name.isprintable() or "\0" in value:
            return {_name(name): _value(value) for name, value in labels.items() if name}
    return labels


def _name(name: str) -> str:
    return _printable(name)[:_LONGEST_NAME]


def _value(value: str) -> str:
    kept = value.replace("\0", "\ufffd")
    return kept if len(kept) <= _LONGEST_VALUE else f"{kept[: _LONGEST_VALUE - 1]}…"


def _line(text: str) -> str:
    """A text as one line."""
    parts = _LINE_BREAKS.split(text[: 2 * _LONGEST_TITLE].replace("\t", " "))
    line = _printable(" ".join(part for piece in parts if (part := piece.strip())))
    return line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 1]}…"


def _text(text: str) -> str:
    whole = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    if len(whole) <= _MOST_DESCRIPTION:
        return whole.decode()
    return whole[: _MOST_DESCRIPTION - 3].decode("utf-8", "ignore") + "…"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == " " else "\ufffd" for char in text)
