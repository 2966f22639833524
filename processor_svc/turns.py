"""How many may be under way at once: in all, and of one tenant, so that what hangs for one holds up nobody else."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class NoTurn(Exception):
    """Too many are under way."""


class TenantTurns:
    """Gives turns; whoever waits longer than ``seconds`` for one gets none."""

    def __init__(self, *, total: int, each: int, seconds: float) -> None:
        """``total`` turns at once, ``each`` of one tenant."""
        self._total = asyncio.Semaphore(total)
        self._each = each
        self._seconds = seconds
        self._tenants: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncGenerator[None]:
        """Holds a turn.

        Raises:
            NoTurn: there was none in time.
        """
        own = self._tenants.get(tenant)
        if own is None:
            own = self._tenants[tenant] = asyncio.Semaphore(self._each)
        await self._take(own)
        try:
            await self._take(self._total)
            try:
                yield
            finally:
                self._total.release()
        finally:
            own.release()

    async def _take(self, turns: asyncio.Semaphore) -> None:
        if not turns.locked():
            await turns.acquire()  # at once
            return
        try:
            async with asyncio.timeout(self._seconds):
                await turns.acquire()
        except TimeoutError:
            raise NoTurn from None
