"""Takes the steps of incidents when they are due, and ends what ends by itself."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from scheduler_svc.domain.incidents import Incident, IncidentChange
from scheduler_svc.ports import Shards
from scheduler_svc.ports.incidents import Act, Handed, IncidentStore
from tocsin.background import Background
from tocsin.bisection import run_with_bisection
from tocsin.clock import SECOND, Clock
from tocsin.errors import Aborted, TocsinError, Unavailable
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

_MOST: Final = 500
_LONGEST_SECONDS: Final = 1.0
_SHORTEST_SECONDS: Final = 0.01
_SPOILT_SECONDS: Final = 60


class Escalator:
    """Looks for incidents of this replica's shards for which something is due; a component.

    What is due is in the store, and is done in one transaction with its row in the ledger, so that it does not matter who dies here, or
    whether two look at the same incident: the second finds nothing to do.
    """

    def __init__(
        self,
        *,
        store: IncidentStore,
        act: Callable[[Sequence[Act]], Awaitable[Sequence[Incident | Exception | None]]],
        shards: Shards,
        clock: Clock,
    ) -> None:
        """Takes what it stands on.

        Args:
            store: knows what is due.
            act: changes incidents; what is due by itself is done with every change.
            shards: what this replica owns.
            clock: source of time.
        """
        self._store = store
        self._act = act
        self._shards = shards
        self._clock = clock
        self._wake = Wake(clock)
        self._loops = Background(clock)
        self._stopped: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Begins to look."""
        if not self._loops.running:
            self._loops.supervised("escalations", self._run)

    async def stop(self) -> None:
        """Stops looking; may be called twice."""
        await self._loops.stop()

    @property
    def failing(self) -> dict[str, str]:
        """Loops that do not work, with the reason."""
        return self._loops.failing

    def wake(self) -> None:
        """Something may be due sooner than was known."""
        self._wake.set()

    def stop_tenants(self, tenants: frozenset[str]) -> None:
        """No step is taken for these tenants until they are no longer among them."""
        self._stopped = tenants
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait(await self.round())

    async def round(self) -> float:
        """Does what is due; after how many seconds to look again."""
        held = self._shards.held
        if not held:
            return _LONGEST_SECONDS
        due = await self._store.due(held.keys(), until=self._clock.micros(), most=_MOST, without=self._stopped)
        if due:
            answers = await run_with_bisection(self._act, [Act(tenant, incident, _nothing) for tenant, incident, _ in due])
            await self._put_off([(tenant, incident, answer) for (tenant, incident, _), answer in zip(due, answers, strict=True)])
        if len(due) == _MOST:
            return 0.0
        next_wake = await self._store.next_wake(held.keys(), without=self._stopped)
        if next_wake is None:
            return _LONGEST_SECONDS
        return max(_SHORTEST_SECONDS, min(_LONGEST_SECONDS, (next_wake - self._clock.micros()) / SECOND))

    async def _put_off(self, answers: Sequence[tuple[str, str, object]]) -> None:
        """Tells of steps that could not be taken, and lets them wait: one that is tried in every round keeps others from theirs."""
        failed = [(tenant, incident, answer) for tenant, incident, answer in answers if isinstance(answer, Exception)]
        for tenant, incident, answer in failed:
            reason = answer.message if isinstance(answer, TocsinError) else str(answer)
            _log.error("an incident's step could not be taken", tenant=tenant, incident=incident, error=reason)
        spoilt = [(tenant, incident) for tenant, incident, answer in failed if not isinstance(answer, Unavailable | Aborted)]
        if spoilt:
            await self._store.put_off(spoilt, until=self._clock.micros() + _SPOILT_SECONDS * SECOND)


def _nothing(incident: Incident, handed: Handed) -> IncidentChange:
    """What is due by itself comes after every change, and so after none as well."""
    del handed
    return IncidentChange(incident)
