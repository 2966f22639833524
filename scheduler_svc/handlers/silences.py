"""SilenceService."""

from collections.abc import Sequence
from typing import Any, Final

import grpc

from scheduler_svc.handlers.convert_windows import set_window, window_of
from scheduler_svc.handlers.matchers import matcher_messages, matchers_of
from scheduler_svc.handlers.times import micros_of, set_instant
from scheduler_svc.service.incidents import Answerer
from scheduler_svc.service.silences import SilenceDraft, Silences, SilenceView
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.api.scheduler.v1 import silence_service_pb2 as pb
from tocsin.api.scheduler.v1 import silence_service_pb2_grpc as rpc
from tocsin.errors import InvalidInput
from tocsin.mesh.context import principal
from tocsin.mesh.validation import RequestValidator
from tocsin.pages import Listing, list_page
from tocsin.recurrence import END_OF_TIME, within
from tocsin.resource_names import check_unnamed
from tocsin.stored import row_reader

Context = grpc.aio.ServicerContext[Any, Any]

_COLLECTION: Final = "silences/"


class SilenceHandlers(rpc.SilenceServiceServicer):
    """Manages silences of the caller's tenant."""

    def __init__(self, *, silences: Silences, validator: RequestValidator) -> None:
        self._silences = silences
        self._validator = validator

    async def CreateSilence(self, request: pb.CreateSilenceRequest, context: Context) -> pb.Silence:
        """Makes a silence."""
        check_unnamed(request.silence.name, field="silence.name")
        return _message(await self._silences.create(_who(), _draft(request.silence, principal().time_zone)))

    async def GetSilence(self, request: pb.GetSilenceRequest, context: Context) -> pb.Silence:
        """Reads a silence."""
        return _message(await self._silences.get(principal().tenant, _id(request.name)))

    async def ListSilences(self, request: pb.ListSilencesRequest, context: Context) -> pb.ListSilencesResponse:
        """Lists silences, the newest first."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[SilenceView], None]:
            return await self._silences.page(tenant, before=behind[0] if behind else "", size=most), None

        listing = Listing(f"silences/{tenant}", (str,))
        found, more = await list_page(request, listing, read=read, show=_message, place=lambda item: (item.silence.id,))
        return pb.ListSilencesResponse(silences=found, next_page_token=more)

    async def PreviewSilence(self, request: pb.PreviewSilenceRequest, context: Context) -> pb.PreviewSilenceResponse:
        """Lists the next windows."""
        draft = None
        if request.HasField("silence"):
            if request.silence.HasField("recurrence"):
                self._check(request.silence.recurrence)
            draft = _draft(request.silence, principal().time_zone)
        found = await self._silences.preview(_who(), silence=_id(request.name), draft=draft, count=request.count)
        response = pb.PreviewSilenceResponse()
        for window in found:
            message = response.windows.add()
            set_instant(message.start_time, window.start)
            set_instant(message.end_time, window.end)
        return response

    async def ExpireSilence(self, request: pb.ExpireSilenceRequest, context: Context) -> pb.Silence:
        """Ends a silence now."""
        return _message(await self._silences.expire(principal().tenant, _id(request.name)))

    def _check(self, recurrence: alarm_pb2.Window) -> None:
        try:
            self._validator.check(recurrence)
        except InvalidInput as error:
            raise within(error, "silence.recurrence") from None


def _who() -> Answerer:
    who = principal()
    return Answerer(who.tenant, who.subject)


def _draft(given: pb.Silence, time_zone: str) -> SilenceDraft:
    return SilenceDraft(
        matchers=matchers_of(given.matchers),
        start=micros_of(given.start_time, field="silence.startTime") if given.HasField("start_time") else None,
        end=micros_of(given.end_time, field="silence.endTime") if given.HasField("end_time") else None,
        comment=given.comment,
        window=window_of(given.recurrence, field="silence.recurrence") if given.HasField("recurrence") else None,
        zone=time_zone,
    )


@row_reader(lambda view: f"silences/{view.silence.id}")
def _message(view: SilenceView) -> pb.Silence:
    silence = view.silence
    message = pb.Silence(
        name=f"{_COLLECTION}{silence.id}",
        matchers=matcher_messages(silence.matchers),
        comment=silence.comment,
        author=silence.author,
        state=pb.Silence.State.ValueType(view.state),
    )
    set_instant(message.start_time, silence.start)
    set_instant(message.end_time, silence.end if silence.end < END_OF_TIME else None)
    set_instant(message.create_time, silence.created)
    if silence.window is not None:
        set_window(message.recurrence, silence.window)
        message.recurrence.time_zone = silence.window.time_zone or silence.zone
        set_instant(message.window_end_time, view.until)
        set_instant(message.next_window_time, view.following)
    return message


def _id(name: str) -> str:
    return name.removeprefix(_COLLECTION)
