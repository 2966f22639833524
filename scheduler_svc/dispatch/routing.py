"""Which firings may go to which processor: by what it knows, and one suspect at a time.

When a processor dies, everything that it worked on is lost with it, and one of those may be the cause. Nobody can tell which. So what was
lost once goes out again as before; what was lost twice is suspected, and goes out one at a time to each processor. When a processor dies
that has a suspect, it is that one that counts a failed attempt, and stays suspected; those beside it count nothing.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from scheduler_svc.dispatch.session import ProcessorSession
from scheduler_svc.domain import Failed, QueuedFiring, Released
from tocsin.clock import SECOND

_STRANGE_SECONDS: Final = (1, 2, 4, 8, 15, 30)
"""Waits of a firing whose kind of action no processor knows: a minute in all."""
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
        self._waiting: dict[str, QueuedFiring] = {}
        self._gone: OrderedDict[str, list[QueuedFiring]] = OrderedDict()

    def __contains__(self, firing: object) -> bool:
        return firing in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def suspected(self, queued: QueuedFiring) -> bool:
        """Whether the firing may only go out as the one suspect of its processor."""
        return queued.lost >= self._from

    def lost(self, queued: QueuedFiring) -> bool:
        """A delivery of the firing ended without a result; whether that counts as a failed attempt."""
        guilty = self.suspected(queued)
        queued.lost += 1
        if guilty and queued.lost >= self._limit:
            queued.lost = self._from  # a suspect that it stays
            return True
        return False

    def add(self, queued: QueuedFiring) -> None:
        """The firing waits for a processor without a suspect."""
        if queued.id not in self._waiting:
            self._waiting[queued.id] = queued
            heapq.heappush(self._queue, (queued.priority, queued.due, queued.id))

    def discard(self, firing: str) -> QueuedFiring | None:
        """Takes a firing out of turn; None when it does not wait here."""
        return self._waiting.pop(firing, None)

    def drop(self, which: Callable[[QueuedFiring], bool]) -> list[QueuedFiring]:
        """Forgets those that meet the condition, which are returned."""
        dropped = [queued for queued in self._waiting.values() if which(queued)]
        for queued in dropped:
            del self._waiting[queued.id]
        return dropped

    def next(self, session: ProcessorSession) -> QueuedFiring | None:
        """The suspect that goes to this processor now; None when it has one, or no room."""
        if session.suspect in session.leased or not session.ready or session.credit <= 0:
            return None
        while self._queue:
            _, _, firing = heapq.heappop(self._queue)
            queued = self._waiting.pop(firing, None)
            if queued is not None:
                session.suspect = firing
                return queued
        return None

    def gone(self, worker: str, queued_firings: Iterable[QueuedFiring]) -> None:
        """The stream of a processor ended, and with it these deliveries; it may have died, or the network broke."""
        self._gone.setdefault(worker, []).extend(queued_firings)
        if len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)

    def back(self, worker: str) -> None:
        """The same start of the processor is back: it did not die, and nothing that it worked on is to blame."""
        for queued in self._gone.pop(worker, ()):
            queued.lost = max(0, queued.lost - 1)


class Routing:
    """Sends what is next in the queues to those who can do it."""

    def __init__(
        self,
        *,
        sessions: Sequence[ProcessorSession],
        suspects: Suspects,
        send: Callable[[ProcessorSession, Sequence[QueuedFiring]], None],
        give_up: Callable[[ProcessorSession, QueuedFiring, Failed | Released], None],
    ) -> None:
        """Takes what it works with.

        Args:
            sessions: the connected processors, as they come and go.
            suspects: those that wait for their turn.
            send: leases firings to a processor.
            give_up: ends a delivery of a firing before it is sent to the processor that would have got it.
        """
        self._sessions = sessions
        self._suspects = suspects
        self._send = send
        self._give_up = give_up

    def fit(self, session: ProcessorSession, queued_firings: Sequence[QueuedFiring]) -> Sequence[QueuedFiring]:
        """Those that this processor may get; each other one waits for its turn, or goes to one that knows its kind of action."""
        suspected = self._suspects.suspected
        fit: list[QueuedFiring] = []
        for queued in queued_firings:
            if suspected(queued):
                self._suspects.add(queued)
            elif queued.action.kind in session.kinds:
                fit.append(queued)
            else:
                self._pass_on(session, queued)
        return fit

    def send_suspects(self, held: Collection[int]) -> None:
        """Gives each processor without a suspect the next one of the shards that are ``held``."""
        for session in tuple(self._sessions):
            queued = self._suspects.next(session)
            if queued is None or queued.shard not in held:
                continue
            if queued.action.kind in session.kinds:
                self._send(session, [queued])
            else:
                self._pass_on(session, queued)

    def _pass_on(self, session: ProcessorSession, queued: QueuedFiring) -> None:
        able = [other for other in self._sessions if other.takes(queued.action.kind)]
        free = next((other for other in able if other.credit > 0), None)
        if free is not None:
            queued.strange = 0
            self._send(free, [queued])
        else:
            self._give_up(session, queued, _busy() if able else _unsupported(queued))


def _busy() -> Released:
    return Released(message="all processors that support this kind of action are busy", wait=SECOND)


def _unsupported(queued: QueuedFiring) -> Failed | Released:
    """A processor that knows the kind may be on its way: what waits for it costs nobody anything, and not for ever."""
    words = f"no connected processor supports actions of kind {queued.action.kind[:64]!r}"
    if queued.strange == len(_STRANGE_SECONDS):
        queued.strange = 0
        return Failed(reason="UNSUPPORTED_ACTION", message=words, retryable=False)
    queued.strange += 1
    return Released(message=words, wait=_STRANGE_SECONDS[queued.strange - 1] * SECOND)
