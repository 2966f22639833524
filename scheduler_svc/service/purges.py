"""Removes many alarms at once, by a filter."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from scheduler_svc.ports import AlarmHead, AlarmStore, Hints
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.conflicts import retry_on_conflict
from tocsin.clock import Clock
from tocsin.listing import Condition

_STEP: Final = 500
"""Alarms that one transaction removes, at most: whoever waits for an alarm waits for no more than that."""

_SAMPLE: Final = 100
_SECONDS: Final = 15.0
"""Half of the method's deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """What was removed.

    Attributes:
        count: alarms; those that would be removed where nothing was.
        sample: ids of some that would be removed.
        more: whether others may be left, because time was up or some were changed meanwhile.
    """

    count: int
    sample: Sequence[str] = ()
    more: bool = False


class Purges:
    """Removes what meets a filter, the newest first, in transactions of a bounded size."""

    def __init__(self, *, store: AlarmStore, hints: Hints, clock: Clock) -> None:
        """Takes where alarms are, who is told of those that are gone, and what measures time."""
        self._store = store
        self._hints = hints
        self._clock = clock

    async def purge(self, caller: Caller, *, conditions: Sequence[Condition], force: bool) -> Purge:
        """Removes the tenant's alarms that meet all conditions; without ``force`` it only counts them.

        What is committed stays: whoever was interrupted calls again.
        """
        count, changed, sample, end = 0, False, list[str](), self._clock.monotonic() + _SECONDS
        before: str | None = None
        while True:
            found, before = await self._store.heads(caller.tenant, conditions=conditions, before=before, size=_STEP)
            if force:
                gone = await self._remove(caller.tenant, found)
                count, changed = count + len(gone), changed or len(gone) < len(found)
            else:
                count += len(found)
                sample += [alarm.id for alarm in found[: _SAMPLE - len(sample)]]
            if before is None or self._clock.monotonic() >= end:
                return Purge(count=count, sample=sample, more=changed or before is not None)

    async def _remove(self, tenant: str, found: Sequence[AlarmHead]) -> Sequence[AlarmHead]:
        if not found:
            return found
        gone = await retry_on_conflict(partial(self._store.delete_all, tenant, found, now=self._clock.micros()))
        await self._hints.removed_all(tenant, gone)
        return gone
