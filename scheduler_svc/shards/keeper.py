"""Keeps what this replica owns: renews, takes what is free up to its fair share, and gives back what is more."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from scheduler_svc.domain import SHARDS
from scheduler_svc.ports import Events, Held, Liveness, ShardListener, ShardStore
from scheduler_svc.shards.clocks import ClockWatch
from scheduler_svc.shards.membership import Membership
from scheduler_svc.shards.ownership import Ownership
from tocsin.background import Background, report_progress
from tocsin.clock import SECOND, Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

_MARGIN: Final = 0.9
_TOPIC: Final = "scheduler.shards"
_GLANCE_SECONDS: Final = 0.5
_PARTING_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.05
_SHORTEST_SECONDS: Final = 0.001  # a wait that rounds to nothing would spin


class ShardKeeper:
    """Shares the shards with the other replicas, and tells the listeners what is ours; a component.

    All changes are made by one loop: a *turn* renews the leases and then takes or sheds shards, at every third of a lease and whenever
    something calls for it. A second loop glances at who takes part, so that a change is noticed without any event.
    """

    def __init__(
        self,
        *,
        store: ShardStore,
        ownership: Ownership,
        listeners: Sequence[ShardListener],
        busy: Callable[[], Collection[int]],
        events: Events,
        liveness: Liveness | None,
        clock: Clock,
        lease_seconds: float,
        address: str,
        alone: bool,
    ) -> None:
        """Owns nothing before `start`.

        Args:
            store: where the leases are.
            ownership: what it keeps true.
            listeners: who works on the shards.
            busy: says for which shards something is on its way that had better end here before they go.
            events: hints between replicas.
            liveness: what shows that this process lives; None: its lease alone does.
            clock: source of time.
            lease_seconds: how long a lease lasts.
            address: where this replica runs, for people.
            alone: True if no other process can use the store: leases that are left belong to a dead one.
        """
        self._store = store
        self._ownership = ownership
        self._listeners = listeners
        self._busy = busy
        self._events = events
        self._liveness = liveness
        self._clock = clock
        self._lease = lease_seconds
        self._address = address
        self._alone = alone
        self.clocks = ClockWatch(source=store, clock=clock)
        """This machine's clock beside the database's; one that is alone shares the machine with its database."""
        self._membership = Membership(owner=ownership.owner, lease_seconds=lease_seconds)
        self._loops = Background(clock)
        self._wake = Wake(clock)
        self._asked = False
        self._lock: int | None = None
        self._balanced_for: Sequence[str] = ()
        self._told: Held = {}
        self._leaving: set[int] = set()
        self._part_by = self._next_turn = self._patient_until = float("-inf")

    @property
    def failing(self) -> dict[str, str]:
        """Loops that do not work, with the reason."""
        return self._loops.failing

    @property
    def replicas(self) -> int:
        """How many share the shards, this one included."""
        return len(self._membership.live)

    # -- life ----------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Takes what is free, and goes on doing so."""
        if self._loops.running:
            return
        if self._liveness is not None:
            self._lock = await self._liveness.beat()
        await self._turn()
        await self._tell_others()
        self._loops.supervised("shards", self._keep)
        if not self._alone:
            self._loops.periodic("replicas", min(_GLANCE_SECONDS, self._lease / 6), self._glance, at_once=False)
            self._loops.supervised("shard-hints", self._listen)

    async def stop(self) -> None:
        """Gives everything back, so that another replica, or the next start, need not wait for the leases to end."""
        if not self._loops.running:
            return
        await self._loops.stop()
        try:
            await self._stand_down()
        except TocsinError as error:  # a database that is away must not keep the service from stopping; the leases end by themselves
            _log.warning("shards not released", error=error.message)

    # -- loops ---------------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Takes a turn at once."""
        self._asked = True
        self._wake.set()

    async def _keep(self) -> None:
        while True:
            pause = max(_SHORTEST_SECONDS, self._next_turn - self._clock.monotonic())
            await self._wake.wait(min(pause, _POLL_SECONDS) if self._leaving else pause)
            if self._leaving:
                await self._part()
            if self._asked or self._clock.monotonic() >= self._next_turn:
                self._asked = False
                await self._turn()
            report_progress()

    async def _glance(self) -> None:
        """Notices who came, who went, and who died."""
        lock = await self._liveness.beat() if self._liveness is not None else None
        was_wrong = self.clocks.wrong
        await self.clocks.measure()
        if self.clocks.wrong != was_wrong:
            self.look()
        if self.clocks.wrong:
            return
        self._membership.see(await self._store.replicas(), now=self._clock.monotonic())
        if lock != self._lock or tuple(self._membership.live) != tuple(self._balanced_for) or self._hungry:
            self._lock = lock
            self.look()

    async def _listen(self) -> None:
        mine = self._ownership.owner.encode()
        async with self._events.subscribe(_TOPIC) as events:
            async for sender in events:
                if sender != mine:
                    self.look()

    async def _tell_others(self) -> None:
        await self._events.publish(_TOPIC, self._ownership.owner.encode())

    # -- turns ---------------------------------------------------------------------------------------------------------------

    @property
    def _share(self) -> int:
        return SHARDS if self._alone else self._membership.share

    @property
    def _hungry(self) -> bool:
        """Whether shards are missing that we may take now."""
        if self.clocks.wrong:
            return False
        return len(self._ownership.claimed) < self._share and self._clock.monotonic() >= self._patient_until

    async def _turn(self) -> None:
        """Renews, then takes what is free, or chooses what to give back."""
        begun = self._clock.monotonic()
        if not self._alone:
            await self.clocks.measure()
        if self.clocks.wrong:
            await self._stand_down(telling=bool(self._ownership.claimed))  # two that are wrong would wake each other for ever
            self._next_turn = begun + self._lease / 3
            return
        lease = round(self._lease * SECOND)
        owner = self._ownership.owner
        held = dict(await self._store.renew(owner, lease=lease, address=self._address, lock=self._lock))
        if self._ownership.expired and not self._alone:
            # We could not renew in time; if the database was away, nobody could. The others renew before anybody takes anything.
            self._patient_until = begun + self._lease / 3
        self._claim(held, begun=begun)
        if not self._alone:
            self._membership.see(await self._store.replicas(), now=self._clock.monotonic())
            self._balanced_for = self._membership.live
        if self._hungry:
            most = self._share - len(held)
            held |= await self._store.acquire(owner, lease=lease, most=most, dead=self._membership.dead, steal=self._alone)
            self._claim(held, begun=begun)
        else:
            self._shed(len(held) - len(self._leaving) - self._share)
        self._next_turn = begun + self._lease / 3

    async def _stand_down(self, *, telling: bool = True) -> None:
        """Takes no part, and lets nothing go; the others hear of it if there is something to tell."""
        self._leaving.clear()
        self._ownership.renewed({}, until=float("-inf"))
        self._tell(late=False)
        await self._store.release(self._ownership.owner)
        if telling:
            await self._tell_others()

    def _claim(self, held: Held, *, begun: float) -> None:
        late = self._ownership.expired  # what was dropped meanwhile, because nothing was held, must be read again
        self._leaving &= held.keys()
        self._ownership.renewed(held, until=begun + self._lease * _MARGIN, leaving=self._leaving)
        self._tell(late=late)

    def _tell(self, *, late: bool) -> None:
        """Tells the listeners what has changed."""
        claimed = self._ownership.claimed
        usable = {shard: epoch for shard, epoch in claimed.items() if shard not in self._leaving}
        kept = set[int]() if late else {shard for shard, epoch in usable.items() if self._told.get(shard) == epoch}
        gained, lost = usable.keys() - kept, self._told.keys() - kept
        self._told = usable
        if gained or lost:
            _log.info("shards changed", gained=len(gained), lost=len(lost), owned=len(usable), replicas=self.replicas)
        for listener in self._listeners:
            if lost:
                listener.shards_lost(lost)
            if gained:
                listener.shards_gained(gained)

    # -- giving back ---------------------------------------------------------------------------------------------------------

    def _shed(self, surplus: int) -> None:
        """Stops working on what is more than our share: where nothing is on its way first, then from the highest number down."""
        if surplus <= 0:
            return
        busy = self._busy()
        if not self._leaving:
            self._part_by = self._clock.monotonic() + min(_PARTING_SECONDS, self._lease / 3)
        self._leaving |= set(sorted(self._told, key=lambda shard: (shard in busy, -shard))[:surplus])
        self._ownership.part_with(self._leaving)
        self._tell(late=False)
        self._wake.set()

    async def _part(self) -> None:
        """Gives back what is leaving as soon as nothing is on its way there any more, or when that takes too long."""
        ready = self._leaving.difference(self._busy() if self._clock.monotonic() < self._part_by else ())
        if not ready:
            return
        await self._store.give_back(self._ownership.owner, ready)
        self._leaving -= ready
        self._ownership.gave_back(ready)
        await self._tell_others()
