"""Turns at something scarce, shared fairly among those who want it (pure)."""

import asyncio
from collections import OrderedDict, deque

from tocsin.errors import ResourceExhausted


class PasswordsBusy(ResourceExhausted):
    """Too many passwords are being checked; retry in a moment."""


class FairQueue:
    """Gives so many turns at a time; who waits is served by client, one after the other, whatever a client has waiting.

    A client that wants a hundred turns gets every second one while another wants one. Who comes when all places are taken displaces the
    newest of the client that has most, unless that would be itself.
    """

    def __init__(self, *, turns: int, places: int, share: int) -> None:
        """Makes it.

        Args:
            turns: that are given at a time.
            places: in which requests wait, in all.
            share: places that one client may take.
        """
        self._turns = turns
        self._places = places
        self._share = share
        self._taken = 0
        self._count = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def busy(self) -> int:
        """Turns that are taken, and requests that wait."""
        return self._taken + self._count

    async def take(self, client: str) -> None:
        """Returns when it is ``client``'s turn; `give` ends it.

        Raises:
            PasswordsBusy: there is no place to wait, or somebody else had a better claim to it.
        """
        if self._taken < self._turns and not self._count:
            self._taken += 1
            return
        place = self._wait(client)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.give()  # the turn came at the moment at which its client went away
            else:
                self._leave(client, place)
            raise

    def _wait(self, client: str) -> asyncio.Future[None]:
        queue = self._waiting.get(client)
        own = len(queue) if queue else 0
        if own >= self._share or (self._count >= self._places and not self._displace(own)):
            raise PasswordsBusy(retry_after=1.0)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(place)
        self._count += 1
        return place

    def _displace(self, own: int) -> bool:
        """Takes the newest place of the client that has most, if it has two more than who comes has."""
        client = max(self._waiting, key=lambda each: len(self._waiting[each]), default=None)
        if client is None or len(self._waiting[client]) < own + 2:
            return False
        place = self._waiting[client][-1]
        self._leave(client, place)
        place.set_exception(PasswordsBusy(retry_after=1.0))
        return True

    def _leave(self, client: str, place: asyncio.Future[None]) -> None:
        queue = self._waiting.get(client)
        if queue is not None and place in queue:
            queue.remove(place)
            self._count -= 1
            if not queue:
                del self._waiting[client]

    def give(self) -> None:
        """Ends a turn, which goes to the client whose turn it is; that comes last then."""
        if not self._waiting:
            self._taken -= 1
            return
        client, queue = self._waiting.popitem(last=False)
        place = queue.popleft()
        self._count -= 1
        if queue:
            self._waiting[client] = queue
        if not place.done():
            place.set_result(None)
        else:
            self.give()
