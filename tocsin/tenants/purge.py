"""The end of a tenant in one service: everything that it has there goes, and is counted.

auth_svc says in the book of tenants that the tenant is being purged. From then on nothing is served for it or done for it, so what is
removed does not come back but for what was under way: that is why a sweep only counts as the last one if it began some seconds later and
found nothing, and why there are more of them for as long as the book has the tenant.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from tocsin.background import Background, report_progress
from tocsin.clock import SECOND, Clock
from tocsin.telemetry import get_logger
from tocsin.tenants import TenantBook
from tocsin.wake import Wake

_log = get_logger(__name__)

_ROUND_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.02
_SETTLE_SECONDS: Final = 5.0
_AGAIN: Final = 600 * SECOND

TellPurge: TypeAlias = Callable[[str, Mapping[str, int]], Awaitable[None]]
"""Tells auth_svc that nothing is left of a tenant, and how much of each kind was removed."""


class PurgeStore(Protocol):
    """What a service keeps in its database."""

    def sweep(self, tenant: str, *, now: int) -> AsyncIterator[int]:
        """Removes everything of ``tenant``, a small transaction each time that it is asked for more; how many rows went."""
        ...

    async def counts(self, tenant: str) -> Mapping[str, int]:
        """How much was removed, by kind, since the deletion began; killed processes' work included."""
        ...

    async def done(self) -> Mapping[str, int]:
        """Tenants of which nothing was left, and when that was told, in microseconds since the epoch."""
        ...

    async def finish(self, tenant: str, *, now: int) -> None:
        """Remembers that nothing is left, and that it was told."""
        ...

    async def forget(self, known: Collection[str]) -> None:
        """Forgets the counts of all tenants but ``known``."""
        ...


PurgeElsewhere: TypeAlias = Callable[[str], Awaitable[int]]
"""Removes what a service has of a tenant beside its database, such as files; how much that was. It counts that itself."""


class TenantPurger:
    """Removes what a service has of tenants that are deleted; a component. Killed at any moment, it goes on at the next start."""

    def __init__(
        self,
        *,
        store: PurgeStore,
        book: Callable[[], TenantBook],
        tell: TellPurge,
        clock: Clock,
        elsewhere: Sequence[PurgeElsewhere] = (),
    ) -> None:
        """Removes nothing yet.

        Args:
            store: the database of the service.
            book: the book of tenants in force.
            tell: tells auth_svc.
            clock: source of time.
            elsewhere: what has to go before the rows do.
        """
        self._store = store
        self._book = book
        self._tell = tell
        self._clock = clock
        self._elsewhere = elsewhere
        self._wake = Wake(clock)
        self._background = Background(clock)

    def follow(self, book: TenantBook) -> None:
        """There is another book."""
        if book.purging:
            self._wake.set()

    async def start(self) -> None:
        """Goes on where an earlier process was."""
        if not self._background.running:
            self._background.periodic("tenant-purge", _ROUND_SECONDS, self.round, wake=self._wake, vital=False)

    async def stop(self) -> None:
        """Ends, in the middle of a tenant if need be."""
        await self._background.stop()

    async def round(self) -> None:
        """Removes what the book says, one tenant after the other; and forgets what it says no longer."""
        book = self._book()
        if not book.version:
            return  # nobody has told yet
        await self._store.forget(book.purging)
        done = await self._store.done()
        for tenant in sorted(book.purging):
            if self._clock.micros() - done.get(tenant, -_AGAIN) >= _AGAIN:
                await self._purge(tenant, before=await self._store.counts(tenant) if tenant in done else None)

    async def _purge(self, tenant: str, *, before: Mapping[str, int] | None) -> None:
        """Removes everything, looks again, and tells; ``before``: what was told already."""
        if before is None:
            _log.info("tenant purge started", tenant=tenant)
            await self._sweep(tenant)
            await self._clock.sleep(_SETTLE_SECONDS)
        while await self._sweep(tenant):
            await self._clock.sleep(_SETTLE_SECONDS)
        counts = await self._store.counts(tenant)
        if counts != before:
            await self._tell(tenant, counts)
            _log.info("tenant purged", tenant=tenant, rows=sum(counts.values()))
        await self._store.finish(tenant, now=self._clock.micros())

    async def _sweep(self, tenant: str) -> int:
        gone = 0
        for remove in self._elsewhere:
            gone += await remove(tenant)
        async for rows in self._store.sweep(tenant, now=self._clock.micros()):
            gone += rows
            report_progress()
            if rows:
                await self._clock.sleep(_PAUSE_SECONDS)  # others write here, too
        return gone
