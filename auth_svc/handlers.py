"""The RPCs: from messages to use cases and back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf import empty_pb2, timestamp_pb2

from auth_svc.domain import ApiKey, Role, Tenant, TokenCaller, User
from auth_svc.ports import PublicKeys
from auth_svc.service import ApiKeys, Sessions, TokenPair, Users
from tocsin.api.auth.v1 import (
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    auth_service_pb2,
    auth_service_pb2_grpc,
    user_service_pb2,
    user_service_pb2_grpc,
)
from tocsin.errors import InvalidInput
from tocsin.listing import snake_case
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page

_Context = grpc.aio.ServicerContext[Any, Any]
_ROLES = {Role.ADMIN: user_service_pb2.User.ADMIN, Role.MEMBER: user_service_pb2.User.MEMBER}
_ROLES_BY_NUMBER = {number: role for role, number in _ROLES.items()}


class AuthHandlers(auth_service_pb2_grpc.AuthServiceServicer):
    """AuthService."""

    def __init__(self, *, sessions: Sessions, keys: PublicKeys) -> None:
        self._sessions = sessions
        self._keys = keys

    async def Register(self, request: auth_service_pb2.RegisterRequest, context: _Context) -> auth_service_pb2.RegisterResponse:
        """Makes a tenant and its administrator."""
        user = await self._sessions.register(
            email=request.email,
            password=request.password,
            display_name=request.display_name,
            tenant_display_name=request.tenant_display_name,
        )
        return auth_service_pb2.RegisterResponse(user=user.name, tenant=f"tenants/{user.tenant}")

    async def IssueToken(self, request: auth_service_pb2.IssueTokenRequest, context: _Context) -> auth_service_pb2.TokenResponse:
        """Signs in."""
        return _pair(await self._sessions.sign_in(email=request.email, password=request.password, scope=request.scope))

    async def RefreshToken(self, request: auth_service_pb2.RefreshTokenRequest, context: _Context) -> auth_service_pb2.TokenResponse:
        """Continues a session."""
        return _pair(await self._sessions.refresh(request.refresh_token))

    async def RevokeToken(self, request: auth_service_pb2.RevokeTokenRequest, context: _Context) -> empty_pb2.Empty:
        """Signs out."""
        await self._sessions.sign_out(request.refresh_token)
        return empty_pb2.Empty()

    async def VerifyToken(self, request: auth_service_pb2.VerifyTokenRequest, context: _Context) -> auth_service_pb2.VerifyTokenResponse:
        """Tells the caller who they are."""
        who = principal()
        return auth_service_pb2.VerifyTokenResponse(
            subject=who.subject,
            tenant=f"tenants/{who.tenant}",
            scopes=sorted(who.scopes),
            expire_time=_timestamp(who.expires),
            time_zone=who.time_zone,
        )

    async def GetJwks(self, request: auth_service_pb2.GetJwksRequest, context: _Context) -> auth_service_pb2.JsonWebKeySet:
        """Publishes the keys."""
        return auth_service_pb2.JsonWebKeySet(keys=[auth_service_pb2.JsonWebKey(**key) for key in self._keys.published()])


class UserHandlers(user_service_pb2_grpc.UserServiceServicer):
    """UserService."""

    def __init__(self, *, users: Users) -> None:
        self._people = users

    async def CreateUser(self, request: user_service_pb2.CreateUserRequest, context: _Context) -> user_service_pb2.User:
        """Adds a user."""
        user = await self._people.add_user(
            _caller(),
            email=request.email,
            password=request.password,
            display_name=request.display_name,
            role=_ROLES_BY_NUMBER.get(request.role, Role.MEMBER),
        )
        return _user(user)

    async def GetUser(self, request: user_service_pb2.GetUserRequest, context: _Context) -> user_service_pb2.User:
        """Reads a user."""
        return _user(await self._people.user(_caller(), request.name.removeprefix("users/")))

    async def ListUsers(self, request: user_service_pb2.ListUsersRequest, context: _Context) -> user_service_pb2.ListUsersResponse:
        """Lists users."""
        who = _caller()

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[User], None]:
            return await self._people.users(who, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"users of {who.tenant}", (str,))
        users, token = await list_page(request, listing, read=read, show=_user, place=lambda user: (user.id,))
        return user_service_pb2.ListUsersResponse(users=users, next_page_token=token)

    async def DeleteUser(self, request: user_service_pb2.DeleteUserRequest, context: _Context) -> empty_pb2.Empty:
        """Removes a user."""
        await self._people.remove_user(_caller(), request.name.removeprefix("users/"))
        return empty_pb2.Empty()


class TenantHandlers(user_service_pb2_grpc.TenantServiceServicer):
    """TenantService."""

    def __init__(self, *, users: Users) -> None:
        self._people = users

    async def GetTenant(self, request: user_service_pb2.GetTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Reads the tenant."""
        return _tenant(await self._people.tenant(_caller()))

    async def UpdateTenant(self, request: user_service_pb2.UpdateTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Changes the tenant."""
        tenant = await self._people.change_tenant(
            _caller(),
            display_name=request.tenant.display_name,
            time_zone=request.tenant.time_zone,
            mask=[snake_case(path) for path in request.update_mask.paths],
        )
        return _tenant(tenant)


class ApiKeyHandlers(api_key_service_pb2_grpc.ApiKeyServiceServicer):
    """ApiKeyService."""

    def __init__(self, *, keys: ApiKeys) -> None:
        self._keys = keys

    async def CreateApiKey(
        self, request: api_key_service_pb2.CreateApiKeyRequest, context: _Context
    ) -> api_key_service_pb2.CreateApiKeyResponse:
        """Makes a key."""
        expires = _instant(request.expire_time, "expire_time") if request.HasField("expire_time") else None
        key, secret = await self._keys.create(_caller(), display_name=request.display_name, scopes=list(request.scopes), expires=expires)
        return api_key_service_pb2.CreateApiKeyResponse(api_key=_key(key), secret=secret)

    async def GetApiKey(self, request: api_key_service_pb2.GetApiKeyRequest, context: _Context) -> api_key_service_pb2.ApiKey:
        """Reads a key."""
        return _key(await self._keys.key(_caller(), request.name.removeprefix("apiKeys/")))

    async def ListApiKeys(
        self, request: api_key_service_pb2.ListApiKeysRequest, context: _Context
    ) -> api_key_service_pb2.ListApiKeysResponse:
        """Lists keys."""
        who = _caller()

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[ApiKey], None]:
            return await self._keys.keys(who, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"apiKeys of {who.tenant}", (str,))
        keys, token = await list_page(request, listing, read=read, show=_key, place=lambda key: (key.id,))
        return api_key_service_pb2.ListApiKeysResponse(api_keys=keys, next_page_token=token)

    async def DeleteApiKey(self, request: api_key_service_pb2.DeleteApiKeyRequest, context: _Context) -> empty_pb2.Empty:
        """Revokes a key."""
        await self._keys.revoke(_caller(), request.name.removeprefix("apiKeys/"))
        return empty_pb2.Empty()

    async def ExchangeApiKey(
        self, request: api_key_service_pb2.ExchangeApiKeyRequest, context: _Context
    ) -> api_key_service_pb2.ExchangeApiKeyResponse:
        """Exchanges a key for a token."""
        token, expires = await self._keys.exchange(request.secret)
        return api_key_service_pb2.ExchangeApiKeyResponse(access_token=token, expire_time=_timestamp(expires))


def _caller() -> TokenCaller:
    who = principal()
    return TokenCaller(tenant=who.tenant, subject=who.subject, scopes=who.scopes)


def _pair(pair: TokenPair) -> auth_service_pb2.TokenResponse:
    return auth_service_pb2.TokenResponse(
        access_token=pair.access_token,
        token_type="Bearer",  # noqa: S106  the name of the scheme (RFC 6750)
        expires_in=pair.expires_in,
        refresh_token=pair.refresh_token,
        scope=" ".join(sorted(pair.scopes)),
    )


def _user(user: User) -> user_service_pb2.User:
    return user_service_pb2.User(
        name=user.name, email=user.email, display_name=user.display_name, role=_ROLES[user.role], create_time=_timestamp(user.created)
    )


def _tenant(tenant: Tenant) -> user_service_pb2.Tenant:
    return user_service_pb2.Tenant(
        name=f"tenants/{tenant.id}",
        display_name=tenant.display_name,
        time_zone=tenant.time_zone,
        create_time=_timestamp(tenant.created),
    )


def _key(key: ApiKey) -> api_key_service_pb2.ApiKey:
    return api_key_service_pb2.ApiKey(
        name=key.name,
        display_name=key.display_name,
        scopes=sorted(key.scopes),
        prefix=key.prefix,
        create_time=_timestamp(key.created),
        expire_time=None if key.expires is None else _timestamp(key.expires),
    )


def _timestamp(instant: datetime) -> timestamp_pb2.Timestamp:
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(instant)
    return stamp


def _instant(stamp: timestamp_pb2.Timestamp, field: str) -> datetime:
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput.at(field, "is outside the years 1 to 9999") from None
