"""What both doors of the gateway, HTTP and gRPC, share."""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

from gateway.access_log import AccessLog
from gateway.credential_watch import CredentialWatch
from gateway.credentials import SESSIONS, Authenticator, CredentialBounds, KeyRefused, MalformedAuthorization, SessionEnded
from gateway.limits import DoorLimits, Tell, ignore
from gateway.stream_tokens import StreamTokenDoor, StreamTokenRefused
from gateway.trusted_proxies import TrustedProxies
from tocsin.alerts import AlertKind, Alerts
from tocsin.audit_log.journal import AuditJournal
from tocsin.clock import Clock
from tocsin.errors import ResourceExhausted, TocsinError
from tocsin.lifecycle import Component
from tocsin.mesh.bulkhead import Bulkheads
from tocsin.mesh.policy import MethodKind, MethodPolicy
from tocsin.mesh.server import TenantGate
from tocsin.mesh.tokens import Principal, ScopeMissing, TokenRefused
from tocsin.telemetry import Telemetry

_FORGED: Final = (TokenRefused, KeyRefused, MalformedAuthorization)
"""Not a credential that is missing, or was good once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingress:
    """Authentication, limits and records of incoming calls.

    Attributes:
        authenticator: finds the principal of a call.
        telemetry: spans and metrics.
        clock: measures durations.
        access_log: gets a line for each call.
        limits: bounds the calls of a tenant and of an address in a time.
        bulkheads: bounds the concurrent calls of a tenant.
        stream_tokens: open streams by a URL alone.
        alerts: told of credentials that are not valid, and of scopes that lack.
        proxies: find the address of a client.
        credential_watch: ends streams with their credential.
        journal: what the audit log is told.
        tenants: says which tenants may work; None where nobody knows.
        timeout: seconds that a call may take by the policies that hold now.
    """

    authenticator: Authenticator
    telemetry: Telemetry
    clock: Clock
    access_log: AccessLog
    limits: DoorLimits
    bulkheads: Bulkheads
    stream_tokens: StreamTokenDoor
    alerts: Alerts
    proxies: TrustedProxies
    credential_watch: CredentialWatch
    journal: AuditJournal
    tenants: TenantGate | None = None
    timeout: Callable[[MethodPolicy], float] = attrgetter("timeout")

    def end_sessions(self, sessions: Collection[str]) -> None:
        """Takes nothing more of ``sessions``, which have ended, and ends their streams."""
        self.authenticator.end_sessions(sessions)
        self.credential_watch.end({f"{SESSIONS}{session}" for session in sessions})

    def end(self, credentials: Mapping[str, datetime]) -> None:
        """Takes nothing more of sessions and API keys that have ended, and ends their streams; see `Authenticator.end`."""
        self.authenticator.end(credentials)
        self.credential_watch.end(credentials.keys())

    def change(self, changes: Mapping[str, CredentialBounds]) -> None:
        """Lets sessions and API keys do no more than is said, their streams as well; see `Authenticator.change`."""
        self.authenticator.change(changes)
        self.credential_watch.look_at(changes.keys())

    @property
    def components(self) -> Sequence[Component]:
        """What of it has to run."""
        return (self.access_log, self.credential_watch)

    async def authorize(
        self,
        authorization: bytes | None,
        *,
        public: bool,
        scope: str,
        place: str,
        address: str,
        user_agent: str = "",
        tell: Tell = ignore,
    ) -> Principal | None:
        """The principal of a call; None at a public method without a valid credential.

        Args:
            authorization: the header's value.
            public: whether the method needs no credential.
            scope: what the token must carry; empty if any token is enough.
            place: the route or RPC, for an alert.
            address: of the client.
            user_agent: what the client calls itself.
            tell: takes fields of the answer.

        Raises:
            RateLimited: the address showed too many credentials that are not valid, and this one is not known to be.
            Unauthenticated: the credential is missing or not valid.
            ScopeMissing: the token does not carry ``scope``.
        """
        if authorization is not None and (known := self.authenticator.known(authorization)) is not None:
            principal = known
        elif public:
            return await self._anybody(authorization, address)
        else:
            principal = await self._authenticate(authorization, place=place, address=address, user_agent=user_agent, tell=tell)
        if scope and not public and scope not in principal.scopes:
            self._tell_refused(principal, scope, place=place, address=address, user_agent=user_agent)
            raise ScopeMissing.of(scope)
        return principal

    def _tell_refused(self, principal: Principal, scope: str, *, place: str, address: str, user_agent: str) -> None:
        """Tells alerts and the audit log that somebody asked for what they may not."""
        tenant, subject, detail = principal.tenant, principal.subject, f"lacks {scope}"
        self.alerts.report(kind=AlertKind.SCOPE_REFUSED, place=place, tenant=tenant, subject=subject, detail=detail)
        self.journal.happened(
            _audited(place),
            tenant=tenant,
            subject=subject,
            outcome="PERMISSION_DENIED",
            detail=detail,
            address=address,
            user_agent=user_agent,
        )

    async def open_stream(self, token: bytes, *, path: str, place: str, address: str, tell: Tell = ignore) -> bytes:
        """The Authorization header that a stream token stands for.

        Args:
            token: as the URL shows it.
            path: as it was requested, without the query.
            place: the route, for an alert.
            address: of the client.
            tell: takes fields of the answer.

        Raises:
            RateLimited: the address showed too many credentials that are not valid.
            StreamTokenRefused: it is not valid at this path.
            Unavailable: that cannot be known now.
        """
        self.limits.check_credentials(address, tell=tell)
        try:
            return await self.stream_tokens.open(token, path=path)
        except StreamTokenRefused as error:
            self.alerts.report(kind=AlertKind.TOKEN_INVALID, place=place, detail=error.error_reason)
            await self.limits.count_refused_credential(address)
            raise

    async def _authenticate(self, authorization: bytes | None, *, place: str, address: str, user_agent: str, tell: Tell) -> Principal:
        if authorization is not None:
            try:
                self.limits.check_credentials(address, tell=tell)
            except ResourceExhausted:
                self.alerts.report(kind=AlertKind.CREDENTIALS_FORGED, place=place, latest=f"from {address}")
                raise
        try:
            return await self.authenticator.authenticate(authorization, address=address)
        except SessionEnded:
            await self.limits.count_refused_credential(address)
            raise
        except _FORGED as error:
            kind = AlertKind.API_KEY_INVALID if isinstance(error, KeyRefused) else AlertKind.TOKEN_INVALID
            self.alerts.report(kind=kind, place=place, detail=error.error_reason)
            self.journal.happened(
                _audited(place), outcome="UNAUTHENTICATED", detail=error.error_reason, address=address, user_agent=user_agent
            )
            await self.limits.count_refused_credential(address)
            raise

    async def _anybody(self, authorization: bytes | None, address: str) -> Principal | None:
        """The principal at a public method, where a credential may be meant for somebody else: one that is not ours is none."""
        try:
            self.limits.check_credentials(address, tell=ignore)
            return await self.authenticator.authenticate(authorization, address=address)
        except KeyRefused:
            await self.limits.count_refused_credential(address)
        except TocsinError:
            pass
        return None

    @asynccontextmanager
    async def admit(
        self,
        policy: MethodPolicy | None,
        principal: Principal | None,
        *,
        authorization: bytes | None,
        address: str,
        tell: Tell = ignore,
    ) -> AsyncGenerator[None]:
        """What a call of either door holds while it is served, streams included: a place among the calls of its tenant.

        A stream ends with its credential, and with its tenant: the task is cancelled, and the error raised where the block ends.

        Args:
            policy: of the method; None for a page of the gateway itself.
            principal: whom the call speaks for.
            authorization: the header that says so.
            address: of the client.
            tell: takes fields of the answer.

        Raises:
            PermissionDenied: the tenant is suspended or deleted.
            RateLimited: on enter: the tenant, or the address at a public method, makes too many calls of this kind in a time.
            ResourceExhausted: on enter: the tenant has too many calls of this kind.
            Unauthenticated: the credential of the stream has ended.
            ScopeMissing: the API key of the stream has lost the scope.
        """
        if policy is None:
            yield
            return
        if principal is not None and self.tenants is not None and not policy.public:
            self.tenants.require(policy, principal.tenant)
        await self.limits.count(policy, principal, address=address, tell=tell)
        if principal is None:
            yield
            return
        async with self.bulkheads.place(policy, principal.tenant):
            if authorization is None or policy.kind is MethodKind.UNARY_UNARY:
                yield
                return
            async with self._bound(policy, principal):
                with self.credential_watch.hold(authorization, principal, scope=policy.scope):
                    yield

    def _bound(self, policy: MethodPolicy, principal: Principal) -> AbstractAsyncContextManager[None]:
        """Ends a stream with its tenant: services of other teams know nothing of tenants, and ours hear of one later than the door."""
        return nullcontext() if self.tenants is None or policy.public else self.tenants.bound(policy, principal.tenant)


def _audited(place: str) -> str:
    """How the audit log calls a place: an RPC as each service calls it, without its package; a route as it is."""
    return place.rpartition(".")[2] if place.startswith("/") else place
