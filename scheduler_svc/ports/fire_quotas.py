"""Fires of a minute by tenant, and the alarms that wait for the next one."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from scheduler_svc.domain import Alarm
from tocsin.recurrence import Micros


class SpentFires(Protocol):
    """What somebody got: ``granted``, when ``before`` was used; ``after`` is used now."""

    @property
    def granted(self) -> int:
        """How much."""
        ...

    @property
    def before(self) -> int:
        """How much was used."""
        ...

    @property
    def after(self) -> int:
        """How much is used."""
        ...


class FireQuotaStore(Protocol):
    """Counts, and lets waiting alarms go: one transaction a method."""

    async def spend(self, wanted: Mapping[str, tuple[int, int]], *, minute: int) -> Mapping[str, SpentFires]:
        """Uses as much as there is of what tenants want: so many, of a quota of so many."""
        ...

    async def used(self, tenant: str, *, minute: int) -> int:
        """How much a tenant has used in a minute; what replicas have set aside counts."""
        ...

    async def waiting(self, shards: Collection[int]) -> Mapping[str, int]:
        """How many alarms of these shards wait for the next minute, by tenant."""
        ...

    async def release(self, tenant: str, shards: Collection[int], *, now: Micros, most: int) -> Sequence[Alarm]:
        """Lets at most ``most`` such alarms of a tenant go on, those that have waited longest first."""
        ...
