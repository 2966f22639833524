"""How much monitoring systems may send."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from scheduler_svc.domain.intake.integrations import Integration, TooManyPayloads
from tocsin.clock import Clock

_TOKEN_BYTES: Final = 64 * 1024
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 16 * 1024 * 1024
_MOST_BUCKETS: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class _TenantQueue:
    """The payloads of one tenant that are in hand."""

    turns: asyncio.Semaphore
    bytes: int = 0
    users: int = 0


@dataclass(slots=True, kw_only=True)
class IntakeLimits:
    """How much one integration may send, and how much of one tenant is worked on at a time: its flood is its own.

    A payload costs a token for each 64 KiB that it begins; each integration gets so many tokens a second. Of one tenant so many payloads
    are worked on at once, and others wait in turn, up to so many bytes.

    Attributes:
        clock: measures time.
        per_second: tokens that an integration gets each second.
        burst: tokens that it may save.
    """

    clock: Clock
    per_second: float
    burst: float
    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict[tuple[str, str], _Bucket])
    _queues: dict[str, _TenantQueue] = field(default_factory=dict[str, _TenantQueue])

    @asynccontextmanager
    async def place(self, integration: Integration, size: int) -> AsyncGenerator[None]:
        """A place for one payload of so many bytes, from enter to exit.

        Raises:
            TooManyPayloads: the integration has no token left, or too much waits already.
        """
        self._spend(integration, 1 + size // _TOKEN_BYTES)
        queue = self._queues.setdefault(integration.tenant, _TenantQueue(asyncio.Semaphore(_AT_ONCE)))
        if queue.users and queue.bytes + size > _MOST_WAITING:
            raise TooManyPayloads("The payloads that wait already are too large together.", retry_after=1.0)
        queue.bytes += size
        queue.users += 1
        try:
            async with queue.turns:
                yield
        finally:
            queue.bytes -= size
            queue.users -= 1
            if not queue.users:
                del self._queues[integration.tenant]

    def _spend(self, integration: Integration, cost: float) -> None:
        now, who = self.clock.monotonic(), (integration.tenant, integration.id)
        if len(self._buckets) >= _MOST_BUCKETS:
            self._forget(now)
        bucket = self._buckets.setdefault(who, _Bucket(self.burst, now))
        bucket.tokens = min(self.burst, bucket.tokens + (now - bucket.at) * self.per_second)
        bucket.at = now
        if bucket.tokens < cost and bucket.tokens < self.burst:
            missing = min(cost, self.burst) - bucket.tokens
            raise TooManyPayloads(
                f"{integration.name} gets more than {self.per_second:g} payloads a second.",
                retry_after=round(missing / self.per_second, 3),
                metadata={"limit": f"{self.per_second:g}"},
            )
        bucket.tokens -= cost

    def _forget(self, now: float) -> None:
        """Drops the buckets that are full: they say nothing."""
        full = [who for who, bucket in self._buckets.items() if bucket.tokens + (now - bucket.at) * self.per_second >= self.burst]
        for who in full:
            del self._buckets[who]
