"""AuthService."""

from typing import Any

import grpc
from google.protobuf import empty_pb2

from auth_svc.handlers.convert import client_facts, timestamp
from auth_svc.ports import PublicKeys
from auth_svc.service import FactorAnswer, OpenSessions, Registering, Sessions, TokenPair
from tocsin.api.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from tocsin.errors import InvalidInput
from tocsin.mesh.context import principal

_Context = grpc.aio.ServicerContext[Any, Any]


class AuthHandlers(auth_service_pb2_grpc.AuthServiceServicer):
    """AuthService."""

    def __init__(self, *, sessions: Sessions, open_sessions: OpenSessions, registering: Registering, keys: PublicKeys) -> None:
        self._sessions = sessions
        self._open_sessions = open_sessions
        self._registering = registering
        self._keys = keys

    async def Register(self, request: auth_service_pb2.RegisterRequest, context: _Context) -> auth_service_pb2.RegisterResponse:
        """Makes a tenant and its administrator, or has a mail sent that does."""
        user = await self._registering.register(
            email=request.email,
            username=request.username,
            password=request.password,
            display_name=request.display_name,
            tenant_display_name=request.tenant_display_name,
            locale=request.locale,
            client=client_facts(),
        )
        if user is None:
            return auth_service_pb2.RegisterResponse(confirmation_sent=True)
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
            client=client_facts(),
            device_token=request.device_token,
            challenge=request.challenge,
            answer=FactorAnswer(code=request.code, passkey=request.passkey_response),
        )
        return token_response(pair)

    async def BeginPasskey(self, request: auth_service_pb2.BeginPasskeyRequest, context: _Context) -> auth_service_pb2.BeginPasskeyResponse:
        """Gives what a browser asks a passkey by."""
        challenge, options = await self._sessions.begin_passkey(request.challenge, client=client_facts(), device_token=request.device_token)
        return auth_service_pb2.BeginPasskeyResponse(challenge=challenge, options=options)

    async def RefreshToken(self, request: auth_service_pb2.RefreshTokenRequest, context: _Context) -> auth_service_pb2.TokenResponse:
        """Continues a session."""
        return token_response(await self._open_sessions.refresh(request.refresh_token, client=client_facts()))

    async def RevokeToken(self, request: auth_service_pb2.RevokeTokenRequest, context: _Context) -> empty_pb2.Empty:
        """Signs out."""
        await self._open_sessions.sign_out(request.refresh_token)
        return empty_pb2.Empty()

    async def ExchangeLink(self, request: auth_service_pb2.ExchangeLinkRequest, context: _Context) -> auth_service_pb2.TokenResponse:
        """Signs in by a link."""
        return token_response(await self._sessions.sign_in_by_link(request.token, client=client_facts()))

    async def VerifyToken(self, request: auth_service_pb2.VerifyTokenRequest, context: _Context) -> auth_service_pb2.VerifyTokenResponse:
        """Tells the caller who they are."""
        who = principal()
        return auth_service_pb2.VerifyTokenResponse(
            subject=who.subject,
            tenant=f"tenants/{who.tenant}",
            scopes=sorted(who.scopes),
            expire_time=timestamp(who.expires),
            time_zone=who.time_zone,
            session=f"sessions/{who.session}" if who.session else "",
        )

    async def GetJwks(self, request: auth_service_pb2.GetJwksRequest, context: _Context) -> auth_service_pb2.JsonWebKeySet:
        """Publishes the keys."""
        return auth_service_pb2.JsonWebKeySet(keys=[auth_service_pb2.JsonWebKey(**key) for key in self._keys.published()])


def token_response(pair: TokenPair) -> auth_service_pb2.TokenResponse:
    """A pair on the wire."""
    return auth_service_pb2.TokenResponse(
        access_token=pair.access_token,
        token_type="Bearer",  # noqa: S106  the name of the scheme (RFC 6750)
        expires_in=pair.expires_in,
        refresh_token=pair.refresh_token,
        scope=" ".join(sorted(pair.scopes)),
        device_token=pair.device_token,
        enrolment_required=pair.enrolment_required,
    )
