"""Alarms due at one instant, drained to the last committed result: by the real services, and by a bare consumer of the scheduler."""

import argparse
import asyncio
import json
import resource
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.herd import SECOND, Herd, Watcher, store
from bench.services import mesh_of, seconds_of, seconds_of_server, service
from scheduler_svc.config import SchedulerSettings
from scheduler_svc.wiring import build
from tocsin.api.scheduler.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc
from tocsin.clock import SystemClock
from tocsin.mesh.authority import ensure_pki
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.process import free_port
from tocsin.testing.tokens import TokenMint

_STARTING_SECONDS: Final = 5
_STORED_PER_SECOND: Final = 2500  # a machine that stores fewer fails the measurement


async def measure(*, url: str, alarms: int, credit: int = 5000, critical: int = 0, in_process: bool = True) -> dict[str, Any]:
    """How fast ``alarms`` due at one instant are fired, delivered over mTLS, worked on, answered and committed.

    The first figures are those of scheduler_svc and processor_svc as processes of their own; those below "in process" are of the
    scheduler in this process with a consumer that answers every job without looking at it.

    Args:
        url: a database of its own.
        alarms: how many.
        credit: firings that the consumer in this process takes at a time.
        critical: so many critical alarms, one each tenth of a second, are due while the others, which then are bulk, drain.
        in_process: whether to measure the second way as well.
    """
    with tempfile.TemporaryDirectory() as folder:
        ensure_pki(
            folder=Path(folder) / "pki", services=["scheduler_svc", "processor_svc"], trust_domain="tocsin.local", clock=SystemClock()
        )
        figures = await _with_services(Path(folder), url=url, alarms=alarms, critical=critical)
        if in_process:
            figures["in_process"] = await _with_consumer(Path(folder), url=url, alarms=alarms, credit=credit)
    return figures


async def _herd(settings: SchedulerSettings, *, alarms: int, urgent: int = 0) -> Herd:
    due = SystemClock().micros() + (_STARTING_SECONDS + alarms // _STORED_PER_SECOND) * SECOND
    return await store(settings, alarms=alarms, urgent=urgent, due=due)


async def _with_services(folder: Path, *, url: str, alarms: int, critical: int) -> dict[str, Any]:
    clock, port = SystemClock(), str(free_port())
    settings = _settings(folder, url)
    async with AsyncExitStack() as stack:
        start, parts = stack.enter_async_context, dict[str, Callable[[], float]]()
        scheduler = await start(service("scheduler", folder=folder, settings={"DATABASE_URL": url, "PORT": port}))
        processor = await start(service("processor", folder=folder, settings={"PORT": "0", "SCHEDULER_TARGET": f"127.0.0.1:{port}"}))
        watcher, herd = await start(Watcher(settings)), await _herd(settings, alarms=alarms, urgent=critical)
        parts |= {"scheduler": lambda: seconds_of(scheduler), "processor": lambda: seconds_of(processor)}
        if (backend := await watcher.server()) is not None:
            parts["postgresql"] = lambda: seconds_of_server(backend)
        await _wait(herd)
        before = {name: used() for name, used in parts.items()}
        await watcher.drained(herd)
        seconds, after = (clock.micros() - herd.due) / SECOND, {name: used() for name, used in parts.items()}
        found = await watcher.figures(herd)
    return {
        "alarms": alarms,
        "created_per_second": round(alarms / herd.created),
        "drained_per_second": round(alarms / seconds),
        "seconds": round(seconds, 2),
        "cpu_microseconds_per_firing": {name: round((after[name] - before[name]) * SECOND / alarms) for name in parts},
        **found,
    }


async def _wait(herd: Herd) -> None:
    """Until it is due.

    Raises:
        TimeoutError: it was due before all of it was stored.
    """
    clock = SystemClock()
    left = (herd.due - clock.micros()) / SECOND
    if left < 0:
        raise TimeoutError("the alarms were due before all of them were stored")
    await clock.sleep(left)


async def _with_consumer(folder: Path, *, url: str, alarms: int, credit: int) -> dict[str, Any]:
    clock, settings = SystemClock(), _settings(folder, url)
    app = build(settings, clock, jwks=TokenMint(clock=clock).fetch)
    await app.start()
    mesh = mesh_of("processor_svc", folder=folder, scheduler_target=app.address)
    try:
        herd = await _herd(settings, alarms=alarms)
        consumer = _Consumer(dispatch_service_pb2_grpc.DispatchServiceStub(mesh.channel("scheduler_svc")), alarms, credit)
        await _wait(herd)
        used = _cpu()
        await consumer.run()
        seconds = (clock.micros() - herd.due) / SECOND
        used = _cpu() - used
    finally:
        await mesh.stop()
        await app.stop()
    return {
        "drained_per_second": round(alarms / seconds),
        "seconds": round(seconds, 2),
        "cpu_microseconds_per_firing": round(used * SECOND / alarms),
    }


def _settings(folder: Path, url: str) -> SchedulerSettings:
    values: dict[str, Any] = {"state_dir": folder, "database_url": url, "port": 0, "metrics_port": 0, "drain_seconds": 0.5}
    return SchedulerSettings(**values)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


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
                results = dispatch_service_pb2.WorkRequest.Results(done=[job.lease for job in jobs])
                self._outgoing.put_nowait(dispatch_service_pb2.WorkRequest(results=results))
                self._outgoing.put_nowait(dispatch_service_pb2.WorkRequest(credit=len(jobs)))
            confirmed += len(response.confirmations.leases)
            if confirmed >= self._wanted:
                self._outgoing.put_nowait(None)
                return


async def _by_hand(options: argparse.Namespace) -> dict[str, Any]:
    wanted: dict[str, Any] = {"alarms": options.alarms, "critical": options.critical, "in_process": options.in_process}
    if options.url:
        return await measure(url=options.url, **wanted)
    server = PostgresServer(fsync=True)
    server.start()
    try:
        return await measure(url=server.url(), **wanted)
    finally:
        server.close()


def main() -> None:
    """Runs one measurement by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="", help="database URL; a private PostgreSQL that flushes each commit unless given")
    parser.add_argument("--alarms", type=int, default=20_000)
    parser.add_argument("--critical", type=int, default=0, help="critical alarms that are due while the others drain")
    parser.add_argument("--in-process", action="store_true", help="measure the scheduler with a bare consumer, too")
    print(json.dumps(uvloop.run(_by_hand(parser.parse_args())), indent=2))


if __name__ == "__main__":
    main()
