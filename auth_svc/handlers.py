"""The RPCs: from messages to use cases and back."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf import empty_pb2, timestamp_pb2

from auth_svc.domain import ApiKey, Role, StoredAlert, Tenant, TokenCaller, User
from auth_svc.ports import PublicKeys
from auth_svc.service import AlertLog, ApiKeys, Sessions, TokenPair, Users
from auth_svc.service.alerts import resume_token
from tocsin.alerts import Alert, AlertKind, Severity
from tocsin.api.auth.v1 import (
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    auth_service_pb2,
    auth_service_pb2_grpc,
    security_alert_service_pb2,
    security_alert_service_pb2_grpc,
    user_service_pb2,
    user_service_pb2_grpc,
)
from tocsin.clock import to_micros
from tocsin.errors import InvalidInput
from tocsin.listing import FilterField, FilterKind, parse_filter, snake_case
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.stored import instant, shown
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_Context = grpc.aio.ServicerContext[Any, Any]
_ROLES = {Role.ADMIN: user_service_pb2.User.ADMIN, Role.MEMBER: user_service_pb2.User.MEMBER}
_ALERT_FILTER = {
    "kind": FilterField(kind=FilterKind.CHOICE, choices=tuple(kind.value for kind in AlertKind)),
    "severity": FilterField(kind=FilterKind.CHOICE, choices=tuple(severity.value for severity in Severity)),
    "subject": FilterField(),
    "place": FilterField(),
    "first_time": FilterField(kind=FilterKind.TIME),
}
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
            username=request.username,
            password=request.password,
            display_name=request.display_name,
            tenant_display_name=request.tenant_display_name,
        )
        return auth_service_pb2.RegisterResponse(user=user.name, tenant=f"tenants/{user.tenant}")

    async def IssueToken(self, request: auth_service_pb2.IssueTokenRequest, context: _Context) -> auth_service_pb2.TokenResponse:
        """Signs in, or continues a session."""
        if request.username and request.email:
            raise InvalidInput.at("username", "cannot be given together with email")
        pair = await self._sessions.grant(
            grant_type=request.grant_type,
            username=request.username or request.email,
            password=request.password,
            refresh_token=request.refresh_token,
            scope=request.scope,
        )
        return _pair(pair)

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
            username=request.username,
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


class SecurityAlertHandlers(security_alert_service_pb2_grpc.SecurityAlertServiceServicer):
    """SecurityAlertService."""

    def __init__(self, *, alerts: AlertLog) -> None:
        self._alerts = alerts

    async def GetAlert(
        self, request: security_alert_service_pb2.GetAlertRequest, context: _Context
    ) -> security_alert_service_pb2.SecurityAlert:
        """Reads an alert."""
        return _alert(await self._alerts.get(principal().tenant, request.name.removeprefix("security/alerts/")))

    async def ListAlerts(
        self, request: security_alert_service_pb2.ListAlertsRequest, context: _Context
    ) -> security_alert_service_pb2.ListAlertsResponse:
        """Lists alerts."""
        tenant = principal().tenant
        conditions = parse_filter(request.filter, fields=_ALERT_FILTER)

        async def read(behind: tuple[int, str] | None, most: int) -> tuple[Sequence[StoredAlert], None]:
            return await self._alerts.page(tenant, conditions=conditions, before=behind, limit=most), None

        listing = Listing(f"alerts {tenant} {request.filter}", (int, str))
        alerts, token = await list_page(request, listing, read=read, show=_alert, place=lambda item: (item.alert.first, item.id))
        return security_alert_service_pb2.ListAlertsResponse(alerts=alerts, next_page_token=token)

    async def WatchAlerts(
        self, request: security_alert_service_pb2.WatchAlertsRequest, context: _Context
    ) -> AsyncIterator[security_alert_service_pb2.WatchAlertsResponse]:
        """Streams alerts."""
        async for alert in self._alerts.watch(principal().tenant, token=request.resume_token):
            yield security_alert_service_pb2.WatchAlertsResponse(alert=_alert(alert), resume_token=resume_token(alert))

    async def ReportAlerts(
        self, request: security_alert_service_pb2.ReportAlertsRequest, context: _Context
    ) -> security_alert_service_pb2.ReportAlertsResponse:
        """Stores alerts."""
        known = [alert for each in request.alerts if (alert := _reported(each)) is not None]
        await self._alerts.report(known, request.request_id)
        return security_alert_service_pb2.ReportAlertsResponse()


def _reported(message: security_alert_service_pb2.ReportedAlert) -> Alert | None:
    """The alert; None for one of a kind that a later version reports: it must not keep the others from being stored."""
    kinds, severities = security_alert_service_pb2.SecurityAlert.Kind, security_alert_service_pb2.SecurityAlert.Severity
    try:
        kind, severity = AlertKind(kinds.Name(message.kind)), Severity(severities.Name(message.severity))
    except ValueError:
        _log.warning("security alert of unknown kind", kind=message.kind, severity=message.severity)
        return None
    return Alert(
        kind=kind,
        severity=severity,
        tenant=message.tenant,
        subject=message.subject,
        place=message.place,
        latest=message.latest,
        detail=message.detail,
        count=message.count,
        first=to_micros(_instant(message.first_time, "first_time")),
        last=to_micros(_instant(message.last_time, "last_time")),
    )


def _alert(stored: StoredAlert) -> security_alert_service_pb2.SecurityAlert:
    alert, message = stored.alert, security_alert_service_pb2.SecurityAlert
    return message(
        name=stored.name,
        kind=dict(message.Kind.items()).get(shown(alert.kind), message.KIND_UNSPECIFIED),
        severity=dict(message.Severity.items()).get(shown(alert.severity), message.SEVERITY_UNSPECIFIED),
        subject=alert.subject,
        place=alert.place,
        latest=alert.latest,
        detail=alert.detail,
        count=alert.count,
        first_time=_timestamp(instant(alert.first)),
        last_time=_timestamp(instant(alert.last)),
    )


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
        name=user.name,
        email=user.email,
        username=user.username,
        display_name=user.display_name,
        role=_ROLES[user.role],
        create_time=_timestamp(user.created),
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
