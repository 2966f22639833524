"""Any JSON by a mapping: what is found, and how it is told that nothing is."""

import json
from contextlib import suppress
from typing import Any

import pytest

from scheduler_svc.domain.incident_words import AlertEvent, IncidentSeverity
from scheduler_svc.domain.intake.generic import PayloadMapping, ValueSource, check_mapping, read_generic
from scheduler_svc.domain.intake.integrations import Integration, IntegrationKind
from scheduler_svc.domain.intake.json_paths import PathInvalid, find, parse_path
from scheduler_svc.domain.intake.payloads import RawPayload
from scheduler_svc.domain.intake.reading import read_payload
from tocsin.errors import FailedPrecondition, InvalidInput

UPTIME = {
    "heartbeat": {"status": 0, "time": "2026-11-29 10:00:00", "msg": "connect ECONNREFUSED", "important": True, "duration": None},
    "monitor": {"id": 7, "name": "Shop", "url": "https://shop.example.com", "tags": [{"name": "team", "value": "web"}], "a.b": 1.5},
    "msg": "[Shop] [Down] connect ECONNREFUSED",
}
MAPPING = PayloadMapping(
    title=ValueSource(("$.monitor.title", "monitor.name")),
    description=ValueSource(("msg",)),
    key=ValueSource(("monitor.id",)),
    severity=ValueSource(default="high"),
    state=ValueSource(("heartbeat.status",)),
    url=ValueSource(("monitor.url",)),
    labels={"team": ValueSource(("monitor.tags[0].value",)), "odd": ValueSource(("monitor['a.b']",)), "none": ValueSource(("x",))},
    states={"0": AlertEvent.TRIGGER, "1": AlertEvent.RESOLVE},
    severities={"high": IncidentSeverity.CRITICAL},
)


def source(*paths: str, default: str = "") -> ValueSource:
    """Where a value is."""
    return ValueSource(paths, default)


def read(value: Any, mapping: PayloadMapping) -> Any:
    """The alerts that it finds."""
    return read_generic(RawPayload(json.dumps(value).encode()), mapping).alerts


def test_a_mapping_finds_its_values() -> None:
    """Paths, constants, tables of words, and numbers as text."""
    [alert] = read(UPTIME, MAPPING)
    assert (alert.title, alert.key, alert.event, alert.severity) == ("Shop", "7", AlertEvent.TRIGGER, IncidentSeverity.CRITICAL)
    assert alert.labels == {"team": "web", "odd": "1.5"}
    assert (alert.description, alert.url) == (UPTIME["msg"], "https://shop.example.com")
    [over] = read(UPTIME | {"heartbeat": {"status": 1}}, MAPPING)
    assert over.event is AlertEvent.RESOLVE


def test_a_list_is_many_alerts() -> None:
    """And the other paths are relative to its elements."""
    mapping = PayloadMapping(items="$.checks", title=source("name"), key=source("name"), state=source("state"))
    alerts = read({"checks": [{"name": "a", "state": "DOWN"}, {"name": "b", "state": "Recovered"}]}, mapping)
    assert [(alert.title, alert.event) for alert in alerts] == [("a", AlertEvent.TRIGGER), ("b", AlertEvent.RESOLVE)]
    whole = PayloadMapping(items="$", title=source("$"))
    assert [alert.title for alert in read([{"a": 1}, ["x"], 5, True], whole)] == ['{"a":1}', '["x"]', "5", "true"]


@pytest.mark.parametrize(
    ("mapping", "value", "field", "says"),
    [
        (PayloadMapping(title=source("a.b", "c")), {"a": {"b": None}}, "mapping.title", "'a.b', 'c'"),
        (PayloadMapping(title=source("a")), {"a": "  "}, "mapping.title", "'a'"),
        (PayloadMapping(title=source(default="x"), key=source("k")), {}, "mapping.dedupKey", "'k'"),
        (PayloadMapping(title=source(default="x"), state=source("s")), {}, "mapping.state", "'s'"),
        (PayloadMapping(title=source(default="x"), state=source("s")), {"s": "shipped"}, "mapping.state", "'shipped'"),
        (PayloadMapping(title=source(default="x"), state=source("s")), {"s": "ok"}, "mapping.dedupKey", "RESOLVE"),
        (PayloadMapping(title=source(default="x"), items="i"), {}, "mapping.items", "nothing"),
        (PayloadMapping(title=source(default="x"), items="i"), {"i": []}, "mapping.items", "empty"),
        (PayloadMapping(title=source(default="x"), items="i"), {"i": {}}, "mapping.items", "no list"),
        (PayloadMapping(title=source(default="x"), items="i"), {"i": [0] * 10_001}, "mapping.items", "10001"),
        (PayloadMapping(title=source("t"), items="i"), {"i": [{"t": None}, {}]}, "mapping.title", "element 0"),
    ],
)
def test_a_mapping_that_finds_nothing_says_so(mapping: PayloadMapping, value: Any, field: str, says: str) -> None:
    """With its own field, and what was looked for."""
    with pytest.raises(InvalidInput) as caught:
        read(value, mapping)
    [wrong] = caught.value.violations
    assert wrong.field == field
    assert says in wrong.description


def test_an_end_needs_no_title() -> None:
    """It opens nothing."""
    mapping = PayloadMapping(title=source("t"), key=source("k"), state=source("s"))
    assert read({"k": "1", "s": "ok"}, mapping)[0].event is AlertEvent.RESOLVE


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("$", ()),
        ("a", ("a",)),
        ("$.a.b", ("a", "b")),
        ("a-b_c.d9", ("a-b_c", "d9")),
        ("$['a b'][\"c'd\"]", ("a b", "c'd")),
        (r"['it\'s \\ here']", (r"it's \ here",)),
        ("[0][-1]", (0, -1)),
        ("a[ 2 ].é", ("a", 2, "é")),
    ],
)
def test_paths(text: str, path: tuple[str | int, ...]) -> None:
    """The singular queries of RFC 9535, with or without their beginning."""
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        ".",
        "a.",
        "a..b",
        "a b",
        "$a",
        "a[01]",
        "a[*]",
        "a[?x]",
        "a['x]",
        "[99999999999]",
        "[2147483648]",
        "9a",
        "a[1",
        "..",
        "a" + ".b" * 40,
        "@.a",
    ],
)
def test_what_is_no_path(text: str) -> None:
    """It is refused when the mapping is made."""
    with pytest.raises(PathInvalid):
        parse_path(text)
    with pytest.raises(InvalidInput) as caught:
        check_mapping(PayloadMapping(title=source("ok", text)), field="integration.mapping")
    assert caught.value.violations[0].field == "integration.mapping.title.paths[1]"


def test_what_is_looked_for_in_the_wrong_place_is_not_found() -> None:
    """A member of a list, an element of an object, and what lies behind the end."""
    value: Any = {"a": [1, 2], "b": {"0": 3}}
    assert [find(value, path) for path in (("a", "x"), ("b", 0), ("a", 2), ("a", -3), ("a", 0, "x"))] == [None] * 5
    assert find(value, ("a", -1)) == 2


def test_a_mapping_needs_a_title() -> None:
    """Nothing else is needed."""
    with pytest.raises(InvalidInput, match="title"):
        check_mapping(PayloadMapping(), field="mapping")
    check_mapping(PayloadMapping(title=source(default="Something")), field="mapping")


def integration(kind: IntegrationKind, mapping: PayloadMapping | None = None) -> Integration:
    """One of a kind."""
    return Integration(id="i", tenant="t", kind=kind, mapping=mapping, created=0, updated=0)


def test_an_element_in_which_nothing_is_found_costs_itself() -> None:
    """Its neighbours ring, and it is told of."""
    mapping = PayloadMapping(title=source("t"), items="i")
    said = read_generic(RawPayload(json.dumps({"i": [{"t": "x"}, {}, 5, {"t": "y"}]}).encode()), mapping)
    assert [alert.title for alert in said.alerts] == ["x", "y"]
    assert said.note.startswith("2 of 4 alerts were left out: mapping.title: ")


def test_cloudevents_by_a_mapping() -> None:
    """The data are below "data"; source and id still tell one from another."""
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "order", "data": {"order": {"id": 5}}}
    mapping = PayloadMapping(title=source("data.order.id"))
    payload = RawPayload(json.dumps(event).encode(), "application/cloudevents+json")
    [alert] = read_payload(payload, integration(IntegrationKind.CLOUDEVENTS, mapping)).alerts
    assert (alert.title, bool(alert.once)) == ("5", True)
    batch = RawPayload(json.dumps([event, event | {"data": {}}]).encode(), "application/cloudevents-batch+json")
    said = read_payload(batch, integration(IntegrationKind.CLOUDEVENTS, mapping))
    assert ([alert.title for alert in said.alerts], "event [1]" in said.note) == (["5"], True)


def test_payloads_are_none_of_mail() -> None:
    """An integration that takes mail has no form."""
    with pytest.raises(FailedPrecondition):
        read_payload(RawPayload(b"{}"), integration(IntegrationKind.EMAIL))


@pytest.mark.parametrize("digits", [25, 400, 5000, 100_000])
def test_numbers_of_thousands_of_digits(digits: int) -> None:
    """They are shown or refused, and nothing breaks."""
    with suppress(InvalidInput):
        [alert] = read_generic(RawPayload(b'{"t": -' + b"9" * digits + b"}"), PayloadMapping(title=source("t"))).alerts
        assert alert.title.startswith("-9")
