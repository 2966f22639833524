"""What senders send, as they send it, and what is read from it."""

import json
from typing import Any

import pytest

from scheduler_svc.domain.incident_words import AlertEvent, IncidentSeverity
from scheduler_svc.domain.intake.alertmanager import read_alertmanager, read_grafana
from scheduler_svc.domain.intake.alerts import ReceivedAlert, fitted, incident_key
from scheduler_svc.domain.intake.cloudevents import read_cloudevents
from scheduler_svc.domain.intake.pagerduty import read_pagerduty
from scheduler_svc.domain.intake.payloads import RawPayload
from tocsin.errors import InvalidInput

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
TRIGGER, ACKNOWLEDGE, RESOLVE = AlertEvent
CRITICAL, ERROR, WARNING, INFO = IncidentSeverity

ALERTMANAGER: dict[str, Any] = {
    "receiver": "tocsin",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Instance Is Down", "instance": "localhost:9100", "job": "infra0", "severity": "critical"},
            "annotations": {
                "summary": "localhost:9100 is down",
                "description": "localhost:9100 of job infra0 has been down for more than 3 minutes.",
                "runbook_url": "https://runbooks.example.com/down",
            },
            "startsAt": "2026-11-29T10:00:20.381Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
            "fingerprint": "4e4c4c3d872bf6d8",
        },
        {
            "status": "resolved",
            "labels": {"alertname": "HighValue", "priority": "P3"},
            "annotations": {},
            "startsAt": "2026-11-29T09:32:56.014Z",
            "endsAt": "2026-11-29T10:00:00Z",
            "generatorURL": "",
            "fingerprint": "948c667b1fc76492",
        },
    ],
    "groupLabels": {},
    "commonLabels": {"team": "infra"},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager:9093",
    "version": "4",
    "groupKey": "{}:{}",
    "truncatedAlerts": 3,
}
GRAFANA: dict[str, Any] = {
    "receiver": "My Super Webhook",
    "status": "firing",
    "orgId": 1,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "High memory usage", "team": "blue", "zone": "us-1"},
            "annotations": {
                "description": "The system has high memory usage",
                "runbook_url": "https://myrunbook.com/runbook/1234",
                "summary": "This alert was triggered for zone us-1",
            },
            "startsAt": "2021-10-12T09:51:03.157076+02:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://play.grafana.org/alerting/1afz29v7z/edit",
            "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "https://play.grafana.org/alerting/silence/new?alertmanager=grafana",
            "dashboardURL": "",
            "panelURL": "https://play.grafana.org/d/abc?viewPanel=2",
            "values": {"B": 44.23943737541908, "C": 1},
            "valueString": "[ var='B' labels={} value=44.2 ]",
        },
        {
            "status": "firing",
            "labels": {"alertname": "DatasourceNoData"},
            "annotations": None,
            "values": None,
            "fingerprint": "bc97ff14869b13e3",
        },
    ],
    "groupLabels": {},
    "commonLabels": {"team": "blue"},
    "commonAnnotations": {},
    "externalURL": "https://play.grafana.org/",
    "version": "1",
    "groupKey": "{}:{}",
    "truncatedAlerts": 0,
    "title": "[FIRING:2]  (blue)",
    "state": "alerting",
    "message": "**Firing**\n\nLabels:\n - alertname = T2\n",
}
PAGERDUTY: dict[str, Any] = {
    "routing_key": "samplekeyhere",
    "event_action": "trigger",
    "dedup_key": "srv01/HTTP",
    "payload": {
        "summary": "DISK at 99% on machine prod-datapipe03.example.com",
        "timestamp": "2015-07-17T08:42:58.315+0000",
        "severity": "critical",
        "source": "prod-datapipe03.example.com",
        "component": "mysql",
        "group": "prod-datapipe",
        "class": "disk",
        "custom_details": {"free space": "1%", "ping time": "1500ms", "load avg": 0.75},
    },
    "images": [{"src": "https://www.example.com/chart.png", "href": "https://example.com/", "alt": "Example text"}],
    "links": [{"href": "https://example.com/graph", "text": "Link text"}],
    "client": "Sample Monitoring Service",
    "client_url": "https://monitoring.example.com",
}
CLOUD: dict[str, Any] = {
    "specversion": "1.0",
    "type": "com.example.disk.alert",
    "source": "/hosts/db-1",
    "subject": "disk",
    "id": "A234-1234-1234",
    "time": "2018-04-05T17:31:00Z",
    "comexampleextension1": "value",
    "severitytext": "FATAL",
    "datacontenttype": "application/json",
    "data": {"message": "Disk is full", "state": "alerting"},
}


def raw(value: Any, content_type: str = "application/json", **headers: str) -> RawPayload:
    """A body of JSON."""
    return RawPayload(json.dumps(value).encode(), content_type, headers)


def changed(value: dict[str, Any], **fields: Any) -> RawPayload:
    """The same with other fields; None removes one."""
    return raw({name: field for name, field in (value | fields).items() if field is not None})


def test_alertmanager() -> None:
    """Each alert by its fingerprint, with what it says; what was left out is told."""
    read = read_alertmanager(raw(ALERTMANAGER))
    down, over = read.alerts
    assert (down.event, down.key, down.severity) == (TRIGGER, "4e4c4c3d872bf6d8", CRITICAL)
    assert down.title == "localhost:9100 is down"
    assert down.description.splitlines() == [ALERTMANAGER["alerts"][0]["annotations"]["description"], "https://runbooks.example.com/down"]
    assert down.url.startswith("http://prometheus:9090/graph")
    assert down.labels == ALERTMANAGER["alerts"][0]["labels"]
    assert (over.event, over.title, over.severity, over.url) == (RESOLVE, "HighValue", WARNING, "")
    assert "3 more alerts" in read.note


def test_alertmanager_by_group() -> None:
    """One alert, as bad as the worst, by the key of the group."""
    [group] = read_alertmanager(raw(ALERTMANAGER), by_group=True).alerts
    assert (group.event, group.key, group.severity) == (TRIGGER, "{}:{}", CRITICAL)
    assert (group.title, group.labels, group.url) == ("localhost:9100 is down", {"team": "infra"}, "http://alertmanager:9093")
    [over] = read_alertmanager(changed(ALERTMANAGER, status="resolved"), by_group=True).alerts
    assert over.event is RESOLVE
    with pytest.raises(InvalidInput, match="groupKey"):
        read_alertmanager(changed(ALERTMANAGER, groupKey=None), by_group=True)


def test_alertmanager_without_fingerprints() -> None:
    """Those of before 0.18: the labels are the key."""
    bare = [{key: value for key, value in alert.items() if key != "fingerprint"} for alert in ALERTMANAGER["alerts"]]
    first, second = read_alertmanager(changed(ALERTMANAGER, alerts=bare)).alerts
    assert first.key != second.key
    assert read_alertmanager(changed(ALERTMANAGER, alerts=bare[:1])).alerts[0].key == first.key


def test_grafana() -> None:
    """The panel is where to look, the values belong to the text, and null is nothing."""
    memory, nodata = read_grafana(raw(GRAFANA)).alerts
    assert (memory.key, memory.title) == ("c6eadffa33fcdf37", "This alert was triggered for zone us-1")
    assert memory.url == "https://play.grafana.org/d/abc?viewPanel=2"
    assert "value=44.2" in memory.description
    assert memory.severity is None
    assert nodata.title == "DatasourceNoData"


def test_pagerduty() -> None:
    """Summary, source and the rest of PD-CEF, links and images."""
    [alert] = read_pagerduty(raw(PAGERDUTY)).alerts
    assert (alert.event, alert.key, alert.severity) == (TRIGGER, "srv01/HTTP", CRITICAL)
    assert alert.title == PAGERDUTY["payload"]["summary"]
    assert alert.labels == {"source": "prod-datapipe03.example.com", "component": "mysql", "group": "prod-datapipe", "class": "disk"}
    assert alert.description.splitlines() == [
        *("free space: 1%", "ping time: 1500ms", "load avg: 0.75", "Seen by Sample Monitoring Service."),
        *("Link text https://example.com/graph", "Example text https://www.example.com/chart.png"),
    ]
    assert alert.url == "https://monitoring.example.com"


@pytest.mark.parametrize(("action", "event"), [("acknowledge", ACKNOWLEDGE), ("resolve", RESOLVE)])
def test_pagerduty_answers(action: str, event: AlertEvent) -> None:
    """A key is enough."""
    [alert] = read_pagerduty(raw({"routing_key": "r", "event_action": action, "dedup_key": "srv01/HTTP"})).alerts
    assert (alert.event, alert.key) == (event, "srv01/HTTP")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"event_action": "fire"}, ["event_action"]),
        ({"event_action": None, "payload": None}, ["event_action"]),
        ({"payload": None}, ["payload"]),
        ({"payload": []}, ["payload"]),
        ({"payload": {}}, ["payload.summary", "payload.source", "payload.severity"]),
        ({"payload": {"summary": " ", "source": 5, "severity": "bad"}}, ["payload.summary", "payload.source", "payload.severity"]),
        ({"dedup_key": "k" * 256}, ["dedup_key"]),
        ({"dedup_key": 5}, ["dedup_key"]),
        ({"event_action": "resolve", "dedup_key": None}, ["dedup_key"]),
        ({"links": "x", "images": 3}, ["links", "images"]),
    ],
)
def test_pagerduty_names_every_field_that_is_wrong(fields: dict[str, Any], wrong: list[str]) -> None:
    """As PagerDuty lists errors."""
    with pytest.raises(InvalidInput) as caught:
        read_pagerduty(changed(PAGERDUTY, **fields))
    assert [item.field for item in caught.value.violations] == wrong


def test_cloudevents_structured_and_in_batches() -> None:
    """Each with what its attributes and its data say; once by source and id."""
    [alert] = read_cloudevents(raw(CLOUD, STRUCTURED)).alerts
    assert (alert.event, alert.title, alert.severity, alert.key) == (TRIGGER, "Disk is full", CRITICAL, "/hosts/db-1 disk")
    assert alert.labels == {
        "type": "com.example.disk.alert",
        "source": "/hosts/db-1",
        "subject": "disk",
        "comexampleextension1": "value",
        "severitytext": "FATAL",
    }
    again, other, over = read_cloudevents(
        raw([CLOUD, CLOUD | {"id": "2"}, CLOUD | {"type": "disk.resolved", "data": {}}], f"{BATCH}; charset=utf-8")
    ).alerts
    assert again.once == alert.once != other.once
    assert over.event is RESOLVE


def test_cloudevents_in_binary_mode() -> None:
    """Attributes are headers, percent-encoded; the body is the data, whatever its type."""
    headers = {"ce-specversion": "1.0", "ce-type": "test", "ce-source": "/curl%20here", "ce-id": "1", "ce-severitynumber": "x"}
    [alert] = read_cloudevents(RawPayload(b'{"title": "Full", "severity": "warn", "key": "k"}', "application/json", headers)).alerts
    assert (alert.title, alert.severity, alert.key, alert.labels["source"]) == ("Full", WARNING, "k", "/curl here")
    [plain] = read_cloudevents(RawPayload(b"It is \xff full", "text/plain", headers)).alerts
    assert (plain.title, plain.description) == ("test", "It is \ufffd full")
    [bare] = read_cloudevents(RawPayload(b"", "", headers)).alerts
    assert bare.title == "test"


@pytest.mark.parametrize(
    ("number", "severity"), [(24, CRITICAL), (21, CRITICAL), (17, ERROR), (13, WARNING), (9, INFO), (1, INFO), ("17", None), (True, INFO)]
)
def test_cloudevents_severity_by_number(number: Any, severity: IncidentSeverity | None) -> None:
    """The scale of OpenTelemetry."""
    event = {name: value for name, value in CLOUD.items() if name != "severitytext"} | {"severitynumber": number}
    assert read_cloudevents(raw(event, STRUCTURED)).alerts[0].severity is severity


def test_cloudevents_with_packed_data() -> None:
    """Base64, of JSON or of a text."""
    packed = {name: value for name, value in CLOUD.items() if name != "data"} | {"data_base64": "eyJ0aXRsZSI6ICJGdWxsIn0="}
    assert read_cloudevents(raw(packed, STRUCTURED)).alerts[0].title == "Full"
    text = packed | {"datacontenttype": "text/plain"}
    assert "title" in read_cloudevents(raw(text, STRUCTURED)).alerts[0].description


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ([], "body"),
        ({}, "specversion"),
        (CLOUD | {"specversion": "0.3"}, "specversion"),
        (CLOUD | {"id": ""}, "id"),
        (CLOUD | {"source": 5}, "source"),
        (CLOUD | {"Wrong-Name": "x"}, "Wrong-Name"),
        (CLOUD | {"extension": {"a": 1}}, "extension"),
        (CLOUD | {"data_base64": "%"}, "data_base64"),
        (CLOUD | {"subject": "", "type": "a.resolved", "data": {}}, "subject"),
    ],
)
def test_what_is_no_cloudevent_is_refused(event: Any, field: str) -> None:
    """With the attribute."""
    with pytest.raises(InvalidInput) as caught:
        read_cloudevents(raw(event, STRUCTURED))
    assert caught.value.violations[0].field == field
    if isinstance(event, dict) and event:
        batch = read_cloudevents(raw([CLOUD, event, CLOUD], BATCH))
        assert (len(batch.alerts), f"1 of 3 alerts were left out: [1].{field}" in batch.note) == (2, True)


@pytest.mark.parametrize("content_type", ["application/cloudevents+avro", "application/json", ""])
def test_cloudevents_of_other_types_are_refused(content_type: str) -> None:
    """Another format, or no attributes in the headers."""
    with pytest.raises(InvalidInput, match=r"content-type|ce-id"):
        read_cloudevents(raw(CLOUD, content_type))


BROKEN: list[tuple[bytes, str]] = [
    (b"", "body"),
    (b"  ", "body"),
    (b"{", "body"),
    (b"[]", "body"),
    (b"null", "body"),
    (b'{"version": "4", "status": "firing", "alerts": NaN}', "body"),
    (b"\xff\xfe{}", "body"),
    (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body"),
    (b'{"version": 4, "status": "firing", "alerts": []}', "version"),
    (b'{"status": "firing", "alerts": []}', "body"),
    (b'{"version": "99", "status": "firing", "alerts": []}', "version"),
    (b'{"version": "4", "status": "burning", "alerts": []}', "status"),
    (b'{"version": "4", "status": "firing"}', "alerts"),
    (b'{"version": "4", "status": "firing", "alerts": []}', "alerts"),
    (b'{"version": "4", "status": "firing", "alerts": {}}', "alerts"),
    (b'{"version": "4", "status": "firing", "alerts": [5]}', "alerts[0]"),
    (b'{"version": "4", "status": "firing", "alerts": [{"status": "firing", "labels": 5}]}', "alerts[0].labels"),
    (b'{"version": "4", "status": "firing", "alerts": [{"status": "burning"}, {"status": 5}, null]}', "alerts[0].status"),
    (b'{"version": "4", "status": "firing", "truncatedAlerts": -1, "alerts": []}', "truncatedAlerts"),
    (b'{"version": "4", "status": "firing", "truncatedAlerts": 1e400, "alerts": []}', "truncatedAlerts"),
]


MENDED: list[tuple[bytes, str]] = [
    (b'{"version": "4", "status": "firing", "alerts": [{"status": "firing", "labels": {"a": "\\ud800"}}]}', "body"),
    (b'{"version": "4", "status": "firing", "alerts": [{"status": "firing", "labels": {"a": "\xff"}}]}', "alerts[0]"),
]
"""Refused by the form, and read by `read_payload` without what it should not have."""


@pytest.mark.parametrize(("body", "field"), [*BROKEN, *MENDED])
def test_what_is_no_webhook_is_refused(body: bytes, field: str) -> None:
    """With field and reason, at both doors of the form."""
    with pytest.raises(InvalidInput) as caught:
        read_alertmanager(RawPayload(body))
    assert caught.value.violations[0].field == field
    with pytest.raises(InvalidInput):
        read_grafana(RawPayload(body))


@pytest.mark.parametrize("labels", [65, 999, 5000])
def test_the_first_labels_of_thousands_are_kept(labels: int) -> None:
    """An alert that says too much rings all the same."""
    many = {f"l{number}": "x" for number in range(labels)}
    [_, alert] = read_alertmanager(changed(ALERTMANAGER, alerts=[ALERTMANAGER["alerts"][0], {"status": "firing", "labels": many}])).alerts
    assert alert.labels == {f"l{number}": "x" for number in range(64)}


def test_too_many_alerts_are_refused() -> None:
    """Ten thousand are taken."""
    alert = {"status": "firing", "labels": {}}
    assert len(read_alertmanager(changed(ALERTMANAGER, alerts=[alert] * 10_000)).alerts) == 10_000
    with pytest.raises(InvalidInput, match="at most 10000"):
        read_alertmanager(changed(ALERTMANAGER, alerts=[alert] * 10_001))


def test_a_byte_order_mark_is_no_error() -> None:
    """Some proxies add one (RFC 8259, 8.1)."""
    assert read_alertmanager(RawPayload(b"\xef\xbb\xbf" + json.dumps(ALERTMANAGER).encode())).alerts


def test_alerts_are_made_to_fit() -> None:
    """What is too long is cut, what no line can hold is replaced, and what is no address is left out."""
    long = fitted(
        ReceivedAlert(
            "a\nb\tc\0" + "x" * 1000,
            description="ü" * 20_000,
            labels={"n" * 100: "v" * 2000, "bad\nname": "\0", "": "x"},
            url="javascript:alert(1)",
        )
    )
    assert long.title.startswith("a b c\ufffdx")
    assert len(long.title) == 500
    assert len(long.description.encode()) <= 16_384
    assert long.labels == {"n" * 63: "v" * 1023 + "…", "bad\ufffdname": "\ufffd"}
    assert long.url == ""
    assert fitted(ReceivedAlert("")).title == "Alert"
    assert fitted(ReceivedAlert("x", description="a\nb\0")).description == "a\nb\ufffd"


def test_keys_are_the_integrations_own() -> None:
    """The same key of two integrations is two incidents; long ones are hashed."""
    assert incident_key("am", "f1") == "integrations/am/f1"
    assert len(incident_key("am", "x" * 1000)) < 255
    assert incident_key("am", "x" * 1000) != incident_key("am", "x" * 1001)
    assert incident_key("am", "a\nb").isprintable()
