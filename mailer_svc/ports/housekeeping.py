"""What housekeeping needs."""

from typing import Protocol


class DeliveryHousekeepingStore(Protocol):
    """Removes inbox messages and finished deliveries that are too old."""

    async def clean(self, *, inbox_before: int, deliveries_before: int, limit: int) -> int:
        """Removes up to ``limit`` rows of each kind that are older than the instants (microseconds). Returns how many."""
        ...
