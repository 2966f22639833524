"""One run: machines, processors, users, and everything that goes wrong between them."""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TextIO

from scheduler_svc.domain import FiringState
from tests.simulation.loop import Fate, Process, SimLoop
from tests.simulation.machine import SimBus, SimClock
from tests.simulation.processor import FarEnd, Manners, Processor, Seen
from tests.simulation.replica import Replica
from tests.simulation.scenario import DAY, SECOND, Scenario
from tests.simulation.storage import Storage, StorageFaults
from tests.simulation.streams import Answer, Job, Stream
from tests.simulation.users import Promises
from tocsin.errors import Unavailable

_PATIENCE: Final = 20.0
_DEADLY: Final = 0.02


@dataclass(slots=True)
class Host:
    """A machine that runs the scheduler: its clock, and the replica that runs on it now."""

    name: str
    clock: SimClock
    replica: Replica | None = None
    process: Process | None = None
    starts: int = 0


@dataclass(slots=True)
class Bench:
    """A machine that runs a processor."""

    name: str
    processor: Processor | None = None
    starts: int = 0


class World:
    """All that there is in a run; also the `Desk` of the users."""

    def __init__(self, scenario: Scenario, *, loop: SimLoop, trace: TextIO | None = None) -> None:
        self.scenario = scenario
        self.loop = loop
        self.draw = random.Random(f"world {scenario.seed}")
        clock = SimClock(loop=loop, epoch=scenario.epoch, started=0.0)
        self.storage = Storage(loop=loop, draw=random.Random(f"storage {scenario.seed}"), clock=clock)
        self.storage.on_commit = self._committed
        self.storage.storage_faults = scenario.storage_faults if "storage_faults" in scenario.faults else StorageFaults(delay=0.001)
        self.counts = self.storage.counts
        self.bus = SimBus(loop=loop, draw=random.Random(f"bus {scenario.seed}"), counts=self.counts)
        self.promises = Promises()
        self.far_end = FarEnd()
        self.seen = Seen()
        self.problems: list[str] = []
        self.jumps: list[tuple[int, int]] = []
        """Jumps of the clocks of hosts: wall times before and after."""
        self.ending = scenario.days * DAY
        self.manners = scenario.manners if "manners" in scenario.faults else Manners(work=scenario.manners.work)
        if scenario.hostile:
            self.manners.nonsense = 0.2
        self._hostile = random.Random(f"hostile {scenario.seed}")
        self.healed_at: int | None = None
        self.deadly: str | None = None
        self.killers: set[str] = set()
        self.graveyard: list[Process] = []
        self.streams: list[Stream] = []
        self.doomed: dict[Process, Callable[[], None]] = {}
        self._hash = hashlib.blake2b(digest_size=8)
        self._trace = trace
        self._network = random.Random(f"network {scenario.seed}")
        self.hosts = [self._host(number) for number in range(scenario.replicas)]
        self.benches = [Bench(f"p{number}") for number in range(scenario.processors)]

    def _host(self, number: int) -> Host:
        clock = SimClock(loop=self.loop, epoch=self.scenario.epoch, started=self.draw.uniform(0, 1e6))
        return Host(f"r{number}", clock)

    # -- what is written down -----------------------------------------------------------------------------------------------------------

    @property
    def digest(self) -> str:
        """A hash of everything that was noted: the same for the same run."""
        return self._hash.copy().hexdigest()

    def note(self, *words: object) -> None:
        """See `tests.simulation.users.Desk`."""
        line = f"{self.loop.time():.6f} {' '.join(map(str, words))}\n"
        self._hash.update(line.encode())
        if self._trace is not None:
            self._trace.write(line)

    def problem(self, text: str) -> None:
        """Something is wrong."""
        self.note("PROBLEM", text)
        self.problems.append(f"at {self.loop.time():.3f} s: {text}")

    def micros(self) -> int:
        """See `tests.simulation.users.Desk`."""
        return self.scenario.epoch + round(self.loop.time() * SECOND)

    def left(self) -> int:
        """See `tests.simulation.users.Desk`."""
        return max(0, round((self.ending - self.loop.time()) * SECOND))

    def _committed(self, process: Process, trespasses: Sequence[str]) -> None:
        self.note("commit", process.name)
        for firing in trespasses:
            self.problem(f"firing {firing} was made by {process.name}, which does not own its shard")
        act = self.doomed.pop(process, None)
        if act is not None:
            act()

    # -- the scheduler's replicas ----------------------------------------------------------------------------------------------------------

    def start_host(self, host: Host) -> None:
        """Starts a fresh incarnation."""
        host.starts += 1
        process = host.process = Process(f"{host.name}#{host.starts}")
        with self.loop.within(process):
            replica = Replica(
                name=process.name,
                process=process,
                storage=self.storage,
                bus=self.bus,
                clock=host.clock,
                options=self.scenario.options,
                draw=random.Random(f"jitter {self.scenario.seed} {process.name}"),
            )
            host.replica = replica
            self.loop.create_task(self._live(host, replica))
        self.note("starts", process.name)

    async def _live(self, host: Host, replica: Replica) -> None:
        try:
            await replica.start()
        except Unavailable as error:
            self.note("cannot start", replica.name, error.message)
            self.counts["failed starts"] += 1
            self.loop.call_soon(self.kill_host, host, replica.process, 1.0)

    def kill_host(self, host: Host, process: Process | None, down: float) -> None:
        """Kills the incarnation, if it is still that one, and starts another after ``down`` seconds."""
        if process is None or host.process is not process or process.fate is Fate.DEAD:
            return
        if self.storage.writes_for(process):  # a transaction takes no time: it has ended, or has not begun, when its process dies
            process.after_steps(1, lambda: self.kill_host(host, process, down))
            return
        carried = self.storage.on_their_way(process, 0.3)
        process.kill()
        self.doomed.pop(process, None)
        self.note("dies", process.name, "with", carried, "transactions on their way")
        self._bury(process)
        host.replica = None
        with self.loop.within(self.loop.nature):
            self.loop.call_later(down, self.start_host, host)

    def _bury(self, process: Process) -> None:
        self.graveyard.append(process)
        self.storage.locks.release(process)
        self.bus.forget(process)
        silent = self.draw.random() < 0.3
        for stream in self.streams:
            if process in (stream.client, stream.server):
                stream.cut(silent=silent)
        self.streams = [stream for stream in self.streams if not stream.broken]

    async def stop_host(self, host: Host, down: float) -> None:
        """Stops it as SIGTERM does, and as SIGKILL does when that takes too long."""
        replica, process = host.replica, host.process
        if replica is None or process is None or not process.running:
            return
        self.note("stops", process.name)
        with self.loop.within(process):
            stopping = self.loop.create_task(replica.stop())
        await asyncio.wait([stopping], timeout=10.0)
        self.kill_host(host, process, down)

    def freeze_host(self, host: Host, seconds: float) -> None:
        """Stops it as SIGSTOP does, for a while."""
        process = host.process
        if process is None or not process.running:
            return
        if self.storage.writes_for(process):
            process.after_steps(1, lambda: self.freeze_host(host, seconds))
            return
        carried = self.storage.on_their_way(process, 0.3)
        process.freeze()
        self.note("freezes", process.name, f"for {seconds:.3f} s with", carried, "transactions on their way")
        with self.loop.within(self.loop.nature):
            self.loop.call_later(seconds, self._thaw, process)

    def _thaw(self, process: Process) -> None:
        if process.fate is Fate.FROZEN:
            self.note("thaws", process.name)
            process.thaw(self.loop)

    async def call(self, make: Callable[[Replica], Awaitable[Any]]) -> Any:
        """See `tests.simulation.users.Desk`."""
        ready = [host.replica for host in self.hosts if host.replica is not None and host.replica.ready]
        if not ready:
            raise Unavailable("No replica is ready.")
        replica = self.draw.choice(ready)
        answer: asyncio.Future[Any] = self.loop.create_future()

        def arrive() -> None:
            self.loop.create_task(_outcome(make(replica))).add_done_callback(reply)

        def reply(task: asyncio.Task[Any]) -> None:
            with self.loop.within(self.loop.nature):
                self.loop.call_later(self._network.expovariate(500), _settle, answer, task)

        with self.loop.within(replica.process):
            self.loop.call_later(self._network.expovariate(500), arrive)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await answer
        except TimeoutError:
            raise Unavailable("Nobody answers.") from None

    # -- processors -----------------------------------------------------------------------------------------------------------------------

    def start_bench(self, bench: Bench) -> None:
        """Starts a fresh processor."""
        bench.starts += 1
        process = Process(f"{bench.name}#{bench.starts}")
        bench.processor = Processor(
            name=process.name,
            loop=self.loop,
            process=process,
            draw=random.Random(f"work {self.scenario.seed} {process.name}"),
            manners=self.manners,
            far_end=self.far_end,
            seen=self.seen,
            counts=self.counts,
            concurrency=self.scenario.concurrency,
            lease_seconds=self.scenario.options.dispatch.lease_seconds,
            deadly=self._is_deadly,
            die=lambda: self.kill_bench(bench),
        )
        bench.processor.begin()

    def _is_deadly(self, job: Job) -> bool:
        """Whether a job ends its processor. One firing at a time does, each time that it is worked on, until it is given up."""
        if not self.scenario.hostile or self.healed_at is not None:
            return False
        if self.deadly is None or self._is_over(self.deadly):
            if self._hostile.random() > _DEADLY:
                return False
            self.deadly = job.lease.firing
            self.killers.add(self.deadly)
            self.note("deadly", self.deadly)
        return job.lease.firing == self.deadly

    def _is_over(self, firing: str) -> bool:
        found = self.storage.raw.execute("SELECT state FROM firings WHERE id = ?", (firing,)).fetchone()
        return found is None or found[0] not in (FiringState.PENDING, FiringState.RETRYING)

    def kill_bench(self, bench: Bench) -> None:
        """Kills the processor, and starts another."""
        processor = bench.processor
        if processor is not None:
            self.note("dies", processor.name)
            processor.process.kill()
            self._bury(processor.process)
        self.start_bench(bench)

    async def keep_connected(self) -> None:
        """Opens the streams that are missing, as a processor's discovery does."""
        while True:
            for bench in self.benches:
                for host in self.hosts:
                    self._connect(bench.processor, host.replica, host.name)
            await asyncio.sleep(self._network.uniform(2.0, 10.0))

    def _connect(self, processor: Processor | None, replica: Replica | None, address: str) -> None:
        if processor is None or replica is None or not replica.ready:
            return

        def open_stream(heard: Callable[[Answer], None], ended: Callable[[], None]) -> Stream:
            stream = Stream(
                loop=self.loop,
                draw=self._network,
                worker=processor.name,
                client=processor.process,
                server=replica.process,
                dispatcher=replica.dispatcher,
                heard=heard,
                ended=ended,
            )
            self.streams.append(stream)
            return stream

        processor.connect(address, open_stream)

    def spawn(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Lets something happen meanwhile, as a part of nature."""
        with self.loop.within(self.loop.nature):
            self.loop.create_task(coroutine)

    # -- the end --------------------------------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Ends everything that is wrong; what follows must put all in order."""
        self.note("everything is healed")
        self.storage.storage_faults = StorageFaults(delay=0.001)
        self.storage.away = False
        self.bus.lost = self.bus.doubled = 0.0
        self.doomed.clear()
        self.manners = Manners()
        self.healed_at = self.micros()
        self.storage.clock.error = 0
        for host in self.hosts:
            self.jumps.append((host.clock.micros(), host.clock.micros() - host.clock.error))
            host.clock.error = 0
            if host.process is not None:
                host.process.forgive()
                self._thaw(host.process)
        for bench in self.benches:
            self.kill_bench(bench)


async def _outcome(coroutine: Awaitable[Any]) -> tuple[Any, Exception | None]:
    """What it gives or raises, as a value: of an answer that dies with its process nobody asks how it ended."""
    try:
        return await coroutine, None
    except Exception as error:  # noqa: BLE001  it is the caller's
        return None, error


def _settle(answer: "asyncio.Future[Any]", task: "asyncio.Task[tuple[Any, Exception | None]]") -> None:
    if answer.done():
        return
    if task.cancelled():
        answer.set_exception(Unavailable("The replica stopped."))
        return
    result, error = task.result()
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
