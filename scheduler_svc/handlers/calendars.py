"""CalendarService."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty

from scheduler_svc.domain import SharedCalendar
from scheduler_svc.handlers.caller import caller
from scheduler_svc.handlers.convert_windows import COLLECTION, set_window, windows_of
from scheduler_svc.handlers.times import set_instant
from scheduler_svc.service import Calendars
from tocsin.api.scheduler.v1 import calendar_service_pb2 as pb
from tocsin.api.scheduler.v1 import calendar_service_pb2_grpc as rpc
from tocsin.errors import InvalidInput
from tocsin.masks import fields_to_change
from tocsin.pages import Listing, list_page
from tocsin.recurrence import CalendarText, joined, reduced, within
from tocsin.recurrence.steps import asked

Context = grpc.aio.ServicerContext[Any, Any]

_WRITABLE: Final = ("display_name", "time_zone", "dates", "windows", "ics")
_MOST_READING: Final = 100_000
"""Steps of reading an .ics file, which happens once."""


class CalendarHandlers(rpc.CalendarServiceServicer):
    """Manages calendars of the caller's tenant."""

    def __init__(self, *, calendars: Calendars) -> None:
        self._calendars = calendars

    async def CreateCalendar(self, request: pb.CreateCalendarRequest, context: Context) -> pb.Calendar:
        """Makes a calendar."""
        given = request.calendar
        empty = SharedCalendar(tenant=caller().tenant, id=given.name.removeprefix(COLLECTION))
        return _message(await self._calendars.create(_changed(empty, given, _WRITABLE)))

    async def GetCalendar(self, request: pb.GetCalendarRequest, context: Context) -> pb.Calendar:
        """Reads a calendar."""
        return _message(await self._calendars.get(caller().tenant, request.name.removeprefix(COLLECTION)))

    async def ListCalendars(self, request: pb.ListCalendarsRequest, context: Context) -> pb.ListCalendarsResponse:
        """Lists calendars, by name."""
        tenant = caller().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[SharedCalendar], None]:
            return await self._calendars.page(tenant, after=behind[0] if behind else "", size=most), None

        listing = Listing(f"calendars {tenant}", (str,))
        found, token = await list_page(request, listing, read=read, show=_message, place=lambda item: (item.id,))
        return pb.ListCalendarsResponse(calendars=found, next_page_token=token)

    async def UpdateCalendar(self, request: pb.UpdateCalendarRequest, context: Context) -> pb.Calendar:
        """Changes fields of a calendar."""
        given = request.calendar
        fields = fields_to_change(request.update_mask, given, _WRITABLE)
        found = await self._calendars.update(
            caller().tenant,
            given.name.removeprefix(COLLECTION),
            etag=given.etag,
            change=lambda stored: _changed(stored, given, fields),
        )
        return _message(found)

    async def DeleteCalendar(self, request: pb.DeleteCalendarRequest, context: Context) -> Empty:
        """Removes a calendar that no alarm uses."""
        await self._calendars.delete(caller().tenant, request.name.removeprefix(COLLECTION), etag=request.etag)
        return Empty()


def _changed(stored: SharedCalendar, given: pb.Calendar, fields: Collection[str]) -> SharedCalendar:
    """The calendar with the named fields of ``given``; the events of an .ics text are added to what it then says."""
    says = stored.says
    if "ics" in fields and given.ics:
        says = replace(says, dates=(), windows=())
    if "time_zone" in fields:
        says = replace(says, time_zone=given.time_zone)
    if "dates" in fields and (given.dates or not given.ics):
        says = replace(says, dates=tuple(given.dates))
    if "windows" in fields and (given.windows or not given.ics):
        says = replace(says, windows=windows_of(given.windows, field="calendar.windows"))
    if "ics" in fields and given.ics:
        says = joined(says, _read(given.ics))
    display_name = given.display_name if "display_name" in fields else stored.display_name
    return replace(stored, display_name=display_name, says=says)


def _read(text: str) -> CalendarText:
    try:
        return asked(lambda: reduced(text), most=_MOST_READING)
    except InvalidInput as error:
        told = within(error, "calendar")
        raise InvalidInput.at("calendar.ics", told.violations[0].description) from None


def _message(calendar: SharedCalendar) -> pb.Calendar:
    message = pb.Calendar(
        name=f"{COLLECTION}{calendar.id}",
        display_name=calendar.display_name,
        time_zone=calendar.says.time_zone,
        dates=calendar.says.dates,
        etag=str(calendar.version),
    )
    for window in calendar.says.windows:
        set_window(message.windows.add(), window)
    set_instant(message.create_time, calendar.created)
    set_instant(message.update_time, calendar.updated)
    return message
