"""Every work of every real service survives an error that nobody expected."""

import asyncio
import gc
import re
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

import tocsin.background as mechanism
from auth_svc.config import AuthSettings
from auth_svc.wiring import build as build_auth
from gateway.config import GatewaySettings
from gateway.wiring import build as build_gateway
from mailer_svc.config import MailerSettings
from mailer_svc.wiring import build as build_mailer
from processor_svc.config import ProcessorSettings
from processor_svc.wiring import build as build_processor
from scheduler_svc.config import SchedulerSettings
from scheduler_svc.wiring import build as build_scheduler
from tests.integration.starting import no_lame_duck
from tocsin.background import BackgroundTask, end
from tocsin.clock import SystemClock
from tocsin.lifecycle import App
from tocsin.mesh.authority import ensure_pki
from tocsin.mesh.health import Check, Degraded, working
from tocsin.testing.redis import RedisServer
from tocsin.testing.waiting import eventually

SERVICES: dict[str, tuple[Any, Callable[..., App], set[str]]] = {
    "gateway": (GatewaySettings, build_gateway, {"spool", "mesh-renewal"}),
    "auth_svc": (AuthSettings, build_auth, {"housekeeping", "signing-keys", "health"}),
    "scheduler_svc": (
        SchedulerSettings,
        build_scheduler,
        {"load", "fire", "fire-critical", "fire-more", "dispatch", "results", "results-critical", "shards", "replicas", "shard-hints"}
        | {"hints", "outages", "finish", "housekeeping", "replan", "redis", "redis-memory", "events", "health", "mesh-renewal"},
    ),
    "processor_svc": (ProcessorSettings, build_processor, {"scheduler_svc", "mailer_svc", "lease-extension", "health"}),
    "mailer_svc": (MailerSettings, build_mailer, {"feed", "claims", "sending", "housekeeping", "redis", "events", "health"}),
}


class Planted(Exception):
    """Thrown into a work."""


@pytest.fixture(params=SERVICES)
async def app(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[App]:
    """One real service, with its neighbours away, on PostgreSQL and Redis."""
    monkeypatch.setattr(mechanism, "HEALTHY_SECONDS", 0.5)
    kind, build, _ = SERVICES[request.param]
    ensure_pki(folder=tmp_path / "pki", services=tuple(SERVICES), trust_domain="tocsin.local", clock=SystemClock())
    known = kind.model_fields
    stores = {"database_url": postgres_url, "redis_url": redis_server.url}
    ports = dict.fromkeys(("port", "metrics_port", "http_port", "grpc_port"), 0)
    mail = {"smtp_host": "127.0.0.1", "smtp_port": 9, "smtp_tls": "none"}
    values = {name: value for name, value in (stores | ports | mail | {"grace_seconds": 0.5}).items() if name in known}
    made = build(no_lame_duck(kind(state_dir=tmp_path, **values)), SystemClock())
    await made.start()
    yield made
    await made.stop()
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # what redis-py leaves open when it is interrupted in the midst of connecting: no later test has to hear of it


async def poison(task: BackgroundTask, error: BaseException) -> None:
    """Makes the run under way, and the next one, fail. A library may lose a cancellation (redis-py on Python 3.11), so `end` repeats it."""
    run = task.run

    async def fail_once() -> None:
        task.run = run
        raise error

    task.run = fail_once
    assert task.task is not None
    await end(task.task)


async def counts(app: App) -> dict[str, float]:
    """Failures by work, as the process's own metrics tell them."""
    async with httpx2.AsyncClient() as client:
        text = (await client.get(app.addresses()["metrics"])).text
    lines = re.findall(r'^tocsin_background_failures_total\{background="(.+?)"\} (\S+)$', text, re.MULTILINE)
    return {name: float(count) for name, count in lines}


async def test_an_error_in_any_work_is_seen_and_survived(app: App) -> None:
    """Found by name in the real wiring: each is logged, counted, failing in health, begun again, and well again; the process lives."""
    tasks = app.backgrounds.tasks
    assert SERVICES[app.name][2] <= {task.name for task in tasks}
    before = await counts(app)
    seen = set[str]()

    async def failing() -> bool:
        seen.update(name for name, reason in app.backgrounds.failing.items() if reason == "Planted")
        return seen >= {task.name for task in tasks}

    check = working(app.backgrounds)
    with capture_logs() as logs:
        poisoning = asyncio.gather(*(poison(task, Planted()) for task in tasks))
        await eventually(failing, what="every work failing")
        await poisoning
    assert {task.name for task in tasks} <= {line["background"] for line in logs if line["event"] == "background failed"}
    after = await counts(app)
    assert [task.name for task in tasks if after[task.name] < before[task.name] + 2] == []
    await eventually(lambda: "Planted" not in app.backgrounds.failing.values(), what="every work well again")
    assert {task.name for task in app.backgrounds.tasks} == {task.name for task in tasks}
    assert await _lives(app, check)


async def _lives(app: App, check: Check) -> bool:
    """Whether the check says what is so: a failing work degrades."""
    task = app.backgrounds.tasks[0]
    task.reason, task.since = "planted", float("inf")
    with pytest.raises(Degraded, match=f"{task.name}: planted"):
        await check()
    task.report_progress()
    return True
