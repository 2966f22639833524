"""Housekeeping: what is old goes, in small steps."""

from collections.abc import Mapping
from typing import Protocol

from tocsin.recurrence import Micros


class HousekeepingStore(Protocol):
    """Housekeeping, in small steps."""

    async def make_room(self, *, now: Micros) -> None:
        """Prepares the ledger for this month and those to come; without it nothing fails, but old firings are forgotten slowly."""
        ...

    async def forget_months(self, *, before: Micros, emptied: bool = False) -> Micros:
        """Removes whole months of the ledger that are over before an instant and in which everything is finished, at once.

        With ``emptied`` only those in which nothing is left.

        Returns:
            The instant before which what is left of the ledger is to be forgotten in steps: the rest waits until its month is over.
        """
        ...

    async def forget_firings(self, *, before: Micros, most: int) -> int:
        """Removes finished firings due before an instant; how many."""
        ...

    async def forget_changes(self, *, before: Micros, most: int) -> int:
        """Removes what watchers of firings could go on from that was before an instant; how many entries."""
        ...

    async def forget_pings(self, *, before: Micros, most: int) -> int:
        """Removes some of the pings that are kept and came before an instant; how many."""
        ...

    async def forget_requests(self, *, before: Micros, most: int) -> int:
        """Removes remembered requests made before an instant; how many."""
        ...

    async def forget_rules(self, *, before: Micros, most: int) -> int:
        """Removes rules that ended before an instant; how many."""
        ...

    async def forget_replans(self, *, before: Micros, most: int) -> int:
        """Removes the reports of replans before an instant; how many."""
        ...

    async def forget_silences(self, *, before: Micros, most: int) -> int:
        """Removes silences that ended before an instant; how many."""
        ...

    async def forget_incidents(self, *, before: Micros, most: int) -> int:
        """Removes incidents that were resolved, and changed last, before an instant, with their timelines and alerts; how many."""
        ...

    async def forget_inbound(self, *, before: Micros, most: int) -> int:
        """Removes entries of the log of what came before an instant, and counts of rare topics; how many entries."""
        ...

    async def complete_listeners(self, *, now: Micros, most: int) -> int:
        """Completes alarms that waited for something from outside until their end; how many."""
        ...

    async def settle(self) -> None:
        """Keeps the order of changes across a restore into another PostgreSQL cluster."""
        ...

    async def count_alarms(self) -> Mapping[str, int]:
        """Alarms by state."""
        ...

    async def count_incidents(self) -> Mapping[str, int]:
        """Open incidents by severity."""
        ...
