"""Queues the calls of one RPC in the spool."""

from typing import Final

from gateway.spool.methods import SpoolableMethod
from gateway.spool.spool import Spool, is_anonymous
from gateway.spool.store import SpooledCall
from tocsin.client_network import client_network
from tocsin.clock import Clock
from tocsin.mesh.tokens import Principal
from tocsin.telemetry import current_traceparent

_SCOPE: Final = "events:write"


class CallSpooler:
    """Queues the calls of one RPC while its service is unavailable."""

    def __init__(self, *, path: str, method: SpoolableMethod, spool: Spool, clock: Clock) -> None:
        """Makes the spooler of one RPC.

        Args:
            path: of the RPC.
            method: makes its calls ready.
            spool: keeps them.
            clock: source of time.
        """
        self._path = path
        self._method = method
        self._spool = spool
        self._clock = clock

    def waiting(self, principal: Principal | None, address: str) -> bool:
        """Whether calls of the caller are queued: a new call must not overtake them."""
        return self._spool.waits(_queue_of(principal, address))

    def mark(self, request: bytes) -> bytes:
        """The request with an id and a time, so that a repeated call is the same call."""
        return self._method.mark(request)

    async def keep(self, request: bytes, principal: Principal | None, address: str) -> bytes:
        """Queues a marked request durably; returns the response that its caller gets now."""
        self._method.check(request)
        queue = _queue_of(principal, address)
        tenant = "" if is_anonymous(queue) else queue
        await self._spool.put(SpooledCall(self._path, tenant, request, current_traceparent() or "", self._clock.micros(), queue))
        return self._method.taken(request)


def _queue_of(principal: Principal | None, address: str) -> str:
    """The queue of a call: its tenant, or the client's address when no token allows the call."""
    if principal is not None and _SCOPE in principal.scopes:
        return principal.tenant
    return f"@{client_network(address)}"
