"""Housekeeping in the background: remove old ledger rows and remembered requests, refresh counts."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from scheduler_svc.ports import CountSink, HousekeepingStore
from tocsin.archive.archiver import Archiver
from tocsin.background import Background
from tocsin.clock import DAY, Clock
from tocsin.errors import Aborted, TocsinError, Unavailable
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_STEP: Final = 500
_PAUSE_SECONDS: Final = 0.05
_MONTH_DAYS: Final = 31
_COUNT_SHARE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class HousekeepingOptions:
    """How long things are kept.

    Attributes:
        interval_seconds: between two rounds.
        ledger_days: finished firings, and pings that are kept; 0 keeps them for ever.
        incident_days: incidents that are over, with their alerts and timelines, and silences; 0 keeps them for ever.
        request_days: request ids of creates.
        inbound_days: entries of the log of what came from outside.
    """

    interval_seconds: float
    ledger_days: float
    incident_days: float
    request_days: float
    inbound_days: float


class Housekeeper:
    """Runs the rounds; a component."""

    def __init__(
        self, *, store: HousekeepingStore, sink: CountSink, clock: Clock, options: HousekeepingOptions, archiver: Archiver | None = None
    ) -> None:
        """Does nothing yet; ``archiver`` moves finished firings out of the ledger that otherwise would be removed."""
        self._store = store
        self._sink = sink
        self._clock = clock
        self._options = options
        self._loops = Background(clock)
        self._count_again = float("-inf")
        self._archiver = archiver

    async def start(self) -> None:
        """Puts the order of changes right, then begins.

        Raises:
            ArchiveNotPossible: what writes the archive is not installed.
        """
        if not self._loops.running:
            if self._archiver is not None:
                self._archiver.require()
            await self._store.settle()
            await self._unless_busy(self._make_room)
            self._loops.periodic("housekeeping", self._options.interval_seconds, self.round, vital=False)

    async def stop(self) -> None:
        """Stops in the middle of a round, which the next start does again; may be called twice."""
        await self._loops.stop()

    async def round(self) -> None:
        """One round. A step that fails holds up none of the others.

        Raises:
            ExceptionGroup: what nobody expected of the steps.
            TocsinError: what the first step met whose neighbour is away, when there is nothing worse.
        """
        errors: list[Exception] = []
        for step in self._round():
            try:
                await step
            except Exception as error:  # noqa: BLE001  raised below, when every step has had its turn
                errors.append(error)
        if unexpected := [error for error in errors if not isinstance(error, TocsinError)]:
            msg = "housekeeping"
            raise ExceptionGroup(msg, unexpected)
        if errors:
            raise errors[0]

    def _round(self) -> Iterator[Coroutine[Any, Any, None]]:
        store, options = self._store, self._options
        yield self._count()
        yield self._settle()
        yield self._unless_busy(self._make_room)
        if options.ledger_days:
            yield self._unless_busy(self._forget_ledger)
            yield self._forget(store.forget_changes, options.ledger_days)
            yield self._forget(store.forget_rules, options.ledger_days)
            yield self._forget(store.forget_replans, options.ledger_days)
        if options.incident_days:
            yield self._forget(store.forget_incidents, options.incident_days)
            yield self._forget(store.forget_silences, options.incident_days)
        yield self._forget(store.forget_requests, options.request_days)
        yield self._forget(store.forget_inbound, options.inbound_days)
        if options.ledger_days:
            yield self._forget(store.forget_pings, options.ledger_days)
        yield self._complete_listeners()

    async def _settle(self) -> None:
        await self._store.settle()

    async def _complete_listeners(self) -> None:
        while await self._store.complete_listeners(now=self._clock.micros(), most=_STEP) >= _STEP:
            await self._clock.sleep(_PAUSE_SECONDS)

    async def _count(self) -> None:
        """Counting reads an entry of every alarm: a hundredth of the time at most goes into it."""
        begun = self._clock.monotonic()
        if begun >= self._count_again:
            self._sink.counted(await self._store.count_alarms())
            self._sink.incidents_counted(await self._store.count_incidents())
            now = self._clock.monotonic()
            self._count_again = now + _COUNT_SHARE * (now - begun)

    async def _make_room(self) -> None:
        await self._store.make_room(now=self._clock.micros())

    async def _forget_ledger(self) -> None:
        """Whole months at once; in steps what is left over of them. What is kept for less than a month does not wait for the end of one."""
        before = self._before(self._options.ledger_days)
        if self._archiver is not None:
            await self._archiver.round(before=before)
            await self._store.forget_months(before=before, emptied=True)
            return
        left = await self._store.forget_months(before=before)
        await self._steps(self._store.forget_firings, before if self._options.ledger_days < _MONTH_DAYS else left)

    async def _unless_busy(self, step: Callable[[], Awaitable[None]]) -> None:
        """What waits for nobody gives up when others are at work, and is done in a later round."""
        try:
            await step()
        except (Aborted, Unavailable) as error:
            _log.warning("housekeeping interrupted", error=error.message)

    def _before(self, days: float) -> Micros:
        return self._clock.micros() - round(days * DAY)

    async def _forget(self, forget: "Forget", days: float) -> None:
        await self._steps(forget, self._before(days))

    async def _steps(self, forget: "Forget", before: Micros) -> None:
        """In small steps with pauses, so that the hot path is never held up."""
        while await forget(before=before, most=_STEP) >= _STEP:
            await self._clock.sleep(_PAUSE_SECONDS)


class Forget(Protocol):
    """Removes some of what is older."""

    def __call__(self, *, before: Micros, most: int) -> Awaitable[int]:
        """How many were removed."""
        ...
