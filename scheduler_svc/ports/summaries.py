"""What a summary of the ledger counts."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tocsin.recurrence import Micros


class FiringCount(NamedTuple):
    """Firings of one outcome and one step of lateness.

    ``step``: which of the edges is the first that they are not later than; as many as there are edges: none is; -1: they did not fire.
    ``first``: the earliest due time among them.
    """

    outcome: int
    step: int
    firings: int
    first: Micros


class FiringCounts(Protocol):
    """Counts firings."""

    async def count(
        self, tenant: str, *, alarm: str, since: Micros, until: Micros, edges: Sequence[Micros], most: int
    ) -> Sequence[FiringCount]:
        """The ``most`` latest that were due from ``since`` to ``until``, of one alarm unless it is empty; ``edges`` ascend."""
        ...
