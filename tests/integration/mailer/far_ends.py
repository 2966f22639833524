"""Providers as the mailer makes them, for tests that ask one for an attempt and nothing more."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from mailer_svc.channels import Parts, ProviderConfig, ProviderKind
from mailer_svc.domain import Content, MessageAction, Priority, SendJob, SendOutcome
from mailer_svc.metrics import DeliveryMetrics
from mailer_svc.ports import Provider
from tocsin.clock import Clock, SystemClock
from tocsin.egress.addresses import AllowedTargets
from tocsin.installation_key import InstallationKey
from tocsin.mesh.breaker import BreakerRegistry

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ACTIONS = (MessageAction("Acknowledge", "https://tocsin.example/a?x=1&y=2"), MessageAction("Runbook", "https://wiki.example/r"))


def parts(*, clock: Clock | None = None, egress: str = "127.0.0.1", trusted: bool = True) -> Parts:
    """What providers stand on; users' URLs may lead to 127.0.0.1."""
    clock = clock or SystemClock()
    return Parts(
        clock=clock,
        breakers=BreakerRegistry(clock=clock),
        meter=DeliveryMetrics(CollectorRegistry()),
        key=InstallationKey(secret="s" * 32, file=Path("unused")),
        public_link=lambda path: f"https://tocsin.example{path}",
        egress=AllowedTargets.parse([egress] if egress else []),
        trusted=trusted,
    )


def job(to: str, number: int = 1, **fields: Any) -> SendJob:
    """A message on its first attempt."""
    content = Content("Disk full", "93 % of /var\nsince 10:15.", "", ACTIONS)
    made = SendJob(
        id=f"{number:032x}",
        epoch=1,
        tenant="t1",
        priority=Priority.NORMAL,
        to=to,
        content=content,
        message_id=f"<{number}@tocsin.example>",
        attempts=0,
        deferrals=0,
        created=1_800_000_000_000_000,
        since=1_800_000_000_000_000,
        resend=False,
        traceparent="",
    )
    return replace(made, **fields)


class Attempts:
    """Asks a provider, and notes what it hands over."""

    def __init__(self, kind: ProviderKind[Any], config: ProviderConfig, made: Parts) -> None:
        self.provider: Provider = kind.make(kind.name, config, made)
        self.marks = 0
        self.ours = True

    async def _hand_over(self) -> bool:
        self.marks += 1
        return self.ours

    async def send(self, message: SendJob, *, hand_over: Callable[[], Awaitable[bool]] | None = None) -> SendOutcome:
        """One attempt."""
        return await self.provider.send(message, hand_over=hand_over or self._hand_over)
