"""What both doors of the gateway, HTTP and gRPC, share."""

import contextlib
from dataclasses import dataclass

from gateway.access_log import AccessLog
from gateway.credentials import Authenticator
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.mesh.bulkhead import Bulkheads
from tocsin.mesh.tokens import Principal, ScopeMissing
from tocsin.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingress:
    """Authentication, limits and records of incoming calls.

    Attributes:
        authenticator: finds the principal of a call.
        telemetry: spans and metrics.
        clock: measures durations.
        access_log: gets a line for each call.
        bulkheads: bounds the concurrent calls of a tenant.
    """

    authenticator: Authenticator
    telemetry: Telemetry
    clock: Clock
    access_log: AccessLog
    bulkheads: Bulkheads

    async def authorize(self, authorization: bytes | None, *, public: bool, scope: str) -> Principal | None:
        """The principal of a call; None at a public method without a valid credential.

        Args:
            authorization: the header's value.
            public: whether the method needs no credential.
            scope: what the token must carry; empty if any token is enough.

        Raises:
            Unauthenticated: the credential is missing or not valid.
            ScopeMissing: the token does not carry ``scope``.
        """
        if public:
            with contextlib.suppress(TocsinError):
                return await self.authenticator.authenticate(authorization)
            return None
        principal = await self.authenticator.authenticate(authorization)
        if scope and scope not in principal.scopes:
            raise ScopeMissing.of(scope)
        return principal
