"""AlarmService."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from scheduler_svc import domain
from scheduler_svc.handlers.alarm_filter import ALARM_FILTER
from scheduler_svc.handlers.bulk import Bulk
from scheduler_svc.handlers.caller import caller
from scheduler_svc.handlers.convert import alarm_id, alarm_message, draft_of, firing_message
from scheduler_svc.handlers.masks import effective_mask, merged
from scheduler_svc.handlers.previews import previewed, validated
from scheduler_svc.handlers.times import micros_of, set_instant
from scheduler_svc.service import Alarms, Backfills, BulkChanges, Draft, Firings, Previews
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.checks import ActionChecks
from tocsin.addresses import normal_address
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, alarm_service_pb2_grpc, firing_service_pb2
from tocsin.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound, OutOfRange, ResourceExhausted
from tocsin.listing import Condition, parse_filter
from tocsin.mesh.validation import RequestValidator
from tocsin.pages import Listing, list_page
from tocsin.resource_names import check_unnamed

Context = grpc.aio.ServicerContext[Any, Any]

_JUDGED: Final = (InvalidInput, OutOfRange, FailedPrecondition, NotFound, AlreadyExists, ResourceExhausted)
"""What may be said of a request: by its form, by the clock, by the state, by limits."""

_EVERY_ALARM: Final = "*"  # so AIP-165 says


class AlarmHandlers(alarm_service_pb2_grpc.AlarmServiceServicer):
    """Manages alarms of the caller's tenant."""

    def __init__(
        self,
        *,
        alarms: Alarms,
        firings: Firings,
        previews: Previews,
        checks: ActionChecks,
        backfills: Backfills,
        bulk_changes: BulkChanges,
        bulk: Bulk,
        validator: RequestValidator,
    ) -> None:
        self._alarms = alarms
        self._firings = firings
        self._previews = previews
        self._checks = checks
        self._backfills = backfills
        self._bulk_changes = bulk_changes
        self._bulk = bulk
        self._validator = validator

    async def CreateAlarm(self, request: alarm_service_pb2.CreateAlarmRequest, context: Context) -> alarm_pb2.Alarm:
        """Makes an alarm, or returns the one that an earlier call with the same ``request_id`` made."""
        check_unnamed(request.alarm.name, field="alarm.name")
        return await self._created(request, caller(), lambda: draft_of(request.alarm), "CreateAlarm")

    async def CreateSimpleAlarm(self, request: alarm_service_pb2.CreateSimpleAlarmRequest, context: Context) -> alarm_pb2.Alarm:
        """Makes an alarm from the short form."""
        who = caller()
        return await self._created(request, who, lambda: _simple(request, who.time_zone), "CreateSimpleAlarm")

    async def _created(
        self,
        request: alarm_service_pb2.CreateAlarmRequest | alarm_service_pb2.CreateSimpleAlarmRequest,
        who: Caller,
        draft: Callable[[], Draft],
        method: str,
    ) -> alarm_pb2.Alarm:
        """The alarm that the request makes, or has made: a request that is known is not judged once more, by a later clock say."""
        digest, shown = _digest(request, method), _Shown()
        try:
            return shown.of(await self._alarms.create(who, draft(), request_id=request.request_id, digest=digest, check=shown.check))
        except _JUDGED:
            known = await self._alarms.requested(who, request_id=request.request_id, digest=digest)
            if known is None:
                raise
            return alarm_message(known)

    async def GetAlarm(self, request: alarm_service_pb2.GetAlarmRequest, context: Context) -> alarm_pb2.Alarm:
        """Reads one alarm."""
        return alarm_message(await self._alarms.get(caller(), alarm_id(request.name)))

    async def ListAlarms(self, request: alarm_service_pb2.ListAlarmsRequest, context: Context) -> alarm_service_pb2.ListAlarmsResponse:
        """Lists alarms, the newest first."""
        who = caller()
        conditions = parse_filter(request.filter, fields=ALARM_FILTER)

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[domain.Alarm], tuple[str] | None]:
            page = await self._alarms.page(who, conditions=conditions, before=behind[0] if behind else None, size=most)
            return page.alarms, (page.next,) if page.next else None

        listing = Listing(f"alarms/{who.tenant}/{request.filter}", (str,))
        alarms, more = await list_page(request, listing, read=read, show=alarm_message, place=lambda alarm: (alarm.id,))
        return alarm_service_pb2.ListAlarmsResponse(alarms=alarms, next_page_token=more)

    async def UpdateAlarm(self, request: alarm_service_pb2.UpdateAlarmRequest, context: Context) -> alarm_pb2.Alarm:
        """Changes fields of an alarm."""
        given = request.alarm
        self._validator.check(alarm_service_pb2.GetAlarmRequest(name=given.name))
        mask = effective_mask(request.update_mask, given)

        def merge(stored: domain.Alarm) -> Draft:
            whole = merged(alarm_message(stored), given, mask)
            self._validator.check(whole)
            return draft_of(whole)

        changed = await self._alarms.update(caller(), alarm_id(given.name), etag=given.etag, merge=merge, check=_Shown().check)
        return alarm_message(changed)

    async def DeleteAlarm(self, request: alarm_service_pb2.DeleteAlarmRequest, context: Context) -> Empty:
        """Removes an alarm if its etag is still the given one, or none is given."""
        await self._alarms.delete(caller(), alarm_id(request.name), etag=request.etag)
        return Empty()

    async def PurgeAlarms(self, request: alarm_service_pb2.PurgeAlarmsRequest, context: Context) -> alarm_service_pb2.PurgeAlarmsResponse:
        """Removes alarms that meet a filter, or counts them."""
        done = await self._bulk_changes.purge(caller(), conditions=_chosen(request.filter), force=request.force)
        return alarm_service_pb2.PurgeAlarmsResponse(purge_count=done.count, purge_sample=_names(done.sample), more=done.more)

    async def PauseAlarm(self, request: alarm_service_pb2.PauseAlarmRequest, context: Context) -> alarm_pb2.Alarm:
        """Stops an alarm from firing."""
        return alarm_message(await self._alarms.pause(caller(), alarm_id(request.name), reason=request.reason))

    async def ResumeAlarm(self, request: alarm_service_pb2.ResumeAlarmRequest, context: Context) -> alarm_pb2.Alarm:
        """Lets a paused alarm fire again."""
        return alarm_message(await self._alarms.resume(caller(), alarm_id(request.name)))

    async def PauseAlarms(self, request: alarm_service_pb2.PauseAlarmsRequest, context: Context) -> alarm_service_pb2.PauseAlarmsResponse:
        """Pauses active alarms that meet a filter, or counts them."""
        wanted = _chosen(request.filter)
        done = await self._bulk_changes.pause(caller(), conditions=wanted, force=request.force, reason=request.reason)
        return alarm_service_pb2.PauseAlarmsResponse(pause_count=done.count, pause_sample=_names(done.sample), more=done.more)

    async def ResumeAlarms(
        self, request: alarm_service_pb2.ResumeAlarmsRequest, context: Context
    ) -> alarm_service_pb2.ResumeAlarmsResponse:
        """Resumes paused alarms that meet a filter, or counts them."""
        done = await self._bulk_changes.resume(caller(), conditions=_chosen(request.filter), force=request.force)
        return alarm_service_pb2.ResumeAlarmsResponse(resume_count=done.count, resume_sample=_names(done.sample), more=done.more)

    async def FireAlarm(self, request: alarm_service_pb2.FireAlarmRequest, context: Context) -> firing_service_pb2.Firing:
        """Fires an alarm now, ad hoc; once for each ``request_id``."""
        return firing_message(await self._firings.fire(caller(), alarm_id(request.name), request_id=request.request_id))

    async def PreviewAlarm(
        self, request: alarm_service_pb2.PreviewAlarmRequest, context: Context
    ) -> alarm_service_pb2.PreviewAlarmResponse:
        """Tells the next due times of a trigger."""
        return await previewed(request, caller(), self._previews)

    async def ValidateAlarm(
        self, request: alarm_service_pb2.ValidateAlarmRequest, context: Context
    ) -> alarm_service_pb2.ValidateAlarmResponse:
        """Says whether a trigger, and an action, is good, and explains a bad one."""
        return await validated(request, caller(), previews=self._previews, checks=self._checks, validator=self._validator)

    async def BackfillAlarm(
        self, request: alarm_service_pb2.BackfillAlarmRequest, context: Context
    ) -> alarm_service_pb2.BackfillAlarmResponse:
        """Fires due times of a range that the ledger does not have."""
        start = micros_of(request.start_time, field="startTime")
        end = micros_of(request.end_time, field="endTime") if request.HasField("end_time") else None
        done = await self._backfills.backfill(caller(), alarm_id(request.name), start=start, end=end, limit=request.limit)
        response = alarm_service_pb2.BackfillAlarmResponse(fired=done.fired, known=done.known)
        set_instant(response.next_start_time, done.next)
        return response

    async def ImportAlarms(
        self, request_iterator: AsyncIterator[alarm_service_pb2.ImportAlarmsRequest], context: Context
    ) -> AsyncGenerator[alarm_service_pb2.ImportAlarmsResponse]:
        """Makes many alarms."""
        async with aclosing(self._bulk.import_alarms(request_iterator)) as answers:
            async for answer in answers:
                yield answer

    async def ExportAlarms(
        self, request: alarm_service_pb2.ExportAlarmsRequest, context: Context
    ) -> AsyncGenerator[alarm_service_pb2.ExportAlarmsResponse]:
        """Sends every alarm."""
        async with aclosing(self._bulk.export_alarms(request)) as answers:
            async for answer in answers:
                yield answer


class _Shown:
    """The answer, made before the commit: what cannot be shown must not be stored."""

    def __init__(self) -> None:
        self._made: dict[str, alarm_pb2.Alarm] = {}

    def check(self, alarm: domain.Alarm) -> None:
        """Makes the answer for an alarm that is to be stored."""
        self._made[alarm.id] = alarm_message(alarm)

    def of(self, alarm: domain.Alarm) -> alarm_pb2.Alarm:
        """The answer for the alarm that is stored, which an earlier request may have made."""
        return self._made.get(alarm.id) or alarm_message(alarm)


def _chosen(text: str) -> Sequence[Condition]:
    """The conditions of a filter that chooses what is changed; none for every alarm.

    Raises:
        InvalidInput: it says nothing, or nonsense.
    """
    if text.strip() == _EVERY_ALARM:
        return ()
    if conditions := parse_filter(text, fields=ALARM_FILTER):
        return conditions
    raise InvalidInput.at("filter", f'must say which alarms, such as state="PAUSED"; "{_EVERY_ALARM}" means every one')


def _names(ids: Sequence[str]) -> list[str]:
    return [f"alarms/{identity}" for identity in ids]


def _digest(request: Message, method: str) -> str:
    """Tells requests apart; only asked for when there is a request_id."""
    if not getattr(request, "request_id", ""):
        return ""
    return hashlib.blake2b(method.encode() + request.SerializeToString(deterministic=True), digest_size=16).hexdigest()


def _simple(request: alarm_service_pb2.CreateSimpleAlarmRequest, time_zone: str) -> Draft:
    """The short form, in full."""
    normal_address(request.email, field="email")
    how = "every day" if request.is_recurring else "once"
    whole = alarm_pb2.Alarm(
        display_name=request.code_id,
        labels={"code_id": request.code_id},
        trigger=alarm_pb2.Trigger(
            daily=alarm_pb2.Daily(time=request.time, recurring=request.is_recurring),
            time_zone=time_zone,
        ),
        action=alarm_pb2.Action(
            notify=alarm_pb2.Notify(
                to=[request.email],
                subject=f"Alarm {request.code_id}",
                text=f"Your alarm {request.code_id} is ringing.\n\nIt is set for {request.time} ({time_zone}), {how}.\n",
            )
        ),
    )
    return draft_of(whole)
