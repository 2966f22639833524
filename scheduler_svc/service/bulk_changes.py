"""Removes, pauses or resumes many alarms at once, by a filter."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from scheduler_svc.domain import REQUESTED, AlarmState
from scheduler_svc.ports import AlarmHead, AlarmStore, Hints
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.conflicts import retry_on_conflict
from tocsin.clock import Clock
from tocsin.listing import Condition

_STEP: Final = 500
"""Alarms that one transaction changes, at most: whoever waits for an alarm waits for no more than that."""

_SAMPLE: Final = 100
_SECONDS: Final = 15.0
"""Half of the methods' deadline."""

_PAUSED: Final = Condition(field="state", operator="=", value=AlarmState.PAUSED.name)
_Change: TypeAlias = Callable[[str, Sequence[AlarmHead]], Awaitable[int]]
"""Changes alarms of a tenant in one transaction; how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkChange:
    """What was changed.

    Attributes:
        count: alarms; those that would be changed where nothing was.
        sample: ids of some that would be changed.
        more: whether others may be left, because time was up or some were changed meanwhile.
    """

    count: int
    sample: Sequence[str] = ()
    more: bool = False


class BulkChanges:
    """Changes what meets a filter, the newest first, in transactions of a bounded size.

    What is committed stays: whoever was interrupted calls again, and what is changed already is not counted once more.
    """

    def __init__(self, *, store: AlarmStore, hints: Hints, clock: Clock) -> None:
        """Takes where alarms are, who is told of those that changed, and what measures time."""
        self._store = store
        self._hints = hints
        self._clock = clock

    async def purge(self, caller: Caller, *, conditions: Sequence[Condition], force: bool) -> BulkChange:
        """Removes the tenant's alarms that meet all conditions; without ``force`` it only counts them."""
        return await self._sweep(caller.tenant, conditions, self._remove if force else None)

    async def pause(self, caller: Caller, *, conditions: Sequence[Condition], force: bool, reason: str = "") -> BulkChange:
        """Pauses the tenant's alarms that meet all conditions and are active, or wait for it; without ``force`` it only counts them."""
        return await self._sweep(caller.tenant, conditions, partial(self._pause, reason or REQUESTED) if force else None, pausable=True)

    async def resume(self, caller: Caller, *, conditions: Sequence[Condition], force: bool) -> BulkChange:
        """Resumes the tenant's paused alarms that meet all conditions; without ``force`` it only counts them."""
        return await self._sweep(caller.tenant, (*conditions, _PAUSED), self._resume if force else None)

    async def _sweep(self, tenant: str, conditions: Sequence[Condition], change: _Change | None, *, pausable: bool = False) -> BulkChange:
        count, missed, sample, end = 0, False, list[str](), self._clock.monotonic() + _SECONDS
        before: str | None = None
        while True:
            found, before = await self._store.heads(tenant, conditions=conditions, before=before, size=_STEP, pausable=pausable)
            if change is None:
                count += len(found)
                sample += [alarm.id for alarm in found[: _SAMPLE - len(sample)]]
            elif found:
                changed = await change(tenant, found)
                count, missed = count + changed, missed or changed < len(found)
            if before is None or self._clock.monotonic() >= end:
                return BulkChange(count=count, sample=sample, more=missed or before is not None)

    async def _remove(self, tenant: str, found: Sequence[AlarmHead]) -> int:
        gone = await retry_on_conflict(partial(self._store.delete_all, tenant, found, now=self._clock.micros()))
        await self._hints.removed_all(tenant, gone)
        return len(gone)

    async def _pause(self, reason: str, tenant: str, found: Sequence[AlarmHead]) -> int:
        paused = await retry_on_conflict(partial(self._store.pause_all, tenant, found, now=self._clock.micros(), reason=reason))
        await self._hints.removed_all(tenant, paused)
        return len(paused)

    async def _resume(self, tenant: str, found: Sequence[AlarmHead]) -> int:
        resumed = await retry_on_conflict(partial(self._store.resume_all, tenant, found, now=self._clock.micros()))
        await self._hints.moved_all(tenant, resumed)
        return len(resumed)
