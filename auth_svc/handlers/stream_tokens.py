"""StreamTokenService."""

from typing import Any

import grpc

from auth_svc.domain import Grant
from auth_svc.handlers.convert import timestamp
from auth_svc.service import StreamTokens
from tocsin.api.auth.v1 import stream_token_service_pb2 as pb
from tocsin.api.auth.v1 import stream_token_service_pb2_grpc
from tocsin.mesh.context import principal

_Context = grpc.aio.ServicerContext[Any, Any]


class StreamTokenHandlers(stream_token_service_pb2_grpc.StreamTokenServiceServicer):
    """StreamTokenService."""

    def __init__(self, *, tokens: StreamTokens) -> None:
        self._tokens = tokens

    async def CreateStreamToken(self, request: pb.CreateStreamTokenRequest, context: _Context) -> pb.CreateStreamTokenResponse:
        """Makes a token."""
        who = principal()
        grant = Grant(
            subject=who.subject,
            tenant=who.tenant,
            scopes=who.scopes,
            time_zone=who.time_zone,
            issued=who.expires,
            expires=who.expires,
            session=who.session,
            called=who.called,
        )
        token, expires = await self._tokens.create(grant, path=request.path)
        return pb.CreateStreamTokenResponse(token=token, expire_time=timestamp(expires))

    async def ExchangeStreamToken(self, request: pb.ExchangeStreamTokenRequest, context: _Context) -> pb.ExchangeStreamTokenResponse:
        """Exchanges one for an access token."""
        return pb.ExchangeStreamTokenResponse(access_token=await self._tokens.exchange(request.token, path=request.path))
