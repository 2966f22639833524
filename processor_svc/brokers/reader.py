"""Reads one source for as long as the process lives: at least once to the scheduler, which knows an event again by its id."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from ulid import ULID

from processor_svc.brokers.events import Unfit, event_of
from processor_svc.brokers.kinds import BATCH
from processor_svc.brokers.messages import SourceMessage, SourceStream
from processor_svc.brokers.spec import SourceSpec
from processor_svc.domain import SourceEvent
from processor_svc.ports import EventSink
from tocsin.background import Background, report_progress, report_stall
from tocsin.clock import Clock
from tocsin.errors import (
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    Internal,
    InvalidInput,
    NotFound,
    OutOfRange,
    TocsinError,
    Unimplemented,
)
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 15.0
_TRIES: Final = 5
"""Answers of the scheduler that something is wrong in itself, after which the message is the cause."""
_REFUSED: Final = (InvalidInput, FailedPrecondition, NotFound, AlreadyExists, OutOfRange, Unimplemented)
_FAILED: Final = (Internal, DataLoss)
EVENT, DUPLICATE, DEAD, DROPPED = "event", "duplicate", "dead", "dropped"
ENDS: Final = (EVENT, DUPLICATE, DEAD, DROPPED)
"""What becomes of a message: dropped are those that cannot be events, and that the broker did not take among the dead."""


class SourceMeter(Protocol):
    """Counts what becomes of messages."""

    def taken(self, source: str, end: str) -> None:
        """One message of a source came to this end, one of `ENDS`."""
        ...


class SourceReader:
    """Reads a source; a component. What it cannot read it buries; while the scheduler is away it waits."""

    def __init__(
        self,
        spec: SourceSpec,
        *,
        make: Callable[[], SourceStream],
        events: EventSink,
        meter: SourceMeter,
        clock: Clock,
    ) -> None:
        """Connects to nothing yet.

        Args:
            spec: what is read.
            make: gives a new connection.
            events: takes the events.
            meter: counts.
            clock: paces repetitions.
        """
        self.spec = spec
        self.connected = False
        self._make = make
        self._events = events
        self._meter = meter
        self._clock = clock
        self._background = Background(clock)

    async def start(self) -> None:
        """Reads from now on."""
        if not self._background.running:
            self._background.supervised(f"source {self.spec.name}", self._read, vital=False)

    async def stop(self) -> None:
        """Reads no more; what is not done comes again."""
        await self._background.stop()

    @property
    def fault(self) -> str:
        """Why nothing comes; empty while it works."""
        return next(iter(self._background.failing.values()), "")

    async def _read(self) -> None:
        stream = self._make()
        try:
            await stream.open()
            self.connected = True
            while True:
                messages = await stream.take(BATCH)
                if messages:
                    await self._publish(stream, messages)
                report_progress()
        finally:
            self.connected = False
            await stream.close()

    async def _publish(self, stream: SourceStream, messages: Sequence[SourceMessage]) -> None:
        """Brings each message to its end, and then says so to the broker: not before, for what it forgets nobody has any more."""
        ends = await asyncio.gather(*(self._end_of(message) for message in messages))
        for message, (end, reason) in zip(messages, ends, strict=True):
            self._meter.taken(self.spec.name, end if not reason else await self._bury(stream, message, reason))
        await stream.done(messages)

    async def _bury(self, stream: SourceStream, message: SourceMessage, reason: str) -> str:
        buried = await stream.bury(message, reason)
        _log.warning("message refused", source=self.spec.name, message=message.id[:200], reason=reason, kept=buried)
        return DEAD if buried else DROPPED

    async def _end_of(self, message: SourceMessage) -> tuple[str, str]:
        """What became of it, and why it is no event if so."""
        try:
            event = event_of(self.spec, message)
        except Unfit as error:
            return DEAD, f"{error}"
        if not event.id:  # each time that it comes is another event, but each try of this time is the same
            event = replace(event, id=f"{self.spec.name}/{ULID()}")
        wait, failures = _FIRST_WAIT, 0
        while True:
            try:
                return (DUPLICATE if await self._events.publish(self.spec.tenant, event) else EVENT), ""
            except _REFUSED as error:
                return DEAD, error.message or type(error).__name__
            except TocsinError as error:
                failures += isinstance(error, _FAILED)
                if failures >= _TRIES:
                    return DEAD, error.message or type(error).__name__
                wait = await self._wait(event, error, wait)

    async def _wait(self, event: SourceEvent, error: TocsinError, wait: float) -> float:
        """Waits until another try makes sense; the wait after it."""
        if wait == _FIRST_WAIT:
            _log.info("event waits", source=self.spec.name, topic=event.topic, error=error.message)
        report_stall(f"the scheduler takes no events: {error.message}", self._clock)
        await self._clock.sleep(min(max(wait, error.retry_after or 0.0), _LONGEST_WAIT))
        return min(wait * 2, _LONGEST_WAIT)
