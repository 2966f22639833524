"""Which firings may go to which processor: by what it knows, and one suspect at a time."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from scheduler_svc.dispatch.session import Session
from scheduler_svc.dispatch.suspects import Suspects
from scheduler_svc.domain import Failed, QueuedFiring, Released

_SECOND: Final = 1_000_000
_STRANGE_SECONDS: Final = (1, 2, 4, 8, 15, 30)
"""Waits of a firing whose kind of action no processor knows: a minute in all."""


class Sorting:
    """Sorts what is next in the queues."""

    def __init__(
        self,
        *,
        sessions: Sequence[Session],
        suspects: Suspects,
        send: Callable[[Session, Sequence[QueuedFiring]], None],
        give_up: Callable[[Session, QueuedFiring, Failed | Released], None],
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

    def fit(self, session: Session, queued_firings: Sequence[QueuedFiring]) -> Sequence[QueuedFiring]:
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

    def _pass_on(self, session: Session, queued: QueuedFiring) -> None:
        able = [other for other in self._sessions if other.takes(queued.action.kind)]
        free = next((other for other in able if other.credit > 0), None)
        if free is not None:
            queued.strange = 0
            self._send(free, [queued])
        else:
            self._give_up(session, queued, _busy() if able else _unsupported(queued))


def _busy() -> Released:
    return Released(message="the processors that know this kind of action are busy", wait=_SECOND)


def _unsupported(queued: QueuedFiring) -> Failed | Released:
    """A processor that knows the kind may be on its way: what waits for it costs nobody anything, and not for ever."""
    words = f"no connected processor knows actions of the kind {queued.action.kind[:64]!r}"
    if queued.strange == len(_STRANGE_SECONDS):
        queued.strange = 0
        return Failed(reason="UNSUPPORTED_ACTION", message=words, retryable=False)
    queued.strange += 1
    return Released(message=words, wait=_STRANGE_SECONDS[queued.strange - 1] * _SECOND)
