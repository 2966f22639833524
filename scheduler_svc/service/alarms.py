"""Making, reading, changing and pausing alarms."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from msgspec import structs

from scheduler_svc.domain import (
    REQUESTED,
    SPEC_FIELDS,
    Alarm,
    AlarmChanged,
    AlarmCompleted,
    AlarmNotFound,
    AlarmState,
    Draft,
    details,
    new_id,
    shard_of,
)
from scheduler_svc.ports import AlarmStore, Hints, NewAlarm, Page
from scheduler_svc.service.calendars import Calendars
from scheduler_svc.service.checks import ActionChecks
from scheduler_svc.triggers import check_listening, deadline, initial_signal, with_ping_key
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.listing import Condition
from tocsin.recurrence import Micros, Trigger, anchor_of, checked_due, normalized, zone

_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the tenant, its time zone, and the trace of the request."""

    tenant: str
    time_zone: str = "UTC"
    traceparent: str = ""


class FindDue(Protocol):
    """Finds the first due time of a trigger, or refuses it."""

    def __call__(self, trigger: Trigger, *, now: Micros, seed: str) -> Micros | None:
        """The first due time of an alarm that is made at ``now``; ``seed`` is its id."""
        ...


class Place(Protocol):
    """Chooses the offset of a trigger that may be spread."""

    def __call__(self, trigger: Trigger, *, now: Micros, seed: str) -> Trigger:
        """The trigger with its offset, of an alarm that gets it at ``now``; ``seed`` is its id."""
        ...


Check = Callable[[Alarm], None]
"""Refuses an alarm by an error."""


def _unchecked(alarm: Alarm) -> None:
    del alarm


class Alarms:
    """Alarms of the caller's tenant."""

    def __init__(
        self,
        *,
        store: AlarmStore,
        create: Callable[[NewAlarm], Awaitable[Alarm]],
        hints: Hints,
        clock: Clock,
        offset_chooser: Callable[[str], Awaitable[Place]] | None = None,
        checks: ActionChecks,
        calendars: Calendars,
    ) -> None:
        """Takes the parts that it uses.

        Args:
            store: where alarms are kept.
            create: stores a new alarm together with others that are made at the same time.
            hints: told about every change that is committed.
            clock: source of time.
            offset_chooser: what chooses offsets for a tenant's alarms; None: all have none.
            checks: judges actions.
            calendars: what shared calendars say.
        """
        self._checks = checks
        self._calendars = calendars
        self._offset_chooser = offset_chooser
        self._store = store
        self._create = create
        self._hints = hints
        self._clock = clock

    async def create(self, caller: Caller, draft: Draft, *, request_id: str = "", digest: str = "", check: Check = _unchecked) -> Alarm:
        """Makes an alarm; it is committed when this returns.

        Args:
            caller: whose it is.
            draft: what it is.
            request_id: of the request; the same one makes one alarm.
            digest: tells requests of one request_id apart.
            check: may refuse it before it is committed.

        Raises:
            InvalidInput: the trigger is not valid, or means nothing that is still to come; or the action cannot do what it shall.
            RequestIdReused: the request_id was used for something else.
        """
        draft = await self._copied(caller, draft)
        now = self._clock.micros()
        made_now = new_alarm(caller, draft, now=now, identity=new_id(now), place=await self._place(caller, draft))
        alarm = turned(made_now, draft.state, now=now)
        warnings = await self._checks.require(caller.tenant, draft.action)
        check(structs.replace(alarm, warnings=warnings) if warnings else alarm)
        made = await self._create(NewAlarm(alarm=alarm, request_id=request_id, digest=digest if request_id else ""))
        if made.id == alarm.id:
            await self._hints.scheduled(made)
        return structs.replace(made, warnings=warnings) if warnings else made

    async def requested(self, caller: Caller, *, request_id: str, digest: str) -> Alarm | None:
        """The alarm that a request has made before, whatever would be said of that request now; None when it has made none.

        Raises:
            RequestIdReused: the request_id was used for something else.
            RequestedAlarmDeleted: the alarm is gone.
        """
        return await self._store.requested(caller.tenant, request_id, digest=digest) if request_id else None

    async def get(self, caller: Caller, alarm_id: str) -> Alarm:
        """The alarm.

        Raises:
            AlarmNotFound: the tenant has none of that id.
        """
        return await self._store.get(caller.tenant, alarm_id)

    async def page(self, caller: Caller, *, conditions: Sequence[Condition], before: str | None, size: int) -> Page:
        """The newest alarms that meet all conditions, with ids below ``before``."""
        return await self._store.page(caller.tenant, conditions=conditions, before=before, size=size)

    async def update(
        self, caller: Caller, alarm_id: str, *, etag: str, merge: Callable[[Alarm], Draft], check: Check = _unchecked
    ) -> Alarm:
        """Changes an alarm to what ``merge`` makes of it. A new trigger begins anew; the same one goes on as it was.

        Raises:
            AlarmNotFound: the tenant has none of that id.
            AlarmChanged: it is not the version ``etag`` any more, or keeps being changed.
            InvalidInput: see `create`.
        """
        for _ in range(_ATTEMPTS):
            stored = await self._store.get(caller.tenant, alarm_id)
            if etag and stored.etag != etag:
                raise AlarmChanged
            draft = await self._copied(caller, merge(stored))
            same = draft.action == stored.action and "action" not in stored.damaged
            warnings = () if same else await self._checks.require(caller.tenant, draft.action)
            place = await self._place(caller, draft)
            now = self._clock.micros()
            changed, reschedule = apply_spec(caller, stored, draft, now=now, place=place)
            asked = None if draft.state is stored.state else draft.state
            wanted = turned(changed, asked, now=now)
            check(wanted)
            after = await self._store.update(wanted, reschedule=reschedule, turned=wanted.state is not changed.state)
            if after is not None:
                await self._hints.scheduled(after)
                return structs.replace(after, warnings=warnings) if warnings else after
        raise AlarmChanged

    async def delete(self, caller: Caller, alarm_id: str, *, etag: str) -> None:
        """Removes an alarm.

        Raises:
            AlarmNotFound: the tenant has none of that id.
            AlarmChanged: it is not the version ``etag`` any more.
        """
        stored = await self._store.get(caller.tenant, alarm_id)
        if etag and stored.etag != etag:
            raise AlarmChanged
        if not await self._store.delete(caller.tenant, alarm_id, version=stored.version if etag else None, now=self._clock.micros()):
            raise AlarmChanged if etag else AlarmNotFound
        await self._hints.removed(stored)

    async def pause(self, caller: Caller, alarm_id: str, *, reason: str = "") -> Alarm:
        """Stops an alarm from firing; one that is paused stays so, with the reason that it has.

        Raises:
            AlarmNotFound: the tenant has none of that id.
            AlarmCompleted: it has no further due time.
        """
        paused = await self._store.pause(caller.tenant, alarm_id, now=self._clock.micros(), reason=reason or REQUESTED)
        return await self._told(caller, alarm_id, paused)

    async def resume(self, caller: Caller, alarm_id: str) -> Alarm:
        """Lets a paused alarm fire again, from its next due time on; one that is active stays so.

        Raises:
            AlarmNotFound: the tenant has none of that id.
            AlarmCompleted: it has no further due time.
        """
        resumed = await self._store.resume(caller.tenant, alarm_id, now=self._clock.micros())
        return await self._told(caller, alarm_id, resumed)

    async def _copied(self, caller: Caller, draft: Draft) -> Draft:
        """The draft with what the calendars of its trigger say."""
        if not draft.trigger.calendars:
            return draft
        return structs.replace(draft, trigger=await self._calendars.with_copies(caller.tenant, draft.trigger))

    async def _place(self, caller: Caller, draft: Draft) -> Place:
        if self._offset_chooser is None or not draft.trigger.spread or not draft.trigger.calendar:
            return not_moved
        return await self._offset_chooser(caller.tenant)

    async def _told(self, caller: Caller, alarm_id: str, changed: Alarm | None) -> Alarm:
        if changed is not None:
            await self._hints.scheduled(changed)
            return changed
        stored = await self._store.get(caller.tenant, alarm_id)
        if stored.state is AlarmState.COMPLETED:
            raise AlarmCompleted
        return stored


def not_moved(trigger: Trigger, *, now: Micros, seed: str) -> Trigger:
    """The trigger without an offset: a client cannot choose one."""
    del now, seed
    return replace(trigger, spread_offset=0) if trigger.spread_offset else trigger


def new_alarm(caller: Caller, draft: Draft, *, now: Micros, identity: str, due: FindDue | None = None, place: Place = not_moved) -> Alarm:
    """A new alarm as ``draft`` says it.

    Args:
        caller: whose it is.
        draft: what it is.
        now: when it is made.
        identity: its id.
        due: finds the first due time of its trigger; `first_or_none` unless given.
        place: chooses its offset.

    Raises:
        InvalidInput: see `Alarms.create`.
    """
    trigger, secret = with_ping_key(place(normalized(draft.trigger, time_zone=caller.time_zone), now=now, seed=identity))
    return Alarm(
        trigger,
        *details(draft),
        id=identity,
        tenant=caller.tenant,
        shard=shard_of(identity),
        anchor=anchor_of(trigger, now=now),
        due=(due or first_or_none)(trigger, now=now, seed=identity),
        created=now,
        updated=now,
        traceparent=caller.traceparent,
        rule_since=now,
        signal=initial_signal(trigger, now=now, secret=secret),
    )


def apply_spec(
    caller: Caller, stored: Alarm, draft: Draft, *, now: Micros, place: Place = not_moved, due: FindDue | None = None
) -> tuple[Alarm, bool]:
    """What ``draft`` makes of a stored alarm, and whether it gets another schedule: a new trigger begins anew, the same one goes on.

    ``place`` chooses the offset of a new one; the same one keeps its own. ``due`` finds its first due time.

    Raises:
        InvalidInput: see `Alarms.create`.
    """
    now += now == stored.rule_since  # the rules of an alarm are told apart by when they began
    kept = {"spread_offset": stored.trigger.spread_offset, "spent": stored.trigger.spent}
    asked = replace(normalized(draft.trigger, time_zone=caller.time_zone), **kept)
    trigger, secret = with_ping_key(
        asked if asked == stored.trigger else place(replace(asked, spent=0), now=now, seed=stored.id), before=stored.signal
    )
    said = zip(SPEC_FIELDS[1:], details(draft), strict=True)
    changed = structs.replace(stored, **dict(said), version=stored.version + 1, updated=now)
    if trigger == stored.trigger:
        return changed, False
    begun = structs.replace(
        changed,
        trigger=trigger,
        due=(due or first_or_none)(trigger, now=now, seed=stored.id),
        anchor=anchor_of(trigger, now=now),
        ordinal=0,
        skip_before=None,
        rule_since=now,
        signal=initial_signal(trigger, now=now, secret=secret),
        state=AlarmState.PAUSED if stored.state is AlarmState.PAUSED else AlarmState.ACTIVE,
    )
    return begun, True


def turned(alarm: Alarm, state: AlarmState | None, *, now: Micros) -> Alarm:
    """The alarm in the state that a client asks for; None: as it is.

    Raises:
        InvalidInput: nobody can ask for that state.
        AlarmCompleted: it has no further due time.
    """
    if state is None or state is alarm.state:
        return alarm
    if state is AlarmState.COMPLETED:
        raise InvalidInput.at("alarm.state", "cannot be COMPLETED by request: ask for ACTIVE or PAUSED")
    if alarm.state is AlarmState.COMPLETED:
        raise AlarmCompleted
    if state is AlarmState.PAUSED:
        return structs.replace(alarm, state=state, pause_reason=REQUESTED)
    return structs.replace(alarm, state=state, pause_reason="", failures=0, skip_before=now)


def first_or_none(trigger: Trigger, *, now: Micros, seed: str) -> Micros | None:
    """The first due time of a valid trigger; None when no calendar makes it due."""
    if trigger.calendar:
        return checked_due(trigger, now=now, seed=seed)
    zone(trigger.time_zone)
    check_listening(trigger, now=now)
    return deadline(trigger, seen=now)
