"""Whatever lives longer than a call stands here: it is kept going after a failure, and its failures are seen.

A component has a `Background` and starts its works on it. An exception that nobody expected is logged with its stack and counted, the work
begins again after a pause that doubles, and it is *failing* in the health of the service until it works. After `FAILURES_IN_A_ROW` of them
the process ends with an exit code that makes its supervisor start another one: what is broken in memory is whole after that. A
`TocsinError` says that something else is away; it is told, and tried again soon and for ever (docs/adr/0013).
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import structlog

from tocsin.clock import Clock
from tocsin.errors import TocsinError

FAILURES_IN_A_ROW: Final = 10
"""Unexpected failures of one work, without success between them, after which the process ends."""
STEADY_SECONDS: Final = 10.0
"""A work that ran for so long since it began again is taken to be well, if it does not say so itself before."""

_INTERRUPTED_SECONDS: Final = 0.25
_FIRST_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 5.0
_LONGEST_OPTIONAL_SECONDS: Final = 60.0
_CANCEL_AGAIN_SECONDS: Final = 0.5

T = TypeVar("T")
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class WorkEnded(RuntimeError):
    """A work that should go on for ever has returned."""


class BackgroundFailed(RuntimeError):
    """A work has failed too often; the process is of no more use."""


class Wake:
    """A bell that a work waits for, or for some time to pass."""

    __slots__ = ("_clock", "_event")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()

    def set(self) -> None:
        """Rings; one that waits later hears it, too."""
        self._event.set()

    async def wait(self, seconds: float | None) -> None:
        """Returns when it rings, or after ``seconds`` of the clock; None: only when it rings."""
        if self._event.is_set() or (seconds is not None and seconds <= 0):
            await asyncio.sleep(0)
        elif seconds is None:
            await self._event.wait()
        else:
            await self._first(seconds)
        self._event.clear()

    async def _first(self, seconds: float) -> None:
        tasks = [asyncio.ensure_future(self._event.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


@dataclass(slots=True, eq=False)
class Work:
    """One work of a `Background`.

    Attributes:
        name: for people, logs and metrics; several may share one.
        run: begins it; None for one that ends by itself.
        vital: whether the process is of no use without it.
        patient: only its own word shows that it is well, not that it runs for some time.
        failures: unexpected ones in a row.
        reason: why it does not work; empty while it does.
        since: when it began, or last faltered, on the monotonic clock; infinite while it waits for a new beginning.
        task: the run under way.
    """

    name: str
    run: Callable[[], Awaitable[object]] | None
    vital: bool = True
    patient: bool = False
    failures: int = 0
    reason: str = ""
    since: float = math.inf
    task: "asyncio.Task[None] | None" = None

    def steady(self, now: float) -> bool:
        """Whether it works as far as one can see."""
        return not self.reason or (not self.patient and now - self.since >= STEADY_SECONDS)

    def worked(self) -> None:
        """It got through."""
        self.failures, self.reason = 0, ""


class FailureMeter(Protocol):
    """Counts unexpected failures."""

    def known(self, name: str) -> None:
        """There is such a work: its count is 0 from now on."""
        ...

    def failed(self, name: str) -> None:
        """One more."""
        ...


class Backgrounds:
    """All works of one process, as its health, its metrics and its lifecycle see them."""

    def __init__(self, meter: FailureMeter | None = None) -> None:
        self._meter = meter
        self._parts: list[Background] = []
        self._failed: str | None = None
        self._ended = asyncio.Event()

    @property
    def works(self) -> list[Work]:
        """Those that go on until they are stopped."""
        return [work for part in self._parts for work in part.works]

    @property
    def failing(self) -> Mapping[str, str]:
        """Why works do not work, by name."""
        return {name: reason for part in self._parts for name, reason in part.failing.items()}

    @contextmanager
    def gathering(self) -> Generator[None]:
        """Every `Background` whose first work starts within the block, or within a work of such a one, belongs here."""
        self._failed, self._ended = None, asyncio.Event()
        token = _gathering.set(self)
        try:
            yield
        finally:
            _gathering.reset(token)

    def add(self, part: "Background", name: str) -> None:
        """``part`` has a work of that name now."""
        if part not in self._parts:
            self._parts.append(part)
        if self._meter is not None:
            self._meter.known(name)

    def remove(self, part: "Background") -> None:
        """``part`` has none any more."""
        if part in self._parts:
            self._parts.remove(part)

    def count(self, name: str) -> None:
        """A work of that name has failed unexpectedly."""
        if self._meter is not None:
            self._meter.failed(name)

    def give_up(self, words: str) -> None:
        """Ends the process, for the reason given."""
        self._failed = self._failed or words
        self._ended.set()

    async def ended(self) -> None:
        """Waits until a work has failed too often.

        Raises:
            BackgroundFailed: it has.
        """
        await self._ended.wait()
        raise BackgroundFailed(self._failed)


_gathering: ContextVar[Backgrounds | None] = ContextVar("backgrounds", default=None)
_working: ContextVar[Work | None] = ContextVar("background_work", default=None)


class Background:
    """The works of one component. They begin with its start, end with its stop, and inherit no call's context."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._house: Backgrounds | None = None
        self._works: dict[asyncio.Task[Any], Work] = {}
        self._passing: set[asyncio.Task[Any]] = set()
        self._stopping = False

    @property
    def running(self) -> bool:
        """Whether works were started and not stopped."""
        return bool(self._works)

    @property
    def works(self) -> list[Work]:
        """Those that go on until `stop`."""
        return list(self._works.values())

    @property
    def failing(self) -> dict[str, str]:
        """Why works do not work, by name."""
        now = self._clock.monotonic()
        return {work.name: work.reason for work in self._works.values() if not work.steady(now)}

    def supervised(self, name: str, run: Callable[[], Awaitable[object]], *, vital: bool = True) -> asyncio.Task[None]:
        """Keeps ``run`` running until `stop`; its return is a failure as well.

        Args:
            name: in logs, metrics and health.
            run: the work; it may say `worked` when it gets through something.
            vital: False for what others do well without: then the process lives on however often it fails.
        """
        return self._begin(Work(name, run, vital=vital))

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
        """Does ``run`` again and again until `stop`, after ``seconds`` or when ``wake`` rings.

        Args:
            name: in logs, metrics and health.
            seconds: between the end of a round and the next, or what tells it; None: as long as it takes.
            run: one round.
            wake: calls for a round before its time.
            at_once: whether the first round waits for nothing.
            vital: as in `supervised`.
        """
        bell = wake or Wake(self._clock)
        first = not at_once

        async def rounds() -> None:
            nonlocal first
            waits, first = first, False  # what begins anew has waited already: the pause after a failure
            while True:
                if waits:
                    await bell.wait(seconds() if callable(seconds) else seconds)
                await run()
                worked()
                waits = True

        return self._begin(Work(name, rounds, vital=vital, patient=True))

    def woken(self, name: str, wake: Wake, run: Callable[[], Awaitable[object]], *, vital: bool = True) -> asyncio.Task[None]:
        """Does ``run`` whenever ``wake`` rings, until `stop`."""
        return self.periodic(name, None, run, wake=wake, at_once=False, vital=vital)

    def once(self, name: str, run: Callable[[], Coroutine[Any, Any, T]]) -> "asyncio.Task[T]":
        """Does ``run`` to its end, beside the calls. Errors are for whoever awaits the task; unexpected ones are logged and counted."""
        work = Work(name, None)
        task = asyncio.get_running_loop().create_task(self._see_through(name, run), name=name, context=self._context(work))
        self._passing.add(task)
        task.add_done_callback(self._passed)
        return task

    def give_up(self, words: str) -> None:
        """Ends the process: what ended here cannot be begun again."""
        if self._house is not None:
            self._house.give_up(words)

    async def stop(self, *, grace_seconds: float = 0.0) -> None:
        """Ends all works, one that loses its cancellation as well; those that return within the grace are not cut off. May be repeated."""
        tasks = [*self._works, *self._passing]
        self._works.clear()
        if self._house is not None:
            self._house.remove(self)
        self._stopping = True
        if tasks and grace_seconds:
            await asyncio.wait(tasks, timeout=grace_seconds)
        await end(*tasks)
        self._stopping = False

    def _begin(self, work: Work) -> asyncio.Task[None]:
        context = self._context(work)
        task = asyncio.get_running_loop().create_task(self._keep(work), name=work.name, context=context)
        self._works[task] = work
        if self._house is not None:
            self._house.add(self, work.name)
        task.add_done_callback(lambda ended: self._works.pop(ended, None))
        return task

    def _context(self, work: Work) -> Context:
        """An empty one: what it does belongs to no call. Works that it starts belong where it belongs."""
        self._house = _gathering.get() or self._house
        context = Context()
        context.run(_gathering.set, self._house)
        context.run(_working.set, work)
        return context

    def _passed(self, task: "asyncio.Task[Any]") -> None:
        self._passing.discard(task)
        if not task.cancelled():
            task.exception()  # it was told: asyncio need not tell it again when nobody awaits it

    async def _see_through(self, name: str, run: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await run()
        except (TocsinError, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            self._tell(name, error, failures=1)
            if isinstance(error, Exception):
                raise
            raise WorkEnded(type(error).__name__) from error  # one that asyncio would carry out of its loop

    async def _keep(self, work: Work) -> None:
        assert work.run is not None  # noqa: S101  said by its type where it is begun
        while True:
            work.since = self._clock.monotonic()
            try:
                # A task of its own: so a stray cancellation within it is told from an end that was asked for.
                work.task = asyncio.get_running_loop().create_task(_awaited(work.run), name=work.name)
                await work.task
                if self._stopping:
                    return
                raise WorkEnded(work.name)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  whatever it is, what stands here must go on
                if _asked_to_end():
                    raise asyncio.CancelledError from None
                pause = self._interrupted(work, error) if isinstance(error, TocsinError) else self._failed(work, error)
            work.since = math.inf
            await self._clock.sleep(pause)

    def _interrupted(self, work: Work, error: TocsinError) -> float:
        """Notes that something else is away; seconds until the next beginning."""
        if not work.reason:
            with suppress(Exception):  # a log that cannot be written ends nothing
                _log.warning("background interrupted", background=work.name, error=error.message)
        work.reason = error.message or type(error).__name__
        return _INTERRUPTED_SECONDS

    def _failed(self, work: Work, error: BaseException) -> float:
        """Notes an unexpected end; seconds until the next beginning."""
        lasted = self._clock.monotonic() - work.since
        work.failures = 1 if not work.patient and lasted >= STEADY_SECONDS else work.failures + 1
        work.reason = type(error).__name__
        self._tell(work.name, error, failures=work.failures)
        if work.vital and work.failures >= FAILURES_IN_A_ROW:
            self.give_up(f"background {work.name!r} failed {work.failures} times in a row, at last with {work.reason}")
        longest = _LONGEST_SECONDS if work.vital else _LONGEST_OPTIONAL_SECONDS
        pause = min(longest, _FIRST_SECONDS * 2.0 ** min(work.failures - 1, 20))
        return random.uniform(pause / 2, pause)  # noqa: S311  spreads load, guards nothing

    def _tell(self, name: str, error: BaseException, *, failures: int) -> None:
        with suppress(Exception):  # as above
            _log.error("background failed", background=name, failures=failures, exc_info=error)
        if self._house is not None:
            self._house.count(name)


def worked() -> None:
    """Says that the work which calls this got through something: what failed before is over."""
    work = _working.get()
    if work is not None:
        work.worked()


def faltered(reason: str, clock: Clock) -> None:
    """Says that the work which calls this does not get through, and deals with it by itself."""
    work = _working.get()
    if work is not None:
        work.reason, work.since = reason, clock.monotonic()


async def end(*tasks: "asyncio.Task[Any] | None") -> None:
    """Cancels tasks until they have ended: a library that waits by `asyncio.wait_for` can lose a cancellation."""
    while pending := [task for task in tasks if task is not None and not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)


async def _awaited(run: Callable[[], Awaitable[object]]) -> None:
    try:
        await run()
    except (SystemExit, KeyboardInterrupt) as error:
        # asyncio would carry it out of its loop, and end the process without a word.
        raise WorkEnded(type(error).__name__) from error


def _asked_to_end() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
