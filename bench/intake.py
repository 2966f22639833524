"""One webhook of Alertmanager with thousands of alerts, through the gateway of a whole stack: how long its sender waits."""

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any, Final

import httpx2

from bench.services import seconds_of
from tocsin.clock import SystemClock
from tocsin.testing.stack import RunningStack

ROUNDS: Final = 5
_SERVICES: Final = ("gateway", "scheduler_svc")
_POLICY: Final = {"name": "escalationPolicies/bench", "steps": [{"targets": ["recipients/nobody"]}, {"targets": ["recipients/nobody"]}]}
_ROUTE: Final = {
    "name": "incidentRoutes/grouped",
    "matchers": [{"label": "source", "value": "integrations/grouped"}],
    "groupBy": ["cluster"],
}
_SUMMARY: Final = "Pod is crash looping."
_RUNBOOK: Final = "https://runbooks.prometheus-operator.dev/runbooks/kubernetes/kubepodcrashlooping"


def webhook(alerts: int, *, status: str = "firing", first: int = 0) -> bytes:
    """A webhook as a cluster with a fault sends it: about 775 bytes for each alert."""
    group: dict[str, Any] = {"receiver": "tocsin", "status": status, "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}}
    about = {"externalURL": "http://alertmanager:9093", "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0}
    return json.dumps(group | about | {"alerts": [_alert(number, status) for number in range(first, first + alerts)]}).encode()


def _alert(number: int, status: str) -> dict[str, Any]:
    labels = {
        "alertname": "KubePodCrashLooping",
        "cluster": "prod-eu-1",
        "container": "api",
        "instance": f"10.0.{number // 256}.{number % 256}:9100",
        "job": "kube-state-metrics",
        "namespace": "payments",
        "pod": f"api-{number:05d}-x7k2p",
        "severity": "warning",
        "team": "payments",
    }
    description = f"Pod payments/api-{number:05d}-x7k2p (api) is in waiting state (reason: CrashLoopBackOff)."
    return {
        "status": status,
        "labels": labels,
        "annotations": {"description": description, "runbook_url": _RUNBOOK, "summary": _SUMMARY},
        "startsAt": "2026-11-29T16:40:00.123Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example.com:9090/graph?g0.expr=kube_pod_container_status_waiting_reason&g0.tab=1",
        "fingerprint": f"{number:016x}",
    }


async def measure(*, url: str, alerts: int) -> dict[str, Any]:
    """Sends webhooks one after the other; milliseconds until the answer, the median of some rounds, each with alerts of its own.

    Args:
        url: the scheduler's database.
        alerts: in each webhook.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningStack(state=Path(folder) / "state", env={"TOCSIN_SCHEDULER_DATABASE_URL": url}) as stack,
    ):
        async with stack.client() as client:
            client.timeout = httpx2.Timeout(60)
            sender = await _Sender.of(stack, client, alerts)
            alone = await sender.rounds("alone", ("opened", "counted", "resolved"))
            with_policy = await sender.rounds("with_policy", ("opened", "resolved"))
            grouped = await sender.rounds("grouped", ("counted",))
    figures = {
        f"{name}: {what}": value
        for name, one in (("no policy", alone), ("policy", with_policy), ("route", grouped))
        for what, value in one.items()
    }
    return {"alerts": alerts, **figures}


class _Sender:
    """Who sends to some integrations."""

    def __init__(self, stack: RunningStack, client: httpx2.AsyncClient, alerts: int, keys: dict[str, str]) -> None:
        self._stack = stack
        self._client = client
        self._alerts = alerts
        self._keys = keys
        self._clock = SystemClock()

    @classmethod
    async def of(cls, stack: RunningStack, client: httpx2.AsyncClient, alerts: int) -> "_Sender":
        """With an integration without a policy, one with a policy, and one whose alerts a route groups."""
        keys = dict[str, str]()
        for path, body in (
            ("/v1/escalationPolicies", _POLICY),
            ("/v1/incidentRoutes", _ROUTE),
            ("/v1/integrations", {"name": "integrations/alone", "kind": "ALERTMANAGER"}),
            ("/v1/integrations", {"name": "integrations/with_policy", "kind": "ALERTMANAGER", "escalationPolicy": _POLICY["name"]}),
            ("/v1/integrations", {"name": "integrations/grouped", "kind": "ALERTMANAGER"}),
        ):
            made = (await client.post(path, json=body)).raise_for_status().json()
            if "key" in made:
                keys[made["name"].rpartition("/")[2]] = made["key"]
        return cls(stack, client, alerts, keys)

    async def rounds(self, name: str, expected: tuple[str, ...]) -> dict[str, Any]:
        """What a webhook takes that fires, and so on; the first round, which finds everything cold, is left out."""
        times: dict[str, list[float]] = {what: [] for what in expected}
        used = 0.0
        for number in range(ROUNDS + 1):
            first = number * self._alerts
            for what in expected:
                body = webhook(self._alerts, status="resolved" if what == "resolved" else "firing", first=first)
                took, cpu, counts = await self._send(name, body)
                if counts.get(what, 0) < self._alerts - 1:
                    raise RuntimeError(f"{name}: not all alerts were {what}: {counts}")
                if number:
                    times[what].append(took)
                    used += cpu
        sent = ROUNDS * len(expected)
        median = {f"{what} ms": round(statistics.median(values) * 1000) for what, values in times.items()}
        return median | {"cpu ms of gateway and scheduler": round(used / sent * 1000)}

    async def _send(self, name: str, body: bytes) -> tuple[float, float, dict[str, int]]:
        """Seconds until the answer, seconds of the processor until then, and what the answer counts."""
        before, begun = self._used(), self._clock.monotonic()
        answer = await self._client.post(f"/v1/integrations/{self._keys[name]}/alertmanager", content=body)
        took, used = self._clock.monotonic() - begun, self._used() - before
        answer.raise_for_status()
        await asyncio.sleep(2)  # what was let go is taken by the others meanwhile
        return took, used, answer.json()

    def _used(self) -> float:
        return sum(seconds_of(self._stack.pid(name)) for name in _SERVICES)


def main() -> None:
    """Measures from the command line: ``python -m bench.intake URL``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="the scheduler's database")
    parser.add_argument("--alerts", type=int, default=5000)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measure(url=given.url, alerts=given.alerts)), indent=2))


if __name__ == "__main__":
    main()
