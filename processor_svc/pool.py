"""Threads for handlers that are not async, with some that only critical jobs may use."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class ThreadPool:
    """Runs functions in threads; those that find no thread free wait in order."""

    def __init__(self, *, threads: int, reserve: int) -> None:
        """Starts nothing; threads come as they are needed.

        Args:
            threads: for every job.
            reserve: beside them, for critical jobs alone.
        """
        self.size = threads + reserve
        """Threads in all."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="task")
        self._reserve = ThreadPoolExecutor(reserve, thread_name_prefix="critical-task")
        self._lock = threading.Lock()
        self._open = 0
        self._busy = 0

    @property
    def busy(self) -> int:
        """Functions that run."""
        return self._busy

    @property
    def waiting(self) -> int:
        """Functions that wait for a thread."""
        return self._open - self._busy

    async def run(self, function: Callable[[], Result], *, critical: bool) -> Result:
        """What ``function`` returns. When the caller is cancelled, it runs on and holds its thread: a thread cannot be stopped."""
        with self._lock:
            self._open += 1
        future = (self._reserve if critical else self._threads).submit(self._work, function)
        future.add_done_callback(self._ended)
        return await asyncio.wrap_future(future)

    def _work(self, function: Callable[[], Result]) -> Result:
        with self._lock:
            self._busy += 1
        try:
            return function()
        finally:
            with self._lock:
                self._busy -= 1

    def _ended(self, _: Future[Result]) -> None:
        """Also of one that was cancelled before it had begun."""
        with self._lock:
            self._open -= 1
