"""What the chains of one server share, and whom they ask."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import grpc

from tocsin.mesh.bulkhead import Bulkheads
from tocsin.mesh.call_queue import CallQueue
from tocsin.mesh.context import Call
from tocsin.mesh.faults import Faults
from tocsin.mesh.identity import Identity
from tocsin.mesh.limits import RateLimiter
from tocsin.mesh.live_policy import LivePolicies
from tocsin.mesh.metrics import ServerMetrics
from tocsin.mesh.policy import MethodPolicy
from tocsin.mesh.principal import Verifier
from tocsin.mesh.server.acceptor import Gate
from tocsin.mesh.shedding import Shedder
from tocsin.mesh.tap import Tap
from tocsin.mesh.validation import RequestValidator
from tocsin.telemetry import Telemetry


class MethodChain(Protocol):
    """The stages of one method."""

    @property
    def path(self) -> str:
        """Of the method."""
        ...

    @property
    def gate(self) -> Gate | None:
        """What is asked about every call of the method before its message is read; None when none is refused for overload."""
        ...

    def adopt(self, policies: LivePolicies) -> None:
        """Keeps to what holds now, for calls that begin from now on."""
        ...


@dataclass(slots=True, kw_only=True)
class ServerParts:
    """What the chains of one server share; ``chains`` are those of every method that is served."""

    identity: Identity
    verifier: Verifier
    validator: RequestValidator
    telemetry: Telemetry
    metrics: ServerMetrics
    shedder: Shedder
    queue: CallQueue
    faults: Faults
    bulkheads: Bulkheads
    limiter: RateLimiter
    max_message_bytes: int
    stall_seconds: float
    tap: Tap
    scopes: frozenset[str] = frozenset()
    """Every scope that the contract asks for."""
    chains: list[MethodChain] = field(default_factory=list[MethodChain])
    door: str = "gateway"
    """Name of the service whose word about the client of a call is taken."""
    tenants: "TenantGate | None" = None
    journal: "CallJournal | None" = None
    interceptors: Sequence[grpc.aio.ServerInterceptor] = ()


class CallJournal(Protocol):
    """Is told of the calls that the audit log is to know."""

    def record(self, method: str, call: Call, outcome: str) -> None:
        """A call has ended: it was "OK", or failed with a code."""
        ...


class TenantGate(Protocol):
    """Says which tenants may work."""

    def require(self, policy: MethodPolicy, tenant: str) -> None:
        """Refuses a call of a tenant that may not make it.

        Raises:
            PermissionDenied: says why.
        """
        ...

    def bound(self, policy: MethodPolicy, tenant: str) -> AbstractAsyncContextManager[None]:
        """Surrounds a stream, and ends it when it would be refused by now."""
        ...
