"""InboxService."""

from collections.abc import Sequence
from typing import Any

import grpc
from google.api import httpbody_pb2

from mailer_svc.domain import InboxMessage
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.service import Inbox
from tocsin.api.mailer.v1 import inbox_service_pb2 as pb
from tocsin.api.mailer.v1 import inbox_service_pb2_grpc as rpc
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.stored import row_reader

Context = grpc.aio.ServicerContext[Any, Any]


class InboxHandlers(rpc.InboxServiceServicer):
    """Shows the inbox of the caller's tenant."""

    def __init__(self, *, inbox: Inbox) -> None:
        self._inbox = inbox

    async def ListMessages(self, request: pb.ListMessagesRequest, context: Context) -> pb.ListMessagesResponse:
        """Lists messages, the newest first."""
        tenant = principal().tenant

        async def read(behind: tuple[int, str] | None, most: int) -> tuple[Sequence[InboxMessage], None]:
            return await self._inbox.page(tenant=tenant, before=behind, limit=most), None

        listing = Listing(f"inbox {tenant}", (int, str))
        messages, token = await list_page(request, listing, read=read, show=_message, place=lambda item: (item.received, item.id))
        return pb.ListMessagesResponse(messages=messages, next_page_token=token)

    async def GetMessage(self, request: pb.GetMessageRequest, context: Context) -> pb.InboxMessage:
        """Reads one message."""
        return _message(await self._inbox.get(tenant=principal().tenant, id=request.name.removeprefix("inbox/messages/")))

    async def ShowMessage(self, request: pb.ShowMessageRequest, context: Context) -> httpbody_pb2.HttpBody:
        """Shows one message as the person sees it."""
        content = (await self._inbox.get(tenant=principal().tenant, id=request.name.removeprefix("inbox/messages/"))).content
        kind, shown = ("html", content.html) if content.html else ("plain", content.text)
        return httpbody_pb2.HttpBody(content_type=f"text/{kind}; charset=utf-8", data=shown.encode())


@row_reader(lambda item: f"inbox/messages/{item.id}")
def _message(item: InboxMessage) -> pb.InboxMessage:
    return pb.InboxMessage(
        name=f"inbox/messages/{item.id}",
        message_id=item.message_id,
        to=[item.to],
        subject=item.content.subject,
        text=item.content.text,
        html=item.content.html,
        received_time=timestamp(item.received),
        delivery=f"deliveries/{item.id}",
    )
