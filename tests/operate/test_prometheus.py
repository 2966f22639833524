"""A real Prometheus on a live stack: alerts ring while a service is frozen and are over when it is well; every panel shows something."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import httpx2
import pytest
import yaml

from tests.operate.conftest import SMTP_PORT
from tocsin.api.scheduler.v1 import alarm_service_pb2, alarm_service_pb2_grpc
from tocsin.testing.process import free_port
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.operate, pytest.mark.timeout(600)]

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
INSTALL: Final = "apt-get install --yes --no-install-recommends prometheus"
SERVICES: Final = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
PATIENCE: Final = re.compile(r"^( +for: )\d+m$", re.MULTILINE)


class Prometheus:
    """One that scrapes a stack every second, and whose alerts wait for two."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression now."""
        answer = await self._client.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        return answer.json()["data"]["result"]

    async def ringing(self) -> set[str]:
        """Names of the alerts that ring, with the job that they are of."""
        found = await self.query('ALERTS{alertstate="firing"}')
        return {" ".join(filter(None, (each["metric"]["alertname"], each["metric"].get("job")))) for each in found}

    async def rings(self, *names: str) -> None:
        """Returns when all of these ring."""

        async def ring() -> bool:
            return set(names) <= await self.ringing()

        await eventually(ring, seconds=90, what=f"{', '.join(names)} ringing")

    async def silent(self, *names: str) -> None:
        """Returns when none of these rings."""

        async def silence() -> bool:
            return not set(names) & await self.ringing()

        await eventually(silence, seconds=90, what=f"{', '.join(names)} being over")


@pytest.fixture
async def prometheus(stack: RunningStack, tmp_path: Path) -> AsyncGenerator[Prometheus]:
    """It, with the alerts of deploy/."""
    rules = PATIENCE.sub(r"\g<1>2s", (DEPLOY / "prometheus/alerts.yaml").read_text("utf-8"))
    (tmp_path / "alerts.yaml").write_text(rules, "utf-8")
    targets = {name: stack.info["services"][name]["metrics"].removeprefix("http://").removesuffix("/metrics") for name in SERVICES}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [{"job_name": name, "static_configs": [{"targets": [target]}]} for name, target in targets.items()],
    }
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config), "utf-8")
    async with _running(tmp_path) as client:
        yield Prometheus(client)


@asynccontextmanager
async def _running(folder: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.fail(f"there is no Prometheus; install one: {INSTALL}")
    address = f"127.0.0.1:{free_port()}"
    flags = (f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}")
    process = await asyncio.create_subprocess_exec(program, *flags, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with httpx2.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=30) as client:

            async def ready() -> bool:
                with contextlib.suppress(httpx2.TransportError):
                    return (await client.get("/-/ready")).status_code == 200
                return False

            await eventually(ready, what="a Prometheus that is ready")
            yield client
    finally:
        process.terminate()
        await process.wait()


async def use(stack: RunningStack) -> None:
    """An alarm that rings each second and becomes mails, and one that is fired by hand."""
    action = {"notify": {"to": ["a@example.com"], "subject": "s", "text": "t"}}
    async with stack.client() as client:
        made = await client.post("/v1/alarms", json={"displayName": "a", "trigger": {"every": "1s"}, "action": action})
        assert made.is_success, made.text
        fired = await client.post(f"/v1/{made.json()['name']}:fire", json={})
        assert fired.is_success, fired.text


async def call(stack: RunningStack) -> None:
    """One call at each door."""
    async with stack.client() as client:
        assert (await client.get("/v1/alarms")).is_success
    async with grpc.aio.insecure_channel(stack.info["grpc"].removeprefix("grpc://")) as channel:
        alarms = alarm_service_pb2_grpc.AlarmServiceStub(channel)
        await alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest(), metadata=(("authorization", f"Bearer {stack.api_key}"),))


def queries() -> list[tuple[str, str]]:
    """Every query of every dashboard, with its panel."""
    found: list[tuple[str, str]] = []
    for path in sorted((DEPLOY / "grafana").glob("*.json")):
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            found += [(f"{path.stem}: {panel['title']}", target["expr"]) for target in panel["targets"]]
    return found


async def test_every_panel_shows_something(stack: RunningStack, prometheus: Prometheus) -> None:
    """On a stack that is used each query gives series, with all instances and tenants chosen as Grafana would."""
    filled = [
        (panel, query.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$tenant", ".*")) for panel, query in queries()
    ]
    empty: list[str] = []

    async def all_show() -> bool:
        await call(stack)
        empty[:] = [f"{panel}: {query}" for panel, query in filled if not await prometheus.query(query)]
        return not empty

    sink = SmtpSink(port=SMTP_PORT)
    await sink.start()
    try:
        await use(stack)
        with contextlib.suppress(AssertionError):
            await eventually(all_show, seconds=120, what="a series in every panel")
        assert empty == []
    finally:
        await sink.stop()


async def test_a_frozen_scheduler_rings_until_it_is_well(stack: RunningStack, prometheus: Prometheus) -> None:
    """While it exports nothing, and no longer: neither what it said last nor what it says afterwards keeps an alert alive."""
    known = ("TocsinServiceAway scheduler_svc", "TocsinTargetDown scheduler_svc")
    unowned = ("TocsinShardsFree", "TocsinNoProcessor")
    await prometheus.silent(*known, *unowned)
    frozen = stack.pid("scheduler_svc")
    os.kill(frozen, signal.SIGSTOP)
    try:
        await prometheus.rings(*known, *unowned)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(frozen, signal.SIGCONT)
    await prometheus.silent(*known, *unowned)


async def test_a_process_that_is_killed_again_and_again_rings(stack: RunningStack, prometheus: Prometheus) -> None:
    """Its supervisor starts it each time, so that it is never away for long; nobody else rings for it."""
    started = 'process_start_time_seconds{job="processor_svc"}'

    async def start() -> str:
        return next((each["value"][1] for each in await prometheus.query(f'{started} and up{{job="processor_svc"}} == 1')), "")

    async def later(before: str) -> bool:
        return await start() not in ("", before)

    await eventually(lambda: later(""), what="a first scrape")
    for _ in range(3):
        before = await start()
        stack.kill("processor_svc")
        await eventually(lambda before=before: later(before), what="a scrape of the next process")
    await prometheus.rings("TocsinRestartLoop processor_svc")
    assert "TocsinServiceAway processor_svc" not in await prometheus.ringing()
