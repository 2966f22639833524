"""Firings whose deliveries ended without a result, again and again: one of them may be what ends its processors. Pure.

When a processor dies, everything that it worked on is lost with it, and one of those may be the cause. Nobody can tell which. So what was
lost once goes out again as before; what was lost twice is suspected, and goes out one at a time to each processor. When a processor dies
that has a suspect, it is that one that counts a failed attempt, and stays suspected; those beside it count nothing.
"""

import heapq
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import Final

from scheduler_svc.dispatch.session import Session
from scheduler_svc.domain import Parcel

_REMEMBERED: Final = 64


class Suspects:
    """The suspected firings that wait, the most urgent first."""

    def __init__(self, *, lost_deliveries: int) -> None:
        """Suspects nobody.

        Args:
            lost_deliveries: so many deliveries without a result count as one failed attempt; the last of them as a suspect.
        """
        self._limit = lost_deliveries
        self._from = max(1, lost_deliveries - 1)
        self._queue: list[tuple[int, int, str]] = []
        self._waiting: dict[str, Parcel] = {}
        self._gone: OrderedDict[str, list[Parcel]] = OrderedDict()

    def __contains__(self, firing: object) -> bool:
        return firing in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def suspected(self, parcel: Parcel) -> bool:
        """Whether the firing may only go out as the one suspect of its processor."""
        return parcel.lost >= self._from

    def lost(self, parcel: Parcel) -> bool:
        """A delivery of the firing ended without a result; whether that counts as a failed attempt."""
        guilty = self.suspected(parcel)
        parcel.lost += 1
        if guilty and parcel.lost >= self._limit:
            parcel.lost = self._from  # a suspect that it stays
            return True
        return False

    def add(self, parcel: Parcel) -> None:
        """The firing waits for a processor without a suspect."""
        if parcel.id not in self._waiting:
            self._waiting[parcel.id] = parcel
            heapq.heappush(self._queue, (parcel.priority, parcel.due, parcel.id))

    def discard(self, firing: str) -> Parcel | None:
        """Takes a firing out of turn; None when it does not wait here."""
        return self._waiting.pop(firing, None)

    def drop_shards(self, shards: Collection[int]) -> list[Parcel]:
        """Forgets everything of these shards, which is returned."""
        dropped = [parcel for parcel in self._waiting.values() if parcel.shard in shards]
        for parcel in dropped:
            del self._waiting[parcel.id]
        return dropped

    def next(self, session: Session) -> Parcel | None:
        """The suspect that goes to this processor now; None when it has one, or no room."""
        if session.suspect in session.leased or not session.ready or session.credit <= 0:
            return None
        while self._queue:
            _, _, firing = heapq.heappop(self._queue)
            parcel = self._waiting.pop(firing, None)
            if parcel is not None:
                session.suspect = firing
                return parcel
        return None

    def gone(self, worker: str, parcels: Iterable[Parcel]) -> None:
        """The stream of a processor ended, and with it these deliveries; it may have died, or the network broke."""
        self._gone.setdefault(worker, []).extend(parcels)
        if len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)

    def back(self, worker: str) -> None:
        """The same start of the processor is back: it did not die, and nothing that it worked on is to blame."""
        for parcel in self._gone.pop(worker, ()):
            parcel.lost = max(0, parcel.lost - 1)
