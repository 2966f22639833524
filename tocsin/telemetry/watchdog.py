"""Watches the event loop: how late it runs its callbacks, and what stands on it.

The loop beats every 50 ms. How late a beat is, is what every call waited. A thread beside the loop sees a beat that does not come, and
takes the stack of what keeps it, while it keeps it. A line of the stack is file, line and function, and no value: it tells no secret.
"""

import asyncio
import faulthandler
import re
import tempfile
import threading
import time
from collections import deque
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from tocsin.telemetry.logs import get_logger

_log = get_logger(__name__)

_RECENT: Final = 200
_NEWEST: Final = 5
_DEEPEST: Final = 12
_QUIET_SECONDS: Final = 5.0
_EXCUSED: Final = 0.5
_FRAME: Final = re.compile(r'  File "([^"]{0,1000})", line (\d{1,9}) in (.{0,1000})')


class LoopWatchdog:
    """Measures how late the event loop is, and warns with the stack of what holds it.

    ``seconds`` is the worst of the last quarter of a second, for load shedding. The metrics: ``tocsin_loop_lag_seconds`` is the worst of
    the last ten seconds, so that a scrape does not miss it; ``tocsin_loop_lag_max_seconds`` the worst since the start;
    ``tocsin_loop_held_max_seconds`` how much of it was computing in one go, whatever else the machine does;
    ``tocsin_loop_stalls_total`` counts the times when the loop was later than the bound.
    """

    INTERVAL: Final = 0.05

    def __init__(self, *, registry: CollectorRegistry, bound: float) -> None:
        """Measures nothing yet; ``bound`` in seconds is what calls for a warning."""
        self.seconds = 0.0
        self.worst = 0.0
        self.held = 0.0
        self._bound = bound
        self._recent: deque[float] = deque([0.0], maxlen=_RECENT)
        self._due = self._cpu = 0.0
        self._beat: asyncio.TimerHandle | None = None
        self._stopping = threading.Event()
        self._warned = float("-inf")
        self._suppressed = 0
        Gauge("tocsin_loop_lag_seconds", "Worst delay of an event loop callback in the last 10 s.", registry=registry).set_function(
            lambda: max(self._recent)
        )
        Gauge("tocsin_loop_lag_max_seconds", "Worst delay since the start.", registry=registry).set_function(lambda: self.worst)
        Gauge("tocsin_loop_held_max_seconds", "Most CPU time that held the event loop in one go.", registry=registry).set_function(
            lambda: self.held
        )
        self._stalls = Counter("tocsin_loop_stalls", "Times when the event loop was later than the bound for warnings.", registry=registry)

    async def start(self) -> None:
        """Begins to measure; nothing when it does already."""
        if self._beat is not None:
            return
        self._stopping = threading.Event()
        loop = asyncio.get_running_loop()
        self._due, self._cpu = time.monotonic(), time.thread_time()
        self._expect(loop)
        threading.Thread(target=self._watch, args=(threading.get_ident(), self._stopping), name="loop-watchdog", daemon=True).start()

    async def stop(self) -> None:
        """Stops measuring."""
        beat, self._beat = self._beat, None
        self._stopping.set()
        if beat is not None:
            beat.cancel()

    def reset(self) -> None:
        """Forgets the worst so far."""
        self.worst = self.held = 0.0

    def _expect(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = time.monotonic() + self.INTERVAL
        self._beat = loop.call_later(self.INTERVAL, self._measure, loop)

    def _measure(self, loop: asyncio.AbstractEventLoop) -> None:
        late = max(0.0, time.monotonic() - self._due)
        cpu = time.thread_time()
        self._recent.append(late)
        self.seconds = max(self._recent[-each] for each in range(1, min(_NEWEST, len(self._recent)) + 1))
        self.worst = max(self.worst, late)
        self.held = max(self.held, min(late, cpu - self._cpu))
        self._cpu = cpu
        if late > self._bound:
            self._stalls.inc()
        self._expect(loop)

    def _watch(self, ident: int, stopping: threading.Event) -> None:
        """The life of the thread."""
        clock = time.pthread_getcpuclockid(ident)
        pause, seen = self._bound / 4, 0.0
        before, used = time.monotonic(), time.clock_gettime(clock)
        while not stopping.wait(pause):
            now, spent = time.monotonic(), time.clock_gettime(clock)
            # A process that was stopped, or a machine that slept, comes back late as a whole: the code that it stands in is not to blame.
            frozen = now - before > self._bound and spent - used < _EXCUSED * (now - before)
            before, used = now, spent
            due = self._due
            if due != seen and not frozen and now - due > self._bound:
                seen = due
                self._warn(ident, now, due)

    def _warn(self, ident: int, now: float, due: float) -> None:
        if now - self._warned < _QUIET_SECONDS:
            self._suppressed += 1
            return
        _log.warning("event loop blocked", seconds=round(now - due, 3), suppressed=self._suppressed, stack=_stack_of(ident))
        self._warned, self._suppressed = now, 0


def _stack_of(ident: int) -> list[str]:
    """Where a thread stands, the call that is under way last; nothing if the dump has no room on this machine.

    faulthandler takes it in one go. Walking the frames of a thread that runs, as `traceback` does, has ended processes with SIGSEGV: what
    it looks at returns meanwhile.
    """
    try:
        with tempfile.TemporaryFile() as file:
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            dumped = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    own = dumped.partition(f"hread 0x{ident:016x} ")[2].partition("\n\n")[0]
    return [f"{file}:{line} {name}" for file, line, name in _FRAME.findall(own)[:_DEEPEST]][::-1]
