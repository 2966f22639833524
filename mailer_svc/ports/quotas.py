"""What tenants use of their quotas."""

from typing import Protocol


class MessageUsage(Protocol):
    """Tells how many messages were sent."""

    async def used(self, tenant: str, *, now: int) -> int:
        """How many a tenant has sent, or is about to, on the day of ``now``, in microseconds since the epoch."""
        ...
