"""Every kind of action, with parts that do nothing unless a test gives its own."""

import random
from typing import Any, cast

from processor_svc.actions import Actions, CheckKind, NotifyKind, PublishKind, TaskKind, WebhookKind, every_action
from processor_svc.brokers import Brokers
from processor_svc.domain import TaskProgress
from processor_svc.hosting import HostOptions, Packages
from processor_svc.ports import IncidentTriggers, Mailer, Readings
from processor_svc.registry import Registry
from processor_svc.turns import TenantTurns
from tocsin.clock import Clock
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import HttpClient
from tocsin.mesh.breaker import Breaker, BreakerRule
from tocsin.standard_webhooks import WebhookSecret

LOOPBACK = AllowedTargets.parse(["127.0.0.0/8", "::1"])
SECRET = WebhookSecret(b"x" * 32)
NO_INCIDENTS = cast("IncidentTriggers", None)


class Reports:
    """Progress in memory."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float, str]] = []

    def report(self, task_id: str, progress: TaskProgress) -> None:
        self.told.append((task_id, progress.fraction, progress.message))

    def follow(self, task_id: str) -> Any:
        raise AssertionError(task_id)


def webhook_kind(clock: Clock, *, client: HttpClient | None = None, **parts: Any) -> WebhookKind:
    """Webhooks to what `LOOPBACK` allows."""
    given: dict[str, Any] = {
        "client": client or HttpClient(allowed=LOOPBACK, https_only=True),
        "allowed": LOOPBACK,
        "secret": lambda tenant: SECRET,
        "turns": TenantTurns(total=10, each=10, seconds=5.0),
        "clock": clock,
        "draw": random.Random(1),
    }
    return WebhookKind(**{**given, **parts})


def check_kind(clock: Clock, **parts: Any) -> CheckKind:
    """Checks without probes."""
    given: dict[str, Any] = {
        "probes": {},
        "readings": cast("Readings", None),
        "notify": NotifyKind(mailer=cast("Mailer", None), incidents=NO_INCIDENTS),
        "turns": TenantTurns(total=10, each=10, seconds=5.0),
        "clock": clock,
        "draw": random.Random(1),
    }
    return CheckKind(**{**given, **parts})


def publish_kind(clock: Clock, brokers: Brokers | None = None, **parts: Any) -> PublishKind:
    """Messages to no broker unless given."""
    given: dict[str, Any] = {
        "brokers": brokers or Brokers({}, clock=clock, breaker=lambda name: Breaker(id=name, target=name, rule=BreakerRule(), clock=clock)),
        "turns": TenantTurns(total=10, each=10, seconds=5.0),
        "count": lambda broker, end: None,
        "clock": clock,
        "draw": random.Random(1),
    }
    return PublishKind(**{**given, **parts})


def every_kind(clock: Clock) -> Actions:
    """All of them, as a processor is built with."""
    packages = Packages([], options=HostOptions(), clock=clock)
    return every_action(
        notify=NotifyKind(mailer=cast("Mailer", None), incidents=NO_INCIDENTS),
        tasks=TaskKind(registry=Registry([]), packages=packages, progress=Reports()),
        webhooks=webhook_kind(clock),
        checks=check_kind(clock),
        publish=publish_kind(clock),
    )
