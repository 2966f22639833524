"""Backfill: the due times of a period that has passed, fired as far as the ledger does not have them.

A due time that is fired so is the occurrence itself, not one beside it: its id derives from the alarm and the due time as always, so asking
twice, or asking while the alarm is fired, fires nothing twice.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler_svc.domain import COUNTED, SERIAL, Alarm, Firing, FiringState, Origin, Outcome, firing_id, shard_of
from scheduler_svc.ports import AlarmStore, Hints, RuleInForce, Shards
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.audit.expected import ExpectedRows
from scheduler_svc.service.cooperative import CooperativeYield
from scheduler_svc.service.fire_quotas import FireQuotas
from tocsin.clock import DAY, Clock
from tocsin.errors import FailedPrecondition, InvalidInput, QuotaExceeded, TocsinError, Unavailable
from tocsin.recurrence import Daily, Every, Micros, Overlapping, compiled

_CHUNK: Final = 500
_QUOTA_SHARE: Final = 10
_MOST_SEEN: Final = 20_000
DEFAULT_LIMIT: Final = 1000


class NothingToBackfill(FailedPrecondition):
    """The alarm has no schedule to backfill: it is triggered by an event, a threshold or a heartbeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfilled:
    """How many due times were fired, how many the ledger had already, and the first one that was left; None when none was."""

    fired: int
    known: int
    next: Micros | None


class Backfills:
    """Backfills of the caller's tenant."""

    def __init__(
        self,
        *,
        alarms: AlarmStore,
        enqueue: Callable[[Sequence[Firing]], Awaitable[Sequence[Firing | TocsinError]]],
        shards: Shards,
        hints: Hints,
        fires: FireQuotas,
        clock: Clock,
        ledger_days: float,
    ) -> None:
        """Takes what it stands on.

        Args:
            alarms: where alarms are kept.
            enqueue: adds firings; answers with those that were there before.
            shards: what this replica owns.
            hints: told about every firing that is ready.
            fires: says how many firings a tenant may ask for.
            clock: source of time.
            ledger_days: how long the ledger keeps rows; 0: for ever.
        """
        self._alarms = alarms
        self._enqueue = enqueue
        self._shards = shards
        self._hints = hints
        self._fires = fires
        self._clock = clock
        self._ledger_days = ledger_days

    async def backfill(self, caller: Caller, alarm_id: str, *, start: Micros, end: Micros | None, limit: int) -> Backfilled:
        """Fires what is not in the ledger within [start, end), the oldest first, ``limit`` and the tenant's quota of fires at most.

        Raises:
            AlarmNotFound: the tenant has none of that id.
            NothingToBackfill: no calendar makes it due.
            InvalidInput: the period is empty, or older than the ledger.
            QuotaExceeded: the tenant has used up its fires of the minute, and nothing was fired.
            Unavailable: this replica owns no shard now.
        """
        alarm = await self._alarms.get(caller.tenant, alarm_id)
        if not alarm.trigger.calendar:
            raise NothingToBackfill
        now = self._clock.micros()
        last = now if end is None else min(end, now)
        if start >= last:
            raise InvalidInput.at("startTime", "must be before endTime and before now")
        if self._ledger_days and start < now - self._ledger_days * DAY:
            raise InvalidInput.at("startTime", f"is older than the ledger's retention of {self._ledger_days:g} days")
        return await self._fill(caller, alarm, self._due_times(alarm, start, last), limit or DEFAULT_LIMIT)

    async def _fill(self, caller: Caller, alarm: Alarm, due_times: AsyncGenerator[Micros], limit: int) -> Backfilled:
        fired = known = 0
        quota = self._fires.limit(caller.tenant)
        most = min(_CHUNK, max(1, quota // _QUOTA_SHARE)) if quota else _CHUNK
        due = await anext(due_times, None)
        while due is not None and fired < limit and fired + known < _MOST_SEEN:
            chunk = list[Micros]()
            while due is not None and len(chunk) < min(most, limit - fired):
                chunk.append(due)
                due = await anext(due_times, None)
            try:
                fired_now = await self._fire(caller, alarm, chunk)
            except QuotaExceeded:
                if not fired:
                    raise
                return Backfilled(fired=fired, known=known, next=chunk[0])
            fired, known = fired + fired_now, known + len(chunk) - fired_now
        return Backfilled(fired=fired, known=known, next=due)

    async def _due_times(self, alarm: Alarm, start: Micros, end: Micros) -> AsyncGenerator[Micros]:
        """What the rule means, in force or not: before the alarm had it as well. A count counts from when it had it."""
        trigger, checkpoint = alarm.trigger, CooperativeYield(self._clock)
        encoded = trigger.encode()
        expected = ExpectedRows.of(RuleInForce(alarm.id, alarm.rule_since, encoded, alarm.anchor, None, ended=False, fires=True))
        once = isinstance(trigger.spec, Daily) and not trigger.spec.recurring
        first = end if expected.first is None else min(expected.first, end)
        if not once:
            # What an interval counts from without a start is no due time.
            begin = max(start, alarm.anchor + 1) if isinstance(trigger.spec, Every) and trigger.start is None else start
            for occurrence in compiled(encoded, alarm.anchor, seed=alarm.id).rule.between(begin, first):
                yield occurrence.due
                await checkpoint()
        found, left = await expected.enter(max(start, first), checkpoint)
        for due, _ in expected.walk(found, left, end, overdue=end):
            yield due
            await checkpoint()

    async def _fire(self, caller: Caller, alarm: Alarm, due_times: Sequence[Micros]) -> int:
        """How many of the due times had no row."""
        firings = [self._firing(caller, alarm, due) for due in due_times]
        async with self._fires.asked_for(caller.tenant, len(firings)) as gone:
            answers = await self._enqueue(firings)
            gone += [firing for firing, stored in zip(firings, answers, strict=True) if stored is firing]
        for stored in answers:
            if isinstance(stored, TocsinError):
                raise stored
        for firing in gone:
            await self._hints.enqueued(firing)
        return len(gone)

    def _firing(self, caller: Caller, alarm: Alarm, due: Micros) -> Firing:
        now, held = self._clock.micros(), self._shards.held
        if not held:
            raise Unavailable("This replica owns no shards at the moment.", retry_after=1.0)
        identity = firing_id(alarm.id, due)
        # Where one must not run beside another, each waits for the one before: all of them were asked for.
        serial = alarm.trigger.overlap in (Overlapping.SKIP, Overlapping.QUEUE)
        return Firing(
            id=identity,
            tenant=alarm.tenant,
            alarm=alarm.id,
            shard=sorted(held)[shard_of(alarm.id) % len(held)],
            origin=Origin.BACKFILL,
            due=due,
            fired=now,
            outcome=Outcome.LATE,
            reason="BACKFILL",
            state=FiringState.PENDING,
            ready=now,
            priority=alarm.priority,
            action=alarm.action,
            retry="" if alarm.retry is None else alarm.retry.encode(),
            traceparent=caller.traceparent,
            flags=(SERIAL if serial else 0) | (COUNTED if alarm.auto_pause_after else 0),
        )
