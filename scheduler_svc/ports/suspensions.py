"""What tenants that are suspended, and those that are no longer, have to do with alarms."""

from collections.abc import Sequence
from typing import Protocol

from scheduler_svc.domain import Alarm
from tocsin.recurrence import Micros


class SuspensionStore(Protocol):
    """Alarms that are paused because they came due while their tenant was suspended."""

    async def paused_tenant(self, *, after: str) -> str | None:
        """The first tenant behind ``after`` that has such alarms; None: there is none."""
        ...

    async def release(self, tenant: str, *, now: Micros, most: int) -> Sequence[Alarm]:
        """Lets at most ``most`` of a tenant's such alarms go on, as they are due: what was missed is caught up with as each says."""
        ...


class TenantStops(Protocol):
    """Does something by itself for tenants, unless they are stopped."""

    def stop_tenants(self, tenants: frozenset[str]) -> None:
        """These tenants are stopped now, and no others."""
        ...
