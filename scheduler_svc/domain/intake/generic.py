"""Any JSON, read by a mapping that a user made. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler_svc.domain.incident_words import AlertEvent, IncidentSeverity
from scheduler_svc.domain.intake.alerts import MOST_ALERTS, ReadPayload, ReceivedAlert, event_of, fitted, read_each, severity_of
from scheduler_svc.domain.intake.json_paths import PathInvalid, find, parse_path
from scheduler_svc.domain.intake.payloads import Json, RawPayload, json_of, text_of
from tocsin.errors import InvalidInput


class ValueSource(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a value is found: at the first of some paths that finds one, or as it is said here."""

    paths: tuple[str, ...] = ()
    default: str = ""

    def __bool__(self) -> bool:
        """Whether anything can come of it."""
        return bool(self.paths or self.default)

    def of(self, value: Json) -> str:
        """The value; empty if there is none."""
        for path in self.paths:
            if (found := find(value, parse_path(path))) is not None:
                return text_of(found)
        return self.default


_NOWHERE: Final = ValueSource()


class PayloadMapping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a payload says what.

    Attributes:
        items: path of a list of alerts; empty: the payload is one.
        severities: what words of the sender mean, in lower case.
        states: likewise.
    """

    items: str = ""
    title: ValueSource = _NOWHERE
    description: ValueSource = _NOWHERE
    severity: ValueSource = _NOWHERE
    key: ValueSource = _NOWHERE
    state: ValueSource = _NOWHERE
    url: ValueSource = _NOWHERE
    labels: dict[str, ValueSource] = {}
    severities: dict[str, IncidentSeverity] = {}
    states: dict[str, AlertEvent] = {}

    @property
    def sources(self) -> Mapping[str, ValueSource]:
        """Each of its sources, by the name of its field in JSON."""
        named = {
            "title": self.title,
            "description": self.description,
            "severity": self.severity,
            "dedupKey": self.key,
            "state": self.state,
            "url": self.url,
        }
        return named | {f"labels[{name}]": source for name, source in self.labels.items()}


def check_mapping(mapping: PayloadMapping, *, field: str) -> None:
    """Refuses a mapping that can find nothing.

    Args:
        mapping: what it says.
        field: path of the mapping, for the error.

    Raises:
        InvalidInput: it has no title, or a path is none; the error names it.
    """
    if not mapping.title:
        raise InvalidInput.at(f"{field}.title", "needs a path or a default")
    paths = [(f"{name}.paths[{place}]", path) for name, source in mapping.sources.items() for place, path in enumerate(source.paths)]
    for name, path in [("items", mapping.items), *paths]:
        try:
            parse_path(path)
        except PathInvalid as error:
            raise InvalidInput.at(f"{field}.{name}", f"{path[:100]!r} is no path: {error}") from None


def read_generic(payload: RawPayload, mapping: PayloadMapping) -> ReadPayload:
    """The alerts that the mapping finds.

    Raises:
        InvalidInput: the payload is no JSON, or the mapping finds nothing in it; the error names the field of the mapping.
    """
    value = json_of(payload.body)
    if not mapping.items:
        return ReadPayload([alert_of(value, mapping, "")])
    items = find(value, parse_path(mapping.items))
    if not isinstance(items, list) or not items:
        found = "nothing" if items is None else "an empty list" if items == [] else "no list"
        raise InvalidInput.at("mapping.items", f"{mapping.items!r} finds {found} in the payload")
    if len(items) > MOST_ALERTS:
        raise InvalidInput.at("mapping.items", f"finds {len(items)} elements; at most {MOST_ALERTS}")
    return read_each(items, lambda item, place: alert_of(item, mapping, f" of element {place}"))


def alert_of(value: Json, mapping: PayloadMapping, where: str) -> ReceivedAlert:
    """The alert that the mapping finds in a value; ``where`` names that in errors, such as " of element 3".

    Raises:
        InvalidInput: it finds none; the error names the field of the mapping.
    """
    event = _event(value, mapping, where)
    title = mapping.title.of(value)
    if not title.strip() and event is AlertEvent.TRIGGER:
        raise _nothing("title", mapping.title, where)
    key = mapping.key.of(value)
    if mapping.key and not key:
        raise _nothing("dedupKey", mapping.key, where)
    if not key and event is not AlertEvent.TRIGGER:
        raise InvalidInput.at("mapping.dedupKey", f"is needed: the state{where} is {event.name}, and nothing says of what")
    word = mapping.severity.of(value)
    read = ReceivedAlert(
        title=title,
        event=event,
        key=key,
        description=mapping.description.of(value),
        severity=mapping.severities.get(word.strip().lower()) or severity_of(word),
        labels={name: text for name, source in mapping.labels.items() if (text := source.of(value))},
        url=mapping.url.of(value),
    )
    return fitted(read)


def _event(value: Json, mapping: PayloadMapping, where: str) -> AlertEvent:
    if not mapping.state:
        return AlertEvent.TRIGGER
    word = mapping.state.of(value)
    if not word:
        raise _nothing("state", mapping.state, where)
    event = mapping.states.get(word.strip().lower()) or event_of(word)
    if event is None:
        known = ", ".join(repr(name) for name in list(mapping.states)[:10]) or "none"
        raise InvalidInput.at("mapping.state", f"finds {word[:100]!r}{where}, which is no common word, and none of states ({known})")
    return event


def _nothing(field: str, source: ValueSource, where: str) -> InvalidInput:
    return InvalidInput.at(f"mapping.{field}", f"none of {', '.join(map(repr, source.paths))} finds anything in the payload{where}")
