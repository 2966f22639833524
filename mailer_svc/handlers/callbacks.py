"""CallbackService."""

from typing import Any

import grpc

from mailer_svc.service import ProviderCallbacks
from tocsin.api.mailer.v1 import callback_service_pb2 as pb
from tocsin.api.mailer.v1 import callback_service_pb2_grpc as rpc
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]


class CallbackHandlers(rpc.CallbackServiceServicer):
    """Takes callbacks of providers."""

    def __init__(self, *, callbacks: ProviderCallbacks) -> None:
        self._callbacks = callbacks

    async def ReceiveCallback(self, request: pb.ReceiveCallbackRequest, context: Context) -> pb.ReceiveCallbackResponse:
        """Takes a callback."""
        taken = await self._callbacks.receive(
            provider=request.provider, query=request.query, headers=dict(request.headers), body=request.body.data
        )
        return pb.ReceiveCallbackResponse(events=int32(taken.events), taken=int32(taken.taken))
