"""Read the ledger, follow it, and fire alarms ad hoc."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from scheduler_svc.domain import (
    OPEN,
    Action,
    AlarmNotFound,
    Firing,
    FiringNotDead,
    FiringNotFound,
    FiringState,
    Origin,
    Outcome,
    Priority,
    RequestIdReused,
    RetryPolicy,
    new_id,
    requested_firing_id,
    shard_of,
)
from scheduler_svc.ports import AlarmStore, Hints, Ledger, Shards
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.fire_quotas import FireQuotas
from tocsin.clock import Clock
from tocsin.errors import QuotaExceeded, Unavailable
from tocsin.listing import Condition
from tocsin.recurrence import Micros

Cursor = tuple[int, str]
Follow = Callable[[str], AbstractAsyncContextManager[AsyncIterator[bytes]]]
"""Subscribes to hints about a tenant's firings; also yields now and then without one."""


class Firings:
    """The ledger of the caller's tenant."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        alarms: AlarmStore,
        enqueue: Callable[[Firing], Awaitable[Firing]],
        shards: Shards,
        hints: Hints,
        follow: Follow,
        fires: FireQuotas,
        clock: Clock,
    ) -> None:
        """Takes what it stands on.

        Args:
            ledger: where firings are kept.
            alarms: where alarms are kept.
            enqueue: adds a firing together with others that come at the same time; answers with the one that was there before.
            shards: what this replica owns.
            hints: told about every firing that is ready.
            follow: wakes a watcher.
            fires: says how many firings a tenant may ask for.
            clock: source of time.
        """
        self._ledger = ledger
        self._alarms = alarms
        self._enqueue = enqueue
        self._shards = shards
        self._hints = hints
        self._follow = follow
        self._fires = fires
        self._clock = clock

    async def get(self, caller: Caller, firing_id: str) -> Firing:
        """The firing.

        Raises:
            FiringNotFound: the tenant has none of that id.
        """
        return await self._ledger.get(caller.tenant, firing_id)

    async def page(
        self, caller: Caller, *, conditions: Sequence[Condition], before: tuple[Micros, str] | None, size: int, adhoc: bool = False
    ) -> list[Firing]:
        """The firings that meet all conditions, the latest due first; ``adhoc``: only those of no alarm."""
        return await self._ledger.page(caller.tenant, conditions=conditions, before=before, size=size, adhoc=adhoc)

    async def get_enqueued(self, caller: Caller, firing_id: str) -> Firing:
        """An ad-hoc firing.

        Raises:
            FiringNotFound: the tenant has no ad-hoc firing of that id.
        """
        firing = await self._ledger.get(caller.tenant, firing_id)
        if firing.origin is not Origin.ADHOC:
            raise FiringNotFound
        return firing

    async def cancel(self, caller: Caller, firing_id: str) -> Firing:
        """Cancels an ad-hoc firing; one that is over stays as it is.

        Raises:
            FiringNotFound: the tenant has no ad-hoc firing of that id.
        """
        cancelled = await self._ledger.cancel(caller.tenant, firing_id, now=self._clock.micros())
        if cancelled is None:
            return await self.get_enqueued(caller, firing_id)
        await self._hints.cancelled(cancelled)
        return cancelled

    async def fire(self, caller: Caller, alarm_id: str, *, request_id: str) -> Firing:
        """Fires an alarm now, beside its rule and whatever its state; the same request fires once.

        Raises:
            AlarmNotFound: the tenant has none of that id.
            QuotaExceeded: the tenant has used up its fires of the minute.
            Unavailable: this replica owns no shard now.
        """
        try:
            alarm = await self._alarms.get(caller.tenant, alarm_id)
        except AlarmNotFound:
            known = await self.requested(caller, alarm_id, request_id=request_id)
            if known is None:
                raise
            return known
        retry = "" if alarm.retry is None else alarm.retry.encode()
        firing = self._due_now(caller, alarm.id, request_id, Origin.MANUAL, alarm.action, alarm.priority, retry)
        return await self._fire(firing)

    async def requested(self, caller: Caller, alarm_id: str, *, request_id: str) -> Firing | None:
        """The firing that a request has made before, of an alarm or, without one, ad hoc; None when it has made none."""
        if not request_id:
            return None
        try:
            return await self._ledger.get(caller.tenant, requested_firing_id(caller.tenant, alarm_id, request_id))
        except FiringNotFound:
            return None

    async def enqueue(self, caller: Caller, action: Action, *, priority: Priority, retry: RetryPolicy | None, request_id: str) -> Firing:
        """Makes a firing of no alarm that is due now; the same request makes one.

        Raises:
            RequestIdReused: the request_id was used for something else.
            QuotaExceeded: the tenant has used up its fires of the minute.
            Unavailable: this replica owns no shard now.
        """
        policy = "" if retry is None else retry.encode()
        firing = self._due_now(caller, "", request_id, Origin.ADHOC, action, priority, policy)
        stored = await self._fire(firing)
        if (stored.action, stored.priority, stored.retry) != (action, priority, policy):
            raise RequestIdReused
        return stored

    def _due_now(
        self, caller: Caller, alarm: str, request_id: str, origin: Origin, action: Action, priority: Priority, retry: str
    ) -> Firing:
        now = self._clock.micros()
        identity = requested_firing_id(caller.tenant, alarm, request_id) if request_id else new_id(now)
        return Firing(
            id=identity,
            tenant=caller.tenant,
            alarm=alarm,
            shard=self._local_shard(identity),
            origin=origin,
            due=now,
            fired=now,
            outcome=Outcome.FIRED,
            state=FiringState.PENDING,
            ready=now,
            priority=priority,
            action=action,
            retry=retry,
            traceparent=caller.traceparent,
        )

    def _local_shard(self, identity: str) -> int:
        """A shard of this replica, whatever the alarm's is: so the firing is fired at once, by whoever was asked."""
        held = self._shards.held
        if not held:
            raise Unavailable("This replica owns no shards at the moment.", retry_after=1.0)
        return sorted(held)[shard_of(identity) % len(held)]

    async def _fire(self, firing: Firing) -> Firing:
        try:
            async with self._fires.asked_for(firing.tenant) as fired:
                stored = await self._enqueue(firing)
                if stored is firing:
                    fired.append(stored)
        except QuotaExceeded:
            return await self._known(firing)
        if stored is firing:
            await self._hints.enqueued(stored)
        return stored

    async def _known(self, firing: Firing) -> Firing:
        """What the same request has made before, in place of the error that is being handled."""
        try:
            return await self._ledger.get(firing.tenant, firing.id)
        except FiringNotFound:
            pass
        raise

    async def replay(self, caller: Caller, firing_id: str) -> Firing:
        """Fires a dead firing once more, with fresh attempts; one that is going already goes on.

        Raises:
            FiringNotFound: the tenant has none of that id.
            FiringNotDead: its work is done, or there was none.
            QuotaExceeded: the tenant has used up its fires of the minute.
            Unavailable: this replica owns no shard now.
        """
        shard, owner, held = self._local_shard(firing_id), self._shards.owner, self._shards.held
        async with self._fires.asked_for(caller.tenant) as fired:
            replayed = await self._ledger.replay(caller.tenant, firing_id, now=self._clock.micros(), shard=shard, owner=owner, held=held)
            if replayed is not None:
                fired.append(replayed)
        if replayed is not None:
            await self._hints.enqueued(replayed)
            return replayed
        stored = await self._ledger.get(caller.tenant, firing_id)
        if stored.state not in OPEN:
            raise FiringNotDead
        return stored

    async def watch(self, caller: Caller, *, alarm: str, after: Cursor | None, most: Callable[[], int]) -> AsyncGenerator[Firing]:
        """Every change from the cursor on, or from now on, as it is settled; never ends.

        It reads page by page from the ledger, each of as many rows as ``most`` then says, and holds one page at a time: a slow reader
        slows its own reading and nothing else.
        """
        async with self._follow(caller.tenant) as hints:
            cursor = after or await self._ledger.now_at()
            while True:
                settled = await self._ledger.now_at()
                rows = most()
                page = await self._ledger.changes(caller.tenant, alarm=alarm, after=cursor, most=rows)
                for firing in page:
                    cursor = (firing.change, firing.id)
                    yield firing
                if len(page) < rows:
                    cursor = max(cursor, settled)  # what is not of this alarm need not be looked at again
                    await anext(hints)
