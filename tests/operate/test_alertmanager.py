"""A real Alertmanager whose URL was changed, as docs/intake.md says: what fires is an incident, what resolves ends it."""

from pathlib import Path
from typing import Any

import pytest

from tests.operate.conftest import alertmanager
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.operate

WEBHOOK = """
route: {{receiver: tocsin, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: tocsin
    webhook_configs:
      - url: {url}/v1/integrations/{key}/alertmanager
        send_resolved: true
"""
PAGERDUTY = """
route: {{receiver: tocsin, group_wait: 0s, group_interval: 1s}}
receivers:
  - name: tocsin
    pagerduty_configs:
      - url: {url}/v2/enqueue
        routing_key: {key}
        severity: warning
"""


def alert(name: str, *, over: bool = False) -> dict[str, object]:
    """An alert as Prometheus sends it."""
    ends = {"endsAt": "2020-01-01T00:00:00Z", "startsAt": "2019-12-31T00:00:00Z"} if over else {}
    labels = {"alertname": "DiskFull", "instance": name, "severity": "critical"}
    return {"labels": labels, "annotations": {"summary": f"The disk of {name} is full"}, "generatorURL": "http://prometheus/graph", **ends}


@pytest.mark.parametrize(("kind", "config", "incidents"), [("ALERTMANAGER", WEBHOOK, 2), ("PAGERDUTY", PAGERDUTY, 1)])
async def test_alertmanager_opens_and_ends_incidents(stack: RunningStack, tmp_path: Path, kind: str, config: str, incidents: int) -> None:
    """By its webhook each alert is one; by its PagerDuty receiver the group is."""
    async with stack.client() as client:

        async def ask(method: str, path: str, **given: Any) -> Any:
            answer = await client.request(method, path, **given)
            assert answer.is_success, answer.text
            return answer.json()

        made = await ask("POST", "/v1/integrations", json={"kind": kind})
        url = str(client.base_url).rstrip("/")
        async with alertmanager(tmp_path, config.format(url=url, key=made["key"])) as sender:

            async def states(wanted: set[str]) -> bool:
                found = await ask("GET", "/v1/incidents", params={"filter": f'source="{made["name"]}"'})
                return len(found["incidents"]) == incidents and {item["state"] for item in found["incidents"]} == wanted

            await sender.alert(alert("db-1"), alert("db-2"))
            await eventually(lambda: states({"TRIGGERED"}), what="incidents of both alerts")
            await sender.alert(alert("db-1", over=True), alert("db-2", over=True))
            await eventually(lambda: states({"RESOLVED"}), seconds=60, what="their end")
        kept = (await ask("GET", f"/v1/{made['name']}/payloads"))["payloads"]
        assert {payload["outcome"] for payload in kept} == {"TAKEN"}
