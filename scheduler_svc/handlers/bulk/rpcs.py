"""ImportAlarms and ExportAlarms."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from scheduler_svc.domain import Alarm, Finding
from scheduler_svc.handlers.alarm_filter import ALARM_FILTER
from scheduler_svc.handlers.bulk.lines import ImportLines
from scheduler_svc.handlers.bulk.reader import AlarmCodecs
from scheduler_svc.handlers.caller import caller
from scheduler_svc.handlers.convert import alarm_message
from scheduler_svc.handlers.masks import WRITABLE
from scheduler_svc.service import Calendars, Exports, Imports
from scheduler_svc.service.checks import path_of
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.bulk.session import ImportSession, ImportState
from tocsin.listing import parse_filter
from tocsin.pages import BatchSizer, split_into_messages
from tocsin.stored import readable

# All else only the server says: it is made anew wherever the alarm is imported.
_LEFT_OUT: Final[Any] = {field.name for field in alarm_pb2.Alarm.DESCRIPTOR.fields} - {*WRITABLE, "pause_reason"}


class Bulk:
    """Imports and exports of the caller's tenant."""

    def __init__(self, *, imports: Imports, exports: Exports, calendars: Calendars, codecs: AlarmCodecs) -> None:
        self._imports = imports
        self._calendars = calendars
        self._exports = exports
        self._codecs = codecs

    async def import_alarms(
        self, requests: AsyncIterator[alarm_service_pb2.ImportAlarmsRequest]
    ) -> AsyncGenerator[alarm_service_pb2.ImportAlarmsResponse]:
        """Answers an import as it goes on."""
        who = caller()
        first = await anext(requests, None)
        options = alarm_service_pb2.ImportAlarmsRequest.Options()
        if first is not None and first.HasField("options"):
            options, first = first.options, None
        calendars = await self._calendars.known(who.tenant)
        with self._imports.begin(who, validate_only=options.validate_only, calendars=calendars) as work:
            lines = ImportLines(codecs=self._codecs, time_zone=who.time_zone, skip=options.skip_lines)
            session = ImportSession(work=work, lines=lines, draining=lambda: self._imports.draining)
            async with aclosing(session.run(first, requests)) as states:
                async for state in states:
                    yield _answer(state)

    async def export_alarms(self, request: alarm_service_pb2.ExportAlarmsRequest) -> AsyncGenerator[alarm_service_pb2.ExportAlarmsResponse]:
        """Sends every alarm that meets the filter."""
        conditions = parse_filter(request.filter, fields=ALARM_FILTER)
        step = BatchSizer()
        async for page in self._exports.pages(caller(), conditions=conditions, most=step.take):
            for alarms in split_into_messages(readable(page, exported), step=step):
                yield alarm_service_pb2.ExportAlarmsResponse(alarms=alarms)


def _answer(state: ImportState[Finding]) -> alarm_service_pb2.ImportAlarmsResponse:
    answer = alarm_service_pb2.ImportAlarmsResponse(
        lines=state.lines,
        created=state.created,
        updated=state.updated,
        unchanged=state.unchanged,
        refused=state.refused,
        done=state.done,
    )
    for line, name, reason in state.refusals:
        answer.refusals.add(line=line, field=name, reason=reason)
    for line, finding in state.warnings:
        answer.warnings.add(line=line, field=path_of(finding), reason=finding.reason)
    return answer


def exported(alarm: Alarm) -> alarm_pb2.Alarm:
    """An alarm in the form that an import takes: what a client can set, and that it is paused or completed. Its name becomes its key."""
    message = alarm_message(alarm)
    if not message.key:
        message.key = message.name
    for name in _LEFT_OUT:
        message.ClearField(name)
    message.trigger.ClearField("spread_offset")
    if message.state == alarm_pb2.Alarm.ACTIVE:
        message.ClearField("state")
    return message
