import asyncio
from collections.abc import Sequence

import pytest

from gateway.domain import Circuit, Dependency, HealthLevel, ReplicaStatus, ServiceView, SpoolStatus, overall, worst_by_target
from gateway.service import HealthService
from tocsin.mesh.breaker import CircuitState
from tocsin.testing.clock import FakeClock

NOTHING = SpoolStatus(waiting=0, bytes=0, age_seconds=0, set_aside=0)
GOOD, WEAK, DEAD = HealthLevel.HEALTHY, HealthLevel.DEGRADED, HealthLevel.UNAVAILABLE


def view(service: str, *replicas: HealthLevel) -> ServiceView:
    """A service with replicas in these states."""
    return ServiceView(
        service=service, replicas=[ReplicaStatus(address=str(index), health=health) for index, health in enumerate(replicas)]
    )


def circuit(target: str, state: CircuitState, failures: int = 0) -> Circuit:
    """A circuit breaker."""
    return Circuit(id=f"{target}/X", target=target, state=state, failures=failures, opened=None)


@pytest.mark.parametrize(
    ("replicas", "health"),
    [((GOOD,), GOOD), ((GOOD, GOOD), GOOD), ((GOOD, DEAD), WEAK), ((WEAK,), WEAK), ((DEAD, DEAD), DEAD), ((WEAK, DEAD), WEAK)],
)
def test_a_service_is_as_well_as_its_replicas(replicas: tuple[HealthLevel, ...], health: HealthLevel) -> None:
    """One that works is enough not to be unavailable; all must work to be healthy."""
    assert view("a", *replicas).health is health


@pytest.mark.parametrize(
    ("services", "state", "health"),
    [
        ((GOOD, GOOD), CircuitState.CLOSED, GOOD),
        ((GOOD, DEAD), CircuitState.CLOSED, WEAK),
        ((GOOD, WEAK), CircuitState.CLOSED, WEAK),
        ((GOOD, GOOD), CircuitState.OPEN, WEAK),
        ((DEAD, DEAD), CircuitState.OPEN, DEAD),
    ],
)
def test_the_platform_is_unavailable_only_when_nothing_works(
    services: tuple[HealthLevel, ...], state: CircuitState, health: HealthLevel
) -> None:
    """An open circuit degrades as much as a service that is away."""
    assert overall([view(str(index), item) for index, item in enumerate(services)], [circuit("0", state)]) is health


def test_the_worst_circuit_stands_for_its_target() -> None:
    """Open beats half open beats closed, then the number of failures; a target that was never called is closed."""
    found = worst_by_target(
        ["a", "b"],
        [
            circuit("a", CircuitState.CLOSED, 9),
            circuit("a", CircuitState.OPEN, 5),
            circuit("a", CircuitState.OPEN, 6),
            circuit("a", CircuitState.HALF_OPEN, 7),
            circuit("database", CircuitState.OPEN),
        ],
    )
    assert {target: (item.state, item.failures) for target, item in found.items()} == {
        "a": (CircuitState.OPEN, 6),
        "b": (CircuitState.CLOSED, 0),
    }


class Source:
    """Answers with one healthy replica that has a weak dependency, when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def view(self, service: str) -> ServiceView:
        self.asked += 1
        await self.gate.wait()
        redis = Dependency(name="redis", health=WEAK, detail="it is away")
        return ServiceView(service=service, replicas=[ReplicaStatus(address="a:1", health=WEAK, dependencies=[redis])])

    def circuits(self) -> Sequence[Circuit]:
        return [circuit("mailer_svc", CircuitState.OPEN, self.asked)]


async def test_the_picture_is_taken_once_a_second_for_everybody(clock: FakeClock) -> None:
    """A burst of probes asks each service once; the gateway's own circuits are always current."""
    source = Source()
    source.gate.clear()
    health = HealthService(source=source, services=["mailer_svc"], clock=clock, max_age_seconds=1, spooled=lambda: NOTHING, failing=dict)
    burst = [asyncio.create_task(health.health()) for _ in range(5)]
    await asyncio.sleep(0)
    source.gate.set()
    pictures = await asyncio.gather(*burst)
    assert source.asked == 1
    assert pictures[0] == {
        "status": "degraded",
        "services": {
            "mailer": {"status": "degraded", "replicas": 1, "dependencies": {"redis": {"status": "degraded", "detail": "it is away"}}}
        },
        "circuitBreakers": {"mailer": {"state": "OPEN", "failures": 1}},
        "overall_status": "degraded",
        "circuit_breakers": {"mailer": {"state": "open", "failure_count": 1}},
        "spool": {"waiting": 0, "bytes": 0, "oldestSeconds": 0, "setAside": 0},
    }
    await clock.advance(0.9)
    await health.health()
    assert source.asked == 1
    await clock.advance(0.2)
    assert (await health.health())["circuitBreakers"]["mailer"]["failures"] == 2


@pytest.mark.parametrize(
    ("spooled", "status"),
    [
        (NOTHING, "healthy"),
        (SpoolStatus(waiting=9, bytes=99, age_seconds=59, set_aside=0), "healthy"),
        (SpoolStatus(waiting=9, bytes=99, age_seconds=61, set_aside=0), "degraded"),
        (SpoolStatus(waiting=0, bytes=0, age_seconds=0, set_aside=1), "degraded"),
    ],
)
async def test_a_call_that_is_stuck_degrades(clock: FakeClock, spooled: SpoolStatus, status: str) -> None:
    """All services well, and a call in the spool that was set aside or waits for too long: somebody has to look."""

    class Well(Source):
        async def view(self, service: str) -> ServiceView:
            return view(service, GOOD)

        def circuits(self) -> Sequence[Circuit]:
            return ()

    health = HealthService(source=Well(), services=["mailer_svc"], clock=clock, max_age_seconds=1, spooled=lambda: spooled, failing=dict)
    assert (await health.health())["status"] == status
