"""What stands behind a route whose calls may be taken on."""

import ipaddress
from typing import Final

from gateway.spool.spool import Spool, is_stranger
from gateway.spool.stamps import Stamp
from gateway.spool.store import Entry
from tocsin.clock import Clock
from tocsin.mesh.tokens import Principal
from tocsin.telemetry import current_traceparent

_SCOPE: Final = "events:write"


class CallKeeper:
    """Takes on the calls of one RPC."""

    def __init__(self, *, path: str, stamp: Stamp, spool: Spool, clock: Clock) -> None:
        """Takes what it stands on.

        Args:
            path: of the RPC.
            stamp: makes its calls ready.
            spool: keeps them.
            clock: source of time.
        """
        self._path = path
        self._stamp = stamp
        self._spool = spool
        self._clock = clock

    def waiting(self, principal: Principal | None, address: str) -> bool:
        """See `gateway.ports.Keeper`."""
        return self._spool.waits(_lane(principal, address))

    def mark(self, request: bytes) -> bytes:
        """See `gateway.ports.Keeper`."""
        return self._stamp.mark(request)

    async def keep(self, request: bytes, principal: Principal | None, address: str) -> bytes:
        """See `gateway.ports.Keeper`."""
        self._stamp.check(request)
        lane = _lane(principal, address)
        tenant = "" if is_stranger(lane) else lane
        await self._spool.put(Entry(self._path, tenant, request, current_traceparent() or "", self._clock.micros(), lane))
        return self._stamp.taken(request)


def _lane(principal: Principal | None, address: str) -> str:
    """Where a call queues: with its tenant's, or, without a token that allows it, with those from the same address.

    An IPv6 client has a whole /64 (RFC 6177), which counts as one address.
    """
    if principal is not None and _SCOPE in principal.scopes:
        return principal.tenant
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "@"
    return f"@{ipaddress.ip_network((found, 64), strict=False).network_address}" if found.version == 6 else f"@{found}"
