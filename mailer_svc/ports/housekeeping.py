"""What housekeeping needs."""

from typing import Protocol


class DeliveryHousekeepingStore(Protocol):
    """Removes inbox messages, finished deliveries and what rotations were that are too old."""

    async def clean(self, *, inbox_before: int, deliveries_before: int, limit: int, archived: bool = False) -> int:
        """Removes up to ``limit`` rows of each kind that are older than the instants (microseconds). Returns how many.

        Deliveries stay if they are ``archived``: they leave by the archive.
        """
        ...

    async def clean_rotations(self, *, before: int, limit: int) -> int:
        """Removes up to ``limit`` revisions of rotations, and overrides, that were over before an instant. Returns how many."""
        ...
