"""Supervised background tasks: everything that outlives a call runs here, is restarted after a failure, and reports its failures.

A component has a `Background` and starts its tasks on it. An unexpected exception is logged with its stack and counted; the task is
restarted with exponential backoff and is *failing* in the health of the service until it makes progress. After `FAILURES_IN_A_ROW` of them
the process exits with a code that makes its supervisor start another one, because its memory may be corrupt. A `TocsinError` means that a
dependency is away: it is logged, and the task is retried soon and without limit (docs/adr/0013).
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.wake import Wake

FAILURES_IN_A_ROW: Final = 10
"""Unexpected failures of one task in a row after which the process exits."""
HEALTHY_SECONDS: Final = 10.0
"""A restarted task that has run for so long counts as healthy, unless it reports progress earlier."""

_INTERRUPTED_SECONDS: Final = 0.25
_FIRST_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 5.0
_LONGEST_OPTIONAL_SECONDS: Final = 60.0
_CANCEL_AGAIN_SECONDS: Final = 0.5

T = TypeVar("T")


class TaskReturned(RuntimeError):
    """A task that should run until it is stopped has returned."""


class BackgroundFailed(RuntimeError):
    """A task has failed too often; the process must be restarted."""


@dataclass(slots=True, eq=False)
class BackgroundTask:
    """One task of a `Background`.

    Attributes:
        name: for people, logs and metrics; several may share one.
        run: starts it; None for one that ends by itself.
        vital: whether the process exits when it fails too often.
        is_periodic: only a report of progress makes it healthy, not the time that it has run.
        failures: unexpected ones in a row.
        reason: why it is failing; empty while it is healthy.
        since: when it started or last reported a stall, on the monotonic clock; infinite during backoff.
        task: the run under way.
    """

    name: str
    run: Callable[[], Awaitable[object]] | None
    vital: bool = True
    is_periodic: bool = False
    failures: int = 0
    reason: str = ""
    since: float = math.inf
    task: "asyncio.Task[None] | None" = None

    def healthy(self, now: float) -> bool:
        """Whether it has not failed, or has run for long enough since."""
        return not self.reason or (not self.is_periodic and now - self.since >= HEALTHY_SECONDS)

    def report_progress(self) -> None:
        """Clears its failures."""
        self.failures, self.reason = 0, ""


class FailureMeter(Protocol):
    """Counts unexpected failures."""

    def known(self, name: str) -> None:
        """Registers a task; its count starts at 0."""

    def failed(self, name: str) -> None:
        """Counts one failure."""


class Backgrounds:
    """All background tasks of one process, for its health, metrics and lifecycle."""

    def __init__(self, meter: FailureMeter | None = None) -> None:
        self._meter = meter
        self._backgrounds: list[Background] = []
        self._failed: str | None = None
        self._ended = asyncio.Event()

    @property
    def tasks(self) -> list[BackgroundTask]:
        """The tasks that run until they are stopped."""
        return [work for background in self._backgrounds for work in background.tasks]

    @property
    def failing(self) -> Mapping[str, str]:
        """The reasons of the failing tasks, by name."""
        return {name: reason for background in self._backgrounds for name, reason in background.failing.items()}

    @contextmanager
    def collecting(self) -> Generator[None]:
        """Registers every `Background` whose first task starts within the block, or within a task of one of them."""
        self._failed, self._ended = None, asyncio.Event()
        token = _collector.set(self)
        try:
            yield
        finally:
            _collector.reset(token)

    def add(self, background: "Background", name: str) -> None:
        """Registers ``background`` and its task ``name``."""
        if background not in self._backgrounds:
            self._backgrounds.append(background)
        if self._meter is not None:
            self._meter.known(name)

    def remove(self, background: "Background") -> None:
        """Removes a ``background`` that has stopped."""
        if background in self._backgrounds:
            self._backgrounds.remove(background)

    def count(self, name: str) -> None:
        """Counts an unexpected failure of the task ``name``."""
        if self._meter is not None:
            self._meter.failed(name)

    def abort(self, reason: str) -> None:
        """Makes the process exit with ``reason``."""
        self._failed = self._failed or reason
        self._ended.set()

    async def ended(self) -> None:
        """Waits until a task has failed too often.

        Raises:
            BackgroundFailed: always.
        """
        await self._ended.wait()
        raise BackgroundFailed(self._failed)


_collector: ContextVar[Backgrounds | None] = ContextVar("backgrounds", default=None)
_current: ContextVar[BackgroundTask | None] = ContextVar("background_work", default=None)


class Background:
    """The tasks of one component. They inherit no context from the call that starts them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._registry: Backgrounds | None = None
        self._tasks: dict[asyncio.Task[Any], BackgroundTask] = {}
        self._one_off: set[asyncio.Task[Any]] = set()
        self._stopping = False

    @property
    def running(self) -> bool:
        """Whether a task is running."""
        return bool(self._tasks)

    @property
    def tasks(self) -> list[BackgroundTask]:
        """The tasks that run until `stop`."""
        return list(self._tasks.values())

    @property
    def failing(self) -> dict[str, str]:
        """The reasons of the failing tasks, by name."""
        now = self._clock.monotonic()
        return {work.name: work.reason for work in self._tasks.values() if not work.healthy(now)}

    def supervised(self, name: str, run: Callable[[], Awaitable[object]], *, vital: bool = True) -> asyncio.Task[None]:
        """Runs ``run`` until `stop`, and restarts it when it fails or returns.

        Args:
            name: in logs, metrics and health.
            run: the task; it may call `report_progress`.
            vital: False when the process is useful without it: it never makes the process exit.
        """
        return self._begin(BackgroundTask(name, run, vital=vital))

    def periodic(
        self,
        name: str,
        seconds: float | Callable[[], float | None] | None,
        run: Callable[[], Awaitable[object]],
        *,
        wake: Wake | None = None,
        at_once: bool = True,
        vital: bool = True,
    ) -> asyncio.Task[None]:
        """Runs ``run`` every ``seconds``, and when ``wake`` is set, until `stop`.

        Args:
            name: in logs, metrics and health.
            seconds: between the end of a round and the next, or a function that returns them; None waits for ``wake`` alone.
            run: one round.
            wake: starts a round early.
            at_once: whether the first round starts without a wait.
            vital: as in `supervised`.
        """
        wake_up, first = wake or Wake(self._clock), not at_once

        async def rounds() -> None:
            nonlocal first
            waits, first = first, False  # a restarted task has waited already: its backoff
            while True:
                if waits:
                    await wake_up.wait(seconds() if callable(seconds) else seconds)
                await run()
                report_progress()
                waits = True

        return self._begin(BackgroundTask(name, rounds, vital=vital, is_periodic=True))

    def woken(self, name: str, wake: Wake, run: Callable[[], Awaitable[object]], *, vital: bool = True) -> asyncio.Task[None]:
        """Runs ``run`` whenever ``wake`` is set, until `stop`."""
        return self.periodic(name, None, run, wake=wake, at_once=False, vital=vital)

    def once(self, name: str, run: Callable[[], Coroutine[Any, Any, T]]) -> "asyncio.Task[T]":
        """Runs ``run`` once, outside of any call. Whoever awaits the task gets its error; an unexpected one is logged and counted."""
        work = BackgroundTask(name, None)
        task = asyncio.get_running_loop().create_task(self._run_once(name, run), name=name, context=self._context(work))
        self._one_off.add(task)
        task.add_done_callback(self._one_off_ended)
        return task

    def abort(self, reason: str) -> None:
        """Makes the process exit: what ended here cannot be restarted."""
        if self._registry is not None:
            self._registry.abort(reason)

    async def stop(self, *, grace_seconds: float = 0.0) -> None:
        """Stops all tasks: waits ``grace_seconds`` for them to return, then cancels the rest. May be repeated."""
        tasks = [*self._tasks, *self._one_off]
        self._tasks.clear()
        if self._registry is not None:
            self._registry.remove(self)
        self._stopping = True
        if tasks and grace_seconds:
            await asyncio.wait(tasks, timeout=grace_seconds)
        await end(*tasks)
        self._stopping = False

    def _begin(self, work: BackgroundTask) -> asyncio.Task[None]:
        context = self._context(work)
        task = asyncio.get_running_loop().create_task(self._supervise(work), name=work.name, context=context)
        self._tasks[task] = work
        if self._registry is not None:
            self._registry.add(self, work.name)
        task.add_done_callback(lambda ended: self._tasks.pop(ended, None))
        return task

    def _context(self, work: BackgroundTask) -> Context:
        """An empty context, so that the task belongs to no call, with the registry for the tasks that it starts."""
        self._registry = _collector.get() or self._registry
        context = Context()
        context.run(_collector.set, self._registry)
        context.run(_current.set, work)
        return context

    def _one_off_ended(self, task: "asyncio.Task[Any]") -> None:
        self._one_off.discard(task)
        if not task.cancelled():
            task.exception()  # it was logged; this keeps asyncio from logging it again

    async def _run_once(self, name: str, run: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await run()
        except (TocsinError, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            self._report(name, error, failures=1)
            if isinstance(error, Exception):
                raise
            raise TaskReturned(type(error).__name__) from error  # asyncio would let it escape from the event loop

    async def _supervise(self, work: BackgroundTask) -> None:
        assert work.run is not None  # noqa: S101  only `once` makes one without, and does not supervise it
        while True:
            work.since = self._clock.monotonic()
            try:
                # A task of its own, to tell a stray cancellation within it from `stop`.
                work.task = asyncio.get_running_loop().create_task(_awaited(work.run), name=work.name)
                await work.task
                if self._stopping:
                    return
                raise TaskReturned(work.name)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  whatever it is, the task is restarted
                if _asked_to_end():
                    raise asyncio.CancelledError from None
                pause = self._interrupted(work, error) if isinstance(error, TocsinError) else self._failed(work, error)
            work.since = math.inf
            await self._clock.sleep(pause)

    def _interrupted(self, work: BackgroundTask, error: TocsinError) -> float:
        """Records that a dependency is away; returns the seconds until the restart."""
        if not work.reason:
            with suppress(Exception):  # a log that cannot be written stops nothing
                _log().warning("background interrupted", background=work.name, error=error.message)
        work.reason = error.message or type(error).__name__
        return _INTERRUPTED_SECONDS

    def _failed(self, work: BackgroundTask, error: BaseException) -> float:
        """Records an unexpected failure; returns the seconds until the restart."""
        lasted = self._clock.monotonic() - work.since
        work.failures = 1 if not work.is_periodic and lasted >= HEALTHY_SECONDS else work.failures + 1
        work.reason = type(error).__name__
        self._report(work.name, error, failures=work.failures)
        if work.vital and work.failures >= FAILURES_IN_A_ROW:
            self.abort(f"background {work.name!r} failed {work.failures} times in a row, at last with {work.reason}")
        longest = _LONGEST_SECONDS if work.vital else _LONGEST_OPTIONAL_SECONDS
        pause = min(longest, _FIRST_SECONDS * 2.0 ** min(work.failures - 1, 20))
        return random.uniform(pause / 2, pause)  # noqa: S311  spreads load, guards nothing

    def _report(self, name: str, error: BaseException, *, failures: int) -> None:
        with suppress(Exception):  # as above
            _log().error("background failed", background=name, failures=failures, exc_info=error)
        if self._registry is not None:
            self._registry.count(name)


def report_progress() -> None:
    """Reports that the calling background task makes progress: clears its failures."""
    work = _current.get()
    if work is not None:
        work.report_progress()


def report_stall(reason: str, clock: Clock) -> None:
    """Reports that the calling background task cannot make progress for ``reason``, and handles that itself."""
    work = _current.get()
    if work is not None:
        work.reason, work.since = reason, clock.monotonic()


async def end(*tasks: "asyncio.Task[Any] | None") -> None:
    """Cancels tasks until they have ended: a library that uses `asyncio.wait_for` can lose a cancellation."""
    while pending := [task for task in tasks if task is not None and not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)


async def _awaited(run: Callable[[], Awaitable[object]]) -> None:
    try:
        await run()
    except (SystemExit, KeyboardInterrupt) as error:
        # asyncio would let it escape from the event loop and end the process without a log.
        raise TaskReturned(type(error).__name__) from error


def _asked_to_end() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _log() -> Any:
    """The logger. Imported when something fails: `tocsin up` supervises as well, and would wait for it at each start."""
    import structlog

    return structlog.get_logger(__name__)
