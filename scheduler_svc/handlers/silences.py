"""SilenceService."""

from collections.abc import Sequence
from typing import Any, Final

import grpc

from scheduler_svc.domain.silences import Silence as StoredSilence
from scheduler_svc.domain.silences import SilenceMatcher as StoredMatcher
from scheduler_svc.handlers.times import micros_of, set_instant
from scheduler_svc.service.incidents import Answerer
from scheduler_svc.service.silences import Silences
from tocsin.api.scheduler.v1 import silence_service_pb2 as pb
from tocsin.api.scheduler.v1 import silence_service_pb2_grpc as rpc
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page

Context = grpc.aio.ServicerContext[Any, Any]

_COLLECTION: Final = "silences/"


class SilenceHandlers(rpc.SilenceServiceServicer):
    """Manages silences of the caller's tenant."""

    def __init__(self, *, silences: Silences) -> None:
        self._silences = silences

    async def CreateSilence(self, request: pb.CreateSilenceRequest, context: Context) -> pb.Silence:
        """Makes a silence."""
        who, given = principal(), request.silence
        made = await self._silences.create(
            Answerer(who.tenant, who.subject),
            matchers=[StoredMatcher(each.label, each.value, each.negate) for each in given.matchers],
            start=micros_of(given.start_time, field="silence.startTime") if given.HasField("start_time") else None,
            end=micros_of(given.end_time, field="silence.endTime"),
            comment=given.comment,
        )
        return self._message(made)

    async def GetSilence(self, request: pb.GetSilenceRequest, context: Context) -> pb.Silence:
        """Reads a silence."""
        return self._message(await self._silences.get(principal().tenant, _id(request.name)))

    async def ListSilences(self, request: pb.ListSilencesRequest, context: Context) -> pb.ListSilencesResponse:
        """Lists silences, the newest first."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[StoredSilence], None]:
            return await self._silences.page(tenant, before=behind[0] if behind else "", size=most), None

        listing = Listing(f"silences/{tenant}", (str,))
        found, more = await list_page(request, listing, read=read, show=self._message, place=lambda item: (item.id,))
        return pb.ListSilencesResponse(silences=found, next_page_token=more)

    async def ExpireSilence(self, request: pb.ExpireSilenceRequest, context: Context) -> pb.Silence:
        """Ends a silence now."""
        return self._message(await self._silences.expire(principal().tenant, _id(request.name)))

    def _message(self, silence: StoredSilence) -> pb.Silence:
        message = pb.Silence(
            name=f"{_COLLECTION}{silence.id}",
            matchers=[pb.SilenceMatcher(label=each.label, value=each.value, negate=each.negate) for each in silence.matchers],
            comment=silence.comment,
            author=silence.author,
            state=pb.Silence.State.ValueType(silence.state(self._silences.now())),
        )
        set_instant(message.start_time, silence.start)
        set_instant(message.end_time, silence.end)
        set_instant(message.create_time, silence.created)
        return message


def _id(name: str) -> str:
    return name.removeprefix(_COLLECTION)
