"""Health that is real: what a service needs is asked again and again, and the answer is served by the standard protocol.

Source: grpc.health.v1 (gRPC Health Checking Protocol). The overall status ("") and that of every service change together.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tocsin.background import Background, Backgrounds
from tocsin.clock import Clock
from tocsin.errors import TocsinError, Unavailable
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""Returns when the dependency works, with what there is to tell of it all the same; raises `Degraded` when something optional does not
work, anything else when work is impossible."""

_CHECK_SECONDS = 5.0
# Numbers of HealthCheckResponse.ServingStatus, which the stubs leave untyped.
_SERVING: Final = 1
_NOT_SERVING: Final = 2


class Health(Enum):
    """Ability to work."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


class Degraded(Unavailable):
    """An optional dependency does not work."""


def optional(check: Check) -> Check:
    """A check of something that the service can do without: its failure degrades, and does not stop, the service."""

    async def run() -> str | None:
        try:
            return await check()
        except TocsinError as error:
            raise Degraded(error.message) from error

    return run


def working(backgrounds: Backgrounds) -> Check:
    """A check of the process's own works: one that fails again and again degrades the service."""

    async def run() -> None:
        if failing := backgrounds.failing:
            raise Degraded("; ".join(f"{name}: {reason}" for name, reason in failing.items()))

    return run


@dataclass(frozen=True, slots=True)
class DependencyHealth:
    """The health of one dependency, and why it is not healthy, or what else there is to tell."""

    name: str
    health: Health
    detail: str = ""


@dataclass(slots=True)
class _MonitorState:
    dependencies: tuple[DependencyHealth, ...] = ()
    draining: bool = False
    serving: bool | None = None


class HealthServicer:
    """The standard service.

    Its watches end when the server closes: those of the reference implementation would hold a server up for its whole grace period.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {"": _NOT_SERVING}
        self._changed = asyncio.Event()
        self._closed = False

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serves from ``server``."""
        generated: Any = health_pb2_grpc
        generated.add_HealthServicer_to_server(self, server)

    def publish(self, names: Iterable[str], *, serving: bool) -> None:
        """Sets the status of ``names``."""
        status = _SERVING if serving else _NOT_SERVING
        self._statuses.update(dict.fromkeys(names, status))
        self._wake()

    def withdraw(self) -> None:
        """Sets every status to NOT_SERVING."""
        self.publish(tuple(self._statuses), serving=False)

    def close(self) -> None:
        """Ends every watch."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(  # noqa: N802 - the method's name in the protocol
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthCheckResponse:
        """The status of one service; NOT_FOUND when it is unknown."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(  # noqa: N802 - the method's name in the protocol
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The status of one service, and again whenever it changes; SERVICE_UNKNOWN when it is unknown."""
        last: int | None = None
        while not self._closed:
            changed = self._changed
            status = self._statuses.get(request.service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
            last = status
            await changed.wait()

    async def List(  # noqa: N802 - the method's name in the protocol
        self, request: object, context: grpc.aio.ServicerContext[Any, Any]
    ) -> object:
        """The status of every service."""
        messages: Any = health_pb2  # newer than its stubs
        return messages.HealthListResponse(
            statuses={name: health_pb2.HealthCheckResponse(status=status) for name, status in self._statuses.items()}
        )


class HealthMonitor:
    """Polls the checks and publishes what they say.

    Args:
        checks: what the service needs, by name.
        clock: source of the time between two polls.
        interval: seconds between two polls.
    """

    def __init__(self, *, checks: Mapping[str, Check], clock: Clock, interval: float = 1.0) -> None:
        self._checks = dict(checks)
        self._clock = clock
        self._interval = interval
        self._polling = Background(clock)
        self._state = _MonitorState()

    @property
    def health(self) -> Health:
        """The service's own: the worst of its dependencies, UNAVAILABLE while it drains."""
        if self._state.draining:
            return Health.UNAVAILABLE
        found = {item.health for item in self._state.dependencies}
        return next((health for health in (Health.UNAVAILABLE, Health.DEGRADED) if health in found), Health.HEALTHY)

    @property
    def dependencies(self) -> tuple[DependencyHealth, ...]:
        """What the last poll found."""
        return self._state.dependencies

    async def start(self, servicer: HealthServicer, names: Iterable[str]) -> None:
        """Polls once, publishes for "" and for ``names``, and goes on polling."""
        every = ("", *names)
        self._state = _MonitorState()
        await self._poll(servicer, every)
        self._polling.periodic("health", self._interval, partial(self._poll, servicer, every), at_once=False)

    def drain(self, servicer: HealthServicer) -> None:
        """Publishes NOT_SERVING for good."""
        self._state.draining = True
        servicer.withdraw()

    async def stop(self) -> None:
        """Ends the polling."""
        await self._polling.stop()

    async def _poll(self, servicer: HealthServicer, names: tuple[str, ...]) -> None:
        self._state.dependencies = tuple(await asyncio.gather(*(self._ask(name, check) for name, check in self._checks.items())))
        serving = self.health is not Health.UNAVAILABLE
        if serving == self._state.serving or self._state.draining:
            return
        if self._state.serving is not None:
            _log.warning("health changed", health=self.health.value, dependencies=[item.name for item in self._failing()])
        self._state.serving = serving
        servicer.publish(names, serving=serving)

    def _failing(self) -> list[DependencyHealth]:
        return [item for item in self._state.dependencies if item.health is Health.UNAVAILABLE]

    async def _ask(self, name: str, check: Check) -> DependencyHealth:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                detail = await check()
        except Degraded as error:
            return DependencyHealth(name, Health.DEGRADED, error.message)
        except TocsinError as error:
            return DependencyHealth(name, Health.UNAVAILABLE, error.message)
        except TimeoutError:
            return DependencyHealth(name, Health.UNAVAILABLE, f"no answer within {_CHECK_SECONDS:g} s")
        except Exception as error:  # noqa: BLE001 - a check that breaks says that the dependency does not work, never that polling ends
            _log.error("health check failed", dependency=name, exc_info=error)
            return DependencyHealth(name, Health.UNAVAILABLE, type(error).__name__)
        return DependencyHealth(name, Health.HEALTHY, detail or "")
