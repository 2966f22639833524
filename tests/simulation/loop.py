"""An event loop whose time is virtual and whose order is drawn from a seed.

Nothing here waits: when no callback is ready, time jumps to the next timer. Every callback, timer and task belongs to a `Process`; one that
is killed never runs another line, not even a ``finally``, and one that is frozen runs none until it is thawed, while time goes on.
"""

import asyncio
import contextlib
import heapq
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context
from enum import Enum
from typing import Any, Final, TypeVar

_SPIN: Final = 200_000
Result = TypeVar("Result")


class Livelock(AssertionError):
    """Callbacks run without end while no time passes."""


class Fate(Enum):
    """Whether a process gets to run."""

    RUNNING = "running"
    FROZEN = "frozen"
    DEAD = "dead"


class Process:
    """What lives and dies together.

    Attributes:
        fate: whether it runs.
        steps: callbacks that it has run.
        tasks: its tasks, kept when it dies so that no garbage collector runs their ``finally`` blocks.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fate = Fate.RUNNING
        self.steps = 0
        self.tasks: dict[SimTask, None] = {}
        self._parked: list[_Entry] = []
        self._alarm: tuple[int, Callable[[], None]] | None = None

    @property
    def running(self) -> bool:
        """Whether it is neither dead nor frozen."""
        return self.fate is Fate.RUNNING

    def after_steps(self, steps: int, then: Callable[[], None]) -> None:
        """Calls ``then`` between two callbacks of this process, once it has run ``steps`` more."""
        self._alarm = (self.steps + steps, then)

    def forgive(self) -> None:
        """Forgets what `after_steps` was told."""
        self._alarm = None

    def kill(self) -> None:
        """Nothing of it ever runs again."""
        self.fate = Fate.DEAD
        self._parked.clear()

    def freeze(self) -> None:
        """Nothing of it runs until `thaw`."""
        if self.fate is Fate.RUNNING:
            self.fate = Fate.FROZEN

    def thaw(self, loop: "SimLoop") -> None:
        """It goes on; what came meanwhile comes now."""
        if self.fate is Fate.FROZEN:
            self.fate = Fate.RUNNING
            parked, self._parked = self._parked, []
            for entry in parked:
                loop.enqueue(entry)

    def park(self, entry: "_Entry") -> None:
        """Keeps what wanted to run while it is frozen."""
        self._parked.append(entry)

    def stepped(self) -> None:
        """Counts a callback."""
        self.steps += 1
        if self._alarm is not None and self.steps >= self._alarm[0]:
            then, self._alarm = self._alarm[1], None
            then()


class SimTask(asyncio.Task[Any]):
    """A task that knows its process. Its hash is its number, so that sets of tasks have the same order in each run."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], loop: "SimLoop", context: Context | None = None) -> None:
        self.process = self.home = loop.process
        self.number = loop.count()
        self.home.tasks[self] = None
        super().__init__(coroutine, loop=loop, context=context)
        self.add_done_callback(_forget)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


def _forget(task: asyncio.Task[Any]) -> None:
    if isinstance(task, SimTask):
        task.home.tasks.pop(task, None)


class _Handle(asyncio.Handle):
    """A callback of a process."""

    __slots__ = ("process", "task")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], loop: "SimLoop", context: Context | None) -> None:
        super().__init__(callback, args, loop, context)
        self.process = loop.process
        self.task = _task_of(callback)

    def run(self) -> None:
        """Calls it."""
        self._run()


class _Timer(asyncio.TimerHandle):
    """A callback of a process, at a time."""

    __slots__ = ("process", "task")

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], loop: "SimLoop", context: Context | None
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.process = loop.process
        self.task = _task_of(callback)

    def run(self) -> None:
        """Calls it."""
        self._run()


_Entry = _Handle | _Timer


def _task_of(callback: Callable[..., object]) -> SimTask | None:
    """The task whose step ``callback`` is. A step belongs to its task's process, whoever brought what it waited for."""
    found = getattr(callback, "__self__", None)
    return found if isinstance(found, SimTask) else None


class SimLoop(asyncio.BaseEventLoop):
    """Runs callbacks one by one, in an order drawn from a seed.

    Attributes:
        process: whose callback runs now; what it makes belongs to it.
    """

    def __init__(self, *, draw: random.Random, shuffle: bool) -> None:
        """Makes a loop at time 0.

        Args:
            draw: source of the order.
            shuffle: whether ready callbacks run in random order; otherwise in the order in which they became ready, as in asyncio.
        """
        super().__init__()
        self._draw = draw
        self._shuffle = shuffle
        self._time = 0.0
        self._queue: deque[_Entry] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._dropped = 0
        self._numbers = 0
        self._same_time = 0
        self._halting = False
        self.nature = Process("nature")
        self.process = self.nature
        self.set_task_factory(self._make_task)

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **given: Any) -> SimTask:
        return SimTask(coroutine, self, given.get("context"))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._time

    def count(self) -> int:
        """A number that was not given before."""
        self._numbers += 1
        return self._numbers

    @contextlib.contextmanager
    def within(self, process: Process) -> Generator[None]:
        """What is made inside belongs to ``process``."""
        before, self.process = self.process, process
        try:
            yield
        finally:
            self.process = before

    # -- scheduling ----------------------------------------------------------------------------------------------------------------

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """See `asyncio.AbstractEventLoop`."""
        handle = _Handle(callback, args, self, context)
        self._queue.append(handle)
        return handle

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`."""
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, self.count(), timer))
        return timer

    def enqueue(self, entry: _Entry) -> None:
        """Makes something ready that was ready before."""
        self._queue.append(entry)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._dropped += 1
        if self._dropped > 1000 and self._dropped > len(self._timers) // 2:
            self._timers = [timer for timer in self._timers if not timer[2].cancelled()]
            heapq.heapify(self._timers)
            self._dropped = 0

    # -- running --------------------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ends `run_forever` after the callback that runs now."""
        super().stop()
        self._halting = True

    def _run_once(self) -> None:
        self._halting = False
        while not self._halting:
            if not self._queue:
                self._advance()
            entry = self._next()
            if entry.cancelled():
                continue
            process = entry.task.process if entry.task is not None else entry.process
            if process.fate is Fate.RUNNING:
                self.process = process
                entry.run()
                self.process = self.nature
                process.stepped()
                self._guard(entry)
            elif process.fate is Fate.FROZEN:
                process.park(entry)

    def _next(self) -> _Entry:
        if self._shuffle and len(self._queue) > 1:
            self._queue.rotate(-self._draw.randrange(len(self._queue)))
        return self._queue.popleft()

    def _advance(self) -> None:
        """Jumps to the next timer, and makes ready all that are due then."""
        if not self._timers:
            msg = "nothing is left to run"
            raise AssertionError(msg)
        if self._timers[0][0] > self._time:
            self._time = self._timers[0][0]
            self._same_time = 0
        while self._timers and self._timers[0][0] <= self._time:
            self._queue.append(heapq.heappop(self._timers)[2])

    def _guard(self, entry: _Entry) -> None:
        self._same_time += 1
        if self._same_time > _SPIN:
            msg = f"no time passes at {self._time:.6f} s; the last callback was {entry!r}"
            raise Livelock(msg)

    # -- what the base class asks for ---------------------------------------------------------------------------------------------

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any]) -> None:
        """Leaves it alone: when the garbage collector comes by is not for the run to depend on."""

    def _process_events(self, event_list: object) -> None:
        """There are no files to watch."""

    def _write_to_self(self) -> None:
        """No other thread can wake this loop, and none is there."""
