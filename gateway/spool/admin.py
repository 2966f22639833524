"""SpoolAdminService: what a gateway has set aside, for its operators."""

from typing import Final

from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import DecodeError, Message

from gateway.spool.file import SpoolFile
from gateway.spool.methods import REQUESTS
from gateway.spool.spool import Spool
from gateway.spool.store import SetAsideCall
from tocsin.api.mesh.v1 import spool_admin_service_pb2 as pb
from tocsin.errors import NotFound
from tocsin.listing import PageToken, page_size

_PREFIX: Final = "spooledCalls/"


class SpooledCallNotFound(NotFound):
    """There is no such set-aside call."""


class SpoolAdmin:
    """Answers the RPCs; each gateway for its own spool."""

    def __init__(self, *, spool: Spool, file: SpoolFile) -> None:
        """Takes the spool, and the file whose place is its name."""
        self._spool = spool
        self._file = file

    async def ListSpooledCalls(self, request: pb.ListSpooledCallsRequest) -> pb.ListSpooledCallsResponse:  # noqa: N802 - the RPC's name
        """A page of those that are set aside, and the counts."""
        size = page_size(request.page_size)
        query = f"spooledCalls/{self._file.place}/{request.tenant}"
        cursor = PageToken.decode(request.page_token, query=query, shape=(int,))
        found = await self._spool.page(after=cursor[0] if cursor else 0, most=size + 1, tenant=request.tenant)
        state = self._spool.state
        answer = pb.ListSpooledCallsResponse(
            spooled_calls=[self._call(aside) for aside in found[:size]],
            next_page_token=PageToken.encode((found[size - 1].call.number,), query=query) if len(found) > size else "",
            spool=self._file.place,
            waiting=state.waiting.calls,
            waiting_bytes=state.waiting.bytes,
            set_aside=state.set_aside.calls,
        )
        if state.first is not None:
            answer.oldest_accept_time.FromMicroseconds(state.first)
        return answer

    async def GetSpooledCall(self, request: pb.GetSpooledCallRequest) -> pb.SpooledCall:  # noqa: N802 - the RPC's name
        """One of them, with its request."""
        aside = await self._find(request.name)
        call = self._call(aside)
        call.request = aside.call.request
        call.request_json = _shown(aside)
        return call

    async def RetrySpooledCall(self, request: pb.RetrySpooledCallRequest) -> Empty:  # noqa: N802 - the RPC's name
        """Lets one wait again."""
        await self._spool.retry(await self._find(request.name))
        return Empty()

    async def DropSpooledCall(self, request: pb.DropSpooledCallRequest) -> Empty:  # noqa: N802 - the RPC's name
        """Forgets one."""
        await self._spool.drop((await self._find(request.name)).call.number)
        return Empty()

    async def _find(self, name: str) -> SetAsideCall:
        place, _, number = name.removeprefix(_PREFIX).partition("-")
        if int(place) != self._file.place:
            raise SpooledCallNotFound(f"{name} is not in the spool of this gateway, which is number {self._file.place}.")
        aside = await self._spool.find(int(number))
        if aside is None:
            raise SpooledCallNotFound
        return aside

    def _call(self, aside: SetAsideCall) -> pb.SpooledCall:
        entry = aside.call
        call = pb.SpooledCall(
            name=f"{_PREFIX}{self._file.place}-{entry.number}",
            method=entry.path,
            tenant=entry.tenant,
            tries=aside.tries,
            reason=aside.reason,
            message=aside.message,
            request_bytes=len(entry.request),
        )
        call.accept_time.FromMicroseconds(entry.accepted)
        call.set_aside_time.FromMicroseconds(aside.at)
        return call


def _shown(aside: SetAsideCall) -> str:
    """The request as JSON; empty when it cannot be read, as after a roll-back."""
    kind: type[Message] | None = REQUESTS.get(aside.call.path)
    if kind is None:
        return ""
    try:
        return MessageToJson(kind.FromString(aside.call.request), indent=None)
    except (DecodeError, ValueError):  # ValueError: a number or a time that JSON cannot say
        return ""
