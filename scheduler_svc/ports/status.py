"""What is kept of pings, and what a tenant shows of how its alarms stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from scheduler_svc.domain import Alarm
from scheduler_svc.triggers import KeptPing


class PingKey(NamedTuple):
    """The key by which pings name heartbeats of a tenant; ``policy``: whom those tell that they make, an id, empty for none."""

    tenant: str
    secret: str
    policy: str


class PingKeyStore(Protocol):
    """The ping keys: one transaction a method."""

    async def key_of(self, tenant: str) -> PingKey | None:
        """The key of a tenant; None before it is made."""
        ...

    async def find_key(self, secret: str) -> PingKey | None:
        """Whose key it is; None when it is nobody's."""
        ...

    async def put_key(self, key: PingKey) -> None:
        """Keeps the tenant's key, in place of the one before.

        Raises:
            PingKeyTaken: another tenant has it.
        """
        ...

    async def slugs(self, tenant: str) -> int:
        """How many heartbeats of the tenant have a slug."""
        ...


class PingLog(Protocol):
    """The pings that are kept."""

    async def page(self, tenant: str, alarm: str, *, before: str, size: int) -> Sequence[KeptPing]:
        """Pings of a heartbeat, the newest first, with ids below ``before`` unless that is empty."""
        ...

    async def get(self, tenant: str, alarm: str, ping: str) -> KeptPing | None:
        """One of them; None when it is not kept."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An alarm that watches something.

    Attributes:
        alarm: the alarm, with its signal.
        incident: id of its open incident; empty without one.
    """

    alarm: Alarm
    incident: str = ""


class StandingStore(Protocol):
    """Reads heartbeats, checks and thresholds."""

    async def watched(self, tenant: str, *, after: str, size: int) -> Sequence[Watched]:
        """The tenant's, in the order of their ids, behind ``after``."""
        ...

    async def named(self, tenant: str, alarms: Sequence[str]) -> Sequence[Watched]:
        """Those of these ids that there are."""
        ...

    async def by_name(self, tenant: str, name: str) -> str:
        """The id of the alarm with this id, slug or key; empty without one."""
        ...

    async def readings(self, tenant: str, metrics: Sequence[str]) -> Mapping[str, tuple[float, int]]:
        """The latest value of each metric, and when it was measured."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage:
    """What a tenant shows to everybody."""

    tenant: str
    enabled: bool = False
    slug: str = ""
    title: str = ""
    alarms: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    badge_secret: str = ""


class StatusPageStore(Protocol):
    """What tenants show: one transaction a method."""

    async def page_of(self, tenant: str) -> StatusPage | None:
        """That of a tenant; None if it never said."""
        ...

    async def page_at(self, slug: str) -> StatusPage | None:
        """That with a name."""
        ...

    async def page_with_badges(self, secret: str) -> StatusPage | None:
        """That with a key of badges."""
        ...

    async def put_page(self, page: StatusPage) -> None:
        """Keeps it, in place of the one before.

        Raises:
            StatusSlugTaken: another tenant has the name.
        """
        ...
