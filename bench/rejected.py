"""What a call costs that an open circuit rejects.

Run ``python -m bench.rejected``; it prints one JSON object. The dependency is dead: nobody listens at its address.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from tocsin.api.auth.v1 import auth_service_pb2 as pb
from tocsin.api.auth.v1 import auth_service_pb2_grpc as pb_grpc
from tocsin.clock import SystemClock
from tocsin.config import ServiceSettings
from tocsin.errors import CircuitOpen, Unavailable
from tocsin.mesh.authority import ensure_pki
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import acting_as
from tocsin.telemetry import Telemetry

_DEAD = "127.0.0.1:1"
_REQUEST = pb.VerifyTokenRequest()


async def measure(*, calls: int = 10_000, rounds: int = 9) -> dict[str, float]:
    """Measures rejected calls, one after the other.

    Args:
        calls: of one round.
        rounds: the median counts.

    Returns:
        ``us_a_call`` and ``cpu_us_a_call``, ``p99_us``; ``tasks_left`` and ``threads_left``, beyond those before.
    """
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="rejected-") as name:
        folder = Path(name)
        ensure_pki(folder=folder / "pki", services=["gateway"], trust_domain="tocsin.local", clock=clock)
        pki = folder / "pki"
        settings = ServiceSettings(
            state_dir=folder, tls_ca_file=pki / "ca.pem", tls_cert_file=pki / "gateway.pem", tls_key_file=pki / "gateway-key.pem"
        )
        breakers = BreakerRegistry(clock=clock)
        telemetry = Telemetry(service="gateway", settings=settings)
        mesh = Mesh(service="gateway", settings=settings, clock=clock, telemetry=telemetry, breakers=breakers, targets={"auth_svc": _DEAD})
        stub = pb_grpc.AuthServiceStub(mesh.channel("auth_svc"))
        try:
            with acting_as("a.user's.token"):
                return await _measure(lambda: stub.VerifyToken(_REQUEST), breakers, calls=calls, rounds=rounds)
        finally:
            await mesh.stop()


async def _measure(call: Callable[[], Awaitable[object]], breakers: BreakerRegistry, *, calls: int, rounds: int) -> dict[str, float]:
    await _open(call, breakers)
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    latencies, means, costs = list[float](), list[float](), list[float]()
    for _ in range(rounds):
        began, worked = time.perf_counter(), time.process_time()
        for _ in range(calls):
            started = time.perf_counter()
            try:
                await call()
            except CircuitOpen:
                latencies.append((time.perf_counter() - started) * 1e6)
        means.append((time.perf_counter() - began) / calls * 1e6)
        costs.append((time.process_time() - worked) / calls * 1e6)
    if len(latencies) < rounds * calls:
        msg = f"{rounds * calls - len(latencies)} calls were not rejected"
        raise RuntimeError(msg)
    return {
        "us_a_call": round(statistics.median(means), 1),
        "cpu_us_a_call": round(statistics.median(costs), 1),
        "p99_us": round(statistics.quantiles(latencies, n=100)[98], 1),
        "tasks_left": len(asyncio.all_tasks()) - tasks,
        "threads_left": threading.active_count() - threads,
    }


async def _open(call: Callable[[], Awaitable[object]], breakers: BreakerRegistry) -> None:
    """Calls until the circuit opens by itself, and keeps it open: after a pause it would let probes pass."""
    while not breakers.open_targets():
        try:
            await call()
        except Unavailable:
            continue
    for circuit in breakers.snapshot():
        breakers.force(circuit.state, id=circuit.id)


def main() -> int:
    """Prints the measures as JSON."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure()), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
