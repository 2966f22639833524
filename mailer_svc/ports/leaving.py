"""What somebody who leaves a category needs."""

from typing import Protocol


class CategoryChoices(Protocol):
    """Writes what recipients choose by a click."""

    async def turn_off(self, *, tenant: str, recipient: str, category: str, now: int) -> bool:
        """Messages of the category reach the recipient by no channel any more, whatever was chosen for single channels.

        False: there is no such recipient. ``now`` is in microseconds.
        """
        ...

    async def category_name(self, *, tenant: str, category: str) -> str:
        """What people call the category; empty if nobody said, or there is none."""
        ...
