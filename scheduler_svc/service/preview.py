"""What a trigger would do, without an alarm."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Final

from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.calendars import Calendars
from scheduler_svc.service.cooperative import CooperativeYield
from scheduler_svc.triggers import check_listening
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.recurrence import (
    At,
    Every,
    Micros,
    Shown,
    Trigger,
    anchor_of,
    checked_due,
    describe,
    normalized,
    rule_of,
    shown_of,
    zone,
)

_USUAL: Final = 10
_FEW: Final = 5
# Of those that do not fire: a rule of every second whose day is excluded has 86,400 of them.
_MOST_SILENT: Final = 1000
# Of one call, whatever it asks for: about a quarter of a second, in turns with whoever else has something to do.
_MOST_STEPS: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is thought of a trigger: what it means, or else what is wrong with it."""

    description: str = ""
    occurrences: tuple[Shown, ...] = ()
    refusal: InvalidInput | None = None


class Previews:
    """Answers about triggers of the caller's tenant."""

    def __init__(self, *, clock: Clock, calendars: Calendars) -> None:
        self._clock = clock
        self._calendars = calendars

    async def preview(self, caller: Caller, trigger: Trigger, *, start: Micros | None = None, count: int = 0) -> list[Shown]:
        """The first ``count`` due times, and what lies between them that does not fire, as if the alarm was made at ``start``.

        The jitter is left out: it belongs to an alarm that does not exist yet. A trigger that something from outside fires has none.

        Args:
            caller: whose time zone it is unless the trigger says another.
            trigger: the trigger.
            start: due times from here on; now unless given.
            count: how many; 10 unless given.

        Raises:
            InvalidInput: the trigger is not valid, means no due time at all, or takes too many steps.
        """
        trigger = await self._calendars.with_copies(caller.tenant, trigger)
        trigger = replace(normalized(trigger, time_zone=caller.time_zone), jitter=0)
        zone(trigger.time_zone)
        if not trigger.calendar:
            check_listening(trigger, now=self._clock.micros())
        shown = [item async for item in self._shown(trigger, start=start, count=count or _USUAL)]
        if not shown and trigger.calendar and (start is None or not isinstance(trigger.spec, At)):
            checked_due(trigger, now=self._clock.micros() if start is None else start)
        return shown

    async def validate(self, caller: Caller, trigger: Trigger) -> Verdict:
        """Whether an alarm could be made of the trigger now."""
        try:
            trigger = await self._calendars.with_copies(caller.tenant, trigger)
            trigger = normalized(trigger, time_zone=caller.time_zone)
            zone(trigger.time_zone)
            if trigger.calendar:
                checked_due(trigger, now=self._clock.micros())
            else:
                check_listening(trigger, now=self._clock.micros())
            shown = [item async for item in self._shown(replace(trigger, jitter=0), start=None, count=_FEW)]
            return Verdict(description=describe(trigger), occurrences=tuple(shown))
        except InvalidInput as error:
            return Verdict(refusal=error)

    async def _shown(self, trigger: Trigger, *, start: Micros | None, count: int) -> AsyncGenerator[Shown]:
        begin = self._clock.micros() if start is None else start
        checkpoint = CooperativeYield(self._clock, most=_MOST_STEPS)
        rule = rule_of(trigger, anchor=anchor_of(trigger, now=begin))
        counts_from_begin = isinstance(trigger.spec, Every) and trigger.start is None
        left = count if trigger.limit is None else min(count, trigger.limit)
        silent = _MOST_SILENT
        for found in rule.shown_after(begin if start is None or counts_from_begin else begin - 1):
            await checkpoint()
            yield shown_of(found, trigger.time_zone)
            left -= found.label.fires
            silent -= not found.label.fires
            if left <= 0 or silent <= 0:
                return
