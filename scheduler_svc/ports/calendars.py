"""Calendars that triggers share."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from scheduler_svc.domain import Alarm, Refreshed, SharedCalendar
from tocsin.recurrence import Micros


class CalendarStore(Protocol):
    """Calendars of all tenants, and the alarms that use them."""

    async def create(self, calendar: SharedCalendar) -> None:
        """Stores a new calendar.

        Raises:
            CalendarExists: the tenant has one of that id.
        """
        ...

    async def page(self, tenant: str, *, after: str, size: int) -> list[SharedCalendar]:
        """The tenant's calendars with ids above ``after``, by id."""
        ...

    async def by_ids(self, tenant: str, ids: Collection[str]) -> dict[str, SharedCalendar]:
        """Those of the calendars that are there."""
        ...

    async def revise(self, tenant: str, calendar: str, revise: Callable[[SharedCalendar], SharedCalendar]) -> SharedCalendar:
        """Stores what ``revise`` makes of a calendar.

        Raises:
            CalendarNotFound: there is none.
        """
        ...

    async def delete(self, tenant: str, calendar: str, *, version: int | None) -> None:
        """Removes a calendar, if it has that version; None: whichever it has.

        Raises:
            CalendarNotFound: there is none.
            CalendarChanged: it has another version.
        """
        ...

    async def using(self, tenant: str, *, after: str, size: int) -> list[Alarm]:
        """The tenant's alarms that use any calendar, with ids above ``after``, by id."""
        ...

    async def changed_since(self, instant: Micros) -> Sequence[str]:
        """The tenants that have a calendar which changed at ``instant`` or later."""
        ...

    async def refresh(self, batch: Sequence[Refreshed], *, now: Micros) -> list[Alarm]:
        """Gives alarms their triggers and due times, if they are still as they were read; those that it did. Rules are kept for audits."""
        ...
