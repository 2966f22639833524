"""Many alarms at once, line by line: each is made, changed to what the line says, or left as it is when it says the same."""

import os
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from msgspec import structs

from scheduler_svc.domain import REQUESTED, Alarm, AlarmState, Draft, Finding, SharedCalendar, details, shard_of, ulid, with_copies
from scheduler_svc.ports import Hints, Imported, ImportedAlarm, ImportStore
from scheduler_svc.service.alarms import Caller, Place, apply_spec, first_or_none, new_alarm, not_moved
from scheduler_svc.service.checks import ActionChecks, refuse
from scheduler_svc.service.conflicts import retry_on_conflict
from tocsin.bisection import run_with_bisection
from tocsin.bulk.results import ImportResult, RecentKeys
from tocsin.clock import Clock
from tocsin.errors import Aborted, DataLoss, Internal, InvalidInput, ResourceExhausted, TocsinError, Unavailable
from tocsin.recurrence import At, Micros, Recurrence, Trigger, anchor_of, is_own, normalized

OffsetChooser = Callable[[str], Awaitable[Place]]
"""What chooses offsets for the alarms of a tenant."""

_NOT_OF_A_LINE: Final = (Unavailable, Aborted, DataLoss, Internal)
_REMEMBERED: Final = 4096
_RETRY_SECONDS: Final = 10.0
_NEARBY_KEYS: Final = 100_000
_ENDINGS: Final = tuple(ulid(number)[-2:] for number in range(1024))


class TooManyImports(ResourceExhausted):
    """This replica runs as many imports as it may."""


class Imports:
    """Imports of all tenants in this replica."""

    def __init__(
        self,
        *,
        store: ImportStore,
        hints: Hints,
        checks: ActionChecks,
        clock: Clock,
        most: int = 4,
        offset_chooser: OffsetChooser | None = None,
    ) -> None:
        """Takes the parts that it uses.

        Args:
            store: where alarms are kept.
            hints: told about what is committed.
            checks: judges actions.
            clock: source of time.
            most: imports at a time; each one takes a part of this process from whoever is waiting for an alarm.
            offset_chooser: what chooses offsets for a tenant's alarms; None: all have none.
        """
        self._offset_chooser = offset_chooser
        self._store = store
        self._hints = hints
        self._clock = clock
        self._checks = checks
        self._most = most
        self._running = 0
        self.draining = False

    def drain(self) -> None:
        """Asks every import to go on elsewhere."""
        self.draining = True

    @contextmanager
    def begin(self, caller: Caller, *, validate_only: bool, calendars: Mapping[str, SharedCalendar] | None = None) -> Generator["Import"]:
        """One import, while the context lasts; ``calendars`` are those of the tenant.

        Raises:
            TooManyImports: come back later.
        """
        if self._running >= self._most:
            raise TooManyImports(retry_after=_RETRY_SECONDS)
        self._running += 1
        try:
            yield Import(
                store=self._store,
                hints=self._hints,
                checks=self._checks,
                clock=self._clock,
                caller=caller,
                validate_only=validate_only,
                offset_chooser=self._offset_chooser,
                calendars=calendars or {},
            )
        finally:
            self._running -= 1


class Import:
    """One import of a tenant: batches of lines become alarms, and invalid lines are reported."""

    def __init__(
        self,
        *,
        store: ImportStore,
        hints: Hints,
        checks: ActionChecks,
        clock: Clock,
        caller: Caller,
        validate_only: bool,
        offset_chooser: OffsetChooser | None = None,
        calendars: Mapping[str, SharedCalendar] | None = None,
    ) -> None:
        self._offset_chooser = offset_chooser
        self._calendars = calendars or {}
        self._store = store
        self._hints = hints
        self._checks = checks
        self._clock = clock
        self._caller = caller
        self._validate_only = validate_only
        self._now: Micros = clock.micros()
        self._identity = 0
        self._run, self._beginning = -1, ""
        self._plans: dict[int, _Plan] = {}
        self._keys = RecentKeys(_NEARBY_KEYS)

    def begin_batch(self) -> None:
        """Sets the time of the alarms that come next."""
        self._now = self._clock.micros()

    def read(self, line: int, draft: Draft) -> ImportedAlarm:
        """The alarm that a line asks for, as if it were new; a trigger that no new alarm can have is judged when it is known which it is.

        Raises:
            InvalidInput: a line before it has the same key.
        """
        self._keys.add(draft.key, line)
        plan = self._plan(draft.trigger)
        if plan is None:
            return self._without_calendar(line, draft)
        if plan.trigger.calendars:
            draft = structs.replace(draft, trigger=plan.trigger)
        now, identity, state, refusal, due = self._now, self._new_id(), draft.state or AlarmState.ACTIVE, None, None
        if state is not AlarmState.COMPLETED:
            try:
                due = self._due(plan, seed=identity)
            except InvalidInput as error:
                refusal = error
        alarm = Alarm(
            plan.trigger,
            *details(draft),
            id=identity,
            tenant=self._caller.tenant,
            shard=shard_of(identity),
            anchor=anchor_of(plan.trigger, now=now),
            state=state,
            due=due,
            created=now,
            updated=now,
            traceparent=self._caller.traceparent,
            pause_reason=_pause_reason(draft),
            rule_since=now,
        )
        return ImportedAlarm(line, draft, alarm, plan.rule, refusal)

    def _without_calendar(self, line: int, draft: Draft) -> ImportedAlarm:
        """The alarm of a trigger that the calendar does not make due; it may get a key of its own."""
        identity, refusal = self._new_id(), None
        try:
            find = _none_left if draft.state is AlarmState.COMPLETED else first_or_none
            made = new_alarm(self._caller, draft, now=self._now, identity=identity, due=find)
        except InvalidInput as error:
            refusal = error
            made = new_alarm(self._caller, draft, now=self._now, identity=identity, due=_none_left)
        alarm = structs.replace(made, state=draft.state or AlarmState.ACTIVE, pause_reason=_pause_reason(draft))
        return ImportedAlarm(line, draft, alarm, alarm.trigger.encode(), refusal)

    async def commit(self, batch: Sequence[ImportedAlarm]) -> ImportResult[Finding]:
        """Makes and changes the alarms in one transaction.

        Raises:
            DatabaseUnavailable: nothing of the batch is committed, or nobody can know; the same lines may be imported again.
        """
        result = ImportResult[Finding]()
        if not batch:
            return result
        batch = await self._placed(await self._checked(batch, result))
        changed: list[Alarm] = []
        for wanted, stored in zip(batch, await self._put(batch), strict=True):
            if isinstance(stored, TocsinError):
                result.refused.append((wanted.line, stored))
            elif stored is None:
                result.unchanged += 1
            else:
                made = stored is wanted.alarm
                result.created += made
                result.updated += not made
                changed.append(stored)
        if not self._validate_only:
            await self._hints.scheduled_all(changed)
        return result

    async def _checked(self, batch: Sequence[ImportedAlarm], result: ImportResult[Finding]) -> Sequence[ImportedAlarm]:
        """The batch without the lines whose action cannot do what it shall."""
        good = list[ImportedAlarm]()
        findings = await self._checks.check(self._caller.tenant, [wanted.draft.action for wanted in batch])
        for wanted, found in zip(batch, findings, strict=True):
            try:
                refuse(found)
            except InvalidInput as error:
                result.refused.append((wanted.line, error))
            else:
                result.warnings += [(wanted.line, finding) for finding in found[:1]]
                good.append(wanted)
        return good

    async def _placed(self, batch: Sequence[ImportedAlarm]) -> Sequence[ImportedAlarm]:
        """The batch with an offset for each alarm that may be spread."""
        if self._offset_chooser is None or not any(wanted.alarm.trigger.spread for wanted in batch):
            return batch
        place, placed = await self._offset_chooser(self._caller.tenant), list[ImportedAlarm]()
        for wanted in batch:
            alarm = wanted.alarm
            if alarm.trigger.spread and alarm.due is not None and wanted.refusal is None:
                trigger = place(alarm.trigger, now=self._now, seed=alarm.id)
                due = first_or_none(trigger, now=self._now, seed=alarm.id)
                await self._clock.sleep(0)
                wanted = wanted._replace(alarm=structs.replace(alarm, trigger=trigger, due=due), rule=trigger.encode())
            placed.append(wanted)
        return placed

    async def _put(self, batch: Sequence[ImportedAlarm]) -> Sequence[Imported]:
        put = self._store.put

        async def transact(part: Sequence[ImportedAlarm]) -> Sequence[Imported]:
            return await retry_on_conflict(
                lambda: put(self._caller.tenant, part, revise=self._revise, now=self._now, dry=self._validate_only)
            )

        return [_of_line(found) for found in await run_with_bisection(transact, batch)]

    def _revise(self, stored: Alarm, wanted: ImportedAlarm) -> tuple[Alarm, bool] | None:
        """What a line makes of the alarm that has its key, and whether it gets another schedule; None when it says the same."""
        new, offset = wanted.alarm, wanted.alarm.trigger.spread_offset

        def place(trigger: Trigger, *, now: Micros, seed: str) -> Trigger:
            del now, seed
            return replace(trigger, spread_offset=offset)

        def due(trigger: Trigger, *, now: Micros, seed: str) -> Micros | None:
            cheap = not (trigger.excludes or isinstance(trigger.spec, Recurrence))
            if trigger.jitter or new.state is AlarmState.COMPLETED or cheap:
                return first_or_none(trigger, now=now, seed=seed)
            if wanted.refusal is not None:
                raise wanted.refusal
            return new.due  # it was found when the line was read: a transaction is no place to look for it

        changed, reschedule = apply_spec(self._caller, stored, wanted.draft, now=self._now, place=place, due=due)
        changed = structs.replace(changed, key=stored.key)
        if new.state is AlarmState.PAUSED and changed.state is AlarmState.ACTIVE:
            changed = structs.replace(changed, state=AlarmState.PAUSED, pause_reason=new.pause_reason)
        same = structs.replace(changed, version=stored.version, updated=stored.updated) == stored
        return None if same else (changed, reschedule)

    def _plan(self, asked: Trigger) -> "_Plan | None":
        """What alarms of this trigger share; None when something from outside makes them due."""
        known = self._plans.get(id(asked))
        if known is None:
            if not asked.calendar:
                return None
            copied = with_copies(asked, dict(self._calendars)) if asked.calendars else asked
            trigger = not_moved(normalized(copied, time_zone=self._caller.time_zone), now=self._now, seed="")
            own_due = bool(trigger.jitter) or is_own(trigger)
            known = _Plan(asked, trigger, trigger.encode(), own_due)
            if not isinstance(asked.spec, At):  # hardly any two of those are the same
                if len(self._plans) >= _REMEMBERED:
                    self._plans.clear()
                self._plans[id(asked)] = known
        return known

    def _due(self, plan: "_Plan", *, seed: str) -> Micros | None:
        """The first due time; it is the same for all alarms that are made before it, unless it is moved by jitter or counts from now."""
        if plan.due is None or plan.due <= self._now or plan.own_due:
            plan.due = first_or_none(plan.trigger, now=self._now, seed=seed)
        return plan.due

    def _new_id(self) -> str:
        """An id behind those before: what is read in the order of ids comes in the order of lines.

        Of 1024 ids in a row all but the last two digits are the same.
        """
        floor = (self._now // 1000) << 80
        if self._identity < floor:
            self._identity = floor | int.from_bytes(os.urandom(9))
        self._identity += 1
        run = self._identity >> 10
        if run != self._run:
            self._run, self._beginning = run, ulid(self._identity)[:-2]
        return self._beginning + _ENDINGS[self._identity & 1023]


@dataclass(slots=True)
class _Plan:
    """What alarms of one trigger share.

    Attributes:
        asked: the trigger as the lines have it; it stays, so that no other can have its identity.
        trigger: the one that the alarms get.
        rule: as it is stored.
        own_due: each alarm has a first due time of its own.
        due: the first due time that was found last.
    """

    asked: Trigger
    trigger: Trigger
    rule: str
    own_due: bool
    due: Micros | None = None


def _of_line(found: Imported | Exception) -> Imported:
    """What became of a line.

    Raises:
        Exception: the line is not to blame; the import ends.
    """
    if isinstance(found, Exception) and (not isinstance(found, TocsinError) or isinstance(found, _NOT_OF_A_LINE)):
        raise found
    return found


def _pause_reason(draft: Draft) -> str:
    return (draft.pause_reason or REQUESTED) if draft.state is AlarmState.PAUSED else ""


def _none_left(trigger: Trigger, *, now: Micros, seed: str) -> None:
    """No due time, of a trigger that is not asked."""
    del trigger, now, seed
