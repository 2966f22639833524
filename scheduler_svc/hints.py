"""Hints: what changed reaches whoever works on it at once, in this process or in another replica."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from scheduler_svc.domain import Alarm, AlarmState, Firing, FiringState, QueuedFiring
from scheduler_svc.ports import AlarmHead, Events, FiringSink, Moved, Paused, Pending, Schedules, Shards
from tocsin.background import Background
from tocsin.clock import MINUTE, Clock
from tocsin.errors import Unavailable
from tocsin.recurrence import Micros

_ALARMS: Final = "scheduler.alarms"
_CANCELLED: Final = "scheduler.cancelled"
_POLL_SECONDS: Final = 1.0
_HINTS_AT_ONCE: Final = 500
_HORIZON: Final = MINUTE

Hint: TypeAlias = tuple[str, int, int | None, int, str]
"""An alarm, its shard, when it is due, its priority, and its tenant, which is empty when it is not known."""


def firings_topic(tenant: str) -> str:
    """The topic that tells of a tenant's firings."""
    return f"scheduler.firings.{tenant}"


class ChangeNotifier:
    """Tells watchers that firings changed."""

    def __init__(self, *, events: Events) -> None:
        self._events = events
        self._draining = False

    def drain(self) -> None:
        """Ends every watch within a poll: its client goes on elsewhere from its resume token."""
        self._draining = True

    @asynccontextmanager
    async def follow(self, tenant: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Wakes a watcher of the tenant's firings: at every hint, and once a poll.

        Raises:
            Unavailable: from the iterator, as soon as the service drains.
        """
        async with self._events.subscribe(firings_topic(tenant), poll_seconds=_POLL_SECONDS) as hints:
            yield self._until_drain(hints)

    async def _until_drain(self, hints: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        async for hint in hints:
            if self._draining:
                raise Unavailable("This replica is stopping; resume with the resume token.", retry_after=0.5)
            yield hint

    async def changed(self, tenants: Iterable[str]) -> None:
        """Publishes an event for each tenant."""
        for tenant in tenants:
            await self._events.publish(firings_topic(tenant))

    async def paused(self, alarms: Iterable[Paused]) -> None:
        """Publishes the alarms to every `HintPublisher`, that of this replica as well."""
        for alarm, shard, priority in alarms:
            await self._events.publish(_ALARMS, _encoded([(alarm, shard, None, priority, "")]))


class HintPublisher:
    """Carries hints to the engine and the dispatcher, or to the replica that owns the shard; a component."""

    def __init__(
        self,
        *,
        events: Events,
        shards: Shards,
        schedules: Schedules,
        sink: FiringSink,
        notifier: ChangeNotifier,
        clock: Clock,
        horizon: Micros = _HORIZON,
    ) -> None:
        """Takes what it stands on; ``horizon`` is how far ahead an owner has alarms in memory."""
        self._events = events
        self._shards = shards
        self._schedules = schedules
        self._sink = sink
        self._notifier = notifier
        self._clock = clock
        self._horizon = horizon
        self._loops = Background(clock)

    async def start(self) -> None:
        """Begins to hear other replicas."""
        if not self._loops.running:
            self._loops.supervised("hints", self._listen)
            self._loops.supervised("cancelled firings", self._listen_for_cancelled)

    async def stop(self) -> None:
        """Hears them no more."""
        await self._loops.stop()

    async def scheduled(self, alarm: Alarm) -> None:
        """Tells the engine here, or publishes a hint."""
        due = alarm.due if alarm.state is AlarmState.ACTIVE else None
        await self._tell((alarm.id, alarm.shard, due, int(alarm.priority), alarm.tenant))

    async def scheduled_all(self, alarms: Sequence[Alarm]) -> None:
        """Tells the engine here of its shards; publishes the others that are due within a minute."""
        await self._tell_all(
            (alarm.id, alarm.shard, alarm.due if alarm.state is AlarmState.ACTIVE else None, int(alarm.priority), alarm.tenant)
            for alarm in alarms
            if self._soon(alarm.due)
        )

    async def moved_all(self, tenant: str, alarms: Sequence[Moved]) -> None:
        """As `scheduled_all` does."""
        await self._tell_all((each.alarm, each.shard, each.due, each.priority, tenant) for each in alarms if self._soon(each.due))

    async def removed(self, alarm: Alarm) -> None:
        """Takes the alarm out of the engine here, or publishes a hint."""
        await self._tell((alarm.id, alarm.shard, None, int(alarm.priority), alarm.tenant))

    async def removed_all(self, tenant: str, alarms: Sequence[AlarmHead]) -> None:
        """Takes the alarms out of the engine here, and publishes hints of those of other replicas."""
        await self._tell_all((alarm.id, alarm.shard, None, alarm.priority, tenant) for alarm in alarms)

    async def enqueued(self, firing: Firing) -> None:
        """Offers the firing to the dispatcher, and tells its watchers."""
        self._sink.offer([QueuedFiring.of(firing)])
        await self._notifier.changed((firing.tenant,))

    async def cancelled(self, firing: Firing) -> None:
        """Tells the dispatcher here and those of other replicas, and the watchers."""
        await self._events.publish(_CANCELLED, firing.id.encode())
        await self._notifier.changed((firing.tenant,))

    async def caused(self, firings: Sequence[Firing], moved: Sequence[Moved]) -> None:
        """Offers the firings to the dispatcher, tells the engines of the moved alarms and the watchers of the firings."""
        held = self._shards.held
        self._sink.offer([QueuedFiring.of(firing) for firing in firings if firing.state is FiringState.PENDING and firing.shard in held])
        await self._notifier.changed({firing.tenant for firing in firings})
        for alarm, shard, priority, due, tenant in moved:
            await self._tell((alarm, shard, due, priority, tenant))

    async def _tell(self, hint: Hint) -> None:
        if hint[1] in self._shards.held:
            self._apply(hint)
        else:
            await self._events.publish(_ALARMS, _encoded([hint]))

    def _soon(self, due: Micros | None) -> bool:
        """Whether its owner would not find it in the store in time."""
        return due is not None and due <= self._clock.micros() + self._horizon

    async def _tell_all(self, hints: Iterable[Hint]) -> None:
        held, elsewhere = self._shards.held, list[Hint]()
        for hint in hints:
            if hint[1] in held:
                self._apply(hint)
            else:
                elsewhere.append(hint)
        for first in range(0, len(elsewhere), _HINTS_AT_ONCE):
            await self._events.publish(_ALARMS, _encoded(elsewhere[first : first + _HINTS_AT_ONCE]))

    def _apply(self, hint: Hint) -> None:
        alarm, shard, due, priority, tenant = hint
        if due is None:
            self._schedules.cancel(alarm)
        else:
            self._schedules.hint(Pending(alarm, due, priority, shard, tenant))

    async def _listen_for_cancelled(self) -> None:
        async with self._events.subscribe(_CANCELLED) as events:
            async for payload in events:
                self._sink.cancel(payload.decode())

    async def _listen(self) -> None:
        async with self._events.subscribe(_ALARMS) as events:
            async for payload in events:
                for hint in json.loads(payload):
                    if hint[1] in self._shards.held:
                        self._apply(hint)


def _encoded(hints: Sequence[Hint]) -> bytes:
    return json.dumps(hints).encode()
