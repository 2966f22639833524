"""ApiKeyService."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import grpc
from google.protobuf import empty_pb2

from auth_svc.domain import ApiKey
from auth_svc.handlers.convert import caller, instant_of, timestamp, timestamp_or_none
from auth_svc.service import ApiKeys
from auth_svc.service.keys import OVERLAP
from tocsin.api.auth.v1 import api_key_service_pb2, api_key_service_pb2_grpc
from tocsin.pages import Listing, list_page

_Context = grpc.aio.ServicerContext[Any, Any]


class ApiKeyHandlers(api_key_service_pb2_grpc.ApiKeyServiceServicer):
    """ApiKeyService."""

    def __init__(self, *, keys: ApiKeys) -> None:
        self._keys = keys

    async def CreateApiKey(
        self, request: api_key_service_pb2.CreateApiKeyRequest, context: _Context
    ) -> api_key_service_pb2.CreateApiKeyResponse:
        """Makes a key."""
        key, secret = await self._keys.create(
            caller(),
            display_name=request.display_name,
            scopes=list(request.scopes),
            expires=_expires(request),
            owner=request.owner,
        )
        return api_key_service_pb2.CreateApiKeyResponse(api_key=_key(key), secret=secret)

    async def GetApiKey(self, request: api_key_service_pb2.GetApiKeyRequest, context: _Context) -> api_key_service_pb2.ApiKey:
        """Reads a key."""
        return _key(await self._keys.key(caller(), request.name.removeprefix("apiKeys/")))

    async def ListApiKeys(
        self, request: api_key_service_pb2.ListApiKeysRequest, context: _Context
    ) -> api_key_service_pb2.ListApiKeysResponse:
        """Lists keys."""
        who = caller()

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[ApiKey], None]:
            return await self._keys.keys(who, owner=request.owner, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"apiKeys of {who.tenant} {request.owner}", (str,))
        keys, token = await list_page(request, listing, read=read, show=_key, place=lambda key: (key.id,))
        return api_key_service_pb2.ListApiKeysResponse(api_keys=keys, next_page_token=token)

    async def RotateApiKey(
        self, request: api_key_service_pb2.RotateApiKeyRequest, context: _Context
    ) -> api_key_service_pb2.RotateApiKeyResponse:
        """Gives a key another secret."""
        overlap = request.overlap.ToTimedelta() if request.HasField("overlap") else OVERLAP
        key, secret = await self._keys.rotate(caller(), request.name.removeprefix("apiKeys/"), overlap=overlap, expires=_expires(request))
        return api_key_service_pb2.RotateApiKeyResponse(api_key=_key(key), secret=secret)

    async def DeleteApiKey(self, request: api_key_service_pb2.DeleteApiKeyRequest, context: _Context) -> empty_pb2.Empty:
        """Revokes a key."""
        await self._keys.revoke(caller(), request.name.removeprefix("apiKeys/"))
        return empty_pb2.Empty()

    async def ExchangeApiKey(
        self, request: api_key_service_pb2.ExchangeApiKeyRequest, context: _Context
    ) -> api_key_service_pb2.ExchangeApiKeyResponse:
        """Exchanges a key for a token."""
        token, expires = await self._keys.exchange(request.secret, address=request.client_address)
        return api_key_service_pb2.ExchangeApiKeyResponse(access_token=token, expire_time=timestamp(expires))


def _expires(request: api_key_service_pb2.CreateApiKeyRequest | api_key_service_pb2.RotateApiKeyRequest) -> datetime | None:
    return instant_of(request.expire_time, "expire_time") if request.HasField("expire_time") else None


def _key(key: ApiKey) -> api_key_service_pb2.ApiKey:
    return api_key_service_pb2.ApiKey(
        name=key.name,
        display_name=key.display_name,
        scopes=sorted(key.scopes),
        prefix=key.prefix,
        create_time=timestamp(key.created),
        expire_time=timestamp_or_none(key.expires),
        owner=key.owner,
        creator=key.maker,
        last_use_time=timestamp_or_none(key.last_used),
        last_use_address=key.last_address,
        previous_secret_expire_time=timestamp_or_none(key.previous_expires),
    )
