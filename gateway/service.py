"""The gateway's own use case: the picture of the whole platform's health."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway.domain import Circuit, HealthLevel, ReplicaStatus, ServiceView, SpoolStatus, overall, worst_by_target
from gateway.ports import StatusSource
from tocsin.background import Background
from tocsin.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSnapshot:
    """The platform at one moment."""

    views: Sequence[ServiceView]
    circuits: Sequence[Circuit]
    foreign: Sequence[ServiceView]


class HealthService:
    """Asks every service at once, and remembers the answers for a moment, so that probes cost next to nothing."""

    def __init__(
        self,
        *,
        source: StatusSource,
        services: Sequence[str],
        clock: Clock,
        max_age_seconds: float,
        spooled: Callable[[], SpoolStatus],
        failing: Callable[[], Mapping[str, str]],
        foreign: Callable[[], Awaitable[Sequence[ServiceView]]] | None = None,
    ) -> None:
        """Makes the use case.

        Args:
            source: asks the services.
            services: names of the services.
            clock: source of time.
            max_age_seconds: how long a picture is shown again.
            spooled: tells what waits for a service that is away.
            failing: why works of the gateway itself do not work, by name.
            foreign: tells of services of other teams that are served beside Tocsin's, which change nothing of its own health.
        """
        self._source = source
        self._services = tuple(services)
        self._clock = clock
        self._background = Background(clock)
        self._max_age = max_age_seconds
        self._spooled = spooled
        self._failing = failing
        self._foreign = foreign or _nobody
        self._picture: HealthSnapshot | None = None
        self._taken = 0.0
        self._taking: asyncio.Task[HealthSnapshot] | None = None

    async def health(self) -> dict[str, Any]:
        """The document of ``GET /health``."""
        picture = await self._current()
        failing, spooled = dict(self._failing()), self._spooled()
        foreign = {view.service for view in picture.foreign}
        own = [circuit for circuit in picture.circuits if circuit.target not in foreign]
        health = overall(picture.views, own)
        status = (max(health, HealthLevel.DEGRADED) if failing or spooled.stuck else health).name.lower()
        circuits = worst_by_target(self._services, picture.circuits)
        return (
            {
                "status": status,
                "services": {_short(view.service): _service(view) for view in picture.views},
                "circuitBreakers": {_short(target): _circuit(circuit) for target, circuit in circuits.items()},
                "spool": {
                    "waiting": spooled.waiting,
                    "bytes": spooled.bytes,
                    "oldestSeconds": round(spooled.age_seconds, 3),
                    "setAside": spooled.set_aside,
                },
            }
            | self._foreign_picture(picture)
            | ({"background": failing} if failing else {})
            | _earlier_names(status, circuits)
        )

    async def of_service(self, service: str) -> dict[str, Any]:
        """The part of the picture that is one service's, and the circuit that leads to it."""
        picture = await self._current()
        circuits = worst_by_target(self._services, picture.circuits)
        return next(
            (_service(view) | {"circuitBreaker": _circuit(circuits[service])} for view in picture.views if view.service == service),
            {"status": HealthLevel.UNAVAILABLE.name.lower(), "replicas": 0},
        )

    def _foreign_picture(self, picture: HealthSnapshot) -> dict[str, Any]:
        """The services of other teams; nothing where there are none."""
        if not picture.foreign:
            return {}
        circuits = worst_by_target([view.service for view in picture.foreign], picture.circuits)
        return {
            "foreignServices": {
                view.service: _service(view) | {"circuitBreaker": _circuit(circuits[view.service])} for view in picture.foreign
            }
        }

    async def debug(self) -> dict[str, Any]:
        """The document of ``GET /debug/services``: everything that each replica says about itself."""
        picture = await self._current()
        now = self._clock.now()
        return {
            "services": [
                {
                    "service": view.service,
                    "status": view.health.name.lower(),
                    "replicas": [_replica(replica, now) for replica in view.replicas],
                    "circuitBreakers": [{"id": item.id} | _circuit(item) for item in picture.circuits if item.target == view.service],
                }
                for view in (*picture.views, *picture.foreign)
            ]
        }

    async def _current(self) -> HealthSnapshot:
        """The picture in memory, or a new one; who asks meanwhile waits for the same."""
        if self._picture is not None and self._clock.monotonic() - self._taken < self._max_age:
            return replace(self._picture, circuits=self._source.circuits())
        if self._taking is None:
            self._taking = self._background.once("health", self._take)
            self._taking.add_done_callback(self._done)
        return await asyncio.shield(self._taking)

    def _done(self, _: "asyncio.Task[HealthSnapshot]") -> None:
        self._taking = None

    async def _take(self) -> HealthSnapshot:
        asked = asyncio.gather(*(self._source.view(service) for service in self._services))
        views, foreign = await asyncio.gather(asked, self._foreign())
        self._picture = HealthSnapshot(views=views, circuits=self._source.circuits(), foreign=foreign)
        self._taken = self._clock.monotonic()
        return self._picture


async def _nobody() -> Sequence[ServiceView]:
    return ()


def _short(service: str) -> str:
    return service.removesuffix("_svc")


def _service(view: ServiceView) -> dict[str, Any]:
    found: dict[str, Any] = {"status": view.health.name.lower(), "replicas": len(view.replicas)}
    dependencies = {item.name: item for replica in view.replicas for item in sorted(replica.dependencies, key=lambda item: item.health)}
    if dependencies:
        found["dependencies"] = {
            name: {"status": item.health.name.lower()} | ({"detail": item.detail} if item.detail else {})
            for name, item in dependencies.items()
        }
    return found


def _circuit(circuit: Circuit) -> dict[str, Any]:
    found: dict[str, Any] = {"state": circuit.state.name, "failures": circuit.failures}
    if circuit.opened is not None:
        found["openedTime"] = _time(circuit.opened)
    if circuit.idle:
        found["idle"] = True
    if circuit.last_failure is not None:
        found["lastFailureTime"] = _time(circuit.last_failure)
    return found


def _earlier_names(status: str, circuits: Mapping[str, Circuit]) -> dict[str, Any]:
    """What an earlier system called the status and the circuits; scripts of its users read them."""
    return {
        "overall_status": status,
        "circuit_breakers": {
            _short(target): {"state": circuit.state.name.lower(), "failure_count": circuit.failures} for target, circuit in circuits.items()
        },
    }


def _replica(replica: ReplicaStatus, now: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {"address": replica.address, "status": replica.health.name.lower()}
    if replica.started is not None:
        found |= {
            "version": replica.version,
            "incarnation": replica.incarnation,
            "startTime": _time(replica.started),
            "uptimeSeconds": round((now - replica.started).total_seconds(), 3),
        }
    found["dependencies"] = [
        {"name": item.name, "status": item.health.name.lower(), "detail": item.detail} for item in replica.dependencies
    ]
    found["circuitBreakers"] = [{"id": item.id, "target": item.target} | _circuit(item) for item in replica.circuits]
    return found


def _time(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
