"""Firings that go one after the other: of each alarm one is on its way. Pure.

The ledger is the queue, and says which firing of an alarm is next: the unfinished one that was due first. Here is only which one is in
memory, and of which alarms the next one is to be looked up.
"""

from collections.abc import Collection

from scheduler_svc.domain import SERIAL, QueuedFiring


class Chains:
    """The alarms whose firings wait for one another, as far as one of them is in memory.

    Attributes:
        asked: alarms whose next firing is to be looked up.
    """

    __slots__ = ("_heads", "asked")

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self._heads: dict[str, str] = {}

    def ask(self, alarm: str) -> None:
        """There may be a firing of the alarm that can go; whether it can shows once the one in memory has ended."""
        if alarm not in self._heads:
            self.asked.add(alarm)

    def take(self, most: int) -> list[str]:
        """The alarms that are to be looked up now."""
        taken = sorted(self.asked)[:most]
        self.asked.difference_update(taken)
        return taken

    def again(self, alarms: Collection[str]) -> None:
        """Looking these up has failed."""
        self.asked.update(alarms)

    def begin(self, queued: QueuedFiring) -> bool:
        """The parcel's turn has come; False when another one of its alarm is in memory."""
        return self._heads.setdefault(queued.alarm, queued.id) == queued.id

    def leave(self, queued: QueuedFiring) -> None:
        """The firing is in memory no longer."""
        if queued.flags & SERIAL and self._heads.get(queued.alarm) == queued.id:
            del self._heads[queued.alarm]

    def end(self, queued: QueuedFiring) -> None:
        """The parcel's work is over: the next one can go."""
        if queued.flags & SERIAL:
            self.leave(queued)
            self.ask(queued.alarm)
