"""The other services, through the mesh."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC
from typing import Any

from google.protobuf import json_format

from gateway.credentials import CredentialBounds
from gateway.domain import Circuit, Dependency, HealthLevel, ReplicaStatus, ServiceView
from gateway.ended_credentials import EndedNews
from gateway.ports import BegunOidc, BegunPasskey, CompletedOidc, IssuedTokens, OidcReturn, OpenedSession, ServerStream, Unary
from tocsin.api.auth.v1 import (
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    auth_service_pb2,
    auth_service_pb2_grpc,
    browser_session_service_pb2,
    browser_session_service_pb2_grpc,
    identity_provider_service_pb2,
    identity_provider_service_pb2_grpc,
    session_service_pb2,
    session_service_pb2_grpc,
    stream_token_service_pb2,
    stream_token_service_pb2_grpc,
)
from tocsin.api.mesh.v1 import mesh_service_pb2 as mesh_pb2
from tocsin.api.mesh.v1 import mesh_service_pb2_grpc as mesh_pb2_grpc
from tocsin.errors import InvalidInput, TocsinError, Unimplemented
from tocsin.mesh.breaker import BreakerRegistry, CircuitState
from tocsin.mesh.client import Mesh, MeshChannel
from tocsin.mesh.context import detached
from tocsin.mesh.identity import CertificateExpired

_HEALTH = {
    mesh_pb2.Status.HEALTHY: HealthLevel.HEALTHY,
    mesh_pb2.Status.DEGRADED: HealthLevel.DEGRADED,
    mesh_pb2.Status.UNAVAILABLE: HealthLevel.UNAVAILABLE,
}
_CIRCUIT_STATES = {
    mesh_pb2.CircuitBreaker.CLOSED: CircuitState.CLOSED,
    mesh_pb2.CircuitBreaker.OPEN: CircuitState.OPEN,
    mesh_pb2.CircuitBreaker.HALF_OPEN: CircuitState.HALF_OPEN,
}


def service_of(path: str) -> str:
    """The service that owns an RPC: "/tocsin.api.scheduler.v1.AlarmService/Get" is of "scheduler_svc"."""
    return f"{path.split('/')[1].split('.')[-3]}_svc"


class MeshBackend:
    """Forwards calls as bytes. Deadline, breaker, retry and the user's token are the mesh's business."""

    def __init__(self, *, mesh: Mesh) -> None:
        """Makes the backend of ``mesh``."""
        self._mesh = mesh

    def unary(self, path: str) -> Unary:
        """The caller of a unary RPC."""
        return self._channel(path).unary_unary(path)

    def server_stream(self, path: str) -> ServerStream:
        """The caller of an RPC whose answers stream."""
        return self._channel(path).unary_stream(path)

    def client_stream(self, path: str) -> Any:
        """The caller of an RPC whose requests stream: takes an asynchronous iterator, gives an awaitable."""
        return self._channel(path).stream_unary(path)

    def both_streams(self, path: str) -> Any:
        """The caller of an RPC that streams both ways: takes an asynchronous iterator, gives a `Stream`."""
        return self._channel(path).stream_stream(path)

    def _channel(self, path: str) -> MeshChannel:
        return self._mesh.channel(service_of(path))


class MeshKeyExchange:
    """Exchanges API keys at auth_svc."""

    def __init__(self, *, mesh: Mesh) -> None:
        """Makes the client."""
        self._stub = api_key_service_pb2_grpc.ApiKeyServiceStub(mesh.channel("auth_svc"))

    async def exchange(self, secret: str, address: str) -> str:
        """The access token that stands for an API key, which a client at ``address`` showed.

        Raises:
            Unauthenticated: there is no such key.
            Unavailable: auth_svc cannot be asked now.
        """
        reply = await self._stub.ExchangeApiKey(api_key_service_pb2.ExchangeApiKeyRequest(secret=secret, client_address=address))
        return reply.access_token


class MeshEndedCredentials:
    """Follows what ends, at auth_svc."""

    def __init__(self, *, mesh: Mesh) -> None:
        """Makes the client."""
        self._stub = session_service_pb2_grpc.SessionServiceStub(mesh.channel("auth_svc"))

    async def watch(self, token: str) -> AsyncGenerator[EndedNews]:
        """What has ended since the news of ``token``, and then what ends.

        Raises:
            Unavailable: auth_svc is away.
            InvalidInput: it did not give that token.
        """
        with detached():
            stream = self._stub.WatchEndedCredentials(session_service_pb2.WatchEndedCredentialsRequest(resume_token=token))
        try:
            async for told in stream:
                yield EndedNews(
                    credentials={each.name: each.expire_time.ToDatetime(UTC) for each in told.credentials},
                    changed={
                        each.name: CredentialBounds(scopes=frozenset(each.scopes), until=each.expire_time.ToDatetime(UTC))
                        for each in told.changed
                    },
                    token=told.resume_token,
                    tenants_version=told.tenants_version,
                )
        finally:
            stream.cancel()


class MeshStreamTokenExchange:
    """Exchanges stream tokens at auth_svc."""

    def __init__(self, *, mesh: Mesh) -> None:
        """Makes the client."""
        self._stub = stream_token_service_pb2_grpc.StreamTokenServiceStub(mesh.channel("auth_svc"))

    async def exchange(self, token: str, path: str) -> str:
        """The access token that the stream at ``path`` is served with.

        Raises:
            Unauthenticated: the token is not valid, has ended, or is for another path.
            Unavailable: auth_svc cannot be asked now.
        """
        request = stream_token_service_pb2.ExchangeStreamTokenRequest(token=token, path=path)
        return (await self._stub.ExchangeStreamToken(request)).access_token


class MeshBrowserSessions:
    """Signs browsers in, and exchanges the secrets of their sessions, at auth_svc."""

    def __init__(self, *, mesh: Mesh) -> None:
        """Makes the client."""
        channel = mesh.channel("auth_svc")
        self._auth = auth_service_pb2_grpc.AuthServiceStub(channel)
        self._sessions = browser_session_service_pb2_grpc.BrowserSessionServiceStub(channel)
        self._oidc = identity_provider_service_pb2_grpc.OidcServiceStub(channel)

    async def sign_in(self, fields: Mapping[str, object]) -> IssuedTokens:
        """Signs in by the fields of IssueTokenRequest.

        Raises:
            InvalidInput: a field is unknown, or its value is not of its type.
            Unauthenticated: what was shown is wrong, or not enough.
        """
        try:
            request = json_format.ParseDict(dict(fields), auth_service_pb2.IssueTokenRequest(), max_recursion_depth=10)
        except json_format.ParseError as error:
            raise InvalidInput(f"The body is no sign-in: {error}") from error
        return await self._auth.IssueToken(request)

    async def begin_passkey(self, challenge: str, device: str) -> BegunPasskey:
        """What a browser asks a passkey by.

        Raises:
            TocsinError: the challenge works no more, or there are no passkeys here.
        """
        return await self._auth.BeginPasskey(auth_service_pb2.BeginPasskeyRequest(challenge=challenge, device_token=device))

    async def sign_in_by_link(self, token: str) -> IssuedTokens:
        """Signs in by a one-time link.

        Raises:
            TocsinError: it works no more.
        """
        return await self._auth.ExchangeLink(auth_service_pb2.ExchangeLinkRequest(token=token))

    async def open_session(self, refresh_token: str) -> OpenedSession:
        """Turns the session of a refresh token into one of a browser."""
        request = browser_session_service_pb2.OpenBrowserSessionRequest(refresh_token=refresh_token)
        opened = await self._sessions.OpenBrowserSession(request)
        return OpenedSession(opened.secret, opened.expire_time.ToDatetime(UTC))

    async def close_session(self, secret: str) -> str:
        """Ends the session of a secret; where the browser signs out at its issuer."""
        try:
            closed = await self._oidc.CloseOidcSession(identity_provider_service_pb2.CloseOidcSessionRequest(secret=secret))
        except Unimplemented:  # a replica of an earlier version
            await self._auth.RevokeToken(auth_service_pb2.RevokeTokenRequest(refresh_token=secret))
            return ""
        return closed.end_session_url

    async def exchange_session(self, secret: str, held: str) -> str:
        """The access token that stands for a secret.

        Raises:
            Unauthenticated: the session has ended, or there is none.
            Unavailable: auth_svc cannot be asked now.
        """
        request = browser_session_service_pb2.ExchangeBrowserSessionRequest(secret=secret, held_token=held)
        return (await self._sessions.ExchangeBrowserSession(request)).access_token


class MeshSignInProviders:
    """Signs browsers in by identity providers, at auth_svc."""

    def __init__(self, *, mesh: Mesh) -> None:
        """Makes the client."""
        self._stub = identity_provider_service_pb2_grpc.OidcServiceStub(mesh.channel("auth_svc"))

    async def listed(self) -> Sequence[tuple[str, str]]:
        """What the sign-in page shows."""
        found = await self._stub.ListSignInProviders(identity_provider_service_pb2.ListSignInProvidersRequest())
        return [(each.provider, each.display_name) for each in found.providers]

    async def begin(self, provider: str, *, return_to: str, origin: str, binding: str) -> BegunOidc:
        """Where the browser goes.

        Raises:
            TocsinError: there is no such provider, or its issuer does not answer.
        """
        request = identity_provider_service_pb2.BeginOidcSignInRequest(
            provider=provider, return_to=return_to, loopback_origin=origin, binding=binding
        )
        begun = await self._stub.BeginOidcSignIn(request)
        return BegunOidc(begun.authorization_url, begun.binding)

    async def complete(self, back: OidcReturn, *, device: str) -> CompletedOidc:
        """The tokens of who comes back.

        Raises:
            TocsinError: they are not signed in.
        """
        request = identity_provider_service_pb2.CompleteOidcSignInRequest(
            state=back.state, code=back.code, error=back.error, binding=back.binding, device_token=device
        )
        if back.issuer is not None:
            request.issuer = back.issuer
        done = await self._stub.CompleteOidcSignIn(request)
        return CompletedOidc(done.tokens, done.return_to)

    async def log_out(self, provider: str, token: str) -> Sequence[str]:
        """Ends the sessions that a logout token names.

        Raises:
            NotFound: there is no such provider.
            InvalidInput: the token is refused.
        """
        request = identity_provider_service_pb2.EndOidcSessionsRequest(provider=provider, logout_token=token)
        ended = await self._stub.EndOidcSessions(request)
        return [name.removeprefix("sessions/") for name in ended.sessions]


class MeshStatusSource:
    """Asks MeshService of every replica."""

    def __init__(self, *, mesh: Mesh, breakers: BreakerRegistry, timeout_seconds: float) -> None:
        """Makes the source.

        Args:
            mesh: the way to the services.
            breakers: the gateway's own.
            timeout_seconds: how long one replica may take to answer.
        """
        self._mesh = mesh
        self._breakers = breakers
        self._timeout = timeout_seconds

    async def view(self, service: str) -> ServiceView:
        """What every replica of ``service`` says."""
        with detached():
            try:
                async with asyncio.timeout(self._timeout):
                    addresses = await self._mesh.endpoints(service)
            except (TocsinError, TimeoutError):
                addresses = []
            if not addresses:
                return ServiceView(service=service, replicas=[_silent("unresolved")])
            return ServiceView(service=service, replicas=await asyncio.gather(*(self._ask(service, address) for address in addresses)))

    async def _ask(self, service: str, address: str) -> ReplicaStatus:
        stub = mesh_pb2_grpc.MeshServiceStub(self._mesh.channel(service, endpoint=address))
        try:
            return _replica(address, await stub.GetStatus(mesh_pb2.GetStatusRequest(), timeout=self._timeout))
        except CertificateExpired as error:
            # It is the gateway's own; what the services would say of theirs cannot be heard.
            return _silent(address, Dependency(name="certificate", health=HealthLevel.UNAVAILABLE, detail=error.message))
        except TocsinError:
            return _silent(address)

    def circuits(self) -> Sequence[Circuit]:
        """The gateway's own circuit breakers."""
        return [
            Circuit(
                id=item.id,
                target=item.target,
                state=item.state,
                failures=item.failures,
                opened=item.opened,
                idle=item.idle,
                last_failure=item.last_failure,
            )
            for item in self._breakers.snapshot()
        ]


def _silent(address: str, *reasons: Dependency) -> ReplicaStatus:
    return ReplicaStatus(address=address, health=HealthLevel.UNAVAILABLE, dependencies=list(reasons))


def _replica(address: str, status: mesh_pb2.Status) -> ReplicaStatus:
    return ReplicaStatus(
        address=address,
        health=_HEALTH.get(status.health, HealthLevel.UNAVAILABLE),
        version=status.version,
        incarnation=status.incarnation,
        started=status.start_time.ToDatetime(UTC),
        dependencies=[
            Dependency(name=item.name, health=_HEALTH.get(item.health, HealthLevel.UNAVAILABLE), detail=item.detail)
            for item in status.dependencies
        ],
        circuits=[_circuit(item) for item in status.circuit_breakers],
    )


def _circuit(item: mesh_pb2.CircuitBreaker) -> Circuit:
    return Circuit(
        id=item.id,
        target=item.target,
        state=_CIRCUIT_STATES.get(item.state, CircuitState.OPEN),
        failures=item.failures,
        opened=item.opened_time.ToDatetime(UTC) if item.HasField("opened_time") else None,
        idle=item.idle,
        last_failure=item.last_failure_time.ToDatetime(UTC) if item.HasField("last_failure_time") else None,
    )
