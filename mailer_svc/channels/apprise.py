"""Whatever Apprise knows (https://appriseit.com/services/), by its URLs; needs ``pip install 'tocsin[apprise]'``.

Apprise opens connections of its own, so the guard of `tocsin.egress` does not hold here: whoever may name a URL such as ``json://10.0.0.1``
reaches it. Only services whose schemas an operator lists are used.
"""

import asyncio
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from pydantic import Field, field_validator

from mailer_svc.channels.addresses import pattern_address
from mailer_svc.channels.circuit import ProviderCircuit
from mailer_svc.channels.http import HandOver
from mailer_svc.channels.limits import HttpSettings, limits_of
from mailer_svc.channels.spec import ChannelSpec, Configured, Parts, ProviderConfig, ProviderKind
from mailer_svc.channels.texts import cut, plain_body
from mailer_svc.domain import Priority, SendJob, SendOutcome, SendResult
from mailer_svc.ports import Provider
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_SCHEMA: Final = re.compile(r"[a-z][a-z0-9+.-]{1,31}")
_BODY_CHARS: Final = 20_000
_BUSY_SECONDS: Final = 5.0
_TYPES: Final = {Priority.CRITICAL: "failure", Priority.NORMAL: "warning", Priority.BULK: "info"}


class AppriseSettings(HttpSettings):
    """What can be set for Apprise."""

    apprise_schemas: tuple[str, ...] = Field(
        (),
        description="Apprise's services that users may name, by the schemas of their URLs: signal,matrix,pover. None: there is no Apprise.",
    )

    @field_validator("apprise_schemas")
    @classmethod
    def _are_schemas(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return checked_schemas(value)


class AppriseConfig(ProviderConfig):
    """What can be set for Apprise."""

    operator_only = frozenset({"schemas"})

    concurrency: int = Field(default=8, ge=1, le=100, description="Messages that are under way at once, each in a thread.")
    timeout_seconds: float = Field(default=30.0, gt=0, le=120, description="Longest wait for Apprise.")
    schemas: tuple[str, ...] = Field(min_length=1, description="Services that users may name, by the schemas of their URLs.")

    @field_validator("schemas")
    @classmethod
    def _are_schemas(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return checked_schemas(value)


def checked_schemas(value: tuple[str, ...]) -> tuple[str, ...]:
    """``value``, if all of it may be schemas of URLs."""
    if odd := [schema for schema in value if not _SCHEMA.fullmatch(schema)]:
        raise ValueError(f"{odd[0]!r} is not the schema of a URL, such as signal")
    return value


class AppriseProvider(ProviderCircuit):
    """Sends messages in threads, for Apprise waits for its answers."""

    def __init__(self, *, name: str, config: AppriseConfig, parts: Parts) -> None:
        super().__init__(name=name, capacity=config.concurrency, breaker=parts.breakers.get(id=name, target="apprise"))
        self._config = config
        self._threads: ThreadPoolExecutor | None = None
        self._running = 0

    async def start(self) -> None:
        """Gets threads."""
        self._threads = self._threads or ThreadPoolExecutor(self._config.concurrency, thread_name_prefix="apprise")

    async def stop(self) -> None:
        """Waits for nobody."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def send(self, job: SendJob, *, hand_over: HandOver) -> SendOutcome:
        """Attempts one message; never raises for what the far end does."""
        schema = job.to.partition("://")[0].lower()
        if schema not in self._config.schemas:
            return SendOutcome(
                SendResult.REFUSED, 0, f"this installation does not use Apprise for {schema[:32]}:// (TOCSIN_MAILER_APPRISE_SCHEMAS)"
            )
        if self._threads is None or self._running >= self._config.concurrency:
            return SendOutcome(SendResult.NOT_TRIED, 0, "every thread still waits for an answer", retry_after=_BUSY_SECONDS)
        try:
            if not await hand_over():
                return SendOutcome(SendResult.NOT_TRIED)
        except TocsinError as error:
            return SendOutcome(SendResult.NOT_TRIED, 0, str(error))
        self._running += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, _notify, job, self._config.timeout_seconds)
        running.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                return await asyncio.shield(running)
        except TimeoutError:
            return SendOutcome(SendResult.UNKNOWN, 0, f"Apprise did not answer within {self._config.timeout_seconds:g} s")

    def _ended(self, running: "asyncio.Future[SendOutcome]") -> None:
        self._running -= 1
        if not running.cancelled() and (error := running.exception()) is not None:
            _log.error("attempt in a thread failed", provider=self.name, error=type(error).__name__)


def _notify(job: SendJob, seconds: float) -> SendOutcome:
    """Sends one message, in a thread."""
    apprise: Any = import_module("apprise")
    try:
        service = apprise.Apprise.instantiate(job.to)
    except Exception as error:  # noqa: BLE001 - what a plugin makes of a URL is its own
        return SendOutcome(SendResult.REFUSED, 0, f"Apprise does not understand the URL: {type(error).__name__}")
    if service is None:
        return SendOutcome(SendResult.REFUSED, 0, "Apprise does not understand the URL")
    content = job.content
    carrier = apprise.Apprise()
    carrier.add(service)
    try:
        done = carrier.notify(
            title=content.subject,
            body=cut(plain_body(content) or content.subject, _BODY_CHARS),
            notify_type=_TYPES[job.priority],
            body_format="text",
            timeout=seconds,
        )
    except Exception as error:  # noqa: BLE001 - likewise
        return SendOutcome(SendResult.DEFERRED, 0, f"Apprise failed: {type(error).__name__}")
    return SendOutcome(SendResult.SENT) if done else SendOutcome(SendResult.DEFERRED, 0, "Apprise could not send it")


def make(name: str, config: AppriseConfig, parts: Parts) -> Provider:
    """A sender by Apprise."""
    return AppriseProvider(name=name, config=config, parts=parts)


APPRISE = ProviderKind(name="apprise", config=AppriseConfig, make=make)


def configured(settings: AppriseSettings) -> Sequence[Configured]:
    """Apprise, where it is installed and may be used for something."""
    if not settings.apprise_schemas or find_spec("apprise") is None:
        return ()
    return [("apprise", APPRISE, AppriseConfig(schemas=settings.apprise_schemas, **limits_of(settings, "apprise")))]


CHANNEL = ChannelSpec(
    name="apprise",
    settings=AppriseSettings,
    normal_address=pattern_address("apprise"),
    kinds=[APPRISE],
    configured=configured,
    missing="Apprise needs `pip install 'tocsin[apprise]'` and the services that users may name (TOCSIN_MAILER_APPRISE_SCHEMAS)",
)
