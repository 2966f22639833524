"""Carries what waits to its service: one call after the other within a queue, several queues beside each other."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from gateway.metrics import SpoolMetrics
from gateway.ports import Unary
from gateway.spool.results import TRIES, ForwardResult, result_of
from gateway.spool.spool import Spool, is_anonymous
from gateway.spool.store import SetAsideCall, SpooledCall
from tocsin.background import Background, end, report_progress, report_stall
from tocsin.clock import Clock
from tocsin.errors import TocsinError, Unimplemented
from tocsin.mesh.context import acting_for, detached
from tocsin.telemetry import carry, get_logger

_log = get_logger(__name__)

_ABREAST: Final = 8
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_NOT_STORED_YET: Final = 0.05


class MethodUnknown(Unimplemented):
    """The contract has no such method: the call was accepted by another version of the gateway."""


@dataclass(slots=True)
class _Queue:
    """How the first call of a queue fares.

    Attributes:
        number: of the call.
        tries: that ended in a way that may be its own fault.
        wait: seconds until the next try, doubled with each.
        ready: when that may be, on the monotonic clock.
    """

    number: int = 0
    tries: int = 0
    wait: float = _FIRST_WAIT
    ready: float = 0.0


class Forwarder:
    """Empties the spool; a component."""

    def __init__(self, *, spool: Spool, unary: Callable[[str], Unary], clock: Clock, registry: CollectorRegistry) -> None:
        """Takes what it stands on.

        Args:
            spool: what waits.
            unary: gives the caller of an RPC.
            clock: source of time.
            registry: of the metrics.
        """
        self._spool = spool
        self._unary = unary
        self._clock = clock
        self._background = Background(clock)
        self._queues: dict[str, _Queue] = {}
        self._turn: list[str] = []
        self._running: dict[str, asyncio.Task[ForwardResult | None]] = {}
        self._writes: set[asyncio.Task[None]] = set()
        self._pause = 0.0
        self._away_until = 0.0
        self._metrics = SpoolMetrics(
            registry,
            depth=lambda: spool.depth,
            size=lambda: spool.state.waiting.bytes,
            oldest=lambda: spool.state.age,
            set_aside=lambda: spool.state.set_aside.calls,
        )

    async def start(self) -> None:
        """Begins with what an earlier start has left."""
        if not self._background.running:
            self._background.supervised("spool", self._run)

    async def stop(self) -> None:
        """Ends; what waits stays, and a call under way is made again: its identity makes that harmless."""
        await self._background.stop()
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while True:
                self._begin()
                await self._spool.news.wait(self._soonest())
                self._reap()
        finally:
            running, self._running = self._running, {}
            await end(*running.values())

    def _begin(self) -> None:
        """Begins with the queues whose turn it is; while the service is away with one, to see whether it still is."""
        waiting, now = set(self._spool.queues), self._clock.monotonic()
        self._queues = {name: self._queues.get(name) or _Queue() for name in waiting.union(self._running)}
        self._turn = [name for name in self._turn if name in waiting]
        self._turn += sorted(waiting.difference(self._turn))
        if now < self._away_until:
            return
        for name in tuple(self._turn):
            if len(self._running) >= (1 if self._pause else _ABREAST):
                return
            if name not in self._running and self._queues[name].ready <= now:
                self._turn.remove(name)
                self._turn.append(name)
                task = self._running[name] = asyncio.get_running_loop().create_task(self._forward(name), name=f"spool {name}")
                task.add_done_callback(lambda _: self._spool.news.set())

    def _soonest(self) -> float | None:
        """Seconds until a queue may begin; None when only news can change that."""
        ready = [queue.ready for name, queue in self._queues.items() if name not in self._running]
        if not ready or len(self._running) >= (1 if self._pause else _ABREAST):
            return None
        return max(0.0, max(self._away_until, min(ready)) - self._clock.monotonic())

    def _reap(self) -> None:
        """Looks at the queues that have come to an end for now.

        Raises:
            Exception: the spool itself cannot be read or written.
        """
        over = [(name, task) for name, task in self._running.items() if task.done()]
        for name, _ in over:
            del self._running[name]
        for _, task in over:
            if task.result() is ForwardResult.AWAY:
                self._pause = min(max(_FIRST_PAUSE, 2 * self._pause), _LONGEST_PAUSE)
                self._away_until = self._clock.monotonic() + self._pause
                report_stall("the target of the spooled calls is unavailable", self._clock)
            else:
                self._pause = self._away_until = 0.0
                report_progress()

    async def _forward(self, name: str) -> ForwardResult | None:
        """Makes the calls of a queue until one has to wait; how that ended, None when all are over."""
        queue, over = self._queues[name], list[SpooledCall]()
        entries = await self._spool.oldest(name)
        if not entries:
            queue.ready = self._clock.monotonic() + _NOT_STORED_YET
        try:
            for entry in entries:
                error = await self._call(entry)
                if error is None:
                    self._metrics.ended("done")
                    over.append(entry)
                elif not self._blames(queue, entry, error):
                    return result_of(error)
                elif is_anonymous(name):
                    self._metrics.ended("refused")  # what nobody answers for is not kept
                    over.append(entry)
                else:
                    await self._set_aside(entry, error, tries=max(1, queue.tries))
        finally:
            if over:
                await self._written(self._spool.done(over))
        return None

    def _blames(self, queue: _Queue, entry: SpooledCall, error: Exception) -> bool:
        """Whether the call has failed for good, so that the next one can go; otherwise its queue waits."""
        result = result_of(error)
        if result is ForwardResult.AWAY:
            return False
        if queue.number != entry.number:
            queue.number, queue.tries, queue.wait = entry.number, 0, _FIRST_WAIT
        queue.tries += result in TRIES
        if result is ForwardResult.REFUSED or (result in TRIES and queue.tries >= TRIES[result]):
            queue.number = 0
            return True
        _log.info("spooled call delayed", path=entry.path, tenant=entry.tenant, tries=queue.tries, error=type(error).__name__)
        queue.ready = self._clock.monotonic() + queue.wait
        queue.wait = min(2 * queue.wait, _LONGEST_WAIT)
        return False

    async def _set_aside(self, entry: SpooledCall, error: Exception, *, tries: int) -> None:
        reason = error.error_reason if isinstance(error, TocsinError) else type(error).__name__
        message = error.message if isinstance(error, TocsinError) else "Internal error."
        _log.warning("spooled call set aside", path=entry.path, tenant=entry.tenant, number=entry.number, reason=reason, error=message)
        self._metrics.ended("set_aside")
        aside = SetAsideCall(entry, at=self._clock.micros(), tries=tries, reason=reason, message=message)
        await self._written(self._spool.set_aside(aside))

    async def _written(self, write: Coroutine[None, None, None]) -> None:
        """Waits for what is written about calls that are over; a stop waits for it, too."""
        task = asyncio.ensure_future(write)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        await asyncio.shield(task)

    async def _call(self, entry: SpooledCall) -> Exception | None:
        """Makes one call; how it failed, if it did."""
        if entry.traceparent:
            carry(entry.traceparent)
        try:
            unary = self._unary(entry.path)
        except (LookupError, ValueError):
            return MethodUnknown(f"There is no method {entry.path}.")
        try:
            with acting_for(entry.tenant) if entry.tenant else detached():
                await unary(entry.request)
        except TocsinError as error:
            return error
        except Exception as error:  # noqa: BLE001  whatever one call does, those behind it go on
            _log.error("spooled call failed", path=entry.path, tenant=entry.tenant, exc_info=error)
            return error
        return None
