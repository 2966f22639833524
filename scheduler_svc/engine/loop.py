"""The engine: brings what is due soon into memory, and fires it on time.

Far alarms stay in the store. The loader brings those due within the horizon into the time index; what is due leaves it in batches, each
through one transaction of the store. A hint about a change reaches the index at once, and when one is lost the loader finds the alarm.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from scheduler_svc.domain import FIRE_QUOTA, TENANT_SUSPENDED
from scheduler_svc.domain.fire_quotas import AllowanceShort, FireAllowance
from scheduler_svc.domain.planning import Plan, Schedule, explained, flags_of, going, plan, plan_once, plan_too_costly, within_quota
from scheduler_svc.engine.loader import LoadBounds, Loader
from scheduler_svc.engine.timeline import Popped, Timeline
from scheduler_svc.ports import Changes, Due, DueStore, Fired, FiringSink, Observer, Pending, Shards
from scheduler_svc.service.fire_quotas import FireQuotas
from scheduler_svc.triggers import Outage
from tocsin.background import Background, report_progress, report_stall
from tocsin.clock import SECOND, Clock
from tocsin.errors import Aborted, Unavailable
from tocsin.priority import nearest
from tocsin.recurrence import END_OF_TIME, Micros, TooCostly, compiled
from tocsin.stored import ToldOnce
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

_BUSY_SECONDS: Final = 0.2
_SOON: Final = SECOND // 2
_HURRIED_SHARE: Final = 3
_LEAST_SHARE: Final = 20
_HURRIED_SECONDS: Final = 0.015
_LONGEST_SLEEP: Final = 1.0  # seconds: should the wall clock be set forward, what it passes over must not wait for the monotonic one
_SPOILT: Final = 60 * SECOND
_SPOILT_MOST: Final = 1000
_URGENT: Final = (0,)
_OTHERS: Final = (1, 2)
_ALL: Final = (*_URGENT, *_OTHERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Bounds of the engine; lengths of time in microseconds.

    Attributes:
        batch_size: alarms in one transaction.
        ledger_batch: ledger rows in one transaction, which catching up may need more of than alarms.
        horizon: how far ahead alarms are in memory.
        index_limit: alarms in memory at most.
        heal_seconds: how often the loader looks for what no hint told of.
        near: how far ahead it looks then.
        grace: with catch-up NONE, a due time that is late by more than this counts as missed.
        tick: width of a bucket of the time index.
    """

    batch_size: int = 1000
    ledger_batch: int = 5000
    horizon: Micros = 60 * SECOND
    index_limit: int = 200_000
    heal_seconds: float = 1.0
    near: Micros = 2 * SECOND
    grace: Micros = 30 * SECOND
    tick: Micros = 10_000


@dataclass(slots=True)
class _Shift:
    """A loop that lets the alarms of some queues go, and until when it sleeps. Critical ones have their own, so they wait for no other."""

    queues: tuple[int, ...]
    wake: Wake
    sleeping_until: Micros = 0


class Engine:
    """Fires alarms when they are due; a component."""

    def __init__(
        self,
        *,
        store: DueStore,
        shards: Shards,
        sink: FiringSink,
        changes: Changes,
        observer: Observer,
        clock: Clock,
        options: EngineOptions,
        outage: Callable[[], Outage | None] = lambda: None,
        fires: FireQuotas | None = None,
    ) -> None:
        """Takes what it stands on; ``outage`` says when no ping could be taken lately, ``fires`` how many alarms of a tenant may fire."""
        self._store = store
        self._outage = outage
        self._fires = fires
        self._shards = shards
        self._sink = sink
        self._changes = changes
        self._observer = observer
        self._clock = clock
        self._options = options
        self.timeline = Timeline(tick=options.tick)
        bounds = LoadBounds(horizon=options.horizon, near=options.near, limit=options.index_limit)
        self._loader = Loader(store=store, timeline=self.timeline, take=self._load_one, bounds=bounds)
        self._in_hand: set[str] = set()
        self._overruled: set[str] = set()
        self._spoilt: dict[str, Micros] = {}
        self._told = ToldOnce()
        self._stopped: frozenset[str] = frozenset()
        self._shifts = (_Shift(_URGENT, Wake(clock)), _Shift(_OTHERS, Wake(clock)))
        self._help = Wake(clock)
        self._seconds_each = 0.0
        self._load_wake = Wake(clock)
        self._loops = Background(clock)
        self.overdue: float = 0.0
        """Age in seconds of the oldest due time that is not in the ledger, when last looked at."""

    # -- life --------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to load and to fire."""
        if not self._loops.running:
            self._loops.periodic("load", self._options.heal_seconds, self._load, wake=self._load_wake)
            for name, shift in zip(("fire-critical", "fire"), self._shifts, strict=True):
                self._loops.supervised(name, partial(self._fire_forever, shift))
            self._loops.supervised("fire-more", self._help_forever)

    async def stop(self) -> None:
        """Ends; a transaction that runs is given up, and so took place or did not."""
        await self._loops.stop()

    @property
    def failing(self) -> dict[str, str]:
        """Loops that do not work, with the reason."""
        return self._loops.failing

    def stop_tenants(self, tenants: frozenset[str]) -> None:
        """What comes due for these tenants is paused; see `scheduler_svc.service.suspensions` for how it ends."""
        self._stopped = tenants

    # -- hints ---------------------------------------------------------------------------------------------------------------

    def shards_gained(self, shards: Collection[int]) -> None:
        """These shards are ours now: everything is loaded anew, from the oldest overdue on."""
        if shards:
            self._loader.begin_again()
            self._load_wake.set()

    def shards_lost(self, shards: Collection[int]) -> None:
        """These shards are somebody else's now. Their alarms stay in the index: the transaction refuses them."""

    def hint(self, pending: Pending) -> None:
        """The alarm is due at that time now."""
        self._overruled.add(pending.id) if pending.id in self._in_hand else None
        if self._within_reach(pending):
            self._insert(pending)
        else:
            self.timeline.cancel(pending.id)

    def cancel(self, alarm: str) -> None:
        """The alarm fires no more. Were this lost, the transaction would notice."""
        self._overruled.add(alarm) if alarm in self._in_hand else None
        self.timeline.cancel(alarm)

    def _within_reach(self, pending: Pending) -> bool:
        """Whether nobody else will bring it in time: the loader has passed by, or comes again only when it is due."""
        return pending.due <= self._clock.micros() + self._options.near or self._loader.passed(pending)

    def _insert(self, pending: Pending) -> None:
        queue = nearest(pending.priority) - 1
        self.timeline.insert(pending.id, pending.due, queue, pending.tenant)
        for shift in self._shifts:
            if queue in shift.queues and pending.due < shift.sleeping_until:
                shift.wake.set()

    # -- loading ---------------------------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        shards = self._shards.held.keys()
        if shards:
            now = self._clock.micros()
            self.overdue = (now - await self._loader.load(shards, now)) / SECOND

    def _load_one(self, pending: Pending) -> None:
        known = self.timeline.due_of(pending.id) == pending.due or pending.id in self._in_hand
        if not known and self._spoilt.get(pending.id, 0) <= self._clock.micros():
            self._insert(pending)

    # -- firing ------------------------------------------------------------------------------------------------------------------

    async def _fire_forever(self, shift: "_Shift") -> None:
        while True:
            now = self._clock.micros()
            due = self.timeline.next_due(shift.queues)
            if due is None or due > now:
                shift.sleeping_until = END_OF_TIME if due is None else due
                await shift.wake.wait(None if due is None else min((due - now) / SECOND, _LONGEST_SLEEP))
                shift.sleeping_until = 0
            elif self._shards.held:
                await self._fire(now, shift.queues)
            else:
                await shift.wake.wait(_BUSY_SECONDS)

    async def _help_forever(self) -> None:
        """With more due than one batch holds, the next is read and planned while the one before commits; but not beside critical ones."""
        while True:
            await self._help.wait(None)
            while self._shards.held and (due := self.timeline.next_due()) is not None and due <= (now := self._clock.micros()):
                if self._hurried(now):
                    break
                await self._fire(now, _ALL)

    def _hurried(self, now: Micros) -> bool:
        """Whether critical alarms are due soon, or any of a tenant beside another one's backlog: a batch must not keep it waiting.

        Batches are small then: all that is fired shares the processors, and the database.
        """
        if self.timeline.uneven(_OTHERS):
            return True
        due, fresh = self.timeline.next_due(_URGENT), self.timeline.next_fresh(now, _OTHERS)
        return any(soon is not None and soon <= now + _SOON for soon in (due, fresh))

    async def _fire(self, now: Micros, queues: Sequence[int]) -> None:
        """Fires one batch."""
        most = self._most_hurried() if self._hurried(now) else self._options.batch_size
        batch = self.timeline.pop_due(now, most, queues)
        if len(batch) == most:
            self._help.set()
        self._in_hand.update(alarm for alarm, *_ in batch)
        await self._fire_batch(batch, now)

    def _most_hurried(self) -> int:
        """How many alarms are fired at once while others wait: what takes some 15 ms, by how long the last ones took."""
        size = self._options.batch_size
        paced = round(_HURRIED_SECONDS / self._seconds_each) if self._seconds_each else size
        return max(1, min(size // _HURRIED_SHARE, max(size // _LEAST_SHARE, paced)))

    async def _fire_batch(self, batch: Sequence[Popped], now: Micros) -> None:
        started = self._clock.monotonic()
        try:
            fired = await self._fire_within_quotas(batch, now)
        except Exception as error:
            if not isinstance(error, Unavailable | Aborted):
                await self._fire_apart(batch, now, error)  # what one alarm says must not hold up the others: it is found, and stays due
                return
            self._put_back(batch)
            self._sink.rescan()  # it may have committed all the same
            raise
        except BaseException:
            self._put_back(batch)
            raise
        report_progress()
        self._settle(batch, fired)
        seconds = self._clock.monotonic() - started
        self._seconds_each = seconds / len(batch)
        self._observer.fired(fired, now=now, seconds=seconds)
        await self._changes.changed(fired.tenants)

    async def _fire_within_quotas(self, batch: Sequence[Popped], now: Micros) -> Fired:
        if self._fires is None:
            return await self._fire_allowed(batch, now, None)
        transact = partial(self._fire_allowed, batch, now)
        return await self._fires.within((tenant for *_, tenant in batch), transact, _by_tenant)

    async def _fire_allowed(self, batch: Sequence[Popped], now: Micros, allowed: FireAllowance | None) -> Fired:
        return await self._store.fire(
            [(alarm, due) for alarm, due, *_ in batch],
            owner=self._shards.owner,
            held=self._shards.held,
            now=now,
            most=self._options.ledger_batch,
            planner=lambda alarm, room: self._plan(alarm, now, room, allowed),
        )

    async def _fire_apart(self, batch: Sequence[Popped], now: Micros, error: Exception) -> None:
        """Lets the halves of a batch go that failed as one. An alarm that fails alone is told of, and tried again a minute later."""
        if len(batch) > 1:
            middle = len(batch) // 2
            try:
                await self._fire_batch(batch[:middle], now)
            except BaseException:
                self._put_back(batch[middle:])
                raise
            await self._fire_batch(batch[middle:], now)
            return
        alarm = batch[0][0]
        report_stall(f"the alarm {alarm} cannot be fired: {type(error).__name__}", self._clock)
        if self._set_aside(alarm, now, error):
            _log.error("alarm cannot be fired", alarm=alarm, exc_info=error)
        self._let_out(batch)

    def _set_aside(self, alarm: str, now: Micros, error: Exception) -> bool:
        """Leaves an alarm alone for a minute, however often the loader finds it, unless somebody changes it.

        Returns:
            Whether it is for the log: the first time for this kind of error.
        """
        if len(self._spoilt) >= _SPOILT_MOST:
            self._spoilt = {other: until for other, until in self._spoilt.items() if until > now}
        self._spoilt[alarm] = now + _SPOILT
        return self._told.first(alarm, type(error))

    def _settle(self, batch: Sequence[Popped], fired: Fired) -> None:
        for firing in fired.cancelled:
            self._sink.cancel(firing)
        self._sink.offer(fired.queued_firings)
        for pending in fired.next:
            if pending.id not in self._overruled and self._within_reach(pending):
                self._insert(pending)
        self._let_out(batch)

    def _put_back(self, batch: Sequence[Popped]) -> None:
        for alarm, due, queue, tenant in batch:
            if alarm not in self._overruled:
                self.timeline.insert(alarm, due, queue, tenant)
        self._let_out(batch)

    def _let_out(self, batch: Sequence[Popped]) -> None:
        ids = {alarm for alarm, *_ in batch}
        self._in_hand -= ids
        self._overruled -= ids

    def _plan(self, alarm: Due, now: Micros, room: int, allowed: FireAllowance | None) -> Plan:
        if alarm.tenant in self._stopped:
            return Plan((), alarm.due, alarm.ordinal, pause=TENANT_SUSPENDED)
        try:
            plan = plan_due(alarm, now=now, most=room, grace=self._options.grace, outage=self._outage())
            if allowed is not None and not plan.signal:
                plan = _within(allowed, alarm, plan)
        except AllowanceShort:
            raise
        except Exception as error:  # noqa: BLE001  one alarm that cannot be read must not hold up the others; it stays due and is told
            if self._set_aside(alarm.id, now, error):
                _log.error("alarm cannot be planned", alarm=alarm.id, exc_info=error)
            return Plan((), alarm.due, alarm.ordinal)
        if plan.pause and plan.pause != FIRE_QUOTA:  # a rule that is too costly
            _log.warning("alarm paused", alarm=alarm.id, reason=plan.pause)
        return plan


def _within(allowed: FireAllowance, alarm: Due, made: Plan) -> Plan:
    """As much of the plan as the tenant's quota lets go. What watches something is not held back: a bell must ring."""
    wanted = going(made)
    room = allowed.room(alarm.tenant, alarm.id, wanted) if wanted else 0
    return made if room == wanted else within_quota(made, room, encoded=alarm.trigger)


def _by_tenant(fired: Fired) -> Mapping[str, int]:
    return Counter(queued.tenant for queued in fired.queued_firings)


def plan_due(alarm: Due, *, now: Micros, most: int, grace: Micros, outage: Outage | None = None) -> Plan:
    """What becomes of an alarm that the firing transaction has read; see `scheduler_svc.domain.planning.plan`."""
    flags = flags_of(alarm.trigger, auto_pause_after=alarm.auto_pause_after)
    simple = plan_once(alarm.trigger, due=alarm.due, ordinal=alarm.ordinal, now=now) if alarm.skip_before is None else None
    if simple is not None:
        return explained(simple._replace(flags=flags), alarm.waited_for)
    try:
        schedule = Schedule(
            trigger=compiled(alarm.trigger, alarm.anchor, seed=alarm.id),
            due=alarm.due,
            ordinal=alarm.ordinal,
            skip_before=alarm.skip_before,
            busy=alarm.busy,
        )
        made = plan(schedule, now=now, most=most, grace=grace, outage=outage)
    except TooCostly:
        made = plan_too_costly(due=alarm.due, ordinal=alarm.ordinal, now=now, skip_before=alarm.skip_before)
    return explained(made._replace(flags=flags), alarm.waited_for)
