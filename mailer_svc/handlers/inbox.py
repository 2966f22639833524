"""InboxService."""

from typing import Any

import grpc

from mailer_svc.domain import InboxMessage
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.service import Inbox
from tocsin.api.mailer.v1 import inbox_service_pb2 as pb
from tocsin.api.mailer.v1 import inbox_service_pb2_grpc as rpc
from tocsin.listing import PageToken, page_size
from tocsin.mesh.context import principal

Context = grpc.aio.ServicerContext[Any, Any]


class InboxHandlers(rpc.InboxServiceServicer):
    """Shows the inbox of the caller's tenant."""

    def __init__(self, *, inbox: Inbox) -> None:
        self._inbox = inbox

    async def ListMessages(self, request: pb.ListMessagesRequest, context: Context) -> pb.ListMessagesResponse:
        """Lists messages, the newest first."""
        tenant = principal().tenant
        query = f"inbox {tenant}"
        size = page_size(request.page_size)
        before = PageToken.decode(request.page_token, query=query, shape=(int, str))
        found = await self._inbox.page(tenant=tenant, before=before, limit=size + 1)
        more = len(found) > size
        token = PageToken.encode((found[size - 1].received, found[size - 1].id), query=query) if more else ""
        return pb.ListMessagesResponse(messages=[_message(item) for item in found[:size]], next_page_token=token)

    async def GetMessage(self, request: pb.GetMessageRequest, context: Context) -> pb.InboxMessage:
        """Reads one message."""
        return _message(await self._inbox.get(tenant=principal().tenant, id=request.name.removeprefix("inbox/messages/")))


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
