"""Recomputes the due times of this replica's shards when the time-zone database is another one than they were computed with.

It goes through the alarms in the background, in batches, and notes a shard when it is through with it: killed half-way, it begins again,
and what has moved already stays. A replica with an older database leaves what a newer one has computed that lives; when it is gone, the
newer one looks again, because alarms may have been made or fired meanwhile by the older one. When no newer one lives any more, the
database was rolled back, and the older one computes all anew.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Final, TypeVar

from scheduler_svc.ports import Held, Move, Pending, ReplanCandidate, ReplanStore, Schedules, Shards
from scheduler_svc.service.cooperative import CooperativeYield
from scheduler_svc.service.replan import replanned, still_due
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.recurrence import RULES_VERSION
from tocsin.stored import NOT_READABLE
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

_Answer = TypeVar("_Answer")

_BATCH: Final = 200
_ROUND_SECONDS: Final = 30.0


class Replanner:
    """Keeps due times true to the zones; a component, and a listener of the shards."""

    def __init__(self, *, store: ReplanStore, shards: Shards, schedules: Schedules, clock: Clock, version: str = RULES_VERSION) -> None:
        """Takes what it stands on.

        Args:
            store: where alarms and reports are.
            shards: what this replica owns.
            schedules: told about every alarm that moves.
            clock: source of time.
            version: what rules are computed with.
        """
        self._store = store
        self._shards = shards
        self._schedules = schedules
        self._clock = clock
        self._version = version
        self._checkpoint = CooperativeYield(clock)
        self._wake = Wake(clock)
        self._loops = Background(clock)

    @property
    def failing(self) -> dict[str, str]:
        """The loop, if it does not work, with the reason."""
        return self._loops.failing

    async def start(self) -> None:
        """Looks at the shards at once, then every 30 seconds and whenever one is gained."""
        if not self._loops.running:
            self._loops.periodic("replan", _ROUND_SECONDS, self.round, wake=self._wake)

    async def stop(self) -> None:
        """Stops in the middle of a batch: what has moved stays, and the shard is done again."""
        await self._loops.stop()

    def shards_gained(self, shards: Collection[int]) -> None:
        """These shards are ours now."""
        self._wake.set()

    def shards_lost(self, shards: Collection[int]) -> None:
        """These shards are not ours any more; the fence of the store keeps us from them."""

    async def round(self) -> int:
        """Recomputes what was not computed with our version; how many alarms moved."""
        held = dict(self._shards.held)
        if not held:
            return 0
        living = await self._store.meet(self._shards.owner, version=self._version)
        known = await self._store.versions(held.keys())
        moved = 0
        for before in sorted({known.get(shard, "") for shard in held}):
            if before < self._version or before not in living:
                shards = {shard for shard in held if known.get(shard, "") == before}
                moved += await self._replan(shards, held, before)
        return moved

    async def _replan(self, shards: Collection[int], held: Held, before: str) -> int:
        after, looked, moved = "", 0, 0
        while batch := await self._store.candidates(shards, after=after, most=_BATCH):
            after, looked = batch[-1].id, looked + len(batch)
            moves = await self._moves(batch)
            if moves:
                moved += await self._move(moves, held, before)
        await self._store.settle(shards, owner=self._shards.owner, held=held, now=self._clock.micros(), version=self._version)
        (_log.info if looked else _log.debug)(
            "time zones changed", tzdata_before=before, tzdata_after=self._version, shards=len(shards), alarms=looked, moved=moved
        )
        return moved

    async def _moves(self, batch: list[ReplanCandidate]) -> list[Move]:
        stale = list[ReplanCandidate]()
        for alarm in batch:
            await self._checkpoint(2)
            if not _asked(alarm, partial(still_due, alarm), otherwise=True):
                stale.append(alarm)
        if not stale:
            return []
        last = await self._store.last_due(stale)
        moves = list[Move]()
        for alarm in stale:
            await self._checkpoint(4)
            due = _asked(alarm, partial(replanned, alarm, last.get(alarm.id)), otherwise=alarm.due)
            if due != alarm.due:
                moves.append(Move(alarm, due))
        return moves

    async def _move(self, moves: list[Move], held: Held, before: str) -> int:
        now = self._clock.micros()
        done = await self._store.move(moves, owner=self._shards.owner, held=held, now=now, before=before, after=self._version)
        for alarm, due in done:
            if due is None:
                self._schedules.cancel(alarm.id)
            elif alarm.active:
                self._schedules.hint(Pending(alarm.id, due, alarm.priority, alarm.shard, alarm.tenant))
        return len(done)


def _asked(alarm: ReplanCandidate, question: Callable[[], _Answer], *, otherwise: _Answer) -> _Answer:
    """The answer of the rule; ``otherwise`` where it has none (its zone is gone, it is too costly, unreadable): others must not wait."""
    try:
        return question()
    except (TocsinError, *NOT_READABLE) as error:
        reason = error.message if isinstance(error, TocsinError) else f"its trigger cannot be read: {type(error).__name__}"
        _log.warning("alarm cannot be replanned", alarm=alarm.id, error=reason)
        return otherwise
