"""What stands behind a route whose calls may be taken on."""

from collections.abc import Callable
from typing import Final

from gateway.spool.spool import Spool
from gateway.spool.stamps import Stamp
from gateway.spool.store import Entry
from tocsin.clock import Clock
from tocsin.mesh.tokens import Principal
from tocsin.telemetry import current_traceparent

_SCOPE: Final = "events:write"


class CallKeeper:
    """Takes on the calls of one RPC."""

    def __init__(self, *, path: str, stamp: Stamp, spool: Spool, ring: Callable[[], None], clock: Clock) -> None:
        """Takes what it stands on.

        Args:
            path: of the RPC.
            stamp: makes its calls ready.
            spool: keeps them.
            ring: tells the forwarder.
            clock: source of time.
        """
        self._path = path
        self._stamp = stamp
        self._spool = spool
        self._ring = ring
        self._clock = clock

    @property
    def waiting(self) -> bool:
        """See `gateway.ports.Keeper`."""
        return self._spool.depth > 0

    def mark(self, request: bytes) -> bytes:
        """See `gateway.ports.Keeper`."""
        return self._stamp.mark(request)

    async def keep(self, request: bytes, principal: Principal | None) -> bytes:
        """See `gateway.ports.Keeper`."""
        self._stamp.check(request)
        tenant = principal.tenant if principal is not None and _SCOPE in principal.scopes else ""
        await self._spool.put(Entry(self._path, tenant, request, current_traceparent() or "", self._clock.micros()))
        self._ring()
        return self._stamp.taken(request)
