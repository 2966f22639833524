"""What tenants use of their quotas."""

from typing import NamedTuple, Protocol

from tocsin.recurrence import Micros


class QuotaUse(NamedTuple):
    """How much of a quota is used; ``limit`` 0: without bound; ``resets``: when it begins anew, None: never."""

    name: str
    used: int
    limit: int
    resets: Micros | None = None


class MessageCounts(Protocol):
    """Counts messages."""

    async def messages(self, tenant: str) -> int:
        """How many messages a tenant has sent today.

        Raises:
            TocsinError: nobody says so now.
        """
        ...


class AlarmCounts(Protocol):
    """Counts alarms."""

    async def alarms(self, tenant: str) -> int:
        """How many alarms a tenant has."""
        ...
