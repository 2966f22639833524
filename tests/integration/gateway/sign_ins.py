"""auth_svc as the sessions of browsers see it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import empty_pb2

from tocsin.api.auth.v1 import (
    auth_service_pb2,
    auth_service_pb2_grpc,
    browser_session_service_pb2,
    browser_session_service_pb2_grpc,
    identity_provider_service_pb2,
    identity_provider_service_pb2_grpc,
    session_service_pb2_grpc,
)
from tocsin.errors import InvalidInput, NotFound, PermissionDenied, Unauthenticated, Unavailable, Unimplemented
from tocsin.testing.tokens import TokenMint


class SignInsOfTests(auth_service_pb2_grpc.AuthServiceServicer):
    """auth_svc's sign-in: Ann's password is "right", and Bob needs a code besides."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.links = {"once"}
        self.sessions: dict[str, str] = {}

    def _pair(self, subject: str, *, device: str = "") -> Any:
        self.sessions[f"refresh-{subject}"] = subject
        return auth_service_pb2.TokenResponse(access_token="unused", refresh_token=f"refresh-{subject}", device_token=device)

    async def IssueToken(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        if request.grant_type == "second_factor":
            if request.code != "123456":
                raise Unauthenticated("The code is wrong.", reason="SECOND_FACTOR_REFUSED")
            return self._pair("users/bob")
        if request.grant_type == "passkey":
            if request.passkey_response == "{}":
                raise Unauthenticated("The passkey is wrong.", reason="SECOND_FACTOR_REFUSED")
            return self._pair("users/ann")
        if request.password != "right":
            raise Unauthenticated("The name or the password is wrong.", reason="INVALID_CREDENTIALS")
        if request.username == "bob":
            raise Unauthenticated(
                "A second factor is required.", reason="SECOND_FACTOR_REQUIRED", metadata={"challenge": 'c"1', "methods": "totp"}
            )
        if request.username == "cay":
            methods = {"challenge": "c3", "methods": "passkey,recovery_code"}
            raise Unauthenticated("A second factor is required.", reason="SECOND_FACTOR_REQUIRED", metadata=methods)
        return self._pair("users/ann", device="" if request.device_token else "td_" + "d" * 43)

    async def BeginPasskey(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        challenge = request.challenge or "c2"
        return auth_service_pb2.BeginPasskeyResponse(challenge=challenge, options=f'{{"challenge": "{challenge}"}}')

    async def ExchangeLink(self, request: Any, context: Any) -> Any:
        if request.token not in self.links:
            raise Unauthenticated("The link works no more.")
        self.links.remove(request.token)
        return self._pair("users/link")

    async def RevokeToken(self, request: Any, context: Any) -> Any:
        self.sessions.pop(request.refresh_token, None)
        return empty_pb2.Empty()

    async def _unused(self, request: Any, context: Any) -> Any:
        raise Unimplemented

    Register = RefreshToken = VerifyToken = GetJwks = _unused


class BrowserSessionsOfTests(browser_session_service_pb2_grpc.BrowserSessionServiceServicer):
    """auth_svc's sessions of browsers; ``scopes`` are those that each gives."""

    def __init__(self, mint: TokenMint, sign_ins: SignInsOfTests, *, scopes: tuple[str, ...]) -> None:
        self.mint = mint
        self.sessions = sign_ins.sessions
        self.scopes = scopes
        self.exchanged: list[str] = []

    async def OpenBrowserSession(self, request: Any, context: Any) -> Any:
        if (subject := self.sessions.pop(request.refresh_token, None)) is None:
            raise Unauthenticated
        secret = f"tb_{len(self.sessions):03}{secrets.token_urlsafe(30)}"
        self.sessions[secret] = subject
        reply = browser_session_service_pb2.OpenBrowserSessionResponse(secret=secret)
        reply.expire_time.FromDatetime(datetime.now(UTC) + timedelta(days=90))
        return reply

    async def ExchangeBrowserSession(self, request: Any, context: Any) -> Any:
        self.exchanged.append(request.secret)
        if (subject := self.sessions.get(request.secret)) is None:
            raise Unauthenticated
        token = request.held_token or self.mint.mint(tenant="acme", subject=subject, scopes=self.scopes)
        return browser_session_service_pb2.ExchangeBrowserSessionResponse(access_token=token)


class OidcOfTests(identity_provider_service_pb2_grpc.OidcServiceServicer):
    """auth_svc's sign-in by an issuer: the state says what comes of it."""

    def __init__(self, sign_ins: SignInsOfTests) -> None:
        self.asked: list[Any] = []
        self.elsewhere = ""
        self._sessions = sign_ins.sessions

    async def ListSignInProviders(self, request: Any, context: Any) -> Any:
        shown = identity_provider_service_pb2.SignInProvider(provider="sso", display_name="Example & Co")
        return identity_provider_service_pb2.ListSignInProvidersResponse(providers=[shown])

    async def BeginOidcSignIn(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        if request.provider != "sso":
            raise NotFound("There is no such identity provider.", reason="IDENTITY_PROVIDER_NOT_FOUND")
        url, binding = "https://idp.example.com/a?state=s1", request.binding or "tx_" + "s" * 43
        return identity_provider_service_pb2.BeginOidcSignInResponse(authorization_url=url, state="s1", binding=binding)

    async def CompleteOidcSignIn(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        match request.state:
            case "role":
                raise PermissionDenied("No.", reason="NOT_ADMITTED", metadata={"why": "NO_ROLE"})
            case "away":
                raise Unavailable("No.", reason="ISSUER_UNAVAILABLE")
            case "factor":
                raise Unauthenticated("More.", reason="SECOND_FACTOR_REQUIRED", metadata={"challenge": 'ch"1', "returnTo": "/docs"})
            case "s1" if request.binding:
                self._sessions["refresh-oidc"] = "users/ann"
                tokens = auth_service_pb2.TokenResponse(access_token="unused", refresh_token="refresh-oidc")
                return identity_provider_service_pb2.CompleteOidcSignInResponse(tokens=tokens, return_to="/docs")
            case _:
                raise Unauthenticated("No.", reason="OIDC_SIGN_IN_VOID")

    async def EndOidcSessions(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        match request.logout_token:
            case "replayed":
                raise InvalidInput("The logout token cannot be trusted, or was used before.", metadata={"why": "jti"})
            case "away":
                raise Unavailable("No.", reason="ISSUER_UNAVAILABLE", retry_after=5)
            case token if request.provider == "sso":
                return identity_provider_service_pb2.EndOidcSessionsResponse(sessions=[f"sessions/{each}" for each in token.split(",")])
            case _:
                raise NotFound("There is no such identity provider.")

    async def CloseOidcSession(self, request: Any, context: Any) -> Any:
        self._sessions.pop(request.secret, None)
        return identity_provider_service_pb2.CloseOidcSessionResponse(end_session_url=self.elsewhere)


class EndedCredentialsOfTests(session_service_pb2_grpc.SessionServiceServicer):
    """auth_svc's feed of what has ended: what stands in ``told`` comes next, or is raised."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told: asyncio.Queue[Any] = asyncio.Queue()

    async def WatchEndedCredentials(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.asked.append(request.resume_token)
        while True:
            told = await self.told.get()
            if isinstance(told, Exception):
                raise told
            yield told

    async def _unused(self, request: Any, context: Any) -> Any:
        raise Unimplemented

    ListSessions = DeleteSession = RevokeAllSessions = ListUserSessions = DeleteUserSession = RevokeUserSessions = _unused
