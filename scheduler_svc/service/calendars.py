"""Calendars that triggers share: each alarm holds a copy of what its calendars say, which is made anew when one changes.

So a rule stays a function of its stored trigger alone, for the engine, the audit and whoever computes offline, and what was in force at any
time is in the record of rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from scheduler_svc.domain import (
    CalendarChanged,
    CalendarInUse,
    CalendarNotFound,
    Refreshed,
    SharedCalendar,
    check_calendar,
    refreshed,
    with_copies,
)
from scheduler_svc.ports import CalendarStore, Hints
from scheduler_svc.service.cooperative import CooperativeYield
from tocsin.background import Background
from tocsin.clock import MINUTE, Clock
from tocsin.errors import TocsinError
from tocsin.recurrence import Micros, Trigger
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

MOST_CALENDARS: Final = 500
_PAGE: Final = 200
_NAMED: Final = 10
_ROUND_SECONDS: Final = 30.0
_OVERLAP: Final[Micros] = 10 * MINUTE
"""So long ago a calendar may have changed whose older copy is stored only now, or whose alarms had to wait."""


class CalendarRefresher:
    """Makes the copies of calendars in alarms anew; a component.

    It looks at the tenants whose calendars changed lately, every 30 seconds and at once after a change: also an alarm that was made with a
    copy which was old already, or that waited until it had fired, gets its turn. The first round looks at all of them.
    """

    def __init__(self, *, store: CalendarStore, hints: Hints, clock: Clock) -> None:
        self._store = store
        self._hints = hints
        self._clock = clock
        self._wake = Wake(clock)
        self._loops = Background(clock)
        self._since: Micros = 0

    async def start(self) -> None:
        """Looks at once."""
        if not self._loops.running:
            self._loops.periodic("calendars", _ROUND_SECONDS, self.round, wake=self._wake, vital=False)

    async def stop(self) -> None:
        """Stops in the middle of a round: what is left is done after the next start. May be called twice."""
        await self._loops.stop()

    def changed(self) -> None:
        """A calendar has changed."""
        self._wake.set()

    async def round(self) -> int:
        """Goes through the alarms of the tenants whose calendars changed lately; how many got another copy."""
        begun = self._clock.micros()
        done = sum([await self.refresh(tenant) for tenant in await self._store.changed_since(self._since)])
        self._since = begun - _OVERLAP
        return done

    async def refresh(self, tenant: str) -> int:
        """Goes through the tenant's alarms that use calendars; how many got another copy."""
        calendars = {found.id: found for found in await self._store.page(tenant, after="", size=MOST_CALENDARS)}
        after, done, checkpoint = "", 0, CooperativeYield(self._clock)
        while page := await self._store.using(tenant, after=after, size=_PAGE):
            after, batch, now = page[-1].id, list[Refreshed](), self._clock.micros()
            for alarm in page:
                await checkpoint(4)
                try:
                    found = refreshed(alarm, calendars, now=now)
                except TocsinError as error:
                    _log.warning("alarm keeps the older copy of a calendar", alarm=alarm.id, error=error.message)
                    continue
                batch += [found] if found is not None else []
            changed = await self._store.refresh(batch, now=now) if batch else []
            for alarm in changed:
                await self._hints.scheduled(alarm)
            done += len(changed)
        return done


class Calendars:
    """Calendars of the caller's tenant."""

    def __init__(self, *, store: CalendarStore, refresher: CalendarRefresher, clock: Clock) -> None:
        self._store = store
        self._refresher = refresher
        self._clock = clock

    async def create(self, calendar: SharedCalendar) -> SharedCalendar:
        """Makes a calendar.

        Raises:
            InvalidInput: no trigger could use it.
            CalendarExists: the tenant has one of that id.
            CalendarInUse: the tenant has as many as it may.
        """
        check_calendar(calendar)
        if len(await self._store.page(calendar.tenant, after="", size=MOST_CALENDARS)) >= MOST_CALENDARS:
            raise CalendarInUse(f"A tenant has {MOST_CALENDARS} calendars at most")
        now = self._clock.micros()
        made = replace(calendar, version=1, created=now, updated=now)
        await self._store.create(made)
        return made

    async def get(self, tenant: str, calendar: str) -> SharedCalendar:
        """A calendar.

        Raises:
            CalendarNotFound: there is none.
        """
        found = await self._store.by_ids(tenant, [calendar])
        if not found:
            raise CalendarNotFound
        return found[calendar]

    async def page(self, tenant: str, *, after: str, size: int) -> list[SharedCalendar]:
        """The tenant's calendars with ids above ``after``, by id."""
        return await self._store.page(tenant, after=after, size=size)

    async def update(self, tenant: str, calendar: str, *, etag: str, change: Callable[[SharedCalendar], SharedCalendar]) -> SharedCalendar:
        """Changes a calendar to what ``change`` makes of it; the alarms that use it follow within moments.

        Raises:
            CalendarNotFound: there is none.
            CalendarChanged: it is not the version ``etag`` any more.
            InvalidInput: no trigger could use it then.
        """

        def revise(stored: SharedCalendar) -> SharedCalendar:
            if etag and etag != str(stored.version):
                raise CalendarChanged
            changed = change(stored)
            check_calendar(changed)
            return replace(changed, version=stored.version + 1, updated=self._clock.micros())

        revised = await self._store.revise(tenant, calendar, revise)
        self._refresher.changed()
        return revised

    async def delete(self, tenant: str, calendar: str, *, etag: str) -> None:
        """Removes a calendar that nobody uses.

        Raises:
            CalendarNotFound: there is none.
            CalendarChanged: it is not the version ``etag`` any more.
            CalendarInUse: alarms use it; the error names some.
        """
        await self.get(tenant, calendar)
        users = await self._users(tenant, calendar)
        if users:
            more = ", and others" if len(users) > _NAMED else ""
            named = ", ".join(f"alarms/{alarm}" for alarm in users[:_NAMED])
            raise CalendarInUse(f"calendars/{calendar} is used by {named}{more}")
        await self._store.delete(tenant, calendar, version=int(etag) if etag.isdecimal() else None if not etag else -1)

    async def with_copies(self, tenant: str, trigger: Trigger) -> Trigger:
        """The trigger with a copy of what its calendars say now.

        Raises:
            InvalidInput: one is not there.
        """
        if not trigger.calendars:
            return trigger
        return with_copies(trigger, await self._store.by_ids(tenant, {use.id for use in trigger.calendars}))

    async def known(self, tenant: str) -> dict[str, SharedCalendar]:
        """All calendars of the tenant, by id."""
        return {found.id: found for found in await self._store.page(tenant, after="", size=MOST_CALENDARS)}

    async def _users(self, tenant: str, calendar: str) -> Sequence[str]:
        """Ids of alarms that use a calendar: as many as are named, and one more."""
        after, found = "", list[str]()
        while len(found) <= _NAMED and (page := await self._store.using(tenant, after=after, size=_PAGE)):
            after = page[-1].id
            found += [alarm.id for alarm in page if any(use.id == calendar for use in alarm.trigger.calendars)]
        return found
