"""One alert of a webhook that is odd, or none at all, beside good ones: these ring."""

import json
from typing import Any

import msgspec
import pytest

from scheduler_svc.domain.intake.alertmanager import read_alertmanager, read_grafana
from scheduler_svc.domain.intake.generic import PayloadMapping, ValueSource
from scheduler_svc.domain.intake.integrations import Integration, IntegrationKind
from scheduler_svc.domain.intake.payloads import NotJsonPayload, RawPayload
from scheduler_svc.domain.intake.reading import read_payload
from tocsin.errors import InvalidInput
from tocsin.values import nested_deeper

GOOD: dict[str, Any] = {"status": "firing", "labels": {"alertname": "Good"}, "fingerprint": "f1"}
FIELDS = ("labels", "annotations", "generatorURL", "fingerprint", "dashboardURL", "panelURL", "valueString", "unknown")
ODD: list[Any] = [None, 5, 1.5, True, "", [], {}, {"a": None}, {"a": 5}, {"a": ["b"]}, {"": ""}, "x" * 70_000, 10**40]


def webhook(alerts: list[Any], *, version: str = "4") -> RawPayload:
    """As a sender sends it."""
    return RawPayload(json.dumps({"version": version, "status": "firing", "groupKey": "g", "alerts": alerts}).encode())


@pytest.mark.parametrize("read", [read_alertmanager, read_grafana])
@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", ODD)
def test_an_odd_alert_costs_its_neighbours_nothing(read: Any, name: str, value: Any) -> None:
    """Null is what is absent, numbers are texts; what can be read of it rings as well, and what cannot is told."""
    odd = {"status": "firing", "labels": {"alertname": "odd"}} | {name: value}
    said = read(webhook([GOOD, odd, GOOD], version="4" if read is read_alertmanager else "1"))
    legible = name not in {"labels", "annotations"} or value is None or isinstance(value, dict)
    keys = [alert.key for alert in said.alerts]
    assert (keys[0], keys[-1], len(keys)) == ("f1", "f1", 3 if legible else 2)
    assert said.note.startswith("" if legible else f"1 of 3 alerts were left out: alerts[1].{name}: ")
    assert bool(said.note) is not legible


def test_a_group_is_told_of_by_those_that_can_be_read() -> None:
    """One that is none of the form does not silence the group."""
    said = read_alertmanager(webhook(["odd", GOOD, GOOD]), by_group=True)
    assert [alert.title for alert in said.alerts] == ["Good (and 1 more)"]
    assert "1 of 3 alerts were left out: alerts[0]: " in said.note


NOT_JSON = {
    "half of a pair": b'"\\ud800"',
    "halves in the wrong order": b'"\\udc00\\ud800"',
    "half of a pair as a name": b'{"\\udfff": 1}',
    "bytes that are no UTF-8": b'"\xff\xfe"',
    "a control character": b'"\x01"',
    "no number": b"NaN",
    "infinity": b"-Infinity",
    "more than a double": b"1e999",
    "5,000 digits": b"9" * 5_000,
    "2,000 levels": b"[" * 2_000 + b"]" * 2_000,
    "100,000 levels": b'{"a":' * 50_000 + b'[["]]}"]]' + b"}" * 50_000,
}
INTEGRATIONS = {
    "alertmanager": Integration(kind=IntegrationKind.ALERTMANAGER, id="i", tenant="t", created=0, updated=0),
    "a group": Integration(kind=IntegrationKind.ALERTMANAGER, by_group=True, id="i", tenant="t", created=0, updated=0),
    "cloudevents": Integration(kind=IntegrationKind.CLOUDEVENTS, id="i", tenant="t", created=0, updated=0),
    "generic": Integration(
        kind=IntegrationKind.GENERIC,
        mapping=PayloadMapping(items="alerts", title=ValueSource(("labels.alertname",))),
        id="i",
        tenant="t",
        created=0,
        updated=0,
    ),
}


def around(kind: str, odd: bytes) -> RawPayload:
    """A payload of three alerts, of which the one in the middle has an odd value."""
    if kind == "cloudevents":
        events = [
            b'{"specversion":"1.0","id":"%d","source":"s","type":"Good.thing","data":%s}' % (place, odd if place == 1 else b"1")
            for place in range(3)
        ]
        return RawPayload(b"[" + b",".join(events) + b"]", "application/cloudevents-batch+json")
    alerts = [
        b'{"status":"firing","labels":{"alertname":"Good","odd":%s},"fingerprint":"f%d"}' % (odd if place == 1 else b"1", place)
        for place in range(3)
    ]
    return RawPayload(b'{"version":"4","status":"firing","groupKey":"g","alerts":[' + b",".join(alerts) + b"]}")


@pytest.mark.parametrize("kind", INTEGRATIONS)
@pytest.mark.parametrize("odd", NOT_JSON.values(), ids=NOT_JSON)
def test_what_json_cannot_say_costs_its_alert_alone(kind: str, odd: bytes) -> None:
    """The neighbours ring; the odd one rings as well, or is told of; the payload's note says so; all that is read can be stored."""
    said = read_payload(around(kind, odd), INTEGRATIONS[kind])
    titles = [alert.title for alert in said.alerts]
    assert all("Good" in title for title in titles)
    assert len(titles) == 1 if kind == "a group" else len(titles) >= 2
    assert "replaced" in said.note or "left out" in said.note
    for alert in said.alerts:
        msgspec.json.encode(alert)


@pytest.mark.parametrize("kind", INTEGRATIONS)
def test_so_many_levels_and_no_more_with_every_parser(kind: str) -> None:
    """64 objects and lists inside one another, those around included; brackets in texts are none."""
    within = next(levels for levels in range(64) if nested_deeper(around(kind, b"[" * levels + b"]" * levels).body, 63))
    for levels, replaced in ((within, False), (within + 1, True), (300, True), (5_000, True)):
        said = read_payload(around(kind, b"[" * levels + b"]" * levels), INTEGRATIONS[kind])
        assert ("replaced" in said.note) == replaced, levels
    for text in (b'"' + b"[{" * 500 + b'"', b'"\\""', b"[" + b"[{}]," * 200 + b"1]"):
        assert "replaced" not in read_payload(around(kind, text), INTEGRATIONS[kind]).note, text


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"a": "\\x"}', b'{"a":' + b"[" * 100_000, b'{"a":' + b"[" * 2_000 + b'"' + b'\\"' * 100_000, b"", b"\xff"],
    ids=range(6),
)
def test_what_is_no_json_at_all_is_refused(body: bytes) -> None:
    """By its field, in time that grows with the length alone."""
    with pytest.raises(NotJsonPayload if body else InvalidInput, match="body: is"):
        read_payload(RawPayload(body), INTEGRATIONS["alertmanager"])
