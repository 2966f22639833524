"""Fires a minute: what each tenant may fire, over all replicas, and the alarms that wait for the next minute."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from scheduler_svc.domain import SHARDS, Firing
from scheduler_svc.domain.fire_quotas import FIRES_PER_MINUTE, AllowanceShort, FireAllowance, going
from scheduler_svc.ports import Hints, Shards
from scheduler_svc.ports.fire_quotas import FireQuotaStore
from tocsin.background import Background, report_progress
from tocsin.clock import MINUTE, SECOND, Clock
from tocsin.errors import QuotaExceeded
from tocsin.tenants import TenantBook
from tocsin.tenants.quotas import QuotaAlerts

Result = TypeVar("Result")

_SHARE: Final = 60
_ROUND_SECONDS: Final = 1.0
_ROUND: Final = 10 * SECOND
_MOST: Final = 500


class FireQuotas:
    """Sets fires aside for transactions. A replica takes a sixtieth of a quota at a time, so that few transactions ask the database.

    What a replica that is killed has set aside is lost for the rest of the minute; more than the quota never goes.
    """

    def __init__(self, *, store: FireQuotaStore, book: Callable[[], TenantBook], alerts: QuotaAlerts, clock: Clock) -> None:
        """Takes where fires are counted, who knows the quotas, and who is told of their end."""
        self._store = store
        self._book = book
        self._alerts = alerts
        self._clock = clock
        self._minute = -1
        self._left: dict[str, int] = {}

    def limit(self, tenant: str) -> int:
        """A tenant's quota; 0: none."""
        return self._book().of(tenant).quotas.fires_per_minute

    def bounded(self, tenant: str) -> bool:
        """Whether a tenant has a quota."""
        return self.limit(tenant) > 0

    def wanted(self, tenants: Iterable[str]) -> dict[str, int]:
        """How many fires are wanted of each tenant with a quota, when each of ``tenants`` is one."""
        if FIRES_PER_MINUTE not in self._book().bounded:
            return {}
        counts: dict[str, int] = {}
        for tenant in tenants:
            counts[tenant] = counts.get(tenant, 0) + 1
        return {tenant: count for tenant, count in counts.items() if self.bounded(tenant)}

    async def set_aside(self, wanted: Mapping[str, int]) -> FireAllowance:
        """So many fires, as far as the quotas go; `give_back` ends it.

        Raises:
            Unavailable: the database is away.
        """
        now = self._now()
        granted = {tenant: min(count, self._left.get(tenant, 0)) for tenant, count in wanted.items()}
        for tenant, count in granted.items():
            self._left[tenant] = self._left.get(tenant, 0) - count
        missing = {tenant: count - granted[tenant] for tenant, count in wanted.items() if granted[tenant] < count}
        used_up: set[str] = set()
        if missing:
            limits = {tenant: self.limit(tenant) for tenant in missing}
            asked = {tenant: (max(count, limits[tenant] // _SHARE), limits[tenant]) for tenant, count in missing.items()}
            try:
                found = await self._store.spend(asked, minute=now)
            except BaseException:
                self._put_back(now, granted)
                raise
            for tenant, spent in found.items():
                taken = min(spent.granted, missing[tenant])
                granted[tenant] += taken
                self._put_back(now, {tenant: spent.granted - taken})
                if taken < missing[tenant]:
                    used_up.add(tenant)
                self._alerts.used(FIRES_PER_MINUTE, tenant, before=spent.before, after=spent.after, limit=limits[tenant])
        return FireAllowance(minute=now, granted=granted, used_up=frozenset(used_up), bounded=self.bounded)

    def give_back(self, allowance: FireAllowance, fired: Mapping[str, int]) -> None:
        """Takes back what was set aside and not fired."""
        unused = {tenant: count - fired.get(tenant, 0) for tenant, count in allowance.granted.items()}
        self._put_back(allowance.minute, unused)

    def _put_back(self, minute: int, counts: Mapping[str, int]) -> None:
        if minute == self._now():
            for tenant, count in counts.items():
                self._left[tenant] = self._left.get(tenant, 0) + max(0, count)

    def _now(self) -> int:
        """The minute; with a new one nothing is set aside any more."""
        minute = self._clock.micros() // MINUTE
        if minute != self._minute:
            self._minute = minute
            self._left = {}
        return minute

    async def within(
        self,
        tenants: Iterable[str],
        transact: Callable[[FireAllowance | None], Awaitable[Result]],
        fired: Callable[[Result], Mapping[str, int]],
    ) -> Result:
        """What a transaction gives that fires for these tenants, or others; it is made again when that is more than was set aside.

        Args:
            tenants: whose firings are expected, one for each.
            transact: the transaction; without an allowance nobody has a quota.
            fired: how much a result has fired, by tenant.
        """
        if FIRES_PER_MINUTE not in self._book().bounded:
            return await transact(None)
        wanted: Mapping[str, int] = self.wanted(tenants)
        while True:
            allowance = await self.set_aside(wanted)
            used: Mapping[str, int] = {}
            try:
                result = await transact(allowance)
                used = fired(result)
            except AllowanceShort as short:
                wanted = short.wanted
            else:
                return result
            finally:
                self.give_back(allowance, used)

    @asynccontextmanager
    async def asked_for(self, tenant: str, count: int = 1) -> AsyncGenerator[list[Firing]]:
        """Sets fires aside for what somebody asks for; the block adds to the list what was fired.

        Raises:
            QuotaExceeded: there are not so many.
        """
        fired: list[Firing] = []
        if not self.bounded(tenant):
            yield fired
            return
        allowance = await self.set_aside({tenant: count})
        try:
            if allowance.granted[tenant] < count:
                limit = self.limit(tenant)
                wait = (MINUTE - self._clock.micros() % MINUTE) / SECOND
                raise QuotaExceeded.of(FIRES_PER_MINUTE, limit=limit, used=limit, retry_after=wait)
            yield fired
        finally:
            self.give_back(allowance, going(fired))

    async def used(self, tenant: str) -> int:
        """How much a tenant has used in this minute."""
        return await self._store.used(tenant, minute=self._now())


class WaitingAlarms:
    """Lets alarms go on that came due when their tenant had used up its fires, as far as its next minutes allow; a component.

    In the first seconds of a minute a replica takes the part of a quota that its part of all shards is, so that none takes all of it.
    """

    def __init__(self, *, store: FireQuotaStore, quotas: FireQuotas, shards: Shards, hints: Hints, clock: Clock) -> None:
        self._store = store
        self._quotas = quotas
        self._shards = shards
        self._hints = hints
        self._clock = clock
        self._round = -1
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins."""
        if not self._rounds.running:
            self._rounds.periodic("waiting alarms", _ROUND_SECONDS, self.release, vital=False)

    async def stop(self) -> None:
        """Ends; what waits is released after the next start."""
        await self._rounds.stop()

    async def release(self) -> None:
        """Lets go what may, once in ten seconds."""
        now, held = self._clock.micros(), self._shards.held
        if held and now // _ROUND != self._round:
            for tenant, count in (await self._store.waiting(sorted(held))).items():
                await self._release(tenant, count, first=now % MINUTE < _ROUND)
            self._round = now // _ROUND

    async def _release(self, tenant: str, count: int, *, first: bool) -> None:
        limit = self._quotas.limit(tenant)
        if not limit:
            await self._let_go(tenant, count)
            return
        part = -(-limit * len(self._shards.held) // SHARDS) if first else limit
        allowance = await self._quotas.set_aside({tenant: min(count, part)})
        try:
            await self._let_go(tenant, allowance.granted[tenant])
        finally:
            self._quotas.give_back(allowance, {})  # for the engine, which fires them next

    async def _let_go(self, tenant: str, count: int) -> None:
        while count > 0:
            released = await self._store.release(tenant, sorted(self._shards.held), now=self._clock.micros(), most=min(count, _MOST))
            await self._hints.scheduled_all(released)
            report_progress()
            if not released:
                return
            count -= len(released)
