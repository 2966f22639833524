"""Alarms due at one instant, drained: the scheduler in this process, and a processor that answers every job at once, over the real mesh."""

import argparse
import asyncio
import json
import resource
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import uvloop
from ulid import ULID

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.domain import Action, Alarm, Priority, shard_of
from scheduler_svc.ports import NewAlarm
from scheduler_svc.recurrence import At, Trigger
from scheduler_svc.store import SqlAlarmStore
from scheduler_svc.wiring import build
from tocsin.api.scheduler.v1 import alarm_pb2, dispatch_service_pb2, dispatch_service_pb2_grpc
from tocsin.clock import SystemClock
from tocsin.config import ServiceSettings
from tocsin.database import Database
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.identity import ensure_pki
from tocsin.telemetry import Telemetry
from tocsin.testing.tokens import TokenMint

_SECOND = 1_000_000
_CHUNK = 5000
_TENANTS = 10


async def measure(*, url: str, alarms: int, credit: int = 5000) -> dict[str, Any]:
    """How fast ``alarms`` due at one instant are let go, delivered, answered and committed.

    Args:
        url: a database of its own.
        alarms: how many.
        credit: firings that the processor takes at a time.
    """
    with tempfile.TemporaryDirectory() as folder:
        return await _measure(url=url, alarms=alarms, credit=credit, folder=Path(folder))


async def _measure(*, url: str, alarms: int, credit: int, folder: Path) -> dict[str, Any]:
    clock = SystemClock()
    ensure_pki(folder=folder / "pki", services=["scheduler_svc", "processor_svc"], trust_domain="tocsin.local", clock=clock)
    values: dict[str, Any] = {"state_dir": folder, "database_url": url, "port": 0, "metrics_port": 0, "drain_seconds": 0.5}
    settings = SchedulerSettings(**values)
    due = clock.micros() + (4 + alarms // 8000) * _SECOND
    created = await _store(settings, clock, alarms, due)
    app = build(settings, clock, jwks=TokenMint(clock=clock).fetch)
    await app.start()
    mesh = _mesh(folder, app.address)
    try:
        consumer = _Consumer(dispatch_service_pb2_grpc.DispatchServiceStub(mesh.channel("scheduler_svc")), alarms, credit)
        begun = max(due, clock.micros())
        used = _cpu()
        await consumer.run()
        seconds = (clock.micros() - begun) / _SECOND
        used = _cpu() - used
    finally:
        await mesh.stop()
        await app.stop()
    return {
        "alarms": alarms,
        "created_per_second": round(alarms / created),
        "drained_per_second": round(alarms / seconds),
        "seconds": round(seconds, 2),
        "cpu_microseconds_per_firing": round(used * _SECOND / alarms),
    }


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _store(settings: SchedulerSettings, clock: SystemClock, count: int, due: int) -> float:
    """Puts the alarms in, in batches of the size that a group commit has under load; seconds that it took."""
    database = Database.of(settings, clock=clock)
    await database.start()
    store, action = SqlAlarmStore(database), alarm_pb2.Action(task=alarm_pb2.Task(handler="noop"))
    body = action.SerializeToString(deterministic=True)
    begun = clock.monotonic()
    for start in range(0, count, _CHUNK):
        batch = [_alarm(number, due, body, clock.micros()) for number in range(start, min(start + _CHUNK, count))]
        await store.create(batch)
    seconds = clock.monotonic() - begun
    await database.stop()
    return seconds


def _alarm(number: int, due: int, body: bytes, now: int) -> NewAlarm:
    identity = str(ULID())
    return NewAlarm(
        alarm=Alarm(
            id=identity,
            tenant=f"tenant-{number % _TENANTS}",
            shard=shard_of(identity),
            priority=Priority.NORMAL,
            trigger=Trigger(spec=At(due)),
            anchor=now,
            action=Action("task", body),
            due=due,
            created=now,
            updated=now,
        )
    )


def _mesh(folder: Path, address: str) -> Mesh:
    pki, clock = folder / "pki", SystemClock()
    settings = ServiceSettings(
        state_dir=folder,
        tls_ca_file=pki / "ca.pem",
        tls_cert_file=pki / "processor_svc.pem",
        tls_key_file=pki / "processor_svc-key.pem",
        scheduler_target=address,
    )
    telemetry = Telemetry(service="processor_svc", settings=settings)
    return Mesh(service="processor_svc", settings=settings, clock=clock, telemetry=telemetry, breakers=BreakerRegistry(clock=clock))


class _Consumer:
    """A processor that succeeds at everything, until so many results are confirmed."""

    def __init__(self, stub: Any, wanted: int, credit: int) -> None:
        self._stub = stub
        self._wanted = wanted
        self._outgoing: asyncio.Queue[dispatch_service_pb2.WorkRequest | None] = asyncio.Queue()
        self._outgoing.put_nowait(dispatch_service_pb2.WorkRequest(hello=dispatch_service_pb2.WorkRequest.Hello(worker="bench")))
        self._outgoing.put_nowait(dispatch_service_pb2.WorkRequest(credit=credit))

    async def _requests(self) -> AsyncGenerator[dispatch_service_pb2.WorkRequest]:
        while (request := await self._outgoing.get()) is not None:
            yield request

    async def run(self) -> None:
        confirmed = 0
        async for response in self._stub.Work(self._requests()):
            jobs = response.jobs.jobs
            if jobs:
                results = dispatch_service_pb2.WorkRequest()
                add = results.results.results.add
                for job in jobs:
                    result = add()
                    result.lease.CopyFrom(job.lease)
                    result.output.SetInParent()
                self._outgoing.put_nowait(results)
                self._outgoing.put_nowait(dispatch_service_pb2.WorkRequest(credit=len(jobs)))
            confirmed += len(response.confirmations.leases)
            if confirmed >= self._wanted:
                self._outgoing.put_nowait(None)
                return


def main() -> None:
    """Runs one measurement by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="database URL")
    parser.add_argument("--alarms", type=int, default=20_000)
    options = parser.parse_args()
    result = uvloop.run(measure(url=options.url, alarms=options.alarms))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
