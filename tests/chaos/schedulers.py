"""Real processes of scheduler_svc on one PostgreSQL, and a processor that works for all of them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from processor_svc.actions.kinds import Actions
from processor_svc.actions.task import TaskAction
from processor_svc.clients.work import SchedulerWork
from processor_svc.domain import ActionProblem, Job, JobLease, JobResult, JobSucceeded
from tests.other_engines import ALL, POOR
from tocsin.clock import SystemClock
from tocsin.config import ServiceSettings
from tocsin.errors import TocsinError
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.telemetry import Telemetry
from tocsin.testing.process import free_port

SERVICES = ("scheduler_svc", "processor_svc")
_RETRY_SECONDS = 0.2


class Scheduler:
    """One process, on a port of its own, that may die and come back."""

    def __init__(self, *, folder: Path, database_url: str, lease_seconds: float, number: int) -> None:
        self.port = free_port()
        self._log = folder / f"scheduler-{number}.log"
        own = {
            "DATABASE_URL": database_url,
            "LEASE_SECONDS": str(lease_seconds),
            "PORT": str(self.port),
            "METRICS_PORT": "0",
            "WORK_LEASE_SECONDS": "5",
            "DATABASE_WITHOUT": ",".join(ALL) if POOR else "",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        shared = {"TOCSIN_STATE_DIR": str(folder), "TOCSIN_DRAIN_SECONDS": "0.5"}
        self._env = inherited | shared | {f"TOCSIN_SCHEDULER_{name}": value for name, value in own.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it; does not wait."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "scheduler_svc"], env=self._env, stdout=log, stderr=log)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends it by a signal, and waits until it has."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            process.wait(30)

    def log(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-4000:] if self._log.exists() else ""


class _Anything:
    """A kind of action whose work is nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def decode(self, message: object) -> TaskAction:
        """Whatever it is."""
        del message
        return TaskAction(handler="any", input={})

    async def validate(self, action: TaskAction, tenant: str = "") -> Sequence[ActionProblem]:
        """Nothing is wrong with it."""
        del action, tenant
        return ()

    async def run(self, job: Job, action: TaskAction) -> JobResult:
        """Done."""
        del job, action
        return JobSucceeded({})

    def describe(self, action: TaskAction) -> str:
        """Nothing."""
        del action
        return ""


class Consumer:
    """Works on the firings of every scheduler: each takes a moment.

    Attributes:
        begun: deliveries by firing.
        confirmed: the token that the result of each firing was confirmed with.
        again: firings that were leased anew after that; the design allows none.
        stale: firings that came after that under an older token: what a frozen process had written, and sent when it went on. Nobody can
            take it back, and the fence refuses its result.
    """

    def __init__(self, *, folder: Path, schedulers: list[Scheduler], work_seconds: float = 0.02) -> None:
        pki = folder / "pki"
        settings = ServiceSettings(
            state_dir=folder,
            tls_ca_file=pki / "ca.pem",
            tls_cert_file=pki / "processor_svc.pem",
            tls_key_file=pki / "processor_svc-key.pem",
            scheduler_target=schedulers[0].address,
        )
        clock = SystemClock()
        telemetry = Telemetry(service="processor_svc", settings=settings)
        self._mesh = Mesh(
            service="processor_svc", settings=settings, clock=clock, telemetry=telemetry, breakers=BreakerRegistry(clock=clock)
        )
        self._work = SchedulerWork(mesh=self._mesh, worker="consumer", reserve=0, actions=Actions([_Anything("task"), _Anything("notify")]))
        self._schedulers = schedulers
        self._seconds = work_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self.begun: Counter[str] = Counter()
        self.confirmed: dict[str, int] = {}
        self.again: list[str] = []
        self.stale: list[str] = []

    def start(self) -> None:
        """Keeps a stream to each scheduler."""
        for scheduler in self._schedulers:
            self._tasks.add(asyncio.create_task(self._keep(scheduler)))

    async def stop(self) -> None:
        """Breaks every stream."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._mesh.stop()

    async def _keep(self, scheduler: Scheduler) -> None:
        while True:
            try:
                await self._stream(scheduler)
            except TocsinError:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _stream(self, scheduler: Scheduler) -> None:
        session = await self._work.open(scheduler.address)
        running: set[asyncio.Task[None]] = set()

        async def work(lease: JobLease) -> None:
            await asyncio.sleep(self._seconds)
            session.finish(lease, JobSucceeded({}))
            session.grant(1)

        try:
            session.grant(200)
            while True:
                event = await session.receive()
                for job in event.jobs:
                    self.begun[job.lease.firing] += 1
                    if (confirmed := self.confirmed.get(job.lease.firing)) is not None:
                        (self.again if job.lease.token > confirmed else self.stale).append(job.lease.firing)
                    running.add(task := asyncio.create_task(work(job.lease)))
                    task.add_done_callback(running.discard)
                self.confirmed |= {lease.firing: lease.token for lease in event.confirmed}
        finally:
            session.close()
            for task in running:
                task.cancel()
