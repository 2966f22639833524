"""Who is told that something changed, in this process or in another replica."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from scheduler_svc.domain import Alarm, Firing, QueuedFiring
from scheduler_svc.ports.alarms import AlarmHead, Moved
from scheduler_svc.ports.ledger import Paused, Pending


class Hints(Protocol):
    """Tells the owner of a shard, here or elsewhere, that something changed; a hint may be lost."""

    async def scheduled(self, alarm: Alarm) -> None:
        """The alarm is new, or has another schedule, or fires no more."""
        ...

    async def scheduled_all(self, alarms: Sequence[Alarm]) -> None:
        """Like `scheduled`, of many; only of those that are due soon must anybody know at once."""
        ...

    async def removed(self, alarm: Alarm) -> None:
        """The alarm is gone."""
        ...

    async def removed_all(self, tenant: str, alarms: Sequence[AlarmHead]) -> None:
        """These alarms of a tenant are gone, or paused."""
        ...

    async def moved_all(self, tenant: str, alarms: Sequence[Moved]) -> None:
        """These alarms of a tenant fire again; only of those that are due soon must anybody know at once."""
        ...

    async def enqueued(self, firing: Firing) -> None:
        """The firing is ready, in a shard of this replica."""
        ...

    async def cancelled(self, firing: Firing) -> None:
        """The firing was cancelled: who works on it shall end."""
        ...

    async def caused(self, firings: Sequence[Firing], moved: Sequence[Moved]) -> None:
        """These firings are in the ledger, and these alarms are due at another time, by something from outside."""
        ...


class Changes(Protocol):
    """Tells watchers that firings changed."""

    async def changed(self, tenants: Iterable[str]) -> None:
        """Firings of these tenants changed; the telling may get lost."""
        ...


class Notifier(Changes, Protocol):
    """Tells whoever it concerns what results have led to."""

    async def paused(self, alarms: Iterable[Paused]) -> None:
        """These alarms fire no more, for the time being; the telling may get lost."""
        ...


class Schedules(Protocol):
    """What the engine takes."""

    def hint(self, pending: Pending) -> None:
        """The alarm is due at that time now."""
        ...

    def cancel(self, alarm: str) -> None:
        """The alarm fires no more."""
        ...


class FiringSink(Protocol):
    """Where firings go."""

    def offer(self, queued_firings: Iterable[QueuedFiring]) -> None:
        """Takes firings that are in the ledger."""
        ...

    def cancel(self, firing: str) -> None:
        """The firing is over: it goes to nobody, and who works on it shall end."""
        ...

    def rescan(self) -> None:
        """There may be firings in the ledger that nobody offers."""
        ...


class Events(Protocol):
    """Events between replicas that may get lost."""

    async def publish(self, topic: str, payload: bytes = b"") -> None:
        """Tells everybody who has subscribed."""
        ...

    def subscribe(self, topic: str, *, poll_seconds: float | None = None) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The events of a topic; also an empty one when so much time has passed."""
        ...
