"""What goes wrong while a run lasts; each class of faults at random moments, and crashes between any two steps."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from tests.simulation.scenario import SECOND
from tests.simulation.world import Host, World

_MOST_WRONG: Final = 600 * SECOND


class Injector:
    """Injects the faults of the scenario until it is stopped."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._draw = random.Random(f"faults {world.scenario.seed}")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins."""
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            "crashes": self._crash,
            "freezes": self._freeze,
            "restarts": self._restart,
            "outages": self._outage,
            "clocks": self._clock,
            "cuts": self._cut,
            "processors": self._processor,
        }
        for name, act in acts.items():
            if name in self._world.scenario.faults:
                self._tasks.append(asyncio.get_running_loop().create_task(self._forever(name, act)))
        if "hints" in self._world.scenario.faults:
            self._world.bus.lost = self._draw.choice([0.1, 0.5, 1.0])
            self._world.bus.doubled = 0.1
            self._world.bus.delay = self._draw.choice([0.001, 1.0])

    def stop(self) -> None:
        """Ends."""
        for task in self._tasks:
            task.cancel()

    async def _forever(self, name: str, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self._draw.expovariate(1 / self._world.scenario.pace))
            self._world.counts[name] += 1
            await act()

    def _host(self) -> Host:
        return self._draw.choice(self._world.hosts)

    async def _crash(self) -> None:
        """At once, after a number of steps, or right after its next commit: so that it meets every await sooner or later."""
        host, world = self._host(), self._world
        process, down = host.process, self._draw.choice([0.1, 2.0, 60.0, 300.0])
        if process is None:
            return
        way = self._draw.randrange(3)
        if way == 0:
            world.kill_host(host, process, down)
        elif way == 1:
            steps = self._draw.choice([1, 10, 100, 1000]) + self._draw.randrange(10)
            process.after_steps(steps, lambda: world.kill_host(host, process, down))
        else:
            world.doomed[process] = lambda: world.kill_host(host, process, down)

    async def _freeze(self) -> None:
        host, world = self._host(), self._world
        process, seconds = host.process, world.scenario.options.lease_seconds * self._draw.choice([0.3, 1.0, 1.2, 3.0])
        if process is None:
            return
        way = self._draw.randrange(3)
        if way == 0:
            world.freeze_host(host, seconds)
        elif way == 1:
            process.after_steps(self._draw.randrange(1, 1000), lambda: world.freeze_host(host, seconds))
        else:
            world.doomed[process] = lambda: world.freeze_host(host, seconds)

    async def _restart(self) -> None:
        await self._world.stop_host(self._host(), self._draw.choice([0.1, 5.0, 120.0]))

    async def _outage(self) -> None:
        self._world.storage.away = True
        self._world.note("database away")
        await asyncio.sleep(self._draw.choice([1.0, 15.0, 120.0]))
        self._world.storage.away = False
        self._world.note("database back")

    async def _clock(self) -> None:
        clocks = [self._world.storage.clock, *(host.clock for host in self._world.hosts)]
        clock = self._draw.choice(clocks)
        step = self._draw.choice([1, -1]) * self._draw.choice([SECOND // 10, SECOND, 10 * SECOND, 90 * SECOND])
        before = clock.micros()
        clock.error = max(-_MOST_WRONG, min(_MOST_WRONG, clock.error + step))
        if clock is not self._world.storage.clock:
            self._world.jumps.append((before, clock.micros()))
        self._world.note("a clock jumps by", step)

    async def _cut(self) -> None:
        """Breaks a connection: a stream, or that on which a replica holds its lock."""
        process = self._host().process
        if process is not None and self._draw.random() < 0.3 and "crashes" in self._world.scenario.faults:
            self._world.storage.locks.release(process)
            return
        streams = [stream for stream in self._world.streams if not stream.broken]
        if streams:
            self._draw.choice(streams).cut(silent=self._draw.random() < 0.3)
        self._world.streams = [stream for stream in self._world.streams if not stream.broken]

    async def _processor(self) -> None:
        self._world.kill_bench(self._draw.choice(self._world.benches))
