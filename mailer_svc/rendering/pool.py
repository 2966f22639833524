"""Rendering processes, and who may use them next.

What waits is taken from one tenant after the other. One tenant never has all processes, unless there is but one, and has a bounded number
of requests waiting. A process that dies is replaced; what it was at work on gets one more try.
"""

import asyncio
import pickle
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from mailer_svc.language.errors import RenderTooExpensive
from mailer_svc.language.requests import Request
from mailer_svc.rendering.process import ProcessDied, RenderProcess
from tocsin.errors import TocsinError, Unavailable
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_TRIES: Final = 2
_GRACE: Final = 30.0  # of real time for each second of processor time: a busy machine is no fault of the template
_START_SECONDS: Final = 60.0


class RendererBusy(Unavailable):
    """There is no rendering process for this now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderLimits:
    """What rendering may take.

    Attributes:
        processes: at most.
        cpu_seconds: processor time of one rendering.
        megabytes: address space of one process.
        waiting: requests of one tenant that wait.
    """

    processes: int
    cpu_seconds: float
    megabytes: int
    waiting: int = 16


@dataclass(slots=True, eq=False)
class _Job:
    tenant: str
    frame: bytes
    result: "asyncio.Future[object]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class RenderPool:
    """Runs requests in rendering processes; a component. Processes start when there is something to do."""

    def __init__(self, *, limits: RenderLimits) -> None:
        self._limits = limits
        self._share = max(1, limits.processes - 1)
        self._waiting: dict[str, deque[_Job]] = {}
        self._running: Counter[str] = Counter()
        self._idle: list[RenderProcess] = []
        self._processes: set[RenderProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = True

    @property
    def processes(self) -> list[int]:
        """The numbers in the system of those that live."""
        return [process.id for process in self._processes]

    @property
    def waiting(self) -> int:
        """Requests that wait for a process."""
        return sum(map(len, self._waiting.values()))

    async def start(self) -> None:
        """Takes requests."""
        self._open = True

    async def stop(self) -> None:
        """Ends every process; what waits or runs fails as `RendererBusy`."""
        self.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._processes:
            await self._end(next(iter(self._processes)))

    def drain(self) -> None:
        """Takes nothing more, and gives back what waits."""
        self._open = False
        for jobs in self._waiting.values():
            for job in jobs:
                _settle(job, RendererBusy("The mailer is stopping"))
        self._waiting.clear()

    async def run(self, tenant: str, request: Request) -> object:
        """The answer to ``request``.

        Raises:
            RendererBusy: there are too many of this tenant, or there is no process now.
            RenderTooExpensive: it takes more time or memory than a rendering may.
            TocsinError: what the answer says.
        """
        jobs = self._waiting.get(tenant, ())
        if not self._open or len(jobs) >= self._limits.waiting:
            raise RendererBusy(f"{len(jobs)} renderings of this tenant wait already", retry_after=1.0)
        job = _Job(tenant, pickle.dumps(request))
        self._waiting.setdefault(tenant, deque()).append(job)
        self._dispatch()
        answer = await job.result
        if isinstance(answer, TocsinError):
            raise answer
        return answer

    def _dispatch(self) -> None:
        while len(self._tasks) < self._limits.processes and (job := self._next()) is not None:
            self._running[job.tenant] += 1
            task = asyncio.create_task(self._work(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _, job=job: self._worked(job))

    def _next(self) -> _Job | None:
        """The next request that somebody still waits for, of the tenant whose turn it is."""
        for tenant in list(self._waiting):
            jobs = self._waiting.pop(tenant)
            while jobs and jobs[0].result.done():
                jobs.popleft()
            job = jobs.popleft() if jobs and self._running[tenant] < self._share else None
            if jobs:
                self._waiting[tenant] = jobs  # behind all others
            if job is not None:
                return job
        return None

    def _worked(self, job: _Job) -> None:
        self._running[job.tenant] -= 1
        if not self._running[job.tenant]:
            del self._running[job.tenant]
        _settle(job, RendererBusy("The mailer is stopping"))
        if self._open:
            self._dispatch()

    async def _work(self, job: _Job) -> None:
        try:
            _settle(job, await self._tried(job))
        except (OSError, TimeoutError, ProcessDied) as error:
            _log.warning("no rendering process", error=str(error))
            _settle(job, RendererBusy(f"No rendering process could be started: {error}", retry_after=1.0))
        except Exception as error:  # noqa: BLE001 - whoever waits has to be told, or waits for ever
            _log.error("rendering failed", exc_info=error)
            _settle(job, RendererBusy(f"Rendering failed: {error}"))

    async def _tried(self, job: _Job) -> object:
        for _ in range(_TRIES):
            process = await self._process()
            try:
                async with asyncio.timeout(self._limits.cpu_seconds * _GRACE):
                    answer = await process.ask(job.frame)
            except ProcessDied as death:
                await self._end(process)
                if death.out_of_time:
                    return RenderTooExpensive(f"The template takes more than {self._limits.cpu_seconds:g} s of processor time")
                _log.warning("a rendering process died", error=death.message)
            except TimeoutError:
                await self._end(process)
                return RendererBusy("A rendering process did not answer; it was replaced")
            except BaseException:
                await self._end(process)
                raise
            else:
                self._idle.append(process)
                return answer
        return RenderTooExpensive(f"The process that rendered the template died, {_TRIES} times")

    async def _process(self) -> RenderProcess:
        if self._idle:
            return self._idle.pop()
        async with asyncio.timeout(_START_SECONDS):
            process = await RenderProcess.start(megabytes=self._limits.megabytes, cpu_seconds=self._limits.cpu_seconds)
        self._processes.add(process)
        return process

    async def _end(self, process: RenderProcess) -> None:
        self._processes.discard(process)
        if process in self._idle:
            self._idle.remove(process)
        await process.kill()


def _settle(job: _Job, answer: object) -> None:
    if not job.result.done():
        job.result.set_result(answer)
