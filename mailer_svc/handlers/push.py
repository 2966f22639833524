"""PushService."""

from typing import Any

import grpc

from mailer_svc.service import PushKeys
from tocsin.api.mailer.v1 import push_service_pb2 as pb
from tocsin.api.mailer.v1 import push_service_pb2_grpc as rpc

Context = grpc.aio.ServicerContext[Any, Any]


class PushHandlers(rpc.PushServiceServicer):
    """Tells browsers how to subscribe."""

    def __init__(self, *, keys: PushKeys) -> None:
        self._keys = keys

    async def GetPushKey(self, request: pb.GetPushKeyRequest, context: Context) -> pb.PushKey:
        """The public key of this installation."""
        return pb.PushKey(public_key=await self._keys.get())
