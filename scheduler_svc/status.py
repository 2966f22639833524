"""How the scheduler does, as one picture: what the metrics show over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler_svc.dispatch import Dispatcher
from scheduler_svc.domain import SHARDS, Outcome, Priority
from scheduler_svc.engine import Engine
from scheduler_svc.ports import Counts, DueStore, HousekeepingStore, ProcessUsage, Shards, ShardStore
from tocsin.background import Background
from tocsin.clock import SECOND, Clock
from tocsin.recurrence import TZDATA_VERSION, Micros
from tocsin.redis import Redis

_ASK_SECONDS: Final = 15.0
_REST: Final = 20
"""A count of all alarms is repeated when so many times has passed what it took: however many there are, it is a small part of the load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaView:
    """A replica and its shards, as ranges such as "0-84,86"."""

    owner: str
    address: str
    shards: str
    shard_count: int
    lease_until: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStatus:
    """How the scheduler does. Lengths of time in seconds; see `tocsin.api.scheduler.v1.SchedulerStats`."""

    time: Micros
    replica: str
    alarms: Mapping[str, int]
    outcomes: Mapping[Outcome, int]
    queued: Mapping[Priority, int]
    leased: int
    processors: int
    index_alarms: int
    horizon: float
    index_spread: Mapping[int, int]
    lateness: Sequence[tuple[float, int]]
    oldest_overdue: float
    replicas: Sequence[ReplicaView]
    free_shards: int
    process: ProcessUsage
    tzdata_version: str


class StatusReader:
    """Looks at the parts."""

    def __init__(
        self,
        *,
        engine: Engine,
        dispatcher: Dispatcher,
        shards: Shards,
        ownership: ShardStore,
        due: DueStore,
        housekeeping: HousekeepingStore,
        counts: Counts,
        clock: Clock,
        horizon_seconds: float,
    ) -> None:
        """Takes what it looks at.

        Args:
            engine: has the time index.
            dispatcher: has the queues.
            shards: what this replica owns.
            ownership: who owns what.
            due: knows what is overdue.
            housekeeping: counts alarms.
            counts: what was counted.
            clock: source of time.
            horizon_seconds: how far ahead alarms are in the time index.
        """
        self._engine = engine
        self._dispatcher = dispatcher
        self._shards = shards
        self._ownership = ownership
        self._due = due
        self._housekeeping = housekeeping
        self._counts = counts
        self._clock = clock
        self._horizon = horizon_seconds
        self._alarms: Mapping[str, int] = {}
        self._again = float("-inf")

    async def picture(self) -> SchedulerStatus:
        """How the scheduler does now."""
        now = self._clock.micros()
        replicas, free = await self._replicas()
        overdue = await self._due.oldest_overdue(range(SHARDS), now=now)
        queues = self._dispatcher.backlog.queues
        return SchedulerStatus(
            time=now,
            replica=self._shards.owner,
            alarms=await self._count(),
            outcomes=self._counts.outcomes(),
            queued={priority: queues.size(int(priority)) for priority in Priority},
            leased=len(self._dispatcher.leases),
            processors=self._dispatcher.sessions,
            index_alarms=len(self._engine.timeline),
            horizon=self._horizon,
            index_spread=self._engine.timeline.spread(now, width=SECOND),
            lateness=self._counts.lateness(),
            oldest_overdue=0.0 if overdue is None else max(0.0, (now - overdue) / SECOND),
            replicas=replicas,
            free_shards=free,
            process=self._counts.process(),
            tzdata_version=TZDATA_VERSION,
        )

    async def _count(self) -> Mapping[str, int]:
        begun = self._clock.monotonic()
        if begun >= self._again:
            self._alarms = await self._housekeeping.count_alarms()
            ended = self._clock.monotonic()
            self._again = ended + _REST * (ended - begun)
        return self._alarms

    async def _replicas(self) -> tuple[list[ReplicaView], int]:
        shards: dict[str, list[int]] = {}
        for shard in await self._ownership.owners():
            shards.setdefault(shard.owner, []).append(shard.shard)
        replicas = [
            ReplicaView(
                owner=replica.owner,
                address=replica.address,
                shards=ranges(shards.get(replica.owner, ())),
                shard_count=len(shards.get(replica.owner, ())),
                lease_until=replica.lease_until,
            )
            for replica in await self._ownership.replicas()
            if replica.live
        ]
        return replicas, SHARDS - sum(replica.shard_count for replica in replicas)


class RedisMemory:
    """Asks the shared Redis now and then how much memory it uses; a component."""

    def __init__(self, *, redis: Redis, clock: Clock) -> None:
        self.bytes = 0
        self._redis = redis
        self._loops = Background(clock)

    async def start(self) -> None:
        """Begins to ask."""
        if not self._loops.running:
            self._loops.periodic("redis-memory", _ASK_SECONDS, self._ask, vital=False)

    async def stop(self) -> None:
        """Asks no more."""
        await self._loops.stop()

    async def _ask(self) -> None:
        self.bytes = await self._redis.memory()


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in order, as ranges such as "0-84,86"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)
