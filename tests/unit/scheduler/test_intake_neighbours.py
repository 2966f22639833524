"""One alert of a webhook that is odd, or none at all, beside good ones: these ring."""

import json
from typing import Any

import pytest

from scheduler_svc.domain.intake.alertmanager import read_alertmanager, read_grafana
from scheduler_svc.domain.intake.payloads import RawPayload

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
